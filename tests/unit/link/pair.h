/* Two links and the bytes between them. */
#ifndef HF_TESTS_LINK_PAIR_H
#define HF_TESTS_LINK_PAIR_H
#include "net/link/link_impl.h"

enum {
    PAIR_HEAP = 4 << 20,
    PAIR_WIRE = 4 << 20, /* bytes on their way */
    PAIR_QUEUE = 64,
    PAIR_MS = 1000000,
};

typedef struct end {
    hf_link_options options;
    hf_link *link;
    hf_heap *heap;
    void *region;
    uint8_t *wire; /* sent to here, not taken yet */
    uint32_t wire_size;
    hf_link_known known; /* of the other */
    bool greeted, opened;
} end;

typedef struct pair {
    end a, b; /* nodes 1 and 2; 1 calls */
    uint64_t now;
    uint32_t step; /* bytes that arrive at a time; 0: all */
    /* Told of every message, and done with it or keeps it. NULL: done at once. */
    void (*message)(void *context, end *at, hf_link_message *m);
    void *context;
} pair;

hf_link_options pair_options(uint32_t node);
/* Before it is opened options may be changed. */
void pair_make(pair *p);
void pair_open(pair *p);
void pair_close(pair *p);

/* All output of `from` onto the wire to `to`, `size` at a time. */
void pair_write(pair *p, end *from, end *to, uint32_t size);
/* What is on the wire to `to` arrives. */
void pair_read(pair *p, end *to);
/* ... both ways, until nothing moves. */
void pair_settle(pair *p);
/* Opened on both sides, or the test fails. */
void pair_connect(pair *p);
/* It ended so, and says so. */
void pair_expect(const end *at, hf_err err, const char *words);

#endif
