/* Each different block of bytes once: a number for it. Blocks are of one size, a multiple of 8, and
 * mostly zeros, which are not kept. */
#ifndef HF_TESTS_RAFT_INTERN_H
#define HF_TESTS_RAFT_INTERN_H
#include <stddef.h>
#include <stdint.h>

typedef struct intern {
    size_t words;
    uint64_t *arena; /* of each block: which words are not zero, then those */
    size_t used, room;
    size_t *offset;
    uint32_t count, offsets_room;
    uint32_t *slots; /* number + 1 */
    uint32_t mask;
} intern;

void intern_open(intern *t, size_t size);
void intern_close(intern *t);
uint32_t intern_put(intern *t, const void *block);
void intern_get(const intern *t, uint32_t number, void *block);

uint64_t intern_hash(const uint64_t *words, size_t count);

#endif
