/* The owner's side of a transaction: find out whether it may run, evaluate it on memory, commit or
 * prepare.
 *
 * A COMMIT record: u64 timestamp, then the effects (mutations). Its reply is held until the record
 * is durable; the next transaction may build on it at once, because everything that depends on it
 * lies behind it in the log.
 */
#include "engine/shard/request.h"
#include "engine/shard/view.h"

enum {
    RECORD_ROOM = 512, /* log bytes that a transaction needs beyond its message */
    GROWTH = 4,        /* table bytes per message byte, at most about */
    WOUNDS_MAX = 64,
    ITEM_TICK_NS = 50000000,
    ABANDONED_NS = 1000000000,
};

/* ---- Items: messages that wait ---- */

static const hf_msg *item_msg(const hf_item *item)
{
    return (const hf_msg *)(const void *)item->message;
}

static hf_item *item_make(hf_shard *shard, const hf_msg *msg)
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
    hf_msg *msg = hf_shard__msg_of(shard, kind, &result, sizeof result, body);
    if (msg == NULL) {
        return false;
    }
    hf_shard__hold(shard, lsn, to, msg);
    return true;
}

/* An answer without which the asker would wait for ever: small, from memory that admission keeps
 * free. */
static void answer(hf_shard *shard, const hf_msg_txn *msg, hf_ending ending, uint64_t ts,
                   uint64_t lsn, hf_bytes body)
{
    bool one_phase = (msg->flags & HF_TXN_ONE_PHASE) != 0;
    uint16_t kind = one_phase || ending == HF_ENDING_DONE ? HF_MSG_REPLY : HF_MSG_REFUSED;
    if (!hf_owner__reply(shard, msg->head.from, msg->ticket, msg->attempt, kind, ending, ts, lsn,
                         body) &&
        !hf_owner__reply(shard, msg->head.from, msg->ticket, msg->attempt, kind, HF_ENDING_BUSY, 0,
                         0, HF_LIT("-OOM the reply does not fit into memory\r\n"))) {
        hf_shard__fail(shard, 70, "memory", "no room for an answer");
    }
}

/* Refuses a transaction; a PREPARE remembers it, so that a repeated message hears the same. */
static void refuse(hf_shard *shard, const hf_msg_txn *msg, hf_part *part, hf_ending ending,
                   uint64_t lsn, hf_bytes body)
{
    shard->stats.refused++;
    if (part != NULL) {
        part->ending = ending;
        hf_part__step(shard, part, HF_EVENT_REFUSED, shard->self, 0);
    }
    answer(shard, msg, ending, 0, lsn, body);
}

/* ---- Keys of a transaction ---- */

typedef struct want {
    hf_bytes key; /* internal */
    hf_bytes end; /* ranges */
    bool is_range;
    hf_lock_mode mode;
} want;

/* Answers false to stop. */
typedef bool want_visit(void *context, const want *want);

static hf_lock_mode mode_of(const hf_command *command)
{
    if ((command->flags & HF_COMMAND_COMMUTE) != 0) {
        return HF_LOCK_E;
    }
    return (command->flags & HF_COMMAND_WRITE) != 0 ? HF_LOCK_X : HF_LOCK_S;
}

static bool visit_command(const hf_txn_command *c, want_visit *visit, void *context)
{
    static const uint8_t space_start[] = { HF_SPACE_USER };
    static const uint8_t space_end[] = { HF_SPACE_USER + 1 };
    want w = { .mode = mode_of(c->command) };
    if ((c->command->flags & HF_COMMAND_ALL_KEYS) != 0) {
        w.is_range = true;
        w.key = hf_bytes_of(space_start, 1);
        w.end = hf_bytes_of(space_end, 1);
        return visit(context, &w);
    }
    uint32_t first, count, step;
    if (!hf_command_keys(c->command, c->argc, &first, &count, &step)) {
        return true;
    }
    hf_internal_key key;
    for (uint32_t i = 0; i < count; i++) {
        w.key = hf_internal_key_set(&key, c->args[first + i * step]);
        if (!visit(context, &w)) {
            return false;
        }
    }
    return true;
}

/* Every key that the transaction touches at this shard, in the order of the message. */
static bool visit_wants(hf_shard *shard, const hf_msg_txn *msg, want_visit *visit, void *context)
{
    hf_txn_reader reader;
    hf_txn_reader_open(&reader, msg, &shard->args);
    if ((msg->flags & HF_TXN_STUB) != 0) {
        uint8_t stub[HF_STUB_KEY_SIZE];
        hf_stub__key(msg->id, stub);
        want w = { .key = hf_bytes_of(stub, sizeof stub), .mode = HF_LOCK_X };
        if (!visit(context, &w)) {
            return false;
        }
    }
    hf_txn_condition condition;
    while (hf_txn_next_condition(&reader, &condition)) {
        hf_internal_key key;
        want w = { .key = hf_internal_key_set(&key, condition.key), .mode = HF_LOCK_S };
        if (!visit(context, &w)) {
            return false;
        }
    }
    hf_txn_command command;
    while (hf_txn_next_command(&reader, &command)) {
        if (!visit_command(&command, visit, context)) {
            return false;
        }
    }
    hf_txn_fence fence;
    while (hf_txn_next_fence(&reader, &fence)) {
        want w = {
            .key = fence.start, .end = fence.end, .is_range = fence.is_range, .mode = fence.mode
        };
        if (!visit(context, &w)) {
            return false;
        }
    }
    return true;
}

typedef struct asking {
    hf_shard *shard;
    const hf_lock_txn *self;
    hf_age age;
    uint64_t read_ts; /* 0: now */
    hf_lock *at;
    want blocked; /* the request that is in the way; its key is only valid for ranges */
    bool elsewhere, frozen;
} asking;

static bool check_home(void *context, const want *w)
{
    asking *a = context;
    if (!w->is_range) {
        hf_range *range = &a->shard->map.ranges[hf_range_find(&a->shard->map, w->key)];
        range->operations++;
        a->elsewhere = range->shard != a->shard->self;
        a->frozen = a->frozen || range->frozen;
    }
    return !a->elsewhere;
}

static bool check_lock(void *context, const want *w)
{
    asking *a = context;
    hf_lock_table *locks = a->shard->locks;
    bool free;
    if (a->read_ts != 0) {
        free = w->is_range ? hf_lock_range_free_at(locks, w->key, w->end, a->read_ts, &a->at)
                           : hf_lock_free_at(locks, w->key, hf_shard__hash(a->shard, w->key),
                                             a->read_ts, &a->at);
    } else {
        free = w->is_range
                   ? hf_lock_range_free(locks, w->key, w->end, w->mode, a->age, a->self, &a->at)
                   : hf_lock_free(locks, w->key, hf_shard__hash(a->shard, w->key), w->mode, a->age,
                                  a->self, &a->at);
    }
    a->blocked = *w;
    return free;
}

static bool take_lock(void *context, const want *w)
{
    asking *a = context;
    hf_lock_txn *self = (hf_lock_txn *)(uintptr_t)a->self;
    return w->is_range ? hf_lock_take_range(a->shard->locks, w->key, w->end, w->mode, self)
                       : hf_lock_take(a->shard->locks, w->key, hf_shard__hash(a->shard, w->key),
                                      w->mode, self);
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
static bool wound_younger(hf_shard *shard, const asking *a)
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
static bool block(hf_shard *shard, const hf_msg *msg, hf_item *item, hf_part *part, const asking *a)
{
    if (item == NULL) {
        item = item_make(shard, msg);
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
    item->part = part;
    if (part != NULL) {
        part->item = item;
    }
    if (a->blocked.is_range && item->wanted == NULL && a->read_ts == 0) {
        item->wanted = hf_lock_want_range(shard->locks, a->blocked.key, a->blocked.end,
                                          a->blocked.mode, a->age);
    }
    hf_lock_wait(shard->locks, a->at, &item->waiter, a->blocked.mode, a->age, a->self);
    return true;
}

typedef struct pushing {
    hf_shard *shard;
    hf_age age;
    bool multi; /* the waiting one holds locks elsewhere: it may be part of a circle */
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
    bool abandoned = p->shard->io->now_ns - part->since_ns > ABANDONED_NS;
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
        refuse(shard, &as, part, HF_ENDING_ABORTED, 0, hf_bytes_of(text, sizeof text - 1));
    } else {
        refuse(shard, (const hf_msg_txn *)(const void *)msg, part, HF_ENDING_ABORTED, 0,
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
        pushing p = { .shard = shard, .age = item->waiter.age, .multi = !one_phase };
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

void hf_owner__run_ready(hf_shard *shard)
{
    for (hf_lock_waiter *w = hf_lock_ready(shard->locks); w != NULL;
         w = hf_lock_ready(shard->locks)) {
        run_item(shard, (hf_item *)(void *)w);
    }
}

/* ---- Room ---- */

/* Whether log, table and queues have room for this message's effects. */
static bool has_room(hf_shard *shard, const hf_msg *msg)
{
    return shard->backlog_first == NULL &&
           hf_log_admits(shard->log, (uint64_t)msg->size + RECORD_ROOM + shard->reserve) &&
           hf_table_admits(shard->table, (uint64_t)msg->size * GROWTH + RECORD_ROOM);
}

static void stall(hf_shard *shard, const hf_msg *msg, hf_item *item)
{
    if (item == NULL) {
        item = item_make(shard, msg);
        if (item == NULL) {
            answer(shard, (const hf_msg_txn *)(const void *)msg, HF_ENDING_BUSY, 0, 0,
                   HF_LIT("-BUSY no memory to queue the request\r\n"));
            return;
        }
    }
    item->stalled = true;
    item->prev = shard->stalled_last;
    if (shard->stalled_last != NULL) {
        shard->stalled_last->next = item;
    } else {
        shard->stalled_first = item;
    }
    shard->stalled_last = item;
}

/* Waits until the range is where it goes. */
static void freeze(hf_shard *shard, const hf_msg_txn *msg, hf_item *item)
{
    if (item == NULL) {
        item = item_make(shard, &msg->head);
        if (item == NULL) {
            answer(shard, msg, HF_ENDING_BUSY, 0, 0,
                   HF_LIT("-BUSY no memory to queue the request\r\n"));
            return;
        }
    }
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
    while (shard->stalled_first != NULL && has_room(shard, item_msg(shard->stalled_first))) {
        hf_item *item = shard->stalled_first;
        stalled_remove(shard, item);
        run_item(shard, item);
        hf_owner__run_ready(shard);
    }
}

/* Answers false when the message was dealt with: queued, or refused for want of room. */
static bool admit(hf_shard *shard, const hf_msg_txn *msg, hf_item *item, hf_part *part)
{
    bool reads = (msg->flags & HF_TXN_READ_ONLY) != 0 && (msg->flags & HF_TXN_ONE_PHASE) != 0;
    if (shard->stalled_first == NULL && (reads || has_room(shard, &msg->head))) {
        return true;
    }
    if (hf_log_stats_get(shard->log).no_space && !reads) {
        refuse(shard, msg, part, HF_ENDING_BUSY, 0,
               HF_LIT("-MISCONF the disk is full: writes are refused until there is space\r\n"));
    } else if (!reads &&
               !hf_table_admits(shard->table, (uint64_t)msg->head.size * GROWTH + RECORD_ROOM)) {
        refuse(shard, msg, part, HF_ENDING_BUSY, 0,
               HF_LIT("-OOM command not allowed when used memory > 'maxmemory'.\r\n"));
    } else {
        stall(shard, &msg->head, item);
        return false;
    }
    hf_owner__drop_item(shard, item);
    return false;
}

/* ---- Evaluation: the result lies in shard->mutations/workspace and shard->replies ---- */

typedef struct evaluation {
    hf_view view;
    hf_ending ending;
    bool waits; /* until an escrow addition ends, of the key below */
    hf_internal_key key;
    uint32_t grant_count;
} evaluation;

static bool conditions_hold(hf_shard *shard, hf_txn_reader *reader, evaluation *e)
{
    hf_txn_condition c;
    bool hold = true;
    while (hf_txn_next_condition(reader, &c)) {
        if (!hold) {
            continue; /* the reader must come to the commands */
        }
        if (c.kind == HF_CONDITION_WATCH) {
            hold = hf_view__stamp(shard, c.key, e->view.ts) == c.stamp;
        } else {
            hold = hf_compare_holds(&e->view, c.key, c.compare, c.operand);
        }
    }
    return hold;
}

/* Where the effects are gathered: a transaction of one command needs no workspace. */
static hf_buf *effects_of(hf_shard *shard)
{
    return shard->view_many ? &shard->workspace.mutations : &shard->mutations;
}

/* Remembers the bounds under which an addition was granted. */
static void note_grant(hf_shard *shard, const hf_txn_command *c, evaluation *e)
{
    hf_add add;
    if (hf_add_parse(c->args, c->argc, &add, NULL)) {
        hf_buf_u64(&shard->grants, (uint64_t)add.min);
        hf_buf_u64(&shard->grants, (uint64_t)add.max);
        e->grant_count++;
    }
}

static void command_error(hf_shard *shard, uint32_t reply_from, const char *text)
{
    shard->replies.size = reply_from;
    hf_resp_error(&shard->replies, text);
}

/* Runs one command. False: the evaluation is over (ending or waits is set). */
static bool run_command(hf_shard *shard, const hf_msg_txn *msg, const hf_txn_command *c,
                        evaluation *e)
{
    bool pieces = (msg->flags & HF_TXN_PIECES) != 0;
    uint32_t head = shard->replies.size;
    if (pieces) {
        hf_buf_u32(&shard->replies, c->piece);
        hf_buf_u32(&shard->replies, 0);
    }
    uint32_t from = shard->replies.size;
    hf_buf *effects = effects_of(shard);
    hf_workspace_mark mark = hf_workspace_mark_now(&shard->workspace);
    uint32_t before = effects->size;
    hf_call call = { .args = c->args, .argc = c->argc, .reply = &shard->replies };
    e->view.mutations = effects;
    e->view.draw = hf_prng_next(&shard->prng);
    shard->stats.commands++;
    hf_ran ran = c->command->run(&e->view, &call);
    if (ran == HF_RAN_WAIT) {
        e->waits = true;
        (void)hf_internal_key_set(&e->key, c->args[c->command->key_first]);
        return false;
    }
    if (ran == HF_RAN_OK && effects->failed) {
        effects->size = before;
        effects->failed = false;
        command_error(shard, from, "OOM command not allowed when used memory > 'maxmemory'.");
    } else if (ran == HF_RAN_OK && shard->view_many && effects->size != before) {
        hf_err err = hf_workspace_apply(&shard->workspace, hf_view__fetch, &e->view);
        if (err != HF_OK) {
            hf_workspace_rollback(&shard->workspace, mark);
            command_error(shard, from,
                          err == HF_E_TOOBIG ? "TOOBIG the record would be larger than 8 MiB"
                                             : "OOM no memory for the transaction");
        }
    }
    bool error = shard->replies.size > from && shard->replies.data[from] == '-';
    if (ran == HF_RAN_ABORT || (error && (msg->flags & HF_TXN_ATOMIC) != 0)) {
        e->ending = HF_ENDING_ABORTED;
        uint32_t size = shard->replies.size - from;
        memmove(shard->replies.data, shard->replies.data + from, size);
        shard->replies.size = size;
        return false;
    }
    if ((c->command->flags & HF_COMMAND_COMMUTE) != 0 && effects->size != before) {
        note_grant(shard, c, e);
    }
    if (pieces && !shard->replies.failed) {
        uint32_t size = shard->replies.size - from;
        memcpy(shard->replies.data + head + 4, &size, sizeof size);
    }
    return true;
}

static void evaluate(hf_shard *shard, const hf_msg_txn *msg, evaluation *e)
{
    hf_buf_reset(&shard->mutations);
    hf_buf_reset(&shard->replies);
    hf_buf_reset(&shard->grants);
    shard->view_many = msg->command_count > 1;
    if (shard->view_many) {
        hf_workspace_reset(&shard->workspace);
    }
    bool at = (msg->flags & HF_TXN_AT) != 0;
    uint64_t ts = at ? msg->read_ts : hf_shard__now(shard);
    hf_view__open(shard, &e->view, at ? msg->read_ts : HF_TS_MAX, ts, msg->proto);
    hf_txn_reader reader;
    hf_txn_reader_open(&reader, msg, &shard->args);
    if (!conditions_hold(shard, &reader, e)) {
        e->ending = HF_ENDING_CONDITION;
        return;
    }
    hf_txn_command c;
    while (hf_txn_next_command(&reader, &c)) {
        if (!run_command(shard, msg, &c, e)) {
            return;
        }
    }
    if (shard->replies.failed) {
        e->ending = HF_ENDING_BUSY;
    }
}

/* ---- Ends of a transaction of this shard alone ---- */

void hf_owner__apply(hf_shard *shard, hf_bytes effects, uint64_t ts, uint64_t lsn)
{
    hf_reader reader = hf_reader_of(effects);
    hf_mutation mutation;
    while (hf_mutation_next(&reader, &mutation)) {
        if (mutation.key.data[0] == HF_SPACE_SYSTEM) {
            bool was =
                hf_table_get(shard->table, mutation.key, HF_TS_MAX).value.kind != HF_KIND_NONE;
            shard->system_keys += (uint64_t)(mutation.op != HF_MUTATION_DELETE) - (uint64_t)was;
        }
        hf_mutation_apply(shard->table, &mutation, ts, lsn, &shard->scratch);
    }
    HF_ASSERT(!reader.bad);
}

/* The outcome of a client's id, as a mutation of its stub. Value: u8 committed | u64 ts | u64
 * digest | reply. */
static void stub_put(hf_shard *shard, hf_buf *out, const uint8_t id[16], bool committed,
                     uint64_t ts, uint64_t digest, hf_bytes reply)
{
    uint8_t key[HF_STUB_KEY_SIZE];
    hf_stub__key(id, key);
    hf_buf_reset(&shard->head);
    hf_buf_u8(&shard->head, committed);
    hf_buf_u64(&shard->head, ts);
    hf_buf_u64(&shard->head, digest);
    hf_buf_raw(&shard->head, reply.data, reply.size);
    hf_value value = { .kind = HF_KIND_STRING,
                       .expire_ms = shard->io->wall_ns / 1000000 + shard->config.outcome_ms + 60000,
                       .bytes = hf_buf_view(&shard->head) };
    hf_mutation_put(out, hf_bytes_of(key, sizeof key), &value);
}

void hf_owner__stub(hf_shard *shard, hf_buf *out, const uint8_t id[16], bool committed, uint64_t ts,
                    uint64_t digest, hf_bytes reply)
{
    stub_put(shard, out, id, committed, ts, digest, reply);
}

/* Appends the effects and applies them. HF_E_*: nothing happened. */
static hf_err commit(hf_shard *shard, hf_bytes effects, uint64_t ts, uint64_t *lsn)
{
    uint8_t head[8];
    memcpy(head, &ts, sizeof ts);
    hf_bytes parts[] = { hf_bytes_of(head, sizeof head), effects };
    hf_err err = hf_log_append(shard->log, HF_ENTRY_COMMIT, 0, 0, parts, 2, lsn);
    if (err == HF_OK) {
        hf_owner__apply(shard, effects, ts, *lsn);
        shard->stats.one_phase++;
    }
    return err;
}

static void append_error(hf_shard *shard, const hf_msg_txn *msg, hf_part *part, hf_err err)
{
    hf_bytes text =
        err == HF_E_TOOBIG ? HF_LIT("-TOOBIG the transaction is larger than the log takes\r\n")
        : err == HF_E_NOSPACE
            ? HF_LIT("-MISCONF the disk is full: writes are refused until there is space\r\n")
            : HF_LIT("-BUSY the log is full, try again\r\n");
    refuse(shard, msg, part, HF_ENDING_BUSY, 0, text);
}

typedef struct stamping {
    hf_shard *shard;
    uint64_t ts;
} stamping;

static bool put_stamp(void *context, const want *w)
{
    stamping *s = context;
    hf_bytes user = hf_bytes_of(w->key.data + 1, w->key.size - 1);
    hf_buf_u64(&s->shard->replies, hf_view__stamp(s->shard, user, s->ts));
    return true;
}

/* First round of a read over shards: after the replies, the stamps of all keys, as a piece of its
 * own. */
static void append_stamps(hf_shard *shard, const hf_msg_txn *msg, uint64_t ts)
{
    hf_buf_u32(&shard->replies, UINT32_MAX);
    uint32_t at = shard->replies.size;
    hf_buf_u32(&shard->replies, 0);
    stamping s = { shard, ts };
    (void)visit_wants(shard, msg, put_stamp, &s);
    if (!shard->replies.failed) {
        uint32_t size = shard->replies.size - at - 4;
        memcpy(shard->replies.data + at, &size, sizeof size);
    }
}

static void end_one_phase(hf_shard *shard, const hf_msg_txn *msg, evaluation *e)
{
    hf_buf *effects = effects_of(shard);
    uint64_t lsn = shard->view_lsn;
    uint64_t ts = e->view.ts;
    if (e->ending != HF_ENDING_DONE) {
        if ((msg->flags & HF_TXN_STUB) != 0 && e->ending != HF_ENDING_BUSY) {
            hf_buf_reset(&shard->mutations);
            hf_bytes reply = e->ending == HF_ENDING_CONDITION
                                 ? HF_LIT("-CONDFAILED a condition does not hold\r\n")
                                 : hf_buf_view(&shard->replies);
            stub_put(shard, &shard->mutations, msg->id, false, ts, msg->digest, reply);
            hf_err err = commit(shard, hf_buf_view(&shard->mutations), ts, &lsn);
            if (err != HF_OK) {
                append_error(shard, msg, NULL, err);
                return;
            }
        }
        refuse(shard, msg, NULL, e->ending, lsn,
               e->ending == HF_ENDING_BUSY ? HF_LIT("-OOM the reply does not fit into memory\r\n")
                                           : hf_buf_view(&shard->replies));
        return;
    }
    if ((msg->flags & HF_TXN_STUB) != 0) {
        stub_put(shard, effects, msg->id, true, ts, msg->digest, hf_buf_view(&shard->replies));
    }
    if (effects->size != 0) {
        hf_err err = effects->failed ? HF_E_FULL : commit(shard, hf_buf_view(effects), ts, &lsn);
        if (err != HF_OK) {
            append_error(shard, msg, NULL, err);
            return;
        }
    }
    if ((msg->flags & HF_TXN_STAMP) != 0) {
        append_stamps(shard, msg, ts);
        lsn = shard->view_lsn > lsn ? shard->view_lsn : lsn;
    }
    answer(shard, msg, HF_ENDING_DONE, ts, lsn, hf_buf_view(&shard->replies));
}

/* ---- Prepare ---- */

typedef struct fencing {
    hf_buf *out;
    hf_bytes effects;
    uint32_t count;
} fencing;

/* Whether one of the first effects changes the key: replay then takes its lock anyway. */
static bool changes(hf_bytes effects, hf_bytes key)
{
    enum { LOOK_AT = 32 };
    hf_reader reader = hf_reader_of(effects);
    hf_mutation m;
    for (int i = 0; i < LOOK_AT && hf_mutation_next(&reader, &m); i++) {
        if (hf_bytes_equal(m.key, key)) {
            return true;
        }
    }
    return false;
}

/* Fences are the keys and ranges that were read, or taken to be written and then not: the lock on
 * them must be as durable as those on what was written. */
static bool note_fence(void *context, const want *w)
{
    fencing *f = context;
    if (w->is_range || !changes(f->effects, w->key)) {
        hf_txn_put_fence(f->out, w->mode, w->is_range, w->key, w->end);
        f->count++;
    }
    return true;
}

static void end_prepare(hf_shard *shard, const hf_msg_txn *msg, hf_part *part, evaluation *e)
{
    if (e->ending != HF_ENDING_DONE) {
        refuse(shard, msg, part, e->ending, shard->view_lsn,
               e->ending == HF_ENDING_BUSY ? HF_LIT("-OOM the reply does not fit into memory\r\n")
                                           : hf_buf_view(&shard->replies));
        return;
    }
    asking a = { .shard = shard, .self = &part->locks, .age = msg->age };
    if (!visit_wants(shard, msg, take_lock, &a)) {
        refuse(shard, msg, part, HF_ENDING_BUSY, 0, HF_LIT("-OOM no memory for locks\r\n"));
        return;
    }
    uint64_t lsn;
    hf_bytes effects = (msg->flags & HF_TXN_WRITTEN) != 0 ? hf_txn_mutations(msg, &shard->args)
                                                          : hf_buf_view(effects_of(shard));
    hf_buf_reset(&shard->head);
    fencing f = { .out = &shard->head, .effects = effects };
    (void)visit_wants(shard, msg, note_fence, &f);
    hf_err err = effects_of(shard)->failed || shard->head.failed || shard->grants.failed
                     ? HF_E_NOMEM
                     : hf_part__log_prepare(shard, part, msg, hf_shard__now(shard), effects,
                                            hf_buf_view(&shard->head), f.count,
                                            hf_buf_view(&shard->grants), e->grant_count, &lsn);
    if (err != HF_OK) {
        append_error(shard, msg, part, err);
    }
}

/* ---- The id of a client ---- */

/* True when the transaction is to go on; otherwise it was answered. */
static bool check_stub(hf_shard *shard, const hf_msg_txn *msg, hf_part *part)
{
    uint8_t key[HF_STUB_KEY_SIZE];
    hf_stub__key(msg->id, key);
    hf_got got = hf_table_get(shard->table, hf_bytes_of(key, sizeof key), HF_TS_MAX);
    hf_reader reader = hf_reader_of(got.value.bytes);
    if (got.value.kind != HF_KIND_STRING) {
        return true;
    }
    uint8_t committed = hf_read_u8(&reader);
    uint64_t ts = hf_read_u64(&reader);
    uint64_t digest = hf_read_u64(&reader);
    hf_bytes reply = hf_read_lent(&reader, hf_reader_left(&reader));
    if ((msg->flags & HF_TXN_OUTCOME) != 0) {
        hf_buf_reset(&shard->replies);
        hf_resp_array(&shard->replies, committed ? 3 : 2);
        hf_resp_simple(&shard->replies, committed ? "COMMITTED" : "ABORTED");
        if (committed) {
            hf_resp_bulk_integer(&shard->replies, (int64_t)ts);
        }
        hf_resp_bulk(&shard->replies, reply);
        answer(shard, msg, HF_ENDING_DONE, ts, got.lsn, hf_buf_view(&shard->replies));
        return false;
    }
    if (digest != msg->digest && digest != 0) {
        refuse(shard, msg, part, HF_ENDING_ABORTED, got.lsn,
               HF_LIT("-ERR this id was used for another request\r\n"));
        return false;
    }
    refuse(shard, msg, part, HF_ENDING_DUPLICATE, got.lsn, reply);
    return false;
}

/* HF.OUTCOME of an id that nothing is known of: from now on it never happens. */
static void cancel_id(hf_shard *shard, const hf_msg_txn *msg)
{
    uint64_t ts = hf_shard__now(shard);
    uint64_t lsn;
    hf_bytes reason = HF_LIT("-TXNCONFLICT cancelled by a question for its outcome\r\n");
    hf_buf_reset(&shard->mutations);
    stub_put(shard, &shard->mutations, msg->id, false, ts, 0, reason);
    hf_err err = commit(shard, hf_buf_view(&shard->mutations), ts, &lsn);
    if (err != HF_OK) {
        append_error(shard, msg, NULL, err);
        return;
    }
    hf_buf_reset(&shard->replies);
    hf_resp_array(&shard->replies, 2);
    hf_resp_simple(&shard->replies, "ABORTED");
    hf_resp_bulk(&shard->replies, reason);
    answer(shard, msg, HF_ENDING_DONE, ts, lsn, hf_buf_view(&shard->replies));
}

/* The end of a transaction over several shards that was refused for good: its reply is the tail. */
static void record_abort(hf_shard *shard, const hf_msg_txn *msg)
{
    uint64_t ts = hf_shard__now(shard);
    uint64_t lsn;
    hf_bytes reply = hf_txn_mutations(msg, &shard->args);
    hf_buf_reset(&shard->mutations);
    stub_put(shard, &shard->mutations, msg->id, false, ts, msg->digest, reply);
    hf_err err = commit(shard, hf_buf_view(&shard->mutations), ts, &lsn);
    if (err != HF_OK) {
        append_error(shard, msg, NULL, err);
        return;
    }
    answer(shard, msg, HF_ENDING_ABORTED, ts, lsn, reply);
}

/* ---- The whole way of a TXN message ---- */

/* WATCH: the stamps of the condition keys, one integer each. */
static void end_stamps(hf_shard *shard, const hf_msg_txn *msg)
{
    hf_txn_reader reader;
    hf_txn_reader_open(&reader, msg, &shard->args);
    hf_buf_reset(&shard->replies);
    shard->view_lsn = 0;
    uint64_t ts = hf_shard__now(shard);
    hf_txn_condition c;
    while (hf_txn_next_condition(&reader, &c)) {
        hf_buf_u64(&shard->replies, hf_view__stamp(shard, c.key, ts));
    }
    answer(shard, msg, HF_ENDING_DONE, ts, shard->view_lsn, hf_buf_view(&shard->replies));
}

/* Waits on the key whose escrow additions must end first. */
static bool wait_for_escrow(hf_shard *shard, const hf_msg_txn *msg, hf_item *item, hf_part *part,
                            const evaluation *e)
{
    asking a = { .shard = shard, .self = part == NULL ? NULL : &part->locks, .age = msg->age };
    want w = { .key = hf_bytes_of(e->key.data, e->key.size), .mode = HF_LOCK_S };
    if (check_lock(&a, &w)) {
        return false;
    }
    return block(shard, &msg->head, item, part, &a);
}

/* Asks for every lock; wounds and waits. True: all are free. */
static bool clear_to_run(hf_shard *shard, const hf_msg_txn *msg, hf_item *item, hf_part *part)
{
    bool at = (msg->flags & HF_TXN_AT) != 0;
    if (hf_lock_table_idle(shard->locks)) {
        return true;
    }
    for (;;) {
        asking a = { .shard = shard,
                     .self = part == NULL ? NULL : &part->locks,
                     .age = msg->age,
                     .read_ts = at ? msg->read_ts : 0 };
        if (visit_wants(shard, msg, check_lock, &a)) {
            return true;
        }
        if (!at && wound_younger(shard, &a)) {
            continue;
        }
        shard->stats.conflicts++;
        if (!block(shard, &msg->head, item, part, &a)) {
            refuse(shard, msg, part, HF_ENDING_BUSY, 0,
                   HF_LIT("-BUSY no memory to queue the request\r\n"));
        } else if (part != NULL && part->p.state != HF_PARTICIPANT_QUEUED) {
            hf_part__step(shard, part, HF_EVENT_QUEUED, shard->self, 0);
        }
        return false;
    }
}

/* The part of a PREPARE; NULL when the message was dealt with: repeated, fenced, or without memory.
 */
static hf_part *prepare_part(hf_shard *shard, const hf_msg_txn *msg, const hf_item *item)
{
    hf_part *part = hf_part__find(shard, msg->attempt);
    if (part == NULL) {
        if (!hf_part__fresh(shard, msg->attempt)) {
            answer(shard, msg, HF_ENDING_CONFLICT, 0, 0, hf_bytes_of(NULL, 0));
            return NULL;
        }
        if ((msg->flags & HF_TXN_WRITTEN) != 0 ||
            (part = hf_part__make(shard, msg->attempt, msg->age)) == NULL) {
            answer(shard, msg, HF_ENDING_CONFLICT, 0, 0, hf_bytes_of(NULL, 0));
            return NULL;
        }
    }
    hf_participant_state state = (hf_participant_state)part->p.state;
    if (state == HF_PARTICIPANT_NONE || state == HF_PARTICIPANT_ACTIVE ||
        (state == HF_PARTICIPANT_QUEUED && item != NULL)) {
        part->ticket = msg->ticket;
        return part;
    }
    /* Refused or poisoned before it came: nothing of it will ever be prepared here. */
    answer(shard, msg, HF_ENDING_CONFLICT, 0, 0, hf_bytes_of(NULL, 0));
    return NULL;
}

static void reroute(hf_shard *shard, const hf_msg_txn *msg, hf_part *part)
{
    refuse(shard, msg, part, HF_ENDING_REROUTE, 0, hf_bytes_of(msg, msg->head.size));
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
    if ((msg->flags & HF_TXN_AT) != 0) {
        if (msg->read_ts < hf_table_floor(shard->table) || msg->read_ts < shard->floor_ts) {
            refuse(shard, msg, part, HF_ENDING_ABORTED, 0,
                   HF_LIT("-EXPIRED the timestamp is older than the retention\r\n"));
            hf_owner__drop_item(shard, item);
            return;
        }
        hf_hlc_observe(&shard->clock,
                       msg->read_ts); /* the read floor: no later write gets below it */
    }
    asking home = { .shard = shard };
    if (!visit_wants(shard, msg, check_home, &home)) {
        reroute(shard, msg, part);
        hf_owner__drop_item(shard, item);
        return;
    }
    if (home.frozen && !one_phase) {
        /* It may hold locks elsewhere that another move waits for: back to the coordinator. */
        refuse(shard, msg, part, HF_ENDING_REROUTE, 0, hf_bytes_of(NULL, 0));
        hf_owner__drop_item(shard, item);
        return;
    }
    if (home.frozen) {
        freeze(shard, msg, item);
        return;
    }
    if (!admit(shard, msg, item, part) || !clear_to_run(shard, msg, item, part)) {
        return;
    }
    if ((msg->flags & HF_TXN_STUB) != 0 && !check_stub(shard, msg, part)) {
        hf_owner__drop_item(shard, item);
        return;
    }
    if ((msg->flags & HF_TXN_OUTCOME) != 0) {
        cancel_id(shard, msg);
    } else if ((msg->flags & HF_TXN_ABORTED) != 0) {
        record_abort(shard, msg);
    } else if ((msg->flags & HF_TXN_STAMP) != 0 && msg->command_count == 0) {
        end_stamps(shard, msg);
    } else {
        evaluation e = { .ending = HF_ENDING_DONE };
        evaluate(shard, msg, &e);
        if (e.waits && wait_for_escrow(shard, msg, item, part, &e)) {
            if (part != NULL && part->p.state != HF_PARTICIPANT_QUEUED) {
                hf_part__step(shard, part, HF_EVENT_QUEUED, shard->self, 0);
            }
            return;
        }
        HF_ASSERT(!e.waits);
        if (one_phase) {
            end_one_phase(shard, msg, &e);
        } else {
            end_prepare(shard, msg, part, &e);
        }
    }
    hf_owner__drop_item(shard, item);
}

/* ---- LOCK_READ: locks in memory, and the records ---- */

static bool visit_locks(const hf_msg_lock_read *msg, want_visit *visit, void *context)
{
    hf_reader reader = hf_reader_of(hf_msg_body(&msg->head, sizeof *msg));
    for (uint32_t i = 0; i < msg->count; i++) {
        want w = { .mode = (hf_lock_mode)hf_read_u8(&reader) };
        w.key = hf_read_bytes(&reader);
        HF_ASSERT(!reader.bad);
        if (!visit(context, &w)) {
            return false;
        }
    }
    return true;
}

static bool read_record(void *context, const want *w)
{
    hf_shard *shard = ((asking *)context)->shard;
    hf_got got = hf_table_get(shard->table, w->key, HF_TS_MAX);
    if (got.lsn > shard->view_lsn) {
        shard->view_lsn = got.lsn;
    }
    hf_buf *out = &shard->replies;
    hf_buf_u8(out, (uint8_t)got.value.kind);
    hf_buf_u64(out, got.value.expire_ms);
    hf_buf_u64(out, (uint64_t)got.value.integer);
    hf_buf_u64(out, got.ts);
    hf_buf_bytes(out, w->key);
    hf_buf_bytes(out, got.value.kind == HF_KIND_STRING || got.value.kind == HF_KIND_RECORD
                          ? got.value.bytes
                          : hf_bytes_of(NULL, 0));
    return true;
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
        answer(shard, &as, HF_ENDING_CONFLICT, 0, 0, hf_bytes_of(NULL, 0));
        hf_owner__drop_item(shard, item);
        return;
    }
    part->ticket = msg->ticket;
    asking a = { .shard = shard, .self = &part->locks, .age = msg->age };
    if (!visit_locks(msg, check_home, &a) || a.frozen) {
        refuse(shard, &as, part, HF_ENDING_REROUTE, 0, hf_bytes_of(NULL, 0));
        hf_owner__drop_item(shard, item);
        return;
    }
    while (!visit_locks(msg, check_lock, &a)) {
        if (wound_younger(shard, &a)) {
            continue;
        }
        shard->stats.conflicts++;
        if (!block(shard, &msg->head, item, part, &a)) {
            refuse(shard, &as, part, HF_ENDING_BUSY, 0, HF_LIT("-BUSY no memory\r\n"));
        }
        return;
    }
    hf_buf_reset(&shard->replies);
    shard->view_lsn = 0;
    if (!visit_locks(msg, take_lock, &a) || !visit_locks(msg, read_record, &a) ||
        shard->replies.failed) {
        refuse(shard, &as, part, HF_ENDING_BUSY, 0, HF_LIT("-OOM no memory for locks\r\n"));
    } else {
        hf_part__step(shard, part, HF_EVENT_LOCKED, shard->self, 0);
        part->since_ns = shard->io->now_ns;
        if (!hf_owner__reply(shard, msg->head.from, msg->ticket, msg->attempt, HF_MSG_LOCKED,
                             HF_ENDING_DONE, hf_shard__now(shard), shard->view_lsn,
                             hf_buf_view(&shard->replies))) {
            refuse(shard, &as, part, HF_ENDING_BUSY, 0, HF_LIT("-OOM no memory\r\n"));
        }
    }
    hf_owner__drop_item(shard, item);
}
