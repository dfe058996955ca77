/* Echo over TCP: many connections over two cores, big and pipelined data, starved buffers. */
#include "tests/unit/io/world.h"
#include <sys/socket.h>
#include <sys/utsname.h>
#include <unistd.h>

enum { CONNECTIONS = 1000, SLOTS = 2048, HOLD = 256 * 1024 };

typedef struct side {
    hf_conn_id id;
    uint8_t *held; /* to send: [sent, size) while sending, new bytes behind */
    uint32_t size;
    uint32_t sending;
    bool open;
} side;

typedef struct echo {
    hf_io *io;
    side *sides;
    _Atomic(uint32_t) accepted;
    uint64_t closed;
    hf_listener listener;
    _Atomic(uint64_t) gathers; /* as of the last turn */
} echo;

/* Connections of one core have numbers that differ in bits 36 to 55: the place in the table. */
static side *place_of(echo *e, hf_conn_id id)
{
    uint64_t place = id >> 36 & 0xfffff;
    HF_ASSERT(place < SLOTS);
    return &e->sides[place];
}

static side *side_of(echo *e, hf_conn_id id)
{
    side *s = place_of(e, id);
    HF_ASSERT(s->open && s->id == id);
    return s;
}

static void on_accept(void *context, hf_conn_id conn, hf_listener listener)
{
    echo *e = context;
    HF_ASSERT(conn != 0 && listener == e->listener);
    HF_ASSERT(strncmp(e->io->ops->conn_peer(e->io, conn), "127.0.0.1:", 10) == 0);
    atomic_fetch_add(&e->accepted, 1);
    side *s = place_of(e, conn);
    HF_ASSERT(!s->open && s->id != conn); /* never reused */
    s->id = conn;
    s->open = true;
    s->size = s->sending = 0;
}

static void send_held(echo *e, side *s)
{
    if (s->sending == 0 && s->size != 0) {
        s->sending = s->size;
        e->io->ops->conn_send(e->io, s->id, hf_bytes_of(s->held, s->size));
    }
}

static void on_received(void *context, hf_conn_id conn, hf_bytes data)
{
    echo *e = context;
    side *s = side_of(e, conn);
    HF_ASSERT(s->size + data.size <= HOLD);
    if (s->held == NULL) {
        s->held = malloc(HOLD);
        HF_ASSERT(s->held != NULL);
    }
    memcpy(s->held + s->size, data.data, data.size);
    s->size += data.size;
    send_held(e, s);
}

static void on_sent(void *context, hf_conn_id conn)
{
    echo *e = context;
    side *s = side_of(e, conn);
    HF_ASSERT(s->sending != 0);
    memmove(s->held, s->held + s->sending, s->size - s->sending);
    s->size -= s->sending;
    s->sending = 0;
    send_held(e, s);
}

static void on_closed(void *context, hf_conn_id conn)
{
    echo *e = context;
    side *s = side_of(e, conn);
    s->open = false;
    e->closed++;
}

static uint64_t on_turn(void *context)
{
    echo *e = context;
    atomic_store(&e->gathers, hf_uring_stats(e->io)->gathers);
    return UINT64_MAX;
}

typedef struct party {
    world w;
    echo echoes[WORLD_CORES];
    uint16_t port;
} party;

static void begin(party *p, hf_uring_config config, hf_listener listener)
{
    static hf_io_handler handler;
    handler = world_handler;
    handler.on_accept = on_accept;
    handler.on_received = on_received;
    handler.on_sent = on_sent;
    handler.on_closed = on_closed;
    handler.on_turn = on_turn;
    world_open(&p->w, config, NULL);
    p->port = world_listen(&p->w, listener);
    for (uint16_t i = 0; i < config.core_count; i++) {
        p->echoes[i] = (echo){ .io = world_io(&p->w, i),
                               .sides = calloc(SLOTS, sizeof(side)),
                               .listener = listener };
        assert_non_null(p->echoes[i].sides);
        world_start(&p->w, i, &handler, &p->echoes[i]);
    }
}

static void end(party *p, uint16_t cores)
{
    hf_uring_stop(p->w.node);
    world_join(&p->w);
    for (uint16_t i = 0; i < cores; i++) {
        for (uint32_t j = 0; j < SLOTS; j++) {
            free(p->echoes[i].sides[j].held);
        }
        free(p->echoes[i].sides);
    }
    world_close(&p->w);
}

static void thousand_connections(void **state)
{
    (void)state;
    party p;
    int fds[CONNECTIONS];
    begin(&p, (hf_uring_config){ .core_count = 2, .connections = 512 }, HF_LISTENER_CLIENT);
    for (uint32_t i = 0; i < CONNECTIONS; i++) {
        fds[i] = client_open(p.port);
    }
    for (uint32_t round = 0; round < 3; round++) {
        for (uint32_t i = 0; i < CONNECTIONS; i++) {
            uint32_t words[4] = { i, round, ~i, 7 };
            client_write(fds[i], words, sizeof words);
        }
        for (uint32_t i = 0; i < CONNECTIONS; i++) {
            uint32_t words[4] = { 0 };
            client_read(fds[i], words, sizeof words);
            assert_true(words[0] == i && words[1] == round && words[2] == ~i && words[3] == 7);
        }
    }
    /* In turn. */
    assert_int_equal(atomic_load(&p.echoes[0].accepted), CONNECTIONS / 2);
    assert_int_equal(atomic_load(&p.echoes[1].accepted), CONNECTIONS / 2);
    for (uint32_t i = 0; i < CONNECTIONS; i++) {
        (void)close(fds[i]);
    }
    /* The cores hold 1024 together: as many new ones find room when the old ones are gone. */
    for (uint32_t i = 0; i < CONNECTIONS; i++) {
        char c = 0;
        do {
            fds[i] = client_open(p.port);
            client_write(fds[i], "x", 1);
            if (recv(fds[i], &c, 1, 0) != 1 || c != 'x') {
                (void)close(fds[i]); /* refused: an old one is still going */
                c = 0;
            }
        } while (c != 'x');
    }
    for (uint32_t i = 0; i < CONNECTIONS; i++) {
        (void)close(fds[i]);
    }
    hf_uring_stop(p.w.node);
    world_join(&p.w);
    assert_int_equal(p.echoes[0].accepted + p.echoes[1].accepted, 2 * CONNECTIONS);
    end(&p, 2);
}

/* Few and small buffers: receives run out of them and begin again, nothing is lost or mixed up. */
static void starved_buffers_lose_nothing(void **state)
{
    (void)state;
    enum { FEW = 50, SIZE = 40000 };
    party p;
    int fds[FEW];
    uint8_t *out = malloc(SIZE);
    uint8_t *in = malloc(SIZE);
    begin(&p, (hf_uring_config){ .core_count = 1, .recv_buffers = 2, .recv_buffer_size = 512 },
          HF_LISTENER_HTTP);
    for (uint32_t i = 0; i < FEW; i++) {
        fds[i] = client_open(p.port);
    }
    for (uint32_t i = 0; i < FEW; i++) {
        for (uint32_t j = 0; j < SIZE; j++) {
            out[j] = (uint8_t)(i * 31 + j * 7 + j / 256);
        }
        client_write(fds[i], out, SIZE);
    }
    for (uint32_t i = 0; i < FEW; i++) {
        for (uint32_t j = 0; j < SIZE; j++) {
            out[j] = (uint8_t)(i * 31 + j * 7 + j / 256);
        }
        client_read(fds[i], in, SIZE);
        assert_memory_equal(in, out, SIZE);
        (void)close(fds[i]);
    }
    hf_uring_stop(p.w.node);
    world_join(&p.w);
    assert_true(hf_uring_stats(world_io(&p.w, 0))->recv_starved > 0);
    assert_int_equal(hf_uring_stats(world_io(&p.w, 0))->bytes_in, FEW * SIZE);
    free(out);
    free(in);
    end(&p, 1);
}

/* Whether the kernel knows of a least time to wait. */
static bool can_gather(void)
{
    struct utsname kernel;
    assert_int_equal(uname(&kernel), 0);
    char *rest;
    unsigned long major = strtoul(kernel.release, &rest, 10);
    return major > 6 || (major == 6 && *rest == '.' && strtoul(rest + 1, NULL, 10) >= 12);
}

/* A core that waits for several answers all the same when only one comes. */
static void what_is_gathered_is_answered(void **state)
{
    (void)state;
    enum { MANY = 64, PATIENCE_S = 60 };
    party p;
    int fds[MANY];
    begin(&p, (hf_uring_config){ .core_count = 1, .gather_us = 1000, .gather_always = true },
          HF_LISTENER_CLIENT);
    for (uint32_t i = 0; i < MANY; i++) {
        fds[i] = client_open(p.port);
    }
    uint64_t until = hf_clock_now_ns() + PATIENCE_S * UINT64_C(1000000000);
    bool can = can_gather();
    bool gathered = false;
    for (uint32_t round = 0; round < 200 || (can && !gathered); round++) {
        uint32_t word = 0;
        for (uint32_t i = 0; i < MANY; i++) {
            client_write(fds[i], &i, sizeof i);
        }
        for (uint32_t i = 0; i < MANY; i++) {
            client_read(fds[i], &word, sizeof word);
            assert_int_equal(word, i);
        }
        client_write(fds[round % MANY], &round, sizeof round); /* alone */
        client_read(fds[round % MANY], &word, sizeof word);
        assert_int_equal(word, round);
        gathered = atomic_load(&p.echoes[0].gathers) > 1;
        assert_true(hf_clock_now_ns() < until);
    }
    for (uint32_t i = 0; i < MANY; i++) {
        (void)close(fds[i]);
    }
    end(&p, 1);
}

/* Not a bound, a figure: the processor time that the server needs for an echo. */
static void cost_of_an_echo(void **state)
{
    (void)state;
    enum { FEW = 50, ROUNDS = 400 };
    party p;
    int fds[FEW];
    char word[64] = "echo";
    begin(&p, (hf_uring_config){ .core_count = 1 }, HF_LISTENER_CLIENT);
    for (uint32_t i = 0; i < FEW; i++) {
        fds[i] = client_open(p.port);
    }
    for (uint32_t round = 0; round < ROUNDS; round++) {
        for (uint32_t i = 0; i < FEW; i++) {
            client_write(fds[i], word, sizeof word);
        }
        for (uint32_t i = 0; i < FEW; i++) {
            client_read(fds[i], word, sizeof word);
        }
    }
    hf_uring_stop(p.w.node);
    world_join(&p.w);
    const hf_uring_counters *c = hf_uring_stats(world_io(&p.w, 0));
    uint64_t echoes = FEW * ROUNDS;
    print_message("%llu echoes: %.0f ns CPU each, %.2f enters, %.2f sleeps, %.2f operations each\n",
                  (unsigned long long)echoes, (double)p.w.cores[0].cpu_ns / (double)echoes,
                  (double)c->enters / (double)echoes, (double)c->sleeps / (double)echoes,
                  (double)c->sqes / (double)echoes);
    /* One call of the kernel a turn at the most, but for the rare full queue. */
    assert_true(c->enters <= c->turns + c->sq_full + 10);
    for (uint32_t i = 0; i < FEW; i++) {
        (void)close(fds[i]);
    }
    end(&p, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(thousand_connections),
        cmocka_unit_test(starved_buffers_lose_nothing),
        cmocka_unit_test(what_is_gathered_is_answered),
        cmocka_unit_test(cost_of_an_echo),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
