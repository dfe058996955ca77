/* Ranges that are split, and ranges that move to another shard, with transactions in flight.
 *
 * Split: one RANGE record at the owner; everyone's map follows.
 * Move:  the owner freezes the range: single requests wait, prepares are sent back to be tried
 * again, active transactions are wounded, prepared ones are waited for. Then it copies the keys
 * over; the new owner logs a BULK record that clears the range, and one per piece, at timestamps of
 * its own, above all that the old owner gave out. At last the new owner logs the claim, a RANGE
 * record of a higher generation; from its durability on the range is there. A crash before leaves
 * it where it was.
 *
 * Keys of ranges that a shard does not own (a copy that was not finished, or what was given away)
 * are dropped at start, and before a range comes in. As a drop leaves no tombstones, the next
 * checkpoint is then a whole one.
 *
 *   RANGE  u32 count | count x (u64 id | u64 generation | u16 shard | start)
 *   BULK   u64 timestamp | start | end | u8 clear | mutations
 */
#include "engine/shard/move.h"
#include "engine/shard/gateway_impl.h"

/* The map is part of a checkpoint's head. */
enum {
    CHUNK = 256 * 1024,
    MAP_BYTES_MAX = 60 * 1024,
    DROP_BUDGET = 4096,
    WOUNDS = 64,
    AGAIN_NS = 500000
};

typedef enum move_kind {
    MOVE_SPLIT = 1, /* to the owner: split at the key */
    MOVE_START,     /* to the owner: move the key's range to the shard `to` */
    MOVE_CLEAR,     /* to the new owner: [key, end) is coming */
    MOVE_PIECE,     /* to the new owner: mutations */
    MOVE_CLAIM,     /* to the new owner: that was all, take it under this generation */
    MOVE_ACK,       /* from the new owner: go on; `ok` 0: no room, again later */
    MOVE_TAKEN,     /* from the new owner: it is durably mine */
    MOVE_LOAD,      /* to shard 0: the last second's load */
    MOVE_HALF,      /* to the owner: split your busiest range and give the upper half to `to` */
} move_kind;

typedef struct move_msg {
    hf_msg head;
    hf_ticket ticket;
    uint64_t clock;
    uint64_t id, generation;
    uint64_t operations, bytes, keys; /* LOAD */
    uint16_t kind;
    uint16_t to;
    uint16_t gateway; /* whom the ticket belongs to */
    uint16_t ok;
    /* key | end | rest: mutations */
} move_msg;
_Static_assert(sizeof(move_msg) % 8 == 0, "the lists after the fixed part start aligned");

static bool post(hf_shard *shard, uint16_t to, move_msg *fixed, hf_bytes key, hf_bytes end,
                 hf_bytes rest)
{
    hf_buf *body = &shard->message;
    hf_buf_reset(body);
    hf_buf_bytes(body, key);
    hf_buf_bytes(body, end);
    hf_buf_raw(body, rest.data, rest.size);
    fixed->clock = shard->clock.last;
    hf_msg *msg = body->failed ? NULL
                               : hf_shard__msg_of(shard, HF_MSG_MOVE, fixed, sizeof *fixed,
                                                  hf_buf_view(body));
    if (msg == NULL) {
        return false;
    }
    hf_shard__post(shard, to, msg);
    return true;
}

static void answer(hf_shard *shard, uint16_t gateway, hf_ticket ticket, uint64_t lsn,
                   hf_bytes reply)
{
    if (ticket.place == 0) {
        return; /* nobody asked: the balancer did */
    }
    if (!hf_owner__reply(shard, gateway, ticket, hf_attempt_of(0, 0, 0), HF_MSG_REPLY,
                         HF_ENDING_ABORTED, 0, lsn, reply)) {
        hf_shard__fail(shard, 70, "memory", "no room for an answer");
    }
}

/* Everyone hears of the map when what is new in it is durable: a map that got into another's
 * checkpoint before could outlive the range's contents. */
static void tell_map(hf_shard *shard, uint64_t lsn)
{
    shard->map_lsn = lsn;
    shard->map_due = false;
    hf_buf_reset(&shard->scratch);
    hf_range_encode(&shard->map, &shard->scratch);
    for (uint16_t to = 0; to < shard->count; to++) {
        hf_msg_decision d = { .ts = 0 };
        hf_msg *msg =
            to == shard->self || shard->scratch.failed
                ? NULL
                : hf_shard__msg_of(shard, HF_MSG_MAP, &d, sizeof d, hf_buf_view(&shard->scratch));
        if (msg != NULL) {
            hf_shard__hold(shard, lsn, to, msg);
        } else if (to != shard->self) {
            shard->map_due = true; /* no memory now: again next turn */
        }
    }
}

/* Logs ranges of the map: those starting at the two keys (the second may be the same). */
static hf_err log_ranges(hf_shard *shard, const hf_range *a, const hf_range *b, uint64_t *lsn)
{
    const hf_range *both[] = { a, b };
    hf_buf_reset(&shard->scratch);
    hf_buf_u32(&shard->scratch, b == NULL ? 1 : 2);
    for (int i = 0; i < 2 && both[i] != NULL; i++) {
        hf_buf_u64(&shard->scratch, both[i]->id);
        hf_buf_u64(&shard->scratch, both[i]->generation);
        hf_buf_u16(&shard->scratch, both[i]->shard);
        hf_buf_bytes(&shard->scratch, both[i]->start);
    }
    hf_bytes record = hf_buf_view(&shard->scratch);
    return shard->scratch.failed ? HF_E_NOMEM
                                 : hf_shard__append(shard, HF_ENTRY_RANGE, &record, 1, lsn);
}

/* ---- Split ---- */

static void on_split(hf_shard *shard, const move_msg *msg, hf_bytes key)
{
    uint32_t index = hf_range_find(&shard->map, key);
    hf_range old = shard->map.ranges[index];
    if (old.shard != shard->self || old.frozen) {
        answer(shard, msg->gateway, msg->ticket, 0, HF_LIT("-TRYAGAIN the range is moving\r\n"));
        return;
    }
    if (hf_bytes_equal(old.start, key)) {
        answer(shard, msg->gateway, msg->ticket, 0, HF_LIT("+OK\r\n"));
        return;
    }
    uint64_t generation = old.generation + 1;
    uint64_t id = hf_shard__now(shard);
    hf_range left = {
        .id = old.id, .generation = generation, .shard = old.shard, .start = old.start
    };
    hf_range right = { .id = id, .generation = generation, .shard = old.shard, .start = key };
    uint64_t lsn;
    hf_buf_reset(&shard->scratch);
    hf_range_encode(&shard->map, &shard->scratch);
    if (shard->map.count == HF_RANGES_MAX || shard->scratch.size + key.size + 32 > MAP_BYTES_MAX) {
        answer(shard, msg->gateway, msg->ticket, 0, HF_LIT("-ERR there are too many ranges\r\n"));
        return;
    }
    if (log_ranges(shard, &left, &right, &lsn) != HF_OK) {
        answer(shard, msg->gateway, msg->ticket, 0, HF_LIT("-BUSY no room in the log\r\n"));
        return;
    }
    if (hf_range_put(&shard->map, key, id, generation, shard->self) != HF_OK ||
        hf_range_put(&shard->map, old.start, old.id, generation, shard->self) != HF_OK) {
        hf_shard__fail(shard, 70, "memory", "no room for a range that is logged");
        return;
    }
    tell_map(shard, lsn);
    answer(shard, msg->gateway, msg->ticket, lsn, HF_LIT("+OK\r\n"));
}

/* ---- Move: the old owner ---- */

static void on_start(hf_shard *shard, const move_msg *msg, hf_bytes key)
{
    hf_move *move = &shard->move;
    uint32_t index = hf_range_find(&shard->map, key);
    hf_range *range = &shard->map.ranges[index];
    if (range->shard != shard->self || move->state != HF_MOVE_NONE) {
        answer(shard, msg->gateway, msg->ticket, 0,
               HF_LIT("-TRYAGAIN another move is under way\r\n"));
        return;
    }
    if (msg->to == shard->self) {
        answer(shard, msg->gateway, msg->ticket, 0, HF_LIT("+OK\r\n"));
        return;
    }
    hf_bytes end = hf_range_end(&shard->map, index);
    hf_buf_reset(&move->start);
    hf_buf_reset(&move->end);
    hf_buf_raw(&move->start, range->start.data, range->start.size);
    hf_buf_raw(&move->end, end.data, end.size);
    if (move->start.failed || move->end.failed) {
        answer(shard, msg->gateway, msg->ticket, 0, HF_LIT("-OOM no memory\r\n"));
        return;
    }
    range->frozen = true;
    move->state = HF_MOVE_DRAIN;
    move->to = msg->to;
    move->gateway = msg->gateway;
    move->ticket = msg->ticket;
    move->id = range->id;
    move->generation = range->generation + 1;
}

typedef struct actives {
    hf_lock_txn *found[WOUNDS];
    uint32_t count;
} actives;

static void find_active(void *context, hf_lock_txn *holder)
{
    actives *a = context;
    if (!holder->prepared && a->count < WOUNDS) {
        a->found[a->count++] = holder;
    }
}

/* Wounds the active holders of locks in the range. True when nothing is held there any more. */
static bool drained(hf_shard *shard)
{
    hf_move *move = &shard->move;
    hf_age youngest = { UINT64_MAX, UINT64_MAX };
    hf_lock *at = NULL;
    while (!hf_lock_range_free(shard->locks, hf_buf_view(&move->start), hf_buf_view(&move->end),
                               HF_LOCK_X, youngest, NULL, &at)) {
        actives a = { .count = 0 };
        hf_lock_holders(at, find_active, &a);
        if (a.count == 0) {
            return false;
        }
        for (uint32_t i = 0; i < a.count; i++) {
            hf_part *part = (hf_part *)(void *)((uint8_t *)a.found[i] - offsetof(hf_part, locks));
            hf_part__wound(shard, part);
        }
        hf_owner__run_ready(shard);
    }
    return true;
}

/* False: not now; again next turn. */
static bool send(hf_shard *shard, move_kind kind, hf_bytes rest)
{
    hf_move *move = &shard->move;
    if (shard->io->now_ns < move->again_ns) {
        return false; /* the new owner has no room, or somebody holds locks there */
    }
    move_msg m = { .kind = (uint16_t)kind, .id = move->id, .generation = move->generation };
    move->waiting = true;
    if (!post(shard, move->to, &m, hf_buf_view(&move->start), hf_buf_view(&move->end), rest)) {
        move->waiting = false; /* again next turn */
        return false;
    }
    return true;
}

/* The next keys as mutations, from move->next on. False: there are none left. */
static bool gather(hf_shard *shard)
{
    hf_move *move = &shard->move;
    hf_cursor cursor;
    hf_buf_reset(&move->piece);
    hf_buf_reset(&move->after);
    hf_bytes end = hf_buf_view(&move->end);
    bool more = hf_table_seek(shard->table, hf_buf_view(&move->next), &cursor);
    while (more && (end.size == 0 || hf_bytes_compare(cursor.key, end) < 0) &&
           move->piece.size < CHUNK) {
        hf_got got = hf_table_at(shard->table, &cursor, HF_TS_MAX);
        if (got.value.kind != HF_KIND_NONE) {
            hf_mutation_put(&move->piece, cursor.key, &got.value);
        }
        hf_buf_reset(&move->after);
        hf_buf_raw(&move->after, cursor.key.data, cursor.key.size);
        hf_buf_u8(&move->after, 0); /* the smallest key above */
        more = hf_table_next(shard->table, &cursor);
    }
    return move->piece.size != 0;
}

static void copy(hf_shard *shard)
{
    hf_move *move = &shard->move;
    if (move->waiting) {
        return;
    }
    if (move->state == HF_MOVE_CLEAR) {
        (void)send(shard, MOVE_CLEAR, hf_bytes_of(NULL, 0));
        return;
    }
    if (move->piece.size == 0 && !gather(shard)) {
        if (move->piece.failed || move->after.failed) {
            return; /* no memory now: again next turn */
        }
        if (send(shard, MOVE_CLAIM, hf_bytes_of(NULL, 0))) {
            move->state = HF_MOVE_CLAIM;
        }
        return;
    }
    (void)send(shard, MOVE_PIECE, hf_buf_view(&move->piece));
}

static void on_ack(hf_shard *shard, const move_msg *msg)
{
    hf_move *move = &shard->move;
    move->waiting = false;
    if (msg->ok == 0) {
        move->again_ns = shard->io->now_ns + AGAIN_NS;
        return;
    }
    if (move->state == HF_MOVE_CLEAR) {
        move->state = HF_MOVE_COPY;
        hf_buf_reset(&move->next);
        hf_buf_raw(&move->next, move->start.data, move->start.size);
        hf_buf_reset(&move->piece);
    } else if (move->state == HF_MOVE_COPY) {
        hf_buf_reset(&move->next);
        hf_buf_raw(&move->next, move->after.data, move->after.size);
        hf_buf_reset(&move->piece);
    }
    if (move->next.failed) {
        hf_shard__fail(shard, 70, "memory", "no room to go on with a move");
    }
}

static void on_taken(hf_shard *shard)
{
    hf_move *move = &shard->move;
    HF_ASSERT(move->state == HF_MOVE_CLAIM);
    uint32_t index = hf_range_find(&shard->map, hf_buf_view(&move->start));
    hf_range *range = &shard->map.ranges[index];
    if (hf_range_put(&shard->map, hf_buf_view(&move->start), move->id, move->generation,
                     move->to) != HF_OK) {
        HF_UNREACHABLE(); /* the start is there: nothing is allocated */
    }
    range->frozen = false;
    /* Snapshots from before are not here any more, and not there either. */
    shard->floor_ts = hf_shard__now(shard);
    move->state = HF_MOVE_DROP;
    shard->save.drops++;
    answer(shard, move->gateway, move->ticket, 0, HF_LIT("+OK\r\n"));
    hf_owner__thaw(shard);
}

void hf_move__turn(hf_shard *shard)
{
    hf_move *move = &shard->move;
    if (shard->map_due) {
        tell_map(shard, shard->map_lsn);
    }
    switch (move->state) {
    case HF_MOVE_NONE:
        break;
    case HF_MOVE_DRAIN:
        if (drained(shard)) {
            move->settle = hf_shard__appended(shard);
            move->state = HF_MOVE_SETTLE;
        }
        break;
    case HF_MOVE_SETTLE:
        /* A transaction may have changed this range and another of this shard in one record: the
         * copy must not outlive the record. */
        if (!hf_shard__behind(shard) && hf_log_durable(shard->log) >= move->settle) {
            move->state = HF_MOVE_CLEAR;
            move->waiting = false;
            copy(shard);
        }
        break;
    case HF_MOVE_CLEAR:
    case HF_MOVE_COPY:
        copy(shard);
        break;
    case HF_MOVE_CLAIM:
        if (!move->waiting) {
            (void)send(shard, MOVE_CLAIM, hf_bytes_of(NULL, 0));
        }
        break;
    case HF_MOVE_DROP:
        if (hf_move__drop(shard, hf_buf_view(&move->start), hf_buf_view(&move->end), DROP_BUDGET)) {
            move->state = HF_MOVE_NONE;
        }
        break;
    }
}

/* ---- Dropping keys that are not here any more ---- */

bool hf_move__drop(hf_shard *shard, hf_bytes start, hf_bytes end, uint32_t budget)
{
    if (start.size == 0 || start.data[0] == HF_SPACE_SYSTEM) {
        hf_cursor cursor;
        hf_bytes seek = start.size == 0 ? HF_LIT("\x01") : start;
        bool more = hf_table_seek(shard->table, seek, &cursor);
        uint64_t count = 0;
        while (more && cursor.key.data[0] == HF_SPACE_SYSTEM &&
               (end.size == 0 || hf_bytes_compare(cursor.key, end) < 0)) {
            count += hf_table_at(shard->table, &cursor, HF_TS_MAX).value.kind != HF_KIND_NONE;
            more = hf_table_next(shard->table, &cursor);
        }
        shard->system_keys -= count;
        budget = UINT32_MAX; /* counted as one: dropped as one */
    }
    shard->save.drops++;
    return hf_table_drop(shard->table, start, end, budget);
}

void hf_move__drop_unowned(hf_shard *shard)
{
    for (uint32_t i = 0; i < shard->map.count; i++) {
        const hf_range *range = &shard->map.ranges[i];
        hf_cursor cursor;
        hf_bytes end = hf_range_end(&shard->map, i);
        if (range->shard == shard->self || !hf_table_seek(shard->table, range->start, &cursor) ||
            (end.size != 0 && hf_bytes_compare(cursor.key, end) >= 0)) {
            continue;
        }
        (void)hf_move__drop(shard, range->start, end, UINT32_MAX);
    }
}

/* ---- Move: the new owner ---- */

/* What went away may come back before the last of it is dropped here: it must not go with that. */
static void finish_drop(hf_shard *shard)
{
    hf_move *move = &shard->move;
    if (move->state == HF_MOVE_DROP) {
        (void)hf_move__drop(shard, hf_buf_view(&move->start), hf_buf_view(&move->end), UINT32_MAX);
        move->state = HF_MOVE_NONE;
    }
}

static bool take_in(hf_shard *shard, bool clear, hf_bytes start, hf_bytes end, hf_bytes mutations)
{
    if (hf_shard__behind(shard) ||
        !hf_log_admits(shard->log, (uint64_t)mutations.size + 9000 + shard->reserve) ||
        !hf_table_admits(shard->table, (uint64_t)mutations.size * 2 + 4096)) {
        return false;
    }
    uint64_t ts = hf_shard__now(shard);
    hf_buf_reset(&shard->scratch);
    hf_buf_u64(&shard->scratch, ts);
    hf_buf_bytes(&shard->scratch, start);
    hf_buf_bytes(&shard->scratch, end);
    hf_buf_u8(&shard->scratch, clear);
    hf_bytes parts[] = { hf_buf_view(&shard->scratch), mutations };
    uint64_t lsn;
    if (shard->scratch.failed || hf_shard__append(shard, HF_ENTRY_BULK, parts, 2, &lsn) != HF_OK) {
        return false;
    }
    if (clear) {
        shard->importing = true;
        finish_drop(shard);
        (void)hf_move__drop(shard, start, end, UINT32_MAX);
    }
    hf_owner__apply(shard, mutations, ts, lsn);
    return true;
}

static void ack(hf_shard *shard, const move_msg *msg, bool ok)
{
    move_msg m = { .kind = MOVE_ACK, .ok = ok };
    if (!post(shard, msg->head.from, &m, hf_bytes_of(NULL, 0), hf_bytes_of(NULL, 0),
              hf_bytes_of(NULL, 0))) {
        hf_shard__fail(shard, 70, "memory", "no room to acknowledge a move");
    }
}

static void on_claim(hf_shard *shard, const move_msg *msg, hf_bytes start, hf_bytes end)
{
    hf_range claim = {
        .id = msg->id, .generation = msg->generation, .shard = shard->self, .start = start
    };
    uint64_t lsn;
    hf_lock *at;
    hf_age youngest = { UINT64_MAX, UINT64_MAX };
    /* Without the news of a split this map would take too much. */
    hf_bytes known = hf_range_end(&shard->map, hf_range_find(&shard->map, start));
    /* Who holds a lock over these keys here counted on their not being here. */
    if (hf_shard__behind(shard) || !hf_bytes_equal(known, end) ||
        !hf_lock_range_free(shard->locks, start, end, HF_LOCK_X, youngest, NULL, &at) ||
        log_ranges(shard, &claim, NULL, &lsn) != HF_OK) {
        ack(shard, msg, false);
        return;
    }
    move_msg taken = { .kind = MOVE_TAKEN, .clock = shard->clock.last };
    uint32_t none[2] = { 0, 0 };
    hf_msg *m =
        hf_shard__msg_of(shard, HF_MSG_MOVE, &taken, sizeof taken, hf_bytes_of(none, sizeof none));
    if (m == NULL ||
        hf_range_put(&shard->map, start, msg->id, msg->generation, shard->self) != HF_OK) {
        hf_shard__fail(shard, 70, "memory", "no room for a range that is logged");
        return;
    }
    /* Older snapshots of the range stayed behind: reads below this moment cannot be served. */
    shard->floor_ts = hf_shard__now(shard);
    shard->importing = false;
    hf_shard__hold(shard, lsn, msg->head.from, m);
    tell_map(shard, lsn);
}

/* ---- Replay ---- */

hf_err hf_move__replay(hf_shard *shard, const hf_log_record *record)
{
    hf_reader r = hf_reader_of(record->data);
    if (record->kind == HF_ENTRY_RANGE) {
        return hf_range_merge(&shard->map, &r);
    }
    uint64_t ts = hf_read_u64(&r);
    hf_bytes start = hf_read_bytes(&r);
    hf_bytes end = hf_read_bytes(&r);
    bool clear = hf_read_u8(&r) != 0;
    hf_reader check = r;
    hf_mutation m;
    while (hf_mutation_next(&check, &m)) {
    }
    if (r.bad || check.bad) {
        return HF_E_CORRUPT;
    }
    hf_boot__passed(shard, ts);
    if (ts <= shard->ts_saved) {
        return HF_OK;
    }
    shard->floor_ts =
        ts > shard->floor_ts ? ts : shard->floor_ts; /* older snapshots stayed behind */
    if (!hf_boot__room(shard, hf_bytes_of(r.at, hf_reader_left(&r)))) {
        return HF_E_NOMEM;
    }
    if (clear) {
        (void)hf_move__drop(shard, start, end, UINT32_MAX);
    }
    hf_owner__apply(shard, hf_bytes_of(r.at, hf_reader_left(&r)), ts, 0);
    return HF_OK;
}

/* ---- Balancing ---- */

void hf_move__report(hf_shard *shard, uint64_t operations, uint64_t bytes, uint64_t keys)
{
    move_msg m = { .kind = MOVE_LOAD, .operations = operations, .bytes = bytes, .keys = keys };
    hf_bytes none = hf_bytes_of(NULL, 0);
    (void)post(shard, 0, &m, none, none, none); /* without memory this second goes untold */
}

void hf_move__ask_half(hf_shard *shard, uint16_t from, uint16_t to)
{
    move_msg m = { .kind = MOVE_HALF, .to = to };
    hf_bytes none = hf_bytes_of(NULL, 0);
    (void)post(shard, from, &m, none, none, none); /* without memory: another second */
}

static void on_half(hf_shard *shard, const move_msg *msg)
{
    hf_internal_key cut;
    if (shard->move.state != HF_MOVE_NONE || !hf_balance__cut(shard, &cut)) {
        return;
    }
    move_msg m = { .to = msg->to };
    hf_bytes key = hf_bytes_of(cut.data, cut.size);
    on_split(shard, &m, key);
    uint32_t index = hf_range_find(&shard->map, key);
    if (hf_bytes_equal(shard->map.ranges[index].start, key)) {
        on_start(shard, &m, key);
    }
}

/* ---- Messages, and the two commands ---- */

void hf_move__message(hf_shard *shard, const hf_msg *head)
{
    const move_msg *msg = (const move_msg *)(const void *)head;
    hf_reader r = hf_reader_of(hf_msg_body(head, sizeof *msg));
    hf_bytes key = hf_read_bytes(&r);
    hf_bytes end = hf_read_bytes(&r);
    hf_bytes rest = hf_read_lent(&r, hf_reader_left(&r));
    HF_ASSERT(!r.bad);
    hf_hlc_observe(&shard->clock, msg->clock);
    switch ((move_kind)msg->kind) {
    case MOVE_SPLIT:
        on_split(shard, msg, key);
        break;
    case MOVE_START:
        on_start(shard, msg, key);
        break;
    case MOVE_CLEAR:
        ack(shard, msg, take_in(shard, true, key, end, rest));
        break;
    case MOVE_PIECE:
        ack(shard, msg, take_in(shard, false, key, end, rest));
        break;
    case MOVE_CLAIM:
        on_claim(shard, msg, key, end);
        break;
    case MOVE_ACK:
        on_ack(shard, msg);
        break;
    case MOVE_TAKEN:
        on_taken(shard);
        break;
    case MOVE_LOAD:
        hf_balance__heard(shard, head->from, msg->operations, msg->bytes, msg->keys);
        break;
    case MOVE_HALF:
        on_half(shard, msg);
        break;
    }
}

static bool ask(hf_shard *shard, hf_ticket ticket, move_kind kind, hf_bytes user_key, uint16_t to)
{
    hf_internal_key key;
    hf_bytes internal = hf_internal_key_set(&key, user_key);
    ticket.form = 0;
    move_msg m = { .kind = (uint16_t)kind, .ticket = ticket, .to = to, .gateway = shard->self };
    uint16_t owner = shard->map.ranges[hf_range_find(&shard->map, internal)].shard;
    return post(shard, owner, &m, internal, hf_bytes_of(NULL, 0), hf_bytes_of(NULL, 0));
}

bool hf_move__split(hf_shard *shard, hf_ticket ticket, hf_bytes user_key)
{
    return ask(shard, ticket, MOVE_SPLIT, user_key, 0);
}

bool hf_move__move(hf_shard *shard, hf_ticket ticket, hf_bytes user_key, uint16_t to)
{
    return to < shard->count && ask(shard, ticket, MOVE_START, user_key, to);
}
