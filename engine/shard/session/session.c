#include "engine/shard/session/weight.h"

/* ---- Connections ---- */

/* Where a connection is looked for before the map is asked. */
static hf_conn **found_at(hf_session *session, hf_conn_id id)
{
    return &session->found[id * UINT64_C(0x9e3779b97f4a7c15) >> (64 - HF_FOUND_BITS)];
}

hf_conn *hf_conn__find(hf_shard *shard, hf_conn_id id)
{
    hf_session *session = shard->session;
    hf_conn **found = found_at(session, id);
    if (*found == NULL || (*found)->id != id) {
        *found = hf_map_find_pointer(&session->conns, hf_id_of(id));
    }
    return *found;
}

void hf_conn__dirty(hf_shard *shard, hf_conn *conn)
{
    shard->session->moved = true;
    if (!conn->dirty) {
        conn->dirty = true;
        conn->dirty_next = shard->session->dirty;
        shard->session->dirty = conn;
    }
}

bool hf_session__open(hf_shard *shard)
{
    hf_session *session = hf_heap_take(shard->heap, sizeof *session);
    if (session == NULL) {
        return false;
    }
    memset(session, 0, sizeof *session);
    hf_map_open(&session->conns, shard->heap, shard->config.node_id);
    hf_buf *all[] = { &session->argv, &session->commands, &session->conditions, &session->many,
                      &session->error };
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        hf_buf_open(all[i], shard->heap);
    }
    shard->session = session;
    return hf_map_reserve(&session->conns, shard->config.connections_max) == HF_OK &&
           hf_server__open(shard);
}

static void conn_bufs(hf_conn *conn, hf_buf *all[10])
{
    all[0] = &conn->in;
    all[1] = &conn->arg_slices;
    all[2] = &conn->out;
    all[3] = &conn->sending;
    all[4] = &conn->name;
    all[5] = &conn->lib_name;
    all[6] = &conn->lib_version;
    all[7] = &conn->queued;
    all[8] = &conn->watches;
    all[9] = &conn->early;
}

static void refuse_conn(hf_shard *shard, hf_conn_id id, hf_listener listener)
{
    static const char text[] = "-ERR max number of clients reached\r\n";
    shard->session->rejected++;
    if (listener != HF_LISTENER_LOCAL) { /* which reads no words */
        shard->io->ops->conn_send(shard->io, id, hf_bytes_of(text, sizeof text - 1));
    }
    shard->io->ops->conn_close(shard->io, id);
}

void hf_session__accept(hf_shard *shard, hf_conn_id id, hf_listener listener)
{
    hf_session *session = shard->session;
    hf_conn *conn = session->count < shard->config.connections_max && !session->stopping
                        ? hf_heap_take(shard->heap, sizeof *conn)
                        : NULL;
    hf_slot *slots =
        conn == NULL ? NULL : hf_heap_take(shard->heap, sizeof(hf_slot) * HF_SLOTS_LEAST);
    if (slots == NULL || hf_map_put_pointer(&session->conns, hf_id_of(id), conn) != HF_OK) {
        hf_heap_give(shard->heap, slots);
        hf_heap_give(shard->heap, conn);
        refuse_conn(shard, id, listener);
        return;
    }
    memset(conn, 0, sizeof *conn);
    memset(slots, 0, sizeof(hf_slot) * HF_SLOTS_LEAST);
    hf_buf *all[10];
    conn_bufs(conn, all);
    for (int i = 0; i < 10; i++) {
        hf_buf_open(all[i], shard->heap);
    }
    conn->id = id;
    conn->listener = listener;
    conn->since_ns = conn->last_ns = shard->io->now_ns;
    conn->number_id = ++session->accepted * shard->count + shard->self;
    conn->slots = slots;
    conn->slot_mask = HF_SLOTS_LEAST - 1;
    conn->proto = listener == HF_LISTENER_LOCAL ? 3 : 2;
    conn->op = UINT32_MAX;
    conn->command = UINT16_MAX;
    conn->window = listener == HF_LISTENER_LOCAL ? shard->config.pipeline_max : HF_WINDOW_LEAST;
    hf_resp_parser_open(&conn->parser);
    conn->next = session->first;
    if (session->first != NULL) {
        session->first->prev = conn;
    }
    session->first = conn;
    session->count++;
    if (listener == HF_LISTENER_HTTP) {
        hf_http__accept(shard, conn);
    }
}

void hf_session__closed(hf_shard *shard, hf_conn_id id)
{
    hf_session *session = shard->session;
    hf_conn *conn = hf_conn__find(shard, id);
    if (conn == NULL) {
        return;
    }
    if (conn->op != UINT32_MAX) {
        hf_gateway__txn_rollback(shard, conn->op);
        conn->op = UINT32_MAX;
    }
    hf_exec__closed(shard, conn);
    hf_pubsub__closed(shard, conn);
    hf_http__closed(shard, conn);
    if (conn->dirty) {
        hf_conn **at = &session->dirty;
        while (*at != conn) {
            at = &(*at)->dirty_next;
        }
        *at = conn->dirty_next;
    }
    if (conn->prev != NULL) {
        conn->prev->next = conn->next;
    } else {
        session->first = conn->next;
    }
    if (conn->next != NULL) {
        conn->next->prev = conn->prev;
    }
    for (uint32_t n = conn->first; n != conn->next_number; n++) {
        hf_buf *reply = &conn->slots[n & conn->slot_mask].reply;
        if (reply->heap != NULL) {
            hf_buf_close(reply);
        }
    }
    hf_buf *all[10];
    conn_bufs(conn, all);
    for (int i = 0; i < 10; i++) {
        hf_buf_close(all[i]);
    }
    hf_heap_give(shard->heap, conn->slots);
    (void)hf_map_drop(&session->conns, hf_id_of(id));
    *found_at(session, id) = NULL;
    session->weight -= conn->weight;
    hf_heap_give(shard->heap, conn);
    session->count--;
}

void hf_conn__close(hf_shard *shard, hf_conn *conn)
{
    if (!conn->closing) {
        conn->closing = true;
        hf_pubsub__closing(shard, conn);
        hf_weight__of(shard->session, conn); /* as good as given back */
        shard->io->ops->conn_close(shard->io, conn->id);
    }
}

/* ---- Replies, in the order of the requests ---- */

static bool slots_grow(hf_shard *shard, hf_conn *conn)
{
    uint32_t count = (conn->slot_mask + 1) * 2;
    hf_slot *slots = hf_heap_take(shard->heap, sizeof *slots * count);
    if (slots == NULL) {
        return false;
    }
    memset(slots, 0, sizeof *slots * count);
    for (uint32_t n = conn->first; n != conn->next_number; n++) {
        slots[n & (count - 1)] = conn->slots[n & conn->slot_mask];
    }
    hf_heap_give(shard->heap, conn->slots);
    conn->slots = slots;
    conn->slot_mask = count - 1;
    return true;
}

/* Room for one more request: asked before a command is looked at. */
static bool has_slot(hf_shard *shard, hf_conn *conn)
{
    uint32_t open = conn->next_number - conn->first;
    if (open >= conn->window) {
        return false;
    }
    return open <= conn->slot_mask || slots_grow(shard, conn);
}

/* The window follows the size of replies. */
static void note_size(const hf_shard *shard, hf_conn *conn, uint32_t size)
{
    if (conn->listener == HF_LISTENER_LOCAL) {
        return; /* its requests are limited where they are made */
    }
    if (size < HF_REPLY_LARGE) {
        conn->window += conn->window < shard->config.pipeline_max;
    } else {
        uint32_t fit = HF_REPLIES_LARGE / size;
        fit = fit == 0 ? 1 : fit;
        conn->window = conn->window < fit ? conn->window : fit;
    }
}

static hf_slot *slot_new(hf_shard *shard, hf_conn *conn)
{
    hf_slot *slot = &conn->slots[conn->next_number++ & conn->slot_mask];
    *slot = (hf_slot){ .sent_by = HF_SENT_NOWHERE,
                       .started_ns = shard->io->now_ns,
                       .mute = conn->reply_off || conn->reply_skip,
                       .tag = conn->tag };
    conn->reply_skip = false;
    hf_server__started(shard, conn, slot);
    return slot;
}

/* What came early is empty again: its memory serves the next ones. */
static void early_taken(const hf_shard *shard, hf_conn *conn)
{
    if (--conn->early_count == 0) {
        hf_buf_reset(&conn->early);
        hf_buf_trim(&conn->early, hf_weight__spare(shard));
    }
}

/* A small reply before its turn lies with the others: no memory is asked for. False: not this one.
 */
static bool keep_early(hf_conn *conn, hf_slot *slot, hf_bytes reply)
{
    hf_buf *early = &conn->early;
    if (reply.size == 0 || reply.size > HF_EARLY_MOST || slot->reply.heap != NULL ||
        early->size + reply.size > HF_EARLY_BYTES) {
        return false;
    }
    uint8_t *at = hf_buf_extend(early, reply.size);
    if (at == NULL) {
        early->failed = false;
        return false;
    }
    memcpy(at, reply.data, reply.size);
    slot->early_at = early->size - reply.size;
    slot->early = (uint16_t)reply.size;
    conn->early_count++;
    return true;
}

/* A reply that there is no room for is told so in its place, before anything of it was sent: a
 * connection that is closed instead would leave the client without a word. */
static void put_reply(hf_shard *shard, hf_conn *conn, const hf_slot *slot, hf_buf *out,
                      hf_bytes reply)
{
    if (out->failed) {
        return; /* what stood before this one is lost: the connection is closed */
    }
    if (out != &conn->out || hf_weight__admits(shard, conn, reply.size)) {
        hf_buf_raw(out, reply.data, reply.size);
        if (!out->failed || reply.size < HF_WEIGHT_LEAST) {
            return;
        }
    }
    const hf_command *command = slot->command == UINT16_MAX ? NULL : hf_command_at(slot->command);
    bool reads = command != NULL && command->run != NULL &&
                 (command->flags & (HF_COMMAND_WRITE | HF_COMMAND_COMMUTE)) == 0;
    out->failed = false; /* what stood there before stands */
    hf_bytes unsaid = reads ? HF_LIT(HF_UNSAID) : HF_LIT(HF_COMMITTED_UNSAID);
    hf_buf_raw(out, unsaid.data, unsaid.size);
    shard->session->too_large++;
}

/* Moves finished replies at the front of the queue to the output. */
static void move_finished(hf_shard *shard, hf_conn *conn)
{
    while (conn->first != conn->next_number) {
        hf_slot *slot = &conn->slots[conn->first & conn->slot_mask];
        if (!slot->done) {
            break;
        }
        if (slot->early != 0) {
            hf_buf_raw(&conn->out, conn->early.data + slot->early_at, slot->early);
            early_taken(shard, conn);
        } else if (slot->reply.heap != NULL) {
            if (!slot->mute) {
                put_reply(shard, conn, slot, &conn->out, hf_buf_view(&slot->reply));
            }
            hf_buf_close(&slot->reply);
        }
        conn->first++;
    }
    if (conn->out.failed || conn->out.size > shard->config.output_max) {
        hf_conn__close(shard, conn); /* does not read, or asked for more than there is memory */
    }
    hf_conn__dirty(shard, conn);
}

/* The reply of the slot is written. */
static void finish(hf_shard *shard, hf_conn *conn, hf_slot *slot)
{
    if (conn->listener == HF_LISTENER_LOCAL) {
        hf_conn__frame_end(conn);
    }
    slot->done = true;
    move_finished(shard, conn);
}

/* Where its reply is to be written; called once for each. */
static hf_buf *slot_buf(hf_shard *shard, hf_conn *conn, uint32_t number)
{
    hf_slot *slot = &conn->slots[number & conn->slot_mask];
    if (conn->listener == HF_LISTENER_LOCAL) { /* in any order */
        hf_conn__frame_begin(shard, conn, slot->tag);
        return &conn->out;
    }
    if (number == conn->first && !slot->mute) {
        return &conn->out;
    }
    if (slot->reply.heap == NULL) {
        hf_buf_open(&slot->reply, shard->heap);
    }
    return &slot->reply;
}

hf_buf *hf_conn__reply(hf_shard *shard, hf_conn *conn)
{
    (void)slot_new(shard, conn);
    hf_buf *out = slot_buf(shard, conn, conn->next_number - 1);
    conn->reply_at = out->size;
    return out;
}

void hf_conn__done(hf_shard *shard, hf_conn *conn)
{
    hf_slot *slot = &conn->slots[(conn->next_number - 1) & conn->slot_mask];
    if (slot->reply.heap != NULL && slot->reply.failed) {
        hf_conn__close(shard, conn);
    }
    hf_buf *out = slot->reply.heap != NULL ? &slot->reply : &conn->out;
    hf_server__ended(shard, conn, slot,
                     hf_bytes_of(out->data + conn->reply_at, out->size - conn->reply_at));
    finish(shard, conn, slot);
}

void hf_conn__error(hf_shard *shard, hf_conn *conn, const char *text)
{
    hf_resp_error(hf_conn__reply(shard, conn), text);
    hf_conn__done(shard, conn);
}

void hf_conn__ok(hf_shard *shard, hf_conn *conn)
{
    hf_resp_simple(hf_conn__reply(shard, conn), "OK");
    hf_conn__done(shard, conn);
}

hf_ticket hf_conn__ticket(const hf_conn *conn)
{
    return (hf_ticket){ .place = conn->id, .number = conn->next_number };
}

void hf_conn__open(hf_shard *shard, hf_conn *conn, bool multi)
{
    slot_new(shard, conn)->multi = multi;
    conn->multi_open += multi;
}

bool hf_conn__quiet(const hf_conn *conn)
{
    return conn->next_number - conn->first == (conn->exec != NULL);
}

void hf_conn__barrier(hf_conn *conn)
{
    conn->has_barrier = true;
    conn->barrier = conn->next_number - 1;
}

void hf_conn__push(hf_shard *shard, hf_conn *conn, hf_bytes bytes)
{
    HF_PRE(conn->listener != HF_LISTENER_LOCAL);
    hf_buf_raw(&conn->out, bytes.data, bytes.size);
    if (conn->out.failed || conn->out.size > shard->config.output_max) {
        hf_conn__close(shard, conn);
    }
    hf_weight__of(shard->session, conn);
    hf_weight__limit(shard);
    hf_conn__dirty(shard, conn);
}

static hf_conn *answered(hf_shard *shard, hf_ticket ticket, hf_slot **slot)
{
    hf_conn *conn = hf_conn__find(shard, ticket.place);
    if (conn == NULL || ticket.number - conn->first >= conn->next_number - conn->first) {
        return NULL; /* the client is gone */
    }
    *slot = &conn->slots[ticket.number & conn->slot_mask];
    HF_ASSERT(!(*slot)->done);
    if ((*slot)->multi) {
        conn->multi_open--;
        if (conn->multi_open == 0) {
            conn->keys_changed = conn->keys_added = 0;
        }
    }
    conn->has_barrier = conn->has_barrier && conn->barrier != ticket.number;
    return conn;
}

void hf_conn__replied(hf_shard *shard, hf_conn *conn, uint32_t number, hf_bytes reply)
{
    hf_slot *slot = &conn->slots[number & conn->slot_mask];
    HF_PRE(!slot->done);
    hf_server__ended(shard, conn, slot, reply);
    if (slot->watch) { /* an error: the stamps never come */
        conn->watch_lost = true;
        conn->watch_asked = conn->watch_count;
    }
    bool tells = conn->attributes && conn->proto == 3 && shard->session->reply_ts != 0;
    uint32_t had = conn->out.capacity + conn->early.capacity;
    bool early = number != conn->first && conn->listener != HF_LISTENER_LOCAL && !tells &&
                 !slot->mute && conn->exec == NULL; /* which takes replies from their slots */
    if (!early || !keep_early(conn, slot, reply)) {
        hf_buf *out = slot_buf(shard, conn, number);
        if (tells) {
            hf_buf_raw(out, "|1\r\n", 4);
            hf_resp_simple(out, "ts");
            hf_resp_bulk_integer(out, (int64_t)shard->session->reply_ts);
        }
        put_reply(shard, conn, slot, out, reply);
        if (out->failed) {
            hf_conn__close(shard, conn);
        }
    }
    note_size(shard, conn, reply.size);
    finish(shard, conn, slot);
    if (conn->out.capacity + conn->early.capacity != had) {
        hf_weight__of(shard->session, conn);
        hf_weight__limit(shard);
    }
}

void hf_session__complete(hf_shard *shard, hf_ticket ticket, hf_bytes reply)
{
    if ((ticket.place & HF_PLACE_APPLY) != 0) {
        hf_apply__replied(shard, ticket, reply);
        return;
    }
    hf_conn *starting = shard->session->starting;
    if (starting != NULL && ticket.place == starting->id &&
        ticket.number == starting->next_number) {
        /* Refused before it has its slot: hf_conn__request() passes it on. */
        shard->session->early = true;
        hf_buf_reset(&shard->session->error);
        hf_buf_raw(&shard->session->error, reply.data, reply.size);
        return;
    }
    hf_slot *slot;
    hf_conn *conn = answered(shard, ticket, &slot);
    if (conn == NULL) {
        return;
    }
    if (!hf_exec__replied(shard, conn, ticket.number, reply)) {
        hf_conn__replied(shard, conn, ticket.number, reply);
    }
}

/* WATCH: the stamps came. They belong to the watches that have none yet, in order. */
void hf_session__stamps(hf_shard *shard, hf_ticket ticket, hf_bytes stamps)
{
    hf_slot *slot;
    hf_conn *conn = answered(shard, ticket, &slot);
    if (conn == NULL) {
        return;
    }
    hf_reader r = hf_reader_of(stamps);
    hf_reader w = hf_reader_of(hf_buf_view(&conn->watches));
    for (uint32_t i = 0; i < conn->watch_count; i++) {
        uint32_t at = conn->watches.size - hf_reader_left(&w);
        (void)hf_read_u64(&w);
        (void)hf_read_bytes(&w);
        if (i >= conn->watch_asked) {
            uint64_t stamp = hf_read_u64(&r);
            memcpy(conn->watches.data + at, &stamp, sizeof stamp);
        }
    }
    conn->watch_asked = conn->watch_count;
    hf_resp_simple(slot_buf(shard, conn, ticket.number), "OK");
    hf_server__ended(shard, conn, slot, HF_LIT("+"));
    finish(shard, conn, slot);
}

void hf_session__txn_ended(hf_shard *shard, hf_ticket ticket)
{
    hf_conn *conn = hf_conn__find(shard, ticket.place);
    if (conn != NULL) {
        conn->op = UINT32_MAX;
    }
}

/* ---- Bytes in ---- */

static bool slices(hf_shard *shard, const hf_conn *conn)
{
    hf_buf *argv = &shard->session->argv;
    hf_buf_reset(argv);
    const hf_resp_arg *arg = (const hf_resp_arg *)(const void *)conn->arg_slices.data;
    hf_bytes *args =
        (hf_bytes *)(void *)hf_buf_extend(argv, conn->parser.argc * (uint32_t)sizeof *args);
    for (uint32_t i = 0; args != NULL && i < conn->parser.argc; i++) {
        args[i] = hf_bytes_of(conn->in.data + conn->in_start + arg[i].offset, arg[i].size);
    }
    return args != NULL;
}

static void protocol_error(hf_shard *shard, hf_conn *conn)
{
    hf_resp_errorf(hf_conn__reply(shard, conn), "ERR %s", conn->parser.error);
    hf_conn__done(shard, conn);
    conn->close_after = true;
}

bool hf_conn__may_go_on(hf_shard *shard, hf_conn *conn)
{
    return !conn->closing && !conn->close_after && !conn->has_barrier && conn->exec == NULL &&
           conn->out.size < HF_OUT_PAUSE && has_slot(shard, conn);
}

static bool run_words(hf_shard *shard, hf_conn *conn)
{
    const hf_bytes *args = (const hf_bytes *)(const void *)shard->session->argv.data;
    return hf_session__run(shard, conn, hf_command_find(args[0]), args, conn->parser.argc);
}

void hf_conn__compact(hf_shard *shard, hf_conn *conn)
{
    if (conn->in_start == conn->in.size) {
        hf_buf_reset(&conn->in);
        conn->in_start = 0;
        hf_buf_trim(&conn->in, hf_weight__spare(shard));
        hf_buf_trim(&conn->arg_slices, HF_KEEP_BYTES);
    } else if (conn->in_start > conn->in.size / 2) {
        memmove(conn->in.data, conn->in.data + conn->in_start, conn->in.size - conn->in_start);
        conn->in.size -= conn->in_start;
        conn->in_start = 0;
    }
}

/* Works through the gathered bytes as far as it may. */
static void process(hf_shard *shard, hf_conn *conn)
{
    conn->wants_more = false;
    while (conn->in_start < conn->in.size && hf_conn__may_go_on(shard, conn)) {
        uint32_t used = conn->parsed;
        hf_resp_state state =
            used != 0 ? HF_RESP_COMMAND
                      : hf_resp_parse(&conn->parser, conn->in.data + conn->in_start,
                                      conn->in.size - conn->in_start, &conn->arg_slices, &used);
        if (state == HF_RESP_MORE) {
            conn->wants_more = true;
            break;
        }
        if (state == HF_RESP_BAD) {
            protocol_error(shard, conn);
            break;
        }
        if (conn->parser.argc != 0) {
            if (!slices(shard, conn)) {
                hf_conn__error(shard, conn, "OOM no memory for the request");
            } else if (!run_words(shard, conn)) {
                /* Not now: it is tried again when something has moved. Its bytes stay; they are not
                 * parsed again, as a quoted word of a line was written over. */
                conn->parsed = used;
                hf_conn__dirty(shard, conn);
                break;
            }
        }
        conn->in_start += used;
        conn->parsed = 0;
    }
    if (conn->ended && (conn->wants_more || conn->in_start == conn->in.size)) {
        conn->close_after = true; /* once all is answered */
    }
    hf_conn__compact(shard, conn);
}

/* Reads on or stops reading, by what waits here already. */
static void set_receive(hf_shard *shard, hf_conn *conn)
{
    uint32_t waiting = conn->in.size - conn->in_start;
    bool off = waiting >= HF_IN_PAUSE && !conn->wants_more;
    if (off != conn->receive_off && !conn->closing) {
        conn->receive_off = off;
        shard->io->ops->conn_receive(shard->io, conn->id, !off);
    }
}

void hf_session__received(hf_shard *shard, hf_conn_id id, hf_bytes data)
{
    hf_conn *conn = hf_conn__find(shard, id);
    if (conn == NULL || conn->closing || conn->close_after) {
        return;
    }
    conn->last_ns = shard->io->now_ns;
    shard->session->bytes_in += data.size;
    if (conn->listener == HF_LISTENER_HTTP) {
        hf_http__received(shard, conn, data);
        return;
    }
    if (conn->listener == HF_LISTENER_LOCAL) {
        hf_local__received(shard, conn, data);
        set_receive(shard, conn);
        hf_weight__of(shard->session, conn);
        return;
    }
    /* What a request announces is not taken ahead of its bytes: many that never come would have it
     * all. */
    hf_buf_raw(&conn->in, data.data, data.size);
    hf_weight__of(shard->session, conn);
    if (conn->in.failed ||
        (hf_weight__heavy(shard) && conn->wants_more && hf_weight__heaviest(shard) == conn)) {
        hf_buf_close(&conn->in);
        conn->in_start = 0;
        if (conn->exec != NULL) {
            hf_conn__close(shard, conn); /* the slot behind EXEC's is not to be had */
            return;
        }
        hf_conn__error(shard, conn, "OOM no memory for the request");
        conn->close_after = true;
        hf_weight__of(shard->session, conn);
        return;
    }
    conn->piece_first = conn->next_number;
    process(shard, conn);
    conn->piece_end = conn->next_number;
    set_receive(shard, conn);
    hf_weight__of(shard->session, conn);
    hf_weight__limit(shard);
}

void hf_session__ended(hf_shard *shard, hf_conn_id id)
{
    hf_conn *conn = hf_conn__find(shard, id);
    if (conn == NULL || conn->closing) {
        return;
    }
    conn->ended = true;
    if (conn->listener == HF_LISTENER_LOCAL) { /* a pipe has no half: nobody waits for replies */
        hf_conn__close(shard, conn);
        return;
    }
    if (conn->listener == HF_LISTENER_HTTP) {
        hf_http__ended(shard, conn);
    } else if (conn->listener == HF_LISTENER_CLIENT) {
        process(shard, conn);
    }
    hf_conn__dirty(shard, conn); /* flush() closes when there is nothing left to say */
}

/* ---- Bytes out ---- */

/* Requests that came in one piece are answered in one, if the rest is ready soon: a client that
 * wrote them together waits for all of them, and a send costs as much as several requests. */
static bool gathers(const hf_shard *shard, hf_conn *conn)
{
    uint32_t answered = conn->first - conn->piece_first;
    uint32_t count = conn->piece_end - conn->piece_first;
    if (answered == 0 || answered >= count || conn->out.size > HF_GATHER_BYTES ||
        conn->listener != HF_LISTENER_CLIENT) {
        return false;
    }
    uint64_t now = shard->io->now_ns;
    conn->gathers_ns = conn->gathers_ns == 0 ? now : conn->gathers_ns;
    return now - conn->gathers_ns < HF_GATHER_NS;
}

static void flush(hf_shard *shard, hf_conn *conn)
{
    if (conn->is_sending || conn->closing) {
        return;
    }
    if (conn->out.size == 0) {
        if (conn->close_after && conn->first == conn->next_number) {
            hf_conn__close(shard, conn);
        }
        return;
    }
    if (gathers(shard, conn)) {
        hf_conn__dirty(shard, conn); /* looked at again in the next turn */
        return;
    }
    conn->gathers_ns = 0;
    hf_buf spare = conn->sending;
    conn->sending = conn->out;
    conn->out = spare;
    hf_buf_reset(&conn->out);
    conn->is_sending = true;
    shard->session->bytes_out += conn->sending.size;
    shard->io->ops->conn_send(shard->io, conn->id, hf_buf_view(&conn->sending));
}

void hf_session__sent(hf_shard *shard, hf_conn_id id)
{
    hf_conn *conn = hf_conn__find(shard, id);
    if (conn == NULL) {
        return;
    }
    conn->is_sending = false;
    hf_buf_trim(&conn->sending, hf_weight__spare(shard));
    hf_weight__of(shard->session, conn);
    hf_conn__dirty(shard, conn);
}

uint64_t hf_session__turn(hf_shard *shard)
{
    hf_session *session = shard->session;
    uint64_t due = hf_server__turn(shard);
    hf_shard__drain(shard); /* what is answered now goes out now */
    hf_conn *list = session->dirty;
    session->dirty = NULL;
    while (list != NULL) {
        hf_conn *conn = list;
        list = conn->dirty_next;
        conn->dirty = false;
        if (conn->exec != NULL) {
            hf_exec__go_on(shard, conn);
        }
        if (conn->listener == HF_LISTENER_CLIENT && conn->in_start < conn->in.size) {
            process(shard, conn);
        } else if (conn->listener == HF_LISTENER_LOCAL && conn->in_start < conn->in.size) {
            hf_local__process(shard, conn);
        }
        if (conn->listener != HF_LISTENER_HTTP) {
            set_receive(shard, conn);
        }
        flush(shard, conn);
        hf_weight__of(session, conn);
    }
    session->moved = false;
    return session->dirty != NULL && due > shard->io->now_ns + 100000 ? shard->io->now_ns + 100000
                                                                      : due;
}

bool hf_session__moved(const hf_shard *shard)
{
    return shard->session->moved;
}

/* ---- The node's life ---- */

void hf_session__ready(hf_shard *shard)
{
    for (hf_conn *conn = shard->session->first; conn != NULL; conn = conn->next) {
        hf_conn__dirty(shard, conn);
    }
}

void hf_session__stop(hf_shard *shard)
{
    shard->session->stopping = true;
    shard->session->stop_ns = shard->io->now_ns;
    for (hf_conn *conn = shard->session->first; conn != NULL; conn = conn->next) {
        conn->close_after = true; /* when what was asked is answered */
        hf_conn__dirty(shard, conn);
    }
}

/* A client that does not read its last replies is waited for only so long. */
bool hf_session__idle(const hf_shard *shard)
{
    const hf_session *session = shard->session;
    bool patient = shard->io->now_ns - session->stop_ns < HF_STOP_PATIENCE_NS;
    for (const hf_conn *conn = session->first; conn != NULL; conn = conn->next) {
        bool unsent = conn->is_sending || conn->out.size != 0;
        if (!conn->closing && (conn->first != conn->next_number || (unsent && patient))) {
            return false;
        }
    }
    return true;
}
