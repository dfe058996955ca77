#include "engine/base/sm.h"
#include "engine/base/assert.h"

void hf_sm_open(hf_sm *sm, const hf_sm_kind *kind, uint32_t state, uint64_t id, hf_trace *trace)
{
    HF_PRE(kind->count != 0 && kind->count <= 32 && state < kind->count);
    for (uint32_t i = 0; i < kind->count; i++) {
        HF_PRE(kind->rows[i].name != NULL);
        HF_PRE(kind->count == 32 || kind->rows[i].next >> kind->count == 0);
    }
    *sm = (hf_sm){ .kind = kind, .trace = trace, .id = id, .state = state };
}

void hf_sm_move(hf_sm *sm, uint32_t to)
{
    HF_ASSERT(hf_sm_may(sm, to));
    uint32_t before = sm->state;
    sm->state = to;
    HF_ASSERT(sm->kind->invariant == NULL || sm->kind->invariant(sm, before));
    hf_trace_add(sm->trace, sm->kind->name, sm->id, (uint64_t)before << 32 | to);
}
