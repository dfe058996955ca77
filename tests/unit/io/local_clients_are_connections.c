/* A client in this process: bytes both ways through full pipes, waking both ways, cut and closed at
 * any time, and told of every end. */
#include "engine/io/local.h"
#include "engine/io/pipe.h"
#include "tests/unit/io/world.h"
#include <poll.h>

enum { LOCALS = 4, HOLD = 4 << 20 };

/* Echoes; a first byte of 'x' has the connection cut. */
typedef struct side {
    hf_conn_id id;
    uint8_t *held;
    uint32_t size, sending;
    bool open;
} side;

typedef struct echo {
    hf_io *io;
    side sides[LOCALS];
    _Atomic(uint32_t) accepted, closed;
} echo;

static side *side_of(echo *e, hf_conn_id id)
{
    for (int i = 0; i < LOCALS; i++) {
        if (e->sides[i].open && e->sides[i].id == id) {
            return &e->sides[i];
        }
    }
    HF_ASSERT(false);
    return NULL;
}

static void on_accept(void *context, hf_conn_id conn, hf_listener listener)
{
    echo *e = context;
    HF_ASSERT(listener == HF_LISTENER_LOCAL);
    HF_ASSERT(strcmp(e->io->ops->conn_peer(e->io, conn), "local") == 0);
    for (int i = 0; i < LOCALS; i++) {
        if (!e->sides[i].open) {
            uint8_t *held = e->sides[i].held != NULL ? e->sides[i].held : malloc(HOLD);
            HF_ASSERT(held != NULL);
            e->sides[i] = (side){ .id = conn, .held = held, .open = true };
            atomic_fetch_add(&e->accepted, 1);
            return;
        }
    }
    HF_ASSERT(false);
}

static void send_held(echo *e, side *s)
{
    if (s->sending == 0 && s->size != 0) {
        s->sending = s->size;
        e->io->ops->conn_send(e->io, s->id, hf_bytes_of(s->held, s->size));
    }
    e->io->ops->conn_receive(e->io, s->id, s->size < HOLD / 2);
}

static void on_received(void *context, hf_conn_id conn, hf_bytes data)
{
    echo *e = context;
    side *s = side_of(e, conn);
    if (data.data[0] == 'x') {
        e->io->ops->conn_close(e->io, conn);
        return;
    }
    HF_ASSERT(s->size + data.size <= HOLD);
    memcpy(s->held + s->size, data.data, data.size);
    s->size += data.size;
    send_held(e, s);
}

static void on_sent(void *context, hf_conn_id conn)
{
    echo *e = context;
    side *s = side_of(e, conn);
    memmove(s->held, s->held + s->sending, s->size - s->sending);
    s->size -= s->sending;
    s->sending = 0;
    send_held(e, s);
}

static void on_closed(void *context, hf_conn_id conn)
{
    echo *e = context;
    side_of(e, conn)->open = false;
    atomic_fetch_add(&e->closed, 1);
}

static hf_io_handler handler_of(void)
{
    hf_io_handler handler = world_handler;
    handler.on_accept = on_accept;
    handler.on_received = on_received;
    handler.on_sent = on_sent;
    handler.on_closed = on_closed;
    return handler;
}

static uint8_t byte_at(uint64_t place)
{
    return (uint8_t)('a' + place * 2654435761u % 23);
}

static void wait_for_more(hf_local *local, uint16_t core)
{
    struct pollfd fd = { .fd = hf_local_fd(local), .events = POLLIN };
    hf_local_arm(local);
    if (hf_pipe_peek(hf_local_pipe(local, core)).size == 0 && hf_local_alive(local, core)) {
        assert_true(poll(&fd, 1, 60000) == 1);
    }
    hf_local_disarm(local);
}

/* Sends and takes back `size` bytes, a little at a time or as much as there is room for. */
static void exchange(hf_local *local, uint16_t core, uint64_t size, uint32_t step, bool lazy)
{
    uint64_t sent = 0;
    uint64_t got = 0;
    uint8_t piece[64 * 1024];
    while (got < size) {
        uint64_t want = size - sent < step ? size - sent : step;
        for (uint64_t i = 0; i < want; i++) {
            piece[i] = byte_at(sent + i);
        }
        uint32_t put = hf_local_put(local, core, hf_bytes_of(piece, want));
        sent += put;
        if (put != 0) {
            hf_local_ring(local, core);
        }
        if (lazy && sent < size && put != 0) {
            continue; /* takes nothing back before nothing more goes in */
        }
        hf_bytes bytes = hf_pipe_peek(hf_local_pipe(local, core));
        if (bytes.size == 0) {
            wait_for_more(local, core);
            continue;
        }
        for (uint32_t i = 0; i < bytes.size; i++) {
            assert_int_equal(bytes.data[i], byte_at(got + i));
        }
        got += bytes.size;
        hf_pipe_take(hf_local_pipe(local, core), bytes.size);
        hf_local_took(local, core);
    }
    assert_int_equal(sent, size);
}

typedef struct fixture {
    world w;
    echo echoes[WORLD_CORES];
    hf_io_handler handler;
} fixture;

static fixture *opened(void)
{
    fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    hf_uring_config config = { .core_count = WORLD_CORES, .locals = LOCALS };
    world_open(&f->w, config, NULL);
    f->handler = handler_of();
    for (uint16_t i = 0; i < WORLD_CORES; i++) {
        f->echoes[i].io = world_io(&f->w, i);
        world_start(&f->w, i, &f->handler, &f->echoes[i]);
    }
    return f;
}

static void closed(fixture *f)
{
    hf_uring_stop(f->w.node);
    world_join(&f->w);
    world_close(&f->w);
    for (int i = 0; i < WORLD_CORES; i++) {
        for (int k = 0; k < LOCALS; k++) {
            free(f->echoes[i].sides[k].held);
        }
    }
    free(f);
}

static void bytes_go_both_ways(void **state)
{
    (void)state;
    fixture *f = opened();
    hf_local *local = hf_local_take(f->w.node);
    assert_non_null(local);
    for (int i = 0; i < 2000; i++) { /* both sleep in between, or not */
        exchange(local, (uint16_t)(i % WORLD_CORES), 100, 100, false);
    }
    exchange(local, 0, 3 << 20, 777, false);
    exchange(local, 1, 3 << 20, 64 * 1024, true); /* both pipes and what the core holds are full */
    hf_local_give(local);
    assert_int_equal(f->echoes[0].closed, 1);
    assert_int_equal(f->echoes[1].closed, 1);
    closed(f);
}

static void the_core_may_cut(void **state)
{
    (void)state;
    fixture *f = opened();
    for (int i = 0; i < 100; i++) {
        hf_local *local = hf_local_take(f->w.node);
        assert_non_null(local);
        assert_int_equal(hf_local_put(local, 0, HF_LIT("xxxx")), 4);
        hf_local_ring(local, 0);
        while (i % 2 == 0 && hf_local_alive(local, 0)) { /* or is closed by both at a time */
            wait_for_more(local, 0);
        }
        hf_local_give(local);
    }
    closed(f);
}

static void there_are_so_many(void **state)
{
    (void)state;
    fixture *f = opened();
    hf_local *locals[LOCALS];
    for (int round = 0; round < 50; round++) {
        for (int i = 0; i < LOCALS; i++) {
            locals[i] = hf_local_take(f->w.node);
            assert_non_null(locals[i]);
        }
        assert_null(hf_local_take(f->w.node));
        for (int i = 0; i < LOCALS; i++) {
            hf_local_give(locals[i]);
        }
    }
    assert_int_equal(atomic_load(&f->echoes[0].accepted), atomic_load(&f->echoes[0].closed));
    closed(f);
}

static void a_stop_is_told(void **state)
{
    (void)state;
    fixture *f = opened();
    hf_local *local = hf_local_take(f->w.node);
    assert_non_null(local);
    exchange(local, 0, 10, 10, false);
    hf_uring_stop(f->w.node);
    hf_local_wake_all(f->w.node);
    while (hf_local_alive(local, 0)) {
        wait_for_more(local, 0);
    }
    hf_local_give(local); /* does not wait for cores that have ended */
    closed(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_go_both_ways),
        cmocka_unit_test(the_core_may_cut),
        cmocka_unit_test(there_are_so_many),
        cmocka_unit_test(a_stop_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
