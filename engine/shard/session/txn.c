/* Transactions as clients write them: MULTI/EXEC/WATCH, HF.TXN, HF.BEGIN and what belongs to it. */
#include "engine/shard/session/server.h"

#include "engine/base/hash.h"
#include "engine/base/uuid.h"

/* ---- Arguments ---- */

static const char bad_id[] = "ERR the id must be a UUID of version 7 (RFC 9562)";

bool hf_session__id_good(hf_shard *shard, const uint8_t id[16], hf_buf *error)
{
    hf_uuid uuid;
    memcpy(uuid.bytes, id, sizeof uuid.bytes);
    if (hf_uuid_version(&uuid) != 7) {
        hf_resp_error(error, bad_id);
        return false;
    }
    uint64_t now_ms = shard->io->wall_ns / 1000000;
    uint64_t id_ms = hf_uuid_v7_ms(&uuid);
    if (id_ms + shard->config.outcome_ms < now_ms) {
        hf_resp_error(error, "EXPIRED the id is older than outcomes are kept");
        return false;
    }
    if (id_ms > now_ms + 60000) {
        hf_resp_error(error, "ERR the time of the id lies in the future");
        return false;
    }
    return true;
}

/* False: the error is written. */
static bool parse_id(hf_shard *shard, hf_bytes text, uint8_t id[16], hf_buf *error)
{
    hf_uuid uuid;
    if (hf_uuid_parse(text, &uuid) != HF_OK) {
        hf_resp_error(error, bad_id);
        return false;
    }
    memcpy(id, uuid.bytes, sizeof uuid.bytes);
    return hf_session__id_good(shard, id, error);
}

/* ---- MULTI ---- */

void hf_conn__leave_multi(hf_conn *conn)
{
    conn->multi = conn->multi_broken = false;
    conn->queued_count = conn->queued_own = 0;
    hf_buf_reset(&conn->queued);
    hf_buf_trim(&conn->queued, HF_KEEP_BYTES);
}

void hf_conn__unwatch(hf_conn *conn)
{
    conn->watch_count = conn->watch_asked = 0;
    conn->watch_lost = false;
    hf_buf_reset(&conn->watches);
    hf_buf_trim(&conn->watches, HF_KEEP_BYTES);
}

bool hf_session__multi(hf_shard *shard, hf_conn *conn, const hf_command *command,
                       const hf_bytes *args, uint32_t argc)
{
    (void)command;
    (void)args;
    (void)argc;
    if (conn->multi) {
        return hf_word_error(shard, conn, "ERR MULTI calls can not be nested");
    }
    if (conn->op != UINT32_MAX) {
        return hf_word_error(shard, conn, "ERR MULTI inside an interactive transaction");
    }
    conn->multi = true;
    hf_conn__ok(shard, conn);
    return true;
}

/* CLIENT REPLY: whether there is an answer at all. */
static bool switches_replies(const hf_command *command, const hf_bytes *args, uint32_t argc)
{
    return strcmp(command->name, "client") == 0 && argc > 1 && hf_word_is(args[1], "REPLY");
}

void hf_session__queue(hf_shard *shard, hf_conn *conn, const hf_command *command,
                       const hf_bytes *args, uint32_t argc)
{
    const char *error = NULL;
    hf_buf *words = &shard->session->error;
    hf_buf_reset(words);
    if (!hf_command_check_sub(command, args, argc, words)) {
        conn->multi_broken = true;
        (void)hf_word_reply(shard, conn, hf_buf_view(words));
        return;
    }
    bool own = hf_exec__is_own(command, args, argc);
    if ((command->flags & HF_COMMAND_NO_MULTI) != 0 ||
        (own && (conn->listener == HF_LISTENER_LOCAL || switches_replies(command, args, argc)))) {
        error = "ERR Command not allowed inside a transaction";
    } else if (conn->queued_count >= HF_MULTI_COMMANDS_MAX ||
               conn->queued.size > HF_MULTI_BYTES_MAX) {
        error = "TOOBIG the transaction has too many commands or bytes";
    } else {
        hf_txn_put_command(&conn->queued, conn->queued_count, command, args, argc);
        if (conn->queued.failed) {
            conn->queued.failed = false;
            error = "OOM command not allowed when used memory > 'maxmemory'.";
        }
    }
    if (error != NULL) {
        conn->multi_broken = true;
        hf_conn__error(shard, conn, error);
        return;
    }
    conn->queued_count++;
    conn->queued_own += own;
    if (own) { /* it is counted, and shown to MONITOR, when it runs */
        shard->session->running.command = NULL;
    }
    hf_resp_simple(hf_conn__reply(shard, conn), "QUEUED");
    hf_conn__done(shard, conn);
}

bool hf_session__discard(hf_shard *shard, hf_conn *conn, const hf_command *command,
                         const hf_bytes *args, uint32_t argc)
{
    (void)command;
    (void)args;
    (void)argc;
    if (!conn->multi) {
        return hf_word_error(shard, conn, "ERR DISCARD without MULTI");
    }
    hf_conn__leave_multi(conn);
    hf_conn__unwatch(conn);
    hf_conn__ok(shard, conn);
    return true;
}

/* EXEC [IFEQ k v | IFNE k v | NX k | XX k]... False: the error is written. */
static bool exec_conditions(hf_shard *shard, const hf_bytes *args, uint32_t argc, hf_buf *error)
{
    hf_buf *out = &shard->session->conditions;
    for (uint32_t i = 1; i < argc;) {
        hf_txn_condition c = { .kind = HF_CONDITION_COMPARE, .operand = hf_bytes_of("", 0) };
        uint32_t takes = 2;
        if (hf_word_is(args[i], "IFEQ") || hf_word_is(args[i], "IFNE")) {
            c.compare = hf_word_is(args[i], "IFEQ") ? HF_COMPARE_EQ : HF_COMPARE_NE;
            takes = 3;
        } else if (hf_word_is(args[i], "NX")) {
            c.compare = HF_COMPARE_ABSENT;
        } else if (hf_word_is(args[i], "XX")) {
            c.compare = HF_COMPARE_EXISTS;
        } else {
            hf_resp_error(error, "ERR syntax error");
            return false;
        }
        if (i + takes > argc) {
            hf_resp_error(error, "ERR syntax error");
            return false;
        }
        c.key = args[i + 1];
        c.operand = takes == 3 ? args[i + 2] : c.operand;
        if (c.key.size > HF_KEY_SIZE_MAX) {
            hf_resp_errorf(error, "TOOBIG a key is at most %d bytes", HF_KEY_SIZE_MAX);
            return false;
        }
        hf_buf_raw(out, &c, sizeof c);
        i += takes;
    }
    return true;
}

static void watch_conditions(hf_shard *shard, const hf_conn *conn)
{
    hf_reader r = hf_reader_of(hf_buf_view(&conn->watches));
    while (hf_reader_left(&r) > 0) {
        hf_txn_condition c = { .kind = HF_CONDITION_WATCH, .operand = hf_bytes_of("", 0) };
        c.stamp = hf_read_u64(&r);
        c.key = hf_read_bytes(&r);
        hf_buf_raw(&shard->session->conditions, &c, sizeof c);
    }
}

/* Decodes the queued commands on keys into the session's scratch. */
static bool queued_commands(hf_shard *shard, const hf_conn *conn)
{
    hf_session *session = shard->session;
    hf_buf_reset(&session->many);
    hf_buf_reset(&session->commands);
    hf_reader r = hf_reader_of(hf_buf_view(&conn->queued));
    for (uint32_t i = 0; i < conn->queued_count; i++) { /* first all slices: the buffer may move */
        (void)hf_read_lent(&r, 6);
        uint32_t argc = hf_read_u32(&r);
        for (uint32_t k = 0; k < argc; k++) {
            hf_bytes arg = hf_read_bytes(&r);
            hf_buf_raw(&session->many, &arg, sizeof arg);
        }
    }
    r = hf_reader_of(hf_buf_view(&conn->queued));
    const hf_bytes *slice = (const hf_bytes *)(const void *)session->many.data;
    for (uint32_t i = 0; i < conn->queued_count; i++) {
        (void)hf_read_u32(&r);
        hf_request_command c = { .command = hf_command_at(hf_read_u16(&r)) };
        c.argc = hf_read_u32(&r);
        c.args = slice;
        slice += c.argc;
        for (uint32_t k = 0; k < c.argc; k++) {
            (void)hf_read_bytes(&r);
        }
        if (conn->queued_own == 0 || !hf_exec__is_own(c.command, c.args, c.argc)) {
            hf_buf_raw(&session->commands, &c, sizeof c);
        }
    }
    return !session->many.failed && !session->commands.failed && !session->conditions.failed;
}

bool hf_session__exec(hf_shard *shard, hf_conn *conn, const hf_command *command,
                      const hf_bytes *args, uint32_t argc)
{
    hf_session *session = shard->session;
    (void)command;
    if (!conn->multi) {
        return hf_word_error(shard, conn, "ERR EXEC without MULTI");
    }
    if (conn->multi_broken) {
        hf_conn__leave_multi(conn);
        hf_conn__unwatch(conn);
        return hf_word_error(shard, conn,
                             "EXECABORT Transaction discarded because of previous errors.");
    }
    if (conn->watch_asked != conn->watch_count) {
        return false; /* the stamps are on their way */
    }
    if (conn->watch_lost) { /* a WATCH failed, and its client went on all the same */
        hf_conn__leave_multi(conn);
        hf_conn__unwatch(conn);
        hf_resp_null_array(hf_conn__reply(shard, conn), conn->proto);
        hf_conn__done(shard, conn);
        return true;
    }
    hf_buf_reset(&session->conditions);
    hf_buf_reset(&session->error);
    if (!exec_conditions(shard, args, argc, &session->error)) {
        hf_conn__leave_multi(conn);
        hf_conn__unwatch(conn);
        return hf_word_reply(shard, conn, hf_buf_view(&session->error));
    }
    watch_conditions(shard, conn);
    if (!queued_commands(shard, conn)) {
        hf_conn__leave_multi(conn);
        hf_conn__unwatch(conn);
        return hf_word_error(shard, conn, "OOM no memory for the transaction");
    }
    uint32_t conditions = session->conditions.size / (uint32_t)sizeof(hf_txn_condition);
    if (conn->queued_count == 0 && conditions == 0) {
        hf_conn__leave_multi(conn);
        hf_resp_array(hf_conn__reply(shard, conn), 0);
        hf_conn__done(shard, conn);
        return true;
    }
    hf_request request = { .form = HF_FORM_EXEC,
                           .atomic = conn->atomic,
                           .commands =
                               (const hf_request_command *)(const void *)session->commands.data,
                           .count = conn->queued_count - conn->queued_own,
                           .conditions =
                               (const hf_txn_condition *)(const void *)session->conditions.data,
                           .condition_count = conditions };
    if (conn->queued_own != 0 ? !hf_exec__start(shard, conn, &request)
                              : !hf_conn__request(shard, conn, &request)) {
        return false;
    }
    hf_conn__leave_multi(conn);
    hf_conn__unwatch(conn);
    return true;
}

/* ---- WATCH ---- */

/* The keys that are watched, by their hash: places of `conn->watches`, plus one. A list of keys may
 * be as long as a client likes, and comparing all with all would hold the core. */
typedef struct watch_set {
    const hf_conn *conn;
    uint32_t *places;
    uint32_t mask;
    uint64_t seed;
} watch_set;

static hf_bytes watched_at(const hf_conn *conn, uint32_t place)
{
    hf_reader r = hf_reader_of(hf_bytes_of(conn->watches.data + place, conn->watches.size - place));
    (void)hf_read_u64(&r);
    return hf_read_bytes(&r);
}

/* False: it is there. `place` is where it stands, or will. */
static bool watch_set_add(watch_set *set, hf_bytes key, uint32_t place)
{
    uint32_t i = (uint32_t)hf_hash64(set->seed, key.data, key.size) & set->mask;
    while (set->places[i] != 0) {
        if (hf_bytes_equal(watched_at(set->conn, set->places[i] - 1), key)) {
            return false;
        }
        i = (i + 1) & set->mask;
    }
    set->places[i] = place + 1;
    return true;
}

/* With those that are watched already, and room for `more`. False: no memory. */
static bool watch_set_open(watch_set *set, hf_shard *shard, const hf_conn *conn, uint32_t more)
{
    hf_buf *buf = &shard->session->many;
    uint32_t room = 64;
    while (room < 2 * (conn->watch_count + more)) {
        room *= 2;
    }
    hf_buf_reset(buf);
    void *places = hf_buf_extend(buf, room * (uint32_t)sizeof(uint32_t));
    if (places == NULL) {
        return false;
    }
    memset(places, 0, room * sizeof(uint32_t));
    *set = (watch_set){ conn, places, room - 1, shard->config.node_id };
    hf_reader r = hf_reader_of(hf_buf_view(&conn->watches));
    while (hf_reader_left(&r) > 0) {
        uint32_t place = conn->watches.size - (uint32_t)hf_reader_left(&r);
        (void)hf_read_u64(&r);
        (void)watch_set_add(set, hf_read_bytes(&r), place);
    }
    return true;
}

bool hf_session__watch(hf_shard *shard, hf_conn *conn, const hf_command *command,
                       const hf_bytes *args, uint32_t argc)
{
    hf_session *session = shard->session;
    (void)command;
    if (conn->multi) {
        return hf_word_error(shard, conn, "ERR WATCH inside MULTI is not allowed");
    }
    if (conn->watch_asked != conn->watch_count) {
        return false;
    }
    uint32_t size = conn->watches.size;
    uint32_t count = conn->watch_count;
    watch_set set;
    if (argc > HF_WATCHES_MAX || !watch_set_open(&set, shard, conn, argc)) {
        return hf_word_error(shard, conn, "TOOBIG too many watched keys");
    }
    hf_buf_reset(&session->conditions);
    for (uint32_t i = 1; i < argc && !conn->watches.failed; i++) {
        if (watch_set_add(&set, args[i], conn->watches.size)) {
            hf_buf_u64(&conn->watches, 0);
            hf_buf_bytes(&conn->watches, args[i]);
            conn->watch_count++;
            hf_txn_condition c = { .kind = HF_CONDITION_WATCH,
                                   .key = args[i],
                                   .operand = hf_bytes_of("", 0) };
            hf_buf_raw(&session->conditions, &c, sizeof c);
        }
    }
    if (conn->watches.failed || session->conditions.failed || conn->watch_count > HF_WATCHES_MAX) {
        conn->watches.size = size;
        conn->watches.failed = false;
        conn->watch_count = count;
        return hf_word_error(shard, conn, "TOOBIG too many watched keys");
    }
    if (conn->watch_count == count) {
        hf_conn__ok(shard, conn);
        return true;
    }
    hf_request request = { .form = HF_FORM_STAMPS,
                           .conditions =
                               (const hf_txn_condition *)(const void *)session->conditions.data,
                           .condition_count = conn->watch_count - count };
    if (!hf_conn__request(shard, conn, &request)) {
        conn->watches.size = size;
        conn->watch_count = count;
        return false;
    }
    conn->slots[(conn->next_number - 1) & conn->slot_mask].watch = true;
    hf_conn__barrier(conn); /* what follows sees the state that the stamps are of, or a later one */
    return true;
}

bool hf_session__unwatch(hf_shard *shard, hf_conn *conn, const hf_command *command,
                         const hf_bytes *args, uint32_t argc)
{
    (void)command;
    (void)args;
    (void)argc;
    hf_conn__unwatch(conn);
    hf_conn__ok(shard, conn);
    return true;
}

/* ---- HF.TXN [ID uuid] [IF key cmp value | IF key EXISTS|ABSENT]... THEN n (argc arg...)... [ELSE
 * n ...] ---- */

typedef struct txn_parse {
    hf_shard *shard;
    const hf_bytes *args;
    uint32_t argc, at;
    hf_buf *error;
} txn_parse;

static bool syntax(txn_parse *p, const char *what)
{
    hf_resp_errorf(p->error, "ERR syntax error in HF.TXN: %s", what);
    return false;
}

static bool parse_if(txn_parse *p)
{
    hf_txn_condition c = { .kind = HF_CONDITION_COMPARE, .operand = hf_bytes_of("", 0) };
    if (p->at + 3 > p->argc || !hf_compare_parse(p->args[p->at + 2], &c.compare)) {
        return syntax(p, "IF takes a key, a comparison and a value");
    }
    c.key = p->args[p->at + 1];
    bool unary = c.compare == HF_COMPARE_EXISTS || c.compare == HF_COMPARE_ABSENT;
    if (c.key.size > HF_KEY_SIZE_MAX) {
        hf_resp_errorf(p->error, "TOOBIG a key is at most %d bytes", HF_KEY_SIZE_MAX);
        return false;
    }
    p->at += 3;
    if (!unary) {
        if (p->at == p->argc) {
            return syntax(p, "IF takes a key, a comparison and a value");
        }
        c.operand = p->args[p->at++];
    }
    hf_buf_raw(&p->shard->session->conditions, &c, sizeof c);
    return true;
}

static bool parse_count(txn_parse *p, uint32_t least, uint32_t *count)
{
    int64_t value;
    if (p->at == p->argc || !hf_int_from_text(p->args[p->at], &value) || value < least ||
        value > HF_MULTI_COMMANDS_MAX) {
        return syntax(p, "a count is expected");
    }
    *count = (uint32_t)value;
    p->at++;
    return true;
}

static bool parse_commands(txn_parse *p, uint32_t *count)
{
    p->at++; /* THEN or ELSE */
    if (!parse_count(p, 0, count)) {
        return false;
    }
    for (uint32_t i = 0; i < *count; i++) {
        uint32_t argc;
        if (!parse_count(p, 1, &argc) || argc > p->argc - p->at) {
            return p->error->size != 0 ? false : syntax(p, "fewer arguments than announced");
        }
        hf_request_command c = { .args = p->args + p->at, .argc = argc };
        c.command = hf_command_find(c.args[0]);
        if (c.command == NULL) {
            hf_command_unknown(p->error, c.args, argc);
            return false;
        }
        if (c.command->run == NULL ||
            (c.command->flags & (HF_COMMAND_NO_MULTI | HF_COMMAND_INTERNAL)) != 0) {
            hf_resp_error(p->error, "ERR Command not allowed inside a transaction");
            return false;
        }
        if (!hf_command_check(c.command, c.args, argc, p->error)) {
            return false;
        }
        hf_buf_raw(&p->shard->session->commands, &c, sizeof c);
        p->at += argc;
    }
    return true;
}

static bool parse_txn(txn_parse *p, hf_request *request)
{
    uint32_t then = 0;
    uint32_t otherwise = 0;
    if (p->at < p->argc && hf_word_is(p->args[p->at], "ID")) {
        if (p->at + 1 == p->argc) {
            return syntax(p, "ID takes a UUID");
        }
        if (!parse_id(p->shard, p->args[p->at + 1], request->id, p->error)) {
            return false;
        }
        request->has_id = true;
        p->at += 2;
    }
    while (p->at < p->argc && hf_word_is(p->args[p->at], "IF")) {
        if (!parse_if(p)) {
            return false;
        }
    }
    if (p->at == p->argc || !hf_word_is(p->args[p->at], "THEN")) {
        return syntax(p, "THEN is expected");
    }
    if (!parse_commands(p, &then)) {
        return false;
    }
    if (p->at < p->argc && hf_word_is(p->args[p->at], "ELSE")) {
        request->has_else = true;
        if (!parse_commands(p, &otherwise)) {
            return false;
        }
    }
    if (p->at != p->argc) {
        return syntax(p, "arguments are left over");
    }
    request->count = then + otherwise;
    request->otherwise = otherwise;
    return true;
}

bool hf_session__hf_txn(hf_shard *shard, hf_conn *conn, const hf_command *command,
                        const hf_bytes *args, uint32_t argc)
{
    hf_session *session = shard->session;
    (void)command;
    hf_request request = { .form = HF_FORM_TXN };
    txn_parse p = { .shard = shard, .args = args, .argc = argc, .at = 1, .error = &session->error };
    hf_buf_reset(&session->conditions);
    hf_buf_reset(&session->commands);
    hf_buf_reset(&session->error);
    if (conn->op != UINT32_MAX) {
        return hf_word_error(shard, conn, "ERR HF.TXN inside an interactive transaction");
    }
    if (!parse_txn(&p, &request)) {
        return hf_word_reply(shard, conn, hf_buf_view(&session->error));
    }
    request.commands = (const hf_request_command *)(const void *)session->commands.data;
    request.conditions = (const hf_txn_condition *)(const void *)session->conditions.data;
    request.condition_count = session->conditions.size / (uint32_t)sizeof(hf_txn_condition);
    if (session->commands.failed || session->conditions.failed) {
        return hf_word_error(shard, conn, "OOM no memory for the transaction");
    }
    return hf_conn__request(shard, conn, &request);
}

/* ---- HF.BEGIN [READONLY] [ID uuid], HF.COMMIT, HF.ROLLBACK [TO name], HF.SAVEPOINT name ---- */

bool hf_session__hf_begin(hf_shard *shard, hf_conn *conn, const hf_command *command,
                          const hf_bytes *args, uint32_t argc)
{
    uint8_t id[16];
    bool has_id = false;
    bool read_only = false;
    (void)command;
    if (conn->op != UINT32_MAX) {
        return hf_word_error(shard, conn, "ERR HF.BEGIN calls can not be nested");
    }
    if (conn->first != conn->next_number) {
        return false; /* earlier requests of the pipeline end first */
    }
    for (uint32_t i = 1; i < argc; i++) {
        if (hf_word_is(args[i], "READONLY")) {
            read_only = true;
        } else if (hf_word_is(args[i], "ID") && i + 1 < argc) {
            hf_buf_reset(&shard->session->error);
            if (!parse_id(shard, args[++i], id, &shard->session->error)) {
                return hf_word_reply(shard, conn, hf_buf_view(&shard->session->error));
            }
            has_id = true;
        } else {
            return hf_word_syntax(shard, conn);
        }
    }
    conn->op = hf_gateway__begin(shard, has_id ? id : NULL, conn->proto);
    conn->read_only = read_only;
    if (conn->op == UINT32_MAX) {
        return hf_word_error(shard, conn, "BUSY too many transactions are open");
    }
    hf_conn__ok(shard, conn);
    return true;
}

bool hf_session__in_txn(hf_shard *shard, hf_conn *conn, const hf_request_command *command)
{
    if (conn->read_only && (command->command->flags & HF_COMMAND_READ) == 0) {
        hf_conn__error(shard, conn, "READONLY the transaction was begun as read-only");
        return true;
    }
    hf_buf *error = &shard->session->error;
    hf_buf_reset(error);
    hf_ticket ticket = hf_conn__ticket(conn);
    hf_conn__open(shard, conn, false);
    hf_conn__barrier(conn); /* one command at a time */
    if (hf_gateway__txn_command(shard, conn->op, command, ticket, error) == HF_STARTED_ERROR) {
        hf_session__complete(shard, ticket, hf_buf_view(error));
    }
    return true;
}

bool hf_session__hf_commit(hf_shard *shard, hf_conn *conn, const hf_command *command,
                           const hf_bytes *args, uint32_t argc)
{
    (void)command;
    (void)args;
    (void)argc;
    if (conn->op == UINT32_MAX) {
        return hf_word_error(shard, conn, "ERR HF.COMMIT without HF.BEGIN");
    }
    hf_ticket ticket = hf_conn__ticket(conn);
    hf_conn__open(shard, conn, false);
    hf_conn__barrier(conn);
    (void)hf_gateway__txn_commit(shard, conn->op, ticket);
    return true;
}

bool hf_session__hf_rollback(hf_shard *shard, hf_conn *conn, const hf_command *command,
                             const hf_bytes *args, uint32_t argc)
{
    (void)command;
    if (conn->op == UINT32_MAX) {
        return hf_word_error(shard, conn, "ERR HF.ROLLBACK without HF.BEGIN");
    }
    if (argc == 3 && hf_word_is(args[1], "TO")) {
        if (hf_gateway__txn_lost(shard, conn->op)) {
            return hf_word_error(
                shard, conn,
                "TXNCONFLICT lost to an older transaction or to a move of its range: start again");
        }
        if (!hf_gateway__rollback_to(shard, conn->op, args[2])) {
            return hf_word_error(shard, conn, "ERR no such savepoint");
        }
    } else if (argc == 1) {
        hf_gateway__txn_rollback(shard, conn->op);
        conn->op = UINT32_MAX;
    } else {
        return hf_word_syntax(shard, conn);
    }
    hf_conn__ok(shard, conn);
    return true;
}

bool hf_session__hf_savepoint(hf_shard *shard, hf_conn *conn, const hf_command *command,
                              const hf_bytes *args, uint32_t argc)
{
    enum { NAME_MAX_BYTES = 256 };
    (void)command;
    (void)argc;
    if (conn->op == UINT32_MAX) {
        return hf_word_error(shard, conn, "ERR HF.SAVEPOINT without HF.BEGIN");
    }
    if (args[1].size > NAME_MAX_BYTES || !hf_gateway__savepoint(shard, conn->op, args[1])) {
        return hf_word_error(shard, conn, "TOOBIG the savepoint's name, or too many of them");
    }
    hf_conn__ok(shard, conn);
    return true;
}

/* ---- HF.OUTCOME uuid ---- */

bool hf_session__hf_outcome(hf_shard *shard, hf_conn *conn, const hf_command *command,
                            const hf_bytes *args, uint32_t argc)
{
    uint8_t id[16];
    (void)command;
    (void)argc;
    hf_buf *error = &shard->session->error;
    hf_buf_reset(error);
    if (!parse_id(shard, args[1], id, error)) {
        hf_buf *out = hf_conn__reply(shard, conn);
        if (error->size > 8 && memcmp(error->data, "-EXPIRED", 8) == 0) {
            hf_resp_array(out, 1);
            hf_resp_simple(out, "EXPIRED");
        } else {
            hf_buf_raw(out, error->data, error->size);
        }
        hf_conn__done(shard, conn);
        return true;
    }
    if (hf_gateway__outcome(shard, hf_conn__ticket(conn), conn->proto, id) != HF_STARTED) {
        return false;
    }
    hf_conn__open(shard, conn, false);
    return true;
}
