/* Operations that lock and fetch their keys first, and run here on the copies: interactive
 * transactions, and commands that need keys of several shards at once. What they write is prepared
 * at the owners afterwards; the memory locks held since the fetch make the copies current, and a
 * lost lock refuses the PREPARE.
 */
#include "engine/shard/gateway_impl.h"

static const char lost_text[] =
    "-TXNCONFLICT lost to an older transaction or to a move of its range: start again\r\n";
static const char memory_text[] = "-OOM no memory for the transaction\r\n";

/* ---- Locks that the operation has: u16 shard | u8 mode | u32 size, key (internal); as in
 * LOCK_READ all keys, too ---- */

typedef struct held_lock {
    uint16_t shard;
    hf_lock_mode mode;
    bool space; /* all user keys of the shard */
    uint8_t how;
    hf_bytes key;
} held_lock;

static bool next_lock(hf_reader *r, held_lock *lock)
{
    if (hf_reader_left(r) == 0) {
        return false;
    }
    lock->shard = hf_read_u16(r);
    lock->how = hf_read_u8(r);
    lock->mode = (hf_lock_mode)(lock->how & HF_LOCK_MODE);
    lock->space = lock->how >= HF_LOCK_SPACE;
    lock->key = hf_read_bytes(r);
    return true;
}

static bool has_lock(const hf_op *op, hf_bytes key, hf_lock_mode mode)
{
    hf_reader r = hf_reader_of(hf_buf_view(&op->locks));
    held_lock lock;
    while (next_lock(&r, &lock)) {
        if (!lock.space && (lock.mode == mode || lock.mode == HF_LOCK_X) &&
            hf_bytes_equal(lock.key, key)) {
            return true;
        }
    }
    return false;
}

static uint16_t locked_at(const hf_op *op, hf_bytes key)
{
    hf_reader r = hf_reader_of(hf_buf_view(&op->locks));
    held_lock lock;
    while (next_lock(&r, &lock)) {
        if (!lock.space && hf_bytes_equal(lock.key, key)) {
            return lock.shard;
        }
    }
    return NO_SHARD;
}

static void want_key(hf_shard *shard, hf_op *op, hf_bytes user, hf_lock_mode mode)
{
    hf_internal_key key;
    hf_bytes internal = hf_internal_key_set(&key, user);
    if (has_lock(op, internal, mode)) {
        return;
    }
    /* A key stays with the shard where it was first locked: if it moved, the PREPARE is refused
     * there. */
    uint16_t home = locked_at(op, internal);
    hf_buf_u16(&op->locks, home != NO_SHARD ? home : hf_gateway__home(shard, user));
    hf_buf_u8(&op->locks, (uint8_t)mode);
    hf_buf_bytes(&op->locks, internal);
    op->lock_count++;
}

static void want_command(hf_shard *shard, hf_op *op, const hf_txn_command *c)
{
    hf_lock_mode mode =
        (c->command->flags & (HF_COMMAND_WRITE | HF_COMMAND_COMMUTE)) != 0 ? HF_LOCK_X : HF_LOCK_S;
    uint32_t first, count, step;
    if (hf_command_keys(c->command, c->argc, &first, &count, &step)) {
        for (uint32_t i = 0; i < count; i++) {
            want_key(shard, op, c->args[first + i * step], mode);
        }
    }
}

/* ---- The op's commands and conditions, decoded ---- */

/* False: that was the last one, or there is no memory for its arguments (shard->args.failed). */
static bool next_command(hf_shard *shard, hf_reader *r, hf_txn_command *c)
{
    hf_buf_reset(&shard->args);
    if (hf_reader_left(r) == 0) {
        return false;
    }
    (void)hf_read_u16(r);
    hf_reader part = hf_reader_of(hf_read_bytes(r));
    c->piece = hf_read_u32(&part);
    c->command = hf_command_at(hf_read_u16(&part));
    c->argc = hf_read_u32(&part);
    for (uint32_t i = 0; i < c->argc; i++) {
        hf_bytes arg = hf_read_bytes(&part);
        hf_buf_raw(&shard->args, &arg, sizeof arg);
    }
    HF_ASSERT(!part.bad);
    c->args = (const hf_bytes *)(const void *)shard->args.data;
    return !shard->args.failed;
}

static bool next_condition(hf_reader *r, hf_txn_condition *c)
{
    if (hf_reader_left(r) == 0) {
        return false;
    }
    hf_reader one = hf_reader_of(hf_read_bytes(r));
    c->kind = (hf_condition_kind)hf_read_u8(&one);
    c->compare = (hf_compare)hf_read_u8(&one);
    c->stamp = hf_read_u64(&one);
    c->key = hf_read_bytes(&one);
    c->operand = hf_read_bytes(&one);
    return true;
}

/* ---- Locking ---- */

static void give_up(hf_shard *shard, hf_op *op, hf_bytes reply)
{
    hf_gateway__finalize(shard, op, 0, hf_bytes_of(NULL, 0));
    if (op->interactive) {
        op->lost = true;
        op->stage = HF_STAGE_IDLE;
        hf_gateway__answer(shard, op, reply);
        return;
    }
    hf_gateway__answer(shard, op, reply);
    hf_gateway__op_give(shard, op);
}

/* Asks for the locks noted from `from` on. Answers how many shards were asked. */
static bool send_locks(hf_shard *shard, hf_op *op, uint32_t from)
{
    op->waiting = 0;
    for (uint16_t to = 0; to < shard->count; to++) {
        hf_reader r = hf_reader_of(hf_bytes_of(op->locks.data + from, op->locks.size - from));
        held_lock lock;
        hf_msg_lock_read ask = { .ticket = hf_gateway__ticket(op),
                                 .attempt = op->co.attempt,
                                 .age = op->age,
                                 .clock = shard->clock.last,
                                 .watermark = shard->unfinished.base,
                                 .client = hf_gateway__client(op),
                                 .heard = shard->order.heard[to] };
        hf_buf_reset(&shard->message);
        while (next_lock(&r, &lock)) {
            if (lock.shard == to) {
                hf_buf_u8(&shard->message, lock.how);
                hf_buf_bytes(&shard->message, lock.key);
                ask.count++;
            }
        }
        if (ask.count == 0) {
            continue;
        }
        hf_msg *msg = shard->message.failed
                          ? NULL
                          : hf_shard__msg_of(shard, HF_MSG_LOCK_READ, &ask, sizeof ask,
                                             hf_buf_view(&shard->message));
        if (msg == NULL) {
            return false;
        }
        hf_shard__post(shard, to, msg);
        op->waiting |= hf_shard_bit(to);
        op->touched |= hf_shard_bit(to);
    }
    return true;
}

static void run(hf_shard *shard, hf_op *op);

static void lock_and_run(hf_shard *shard, hf_op *op, uint32_t from)
{
    op->stage = HF_STAGE_LOCK;
    if (op->locks.failed || !send_locks(shard, op, from)) {
        give_up(shard, op, hf_bytes_of(memory_text, sizeof memory_text - 1));
        return;
    }
    if (op->waiting == 0) {
        run(shard, op);
    }
}

/* How a command over all keys wants them; 0: it is none. */
static uint8_t space_wanted(hf_shard *shard, const hf_txn_command *c)
{
    hf_range_query query;
    if ((c->command->flags & HF_COMMAND_ALL_KEYS) == 0) {
        return 0;
    }
    hf_buf_reset(&shard->scratch);
    bool values = strcmp(c->command->name, "hf.range") == 0 &&
                  hf_range_parse(c->args, c->argc, &query, &shard->scratch) && query.values;
    bool writes = (c->command->flags & HF_COMMAND_WRITE) != 0;
    return (uint8_t)(HF_LOCK_SPACE | (values ? HF_LOCK_VALUES : 0) |
                     (writes ? HF_LOCK_X : HF_LOCK_S));
}

/* All keys, at every shard: who holds that sees all of them, and none comes or goes meanwhile, nor
 * by a move. */
static void want_space(hf_shard *shard, hf_op *op, uint8_t how)
{
    for (uint16_t to = 0; to < shard->count; to++) {
        hf_buf_u16(&op->locks, to);
        hf_buf_u8(&op->locks, how);
        hf_buf_bytes(&op->locks, hf_bytes_of(NULL, 0));
        op->lock_count++;
    }
}

static void want_all(hf_shard *shard, hf_op *op)
{
    uint8_t space = 0;
    hf_reader r = hf_reader_of(hf_buf_view(&op->conditions));
    hf_txn_condition condition;
    while (next_condition(&r, &condition)) {
        want_key(shard, op, condition.key, HF_LOCK_S);
    }
    r = hf_reader_of(hf_buf_view(&op->parts));
    hf_txn_command command;
    while (next_command(shard, &r, &command)) {
        space |= space_wanted(shard, &command);
        want_command(shard, op, &command);
    }
    op->locks.failed = op->locks.failed || shard->args.failed;
    if (space != 0) {
        want_space(shard, op, space);
    }
}

void hf_general__start(hf_shard *shard, hf_op *op)
{
    if (!hf_gateway__attempt(shard, op)) {
        hf_gateway__answer(shard, op,
                           HF_LIT("-BUSY too many transactions are not finished yet\r\n"));
        hf_gateway__op_give(shard, op);
        return;
    }
    hf_workspace_reset(&op->workspace);
    hf_buf_reset(&op->replies);
    hf_buf_reset(&op->stamps);
    op->ending = HF_ENDING_DONE;
    want_all(shard, op);
    lock_and_run(shard, op, 0);
}

/* What its owner found there must be there at the commit still; what is gone stays so. (A stamp's
 * lowest bit says gone by its time.) */
static void bound(hf_op *op, uint64_t expire_ms, uint64_t stamp)
{
    if (expire_ms != 0 && (stamp & 1) == 0 && expire_ms < op->until / 1000000) {
        op->until = expire_ms * 1000000;
    }
}

void hf_general__locked(hf_shard *shard, hf_op *op, const hf_msg_result *msg)
{
    hf_reader r = hf_reader_of(hf_msg_body(&msg->head, sizeof *msg));
    hf_value known;
    while (hf_reader_left(&r) > 0) {
        hf_value value = { .kind = (hf_kind)hf_read_u8(&r) };
        value.expire_ms = hf_read_u64(&r);
        value.integer = (int64_t)hf_read_u64(&r);
        uint64_t stamp = hf_read_u64(&r);
        hf_bytes key = hf_read_bytes(&r);
        value.bytes = hf_read_bytes(&r);
        HF_ASSERT(!r.bad);
        if (hf_workspace_get(&op->workspace, key, &known)) {
            continue; /* named, and one of all */
        }
        hf_workspace_base(&op->workspace, key, &value);
        hf_workspace_note(&op->workspace, key, msg->head.from);
        bound(op, value.kind == HF_KIND_NONE ? 0 : value.expire_ms, stamp);
        hf_buf_u64(&op->stamps, stamp);
        hf_buf_bytes(&op->stamps, key);
    }
    op->waiting &= ~hf_shard_bit(msg->head.from);
    if (op->workspace.failed || op->stamps.failed) {
        give_up(shard, op, hf_bytes_of(memory_text, sizeof memory_text - 1));
    } else if (op->waiting == 0) {
        run(shard, op);
    }
}

/* All keys are fetched before anything is run on them, and all that have a time bind the commit:
 * many keys with short times let none come about. Each attempt holds up everybody else, so there is
 * an end to it. */
bool hf_general__in_vain(hf_shard *shard, const hf_op *op)
{
    hf_reader r = hf_reader_of(hf_buf_view(&op->locks));
    held_lock lock = { .space = false };
    while (op->general && !lock.space && next_lock(&r, &lock)) {
    }
    return op->ending == HF_ENDING_CONFLICT && lock.space &&
           hf_shard__now(shard) >= op->age.ts + shard->config.lock_wait_ns;
}

/* A memory lock was lost (wounded), or could not be had. */
void hf_general__lost(hf_shard *shard, hf_op *op, const hf_msg_result *msg)
{
    bool for_good =
        msg != NULL && (msg->ending == HF_ENDING_ABORTED || msg->ending == HF_ENDING_BUSY);
    hf_bytes reply = for_good ? hf_msg_body(&msg->head, sizeof *msg)
                              : hf_bytes_of(lost_text, sizeof lost_text - 1);
    if (op->interactive && op->stage == HF_STAGE_IDLE) {
        hf_gateway__finalize(shard, op, 0, hf_bytes_of(NULL, 0));
        op->lost = true; /* told with the next command */
    } else if (op->interactive || for_good) {
        give_up(shard, op, reply);
    } else {
        hf_gateway__finalize(shard, op, 0, hf_bytes_of(NULL, 0));
        shard->stats.conflicts++;
        op->ending = msg == NULL ? HF_ENDING_CONFLICT : (hf_ending)msg->ending;
        hf_gateway__again(shard, op, op->ending == HF_ENDING_REROUTE);
    }
}

/* ---- Running on the copies ---- */

static void fetch_nothing(void *context, hf_bytes key, hf_value *value)
{
    (void)context;
    (void)key;
    (void)value;
    HF_UNREACHABLE(); /* every key of a command was fetched before it runs */
}

static bool stamp_is(const hf_op *op, hf_bytes user, uint64_t stamp)
{
    hf_internal_key key;
    hf_bytes internal = hf_internal_key_set(&key, user);
    hf_reader r = hf_reader_of(hf_buf_view(&op->stamps));
    while (hf_reader_left(&r) > 0) {
        uint64_t now = hf_read_u64(&r);
        if (hf_bytes_equal(hf_read_bytes(&r), internal)) {
            return now == stamp;
        }
    }
    return false;
}

static bool conditions_hold(hf_op *op, hf_view *view)
{
    hf_reader r = hf_reader_of(hf_buf_view(&op->conditions));
    hf_txn_condition c;
    while (next_condition(&r, &c)) {
        bool holds = c.kind == HF_CONDITION_WATCH
                         ? stamp_is(op, c.key, c.stamp)
                         : hf_compare_holds(view, c.key, c.compare, c.operand);
        if (!holds) {
            return false;
        }
    }
    return true;
}

/* Runs one command; its reply is appended. False: the whole is to be undone, and the reply says
 * why. */
static bool run_command(hf_shard *shard, hf_op *op, hf_view *view, const hf_txn_command *c)
{
    uint32_t from = op->replies.size;
    hf_workspace_mark mark = hf_workspace_mark_now(&op->workspace);
    hf_call call = { .args = c->args, .argc = c->argc, .reply = &op->replies };
    view->draw = hf_prng_next(&shard->prng);
    shard->stats.commands++;
    hf_ran ran = c->command->run(view, &call);
    HF_ASSERT(ran != HF_RAN_WAIT); /* the keys are held exclusively: nothing is pending */
    hf_err err = ran == HF_RAN_OK ? hf_workspace_apply(&op->workspace, fetch_nothing, NULL) : HF_OK;
    if (err != HF_OK) {
        hf_workspace_rollback(&op->workspace, mark);
        op->replies.size = from;
        hf_resp_error(&op->replies, err == HF_E_TOOBIG
                                        ? "TOOBIG the record would be larger than 8 MiB"
                                        : "OOM no memory for the transaction");
    }
    bool error = op->replies.size > from && op->replies.data[from] == '-';
    if (ran == HF_RAN_ABORT || (error && op->atomic)) {
        hf_workspace_rollback(&op->workspace, mark);
        return op->interactive;
    }
    return true;
}

static void refuse_with_reply(hf_shard *shard, hf_op *op, uint32_t from)
{
    hf_buf_reset(&op->refusal);
    hf_buf_raw(&op->refusal, op->replies.data + from, op->replies.size - from);
    if (op->has_id && !op->interactive) {
        /* Recorded first; and if the id has its outcome already, that is the answer. */
        hf_gateway__finalize(shard, op, 0, hf_bytes_of(NULL, 0));
        op->ending = HF_ENDING_ABORTED;
        hf_gateway__refused(shard, op);
        return;
    }
    give_up(shard, op, hf_buf_view(&op->refusal));
}

static void run_interactive(hf_shard *shard, hf_op *op, hf_view *view)
{
    hf_reader r = hf_reader_of(hf_buf_view(&op->parts));
    hf_txn_command c;
    hf_workspace_mark mark = hf_workspace_mark_now(&op->workspace);
    hf_buf_reset(&op->replies);
    while (next_command(shard, &r, &c)) {
        (void)run_command(shard, op, view, &c);
    }
    bool failed = op->replies.failed || shard->args.failed;
    if (failed) { /* the client may ask for the same again */
        hf_workspace_rollback(&op->workspace, mark);
    }
    op->stage = HF_STAGE_IDLE;
    hf_gateway__answer(shard, op,
                       failed ? hf_bytes_of(memory_text, sizeof memory_text - 1)
                              : hf_buf_view(&op->replies));
}

static void run(hf_shard *shard, hf_op *op)
{
    hf_view view;
    hf_view__open_workspace(shard, &view, &op->workspace, hf_shard__now(shard), op->proto);
    if (op->interactive) {
        run_interactive(shard, op, &view);
        return;
    }
    if (view.ts >= op->until) {
        /* A key's time passed since its owner looked. A refusal would tell of that, and no log
         * covers it: the owner looks again (engine/shard/horizon.h). */
        hf_general__lost(shard, op, NULL);
        return;
    }
    bool hold = conditions_hold(op, &view);
    if (!hold && !op->has_else) {
        if (op->form == HF_FORM_EXEC) {
            hf_resp_null_array(&op->replies, op->proto);
        } else {
            hf_resp_error(&op->replies, "CONDFAILED a condition does not hold");
        }
        refuse_with_reply(shard, op, 0);
        return;
    }
    uint32_t skip = hold ? 0 : op->command_count - op->else_count;
    uint32_t count = hold ? op->command_count - op->else_count : op->else_count;
    if (op->form != HF_FORM_SINGLE) {
        hf_resp_array(&op->replies, count);
    }
    hf_reader r = hf_reader_of(hf_buf_view(&op->parts));
    hf_txn_command c;
    for (uint32_t i = 0; next_command(shard, &r, &c); i++) {
        uint32_t from = op->replies.size;
        if (i >= skip && i < skip + count && !run_command(shard, op, &view, &c)) {
            refuse_with_reply(shard, op, from);
            return;
        }
    }
    if (op->replies.failed || shard->args.failed) { /* nor could replies be kept under an id */
        give_up(shard, op, hf_bytes_of(memory_text, sizeof memory_text - 1));
        return;
    }
    hf_general__commit(shard, op);
}

/* ---- Committing ---- */

/* The fences and effects that belong to one shard. */
static void put_written(hf_op *op, uint16_t to, hf_msg_txn *fixed, hf_buf *body)
{
    hf_reader r = hf_reader_of(hf_buf_view(&op->locks));
    held_lock lock;
    hf_buf_reset(body);
    if ((fixed->flags & HF_TXN_STUB) != 0) {
        hf_recipe_encode_reply(op->interactive ? HF_LIT("+OK\r\n") : hf_buf_view(&op->replies),
                               body);
        fixed->recipe_size = body->size;
    }
    while (next_lock(&r, &lock)) {
        if (lock.shard == to) {
            hf_bytes end = hf_bytes_of(NULL, 0);
            if (lock.space) {
                hf_owner__user_space(&lock.key, &end);
            }
            hf_txn_put_fence(body, lock.mode, lock.space, lock.key, end);
            fixed->lock_count++;
        }
    }
    r = hf_reader_of(hf_buf_view(&op->workspace.mutations));
    const uint8_t *from = r.at;
    hf_mutation m;
    while (hf_mutation_next(&r, &m)) {
        uint16_t at; /* where it was fetched */
        HF_ASSERT(hf_workspace_noted(&op->workspace, m.key, &at));
        if (at == to) {
            hf_buf_raw(body, from, (uint32_t)(r.at - from));
        }
        from = r.at;
    }
}

void hf_general__commit(hf_shard *shard, hf_op *op)
{
    hf_shard_set set = op->touched;
    uint16_t anchor = 0;
    if (op->has_id) {
        uint8_t key[HF_STUB_KEY_SIZE];
        hf_stub__key(op->id, key);
        anchor = shard->map.ranges[hf_range_find(&shard->map, hf_bytes_of(key, sizeof key))].shard;
        set |= hf_shard_bit(anchor);
    } else {
        while ((set & hf_shard_bit(anchor)) == 0) {
            anchor++;
        }
    }
    op->stage = HF_STAGE_PREPARE;
    hf_coordinator_begin(&op->co, op->co.attempt, set);
    hf_shard_set locked = op->touched;
    for (uint16_t to = 0; to < shard->count; to++) {
        if ((set & hf_shard_bit(to)) == 0) {
            continue;
        }
        hf_msg_txn fixed;
        hf_gateway__base(shard, op, &fixed);
        fixed.client = 0; /* it came into its place in order with its locks */
        fixed.flags = (locked & hf_shard_bit(to)) != 0 ? HF_TXN_WRITTEN : 0;
        fixed.anchor = anchor;
        fixed.participants = to == anchor ? set : 0;
        if (op->has_id) {
            fixed.flags |= HF_TXN_HAS_ID;
            fixed.flags |= to == anchor ? HF_TXN_STUB : 0;
        }
        put_written(op, to, &fixed, &shard->message);
        hf_msg *msg = shard->message.failed
                          ? NULL
                          : hf_shard__msg_of(shard, HF_MSG_TXN, &fixed, sizeof fixed,
                                             hf_buf_view(&shard->message));
        if (msg == NULL) {
            give_up(shard, op, hf_bytes_of(memory_text, sizeof memory_text - 1));
            return;
        }
        op->touched |= hf_shard_bit(to);
        hf_shard__post(shard, to, msg);
    }
}

/* ---- Interactive transactions ---- */

static void idle_alarm(hf_shard *shard, hf_alarm *alarm)
{
    hf_op *op = (hf_op *)(void *)alarm;
    if (op->stage == HF_STAGE_IDLE && !op->lost) {
        hf_gateway__finalize(shard, op, 0, hf_bytes_of(NULL, 0));
        op->lost = true;
    }
}

static void touch(hf_shard *shard, hf_op *op)
{
    uint64_t due = shard->io->now_ns + shard->config.idle_txn_ns;
    hf_timers_cancel(&shard->timers, &op->alarm.timer);
    op->alarm.ring = idle_alarm;
    if (hf_timers_add(&shard->timers, &op->alarm.timer, due) != HF_OK) {
        op->lost = true; /* without a timer it could hold its locks for ever */
        hf_gateway__finalize(shard, op, 0, hf_bytes_of(NULL, 0));
    }
}

uint32_t hf_gateway__begin(hf_shard *shard, const uint8_t *id, uint8_t proto)
{
    hf_op *op = hf_gateway__op_take(shard);
    if (op == NULL) {
        return NO_OP;
    }
    if (!hf_gateway__attempt(shard, op)) {
        hf_gateway__op_give(shard, op);
        return NO_OP;
    }
    op->interactive = op->general = true;
    op->proto = proto;
    op->form = HF_FORM_SINGLE;
    op->has_id = id != NULL;
    if (id != NULL) {
        memcpy(op->id, id, sizeof op->id);
        op->digest = HF_DIGEST_DIALOGUE;
    }
    hf_workspace_reset(&op->workspace);
    touch(shard, op);
    return op->index;
}

bool hf_gateway__txn_lost(const hf_shard *shard, uint32_t index)
{
    return shard->ops[index].lost;
}

hf_started hf_gateway__txn_command(hf_shard *shard, uint32_t index,
                                   const hf_request_command *command, hf_ticket ticket,
                                   hf_buf *error)
{
    hf_op *op = &shard->ops[index];
    HF_PRE(op->interactive && op->stage == HF_STAGE_IDLE);
    op->client = ticket;
    if (op->lost) {
        hf_buf_raw(error, lost_text, sizeof lost_text - 1);
        return HF_STARTED_ERROR;
    }
    if ((command->command->flags & HF_COMMAND_ALL_KEYS) != 0 || command->command->run == NULL) {
        hf_resp_error(error, "ERR this command is not allowed in an interactive transaction");
        return HF_STARTED_ERROR;
    }
    touch(shard, op);
    if (op->lost) {
        hf_buf_raw(error, lost_text, sizeof lost_text - 1);
        return HF_STARTED_ERROR;
    }
    hf_buf_reset(&op->parts);
    hf_buf_u16(&op->parts, NO_SHARD);
    hf_buf_u32(&op->parts, 0);
    hf_txn_put_command(&op->parts, 0, command->command, command->args, command->argc);
    if (op->parts.failed) {
        hf_buf_raw(error, memory_text, sizeof memory_text - 1);
        return HF_STARTED_ERROR;
    }
    uint32_t size = op->parts.size - 6;
    memcpy(op->parts.data + 2, &size, sizeof size);
    uint32_t from = op->locks.size;
    hf_txn_command c = { .command = command->command,
                         .args = command->args,
                         .argc = command->argc };
    want_command(shard, op, &c);
    lock_and_run(shard, op, from);
    return HF_STARTED_MULTI;
}

hf_started hf_gateway__txn_commit(hf_shard *shard, uint32_t index, hf_ticket ticket)
{
    hf_op *op = &shard->ops[index];
    HF_PRE(op->interactive && op->stage == HF_STAGE_IDLE);
    op->client = ticket;
    hf_timers_cancel(&shard->timers, &op->alarm.timer);
    if (op->lost) {
        hf_gateway__answer(shard, op, hf_bytes_of(lost_text, sizeof lost_text - 1));
        hf_session__txn_ended(shard, ticket);
        hf_gateway__op_give(shard, op);
    } else if (op->touched == 0 && !op->has_id) {
        hf_gateway__finalize(shard, op, 0, hf_bytes_of(NULL, 0));
        hf_gateway__answer(shard, op, HF_LIT("+OK\r\n"));
        hf_session__txn_ended(shard, ticket);
        hf_gateway__op_give(shard, op);
    } else {
        hf_general__commit(shard, op);
    }
    return HF_STARTED_MULTI;
}

void hf_gateway__txn_rollback(hf_shard *shard, uint32_t index)
{
    hf_op *op = &shard->ops[index];
    HF_PRE(op->interactive);
    if (op->stage == HF_STAGE_PREPARE) {
        return; /* the client left after asking for the commit: it ends by itself */
    }
    if (!op->lost) {
        hf_gateway__finalize(shard, op, 0, hf_bytes_of(NULL, 0));
    }
    hf_gateway__op_give(shard, op);
}

bool hf_gateway__savepoint(hf_shard *shard, uint32_t index, hf_bytes name)
{
    hf_op *op = &shard->ops[index];
    hf_workspace_mark mark = hf_workspace_mark_now(&op->workspace);
    hf_buf_raw(&op->marks, &mark, sizeof mark);
    hf_buf_bytes(&op->marks, name);
    return !op->marks.failed;
}

bool hf_gateway__rollback_to(hf_shard *shard, uint32_t index, hf_bytes name)
{
    hf_op *op = &shard->ops[index];
    hf_reader r = hf_reader_of(hf_buf_view(&op->marks));
    hf_workspace_mark found = { 0, 0 };
    uint32_t end = 0;
    while (hf_reader_left(&r) > 0) {
        hf_workspace_mark mark;
        hf_read_raw(&r, &mark, sizeof mark);
        if (hf_bytes_equal(hf_read_bytes(&r), name)) { /* the newest of a name counts */
            found = mark;
            end = op->marks.size - hf_reader_left(&r);
        }
    }
    if (end == 0) {
        return false;
    }
    op->marks.size = end; /* the savepoint itself stays, later ones are gone */
    hf_workspace_rollback(&op->workspace, found);
    return true;
}
