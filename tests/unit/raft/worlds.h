/* The worlds that the model is run in: what may happen in each, and what must have happened. */
#ifndef HF_TESTS_RAFT_WORLDS_H
#define HF_TESTS_RAFT_WORLDS_H
#include "tests/unit/raft/model.h"

enum { WORLDS_MAX = 32 };

typedef struct world {
    model_config config;
    uint32_t seen;
    bool large; /* not in CI */
} world;

extern const world worlds[]; /* to the first without a name */
bool worlds_is(const world *w, const char *name);

#endif
