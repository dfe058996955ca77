/* Checkpoints: which entries a pass must look at.
 *
 * Every entry is on one list. Passes are numbered (epochs); an entry's mark says in which epoch it
 * came to be due, or in which it was visited, so that whole lists change hands in one step:
 *
 *   clean --change--> due --begin--> todo --next--> done --end, kept--> clean, or tombs
 *                      ^              |               |
 *                      '-- still newer than the pass -'-- changed; or the pass failed
 *
 * A whole pass begins with clean and tombs in todo too. A change leaves an entry in todo: the pass
 * will see it anyway, with the version that its timestamp asks for.
 */
#include "storage/table/table_impl.h"

static bool visited(const hf_table__entry *e)
{
    return (e->mark & 1) != 0;
}

static uint32_t epoch_of(const hf_table__entry *e)
{
    return e->mark >> 1;
}

static bool is_clean(const hf_table *table, const hf_table__entry *e)
{
    return visited(e) && epoch_of(e) <= table->pass.last_epoch;
}

/* Carried by the pass that is running. */
static bool is_done(const hf_table *table, const hf_table__entry *e)
{
    return visited(e) && table->pass.running && epoch_of(e) == table->pass.epoch;
}

static bool in_todo(const hf_table *table, const hf_table__entry *e)
{
    const hf_table__pass *p = &table->pass;
    return p->running && epoch_of(e) < p->epoch && (p->whole || !is_clean(table, e));
}

/* Moves all links of `from` to the end of `to`. */
static void splice(hf_list *from, hf_list *to)
{
    if (hf_list_empty(from)) {
        return;
    }
    from->next->prev = to->prev;
    to->prev->next = from->next;
    from->prev->next = to;
    to->prev = from->prev;
    hf_list_open(from);
}

void hf_table__pass_open(hf_table *table)
{
    hf_table__pass *p = &table->pass;
    p->epoch = 1; /* epoch 0 is before all: nothing has been carried by it */
    hf_list_open(&p->clean);
    hf_list_open(&p->due);
    hf_list_open(&p->todo);
    hf_list_open(&p->done);
    hf_list_open(&p->done_tombs);
    hf_list_open(&p->tombs);
}

static uint64_t weight(const hf_table__entry *e)
{
    return e->key_size + (e->state.kind == HF_KIND_INT ? sizeof e->state.integer : e->state.size);
}

void hf_table__weigh(hf_table *table, const hf_table__entry *e, int sign)
{
    uint64_t one = sign < 0 ? UINT64_MAX : 1; /* modulo 2^64 */
    uint64_t bytes = one * weight(e);
    if (e->state.kind == HF_KIND_NONE) {
        table->stats.tombstones += one;
    } else {
        table->stats.keys += one;
    }
    table->stats.bytes += bytes;
    if (is_done(table, e)) {
        table->pass.done_bytes += bytes;
    } else if (!is_clean(table, e)) {
        table->pass.due_bytes += bytes;
    }
}

/* A change at a time that a pass has carried already: the version's timestamp alone would not show
 * it. */
static void mark_late(hf_table *table, hf_table__entry *e, uint64_t ts)
{
    const hf_table__pass *p = &table->pass;
    if (is_clean(table, e)) {
        e->state.flags &= (uint8_t)~HF_STATE_LATE;
    }
    if (ts <= p->last_ts || (p->running && ts <= p->ts)) {
        e->state.flags |= HF_STATE_LATE;
    }
}

static void make_due(hf_table *table, hf_table__entry *e)
{
    e->mark = table->pass.epoch << 1;
    hf_list_push_back(&table->pass.due, &e->turn);
}

void hf_table__pass_enter(hf_table *table, hf_table__entry *e, uint64_t ts)
{
    make_due(table, e);
    mark_late(table, e, ts);
}

void hf_table__touch(hf_table *table, hf_table__entry *e, uint64_t ts)
{
    mark_late(table, e, ts);
    if (in_todo(table, e)) {
        /* Due from before: if a whole pass fails, its unchanged entries need not be looked at
         * again, but this one must. */
        e->mark = (table->pass.epoch - 1) << 1;
    } else if (visited(e)) {
        hf_list_remove(&e->turn);
        make_due(table, e);
    }
}

void hf_table_pass_begin(hf_table *table, uint64_t ts, bool whole)
{
    hf_table__pass *p = &table->pass;
    HF_PRE(!p->running && ts >= p->last_ts);
    HF_ASSERT(p->epoch < UINT32_MAX >> 1);
    hf_table_pin(table, ts);
    p->running = true;
    p->whole = whole;
    p->through = false;
    p->ts = ts;
    p->epoch++;
    splice(&p->due, &p->todo);
    if (whole) {
        splice(&p->clean, &p->todo);
        splice(&p->tombs, &p->todo);
    }
}

/* What the pass carries of the entry; NULL: nothing. */
static const hf_table__state *carried(const hf_table__pass *p, hf_table__entry *e)
{
    const hf_table__state *s = hf_table__seen(e, p->ts);
    if (s == NULL) {
        return NULL;
    }
    if (p->whole) {
        return s->kind == HF_KIND_NONE ? NULL : s;
    }
    return s->ts > p->last_ts || (e->state.flags & HF_STATE_LATE) != 0 ? s : NULL;
}

static void visit(hf_table *table, hf_table__entry *e)
{
    hf_table__pass *p = &table->pass;
    hf_table__weigh(table, e, -1);
    hf_list_remove(&e->turn);
    if (e->state.ts > p->ts) {
        make_due(table, e);
    } else {
        e->mark = p->epoch << 1 | 1;
        bool tomb = e->state.kind == HF_KIND_NONE;
        hf_list_push_back(tomb ? &p->done_tombs : &p->done, &e->turn);
    }
    hf_table__weigh(table, e, 1);
}

bool hf_table_pass_next(hf_table *table, hf_bytes *key, hf_got *got)
{
    hf_table__pass *p = &table->pass;
    HF_PRE(p->running);
    hf_list *link;
    while ((link = hf_list_first(&p->todo)) != NULL) {
        hf_table__entry *e = HF_CONTAINER_OF(link, hf_table__entry, turn);
        __builtin_prefetch(link->next->next);
        visit(table, e);
        const hf_table__state *s = carried(p, e);
        if (s != NULL) {
            *key = hf_table__key(e);
            *got = hf_table__got(s);
            return true;
        }
    }
    p->through = true;
    return false;
}

void hf_table_pass_end(hf_table *table, bool kept)
{
    hf_table__pass *p = &table->pass;
    HF_PRE(p->running && (p->through || !kept));
    if (kept) {
        p->last_ts = p->ts;
        p->last_epoch = p->epoch;
        splice(&p->done, &p->clean);
        splice(&p->done_tombs, &p->tombs);
    } else {
        splice(&p->todo, &p->due);
        splice(&p->done, &p->due);
        splice(&p->done_tombs, &p->due);
        p->due_bytes += p->done_bytes;
    }
    p->done_bytes = 0;
    p->running = false;
    hf_table_unpin(table, p->ts);
}

uint64_t hf_table_due_bytes(const hf_table *table)
{
    return table->pass.due_bytes;
}

/* ---- Self-check ---- */

static uint64_t check_list(const hf_table *table, const hf_list *head, uint64_t *due,
                           uint64_t *done)
{
    const hf_table__pass *p = &table->pass;
    uint64_t count = 0;
    for (const hf_list *link = head->next; link != head; link = link->next) {
        const hf_table__entry *e = HF_CONTAINER_OF((uintptr_t)link, hf_table__entry, turn);
        HF_ASSERT(link->next->prev == link && epoch_of(e) <= p->epoch);
        HF_ASSERT((head == &p->todo) == in_todo(table, e) || head == &p->todo);
        HF_ASSERT(head != &p->clean || is_clean(table, e));
        HF_ASSERT(head != &p->tombs || (is_clean(table, e) && e->state.kind == HF_KIND_NONE));
        HF_ASSERT((head == &p->done || head == &p->done_tombs) == is_done(table, e));
        if (is_done(table, e)) {
            *done += weight(e);
        } else if (!is_clean(table, e)) {
            *due += weight(e);
        }
        count++;
    }
    return count;
}

void hf_table__pass_check(const hf_table *table)
{
    const hf_table__pass *p = &table->pass;
    const hf_list *heads[] = { &p->clean, &p->due, &p->todo, &p->done, &p->done_tombs, &p->tombs };
    uint64_t count = 0;
    uint64_t due = 0;
    uint64_t done = 0;
    for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++) {
        count += check_list(table, heads[i], &due, &done);
    }
    HF_ASSERT(count == table->stats.keys + table->stats.tombstones);
    HF_ASSERT(due == p->due_bytes && done == p->done_bytes);
    HF_ASSERT(p->running || (hf_list_empty(&p->todo) && hf_list_empty(&p->done)));
}
