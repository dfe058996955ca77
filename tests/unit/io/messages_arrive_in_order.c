/* Two reactors exchange messages: a million in a window, a single one to and fro, with and without
 * spinning, and one core posting to itself. */
#include "tests/unit/io/world.h"

enum { WINDOW = 2000, STREAM = 1000000 };

typedef struct note {
    hf_msg msg;
    uint64_t number;
    bool out; /* touched by its maker only */
} note;

typedef struct party {
    hf_io *io;
    note *notes; /* WINDOW of them */
    uint64_t target;
    uint64_t window;
    uint64_t sent;
    uint64_t got;
    uint64_t returned;
    uint64_t began_ns;
    bool asks;
    hf_uring_node *node;
} party;

static void send_next(party *p, uint64_t number)
{
    note *next = &p->notes[number % WINDOW];
    HF_ASSERT(!next->out);
    next->msg = (hf_msg){ .size = sizeof *next, .kind = 7 };
    next->number = number;
    next->out = true;
    hf_io_post(p->io, (uint16_t)(1 - p->io->core), &next->msg);
    p->sent++;
}

static void on_message(void *context, const hf_msg *msg)
{
    party *p = context;
    const note *got = (const note *)(const void *)msg;
    HF_ASSERT(msg->kind == 7 && msg->from == 1 - p->io->core && msg->size == sizeof *got);
    HF_ASSERT(got->number == p->got);
    p->got++;
    if (!p->asks) {
        send_next(p, got->number);
    }
}

static void on_message_back(void *context, hf_msg *msg)
{
    party *p = context;
    note *home = (note *)(void *)msg;
    HF_ASSERT(home->out && home->number == p->returned);
    home->out = false;
    p->returned++;
}

static uint64_t on_turn(void *context)
{
    party *p = context;
    if (p->asks) {
        /* A number's memory is free when it came back, and its answer came after that at the latest
         * one turn. */
        while (p->sent < p->target && p->sent - p->got < p->window &&
               p->sent - p->returned < WINDOW) {
            send_next(p, p->sent);
        }
        if (p->got == p->target) {
            hf_uring_stop(p->node);
        }
    }
    return UINT64_MAX;
}

static void exchange(uint32_t spin_us, uint64_t target, uint64_t window, uint64_t *sleeps)
{
    world w;
    party parties[2] = { 0 };
    hf_io_handler handler = world_handler;
    handler.on_message = on_message;
    handler.on_message_back = on_message_back;
    handler.on_turn = on_turn;
    world_open(&w, (hf_uring_config){ .core_count = 2, .spin_us = spin_us, .mailbox_slots = 4096 },
               NULL);
    for (uint16_t i = 0; i < 2; i++) {
        parties[i] = (party){ .io = world_io(&w, i),
                              .notes = calloc(WINDOW, sizeof(note)),
                              .target = target,
                              .window = window,
                              .asks = i == 0,
                              .node = w.node };
        assert_non_null(parties[i].notes);
    }
    uint64_t began = hf_clock_now_ns();
    world_start(&w, 0, &handler, &parties[0]);
    world_start(&w, 1, &handler, &parties[1]);
    world_join(&w);
    uint64_t took = hf_clock_now_ns() - began;
    assert_true(parties[0].got == target);
    assert_true(parties[1].got == target);
    assert_true(hf_uring_stats(world_io(&w, 1))->messages == target);
    *sleeps = hf_uring_stats(world_io(&w, 0))->sleeps;
    print_message(
        "window %llu, spin %u us: %.0f ns per round trip, %llu sleeps, %llu wakes, CPU "
        "%.0f + %.0f ns\n",
        (unsigned long long)window, (unsigned)spin_us, (double)took / (double)target,
        (unsigned long long)*sleeps, (unsigned long long)hf_uring_stats(world_io(&w, 0))->wakes,
        (double)w.cores[0].cpu_ns / (double)target, (double)w.cores[1].cpu_ns / (double)target);
    for (uint16_t i = 0; i < 2; i++) {
        free(parties[i].notes);
    }
    world_close(&w);
}

static void a_stream_keeps_its_order(void **state)
{
    (void)state;
    uint64_t sleeps;
    exchange(HF_URING_SPIN_US, STREAM, 1000, &sleeps);
}

static void one_message_to_and_fro(void **state)
{
    (void)state;
    uint64_t sleeps;
    exchange(HF_URING_SPIN_US, 200000, 1, &sleeps);
}

/* Without spinning both cores sleep all the time: each message must wake its receiver. */
static void a_sleeping_core_is_woken(void **state)
{
    (void)state;
    uint64_t sleeps;
    exchange(0, 20000, 1, &sleeps);
    assert_true(sleeps > 1000);
}

/* ---- Posting to oneself --------------------------------------------------------------------- */

typedef struct loner {
    hf_io *io;
    hf_uring_node *node;
    note one;
    uint64_t got;
    bool inside; /* a handler is on the stack: nothing may be called from inside post */
} loner;

static void loner_post(loner *l)
{
    l->one.msg = (hf_msg){ .size = sizeof l->one, .kind = 7 };
    hf_io_post(l->io, l->io->core, &l->one.msg);
}

static void loner_message(void *context, const hf_msg *msg)
{
    loner *l = context;
    HF_ASSERT(!l->inside && msg == &l->one.msg && msg->from == l->io->core);
    l->got++;
}

static void loner_back(void *context, hf_msg *msg)
{
    loner *l = context;
    HF_ASSERT(!l->inside && msg == &l->one.msg);
    l->inside = true;
    if (l->got < 1000) {
        loner_post(l);
    } else {
        hf_uring_stop(l->node);
    }
    l->inside = false;
}

static void a_core_posts_to_itself(void **state)
{
    (void)state;
    world w;
    hf_io_handler handler = world_handler;
    handler.on_message = loner_message;
    handler.on_message_back = loner_back;
    world_open(&w, (hf_uring_config){ .core_count = 1 }, NULL);
    loner l = { .io = world_io(&w, 0), .node = w.node };
    loner_post(&l); /* before the run: delivered when it begins */
    world_start(&w, 0, &handler, &l);
    world_join(&w);
    assert_true(l.got == 1000);
    assert_true(hf_uring_stats(l.io)->turns >= 1000); /* one message per turn */
    assert_true(hf_uring_stats(l.io)->sleeps < 10);
    world_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stream_keeps_its_order),
        cmocka_unit_test(one_message_to_and_fro),
        cmocka_unit_test(a_sleeping_core_is_woken),
        cmocka_unit_test(a_core_posts_to_itself),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
