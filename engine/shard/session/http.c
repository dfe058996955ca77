/* HTTP for operators: /livez /readyz /metrics /api/status. GET and HEAD, keep-alive, one request at
 * a time.
 *
 * A head that does not come whole within HEAD_NS, and a connection that asks nothing for IDLE_NS,
 * are closed; so no slow sender keeps a place. What a client pipelines waits in its buffer, and is
 * not read on past INPUT_MAX.
 */
#include "engine/shard/session/http.h"
#include "engine/shard/session/metrics.h"

enum { INPUT_MAX = 2 * HF_HTTP_HEAD_MAX, OUTPUT_MAX = 1 << 20 };
static const uint64_t head_ns = 10000000000u;
static const uint64_t idle_ns = 60000000000u;
static const uint64_t tick_ns = 1000000000u;

/* conn->extra of an HTTP connection. */
typedef struct hf_http {
    hf_conn *next, *prev;
    uint64_t since_ns; /* the head at hand, or the silence, began */
    bool waiting;      /* for other shards */
} hf_http;

typedef struct answer_to {
    uint8_t page;
    bool head, close, openmetrics;
} answer_to;
enum { PAGE_READY, PAGE_METRICS, PAGE_STATUS };

static hf_http *http_of(const hf_conn *conn)
{
    return conn->extra;
}

void hf_http__accept(hf_shard *shard, hf_conn *conn)
{
    hf_server *server = hf_server_of(shard);
    hf_http *http = hf_heap_take(shard->heap, sizeof *http);
    if (http == NULL) {
        hf_conn__close(shard, conn);
        return;
    }
    *http = (hf_http){ .next = server->http_first, .since_ns = shard->io->now_ns };
    if (http->next != NULL) {
        http_of(http->next)->prev = conn;
    }
    server->http_first = conn;
    conn->extra = http;
}

void hf_http__closed(hf_shard *shard, hf_conn *conn)
{
    if (conn->listener != HF_LISTENER_HTTP || conn->extra == NULL) {
        return;
    }
    hf_http *http = conn->extra;
    if (http->prev != NULL) {
        http_of(http->prev)->next = http->next;
    } else {
        hf_server_of(shard)->http_first = http->next;
    }
    if (http->next != NULL) {
        http_of(http->next)->prev = http->prev;
    }
    hf_heap_give(shard->heap, http);
    conn->extra = NULL;
}

/* ---- Answers ---- */

static void respond(hf_shard *shard, hf_conn *conn, uint16_t status, const char *text, bool head,
                    bool close)
{
    hf_buf *out = hf_conn__reply(shard, conn);
    hf_http_respond(out, status, "text/plain; charset=utf-8", hf_word_of(text), head, close);
    hf_conn__done(shard, conn);
    conn->close_after = conn->close_after || close;
}

static void refuse(hf_shard *shard, hf_conn *conn, uint16_t status, bool close)
{
    char text[96];
    hf_buf *out = &hf_server_of(shard)->text;
    hf_buf_reset(out);
    hf_put(out, "%u %s\n", status, hf_http_reason(status));
    uint32_t size = out->size < sizeof text - 1 ? out->size : (uint32_t)sizeof text - 1;
    memcpy(text, out->data, out->failed ? 0 : size);
    text[out->failed ? 0 : size] = 0;
    respond(shard, conn, status, text, false, close);
}

static void put_page(hf_shard *shard, const hf_gather *gather, const answer_to *to, hf_buf *body,
                     uint16_t *status, const char **type)
{
    const hf_sample *samples[HF_SHARDS_MAX];
    bool ready = !shard->stopping;
    for (uint16_t i = 0; i < shard->count; i++) {
        samples[i] = hf_sample__of(gather, i);
        ready = ready && samples[i]->shard.ready;
    }
    hf_metrics metrics = { .shards = samples,
                           .count = shard->count,
                           .version = shard->config.version,
                           .incarnation = shard->incarnation,
                           .stopping = shard->stopping };
    if (to->page == PAGE_METRICS) {
        *type = to->openmetrics ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
                                : "text/plain; version=0.0.4; charset=utf-8";
        hf_metrics_text(body, &metrics, to->openmetrics);
    } else if (to->page == PAGE_STATUS) {
        *type = "application/json";
        hf_metrics_json(body, &metrics);
    } else {
        *status = ready ? 200 : 503;
        hf_put(body, ready ? "ready\n" : shard->stopping ? "stopping\n" : "loading\n");
    }
}

static void finish(hf_shard *shard, hf_gather *gather, hf_buf *reply)
{
    answer_to to;
    memcpy(&to, gather->keep.data, sizeof to);
    hf_buf *body = &hf_server_of(shard)->text;
    uint16_t status = 200;
    const char *type = "text/plain; charset=utf-8";
    hf_buf_reset(body);
    put_page(shard, gather, &to, body, &status, &type);
    if (body->failed) {
        hf_buf_reset(body);
        status = 503;
        type = "text/plain; charset=utf-8";
    }
    hf_http_respond(reply, status, type, hf_buf_view(body), to.head, to.close);
    hf_buf_trim(body, HF_KEEP_BYTES);
}

/* False: later. */
static bool ask(hf_shard *shard, hf_conn *conn, const hf_http_request *request, uint8_t page)
{
    answer_to to = { .page = page,
                     .head = request->head,
                     .close = request->close,
                     .openmetrics = request->openmetrics };
    hf_question q = { .ask = HF_ASK_STATS, .keep = hf_bytes_of(&to, sizeof to), .finish = finish };
    if (!hf_gather__start(shard, conn, &q)) {
        return false;
    }
    http_of(conn)->waiting = conn->first != conn->next_number;
    conn->close_after = conn->close_after || request->close;
    return true;
}

/* False: it cannot be answered now. */
static bool answer(hf_shard *shard, hf_conn *conn, const hf_http_request *request)
{
    hf_bytes path = request->path;
    if (request->status != 0) {
        refuse(shard, conn, request->status, request->close);
        return true;
    }
    if (hf_bytes_equal(path, HF_LIT("/livez"))) {
        respond(shard, conn, 200, "ok\n", request->head, request->close);
        return true;
    }
    if (hf_bytes_equal(path, HF_LIT("/readyz"))) {
        return ask(shard, conn, request, PAGE_READY);
    }
    if (hf_bytes_equal(path, HF_LIT("/metrics"))) {
        return ask(shard, conn, request, PAGE_METRICS);
    }
    if (hf_bytes_equal(path, HF_LIT("/api/status"))) {
        return ask(shard, conn, request, PAGE_STATUS);
    }
    if (request->head) {
        respond(shard, conn, 404, "404 Not Found\n", true, request->close);
    } else {
        refuse(shard, conn, 404, request->close);
    }
    return true;
}

/* ---- Bytes in ---- */

static void work(hf_shard *shard, hf_conn *conn)
{
    hf_http *http = http_of(conn);
    bool more = false; /* what is there is no whole request */
    while (!http->waiting && !conn->closing && !conn->close_after && conn->out.size < OUTPUT_MAX &&
           conn->in_start < conn->in.size) {
        hf_http_request request;
        hf_bytes data = hf_bytes_of(conn->in.data + conn->in_start, conn->in.size - conn->in_start);
        hf_http_state state = hf_http_parse(data, &request);
        if (state == HF_HTTP_MORE) {
            more = true;
            break;
        }
        if (state == HF_HTTP_BAD) {
            refuse(shard, conn, request.status, true);
            break;
        }
        if (!answer(shard, conn, &request)) {
            break;
        }
        conn->in_start += request.used;
        http->since_ns = shard->io->now_ns;
    }
    if (conn->in_start != 0) {
        memmove(conn->in.data, conn->in.data + conn->in_start, conn->in.size - conn->in_start);
        conn->in.size -= conn->in_start;
        conn->in_start = 0;
    }
    if (conn->ended && !http->waiting && (more || conn->in.size == 0)) {
        conn->close_after = true; /* once all is answered */
        hf_conn__dirty(shard, conn);
    }
    bool off = conn->in.size >= INPUT_MAX;
    if (off != conn->receive_off && !conn->closing) {
        conn->receive_off = off;
        shard->io->ops->conn_receive(shard->io, conn->id, !off);
    }
}

void hf_http__received(hf_shard *shard, hf_conn *conn, hf_bytes data)
{
    hf_http *http = http_of(conn);
    if (http == NULL) {
        return;
    }
    if (conn->in.size == 0) {
        http->since_ns = shard->io->now_ns;
    }
    hf_buf_raw(&conn->in, data.data, data.size);
    if (conn->in.failed) {
        hf_conn__close(shard, conn);
        return;
    }
    work(shard, conn);
}

/* Requests that are there are still answered. */
void hf_http__ended(hf_shard *shard, hf_conn *conn)
{
    if (http_of(conn) != NULL) {
        work(shard, conn);
    }
}

void hf_http__resume(hf_shard *shard, hf_ticket ticket)
{
    hf_conn *conn = hf_conn__find(shard, ticket.place);
    if (conn != NULL && conn->listener == HF_LISTENER_HTTP && conn->extra != NULL) {
        http_of(conn)->waiting = false;
    }
}

/* Goes on with what waits, and closes who is too slow. */
uint64_t hf_http__turn(hf_shard *shard)
{
    uint64_t now = shard->io->now_ns;
    hf_conn *conn = hf_server_of(shard)->http_first;
    uint64_t due = conn == NULL ? UINT64_MAX : now + tick_ns;
    while (conn != NULL) {
        hf_http *http = http_of(conn);
        hf_conn *next = http->next;
        if (conn->in.size != 0 || (conn->ended && !conn->close_after)) {
            work(shard, conn);
        }
        bool half = conn->in.size != 0 && !http->waiting && conn->out.size == 0;
        if (!conn->closing && !conn->close_after && !http->waiting) {
            if (half && now - http->since_ns > head_ns) {
                refuse(shard, conn, 408, true);
            } else if (now - http->since_ns > idle_ns) {
                hf_conn__close(shard, conn);
            }
        }
        conn = next;
    }
    return due;
}
