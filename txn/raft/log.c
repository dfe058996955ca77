/* The log's terms. A run is what one leader appended: first index and term; entries base + 1 ..
 * last belong to the run that begins at or before them. */
#include "engine/base/assert.h"
#include "txn/raft/raft_impl.h"

#include <string.h>

uint64_t hf_raft__term_at(const hf_raft *r, uint64_t index)
{
    if (index == r->base) {
        return r->base_term;
    }
    if (index < r->base || index > r->last) {
        return 0;
    }
    const hf_raft__run *run = hf_raft__runs_of(r);
    uint32_t at = r->runs;
    HF_ASSERT(at != 0 && run[0].first <= index);
    while (run[at - 1].first > index) {
        at--;
    }
    return run[at - 1].term;
}

bool hf_raft__fits(const hf_raft *r, uint64_t term)
{
    return r->runs < r->runs_max || (r->runs != 0 && hf_raft__runs_of(r)[r->runs - 1].term == term);
}

void hf_raft__push(hf_raft *r, uint64_t term)
{
    hf_raft__run *run = hf_raft__runs(r);
    HF_PRE(hf_raft__fits(r, term) && term >= hf_raft__term_at(r, r->last));
    r->last++;
    if (r->runs == 0 || run[r->runs - 1].term != term) {
        run[r->runs++] = (hf_raft__run){ .first = r->last, .term = term };
        r->cramped = r->cramped || r->runs == r->runs_max; /* no room for a term of its own */
    }
}

/* Places that are not in use are 0: equal replicas are equal bytes. */
static void drop_runs(hf_raft *r, uint32_t count)
{
    hf_raft__run *run = hf_raft__runs(r);
    memset(run + count, 0, (r->runs - count) * sizeof *run);
    r->runs = count;
    r->cramped = count == r->runs_max || r->config.count > r->members_max;
}

void hf_raft__cut(hf_raft *r, uint64_t from)
{
    HF_PRE(from > r->commit && from > r->base && from <= r->last);
    uint32_t count = r->runs;
    while (count != 0 && hf_raft__runs(r)[count - 1].first >= from) {
        count--;
    }
    drop_runs(r, count);
    r->last = from - 1;
    r->stable = hf_raft__least(r->stable, r->last);
}

void hf_raft__compact(hf_raft *r, uint64_t index)
{
    HF_PRE(index >= r->base && index <= r->last);
    hf_raft__run *run = hf_raft__runs(r);
    uint64_t term = hf_raft__term_at(r, index);
    uint32_t gone = 0;
    while (gone < r->runs && (gone + 1 < r->runs ? run[gone + 1].first - 1 : r->last) <= index) {
        gone++;
    }
    uint32_t left = r->runs - gone;
    memmove(run, run + gone, left * sizeof *run);
    drop_runs(r, left);
    if (left != 0 && run[0].first <= index) {
        run[0].first = index + 1;
    }
    r->base = index;
    r->base_term = term;
}

void hf_raft__restart(hf_raft *r, uint64_t index, uint64_t term)
{
    drop_runs(r, 0);
    r->base = r->last = index;
    r->base_term = term;
    r->stable = 0; /* until the snapshot is durable */
}

uint64_t hf_raft__hint(const hf_raft *r, uint64_t index, uint64_t term)
{
    const hf_raft__run *run = hf_raft__runs_of(r);
    uint64_t end = hf_raft__least(index, r->last);
    for (uint32_t i = r->runs; i > 0; i--) {
        if (run[i - 1].first <= end) {
            if (run[i - 1].term <= term) {
                return end;
            }
            end = run[i - 1].first - 1;
        }
    }
    /* Before the base: only the snapshot will do. */
    return end == r->base && r->base_term > term ? end - 1 : end;
}
