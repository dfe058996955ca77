/* Running a transaction on memory, and its ends: commit alone, or prepare; and the ids of clients.
 *
 * A COMMIT record: u64 timestamp, then the effects (mutations). Its reply is held until the record
 * is durable; the next transaction may build on it at once, because everything that depends on it
 * lies behind it in the log.
 */
#include "engine/base/uuid.h"
#include "engine/shard/changes.h"
#include "engine/shard/gateway.h"
#include "engine/shard/owner_impl.h"

/* ---- Evaluation: the result lies in shard->mutations/workspace and shard->replies ---- */

static bool conditions_hold(hf_shard *shard, const hf_msg_txn *msg, evaluation *e)
{
    hf_txn_reader reader;
    hf_txn_reader_open(&reader, msg, NULL);
    hf_txn_condition c;
    bool hold = true;
    while (hold && hf_txn_next_condition(&reader, &c)) {
        if (c.kind == HF_CONDITION_WATCH) {
            hold = hf_view__stamp(shard, c.key, e->view.ts) == c.stamp;
        } else {
            hold = hf_compare_holds(&e->view, c.key, c.compare, c.operand);
        }
    }
    return hold;
}

/* Where the effects are gathered: commands that do not see each other's need no workspace. */
static hf_buf *effects_of(hf_shard *shard)
{
    return shard->view_many ? &shard->workspace.mutations : &shard->mutations;
}

static void command_error(hf_shard *shard, uint32_t reply_from, const char *text)
{
    shard->replies.size = reply_from;
    hf_resp_error(&shard->replies, text);
}

/* Want of memory refuses the whole: what failed may be one key of a command that has others on
 * other shards, and an error of that one alone would leave the command half done. */
static bool no_memory(evaluation *e)
{
    e->ending = HF_ENDING_BUSY;
    e->full = true;
    return false;
}

/* Why an evaluation that ended had no room. */
static hf_bytes busy_text(const evaluation *e)
{
    return e->full ? HF_LIT("-OOM command not allowed when used memory > 'maxmemory'.\r\n")
                   : HF_LIT(HF_UNSAID);
}

/* Runs one command. False: the evaluation is over (ending or waits is set). */
static bool run_command(hf_shard *shard, const hf_msg_txn *msg, const hf_txn_command *c,
                        evaluation *e)
{
    bool pieces = (msg->flags & HF_TXN_PIECES) != 0;
    uint32_t head = shard->replies.size;
    if (pieces) {
        uint32_t piece[] = { c->piece, 0 };
        hf_buf_raw(&shard->replies, piece, sizeof piece);
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
        return no_memory(e);
    }
    if (ran == HF_RAN_OK && shard->view_many && effects->size != before) {
        hf_err err = hf_workspace_apply(&shard->workspace, hf_view__fetch, &e->view);
        if (err != HF_OK) {
            hf_workspace_rollback(&shard->workspace, mark);
            if (err != HF_E_TOOBIG) {
                return no_memory(e);
            }
            command_error(shard, from, "TOOBIG the record would be larger than 8 MiB");
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
    if ((c->command->flags & HF_COMMAND_COMMUTE) != 0 && effects->size != before &&
        (msg->flags & HF_TXN_ONE_PHASE) == 0) { /* it will be pending: under these bounds */
        int64_t bounds[] = { e->view.min, e->view.max };
        hf_buf_raw(&shard->grants, bounds, sizeof bounds);
        e->grant_count++;
    }
    if (pieces && !shard->replies.failed) {
        uint32_t size = shard->replies.size - from;
        memcpy(shard->replies.data + head + 4, &size, sizeof size);
    }
    return true;
}

static void begin(hf_shard *shard, const hf_msg_txn *msg, evaluation *e)
{
    hf_buf_reset(&shard->mutations);
    hf_buf_reset(&shard->replies);
    hf_buf_reset(&shard->grants);
    shard->view_many = msg->command_count > 1 && !hf_owner__keys_differ(shard);
    if (shard->view_many) {
        hf_workspace_reset(&shard->workspace);
    }
    e->ending = HF_ENDING_DONE; /* not all of it is cleared: the key is large */
    e->waits = e->full = false;
    e->grant_count = 0;
    bool at = (msg->flags & HF_TXN_AT) != 0;
    uint64_t ts = at ? msg->read_ts : hf_shard__now(shard);
    hf_view__open(shard, &e->view, at ? msg->read_ts : HF_TS_MAX, ts, msg->proto);
}

void hf_owner__evaluate_one(hf_shard *shard, const hf_msg_txn *msg, const hf_txn_command *command,
                            evaluation *e)
{
    begin(shard, msg, e);
    if (run_command(shard, msg, command, e) && shard->replies.failed) {
        e->ending = HF_ENDING_BUSY;
    }
}

void hf_owner__evaluate(hf_shard *shard, const hf_msg_txn *msg, evaluation *e)
{
    begin(shard, msg, e);
    if (msg->condition_count != 0 && !conditions_hold(shard, msg, e)) {
        e->ending = HF_ENDING_CONDITION;
        return;
    }
    uint32_t count;
    const hf_txn_command *commands = hf_owner__commands(shard, &count);
    for (uint32_t i = 0; i < count; i++) {
        if (!run_command(shard, msg, &commands[i], e)) {
            return;
        }
    }
    if (shard->replies.failed) {
        e->ending = HF_ENDING_BUSY;
    }
}

/* ---- Ends of a transaction of this shard alone ---- */

void hf_owner__apply_one(hf_shard *shard, const hf_mutation *m, uint64_t hash, uint64_t ts,
                         uint64_t lsn)
{
    if (m->key.data[0] == HF_SPACE_SYSTEM) {
        bool was = hf_table_get(shard->table, m->key, HF_TS_MAX).value.kind != HF_KIND_NONE;
        shard->system_keys += (uint64_t)(m->op != HF_MUTATION_DELETE) - (uint64_t)was;
    }
    hf_mutation_apply_hashed(shard->table, m, hash, ts, lsn, &shard->scratch);
}

void hf_owner__apply(hf_shard *shard, hf_bytes effects, uint64_t ts, uint64_t lsn)
{
    hf_reader reader = hf_reader_of(effects);
    hf_mutation mutation;
    while (reader.at != reader.end && hf_mutation_next(&reader, &mutation)) {
        hf_owner__apply_one(shard, &mutation, hf_shard__hash(shard, mutation.key), ts, lsn);
    }
    HF_ASSERT(!reader.bad && reader.at == reader.end);
}

/* The last millisecond at which the id is taken. */
static uint64_t id_until_ms(const hf_shard *shard, const uint8_t id[16])
{
    hf_uuid uuid;
    memcpy(uuid.bytes, id, sizeof uuid.bytes);
    return hf_uuid_v7_ms(&uuid) + shard->config.outcome_ms;
}

/* What is kept of a reply: all of it, when a value and a record of the log take it. */
static hf_bytes kept_reply(const hf_shard *shard, bool committed, hf_bytes reply)
{
    enum { BESIDES = 1024 };
    uint64_t most = shard->config.log_staging_bytes / 2;
    most = (most < HF_VALUE_SIZE_MAX ? most : HF_VALUE_SIZE_MAX) - BESIDES;
    return reply.size <= most ? reply
           : committed ? HF_LIT("-TOOBIG committed, but the reply is too large to be kept\r\n")
                       : HF_LIT("-TOOBIG refused, and the reply is too large to be kept\r\n");
}

/* The outcome of a client's id, as a mutation of its stub. Value: u8 committed | u64 ts | u64
 * digest | reply. It goes when its id is refused by its age alone, not before: by a logged
 * deletion, and the clock never falls back below that. */
static void stub_put(hf_shard *shard, hf_buf *out, const uint8_t id[16], bool committed,
                     uint64_t ts, uint64_t digest, hf_bytes reply)
{
    uint8_t key[HF_STUB_KEY_SIZE];
    hf_stub__key(id, key);
    hf_buf_reset(&shard->head);
    hf_buf_u8(&shard->head, committed);
    hf_buf_u64(&shard->head, ts);
    hf_buf_u64(&shard->head, digest);
    hf_bytes kept = kept_reply(shard, committed, reply);
    hf_buf_raw(&shard->head, kept.data, kept.size);
    hf_value value = { .kind = HF_KIND_STRING,
                       .expire_ms = id_until_ms(shard, id) + 1,
                       .bytes = hf_buf_view(&shard->head) };
    hf_mutation_put(out, hf_bytes_of(key, sizeof key), &value);
}

void hf_owner__stub(hf_shard *shard, hf_buf *out, const uint8_t id[16], bool committed, uint64_t ts,
                    uint64_t digest, hf_bytes reply)
{
    stub_put(shard, out, id, committed, ts, digest, reply);
}

/* Appends the effects and applies them. HF_E_*: nothing happened. */
hf_err hf_owner__commit(hf_shard *shard, hf_bytes effects, uint64_t ts, uint64_t *lsn)
{
    if (effects.size != 0 && !hf_owner__has_memory(shard, effects)) {
        return HF_E_NOMEM;
    }
    uint8_t head[8];
    memcpy(head, &ts, sizeof ts);
    hf_bytes parts[] = { hf_bytes_of(head, sizeof head), effects };
    hf_err err = hf_shard__append(shard, HF_ENTRY_COMMIT, parts, 2, lsn);
    if (err == HF_OK) {
        hf_owner__apply(shard, effects, ts, *lsn);
        hf_changes__note(shard, effects, ts, *lsn);
        shard->stats.one_phase++;
    }
    return err;
}

static void append_error(hf_shard *shard, const hf_msg_txn *msg, hf_part *part, hf_err err)
{
    hf_ending ending = HF_ENDING_BUSY;
    hf_bytes text = HF_LIT("-BUSY the log is full, try again\r\n");
    switch ((int)err) {
    case HF_E_TOOBIG:
        text = HF_LIT("-TOOBIG the transaction is larger than the log takes\r\n");
        break;
    case HF_E_NOSPACE:
        text = HF_LIT(HF_DISK_FULL);
        break;
    case HF_E_NOMEM:
        text = HF_LIT("-OOM command not allowed when used memory > 'maxmemory'.\r\n");
        break;
    case HF_E_BUSY:
        text = HF_LIT("-BUSY the pending additions would overflow 64 bits, try again\r\n");
        break;
    case HF_E_LIMIT:
        ending = HF_ENDING_ABORTED;
        text = HF_LIT("-LIMIT the additions together would overflow 64 bits\r\n");
        break;
    default:
        break;
    }
    hf_owner__refuse(shard, msg, part, ending, 0, text);
}

typedef struct stamping {
    hf_shard *shard;
    uint64_t ts;
} stamping;

static bool put_stamp(void *context, want *w)
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
    (void)hf_owner__visit_wants(shard, msg, put_stamp, &s);
    if (!shard->replies.failed) {
        uint32_t size = shard->replies.size - at - 4;
        memcpy(shard->replies.data + at, &size, sizeof size);
    }
}

/* The reply as the client is given it, in shard->message: the gateway puts an array around those of
 * several commands, and a repeated request gets what is recorded as it is. */
static hf_bytes whole_reply(hf_shard *shard, const hf_msg_txn *msg)
{
    uint32_t word = msg->ticket.form;
    hf_form form = (hf_form)(word >> HF_TICKET_FORM_SHIFT & HF_TICKET_FORM_MASK);
    hf_buf_reset(&shard->message);
    if ((word & HF_TICKET_OP) == 0 && (form == HF_FORM_EXEC || form == HF_FORM_TXN)) {
        hf_resp_array(&shard->message, word >> HF_TICKET_COUNT_SHIFT);
    }
    hf_buf_raw(&shard->message, shard->replies.data, shard->replies.size);
    return hf_buf_view(&shard->message);
}

/* The reply tells that a key is gone by time alone: after a restart the clock must not stand before
 * that moment. (A read at a timestamp was covered before it was sent.) */
static hf_err keep_time(hf_shard *shard, const hf_msg_txn *msg, uint64_t ts, uint64_t *lsn)
{
    if (!shard->view_expired || (msg->flags & HF_TXN_AT) != 0) {
        return HF_OK;
    }
    return hf_horizon__cover(shard, ts, lsn);
}

/* The timestamp that a reply without effects tells: 0, none, where it cannot be covered. */
static uint64_t told_ts(hf_shard *shard, const hf_msg_txn *msg, uint64_t ts, uint64_t *lsn)
{
    bool tells = (msg->flags & HF_TXN_TELLS) != 0 && (msg->flags & HF_TXN_AT) == 0;
    return !tells || hf_horizon__cover(shard, ts, lsn) == HF_OK ? ts : 0;
}

void hf_owner__end_one_phase(hf_shard *shard, const hf_msg_txn *msg, evaluation *e)
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
            hf_err err = hf_owner__commit(shard, hf_buf_view(&shard->mutations), ts, &lsn);
            if (err != HF_OK) {
                append_error(shard, msg, NULL, err);
                return;
            }
        } else {
            hf_err err = keep_time(shard, msg, ts, &lsn);
            if (err != HF_OK) {
                append_error(shard, msg, NULL, err);
                return;
            }
        }
        hf_owner__refuse(shard, msg, NULL, e->ending, lsn,
                         e->ending == HF_ENDING_BUSY ? busy_text(e) : hf_buf_view(&shard->replies));
        return;
    }
    if ((msg->flags & HF_TXN_STUB) != 0) {
        stub_put(shard, effects, msg->id, true, ts, msg->digest, whole_reply(shard, msg));
        effects->failed = effects->failed || shard->message.failed;
    }
    hf_err err = effects->failed      ? HF_E_NOMEM
                 : effects->size != 0 ? hf_owner__commit(shard, hf_buf_view(effects), ts, &lsn)
                                      : keep_time(shard, msg, ts, &lsn);
    if (err != HF_OK) {
        append_error(shard, msg, NULL, err);
        return;
    }
    if ((msg->flags & HF_TXN_STAMP) != 0) {
        append_stamps(shard, msg, ts);
        lsn = shard->view_lsn > lsn ? shard->view_lsn : lsn;
    }
    ts = effects->size != 0 ? ts : told_ts(shard, msg, ts, &lsn);
    hf_owner__answer(shard, msg, HF_ENDING_DONE, ts, lsn, hf_buf_view(&shard->replies));
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
    if (hf_mutation_begins_with(effects, key)) { /* nearly always */
        return true;
    }
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
static bool note_fence(void *context, want *w)
{
    fencing *f = context;
    if (w->is_range || !changes(f->effects, w->key)) {
        hf_txn_put_fence(f->out, w->mode, w->is_range, w->key, w->end);
        f->count++;
    }
    return true;
}

static bool take_locks(hf_shard *shard, const hf_msg_txn *msg, hf_part *part)
{
    asking a = { .shard = shard, .self = &part->locks, .age = msg->age };
    return hf_owner__visit_wants(shard, msg, hf_owner__take_lock, &a);
}

void hf_owner__end_prepare(hf_shard *shard, const hf_msg_txn *msg, hf_part *part, evaluation *e)
{
    if (e->ending != HF_ENDING_DONE) {
        uint64_t seen = shard->view_lsn;
        hf_err time = keep_time(shard, msg, e->view.ts, &seen);
        if (time != HF_OK) {
            append_error(shard, msg, part, time);
            return;
        }
        hf_owner__refuse(shard, msg, part, e->ending, seen,
                         e->ending == HF_ENDING_BUSY ? busy_text(e) : hf_buf_view(&shard->replies));
        return;
    }
    if (!shard->wants_held && !take_locks(shard, msg, part)) {
        hf_owner__refuse(shard, msg, part, HF_ENDING_BUSY, 0,
                         HF_LIT("-OOM no memory for locks\r\n"));
        return;
    }
    hf_vote vote = { .pts = hf_shard__now(shard),
                     .until = msg->until < shard->view_until ? msg->until : shard->view_until };
    if (vote.pts >= vote.until) {
        /* A key that was seen expires before this can commit: another attempt sees it gone. */
        hf_owner__refuse(shard, msg, part, HF_ENDING_CONFLICT, 0, hf_bytes_of(NULL, 0));
        return;
    }
    vote.effects = (msg->flags & HF_TXN_WRITTEN) != 0 ? hf_txn_mutations(msg, &shard->args)
                                                      : hf_buf_view(effects_of(shard));
    hf_buf_reset(&shard->head);
    fencing f = { .out = &shard->head, .effects = vote.effects };
    (void)hf_owner__visit_wants(shard, msg, note_fence, &f);
    vote.fences = hf_buf_view(&shard->head);
    vote.fence_count = f.count;
    vote.grants = hf_buf_view(&shard->grants);
    vote.grant_count = e->grant_count;
    hf_err err = effects_of(shard)->failed || shard->head.failed || shard->grants.failed
                     ? HF_E_NOMEM
                     : hf_part__log_prepare(shard, part, msg, &vote);
    if (err != HF_OK) {
        append_error(shard, msg, part, err);
    }
}

/* ---- The id of a client ---- */

/* Nothing is known of the id. Whether it never happened can be told only while its outcome would
 * still be here, by the clock of this shard, which alone decides: that of the gateway may lie
 * before it. False: it was answered. */
static bool check_age(hf_shard *shard, const hf_msg_txn *msg, hf_part *part)
{
    uint64_t ts = hf_shard__now(shard);
    uint64_t lsn = 0;
    if (ts / 1000000 <= id_until_ms(shard, msg->id)) {
        return true;
    }
    hf_err err = hf_horizon__cover(shard, ts, &lsn);
    if (err != HF_OK) {
        append_error(shard, msg, part, err);
        return false;
    }
    if ((msg->flags & HF_TXN_OUTCOME) == 0) {
        hf_owner__refuse(shard, msg, part, HF_ENDING_BUSY, lsn,
                         HF_LIT("-EXPIRED the id is older than outcomes are kept\r\n"));
        return false;
    }
    hf_owner__answer(shard, msg, HF_ENDING_DONE, ts, lsn, HF_LIT("*1\r\n+EXPIRED\r\n"));
    return false;
}

/* True when the transaction is to go on; otherwise it was answered. */
bool hf_owner__check_stub(hf_shard *shard, const hf_msg_txn *msg, hf_part *part)
{
    uint8_t key[HF_STUB_KEY_SIZE];
    hf_stub__key(msg->id, key);
    hf_got got = hf_table_get(shard->table, hf_bytes_of(key, sizeof key), HF_TS_MAX);
    hf_reader reader = hf_reader_of(got.value.bytes);
    if (got.value.kind != HF_KIND_STRING) {
        return check_age(shard, msg, part);
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
        hf_owner__answer(shard, msg, HF_ENDING_DONE, ts, got.lsn, hf_buf_view(&shard->replies));
        return false;
    }
    if (digest != msg->digest && digest != 0) {
        hf_owner__refuse(shard, msg, part, HF_ENDING_ABORTED, got.lsn,
                         HF_LIT("-ERR this id was used for another request\r\n"));
        return false;
    }
    hf_owner__refuse(shard, msg, part, HF_ENDING_DUPLICATE, got.lsn, reply);
    return false;
}

/* HF.OUTCOME of an id that nothing is known of: from now on it never happens. */
void hf_owner__cancel_id(hf_shard *shard, const hf_msg_txn *msg)
{
    uint64_t ts = hf_shard__now(shard);
    uint64_t lsn;
    hf_bytes reason = HF_LIT("-TXNCONFLICT cancelled by a question for its outcome\r\n");
    hf_buf_reset(&shard->mutations);
    stub_put(shard, &shard->mutations, msg->id, false, ts, 0, reason);
    hf_err err = hf_owner__commit(shard, hf_buf_view(&shard->mutations), ts, &lsn);
    if (err != HF_OK) {
        append_error(shard, msg, NULL, err);
        return;
    }
    hf_buf_reset(&shard->replies);
    hf_resp_array(&shard->replies, 2);
    hf_resp_simple(&shard->replies, "ABORTED");
    hf_resp_bulk(&shard->replies, reason);
    hf_owner__answer(shard, msg, HF_ENDING_DONE, ts, lsn, hf_buf_view(&shard->replies));
}

/* The end of a transaction over several shards that was refused for good: its reply is the tail. */
void hf_owner__record_abort(hf_shard *shard, const hf_msg_txn *msg)
{
    uint64_t ts = hf_shard__now(shard);
    uint64_t lsn;
    hf_bytes reply = hf_txn_mutations(msg, &shard->args);
    hf_buf_reset(&shard->mutations);
    stub_put(shard, &shard->mutations, msg->id, false, ts, msg->digest, reply);
    hf_err err = hf_owner__commit(shard, hf_buf_view(&shard->mutations), ts, &lsn);
    if (err != HF_OK) {
        append_error(shard, msg, NULL, err);
        return;
    }
    hf_owner__answer(shard, msg, HF_ENDING_ABORTED, ts, lsn, reply);
}
