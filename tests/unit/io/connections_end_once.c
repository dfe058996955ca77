/* How connections end and are held back: slow readers and writers, closes in every moment, limits,
 * the stop of a node. */
#include "tests/unit/io/world.h"
#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

typedef enum conduct {
    CLOSE_AT_ACCEPT, /* close in on_accept */
    CLOSE_AT_DATA,   /* answer, and close in the same call: the answer arrives */
    CLOSE_IN_SEND,   /* close while a send cannot go on */
    HOLD_AND_RESUME, /* receive stops at the first byte, goes on at the next turn that is asked */
    SEND_TO_SLOW,    /* one large send */
    ANSWER_AT_END,   /* one large send when the client has ended its side, then close */
    LEAVE_OPEN,      /* nothing */
} conduct;

enum { LARGE = 32 * 1024 * 1024 };

typedef struct server {
    hf_io *io;
    conduct mode;
    uint8_t *large;
    hf_conn_id conn; /* the newest */
    _Atomic(uint64_t) received;
    _Atomic(uint32_t) accepted;
    _Atomic(uint32_t) ended;
    _Atomic(uint32_t) sent;
    _Atomic(uint32_t) closed;
    _Atomic(bool) resume;
    _Atomic(uint32_t) turns;
    bool held;
    bool closed_this; /* on_closed was the last call of `conn` */
    uint32_t sum;
} server;

static void wait_for_count(const _Atomic(uint32_t) *count, uint32_t least)
{
    while (atomic_load(count) < least) {
        (void)sched_yield();
    }
}

static void on_accept(void *context, hf_conn_id conn, hf_listener listener)
{
    server *s = context;
    (void)listener;
    HF_ASSERT(conn != s->conn);
    s->conn = conn;
    s->closed_this = false;
    if (s->mode == CLOSE_AT_ACCEPT) {
        s->io->ops->conn_close(s->io, conn);
    } else if (s->mode == CLOSE_IN_SEND || s->mode == SEND_TO_SLOW) {
        s->io->ops->conn_send(s->io, conn, hf_bytes_of(s->large, LARGE));
    }
    atomic_fetch_add(&s->accepted, 1);
}

static void on_received(void *context, hf_conn_id conn, hf_bytes data)
{
    server *s = context;
    HF_ASSERT(conn == s->conn && !s->closed_this && s->mode != CLOSE_AT_ACCEPT);
    for (uint32_t i = 0; i < data.size; i++) {
        s->sum = s->sum * 31 + data.data[i];
    }
    atomic_fetch_add(&s->received, data.size);
    if (s->mode == CLOSE_AT_DATA) {
        s->io->ops->conn_send(s->io, conn, HF_LIT("bye\r\n"));
        s->io->ops->conn_close(s->io, conn);
        s->io->ops->conn_close(s->io, conn); /* twice is once */
    } else if (s->mode == CLOSE_IN_SEND) {
        s->io->ops->conn_close(s->io, conn);
    } else if (s->mode == HOLD_AND_RESUME && !s->held) {
        s->held = true;
        s->io->ops->conn_receive(s->io, conn, false);
    }
}

static void on_eof(void *context, hf_conn_id conn)
{
    server *s = context;
    HF_ASSERT(conn == s->conn && !s->closed_this);
    atomic_fetch_add(&s->ended, 1);
    s->io->ops->conn_receive(s->io, conn, true); /* there is nothing to be received any more */
    if (s->mode == ANSWER_AT_END) {
        s->io->ops->conn_send(s->io, conn, hf_bytes_of(s->large, LARGE));
    } else {
        s->io->ops->conn_close(s->io, conn);
    }
}

static void on_sent(void *context, hf_conn_id conn)
{
    server *s = context;
    HF_ASSERT(conn == s->conn && !s->closed_this &&
              (s->mode == SEND_TO_SLOW || s->mode == ANSWER_AT_END));
    if (s->mode == ANSWER_AT_END) {
        s->io->ops->conn_close(s->io, conn);
    }
    atomic_fetch_add(&s->sent, 1);
}

static void on_closed(void *context, hf_conn_id conn)
{
    server *s = context;
    HF_ASSERT(conn != s->conn || !s->closed_this);
    s->closed_this = s->closed_this || conn == s->conn;
    if (s->large != NULL) {
        memset(s->large, 0,
               LARGE); /* ours again: the sanitizer and the reader would see a late use */
    }
    s->io->ops->conn_receive(s->io, conn, true); /* too late is ignored */
    s->io->ops->conn_close(s->io, conn);
    atomic_fetch_add(&s->closed, 1);
}

static uint64_t on_turn(void *context)
{
    server *s = context;
    atomic_fetch_add(&s->turns, 1);
    if (atomic_load(&s->resume) && s->held) {
        s->held = false;
        s->mode = LEAVE_OPEN;
        /* On, off and on again in one turn must end in on, though the first was cancelled. */
        s->io->ops->conn_receive(s->io, s->conn, true);
        s->io->ops->conn_receive(s->io, s->conn, false);
        s->io->ops->conn_receive(s->io, s->conn, true);
    }
    return UINT64_MAX;
}

typedef struct stage {
    world w;
    server s;
    uint16_t port;
    uint16_t http_port;
} stage;

static void begin(stage *t, conduct mode, hf_uring_config config)
{
    static hf_io_handler handler;
    handler = world_handler;
    handler.on_accept = on_accept;
    handler.on_received = on_received;
    handler.on_eof = mode == LEAVE_OPEN ? NULL : on_eof; /* without it the end closes */
    handler.on_sent = on_sent;
    handler.on_closed = on_closed;
    handler.on_turn = on_turn;
    *t = (stage){ 0 };
    world_open(&t->w, config, NULL);
    t->port = world_listen(&t->w, HF_LISTENER_CLIENT);
    t->http_port = world_listen(&t->w, HF_LISTENER_HTTP);
    t->s.io = world_io(&t->w, 0);
    t->s.mode = mode;
    if (mode == CLOSE_IN_SEND || mode == SEND_TO_SLOW || mode == ANSWER_AT_END) {
        t->s.large = malloc(LARGE);
        assert_non_null(t->s.large);
        for (uint32_t i = 0; i < LARGE; i++) {
            t->s.large[i] = (uint8_t)(i * 13 + i / 1024);
        }
    }
    world_start(&t->w, 0, &handler, &t->s);
}

static void end(stage *t)
{
    hf_uring_stop(t->w.node);
    world_join(&t->w);
    world_close(&t->w);
    free(t->s.large);
}

static void closed_in_accept(void **state)
{
    (void)state;
    stage t;
    char c;
    begin(&t, CLOSE_AT_ACCEPT, (hf_uring_config){ 0 });
    for (uint32_t i = 0; i < 100; i++) {
        int fd = client_open(t.port);
        assert_int_equal(client_read_end(fd, &c, 1), 0);
        (void)close(fd);
    }
    wait_for_count(&t.s.closed, 100);
    end(&t);
    assert_int_equal(t.s.closed, 100);
}

static void an_answer_before_close_arrives(void **state)
{
    (void)state;
    stage t;
    char text[16];
    begin(&t, CLOSE_AT_DATA, (hf_uring_config){ 0 });
    for (uint32_t i = 0; i < 100; i++) {
        int fd = client_open(t.port);
        client_write(fd, "quit\r\n", 6);
        assert_int_equal(client_read_end(fd, text, sizeof text), 5);
        assert_memory_equal(text, "bye\r\n", 5);
        (void)close(fd);
    }
    wait_for_count(&t.s.closed, 100);
    end(&t);
    assert_int_equal(t.s.closed, 100);
}

/* The client does not read, so the send hangs; then it makes the server close, or goes away itself.
 */
static void a_hanging_send_is_ended(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 10; i++) {
        stage t;
        begin(&t, CLOSE_IN_SEND, (hf_uring_config){ 0 });
        int fd = client_open_slow(t.port);
        wait_for_count(&t.s.accepted, 1);
        if (i % 2 == 0) {
            client_write(fd, "x", 1);
        } else {
            struct linger hard = { .l_onoff = 1 };
            assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard), 0);
            (void)close(fd);
        }
        wait_for_count(&t.s.closed, 1);
        if (i % 2 == 0) {
            (void)close(fd);
        }
        end(&t);
        assert_int_equal(t.s.closed, 1);
        assert_int_equal(t.s.sent, 0);
    }
}

static void a_slow_reader_gets_everything(void **state)
{
    (void)state;
    stage t;
    uint8_t *in = malloc(LARGE);
    assert_non_null(in);
    begin(&t, SEND_TO_SLOW, (hf_uring_config){ 0 });
    int fd = client_open_slow(t.port);
    wait_for_count(&t.s.accepted, 1);
    assert_int_equal(t.s.sent, 0);
    client_read(fd, in, LARGE);
    wait_for_count(&t.s.sent, 1);
    for (uint32_t i = 0; i < LARGE; i++) {
        if (in[i] != (uint8_t)(i * 13 + i / 1024)) {
            fail_msg("byte %u differs", (unsigned)i);
        }
    }
    (void)close(fd);
    wait_for_count(&t.s.closed, 1);
    end(&t);
    assert_int_equal(t.s.sent, 1);
    free(in);
}

static void an_ended_client_is_answered(void **state)
{
    (void)state;
    stage t;
    uint8_t *in = malloc(LARGE);
    assert_non_null(in);
    begin(&t, ANSWER_AT_END, (hf_uring_config){ 0 });
    int fd = client_open_slow(t.port);
    client_write(fd, "x", 1);
    assert_int_equal(shutdown(fd, SHUT_WR), 0);
    client_read(fd, in, LARGE);
    for (uint32_t i = 0; i < LARGE; i++) {
        if (in[i] != (uint8_t)(i * 13 + i / 1024)) {
            fail_msg("byte %u differs", (unsigned)i);
        }
    }
    assert_int_equal(client_read_end(fd, (char *)in, 1), 0); /* and then it ends */
    (void)close(fd);
    wait_for_count(&t.s.closed, 1);
    end(&t);
    assert_int_equal(t.s.received, 1);
    assert_int_equal(t.s.ended, 1);
    assert_int_equal(t.s.sent, 1);
    free(in);
}

/* A server that stops receiving makes the client's writes stop, within what sockets hold; when it
 * goes on, every byte comes, in order. */
static void a_fast_writer_is_held_back(void **state)
{
    (void)state;
    enum { PIECE = 64 * 1024 };
    stage t;
    static uint8_t piece[PIECE];
    uint32_t sum = 0;
    uint64_t wrote = 0;
    begin(&t, HOLD_AND_RESUME, (hf_uring_config){ 0 });
    int fd = client_open(t.port);
    struct timeval limit = { .tv_usec = 300000 };
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit), 0);
    for (;;) {
        for (uint32_t i = 0; i < PIECE; i++) {
            piece[i] = (uint8_t)((wrote + i) * 7 + (wrote + i) / 256);
        }
        ssize_t size = send(fd, piece, PIECE, MSG_NOSIGNAL);
        if (size < 0) {
            assert_true(errno == EAGAIN); /* held back */
            break;
        }
        for (ssize_t i = 0; i < size; i++) {
            sum = sum * 31 + piece[i];
        }
        wrote += (uint64_t)size;
        assert_true(wrote < UINT64_C(1) << 30);
    }
    uint64_t before = atomic_load(&t.s.received);
    assert_true(before > 0);
    assert_true(before < wrote); /* the rest is in the sockets */
    atomic_store(&t.s.resume, true);
    hf_uring_wake(t.w.node);
    while (atomic_load(&t.s.received) < wrote) {
        (void)sched_yield();
    }
    (void)close(fd);
    wait_for_count(&t.s.closed, 1);
    end(&t);
    assert_true(t.s.received == wrote);
    assert_true(t.s.sum == sum);
}

static void above_the_limit_clients_are_told(void **state)
{
    (void)state;
    static const char told[] = "-ERR max number of clients reached\r\n";
    stage t;
    char text[64] = "";
    int fds[3];
    begin(&t, LEAVE_OPEN, (hf_uring_config){ .connections = 3 });
    for (uint32_t i = 0; i < 3; i++) {
        fds[i] = client_open(t.port);
    }
    wait_for_count(&t.s.accepted, 3);
    int more = client_open(t.port);
    assert_int_equal(client_read_end(more, text, sizeof text), sizeof told - 1);
    assert_memory_equal(text, told, sizeof told - 1);
    (void)close(more);
    more = client_open(t.http_port);
    assert_true(client_read_end(more, text, sizeof text) > 12);
    assert_memory_equal(text, "HTTP/1.1 503", 12);
    (void)close(more);
    for (uint32_t i = 0; i < 3; i++) {
        (void)close(fds[i]);
    }
    hf_uring_stop(t.w.node);
    world_join(&t.w);
    assert_int_equal(hf_uring_stats(t.s.io)->refused, 2);
    end(&t);
    assert_int_equal(t.s.accepted, 3);
}

static void a_port_has_one_owner(void **state)
{
    (void)state;
    stage t;
    world other;
    begin(&t, LEAVE_OPEN, (hf_uring_config){ 0 });
    world_open(&other, (hf_uring_config){ 0 }, NULL);
    assert_int_equal(hf_uring_listen(other.node, HF_LISTENER_CLIENT, NULL, t.port, 0, NULL),
                     HF_E_BUSY);
    assert_non_null(strstr(hf_uring_problem(), "taken"));
    assert_int_equal(hf_uring_listen(other.node, HF_LISTENER_CLIENT, "no such host.", 0, 0, NULL),
                     HF_E_INVALID);
    world_close(&other);
    end(&t);
}

/* Stop with a hanging send, a receive and an accept in flight: the run returns, twice on one port.
 */
static void stop_ends_everything(void **state)
{
    (void)state;
    stage t;
    char c;
    begin(&t, SEND_TO_SLOW, (hf_uring_config){ 0 });
    int fd = client_open_slow(t.port);
    wait_for_count(&t.s.accepted, 1);
    uint16_t port = t.port;
    end(&t);
    assert_int_equal(t.s.closed, 0); /* no handler is called after stop */
    (void)client_read_end(fd, &c, 1);
    (void)close(fd);
    world again;
    world_open(&again, (hf_uring_config){ 0 }, NULL);
    assert_int_equal(hf_uring_listen(again.node, HF_LISTENER_CLIENT, NULL, port, 0, NULL), HF_OK);
    world_close(&again);
}

static void wake_makes_a_turn(void **state)
{
    (void)state;
    stage t;
    begin(&t, LEAVE_OPEN, (hf_uring_config){ 0 });
    wait_for_count(&t.s.turns, 1);
    for (uint32_t i = 0; i < 100; i++) {
        uint32_t before = atomic_load(&t.s.turns);
        hf_uring_wake(t.w.node);
        wait_for_count(&t.s.turns, before + 1);
    }
    end(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(closed_in_accept),
        cmocka_unit_test(an_answer_before_close_arrives),
        cmocka_unit_test(a_hanging_send_is_ended),
        cmocka_unit_test(a_slow_reader_gets_everything),
        cmocka_unit_test(an_ended_client_is_answered),
        cmocka_unit_test(a_fast_writer_is_held_back),
        cmocka_unit_test(above_the_limit_clients_are_told),
        cmocka_unit_test(a_port_has_one_owner),
        cmocka_unit_test(stop_ends_everything),
        cmocka_unit_test(wake_makes_a_turn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
