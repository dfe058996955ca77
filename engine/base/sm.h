/* hf_sm: a state machine as a table of rows; every move is asserted and traced.
 *
 *   static const hf_sm_row rows[] = { [IDLE] = { "idle", HF_SM_BIT(BUSY) }, ... };
 *   static const hf_sm_kind kind = { "coordinator", rows, COUNT, co_invariant };
 *
 * A move outside the table, or one that leaves the invariant broken, is a bug of ours and stops the
 * process. At most 32 states.
 *
 * Ownership:  the caller owns the machine; kind and trace outlive it.
 * Threads:    one core only.
 */
#ifndef HF_BASE_SM_H
#define HF_BASE_SM_H
#include "engine/base/trace.h"
#include <stdbool.h>
#include <stdint.h>

#define HF_SM_BIT(state) (UINT32_C(1) << (state))

typedef struct hf_sm hf_sm;

typedef struct hf_sm_row {
    const char *name;
    uint32_t next; /* HF_SM_BIT of each state that may follow; 0 is an end */
} hf_sm_row;

typedef struct hf_sm_kind {
    const char *name; /* the kind of its trace events */
    const hf_sm_row *rows;
    uint32_t count;
    bool (*invariant)(const hf_sm *sm, uint32_t before); /* after a move; NULL is none */
} hf_sm_kind;

struct hf_sm {
    const hf_sm_kind *kind;
    hf_trace *trace; /* NULL is none */
    uint64_t id;     /* tells machines of one kind apart in the trace */
    uint32_t state;
};

void hf_sm_open(hf_sm *sm, const hf_sm_kind *kind, uint32_t state, uint64_t id, hf_trace *trace);
/* Traces (kind name, id, before << 32 | after). */
void hf_sm_move(hf_sm *sm, uint32_t to);

static inline uint32_t hf_sm_state(const hf_sm *sm)
{
    return sm->state;
}
static inline bool hf_sm_may(const hf_sm *sm, uint32_t to)
{
    return to < sm->kind->count && (sm->kind->rows[sm->state].next & HF_SM_BIT(to)) != 0;
}
/* No state follows. */
static inline bool hf_sm_ended(const hf_sm *sm)
{
    return sm->kind->rows[sm->state].next == 0;
}
static inline const char *hf_sm_name(const hf_sm *sm)
{
    return sm->kind->rows[sm->state].name;
}

#endif
