/* Messages that wait, and what for: locks, room, a range that moves. And the keys that they touch.
 */
#include "engine/shard/owner_impl.h"
#include "engine/shard/pack.h"

enum {
    RECORD_ROOM = 512, /* log bytes that a transaction needs beyond its message */
    SPARE_PART = 6,    /* this part of the memory is not for data: it serves what frees data */
    SPARE_MOST = 64 << 20,
    WOUNDS_MAX = 64,
    ITEM_TICK_NS = 50000000,
    ABANDONED_NS = 1000000000,
    READ_PATIENCE_NS = 20000000, /* of a reader at a timestamp with what is prepared below it */
};

/* ---- Items: messages that wait ---- */

static const hf_msg *item_msg(const hf_item *item)
{
    return (const hf_msg *)(const void *)item->message;
}

hf_item *hf_owner__item_make(hf_shard *shard, const hf_msg *msg)
{
    hf_item *item = hf_heap_take(shard->heap, sizeof *item + msg->size);
    if (item == NULL) {
        return NULL;
    }
    memset(item, 0, sizeof *item);
    item->since_ns = shard->io->now_ns;
    memcpy(item->message, msg, msg->size);
    return item;
}

static void unwant(hf_shard *shard, hf_item *item)
{
    if (item->wanted != NULL) {
        hf_lock_unwant(shard->locks, item->wanted);
        item->wanted = NULL;
    }
}

static void stalled_remove(hf_shard *shard, hf_item *item)
{
    if (item->prev != NULL) {
        item->prev->next = item->next;
    } else {
        shard->stalled_first = item->next;
    }
    if (item->next != NULL) {
        item->next->prev = item->prev;
    } else {
        shard->stalled_last = item->prev;
    }
    item->next = item->prev = NULL;
    item->stalled = false;
}

void hf_owner__drop_item(hf_shard *shard, hf_item *item)
{
    if (item == NULL) {
        return;
    }
    if (item->waiter.lock != NULL) {
        hf_lock_unwait(shard->locks, &item->waiter);
    }
    hf_order__leave(shard, item);
    if (item->stalled) {
        stalled_remove(shard, item);
    }
    unwant(shard, item);
    hf_timers_cancel(&shard->timers, &item->alarm.timer);
    if (item->part != NULL && item->part->item == item) {
        item->part->item = NULL;
    }
    hf_heap_give(shard->heap, item);
}

/* ---- Answers ---- */

bool hf_owner__reply(hf_shard *shard, uint16_t to, hf_ticket ticket, hf_attempt attempt,
                     uint16_t kind, hf_ending ending, uint64_t ts, uint64_t lsn, hf_bytes body)
{
    hf_msg_result result = {
        .ticket = ticket, .attempt = attempt, .ts = ts, .ending = (uint8_t)ending
    };
    if (kind == HF_MSG_REPLY) {
        hf_msg_result *reply =
            hf_pack__hold(shard, lsn, to, kind, (uint32_t)sizeof result + body.size);
        if (reply == NULL) {
            return false;
        }
        result.head = reply->head;
        *reply = result;
        if (body.size != 0) {
            memcpy(reply + 1, body.data, body.size);
        }
        return true;
    }
    hf_msg *msg = hf_shard__msg_of(shard, kind, &result, sizeof result, body);
    if (msg == NULL) {
        return false;
    }
    hf_shard__hold(shard, lsn, to, msg);
    return true;
}

/* An hf_owner__answer without which the asker would wait for ever: small, from memory that
 * admission keeps free. */
void hf_owner__answer(hf_shard *shard, const hf_msg_txn *msg, hf_ending ending, uint64_t ts,
                      uint64_t lsn, hf_bytes body)
{
    bool one_phase = (msg->flags & HF_TXN_ONE_PHASE) != 0;
    bool wrote = one_phase && ending == HF_ENDING_DONE && (msg->flags & HF_TXN_READ_ONLY) == 0;
    hf_bytes unsaid = wrote ? HF_LIT(HF_COMMITTED_UNSAID) : HF_LIT(HF_UNSAID);
    uint16_t kind = one_phase || ending == HF_ENDING_DONE ? HF_MSG_REPLY : HF_MSG_REFUSED;
    if (!hf_owner__reply(shard, msg->head.from, msg->ticket, msg->attempt, kind, ending, ts, lsn,
                         body) &&
        !hf_owner__reply(shard, msg->head.from, msg->ticket, msg->attempt, kind, HF_ENDING_BUSY, 0,
                         wrote ? lsn : 0, unsaid)) {
        hf_shard__fail(shard, 70, "memory", "no room for an answer");
    }
}

/* Refuses a transaction; a PREPARE remembers it, so that a repeated message hears the same. */
void hf_owner__refuse(hf_shard *shard, const hf_msg_txn *msg, hf_part *part, hf_ending ending,
                      uint64_t lsn, hf_bytes body)
{
    shard->stats.refused++;
    if (part != NULL) {
        hf_part__refused(shard, part, ending, body);
    }
    hf_owner__answer(shard, msg, ending, 0, lsn, body);
}

/* ---- Keys of a transaction ---- */

hf_lock_mode hf_owner__mode(const hf_command *command)
{
    if ((command->flags & HF_COMMAND_COMMUTE) != 0) {
        return HF_LOCK_E;
    }
    return (command->flags & HF_COMMAND_WRITE) != 0 ? HF_LOCK_X : HF_LOCK_S;
}

enum { WANTS_KEPT = 64 * 1024, HASHES_LOOKED_AT = 4, WANTED_AHEAD = 16 };

static hf_bytes keep_key(hf_shard *shard, hf_bytes user)
{
    HF_PRE(user.size <= HF_KEY_SIZE_MAX);
    uint8_t *at = hf_buf_extend(&shard->want_keys, 1 + user.size);
    HF_ASSERT(at != NULL); /* there is room for all of the message */
    at[0] = HF_SPACE_USER;
    hf_bytes_copy(at + 1, user);
    return hf_bytes_of(at, 1 + user.size);
}

static void gather(hf_shard *shard, want w)
{
    if (!w.is_range && w.hash == 0) {
        w.hash = hf_table_hash(shard->table, w.key);
    }
    want *at = (want *)(void *)hf_buf_extend(&shard->wants, sizeof w);
    if (at != NULL) {
        *at = w;
    }
}

const hf_txn_command *hf_owner__commands(const hf_shard *shard, uint32_t *count)
{
    *count = shard->commands.size / (uint32_t)sizeof(hf_txn_command);
    return (const hf_txn_command *)(const void *)shard->commands.data;
}

void hf_owner__user_space(hf_bytes *start, hf_bytes *end)
{
    static const uint8_t space_start[] = { HF_SPACE_USER };
    static const uint8_t space_end[] = { HF_SPACE_USER + 1 };
    *start = hf_bytes_of(space_start, 1);
    *end = hf_bytes_of(space_end, 1);
}

static void gather_all_keys(hf_shard *shard, const hf_txn_command *c)
{
    want w = { .mode = hf_owner__mode(c->command), .is_range = true };
    hf_owner__user_space(&w.key, &w.end);
    hf_range_query query;
    if (strcmp(c->command->name, "hf.range") == 0 &&
        hf_range_parse(c->args, c->argc, &query, NULL)) {
        w.from = keep_key(shard, query.start);
        w.to = query.end.size == 0 ? w.end : keep_key(shard, query.end);
    }
    gather(shard, w);
}

/* `hash`: of the first key; 0: not known. */
static void gather_command(hf_shard *shard, const hf_txn_command *c, uint64_t hash)
{
    uint32_t first, count, step;
    if ((c->command->flags & HF_COMMAND_ALL_KEYS) != 0) {
        gather_all_keys(shard, c);
        return;
    }
    if (!hf_command_keys(c->command, c->argc, &first, &count, &step)) {
        return;
    }
    hf_lock_mode mode = hf_owner__mode(c->command);
    for (uint32_t i = 0; i < count; i++) {
        hf_bytes user = c->args[first + i * step];
        gather(shard, (want){ .key = keep_key(shard, user),
                              .user = user.data,
                              .hash = i == 0 ? hash : 0,
                              .mode = mode });
    }
}

static void gather_fence(hf_shard *shard, const hf_txn_fence *fence)
{
    want w = {
        .key = fence->start, .end = fence->end, .is_range = fence->is_range, .mode = fence->mode
    };
    if (!fence->is_range) { /* hf_shard__hash() looks at it when the message is gone */
        uint32_t at = shard->want_keys.size;
        hf_buf_raw(&shard->want_keys, fence->start.data, fence->start.size);
        w.key = hf_bytes_of(shard->want_keys.data + at, fence->start.size);
    }
    gather(shard, w);
}

/* The first key was asked for ahead: what the others miss overlaps with the work on it. */
static void want_the_others(hf_shard *shard)
{
    const want *w = (const want *)(const void *)shard->wants.data;
    uint32_t count = shard->wants.size / (uint32_t)sizeof *w;
    for (uint32_t i = 1; i < count && i < WANTED_AHEAD; i++) {
        if (!w[i].is_range) {
            (void)hf_table_want(shard->table, w[i].key, w[i].hash);
        }
    }
}

bool hf_owner__gather_wants(hf_shard *shard, const hf_msg_txn *msg)
{
    hf_buf *wants = &shard->wants;
    hf_buf *keys = &shard->want_keys;
    hf_buf_trim(wants, WANTS_KEPT);
    hf_buf_trim(keys, WANTS_KEPT);
    hf_buf_reset(wants);
    hf_buf_reset(keys);
    shard->wants_of = msg;
    /* A key is not longer here than with its size in the message: the keys stay where they are. */
    if (!hf_buf_reserve(keys, msg->head.size)) {
        return false;
    }
    hf_txn_reader reader;
    hf_txn_reader_open(&reader, msg, &shard->args);
    if ((msg->flags & HF_TXN_STUB) != 0) {
        want w = { .mode = HF_LOCK_X };
        uint8_t *stub = hf_buf_extend(keys, HF_STUB_KEY_SIZE);
        hf_stub__key(msg->id, stub);
        w.key = hf_bytes_of(stub, HF_STUB_KEY_SIZE);
        gather(shard, w);
    }
    hf_txn_condition condition;
    while (hf_txn_next_condition(&reader, &condition)) {
        gather(shard, (want){ .mode = HF_LOCK_S, .key = keep_key(shard, condition.key) });
    }
    if (!hf_txn_read_commands(&reader, &shard->commands)) {
        return false;
    }
    uint32_t count;
    const hf_txn_command *commands = hf_owner__commands(shard, &count);
    for (uint32_t i = 0; i < count; i++) {
        gather_command(shard, &commands[i], i == 0 ? msg->hash : 0);
    }
    hf_txn_fence fence;
    while (msg->lock_count != 0 && hf_txn_next_fence(&reader, &fence)) {
        gather_fence(shard, &fence);
    }
    HF_ASSERT(keys->size <= msg->head.size && !keys->failed);
    want_the_others(shard);
    return !wants->failed;
}

bool hf_owner__keys_differ(const hf_shard *shard)
{
    const want *w = (const want *)(const void *)shard->wants.data;
    uint32_t count = shard->wants.size / (uint32_t)sizeof *w;
    for (uint32_t i = 0; i < count; i++) {
        if (w[i].is_range || count > HASHES_LOOKED_AT) {
            return false;
        }
        for (uint32_t k = 0; k < i; k++) {
            if (w[k].hash == w[i].hash) {
                return false;
            }
        }
    }
    return true;
}

const want *hf_owner__want_of(const hf_shard *shard, hf_bytes user)
{
    const want *w = (const want *)(const void *)shard->wants.data;
    uint32_t count = shard->wants.size / (uint32_t)sizeof *w;
    for (uint32_t i = 0; i < count && i < HASHES_LOOKED_AT; i++) {
        if (w[i].user == user.data && w[i].key.size == user.size + 1) {
            return &w[i]; /* it is the argument itself, as a command asks */
        }
    }
    for (uint32_t i = 0; i < count && i < HASHES_LOOKED_AT; i++) {
        if (!w[i].is_range && w[i].key.size == user.size + 1 && w[i].key.data[0] == HF_SPACE_USER &&
            memcmp(w[i].key.data + 1, user.data, user.size) == 0) {
            return &w[i];
        }
    }
    return NULL;
}

uint64_t hf_shard__hash(const hf_shard *shard, hf_bytes key)
{
    if (hf_bytes_equal(shard->one_key, key)) {
        return shard->one_hash;
    }
    const want *w = (const want *)(const void *)shard->wants.data;
    uint32_t count = shard->wants.size / (uint32_t)sizeof *w;
    for (uint32_t i = 0; i < count && i < HASHES_LOOKED_AT; i++) {
        if (!w[i].is_range && hf_bytes_equal(w[i].key, key)) {
            return w[i].hash;
        }
    }
    return hf_table_hash(shard->table, key);
}

/* Whether all of the interval is this shard's. */
static bool owns_all(hf_shard *shard, hf_bytes start, hf_bytes end)
{
    if (hf_bytes_compare(start, end) >= 0) {
        return true; /* an empty interval, or none given */
    }
    for (uint32_t i = hf_range_find(&shard->map, start); i < shard->map.count; i++) {
        const hf_range *range = &shard->map.ranges[i];
        if (hf_bytes_compare(range->start, end) >= 0) {
            break;
        }
        if (range->shard != shard->self) {
            return false;
        }
    }
    return true;
}

bool hf_owner__check_home(void *context, want *w)
{
    asking *a = context;
    hf_shard *shard = a->shard;
    if (w->is_range) {
        /* While a range is on its way its keys may be seen twice or not at all. */
        a->elsewhere = shard->move.state != HF_MOVE_NONE || shard->importing ||
                       !owns_all(shard, w->from, w->to);
        return !a->elsewhere;
    }
    hf_range *range = &shard->map.ranges[hf_range_find(&shard->map, w->key)];
    range->operations++;
    a->elsewhere = range->shard != shard->self;
    a->frozen = a->frozen || range->frozen;
    return !a->elsewhere;
}

bool hf_owner__check_lock(void *context, want *w)
{
    asking *a = context;
    hf_lock_table *locks = a->shard->locks;
    bool free;
    if (a->read_ts != 0) {
        free = w->is_range ? hf_lock_range_free_at(locks, w->key, w->end, a->read_ts, &a->at)
                           : hf_lock_free_at(locks, w->key, w->hash, a->read_ts, &a->at);
    } else {
        free = w->is_range
                   ? hf_lock_range_free(locks, w->key, w->end, w->mode, a->age, a->self, &a->at)
                   : hf_lock_free(locks, w->key, w->hash, w->mode, a->age, a->self, &a->at);
    }
    if (!free) {
        a->blocked = *w;
    }
    return free;
}

/* Asks, and what is free is taken at once: an older transaction that waits for one key must not see
 * younger ones come and go on its others. Whoever is older still wounds it. */
bool hf_owner__claim_lock(void *context, want *w)
{
    asking *a = context;
    if (w->is_range) { /* it holds back younger ones by hf_lock_want_range() */
        return hf_owner__check_lock(context, w);
    }
    if (!hf_lock_claim(a->shard->locks, w->key, w->hash, w->mode, a->self, &a->at)) {
        a->blocked = *w;
        return false;
    }
    w->lock = a->at;
    a->held += w->lock != NULL; /* without memory it is only less fair */
    return true;
}

bool hf_owner__take_lock(void *context, want *w)
{
    asking *a = context;
    return w->is_range ? hf_lock_take_range(a->shard->locks, w->key, w->end, w->mode, a->self)
                       : hf_lock_take(a->shard->locks, w->key, w->hash, w->mode, a->self);
}

/* ---- Waiting ---- */

typedef struct younger {
    hf_age age;
    const hf_lock_txn *self;
    hf_lock_txn *found[WOUNDS_MAX];
    uint32_t count;
} younger;

static void find_younger(void *context, hf_lock_txn *holder)
{
    younger *y = context;
    if (holder != y->self && !holder->prepared && hf_age_older(y->age, holder->age) &&
        y->count < WOUNDS_MAX) {
        y->found[y->count++] = holder;
    }
}

static hf_part *part_of(hf_lock_txn *locks)
{
    return (hf_part *)(void *)((uint8_t *)locks - offsetof(hf_part, locks));
}

/* Wounds the younger active holders in the way. True when there were any: ask again. */
bool hf_owner__wound_younger(hf_shard *shard, const asking *a)
{
    younger y = { .age = a->age, .self = a->self };
    hf_lock_holders(a->at, find_younger, &y);
    for (uint32_t i = 0; i < y.count; i++) {
        hf_part__wound(shard, part_of(y.found[i]));
    }
    return y.count != 0;
}

static void item_alarm(hf_shard *shard, hf_alarm *alarm);

/* Lets the message wait at a->at. False: no memory. */
bool hf_owner__block(hf_shard *shard, const hf_msg *msg, hf_item *item, hf_part *part,
                     const asking *a)
{
    if (item == NULL) {
        item = hf_owner__item_make(shard, msg);
        if (item == NULL) {
            return false;
        }
    }
    if (!hf_timer_armed(&item->alarm.timer)) {
        item->alarm.ring = item_alarm;
        if (hf_timers_add(&shard->timers, &item->alarm.timer,
                          shard->io->now_ns + shard->config.push_ns) != HF_OK) {
            hf_owner__drop_item(shard, item);
            return false;
        }
    }
    hf_order__enter(shard, item);
    item->part = part;
    if (part != NULL) {
        part->item = item;
    }
    if (a->blocked.is_range && item->wanted == NULL && a->read_ts == 0) {
        item->wanted = hf_lock_want_range(shard->locks, a->blocked.key, a->blocked.end,
                                          a->blocked.mode, a->age);
    }
    if (a->read_ts != 0) {
        hf_lock_wait_at(shard->locks, a->at, &item->waiter, a->read_ts);
    } else {
        hf_lock_wait(shard->locks, a->at, &item->waiter, a->blocked.mode, a->age, a->self);
    }
    return true;
}

typedef struct pushing {
    hf_shard *shard;
    hf_age age;
    uint64_t read_ts; /* of a reader at a timestamp; else 0 */
    bool multi;       /* the waiting one holds locks elsewhere: it may be part of a circle */
    hf_part *found[WOUNDS_MAX];
    uint32_t count;
} pushing;

static void find_to_push(void *context, hf_lock_txn *holder)
{
    pushing *p = context;
    if (!holder->prepared || p->count == WOUNDS_MAX) {
        return;
    }
    hf_part *part = part_of(holder);
    uint64_t patience = p->read_ts != 0 ? READ_PATIENCE_NS : ABANDONED_NS;
    bool abandoned = p->shard->io->now_ns - part->since_ns > patience;
    if (p->read_ts != 0 && holder->pts > p->read_ts) {
        return; /* not in its way */
    }
    if (abandoned || (p->multi && hf_age_older(p->age, holder->age))) {
        p->found[p->count++] = part;
    }
}

static void give_up(hf_shard *shard, hf_item *item)
{
    static const char text[] = "-DEADLINE waited too long for another transaction\r\n";
    hf_part *part = item->part;
    const hf_msg *msg = item_msg(item);
    if (msg->kind == HF_MSG_LOCK_READ) {
        const hf_msg_lock_read *ask = (const hf_msg_lock_read *)(const void *)msg;
        hf_msg_txn as = { .head = *msg, .ticket = ask->ticket, .attempt = ask->attempt };
        hf_owner__refuse(shard, &as, part, HF_ENDING_ABORTED, 0,
                         hf_bytes_of(text, sizeof text - 1));
    } else {
        hf_owner__refuse(shard, (const hf_msg_txn *)(const void *)msg, part, HF_ENDING_ABORTED, 0,
                         hf_bytes_of(text, sizeof text - 1));
    }
    hf_owner__drop_item(shard, item);
}

static void item_alarm(hf_shard *shard, hf_alarm *alarm)
{
    hf_item *item = (hf_item *)(void *)((uint8_t *)alarm - offsetof(hf_item, alarm));
    uint64_t now = shard->io->now_ns;
    if (now - item->since_ns >= shard->config.lock_wait_ns) {
        give_up(shard, item);
        return;
    }
    HF_ASSERT(hf_timers_add(&shard->timers, &alarm->timer, now + ITEM_TICK_NS) == HF_OK);
    if (item->waiter.lock != NULL) {
        const hf_msg *msg = item_msg(item);
        bool one_phase = msg->kind == HF_MSG_TXN &&
                         (((const hf_msg_txn *)(const void *)msg)->flags & HF_TXN_ONE_PHASE) != 0;
        pushing p = { .shard = shard,
                      .age = item->waiter.age,
                      .read_ts = item->waiter.read_ts,
                      .multi = !one_phase };
        hf_lock_holders(item->waiter.lock, find_to_push, &p);
        for (uint32_t i = 0; i < p.count; i++) {
            hf_part__push(shard, p.found[i]);
        }
    }
}

static void run_item(hf_shard *shard, hf_item *item)
{
    const hf_msg *msg = item_msg(item);
    if (msg->kind == HF_MSG_TXN) {
        hf_owner__txn(shard, (const hf_msg_txn *)(const void *)msg, item);
    } else {
        hf_owner__lock_read(shard, (const hf_msg_lock_read *)(const void *)msg, item);
    }
}

bool hf_owner__has_ready(const hf_shard *shard)
{
    return shard->order.ready_first != NULL || hf_lock_has_ready(shard->locks);
}

void hf_owner__run_ready(hf_shard *shard)
{
    if (!hf_owner__has_ready(shard)) {
        return;
    }
    for (hf_lock_waiter *w = hf_lock_ready(shard->locks); w != NULL;
         w = hf_lock_ready(shard->locks)) {
        run_item(shard, (hf_item *)(void *)w);
    }
    while (shard->order.ready_first != NULL) {
        run_item(shard, hf_order__ready(shard));
    }
}

/* ---- Room ---- */

bool hf_owner__log_has_room(hf_shard *shard, const hf_msg *msg)
{
    return shard->backlog_first == NULL &&
           hf_log_admits(shard->log,
                         (uint64_t)msg->size + RECORD_ROOM + shard->reserve + shard->ends.size);
}

/* Data grows into what is left beside the spare, and then leaves an eighth of it in one piece. What
 * requests and replies hold for the moment does not count: they live on the spare, and their part
 * is bounded where they come from. Blocks count and not spans: else a heap from which every other
 * block was given back would be full. */
static bool may_grow(const hf_shard *shard, uint64_t bytes)
{
    uint64_t part = hf_heap_capacity(shard->heap) / SPARE_PART;
    uint64_t spare = part < SPARE_MOST ? part : SPARE_MOST;
    uint64_t most = hf_heap_capacity(shard->heap) - spare - shard->base_bytes;
    uint64_t data = hf_table_bytes(shard->table) + bytes;
    return data <= most / 2 || (data <= most && hf_heap_fits(shard->heap, spare / 8));
}

/* What is large leaves room for another as large to come (its buffer doubles as it grows): else
 * that could not be read to its end, and its connection not go on with a refusal. While there is
 * little data it is requests that hold the memory, and they give it back. */
static bool leaves_room(const hf_shard *shard, uint64_t size)
{
    enum { LARGE = 1024 * 1024 };
    return size < LARGE || hf_table_bytes(shard->table) <= hf_heap_capacity(shard->heap) / 4 ||
           hf_heap_fits(shard->heap, 3 * size);
}

/* Versions that only readers of the past want go before a write is refused. Most changes are few
 * and small, and there is room for the worst that they could be. */
bool hf_owner__has_memory(hf_shard *shard, hf_bytes effects)
{
    enum { FEW = 64 * 1024 };
    uint64_t bytes = effects.size + shard->promised;
    if (shard->config.log_shared && !hf_log_reserve(shard->log, effects.size + RECORD_ROOM)) {
        return false; /* the record comes first, and would take what the table was to have */
    }
    if (effects.size <= HF_TABLE_FEW_BYTES && may_grow(shard, bytes) &&
        hf_table_admits_few(shard->table, bytes)) {
        return true;
    }
    hf_table_need worst = hf_table_worst(shard->table, effects.size);
    if (effects.size <= FEW && may_grow(shard, bytes) &&
        hf_table_admits_exactly(shard->table, bytes, &worst)) {
        return true;
    }
    hf_table_need need = hf_mutations_cost(shard->table, effects);
    bool frees = need.deletes == need.changes;
    do {
        if ((frees || (may_grow(shard, bytes + need.built + need.copied) &&
                       leaves_room(shard, effects.size))) &&
            hf_table_admits_exactly(shard->table, bytes, &need)) {
            return true;
        }
    } while (hf_shard__make_room(shard));
    return false;
}

/* Before anything is evaluated: whether the bytes that came could be kept at all. */
static bool has_memory(hf_shard *shard, const hf_msg *msg)
{
    uint64_t bytes = msg->size + RECORD_ROOM + shard->promised;
    hf_table_need need = { .changes = 1 };
    if (bytes <= hf_heap_free(shard->heap) / 4 &&
        hf_heap_free(shard->heap) >= hf_heap_capacity(shard->heap) / 4) {
        return true; /* far from full: what it comes to is asked for exactly, before it is logged */
    }
    do {
        if (hf_table_admits_exactly(shard->table, bytes, &need)) {
            return true;
        }
    } while (hf_shard__make_room(shard));
    return false;
}

/* Whether log, table and queues have room for this message's effects. */
static bool has_room(hf_shard *shard, const hf_msg *msg)
{
    return hf_owner__log_has_room(shard, msg) && has_memory(shard, msg);
}

/* What waits is tried when the log has room, or when it is to be refused instead. */
static bool may_try(hf_shard *shard, const hf_msg *msg)
{
    return hf_owner__log_has_room(shard, msg) || hf_log_stats_get(shard->log).no_space;
}

static void stall(hf_shard *shard, const hf_msg *msg, hf_item *item)
{
    if (item == NULL) {
        item = hf_owner__item_make(shard, msg);
        if (item == NULL) {
            hf_owner__answer(shard, (const hf_msg_txn *)(const void *)msg, HF_ENDING_BUSY, 0, 0,
                             HF_LIT("-BUSY no memory to queue the request\r\n"));
            return;
        }
    }
    hf_order__enter(shard, item);
    item->stalled = true;
    item->admitted = false;
    item->prev = shard->stalled_last;
    if (shard->stalled_last != NULL) {
        shard->stalled_last->next = item;
    } else {
        shard->stalled_first = item;
    }
    shard->stalled_last = item;
}

/* Waits until the range is where it goes. */
void hf_owner__freeze(hf_shard *shard, const hf_msg_txn *msg, hf_item *item)
{
    if (item == NULL) {
        item = hf_owner__item_make(shard, &msg->head);
        if (item == NULL) {
            hf_owner__answer(shard, msg, HF_ENDING_BUSY, 0, 0,
                             HF_LIT("-BUSY no memory to queue the request\r\n"));
            return;
        }
    }
    hf_timers_cancel(&shard->timers,
                     &item->alarm.timer); /* a move ends soon, one way or the other */
    hf_order__enter(shard, item);
    item->next = NULL;
    if (shard->frozen_last != NULL) {
        shard->frozen_last->next = item;
    } else {
        shard->frozen_first = item;
    }
    shard->frozen_last = item;
}

void hf_owner__thaw(hf_shard *shard)
{
    hf_item *list = shard->frozen_first;
    shard->frozen_first = shard->frozen_last = NULL;
    while (list != NULL) {
        hf_item *next = list->next;
        list->next = NULL;
        run_item(shard, list);
        list = next;
    }
}

void hf_owner__run_stalled(hf_shard *shard)
{
    while (shard->stalled_first != NULL && may_try(shard, item_msg(shard->stalled_first))) {
        hf_item *item = shard->stalled_first;
        stalled_remove(shard, item);
        item->admitted = true; /* else it would queue behind those that came after it */
        run_item(shard, item);
        hf_owner__run_ready(shard);
    }
}

/* Answers false when the message was dealt with: queued, or refused for want of room. */
bool hf_owner__admit(hf_shard *shard, const hf_msg_txn *msg, hf_item *item, hf_part *part)
{
    bool reads = (msg->flags & HF_TXN_READ_ONLY) != 0 && (msg->flags & HF_TXN_ONE_PHASE) != 0;
    bool turn = shard->stalled_first == NULL || (item != NULL && item->admitted);
    if (turn && (reads || has_room(shard, &msg->head))) {
        return true;
    }
    if (!reads && (uint64_t)msg->head.size + RECORD_ROOM > shard->config.log_staging_bytes / 2) {
        hf_owner__refuse(shard, msg, part, HF_ENDING_BUSY, 0,
                         HF_LIT("-TOOBIG the transaction is larger than the log takes\r\n"));
        hf_owner__drop_item(shard, item);
        return false;
    }
    if (hf_log_stats_get(shard->log).no_space && !reads) {
        hf_owner__refuse(shard, msg, part, HF_ENDING_BUSY, 0, HF_LIT(HF_DISK_FULL));
    } else if (!reads && !has_memory(shard, &msg->head)) {
        hf_owner__refuse(shard, msg, part, HF_ENDING_BUSY, 0,
                         HF_LIT("-OOM command not allowed when used memory > 'maxmemory'.\r\n"));
    } else {
        stall(shard, &msg->head, item);
        return false;
    }
    hf_owner__drop_item(shard, item);
    return false;
}
