/* CLIENT LIST and CLIENT KILL: over the connections of all shards. */
#include "engine/shard/session/client.h"

#include "engine/base/text.h"

static hf_client_type type_of(const hf_conn *conn)
{
    return hf_pubsub__subscribed(conn) ? HF_CLIENT_PUBSUB : HF_CLIENT_NORMAL;
}

/* ---- One line, as Redis writes it ---- */

static void put_flags(const hf_conn *conn, hf_buf *out)
{
    const hf_conn_extra *extra = conn->extra;
    uint32_t before = out->size;
    if (extra != NULL && extra->monitor) {
        hf_buf_u8(out, 'O');
    }
    if (hf_pubsub__subscribed(conn)) {
        hf_buf_u8(out, 'P');
    }
    if (conn->multi) {
        hf_buf_u8(out, 'x');
    }
    if (conn->op != UINT32_MAX) {
        hf_buf_u8(out, 'X'); /* an interactive transaction: ours */
    }
    if (conn->close_after) {
        hf_buf_u8(out, 'c');
    }
    if (conn->no_evict) {
        hf_buf_u8(out, 'e');
    }
    if (out->size == before) {
        hf_buf_u8(out, 'N');
    }
}

void hf_client__line(hf_shard *shard, const hf_conn *conn, hf_buf *out)
{
    const hf_conn_extra *extra = conn->extra;
    uint64_t now = shard->io->now_ns;
    const char *peer = shard->io->ops->conn_peer(shard->io, conn->id);
    hf_put(out, "id=%llu addr=%s fd=%u name=", (unsigned long long)conn->number_id, peer,
           (unsigned)(conn->id & 0xfffff));
    hf_buf_raw(out, conn->name.data, conn->name.size);
    hf_put(out,
           " age=%llu idle=%llu flags=", (unsigned long long)((now - conn->since_ns) / 1000000000),
           (unsigned long long)((now - conn->last_ns) / 1000000000));
    put_flags(conn, out);
    hf_put(out, " db=0 sub=%u psub=%u ssub=0 multi=%d qbuf=%u qbuf-free=%u argv-mem=0 multi-mem=%u",
           extra != NULL ? extra->count[0] : 0, extra != NULL ? extra->count[1] : 0,
           conn->multi ? (int)conn->queued_count : -1, conn->in.size - conn->in_start,
           conn->in.capacity - conn->in.size, conn->queued.size);
    hf_put(out, " rbs=%u rbp=%u obl=%u oll=%u omem=%u tot-mem=%llu events=r cmd=%s user=default",
           conn->out.capacity, conn->out.capacity, conn->out.size + conn->sending.size,
           conn->next_number - conn->first, conn->out.capacity + conn->sending.capacity,
           (unsigned long long)sizeof *conn + conn->in.capacity + conn->out.capacity +
               conn->sending.capacity,
           hf_command_at(conn->command) != NULL ? hf_command_at(conn->command)->name : "NULL");
    hf_put(out, " redir=-1 resp=%u lib-name=", conn->proto);
    hf_buf_raw(out, conn->lib_name.data, conn->lib_name.size);
    hf_put(out, " lib-ver=");
    hf_buf_raw(out, conn->lib_version.data, conn->lib_version.size);
    hf_put(out, " core=%u\n", shard->self);
}

/* ---- The filter ---- */

static bool is_named(const char *address, const char *peer)
{
    return address[0] == 0 || strcmp(address, peer) == 0;
}

static bool fits(hf_shard *shard, const hf_conn *conn, const hf_client_filter *f, hf_bytes ids)
{
    if (conn->listener != HF_LISTENER_CLIENT || conn->closing || f->nobody ||
        (f->skip_self && conn->number_id == f->self) ||
        (f->type != HF_CLIENT_ANY && f->type != type_of(conn)) ||
        (shard->io->now_ns - conn->since_ns) / 1000000000 < f->older_than_s || f->local[0] != 0 ||
        !is_named(f->address, shard->io->ops->conn_peer(shard->io, conn->id))) {
        return false;
    }
    bool found = !f->by_id;
    hf_reader r = hf_reader_of(ids);
    for (uint64_t i = 0; i < f->id_count && !found; i++) {
        found = hf_read_u64(&r) == conn->number_id;
    }
    return found;
}

static hf_bytes read_filter(const hf_answer *answer, hf_client_filter *filter)
{
    HF_ASSERT(answer->body.size >= sizeof *filter);
    memcpy(filter, answer->body.data, sizeof *filter);
    return hf_bytes_of(answer->body.data + sizeof *filter, answer->body.size - sizeof *filter);
}

bool hf_answer__clients(hf_shard *shard, hf_answer *answer)
{
    hf_client_filter f;
    hf_bytes ids = read_filter(answer, &f);
    for (const hf_conn *conn = shard->session->first; conn != NULL; conn = conn->next) {
        if (fits(shard, conn, &f, ids)) {
            hf_client__line(shard, conn, answer->out);
        }
    }
    return true;
}

bool hf_answer__kill(hf_shard *shard, hf_answer *answer)
{
    hf_client_filter f;
    hf_bytes ids = read_filter(answer, &f);
    for (hf_conn *conn = shard->session->first; conn != NULL; conn = conn->next) {
        if (!fits(shard, conn, &f, ids)) {
            continue;
        }
        answer->value[0]++;
        hf_server_of(shard)->killed++;
        if (conn->number_id == f.self) {
            conn->close_after = true; /* it still wants its reply */
            hf_conn__dirty(shard, conn);
        } else {
            hf_conn__close(shard, conn);
        }
    }
    return true;
}

/* ---- The commands ---- */

static bool parse_type(hf_bytes word, hf_client_filter *f)
{
    if (hf_word_is(word, "NORMAL")) {
        f->type = HF_CLIENT_NORMAL;
    } else if (hf_word_is(word, "PUBSUB")) {
        f->type = HF_CLIENT_PUBSUB;
    } else if (hf_word_is(word, "MASTER") || hf_word_is(word, "REPLICA") ||
               hf_word_is(word, "SLAVE")) {
        f->type = HF_CLIENT_NONE;
    } else {
        return false;
    }
    return true;
}

static bool unknown_type(hf_shard *shard, hf_conn *conn, hf_bytes word)
{
    return hf_word_errorf(shard, conn, "ERR Unknown client type '%.*s'",
                          (int)(word.size < 128 ? word.size : 128), (const char *)word.data);
}

static bool ask(hf_shard *shard, hf_conn *conn, hf_ask what, const hf_client_filter *f,
                const uint64_t *ids, hf_gather_finish *finish, uint8_t word)
{
    hf_buf *body = &hf_server_of(shard)->body;
    hf_buf_reset(body);
    hf_buf_raw(body, f, sizeof *f);
    hf_buf_raw(body, ids, (uint32_t)(f->id_count * sizeof *ids));
    hf_question q = { .ask = what, .body = hf_buf_view(body), .finish = finish, .word = word };
    return body->failed ? hf_word_error(shard, conn, "OOM no memory for the request")
                        : hf_gather__start(shard, conn, &q);
}

static void finish_list(hf_shard *shard, hf_gather *gather, hf_buf *reply)
{
    hf_buf *text = &hf_server_of(shard)->text;
    hf_buf_reset(text);
    for (uint16_t i = 0; i < shard->count; i++) {
        hf_buf_raw(text, gather->answers[i].data, gather->answers[i].size);
    }
    hf_resp_verbatim(reply, "txt", hf_buf_view(text), gather->proto);
    reply->failed = reply->failed || text->failed;
    hf_buf_trim(text, HF_KEEP_BYTES);
}

bool hf_client__list(hf_shard *shard, hf_conn *conn, const hf_command *command,
                     const hf_bytes *args, uint32_t argc)
{
    (void)command;
    uint64_t ids[HF_CLIENT_IDS_MAX];
    hf_client_filter f = { .self = conn->number_id };
    if (argc == 4 && hf_word_is(args[2], "TYPE")) {
        if (!parse_type(args[3], &f)) {
            return unknown_type(shard, conn, args[3]);
        }
    } else if (argc >= 4 && hf_word_is(args[2], "ID")) {
        if (argc - 3 > HF_CLIENT_IDS_MAX) {
            return hf_word_error(shard, conn, "TOOBIG at most 1024 ids");
        }
        f.by_id = true;
        for (uint32_t i = 3; i < argc; i++) {
            if (hf_text_u64(args[i], &ids[f.id_count++]) != HF_OK) {
                return hf_word_error(shard, conn, "ERR Invalid client ID");
            }
        }
    } else if (argc != 2) {
        return hf_word_syntax(shard, conn);
    }
    return ask(shard, conn, HF_ASK_CLIENTS, &f, ids, finish_list, 0);
}

static void finish_kill(hf_shard *shard, hf_gather *gather, hf_buf *reply)
{
    (void)shard;
    if (gather->word == 0) {
        hf_resp_integer(reply, (int64_t)gather->value[0]);
    } else if (gather->value[0] != 0) {
        hf_resp_simple(reply, "OK");
    } else {
        hf_resp_error(reply, "ERR No such client");
    }
}

static void copy_address(char to[HF_CLIENT_ADDRESS], hf_bytes from, hf_client_filter *f)
{
    if (from.size >= HF_CLIENT_ADDRESS) {
        f->nobody = true;
        return;
    }
    memcpy(to, from.data, from.size);
    to[from.size] = 0;
}

/* One option of CLIENT KILL. False: the error is written. */
static bool kill_option(hf_shard *shard, hf_conn *conn, hf_bytes name, hf_bytes value,
                        hf_client_filter *f, uint64_t *id)
{
    if (hf_word_is(name, "ID")) {
        if (hf_text_u64(value, id) != HF_OK || *id == 0) {
            hf_word_error(shard, conn, "ERR client-id should be greater than 0");
            return false;
        }
        f->by_id = true;
        f->id_count = 1;
    } else if (hf_word_is(name, "TYPE")) {
        if (!parse_type(value, f)) {
            unknown_type(shard, conn, value);
            return false;
        }
    } else if (hf_word_is(name, "ADDR")) {
        copy_address(f->address, value, f);
    } else if (hf_word_is(name, "LADDR")) {
        copy_address(f->local, value, f);
    } else if (hf_word_is(name, "MAXAGE")) {
        if (hf_text_u64(value, &f->older_than_s) != HF_OK) {
            hf_word_error(shard, conn, "ERR maxage is not an integer or out of range");
            return false;
        }
    } else if (hf_word_is(name, "USER")) {
        if (!hf_bytes_equal(value, HF_LIT("default"))) {
            hf_word_errorf(shard, conn, "ERR No such user '%.*s'",
                           (int)(value.size < 128 ? value.size : 128), (const char *)value.data);
            return false;
        }
    } else if (hf_word_is(name, "SKIPME") &&
               (hf_word_is(value, "YES") || hf_word_is(value, "NO"))) {
        f->skip_self = hf_word_is(value, "YES");
    } else {
        hf_word_syntax(shard, conn);
        return false;
    }
    return true;
}

bool hf_client__kill(hf_shard *shard, hf_conn *conn, const hf_command *command,
                     const hf_bytes *args, uint32_t argc)
{
    (void)command;
    uint64_t id = 0;
    hf_client_filter f = { .self = conn->number_id };
    if (argc == 3) { /* the old form: one client, which may be this one */
        copy_address(f.address, args[2], &f);
        f.nobody = f.nobody || args[2].size == 0;
        return ask(shard, conn, HF_ASK_KILL, &f, &id, finish_kill, 1);
    }
    f.skip_self = true;
    if (argc % 2 != 0) {
        return hf_word_syntax(shard, conn);
    }
    for (uint32_t i = 2; i < argc; i += 2) {
        if (!kill_option(shard, conn, args[i], args[i + 1], &f, &id)) {
            return true;
        }
    }
    return ask(shard, conn, HF_ASK_KILL, &f, &id, finish_kill, 0);
}
