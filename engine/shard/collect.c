/* Reads over several shards, without locks.
 *
 * Strict: double collect. All shards answer with values and version stamps; then, after all have
 * answered, each is asked whether its stamps still stand. If so, all values were current together
 * at the moment between the rounds. Otherwise once more, at last under read fences (a PREPARE
 * without effects). At a timestamp: one round; the timestamp orders it. WATCH: one round of stamps,
 * compared at EXEC.
 */
#include "engine/shard/gateway_impl.h"

enum { COLLECTS_MAX = 3 };

void hf_collect__start(hf_shard *shard, hf_op *op)
{
    hf_shard_set set = hf_gateway__route(shard, op);
    op->map_version = shard->map.changes;
    op->stage = HF_STAGE_READ;
    op->waiting = set;
    hf_buf_reset(&op->replies);
    hf_buf_reset(&op->stamps);
    op->co.attempt = hf_attempt_of(0, 0, 0);
    if (!hf_gateway__send(shard, op, set,
                          HF_TXN_ONE_PHASE | HF_TXN_READ_ONLY | HF_TXN_PIECES | HF_TXN_STAMP, 0)) {
        hf_gateway__fail(shard, op, HF_LIT(HF_NO_MEMORY));
        return;
    }
    op->touched = 0;
}

/* Visits the keys of the op's parts at one shard, in the order in which the shard stamped them. */
static uint32_t put_watches(hf_shard *shard, hf_op *op, uint16_t to, hf_reader *stamps, hf_buf *out)
{
    uint32_t count = 0;
    const uint16_t *route_at = (const uint16_t *)(const void *)shard->routes.data;
    hf_reader r = hf_reader_of(hf_buf_view(&op->parts));
    for (uint32_t i = 0; hf_reader_left(&r) > 0; i++) {
        (void)hf_read_u16(&r);
        hf_reader part = hf_reader_of(hf_read_bytes(&r));
        (void)hf_read_u32(&part);
        const hf_command *c = hf_command_at(hf_read_u16(&part));
        uint32_t argc = hf_read_u32(&part);
        uint32_t first, keys, step;
        if (route_at[i] != to || !hf_command_keys(c, argc, &first, &keys, &step)) {
            continue;
        }
        for (uint32_t k = 0, next = first; k < argc && keys > 0; k++) {
            hf_bytes arg = hf_read_bytes(&part);
            if (k == next) {
                hf_txn_condition watch = { .kind = HF_CONDITION_WATCH,
                                           .stamp = hf_read_u64(stamps),
                                           .key = arg,
                                           .operand = hf_bytes_of("", 0) };
                hf_txn_put_condition(out, &watch);
                count++;
                keys--;
                next += step;
            }
        }
    }
    return count;
}

static void start_validate(hf_shard *shard, hf_op *op)
{
    hf_reader r = hf_reader_of(hf_buf_view(&op->stamps));
    (void)hf_gateway__route(shard, op);
    op->stage = HF_STAGE_VALIDATE;
    op->waiting = 0;
    op->ending = HF_ENDING_DONE;
    if (shard->routes.failed) {
        hf_gateway__fail(shard, op, HF_LIT(HF_NO_MEMORY));
        return;
    }
    while (hf_reader_left(&r) > 0) {
        uint16_t to = hf_read_u16(&r);
        hf_reader stamps = hf_reader_of(hf_read_bytes(&r));
        hf_msg_txn fixed;
        hf_gateway__base(shard, op, &fixed);
        fixed.flags = HF_TXN_ONE_PHASE | HF_TXN_READ_ONLY;
        fixed.heard = shard->order.heard[to];
        hf_buf_reset(&shard->message);
        fixed.condition_count = put_watches(shard, op, to, &stamps, &shard->message);
        hf_msg *msg = shard->message.failed || stamps.bad
                          ? NULL
                          : hf_shard__msg_of(shard, HF_MSG_TXN, &fixed, sizeof fixed,
                                             hf_buf_view(&shard->message));
        if (msg == NULL) {
            hf_gateway__fail(shard, op, HF_LIT(HF_NO_MEMORY));
            return;
        }
        op->waiting |= hf_shard_bit(to);
        hf_shard__post(shard, to, msg);
    }
}

static void finish(hf_shard *shard, hf_op *op)
{
    hf_buf *out = &shard->head;
    hf_gateway__assemble(shard, op, out);
    hf_gateway__answer(shard, op,
                       out->failed || op->replies.failed ? HF_LIT(HF_UNSAID) : hf_buf_view(out));
}

/* The reads changed while they were collected: again, at last under fences. */
static void read_again(hf_shard *shard, hf_op *op)
{
    bool moved = op->ending == HF_ENDING_REROUTE;
    op->ending = HF_ENDING_DONE;
    op->tries += !moved;
    op->read_ts = op->bounded ? 0 : op->read_ts; /* it may be kept no more; later is good, too */
    op->fenced = op->collects && op->tries >= COLLECTS_MAX;
    op->collects = op->collects && !op->fenced;
    hf_gateway__again(shard, op, moved);
}

/* The disk has no room for the fences. A read needs none: it is collected until that works. */
void hf_collect__unfenced(hf_shard *shard, hf_op *op)
{
    op->ending = HF_ENDING_DONE;
    op->tries = 0;
    op->fenced = false;
    op->collects = true;
    hf_gateway__again(shard, op, true);
}

/* Puts the stamps of several shards back into the order of the conditions. */
static void put_stamps(hf_shard *shard, hf_op *op)
{
    hf_reader readers[HF_SHARDS_MAX];
    memset(readers, 0, sizeof readers);
    hf_reader r = hf_reader_of(hf_buf_view(&op->stamps));
    while (hf_reader_left(&r) > 0) {
        uint16_t from = hf_read_u16(&r);
        readers[from] = hf_reader_of(hf_read_bytes(&r));
    }
    hf_buf_reset(&shard->head);
    r = hf_reader_of(hf_buf_view(&op->conditions));
    while (hf_reader_left(&r) > 0) {
        uint16_t home = hf_gateway__condition_home(shard, hf_read_bytes(&r));
        hf_buf_u64(&shard->head, hf_read_u64(&readers[home]));
        HF_ASSERT(!readers[home].bad);
    }
    hf_session__stamps(shard, op->client, hf_buf_view(&shard->head));
}

/* All shards have answered. */
static void collected(hf_shard *shard, hf_op *op)
{
    bool first = op->stage == HF_STAGE_READ && op->read_ts == 0;
    if (op->ending == HF_ENDING_ABORTED || op->ending == HF_ENDING_BUSY) {
        hf_gateway__fail(shard, op, hf_buf_view(&op->refusal));
    } else if (op->ending != HF_ENDING_DONE) {
        read_again(shard, op);
    } else if (first && op->map_version != shard->map.changes) {
        op->ending = HF_ENDING_REROUTE; /* which stamps are of which shard is not known any more */
        read_again(shard, op);
    } else if (op->stamps.failed) {
        hf_gateway__fail(shard, op, HF_LIT(HF_NO_MEMORY));
    } else if (op->form == HF_FORM_STAMPS) {
        put_stamps(shard, op);
        hf_gateway__op_give(shard, op);
    } else if (first && op->command_count != 0) {
        start_validate(shard, op);
    } else {
        finish(shard, op);
        hf_gateway__op_give(shard, op);
    }
}

static void note_refusal(hf_op *op, const hf_msg_result *msg, hf_bytes body)
{
    if (op->ending == HF_ENDING_DONE || op->ending == HF_ENDING_CONDITION) {
        op->ending = (hf_ending)msg->ending;
        hf_buf_reset(&op->refusal);
        hf_buf_raw(&op->refusal, body.data, body.size);
    }
}

void hf_collect__read(hf_shard *shard, hf_op *op, const hf_msg_result *msg, hf_bytes body)
{
    op->waiting &= ~hf_shard_bit(msg->head.from);
    if (msg->ending != HF_ENDING_DONE) {
        note_refusal(op, msg, body);
    } else if (op->form == HF_FORM_STAMPS) {
        hf_buf_u16(&op->stamps, msg->head.from);
        hf_buf_bytes(&op->stamps, body);
    } else if (op->stage == HF_STAGE_READ) {
        hf_gateway__store(op, msg->head.from, body);
    }
    if (op->waiting == 0) {
        collected(shard, op);
    }
}

void hf_collect__at(hf_shard *shard, hf_op *op, uint64_t read_ts)
{
    hf_shard_set set = hf_gateway__route(shard, op);
    op->stage = HF_STAGE_READ;
    op->read_ts = read_ts;
    hf_buf_reset(&op->replies);
    op->waiting = set;
    op->co.attempt = hf_attempt_of(0, 0, 0);
    for (uint16_t to = 0; to < shard->count; to++) {
        if ((set & hf_shard_bit(to)) == 0) {
            continue;
        }
        hf_msg_txn fixed;
        hf_gateway__base(shard, op, &fixed);
        fixed.flags = HF_TXN_ONE_PHASE | HF_TXN_READ_ONLY | HF_TXN_PIECES | HF_TXN_AT;
        fixed.flags |= op->bounded ? HF_TXN_BOUNDED : 0;
        fixed.read_ts = read_ts;
        if (!hf_gateway__ask(shard, op, to, &fixed)) {
            hf_gateway__fail(shard, op, HF_LIT(HF_NO_MEMORY));
            return;
        }
    }
}

void hf_collect__stamp(hf_shard *shard, hf_op *op)
{
    hf_shard_set set = hf_gateway__route(shard, op);
    op->map_version = shard->map.changes;
    op->stage = HF_STAGE_READ;
    op->waiting = set;
    op->command_count = 0;
    op->co.attempt = hf_attempt_of(0, 0, 0);
    for (uint16_t to = 0; to < shard->count; to++) {
        if ((set & hf_shard_bit(to)) == 0) {
            continue;
        }
        hf_msg_txn fixed;
        hf_gateway__base(shard, op, &fixed);
        fixed.flags = HF_TXN_ONE_PHASE | HF_TXN_READ_ONLY | HF_TXN_STAMP;
        if (!hf_gateway__ask(shard, op, to, &fixed)) {
            hf_gateway__fail(shard, op, HF_LIT(HF_NO_MEMORY));
            return;
        }
    }
}
