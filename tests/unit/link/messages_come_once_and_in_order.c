/* Messages of any size, on all streams, both ways, in any parts, through output and input of any
 * sizes: each comes once, whole, in the order of its stream; and is given back when it was written.
 */
#include "engine/base/prng.h"
#include "tests/unit/link/pair.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { PARTS = 5, SEEDS = 30, MESSAGES = 150 };

typedef struct sent {
    uint8_t *data;
    hf_bytes parts[PARTS];
    uint32_t size;
} sent;

typedef struct way {
    sent message[HF_LINK_STREAMS][MESSAGES];
    uint32_t sent[HF_LINK_STREAMS], back[HF_LINK_STREAMS], came[HF_LINK_STREAMS];
    uint32_t in_place;
} way;

static pair p;
static way ways[2]; /* from a, from b */
static hf_prng draws;

static uint32_t draw_size(uint32_t most)
{
    uint32_t kind = (uint32_t)hf_prng_below(&draws, 4);
    uint32_t bound = kind == 0 ? 16 : kind == 1 ? 3000 : kind == 2 ? 40000 : most;
    return 1 + (uint32_t)hf_prng_below(&draws, bound < most ? bound : most);
}

static void make_message(sent *s, uint32_t size)
{
    s->size = size;
    s->data = malloc(size);
    assert_non_null(s->data);
    hf_prng_fill(&draws, s->data, size);
    uint32_t at = 0;
    for (uint32_t i = 0; i < PARTS; i++) { /* some of them empty */
        uint32_t left = size - at;
        uint32_t take = i == PARTS - 1 ? left : (uint32_t)hf_prng_below(&draws, left + 1);
        s->parts[i] = hf_bytes_of(take == 0 ? NULL : s->data + at, take);
        at += take;
    }
}

static void send_some(way *w, end *from)
{
    for (uint32_t stream = 0; stream < HF_LINK_STREAMS; stream++) {
        uint32_t count = (uint32_t)hf_prng_below(&draws, 4);
        for (uint32_t i = 0; i < count && w->sent[stream] < MESSAGES; i++) {
            sent *s = &w->message[stream][w->sent[stream]];
            if (s->data == NULL) {
                make_message(s, draw_size(from->options.limits.message_max[stream]));
            }
            hf_err err =
                hf_link_send(from->link, (hf_link_stream)stream, s->parts, PARTS, w->sent[stream]);
            assert_true(err == HF_OK || err == HF_E_FULL);
            w->sent[stream] += err == HF_OK;
        }
    }
}

static void take_back(way *w, end *from)
{
    hf_link_sent back;
    while (hf_link_take_back(from->link, &back)) {
        assert_true(back.whole && back.tag == w->back[back.stream]);
        sent *s = &w->message[back.stream][w->back[back.stream]++];
        memset(s->parts, 0xa5, sizeof s->parts); /* it is ours again */
    }
}

static void came(void *context, end *at, hf_link_message *m)
{
    (void)context;
    way *w = at == &p.a ? &ways[1] : &ways[0];
    const sent *s = &w->message[m->stream][w->came[m->stream]++];
    assert_int_equal(m->bytes.size, s->size);
    assert_memory_equal(m->bytes.data, s->data, s->size);
    w->in_place += m->block == NULL;
    hf_link_done(at->link, m);
}

static bool all_came(const way *w)
{
    for (uint32_t i = 0; i < HF_LINK_STREAMS; i++) {
        if (w->came[i] != MESSAGES || w->back[i] != MESSAGES) {
            return false;
        }
    }
    return true;
}

static void forget(way *w)
{
    for (uint32_t i = 0; i < HF_LINK_STREAMS; i++) {
        for (uint32_t k = 0; k < MESSAGES; k++) {
            free(w->message[i][k].data);
        }
    }
}

static uint32_t live(uint64_t seed)
{
    uint32_t in_place;
    draws = hf_prng_of(seed);
    memset(ways, 0, sizeof ways);
    pair_make(&p);
    p.message = came;
    pair_connect(&p);
    for (uint32_t turn = 0; turn < 100000 && !(all_came(&ways[0]) && all_came(&ways[1])); turn++) {
        p.step = hf_prng_chance(&draws, 1, 4) ? 0 : 1 + (uint32_t)hf_prng_below(&draws, 3000);
        uint32_t size = HF_LINK_OUTPUT_MIN + (uint32_t)hf_prng_below(&draws, 40000);
        for (int i = 0; i < 2; i++) {
            end *from = i == 0 ? &p.a : &p.b;
            send_some(&ways[i], from);
            pair_write(&p, from, i == 0 ? &p.b : &p.a, size);
            take_back(&ways[i], from);
        }
        pair_read(&p, &p.a);
        pair_read(&p, &p.b);
    }
    assert_true(all_came(&ways[0]) && all_came(&ways[1]));
    in_place = ways[0].in_place + ways[1].in_place;
    forget(&ways[0]);
    forget(&ways[1]);
    pair_close(&p);
    return in_place;
}

static void however_they_go_and_come(void **state)
{
    (void)state;
    uint32_t in_place = 0;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        in_place += live(seed);
    }
    assert_true(in_place > 1000); /* short ones are not copied */
}

static void byte_by_byte(void **state)
{
    (void)state;
    memset(ways, 0, sizeof ways);
    draws = hf_prng_of(99);
    pair_make(&p);
    p.message = came;
    p.step = 1;
    pair_connect(&p);
    uint64_t came_of_all = 0;
    for (uint32_t i = 0; i < 40; i++) {
        uint32_t stream = i % HF_LINK_STREAMS;
        sent *s = &ways[0].message[stream][ways[0].sent[stream]];
        make_message(s, i < 36 ? 1 + i : 1000 + 3000 * stream);
        assert_int_equal(
            hf_link_send(p.a.link, (hf_link_stream)stream, s->parts, PARTS, ways[0].sent[stream]++),
            HF_OK);
    }
    pair_settle(&p);
    for (uint32_t i = 0; i < HF_LINK_STREAMS; i++) {
        came_of_all += ways[0].came[i];
    }
    assert_int_equal(came_of_all, 40);
    forget(&ways[0]);
    pair_close(&p);
}

static void what_cannot_be_sent_is_said(void **state)
{
    (void)state;
    static const uint8_t data[8192];
    const hf_bytes small = hf_bytes_of(data, 10);
    const hf_bytes longest = hf_bytes_of(data, 4096);
    const hf_bytes longer = hf_bytes_of(data, 4097);
    hf_link_sent back;
    pair_make(&p);
    pair_open(&p);
    assert_int_equal(hf_link_send(p.a.link, HF_LINK_URGENT, &small, 1, 0), HF_E_BUSY);
    pair_settle(&p);
    assert_int_equal(hf_link_send(p.a.link, HF_LINK_URGENT, &longer, 1, 0), HF_E_TOOBIG);
    for (uint32_t i = 0; i < PAIR_QUEUE; i++) {
        assert_int_equal(hf_link_send(p.a.link, HF_LINK_URGENT, &longest, 1, i), HF_OK);
    }
    assert_int_equal(hf_link_send(p.a.link, HF_LINK_URGENT, &small, 1, 0), HF_E_FULL);
    assert_int_equal(hf_link_send(p.a.link, HF_LINK_LOG, &small, 1, 99), HF_OK); /* its own */
    assert_false(hf_link_take_back(p.a.link, &back));
    pair_settle(&p);
    uint32_t count = 0;
    while (hf_link_take_back(p.a.link, &back)) {
        count++;
    }
    assert_int_equal(count, PAIR_QUEUE + 1);
    hf_link_close(p.a.link, HF_E_SHUTDOWN, "node 1 is stopping");
    assert_int_equal(hf_link_send(p.a.link, HF_LINK_LOG, &small, 1, 0), HF_E_CLOSED);
    pair_settle(&p);
    pair_expect(&p.b, HF_E_CLOSED, "node 1 ended it (SHUTDOWN): node 1 is stopping");
    pair_close(&p);
}

/* What was not written whole when the link ended is given back, and said to be lost. */
static void the_end_gives_all_back(void **state)
{
    (void)state;
    static const uint8_t data[100000];
    static uint8_t out[HF_LINK_OUTPUT_MIN];
    const hf_bytes bytes = hf_bytes_of(data, sizeof data);
    const hf_bytes small = hf_bytes_of(data, 10);
    hf_link_sent back;
    pair_make(&p);
    pair_connect(&p);
    assert_int_equal(hf_link_send(p.a.link, HF_LINK_URGENT, &small, 1, 5), HF_OK);
    assert_int_equal(hf_link_send(p.a.link, HF_LINK_LOG, &bytes, 1, 6), HF_OK);
    assert_int_equal(hf_link_send(p.a.link, HF_LINK_LOG, &bytes, 1, 7), HF_OK);
    (void)hf_link_output(p.a.link, p.now, out, sizeof out);
    hf_link_close(p.a.link, HF_E_SHUTDOWN, "node 1 is stopping");
    for (uint64_t tag = 5; tag <= 7; tag++) {
        assert_true(hf_link_take_back(p.a.link, &back));
        assert_true(back.tag == tag && back.whole == (tag == 5));
        hf_link_check(p.a.link);
    }
    assert_false(hf_link_take_back(p.a.link, &back));
    pair_close(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(however_they_go_and_come),
        cmocka_unit_test(byte_by_byte),
        cmocka_unit_test(what_cannot_be_sent_is_said),
        cmocka_unit_test(the_end_gives_all_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
