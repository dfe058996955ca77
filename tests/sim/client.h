/* hf_client: a simulated client that speaks RESP over one connection at a time.
 *
 * It sends a batch of commands and calls back once all their replies are there, or once it is
 * certain that they will not come (closed, reset, timed out, or the client itself walked away).
 * What a reply means is the workload's business (scenario.h).
 *
 *   down --connect--> greeting --probe answered--> ready <--batch/replies--> waiting
 *     ^----------------------- connection lost ----------------------------------'
 *
 * Ownership: replies and their bytes are lent for the callback. Libc malloc: a test tool.
 */
#ifndef HF_TESTS_SIM_CLIENT_H
#define HF_TESTS_SIM_CLIENT_H
#include "tests/sim/world.h"

typedef struct hf_client hf_client;

/* One reply, nested ones included. RESP2 and RESP3 look alike here. */
typedef struct hf_reply {
    char kind;                    /* '+', '-', ':', '$', '*' (maps and sets too), '_' (any nil) */
    int64_t integer;              /* ':' */
    hf_bytes bytes;               /* '+', '-', '$': the text */
    uint32_t count;               /* '*' */
    const struct hf_reply *items; /* '*' */
} hf_reply;

typedef enum hf_client_state {
    HF_CLIENT_DOWN,
    HF_CLIENT_GREETING,
    HF_CLIENT_READY,
    HF_CLIENT_WAITING,
    HF_CLIENT_ENDING, /* has half-closed and has all its replies: the node is to close */
} hf_client_state;

typedef struct hf_client_handler {
    /* The connection is there and the node answers: a first batch may be sent. */
    void (*on_ready)(hf_client *client);
    /* All replies of the batch; or `replies` NULL: they will not come, and what was asked may or
     * may not have happened. */
    void (*on_replies)(hf_client *client, const hf_reply *replies, uint32_t count);
} hf_client_handler;

typedef struct hf_client_habits {
    uint32_t desert_ppm;  /* batches after which it walks away without waiting */
    uint64_t desert_ns;   /* ... after this long, on average */
    uint32_t half_ppm;    /* batches of hf_client_send_once() after which it sends no more */
    uint64_t patience_ns; /* longest wait for a batch; 0: for ever */
    bool resp3;
    bool local; /* no RESP: a client in the node's process (client_local.c) */
} hf_client_habits;

typedef struct hf_client_bytes {
    uint8_t *data;
    size_t size, room;
} hf_client_bytes;

struct hf_client {
    hf_world *world;
    const hf_client_handler *handler;
    void *owner; /* the run's */
    uint32_t number;
    hf_client_state state;
    hf_client_habits habits;
    hf_world_prng prng;
    hf_conn_id conn;
    uint64_t sent_ns, connect_ns;
    uint64_t desert_at, connect_at; /* UINT64_MAX: not */
    bool half;                      /* it said that this batch was its last */
    bool stopped;                   /* connects no more */
    bool calling;                   /* inside its handler */

    uint8_t *out;
    size_t out_size, out_room;
    uint32_t out_commands;
    uint8_t *in;
    size_t in_size, in_room;
    size_t in_whole;                      /* bytes of whole replies */
    uint32_t in_count;                    /* ... how many */
    uint32_t expected;                    /* replies that are still to come, the greeting's aside */
    hf_client_bytes frames, raw, answers; /* of a local one: sent, received, by number */
    size_t raw_at;
    uint32_t answered;
    const char *broken; /* the node broke the protocol: why */
    FILE *trace;        /* what is said, as lines; NULL: no */

    hf_reply *nodes; /* parsed replies of the batch */
    uint32_t node_count, node_room;
    uint64_t batches, lost;
};

void hf_client_open(hf_client *client, hf_world *world, uint32_t number, uint64_t seed,
                    const hf_client_habits *habits, const hf_client_handler *handler, void *owner);
void hf_client_close(hf_client *client);
/* Begins to connect after `delay`. */
void hf_client_connect(hf_client *client, uint64_t delay);
/* Adds a command to the batch: words are parted by single blanks; %.*s and the like may bring in
 * words, but none with blanks in it. */
void hf_client_put(hf_client *client, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Adds a command whose last word is `tail`, any bytes. */
void hf_client_put_tail(hf_client *client, hf_bytes tail, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* A command word by word: begin, then exactly `words` of put_word. */
void hf_client_put_begin(hf_client *client, uint32_t words);
void hf_client_put_word(hf_client *client, hf_bytes word);
void hf_client_put_text(hf_client *client, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Sends the batch. Only when ready. */
void hf_client_send(hf_client *client);
/* The same, for a batch after which the workload sends nothing that needs this connection: maybe it
 * is the last one, and the client half-closes. The node has to answer it all the same. */
void hf_client_send_once(hf_client *client);
/* Walks away from the connection now; a batch under way counts as lost. */
void hf_client_leave(hf_client *client, hf_world_close_kind kind);
/* To be called now and then: patience. */
void hf_client_look(hf_client *client);

/* ---- Replies ---- */
bool hf_reply_is_error(const hf_reply *reply, const char *word); /* "LIMIT"; NULL: any error */
/* The integer, also of a text that is one; false when it is none. */
bool hf_reply_integer(const hf_reply *reply, int64_t *value);
bool hf_reply_is_text(const hf_reply *reply, const char *text);

#endif
