/* This shard's parts in transactions over several shards: the pure machine's hands. Their records
 * stand in entry.h.
 */
#include "engine/shard/part.h"
#include "engine/shard/changes.h"
#include "engine/shard/pack.h"
#include "engine/shard/recipe.h"

enum { RESERVE_PER_PART = 1024, SPARES_MAX = 512 };

/* ---- The set of parts ---- */

static hf_part_list *list_of(hf_shard *shard, const hf_part *part)
{
    return part->old ? &shard->old : &shard->lists[hf_attempt_shard(part->p.attempt)];
}

static void list_add(hf_part_list *list, hf_part *part)
{
    part->prev = list->last;
    part->next = NULL;
    if (list->last != NULL) {
        list->last->next = part;
    } else {
        list->first = part;
    }
    list->last = part;
}

static void list_remove(hf_part_list *list, hf_part *part)
{
    if (part->prev != NULL) {
        part->prev->next = part->next;
    } else {
        list->first = part->next;
    }
    if (part->next != NULL) {
        part->next->prev = part->prev;
    } else {
        list->last = part->prev;
    }
}

void hf_part__undecided_add(hf_shard *shard, hf_part *part)
{
    hf_part *last = shard->undecided_last;
    HF_ASSERT(last == NULL || last->p.pts < part->p.pts);
    part->prev_undecided = last;
    part->next_undecided = NULL;
    if (last != NULL) {
        last->next_undecided = part;
    } else {
        shard->undecided_first = part;
    }
    shard->undecided_last = part;
    shard->undecided++;
    shard->reserve += RESERVE_PER_PART;
}

static void undecided_remove(hf_shard *shard, hf_part *part)
{
    if (part->prev_undecided != NULL) {
        part->prev_undecided->next_undecided = part->next_undecided;
    } else {
        shard->undecided_first = part->next_undecided;
    }
    if (part->next_undecided != NULL) {
        part->next_undecided->prev_undecided = part->prev_undecided;
    } else {
        shard->undecided_last = part->prev_undecided;
    }
    shard->undecided--;
    shard->reserve -= RESERVE_PER_PART;
}

/* Attempts are ours: nobody picks them so that they meet. */
static hf_part **bucket_of(const hf_part_set *set, hf_attempt attempt)
{
    uint64_t mixed = (attempt.seq_shard ^ attempt.incarnation) * UINT64_C(0x9e3779b97f4a7c15);
    return &set->buckets[mixed >> set->shift];
}

bool hf_part__open(hf_shard *shard)
{
    enum { LEAST_BITS = 8 };
    size_t size = sizeof(hf_part *) << LEAST_BITS;
    shard->parts =
        (hf_part_set){ .buckets = hf_heap_take(shard->heap, size), .shift = 64 - LEAST_BITS };
    if (shard->parts.buckets != NULL) {
        memset(shard->parts.buckets, 0, size);
    }
    hf_buf_open(&shard->ends, shard->heap);
    return shard->parts.buckets != NULL;
}

/* Twice the buckets; without memory the chains only get longer. */
static void grow(hf_shard *shard, hf_part_set *set)
{
    uint32_t count = UINT32_C(1) << (64 - set->shift);
    hf_part_set more = { .shift = set->shift - 1 };
    more.buckets = hf_heap_take(shard->heap, 2 * count * sizeof *more.buckets);
    if (more.buckets == NULL) {
        return;
    }
    memset(more.buckets, 0, 2 * count * sizeof *more.buckets);
    for (uint32_t i = 0; i < count; i++) {
        hf_part *next;
        for (hf_part *part = set->buckets[i]; part != NULL; part = next) {
            hf_part **at = bucket_of(&more, part->p.attempt);
            next = part->chain;
            part->chain = *at;
            *at = part;
        }
    }
    hf_heap_give(shard->heap, set->buckets);
    set->buckets = more.buckets;
    set->shift = more.shift;
}

static void set_add(hf_shard *shard, hf_part *part)
{
    hf_part_set *set = &shard->parts;
    if (set->count++ >> (64 - set->shift) != 0) {
        grow(shard, set);
    }
    hf_part **at = bucket_of(set, part->p.attempt);
    part->chain = *at;
    *at = part;
}

static void set_remove(hf_part_set *set, hf_part *part)
{
    hf_part **at = bucket_of(set, part->p.attempt);
    while (*at != part) {
        HF_ASSERT(*at != NULL);
        at = &(*at)->chain;
    }
    *at = part->chain;
    set->count--;
}

hf_part *hf_part__find(hf_shard *shard, hf_attempt attempt)
{
    hf_part *part = *bucket_of(&shard->parts, attempt);
    while (part != NULL && !hf_attempt_equal(part->p.attempt, attempt)) {
        part = part->chain;
    }
    return part;
}

void hf_part__fetch(const hf_shard *shard, hf_attempt attempt)
{
    enum { LINE = 64, LINES = 6 };
    uintptr_t part = (uintptr_t)*bucket_of(&shard->parts, attempt); /* or nobody is there */
    for (uint32_t i = 0; i < LINES; i++) {
        __builtin_prefetch((const void *)(part + (size_t)i * LINE));
    }
}

bool hf_part__fresh(const hf_shard *shard, hf_attempt attempt)
{
    return attempt.incarnation == shard->incarnation &&
           hf_attempt_seq(attempt) >= shard->watermarks[hf_attempt_shard(attempt)];
}

hf_part *hf_part__make(hf_shard *shard, hf_attempt attempt, hf_age age)
{
    hf_part *part = shard->parts.spare;
    if (part != NULL) {
        shard->parts.spare = part->chain;
        shard->parts.spares--;
    } else {
        part = hf_heap_take(shard->heap, sizeof *part);
    }
    if (part == NULL) {
        return NULL;
    }
    memset(part, 0, offsetof(hf_part, room));
    hf_participant_begin(&part->p, attempt, shard->self);
    hf_buf_open(&part->collected, shard->heap);
    part->locks.age = age;
    part->lsn_before = hf_log_appended(shard->log);
    part->since_ns = shard->io->now_ns;
    part->old = attempt.incarnation != shard->incarnation;
    part->ending = HF_ENDING_CONFLICT;
    set_add(shard, part);
    list_add(list_of(shard, part), part);
    return part;
}

void hf_part__promise(hf_shard *shard, hf_part *part)
{
    enum { CHANGE = 512 }; /* besides its bytes, at most about */
    hf_table_need need = { .changes = part->additions };
    if (!part->only_adds) {
        need = hf_mutations_cost(shard->table, hf_bytes_of(part->effects, part->effects_size));
    }
    part->promised = part->effects_size + 2 * need.built + need.copied +
                     (uint64_t)need.changes * CHANGE + (part->stub ? part->replies_size : 0);
    shard->promised += part->promised;
}

/* What is small lies in the part itself. */
static void give(hf_shard *shard, const hf_part *part, uint8_t *block)
{
    if (block < part->room || block >= part->room + sizeof part->room) {
        hf_heap_give(shard->heap, block);
    }
}

void hf_part__not_old(hf_shard *shard, hf_part *part)
{
    list_remove(list_of(shard, part), part);
    part->old = false;
    list_add(list_of(shard, part), part);
}

void hf_part__drop_effects(hf_shard *shard, hf_part *part)
{
    shard->promised -= part->promised;
    part->promised = 0;
    give(shard, part, part->effects);
    part->effects = NULL;
    part->effects_size = 0;
}

void hf_part__forget(hf_shard *shard, hf_part *part)
{
    HF_ASSERT(!hf_participant_undecided(&part->p) && part->locks.holds == NULL &&
              part->item == NULL);
    list_remove(list_of(shard, part), part);
    set_remove(&shard->parts, part);
    hf_part__drop_effects(shard, part);
    give(shard, part, part->replies);
    give(shard, part, part->recipe);
    hf_buf_close(&part->collected);
    if (shard->parts.spares < SPARES_MAX) {
        part->chain = shard->parts.spare;
        shard->parts.spare = part;
        shard->parts.spares++;
    } else {
        hf_heap_give(shard->heap, part);
    }
}

void hf_part__trim(hf_shard *shard)
{
    for (hf_part *part = shard->parts.spare; part != NULL; part = shard->parts.spare) {
        shard->parts.spare = part->chain;
        hf_heap_give(shard->heap, part);
    }
    shard->parts.spares = 0;
}

void hf_part__watermark(hf_shard *shard, uint16_t coordinator, uint64_t watermark)
{
    if (watermark <= shard->watermarks[coordinator]) {
        return;
    }
    shard->watermarks[coordinator] = watermark;
    hf_part_list *list = &shard->lists[coordinator];
    while (list->first != NULL && hf_attempt_seq(list->first->p.attempt) < watermark &&
           list->first->p.state != HF_PARTICIPANT_POISONING) { /* its record still names it */
        hf_part__forget(shard, list->first);
    }
}

uint64_t hf_part__oldest_lsn(const hf_shard *shard, uint64_t otherwise)
{
    uint64_t oldest = otherwise;
    for (uint16_t i = 0; i <= shard->count; i++) {
        const hf_part_list *list = i == shard->count ? &shard->old : &shard->lists[i];
        if (list->first != NULL && list->first->lsn_before < oldest) {
            oldest = list->first->lsn_before;
        }
    }
    return oldest;
}

uint64_t hf_part__oldest_pts(const hf_shard *shard, uint64_t otherwise)
{
    const hf_part *part = shard->undecided_first;
    return part != NULL && part->p.pts < otherwise ? part->p.pts : otherwise;
}

/* ---- Effects ---- */

/* The lock that the part holds on a key, and the key's hash. NULL: on a range with the key. */
static hf_lock *lock_of(hf_shard *shard, const hf_part *part, hf_bytes key, uint64_t *hash)
{
    hf_lock *lock = hf_lock_held(&part->locks, key, hash);
    if (lock == NULL) {
        *hash = hf_shard__hash(shard, key);
        lock = hf_lock_find(shard->locks, key, *hash);
    }
    return lock;
}

/* Takes the first `count` additions out of the sums. */
static void escrow_remove_first(hf_shard *shard, const hf_part *part, uint32_t count)
{
    hf_reader reader = hf_reader_of(hf_bytes_of(part->effects, part->effects_size));
    hf_mutation m;
    uint64_t hash;
    while (count > 0 && hf_mutation_next(&reader, &m)) {
        if (m.op == HF_MUTATION_ADD) {
            hf_lock *lock = lock_of(shard, part, m.key, &hash);
            hf_lock_escrow_remove(shard->locks, lock, m.bytes, m.integer);
            count--;
        }
    }
}

void hf_part__escrow_remove(hf_shard *shard, const hf_part *part)
{
    escrow_remove_first(shard, part, UINT32_MAX);
}

/* Why an addition could not be counted: its transaction's own additions to the quantity leave 64
 * bits together, or they do with those of others, which end; or there is no memory. (What is taken
 * away is summed up as a positive number: -2^63 leaves them, too.) */
static hf_err why_not(hf_shard *shard, const hf_part *part, const hf_mutation *add)
{
    hf_reader reader = hf_reader_of(hf_bytes_of(part->effects, part->effects_size));
    hf_mutation m;
    int64_t sum = 0;
    while (hf_mutation_next(&reader, &m)) {
        if (m.op == HF_MUTATION_ADD && (m.integer < 0) == (add->integer < 0) &&
            hf_bytes_equal(m.key, add->key) && hf_bytes_equal(m.bytes, add->bytes) &&
            (__builtin_add_overflow(sum, m.integer, &sum) || sum < -INT64_MAX)) {
            return HF_E_LIMIT;
        }
    }
    uint64_t hash;
    const hf_lock_escrow *e =
        hf_lock_escrow_find(lock_of(shard, part, add->key, &hash), add->bytes);
    bool others = e != NULL && (add->integer < 0 ? e->minus > INT64_MAX + add->integer
                                                 : e->plus > INT64_MAX - add->integer);
    return others ? HF_E_BUSY : HF_E_NOMEM;
}

hf_err hf_part__escrow_add(hf_shard *shard, hf_part *part, hf_bytes grants)
{
    uint32_t count = 0;
    part->only_adds = true;
    hf_reader reader = hf_reader_of(hf_bytes_of(part->effects, part->effects_size));
    hf_reader bounds = hf_reader_of(grants);
    hf_mutation m;
    while (hf_mutation_next(&reader, &m)) {
        if (m.op == HF_MUTATION_ADD) {
            int64_t min = (int64_t)hf_read_u64(&bounds);
            int64_t max = (int64_t)hf_read_u64(&bounds);
            if (bounds.bad) {
                min = INT64_MIN;
                max = INT64_MAX;
            }
            uint64_t hash;
            hf_lock *lock = lock_of(shard, part, m.key, &hash);
            if (!hf_lock_escrow_add(shard->locks, lock, m.bytes, m.integer, min, max)) {
                escrow_remove_first(shard, part, count);
                return why_not(shard, part, &m);
            }
            count++;
        }
        part->only_adds = part->only_adds && m.op == HF_MUTATION_ADD && m.bytes.size == 0;
    }
    part->additions = count;
    return HF_OK;
}

void hf_part__decided(hf_shard *shard, hf_part *part)
{
    HF_ASSERT(part->p.pts > hf_table_floor(shard->table)); /* it may commit just there */
    undecided_remove(shard, part);
    if (part->old) {
        shard->old_undecided--;
    }
    hf_save__part_decided(shard, part);
}

/* ---- The machine's hands ---- */

static void post_decision(hf_shard *shard, uint16_t to, uint16_t kind, const hf_part *part,
                          uint64_t ts, hf_bytes body)
{
    hf_msg_decision d = { .attempt = part->p.attempt,
                          .ticket = part->ticket,
                          .ts = ts,
                          .until = part->p.until,
                          .state = part->p.state };
    hf_msg *msg = hf_shard__msg_of(shard, kind, &d, sizeof d, body);
    if (msg == NULL) {
        hf_shard__fail(shard, 70, "memory", "no room for a decision");
        return;
    }
    hf_shard__post(shard, to, msg);
}

static void post_each(hf_shard *shard, hf_shard_set set, uint16_t kind, const hf_part *part,
                      uint64_t ts, hf_bytes body)
{
    for (uint16_t to = 0; set != 0; to++, set >>= 1) {
        if ((set & 1) != 0) {
            post_decision(shard, to, kind, part, ts, body);
        }
    }
}

static void tell_coordinator(hf_shard *shard, hf_part *part, bool prepared)
{
    hf_ending ending = prepared ? HF_ENDING_DONE : (hf_ending)part->ending;
    uint32_t size = ending == HF_ENDING_CONFLICT ? 0 : part->replies_size;
    hf_msg_result *r =
        hf_pack__add(shard, hf_attempt_shard(part->p.attempt),
                     prepared ? HF_MSG_PREPARED : HF_MSG_REFUSED, (uint32_t)sizeof *r + size);
    if (r == NULL) {
        hf_shard__fail(shard, 70, "memory", "no room for a vote");
        return;
    }
    *r = (hf_msg_result){ .head = r->head,
                          .ticket = part->ticket,
                          .attempt = part->p.attempt,
                          .ts = prepared ? part->p.pts : 0,
                          .until = part->p.until,
                          .ending = (uint8_t)ending };
    hf_bytes_copy((uint8_t *)(r + 1), hf_bytes_of(part->replies, size));
}

/* Puts the effects into the table, and takes its additions out of the sums. */
static void apply(hf_shard *shard, hf_part *part)
{
    hf_bytes effects = hf_bytes_of(part->effects, part->effects_size);
    hf_reader reader = hf_reader_of(effects);
    hf_mutation m;
    hf_hlc_observe(&shard->clock, part->p.commit_ts);
    hf_table_look_at(shard->table, part->place);
    while (hf_mutation_next(&reader, &m)) {
        uint64_t hash;
        hf_lock *lock = lock_of(shard, part, m.key, &hash);
        if (m.op == HF_MUTATION_ADD) {
            hf_lock_escrow_remove(shard->locks, lock, m.bytes, m.integer);
        }
        hf_owner__apply_one(shard, &m, hash, part->p.commit_ts, 0);
    }
    hf_changes__note(shard, effects, part->p.commit_ts, 0);
    shard->stats.two_phase++;
}

/* The end of what was logged. `result`: the client's reply, for the stub, which is applied with the
 * rest and is as durable as the record. */
static void log_end(hf_shard *shard, hf_part *part, bool commit, hf_bytes result)
{
    hf_buf *stub = &shard->message;
    hf_buf_reset(stub);
    if (commit && part->stub) {
        hf_owner__stub(shard, stub, part->id, true, part->p.commit_ts, part->digest, result);
        if (stub->failed) { /* decided, so it must be kept: recovery does it again, with memory */
            hf_shard__fail(shard, 70, "memory", "no room for the outcome of a transaction");
            return;
        }
    }
    hf_part__log_end(shard, part, commit, hf_buf_view(stub));
    if (stub->size != 0) {
        hf_part__write_ends(shard);
        uint64_t lsn = shard->backlog_first != NULL ? 0 : hf_log_appended(shard->log);
        hf_owner__apply(shard, hf_buf_view(stub), part->p.commit_ts, lsn);
    }
}

/* Carries out the update. */
static void carry_out(hf_shard *shard, hf_part *part, const hf_participant_update *u,
                      bool was_undecided, hf_bytes result)
{
    if (u->persist == HF_RECORD_TOMBSTONE) {
        hf_part__log_tombstone(shard, part);
    } else if (u->persist != HF_RECORD_NONE) {
        log_end(shard, part, u->persist == HF_RECORD_COMMIT, result);
    }
    if (was_undecided && !hf_participant_undecided(&part->p)) {
        hf_part__decided(shard, part);
        if (!u->apply) {
            hf_part__escrow_remove(shard, part);
        }
    }
    if (u->apply) {
        apply(shard, part);
    }
    if (u->apply || u->release) {
        hf_part__drop_effects(shard, part);
        hf_lock_release(shard->locks, &part->locks);
    }
}

static void send_out(hf_shard *shard, hf_part *part, const hf_participant_update *u)
{
    if (u->tell_prepared || u->tell_refused) {
        tell_coordinator(shard, part, u->tell_prepared);
    }
    if ((u->tell_query | u->ask | u->finalize) == 0) {
        return; /* as long as nobody is in doubt */
    }
    hf_bytes none = hf_bytes_of(NULL, 0);
    uint64_t answer_ts =
        part->p.state == HF_PARTICIPANT_COMMITTED ? part->p.commit_ts : part->p.pts;
    post_each(shard, u->tell_query, HF_MSG_ANSWER, part, answer_ts,
              part->has_id ? hf_bytes_of(part->replies, part->replies_size) : none);
    post_each(shard, u->ask, HF_MSG_QUERY, part, 0, none);
    post_each(shard, u->finalize, HF_MSG_FINALIZE, part, part->p.commit_ts, none);
}

/* A commit that recovery found: what the client was told, or would have been. */
static hf_bytes recovered_reply(hf_shard *shard, hf_part *part)
{
    hf_buf_raw(&part->collected, part->replies, part->replies_size);
    hf_recipe_recover(hf_bytes_of(part->recipe, part->recipe_size), hf_buf_view(&part->collected),
                      &shard->scratch, &shard->replies);
    return shard->replies.failed ? HF_LIT("+OK\r\n") : hf_buf_view(&shard->replies);
}

static void step_with(hf_shard *shard, hf_part *part, hf_participant_event event, uint16_t from,
                      uint64_t ts, uint64_t until, hf_bytes result)
{
    hf_participant_update update;
    bool was = hf_participant_undecided(&part->p);
    hf_participant_step(&part->p, event, from, ts, until, &update);
    part->locks.prepared = hf_participant_undecided(&part->p);
    part->locks.pts = part->p.pts;
    if (update.release && event != HF_EVENT_REFUSED && part->item != NULL) {
        hf_item *item = part->item;
        hf_owner__drop_item(shard, item);
    }
    if (update.apply && part->stub && result.size == 0) {
        result = recovered_reply(shard, part);
    }
    carry_out(shard, part, &update, was, result);
    send_out(shard, part, &update);
}

void hf_part__step(hf_shard *shard, hf_part *part, hf_participant_event event, uint16_t from,
                   uint64_t ts)
{
    step_with(shard, part, event, from, ts, UINT64_MAX, hf_bytes_of(NULL, 0));
}

/* ---- Prepare ---- */

bool hf_part__copy(hf_shard *shard, hf_part *part, hf_bytes from, uint8_t **to, uint32_t *size)
{
    *to = NULL;
    *size = from.size;
    if (from.size == 0) {
        return true;
    }
    if (from.size <= sizeof part->room - part->room_used) {
        *to = part->room + part->room_used;
        part->room_used = (uint16_t)(part->room_used + from.size);
    } else {
        *to = hf_heap_take(shard->heap, from.size);
        if (*to == NULL) {
            *size = 0;
            return false;
        }
    }
    hf_bytes_copy(*to, from);
    return true;
}

void hf_part__refused(hf_shard *shard, hf_part *part, hf_ending ending, hf_bytes body)
{
    give(shard, part, part->replies); /* of a PREPARE that could not be logged */
    part->replies = NULL;
    part->replies_size = 0;
    part->ending = (uint16_t)ending;
    if (ending != HF_ENDING_CONFLICT &&
        !hf_part__copy(shard, part, body, &part->replies, &part->replies_size)) {
        part->ending = HF_ENDING_CONFLICT; /* whoever asks again starts again */
    }
    hf_part__step(shard, part, HF_EVENT_REFUSED, shard->self, 0);
}

static uint8_t *put_counted(uint8_t *at, uint32_t count, hf_bytes list)
{
    memcpy(at, &count, sizeof count);
    hf_bytes_copy(at + sizeof count, list);
    return at + sizeof count + list.size;
}

/* The record up to its effects, in shard->message. */
static void prepare_head(hf_shard *shard, const hf_part *part, const hf_msg_txn *msg,
                         const hf_vote *vote)
{
    struct __attribute__((packed)) {
        hf_attempt attempt;
        uint64_t pts, until;
        hf_age age;
        uint64_t participants;
        uint16_t anchor;
        uint8_t flags, zero;
        uint8_t id[16];
        uint64_t digest;
    } fixed = { .attempt = part->p.attempt,
                .pts = vote->pts,
                .until = vote->until,
                .age = msg->age,
                .participants = msg->participants,
                .anchor = msg->anchor,
                .flags = (uint8_t)((part->has_id ? HF_PREPARE_HAS_ID : 0) |
                                   (part->stub ? HF_PREPARE_STUB : 0)),
                .digest = part->digest };
    memcpy(fixed.id, part->id, sizeof fixed.id);
    hf_bytes replies = hf_bytes_of(part->replies, part->has_id ? part->replies_size : 0);
    hf_bytes recipe = hf_bytes_of(part->recipe, part->recipe_size);
    uint64_t size = sizeof fixed + 4 * sizeof(uint32_t) + (uint64_t)replies.size + recipe.size +
                    vote->grants.size + vote->fences.size;
    hf_buf_reset(&shard->message);
    uint8_t *at = hf_buf_extend(&shard->message, size < UINT32_MAX ? (uint32_t)size : UINT32_MAX);
    if (at == NULL) {
        return;
    }
    memcpy(at, &fixed, sizeof fixed);
    at = put_counted(at + sizeof fixed, replies.size, replies);
    at = put_counted(at, recipe.size, recipe);
    at = put_counted(at, vote->grant_count, vote->grants);
    (void)put_counted(at, vote->fence_count, vote->fences);
}

hf_err hf_part__log_prepare(hf_shard *shard, hf_part *part, const hf_msg_txn *msg,
                            const hf_vote *vote)
{
    hf_bytes effects = vote->effects;
    uint64_t lsn;
    part->has_id = (msg->flags & HF_TXN_HAS_ID) != 0;
    part->stub = (msg->flags & HF_TXN_STUB) != 0;
    part->digest = msg->digest;
    memcpy(part->id, msg->id, sizeof part->id);
    shard->preparing = vote->pts; /* making room collects versions, below it only */
    bool room = effects.size == 0 || hf_owner__has_memory(shard, effects);
    shard->preparing = 0;
    if (!room) {
        return HF_E_NOMEM;
    }
    if (!hf_part__copy(shard, part, effects, &part->effects, &part->effects_size) ||
        !hf_part__copy(shard, part, hf_buf_view(&shard->replies), &part->replies,
                       &part->replies_size) ||
        !hf_part__copy(shard, part, hf_txn_recipe(msg), &part->recipe, &part->recipe_size)) {
        return HF_E_NOMEM;
    }
    hf_err err = hf_part__escrow_add(shard, part, vote->grants);
    if (err != HF_OK) {
        hf_part__drop_effects(shard, part);
        return err;
    }
    prepare_head(shard, part, msg, vote);
    hf_bytes parts[] = { hf_buf_view(&shard->message), effects };
    /* lsn_before stays what it was when the part was made: each list ascends by it. */
    err = shard->message.failed ? HF_E_NOMEM
                                : hf_shard__append(shard, HF_ENTRY_PREPARE, parts, 2, &lsn);
    if (err != HF_OK) {
        hf_part__escrow_remove(shard, part);
        hf_part__drop_effects(shard, part);
        return err;
    }
    part->p.participants = msg->participants;
    part->p.anchor = msg->anchor;
    part->since_ns = shard->io->now_ns;
    part->place = hf_table_last_found(shard->table);
    hf_part__promise(shard, part);
    step_with(shard, part, HF_EVENT_LOGGED, shard->self, vote->pts, vote->until,
              hf_bytes_of(NULL, 0));
    hf_part__undecided_add(shard, part);
    hf_shard__hold_part(shard, lsn, part);
    return HF_OK;
}

/* ---- Messages ---- */

/* A part for a message about an attempt that may be unknown here; NULL: it is finished everywhere.
 */
static hf_part *find_or_make(hf_shard *shard, hf_attempt attempt)
{
    hf_part *part = hf_part__find(shard, attempt);
    if (part != NULL) {
        return part;
    }
    bool old = attempt.incarnation != shard->incarnation;
    if (old ? shard->old_forgotten : !hf_part__fresh(shard, attempt)) {
        return NULL;
    }
    part = hf_part__make(shard, attempt, (hf_age){ 0, 0 });
    if (part == NULL) {
        hf_shard__fail(shard, 70, "memory", "no room for a transaction's end");
    }
    return part;
}

void hf_part__finalize(hf_shard *shard, const hf_msg_decision *msg)
{
    uint16_t coordinator = hf_attempt_shard(msg->attempt);
    if (msg->by_coordinator != 0) {
        hf_part__watermark(shard, coordinator, msg->watermark);
    }
    hf_part *part = find_or_make(shard, msg->attempt);
    if (part != NULL) {
        step_with(shard, part, msg->ts != 0 ? HF_EVENT_COMMIT : HF_EVENT_ABORT, msg->head.from,
                  msg->ts, UINT64_MAX, hf_msg_body(&msg->head, sizeof *msg));
    }
    if (msg->by_coordinator != 0) {
        hf_part__count_end(shard, coordinator);
    }
}

void hf_part__query(hf_shard *shard, const hf_msg_decision *msg)
{
    hf_part *part = find_or_make(shard, msg->attempt);
    if (part != NULL) {
        hf_part__step(shard, part, HF_EVENT_QUERY, msg->head.from, 0);
    }
}

void hf_part__resolve(hf_shard *shard, const hf_msg_decision *msg)
{
    hf_part *part = find_or_make(shard, msg->attempt);
    if (part != NULL) {
        hf_part__step(shard, part, HF_EVENT_RESOLVE, msg->head.from, 0);
    }
}

void hf_part__answer(hf_shard *shard, const hf_msg_decision *msg)
{
    hf_part *part = hf_part__find(shard, msg->attempt);
    if (part == NULL) {
        return;
    }
    hf_participant_event event = msg->state == HF_PARTICIPANT_COMMITTED  ? HF_EVENT_IS_COMMITTED
                                 : msg->state == HF_PARTICIPANT_PREPARED ? HF_EVENT_IS_PREPARED
                                                                         : HF_EVENT_IS_POISONED;
    if (part->stub && part->p.recovering && event != HF_EVENT_IS_POISONED &&
        (part->p.answered & hf_shard_bit(msg->head.from)) == 0) {
        hf_bytes body = hf_msg_body(&msg->head, sizeof *msg);
        hf_buf_raw(&part->collected, body.data, body.size);
    }
    step_with(shard, part, event, msg->head.from, msg->ts, msg->until, hf_bytes_of(NULL, 0));
}

void hf_part__push(hf_shard *shard, hf_part *part)
{
    if (part->p.anchor == shard->self) {
        hf_part__step(shard, part, HF_EVENT_RESOLVE, shard->self, 0);
    } else {
        post_decision(shard, part->p.anchor, HF_MSG_RESOLVE, part, 0, hf_bytes_of(NULL, 0));
    }
}

void hf_part__wound(hf_shard *shard, hf_part *part)
{
    HF_PRE(!part->locks.prepared);
    hf_item *item = part->item;
    bool queued = part->p.state == HF_PARTICIPANT_QUEUED;
    hf_part__step(shard, part, HF_EVENT_REFUSED, shard->self, 0);
    hf_owner__drop_item(shard, item);
    if (queued) { /* its PREPARE waits for an answer */
        tell_coordinator(shard, part, false);
        return;
    }
    post_decision(shard, hf_attempt_shard(part->p.attempt), HF_MSG_WOUNDED, part, 0,
                  hf_bytes_of(NULL, 0));
}
