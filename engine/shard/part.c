/* This shard's parts in transactions over several shards: the pure machine's hands. Their records
 * stand in entry.h.
 */
#include "engine/shard/part.h"
#include "engine/shard/changes.h"
#include "engine/shard/recipe.h"

enum { RESERVE_PER_PART = 1024 };

typedef struct backlog {
    hf_msg head;   /* head.kind is the record's; head.next links */
    hf_part *part; /* a TOMBSTONE's, to be told when durable */
    uint8_t bytes[];
} backlog;

static hf_id128 id_of(hf_attempt attempt)
{
    return (hf_id128){ attempt.incarnation, attempt.seq_shard };
}

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

hf_part *hf_part__find(hf_shard *shard, hf_attempt attempt)
{
    return hf_map_find_pointer(&shard->parts, id_of(attempt));
}

bool hf_part__fresh(const hf_shard *shard, hf_attempt attempt)
{
    return attempt.incarnation == shard->incarnation &&
           hf_attempt_seq(attempt) >= shard->watermarks[hf_attempt_shard(attempt)];
}

hf_part *hf_part__make(hf_shard *shard, hf_attempt attempt, hf_age age)
{
    hf_part *part = hf_heap_take(shard->heap, sizeof *part);
    if (part == NULL) {
        return NULL;
    }
    memset(part, 0, sizeof *part);
    if (hf_map_put_pointer(&shard->parts, id_of(attempt), part) != HF_OK) {
        hf_heap_give(shard->heap, part);
        return NULL;
    }
    hf_participant_begin(&part->p, attempt, shard->self);
    hf_buf_open(&part->collected, shard->heap);
    part->locks.age = age;
    part->lsn_before = hf_log_appended(shard->log);
    part->since_ns = shard->io->now_ns;
    part->old = attempt.incarnation != shard->incarnation;
    part->ending = HF_ENDING_CONFLICT;
    list_add(list_of(shard, part), part);
    return part;
}

void hf_part__promise(hf_shard *shard, hf_part *part)
{
    enum { CHANGE = 512 }; /* besides its bytes, at most about */
    hf_table_need need =
        hf_mutations_cost(shard->table, hf_bytes_of(part->effects, part->effects_size));
    part->promised = part->effects_size + 2 * need.built + need.copied +
                     (uint64_t)need.changes * CHANGE + (part->stub ? part->replies_size : 0);
    shard->promised += part->promised;
}

void hf_part__drop_effects(hf_shard *shard, hf_part *part)
{
    shard->promised -= part->promised;
    part->promised = 0;
    hf_heap_give(shard->heap, part->effects);
    part->effects = NULL;
    part->effects_size = 0;
}

void hf_part__forget(hf_shard *shard, hf_part *part)
{
    HF_ASSERT(!hf_participant_undecided(&part->p) && part->locks.holds == NULL &&
              part->item == NULL);
    list_remove(list_of(shard, part), part);
    (void)hf_map_drop(&shard->parts, id_of(part->p.attempt));
    hf_part__drop_effects(shard, part);
    hf_heap_give(shard->heap, part->replies);
    hf_heap_give(shard->heap, part->recipe);
    hf_buf_close(&part->collected);
    hf_heap_give(shard->heap, part);
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

/* ---- Records that must be written, whatever the room ---- */

static hf_err append(hf_shard *shard, uint16_t kind, hf_bytes record, uint64_t *lsn)
{
    return hf_log_append(shard->log, kind, 0, 0, &record, 1, lsn);
}

/* Appends, or queues until there is room. Answers the position, or UINT64_MAX while it is not
 * known. */
static uint64_t append_must(hf_shard *shard, uint16_t kind, hf_bytes record, hf_part *part)
{
    uint64_t lsn;
    if (shard->backlog_first == NULL && append(shard, kind, record, &lsn) == HF_OK) {
        if (part != NULL) {
            hf_shard__hold_part(shard, lsn, part);
        }
        return lsn;
    }
    backlog *entry = hf_heap_take(shard->heap, sizeof *entry + record.size);
    if (entry == NULL) {
        hf_shard__fail(shard, 70, "memory", "no room to queue a decision for the log");
        return UINT64_MAX;
    }
    *entry = (backlog){ .head = { .size = record.size, .kind = kind }, .part = part };
    HF_ASSERT(record.data != NULL);
    memcpy(entry->bytes, record.data, record.size);
    if (shard->backlog_last != NULL) {
        shard->backlog_last->next = &entry->head;
    } else {
        shard->backlog_first = &entry->head;
    }
    shard->backlog_last = &entry->head;
    return UINT64_MAX;
}

void hf_part__run_backlog(hf_shard *shard)
{
    if (shard->backlog_first == NULL) {
        return;
    }
    while (shard->backlog_first != NULL) {
        backlog *entry = (backlog *)(void *)shard->backlog_first;
        uint64_t lsn;
        if (append(shard, entry->head.kind, hf_bytes_of(entry->bytes, entry->head.size), &lsn) !=
            HF_OK) {
            return;
        }
        shard->backlog_first = entry->head.next;
        if (entry->part != NULL) {
            hf_shard__hold_part(shard, lsn, entry->part);
        }
        hf_heap_give(shard->heap, entry);
    }
    shard->backlog_last = NULL;
    /* Whatever was to be counted when durable lies at or below the newest record now. */
    for (uint16_t i = 0; i < shard->count; i++) {
        for (uint32_t k = 0; k < hf_ring_count(&shard->acks[i]); k++) {
            uint64_t *lsn = hf_ring_at(&shard->acks[i], k);
            *lsn = *lsn == UINT64_MAX ? hf_log_appended(shard->log) : *lsn;
        }
    }
}

/* ---- Effects ---- */

/* The lock that the part holds on a key, and the key's hash. */
static hf_lock *lock_of(hf_shard *shard, const hf_part *part, hf_bytes key, uint64_t *hash)
{
    hf_lock *lock = hf_lock_held(&part->locks, key, hash);
    if (lock == NULL) {
        *hash = hf_shard__hash(shard, key);
        lock = hf_lock_find(shard->locks, key, *hash);
    }
    HF_ASSERT(lock != NULL);
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
 * bits together, or they do with those of others, which end; or there is no memory. */
static hf_err why_not(hf_shard *shard, const hf_part *part, const hf_mutation *add)
{
    hf_reader reader = hf_reader_of(hf_bytes_of(part->effects, part->effects_size));
    hf_mutation m;
    int64_t sum = 0;
    while (hf_mutation_next(&reader, &m)) {
        if (m.op == HF_MUTATION_ADD && (m.integer < 0) == (add->integer < 0) &&
            hf_bytes_equal(m.key, add->key) && hf_bytes_equal(m.bytes, add->bytes) &&
            __builtin_add_overflow(sum, m.integer, &sum)) {
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

hf_err hf_part__escrow_add(hf_shard *shard, const hf_part *part, hf_bytes grants)
{
    uint32_t count = 0;
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
    }
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
    hf_msg_result r = { .ticket = part->ticket,
                        .attempt = part->p.attempt,
                        .ts = prepared ? part->p.pts : 0,
                        .until = part->p.until,
                        .ending = (uint8_t)ending };
    hf_bytes body = ending == HF_ENDING_CONFLICT ? hf_bytes_of(NULL, 0)
                                                 : hf_bytes_of(part->replies, part->replies_size);
    hf_msg *msg =
        hf_shard__msg_of(shard, prepared ? HF_MSG_PREPARED : HF_MSG_REFUSED, &r, sizeof r, body);
    if (msg == NULL) {
        hf_shard__fail(shard, 70, "memory", "no room for a vote");
        return;
    }
    hf_shard__post(shard, hf_attempt_shard(part->p.attempt), msg);
}

/* Stub mutations of a commit, appended to the record, applied with the rest. */
static void finalize_record(hf_shard *shard, const hf_part *part, bool commit, hf_bytes result,
                            hf_buf *record)
{
    hf_buf_reset(record);
    hf_buf_u64(record, part->p.attempt.incarnation);
    hf_buf_u64(record, part->p.attempt.seq_shard);
    hf_buf_u64(record, commit ? part->p.commit_ts : 0);
    if (commit && part->stub) {
        hf_owner__stub(shard, record, part->id, true, part->p.commit_ts, part->digest, result);
    }
}

enum { FINALIZE_HEAD = 24 };

/* Carries out the update. `result`: the client's reply, for the stub. Answers the position of what
 * was persisted, 0 for nothing. */
static uint64_t carry_out(hf_shard *shard, hf_part *part, const hf_participant_update *u,
                          bool was_undecided, hf_bytes result)
{
    uint64_t lsn = 0;
    hf_buf *record = &shard->message;
    if (u->persist == HF_RECORD_TOMBSTONE) {
        hf_buf_reset(record);
        hf_buf_u64(record, part->p.attempt.incarnation);
        hf_buf_u64(record, part->p.attempt.seq_shard);
        lsn = append_must(shard, HF_ENTRY_TOMBSTONE, hf_buf_view(record), part);
    } else if (u->persist != HF_RECORD_NONE) {
        finalize_record(shard, part, u->persist == HF_RECORD_COMMIT, result, record);
        HF_ASSERT(!record->failed);
        lsn = append_must(shard, HF_ENTRY_FINALIZE, hf_buf_view(record), NULL);
    }
    if (was_undecided && !hf_participant_undecided(&part->p)) {
        hf_part__decided(shard, part);
        if (part->effects != NULL) {
            hf_part__escrow_remove(shard, part);
        }
    }
    if (u->apply) {
        hf_hlc_observe(&shard->clock, part->p.commit_ts);
        hf_owner__apply(shard, hf_bytes_of(part->effects, part->effects_size), part->p.commit_ts,
                        0);
        hf_changes__note(shard, hf_bytes_of(part->effects, part->effects_size), part->p.commit_ts,
                         0);
        if (part->stub) {
            hf_bytes stub = hf_bytes_of(record->data + FINALIZE_HEAD, record->size - FINALIZE_HEAD);
            hf_owner__apply(shard, stub, part->p.commit_ts, lsn == UINT64_MAX ? 0 : lsn);
        }
        shard->stats.two_phase++;
    }
    if (u->apply || u->release) {
        hf_part__drop_effects(shard, part);
        hf_lock_release(shard->locks, &part->locks);
    }
    return lsn;
}

static void send_out(hf_shard *shard, hf_part *part, const hf_participant_update *u)
{
    if (u->tell_prepared || u->tell_refused) {
        tell_coordinator(shard, part, u->tell_prepared);
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

static uint64_t step_with(hf_shard *shard, hf_part *part, hf_participant_event event, uint16_t from,
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
    uint64_t lsn = carry_out(shard, part, &update, was, result);
    send_out(shard, part, &update);
    return lsn;
}

void hf_part__step(hf_shard *shard, hf_part *part, hf_participant_event event, uint16_t from,
                   uint64_t ts)
{
    (void)step_with(shard, part, event, from, ts, UINT64_MAX, hf_bytes_of(NULL, 0));
}

/* ---- Prepare ---- */

bool hf_part__copy(hf_shard *shard, hf_bytes from, uint8_t **to, uint32_t *size)
{
    *to = NULL;
    *size = from.size;
    if (from.size != 0) {
        *to = hf_heap_take(shard->heap, from.size);
        if (*to == NULL) {
            *size = 0;
            return false;
        }
        memcpy(*to, from.data, from.size);
    }
    return true;
}

void hf_part__refused(hf_shard *shard, hf_part *part, hf_ending ending, hf_bytes body)
{
    hf_heap_give(shard->heap, part->replies); /* of a PREPARE that could not be logged */
    part->replies = NULL;
    part->replies_size = 0;
    part->ending = (uint16_t)ending;
    if (ending != HF_ENDING_CONFLICT &&
        !hf_part__copy(shard, body, &part->replies, &part->replies_size)) {
        part->ending = HF_ENDING_CONFLICT; /* whoever asks again starts again */
    }
    hf_part__step(shard, part, HF_EVENT_REFUSED, shard->self, 0);
}

static void prepare_head(hf_buf *out, const hf_part *part, const hf_msg_txn *msg, uint64_t pts,
                         uint64_t until)
{
    hf_buf_reset(out);
    hf_buf_u64(out, part->p.attempt.incarnation);
    hf_buf_u64(out, part->p.attempt.seq_shard);
    hf_buf_u64(out, pts);
    hf_buf_u64(out, until);
    hf_buf_u64(out, msg->age.ts);
    hf_buf_u64(out, msg->age.tie);
    hf_buf_u64(out, msg->participants);
    hf_buf_u16(out, msg->anchor);
    hf_buf_u8(out, (uint8_t)((part->has_id ? HF_PREPARE_HAS_ID : 0) |
                             (part->stub ? HF_PREPARE_STUB : 0)));
    hf_buf_u8(out, 0);
    hf_buf_raw(out, part->id, sizeof part->id);
    hf_buf_u64(out, part->digest);
    hf_buf_bytes(out, part->has_id ? hf_bytes_of(part->replies, part->replies_size)
                                   : hf_bytes_of(NULL, 0));
    hf_buf_bytes(out, hf_bytes_of(part->recipe, part->recipe_size));
}

hf_err hf_part__log_prepare(hf_shard *shard, hf_part *part, const hf_msg_txn *msg, uint64_t pts,
                            uint64_t until, hf_bytes effects, hf_bytes fences, uint32_t fence_count,
                            hf_bytes grants, uint32_t grant_count, uint64_t *lsn)
{
    part->has_id = (msg->flags & HF_TXN_HAS_ID) != 0;
    part->stub = (msg->flags & HF_TXN_STUB) != 0;
    part->digest = msg->digest;
    memcpy(part->id, msg->id, sizeof part->id);
    if (effects.size != 0 && !hf_owner__has_memory(shard, effects)) {
        return HF_E_NOMEM;
    }
    if (!hf_part__copy(shard, effects, &part->effects, &part->effects_size) ||
        !hf_part__copy(shard, hf_buf_view(&shard->replies), &part->replies, &part->replies_size) ||
        !hf_part__copy(shard, hf_txn_recipe(msg), &part->recipe, &part->recipe_size)) {
        return HF_E_NOMEM;
    }
    hf_err err = hf_part__escrow_add(shard, part, grants);
    if (err != HF_OK) {
        hf_part__drop_effects(shard, part);
        return err;
    }
    prepare_head(&shard->message, part, msg, pts, until);
    hf_buf_u32(&shard->message, grant_count);
    hf_buf_raw(&shard->message, grants.data, grants.size);
    hf_buf_u32(&shard->message, fence_count);
    hf_buf_raw(&shard->message, fences.data, fences.size);
    hf_bytes parts[] = { hf_buf_view(&shard->message), effects };
    /* lsn_before stays what it was when the part was made: each list ascends by it. */
    err = shard->message.failed ? HF_E_NOMEM
                                : hf_log_append(shard->log, HF_ENTRY_PREPARE, 0, 0, parts, 2, lsn);
    if (err != HF_OK) {
        hf_part__escrow_remove(shard, part);
        hf_part__drop_effects(shard, part);
        return err;
    }
    part->p.participants = msg->participants;
    part->p.anchor = msg->anchor;
    part->since_ns = shard->io->now_ns;
    hf_part__promise(shard, part);
    (void)step_with(shard, part, HF_EVENT_LOGGED, shard->self, pts, until, hf_bytes_of(NULL, 0));
    hf_part__undecided_add(shard, part);
    hf_shard__hold_part(shard, *lsn, part);
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
    uint64_t lsn = 0;
    if (part != NULL) {
        lsn = step_with(shard, part, msg->ts != 0 ? HF_EVENT_COMMIT : HF_EVENT_ABORT,
                        msg->head.from, msg->ts, UINT64_MAX, hf_msg_body(&msg->head, sizeof *msg));
    }
    if (msg->by_coordinator == 0) {
        return;
    }
    /* Counted in order once durable. One that was persisted before is below the newest record. */
    lsn = lsn == 0 ? hf_log_appended(shard->log) : lsn;
    if (shard->backlog_first != NULL) {
        lsn = UINT64_MAX;
    }
    HF_ASSERT(hf_ring_push(&shard->acks[coordinator], &lsn));
    if (lsn <= hf_log_durable(shard->log)) {
        hf_part__durable_acks(shard, hf_log_durable(shard->log));
    }
}

void hf_part__durable_acks(hf_shard *shard, uint64_t lsn)
{
    for (uint16_t i = 0; i < shard->count; i++) {
        const uint64_t *first = hf_ring_front(&shard->acks[i]);
        while (first != NULL && *first <= lsn) {
            hf_ring_drop(&shard->acks[i]);
            shard->acked[i]++;
            shard->ack_due[i] = true;
            first = hf_ring_front(&shard->acks[i]);
        }
    }
}

void hf_part__send_acks(hf_shard *shard)
{
    for (uint16_t i = 0; i < shard->count; i++) {
        if (!shard->ack_due[i]) {
            continue;
        }
        hf_msg_decision d = { .count = shard->acked[i] };
        hf_msg *msg = hf_shard__msg_of(shard, HF_MSG_FINALIZED, &d, sizeof d, hf_bytes_of(NULL, 0));
        if (msg == NULL) {
            return; /* again next turn: the count covers everything so far */
        }
        shard->ack_due[i] = false;
        hf_shard__post(shard, i, msg);
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
    (void)step_with(shard, part, event, msg->head.from, msg->ts, msg->until, hf_bytes_of(NULL, 0));
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
