/* The owner's side of a transaction: find out whether it may run, evaluate it, commit or prepare.
 */
#include "engine/shard/owner_impl.h"

/* ---- The whole way of a TXN message ---- */

/* WATCH: the stamps of the condition keys, one integer each. */
static void end_stamps(hf_shard *shard, const hf_msg_txn *msg)
{
    hf_txn_reader reader;
    hf_txn_reader_open(&reader, msg, NULL);
    hf_buf_reset(&shard->replies);
    shard->view_lsn = 0;
    uint64_t ts = hf_shard__now(shard);
    hf_txn_condition c;
    while (hf_txn_next_condition(&reader, &c)) {
        hf_buf_u64(&shard->replies, hf_view__stamp(shard, c.key, ts));
    }
    hf_owner__answer(shard, msg, HF_ENDING_DONE, ts, shard->view_lsn, hf_buf_view(&shard->replies));
}

/* Waits on the key whose escrow additions must end first. */
static bool wait_for_escrow(hf_shard *shard, const hf_msg_txn *msg, hf_item *item, hf_part *part,
                            const evaluation *e)
{
    asking a = { .shard = shard, .self = part == NULL ? NULL : &part->locks, .age = msg->age };
    want w = { .key = hf_bytes_of(e->key.data, e->key.size), .mode = HF_LOCK_S };
    w.hash = hf_shard__hash(shard, w.key);
    while (!hf_owner__check_lock(&a, &w)) {
        if (!hf_owner__wound_younger(shard, &a)) {
            return hf_owner__block(shard, &msg->head, item, part, &a);
        }
    }
    return false;
}

/* Asks for every lock; wounds and waits. True: all are free. */
static bool clear_to_run(hf_shard *shard, const hf_msg_txn *msg, hf_item *item, hf_part *part)
{
    bool at = (msg->flags & HF_TXN_AT) != 0;
    if (part == NULL && hf_lock_table_idle(shard->locks)) {
        return true;
    }
    for (;;) {
        asking a = { .shard = shard,
                     .self = part == NULL ? NULL : &part->locks,
                     .age = msg->age,
                     .read_ts = at ? msg->read_ts : 0 };
        if (hf_owner__visit_wants(shard, msg,
                                  part == NULL ? hf_owner__check_lock : hf_owner__claim_lock, &a)) {
            shard->wants_held = a.held == shard->wants.size / sizeof(want);
            return true;
        }
        if (!at && hf_owner__wound_younger(shard, &a)) {
            continue;
        }
        shard->stats.conflicts++;
        if (!hf_owner__block(shard, &msg->head, item, part, &a)) {
            hf_owner__refuse(shard, msg, part, HF_ENDING_BUSY, 0,
                             HF_LIT("-BUSY no memory to queue the request\r\n"));
        } else if (part != NULL && part->p.state != HF_PARTICIPANT_QUEUED) {
            hf_part__step(shard, part, HF_EVENT_QUEUED, shard->self, 0);
        }
        return false;
    }
}

/* The part of a PREPARE; NULL when the message was dealt with: repeated, fenced, or without memory.
 * What is known here already is never evaluated again: the machine gives the recorded answer. */
static hf_part *prepare_part(hf_shard *shard, const hf_msg_txn *msg, const hf_item *item)
{
    hf_part *part = hf_part__find(shard, msg->attempt);
    if (part == NULL) {
        if (!hf_part__fresh(shard, msg->attempt)) {
            hf_owner__answer(shard, msg, HF_ENDING_CONFLICT, 0, 0, hf_bytes_of(NULL, 0));
            return NULL;
        }
        if ((msg->flags & HF_TXN_WRITTEN) != 0 ||
            (part = hf_part__make(shard, msg->attempt, msg->age)) == NULL) {
            hf_owner__answer(shard, msg, HF_ENDING_CONFLICT, 0, 0, hf_bytes_of(NULL, 0));
            return NULL;
        }
    }
    hf_participant_state state = (hf_participant_state)part->p.state;
    part->ticket = msg->ticket;
    if (state == HF_PARTICIPANT_NONE || state == HF_PARTICIPANT_ACTIVE) {
        return part;
    }
    if (state == HF_PARTICIPANT_QUEUED && item != NULL && item == part->item) {
        return part; /* its turn has come */
    }
    hf_part__step(shard, part, HF_EVENT_REPEATED, shard->self, 0);
    return NULL;
}

static void reroute(hf_shard *shard, const hf_msg_txn *msg, hf_part *part)
{
    if (hf_order__keeps(msg)) {
        hf_order__send_back(shard, msg);
        return;
    }
    hf_owner__refuse(shard, msg, part, HF_ENDING_REROUTE, 0,
                     part == NULL ? hf_bytes_of(msg, msg->head.size) : hf_bytes_of(NULL, 0));
}

/* False: refused. */
static bool raise_read_floor(hf_shard *shard, const hf_msg_txn *msg, hf_part *part)
{
    bool kept = msg->read_ts >= hf_table_floor(shard->table) && msg->read_ts >= shard->floor_ts;
    if (!kept && (msg->flags & HF_TXN_BOUNDED) != 0) {
        reroute(shard, msg, part); /* its gateway asks again, for the newest */
        return false;
    }
    if (!kept) {
        hf_owner__refuse(shard, msg, part, HF_ENDING_ABORTED, 0,
                         HF_LIT("-EXPIRED the timestamp is older than the retention\r\n"));
        return false;
    }
    if (hf_hlc_poisoned(msg->read_ts, hf_shard__now(shard), HF_READ_AHEAD_NS)) {
        hf_owner__refuse(shard, msg, part, HF_ENDING_ABORTED, 0,
                         HF_LIT("-ERR the timestamp lies in the future\r\n"));
        return false;
    }
    hf_hlc_observe(&shard->clock, msg->read_ts); /* no later write gets below it */
    return true;
}

/* False: it waits to be evaluated once more, or was refused. */
static bool evaluated(hf_shard *shard, const hf_msg_txn *msg, hf_item *item, hf_part *part,
                      evaluation *e)
{
    hf_owner__evaluate(shard, msg, e);
    if (!e->waits) {
        return true;
    }
    if (wait_for_escrow(shard, msg, item, part, e)) {
        if (part != NULL && part->p.state != HF_PARTICIPANT_QUEUED) {
            hf_part__step(shard, part, HF_EVENT_QUEUED, shard->self, 0);
        }
        return false;
    }
    /* No memory, or no timer, to wait with. */
    hf_owner__refuse(shard, msg, part, HF_ENDING_BUSY, 0,
                     HF_LIT("-BUSY no memory to queue the request\r\n"));
    hf_owner__drop_item(shard, item);
    return false;
}

/* Every key is here, free and locked as need be. */
static void run(hf_shard *shard, const hf_msg_txn *msg, hf_item *item, hf_part *part)
{
    if ((msg->flags & HF_TXN_STUB) != 0 && !hf_owner__check_stub(shard, msg, part)) {
        hf_owner__drop_item(shard, item);
        return;
    }
    if ((msg->flags & HF_TXN_OUTCOME) != 0) {
        hf_owner__cancel_id(shard, msg);
    } else if ((msg->flags & HF_TXN_ABORTED) != 0) {
        hf_owner__record_abort(shard, msg);
    } else if ((msg->flags & HF_TXN_STAMP) != 0 && msg->command_count == 0) {
        end_stamps(shard, msg);
    } else {
        evaluation e;
        if (!evaluated(shard, msg, item, part, &e)) {
            return;
        }
        if ((msg->flags & HF_TXN_ONE_PHASE) != 0) {
            hf_owner__end_one_phase(shard, msg, &e);
        } else {
            hf_owner__end_prepare(shard, msg, part, &e);
        }
    }
    hf_owner__drop_item(shard, item);
}

void hf_owner__txn(hf_shard *shard, const hf_msg_txn *msg, hf_item *item)
{
    bool one_phase = (msg->flags & HF_TXN_ONE_PHASE) != 0;
    hf_hlc_observe(&shard->clock, msg->clock);
    hf_part *part = NULL;
    if (!one_phase) {
        hf_part__watermark(shard, hf_attempt_shard(msg->attempt), msg->watermark);
        part = prepare_part(shard, msg, item);
        if (part == NULL) {
            hf_owner__drop_item(shard, item);
            return;
        }
    }
    if (!hf_order__in_turn(shard, msg->head.from, msg->client, msg->heard, item) &&
        !hf_order__txn(shard, msg, item, part)) {
        return;
    }
    if ((msg->flags & HF_TXN_AT) != 0 && !raise_read_floor(shard, msg, part)) {
        hf_owner__drop_item(shard, item);
        return;
    }
    if (!hf_owner__gather_wants(shard, msg)) {
        hf_owner__refuse(shard, msg, part, HF_ENDING_BUSY, 0,
                         HF_LIT("-OOM no memory for the request\r\n"));
        hf_owner__drop_item(shard, item);
        return;
    }
    asking home = { .shard = shard };
    if (!hf_owner__visit_wants(shard, msg, hf_owner__check_home, &home)) {
        reroute(shard, msg, part);
        hf_owner__drop_item(shard, item);
        return;
    }
    if (home.frozen && !one_phase) {
        /* It may hold locks elsewhere that another move waits for: back to the coordinator. */
        hf_owner__refuse(shard, msg, part, HF_ENDING_REROUTE, 0, hf_bytes_of(NULL, 0));
        hf_owner__drop_item(shard, item);
        return;
    }
    if (home.frozen) {
        hf_owner__freeze(shard, msg, item);
        return;
    }
    if (hf_owner__admit(shard, msg, item, part) && clear_to_run(shard, msg, item, part)) {
        run(shard, msg, item, part);
    }
}

/* ---- LOCK_READ: locks in memory, and the records ---- */

static bool visit_locks(const hf_shard *shard, const hf_msg_lock_read *msg, want_visit *visit,
                        void *context)
{
    hf_reader reader = hf_reader_of(hf_msg_body(&msg->head, sizeof *msg));
    for (uint32_t i = 0; i < msg->count; i++) {
        uint8_t how = hf_read_u8(&reader);
        want w = { .mode = (hf_lock_mode)(how & HF_LOCK_MODE), .is_range = how >= HF_LOCK_SPACE };
        w.key = hf_read_bytes(&reader);
        if (w.is_range) {
            hf_owner__user_space(&w.key, &w.end);
        } else {
            w.hash = hf_table_hash(shard->table, w.key);
        }
        HF_ASSERT(!reader.bad);
        if (!visit(context, &w)) {
            return false;
        }
    }
    return true;
}

static void put_record(hf_shard *shard, hf_bytes key, const hf_got *got, bool with_bytes)
{
    if (got->lsn > shard->view_lsn) {
        shard->view_lsn = got->lsn;
    }
    hf_buf *out = &shard->replies;
    hf_kind kind = got->value.kind;
    hf_buf_u8(out, (uint8_t)kind);
    hf_buf_u64(out, got->value.expire_ms);
    hf_buf_u64(out, (uint64_t)got->value.integer);
    hf_buf_u64(
        out, hf_view__stamp(shard, hf_bytes_of(key.data + 1, key.size - 1), hf_shard__now(shard)));
    hf_buf_bytes(out, key);
    with_bytes = with_bytes && (kind == HF_KIND_STRING || kind == HF_KIND_RECORD);
    hf_buf_bytes(out, with_bytes ? got->value.bytes : hf_bytes_of(NULL, 0));
}

static bool read_record(void *context, want *w)
{
    hf_shard *shard = ((asking *)context)->shard;
    if (!w->is_range) {
        hf_got got = hf_table_get_hashed(shard->table, w->key, w->hash, HF_TS_MAX);
        put_record(shard, w->key, &got, true);
    }
    return true;
}

/* All that is there, behind what was named. */
static void read_space(hf_shard *shard, const hf_msg_lock_read *msg)
{
    hf_reader reader = hf_reader_of(hf_msg_body(&msg->head, sizeof *msg));
    uint8_t how = 0;
    for (uint32_t i = 0; i < msg->count; i++) {
        how |= hf_read_u8(&reader);
        (void)hf_read_bytes(&reader);
    }
    if (how < HF_LOCK_SPACE) {
        return;
    }
    hf_bytes start, end;
    hf_cursor cursor;
    hf_owner__user_space(&start, &end);
    bool more = hf_table_seek(shard->table, start, &cursor);
    while (more && hf_bytes_compare(cursor.key, end) < 0 && !shard->replies.failed) {
        hf_got got = hf_table_at(shard->table, &cursor, HF_TS_MAX);
        if (got.value.kind != HF_KIND_NONE) {
            put_record(shard, cursor.key, &got, (how & HF_LOCK_VALUES) != 0);
        }
        more = hf_table_next(shard->table, &cursor);
    }
}

static bool read_records(hf_shard *shard, const hf_msg_lock_read *msg, asking *a)
{
    hf_buf_reset(&shard->replies);
    shard->view_lsn = 0;
    shard->view_expired = false;
    if (!visit_locks(shard, msg, hf_owner__take_lock, a) ||
        !visit_locks(shard, msg, read_record, a)) {
        return false;
    }
    read_space(shard, msg);
    return !shard->replies.failed;
}

void hf_owner__lock_read(hf_shard *shard, const hf_msg_lock_read *msg, hf_item *item)
{
    hf_hlc_observe(&shard->clock, msg->clock);
    hf_part__watermark(shard, hf_attempt_shard(msg->attempt), msg->watermark);
    hf_msg_txn as = { .head = msg->head, .ticket = msg->ticket, .attempt = msg->attempt };
    hf_part *part = hf_part__find(shard, msg->attempt);
    if (part == NULL && hf_part__fresh(shard, msg->attempt)) {
        part = hf_part__make(shard, msg->attempt, msg->age);
    }
    if (part == NULL ||
        (part->p.state != HF_PARTICIPANT_NONE && part->p.state != HF_PARTICIPANT_ACTIVE)) {
        hf_owner__answer(shard, &as, HF_ENDING_CONFLICT, 0, 0, hf_bytes_of(NULL, 0));
        hf_owner__drop_item(shard, item);
        return;
    }
    part->ticket = msg->ticket;
    asking a = { .shard = shard, .self = &part->locks, .age = msg->age };
    bool in_turn = item != NULL || part->p.state == HF_PARTICIPANT_ACTIVE ||
                   hf_order__in_turn(shard, msg->head.from, msg->client, msg->heard, NULL) ||
                   hf_order__lock_read(shard, msg);
    if (!in_turn || !visit_locks(shard, msg, hf_owner__check_home, &a) || a.frozen) {
        hf_owner__refuse(shard, &as, part, HF_ENDING_REROUTE, 0, hf_bytes_of(NULL, 0));
        hf_owner__drop_item(shard, item);
        return;
    }
    while (!visit_locks(shard, msg, hf_owner__check_lock, &a)) {
        if (hf_owner__wound_younger(shard, &a)) {
            continue;
        }
        shard->stats.conflicts++;
        if (!hf_owner__block(shard, &msg->head, item, part, &a)) {
            hf_owner__refuse(shard, &as, part, HF_ENDING_BUSY, 0, HF_LIT("-BUSY no memory\r\n"));
        }
        return;
    }
    if (!read_records(shard, msg, &a)) {
        hf_owner__refuse(shard, &as, part, HF_ENDING_BUSY, 0,
                         HF_LIT("-OOM no memory for locks\r\n"));
    } else if (shard->view_expired &&
               hf_horizon__cover(shard, hf_shard__now(shard), &shard->view_lsn) != HF_OK) {
        hf_owner__refuse(shard, &as, part, HF_ENDING_BUSY, 0, HF_LIT("-" HF_HORIZON_FULL "\r\n"));
    } else {
        hf_part__step(shard, part, HF_EVENT_LOCKED, shard->self, 0);
        part->since_ns = shard->io->now_ns;
        if (!hf_owner__reply(shard, msg->head.from, msg->ticket, msg->attempt, HF_MSG_LOCKED,
                             HF_ENDING_DONE, hf_shard__now(shard), shard->view_lsn,
                             hf_buf_view(&shard->replies))) {
            hf_owner__refuse(shard, &as, part, HF_ENDING_BUSY, 0, HF_LIT("-OOM no memory\r\n"));
        }
    }
    hf_owner__drop_item(shard, item);
}
