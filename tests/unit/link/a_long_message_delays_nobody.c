/* An urgent message waits for one frame of a long one at most; the other streams share; a stream
 * that is not taken off stands still alone; memory is bounded by the windows, and where it ends all
 * the same the link ends, with words.
 */
#include "tests/unit/link/pair.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { MIB = 1 << 20, HELD_MAX = 4096 };

static pair p;
static uint8_t data[MIB];
static uint64_t bytes_of[HF_LINK_STREAMS];
static uint32_t count_of[HF_LINK_STREAMS];
static uint32_t order[16], order_count;
static hf_link_message held[HELD_MAX];
static uint32_t held_count;
static uint32_t keeps; /* streams (bits) whose messages are not done */

static void came(void *context, end *at, hf_link_message *m)
{
    (void)context;
    bytes_of[m->stream] += m->bytes.size;
    count_of[m->stream]++;
    if (order_count < 16) {
        order[order_count++] = m->stream;
    }
    if ((keeps >> m->stream & 1) != 0) {
        assert_true(held_count < HELD_MAX);
        held[held_count++] = *m;
    } else {
        hf_link_done(at->link, m);
    }
}

static void connect(void)
{
    memset(bytes_of, 0, sizeof bytes_of);
    memset(count_of, 0, sizeof count_of);
    order_count = held_count = keeps = 0;
    pair_make(&p);
    p.message = came;
    pair_connect(&p);
}

static hf_err put(hf_link_stream stream, const hf_bytes *part)
{
    return hf_link_send(p.a.link, stream, part, 1, 0);
}

static uint32_t write_once(uint32_t size)
{
    uint32_t wrote = hf_link_output(p.a.link, p.now, p.b.wire + p.b.wire_size, size);
    p.b.wire_size += wrote;
    return wrote;
}

static void an_urgent_one_goes_next(void **state)
{
    (void)state;
    const hf_bytes piece = hf_bytes_of(data, MIB);
    const hf_bytes beat = hf_bytes_of(data, 40);
    connect();
    assert_int_equal(put(HF_LINK_BULK, &piece), HF_OK);
    for (uint32_t i = 1; i <= 20; i++) {
        (void)write_once(HF_LINK_FRAME_HEAD + HF_LINK_FRAME_MAX); /* one frame of the piece */
        pair_read(&p, &p.b);
        assert_int_equal(count_of[HF_LINK_URGENT], i - 1);
        assert_int_equal(put(HF_LINK_URGENT, &beat), HF_OK);
        (void)write_once(HF_LINK_OUTPUT_MIN);
        pair_read(&p, &p.b);
        assert_int_equal(count_of[HF_LINK_URGENT], i);
        assert_int_equal(count_of[HF_LINK_BULK], 0);
    }
    pair_settle(&p);
    assert_int_equal(count_of[HF_LINK_BULK], 1);
    pair_close(&p);
}

static uint64_t sent[HF_LINK_STREAMS]; /* by the frames on the wire */

/* `streams` (bits) have something to send all the time. */
static void send_rounds(uint32_t rounds, uint32_t streams)
{
    static hf_bytes parts[HF_LINK_STREAMS]; /* lent until taken back: longer than this call */
    parts[HF_LINK_LOG] = parts[HF_LINK_CALLS] = hf_bytes_of(data, 8192);
    parts[HF_LINK_BULK] = hf_bytes_of(data, MIB);
    memset(sent, 0, sizeof sent);
    for (uint32_t round = 0; round < rounds; round++) {
        for (uint32_t i = 1; i < HF_LINK_STREAMS; i++) {
            while ((streams >> i & 1) != 0 && put((hf_link_stream)i, &parts[i]) == HF_OK) {
            }
        }
        uint32_t wrote = write_once(32 * 1024);
        for (uint32_t at = 0; at < wrote;) {
            hf_link__frame f;
            memcpy(&f, p.b.wire + at, sizeof f);
            sent[f.stream] += f.kind == HF_LINK__DATA ? f.size : 0;
            at += (uint32_t)sizeof f + f.size;
        }
        pair_read(&p, &p.b);
        pair_write(&p, &p.b, &p.a, 4096); /* credit */
        pair_read(&p, &p.a);
        hf_link_sent back;
        while (hf_link_take_back(p.a.link, &back)) {
        }
    }
}

static void expect_share(uint32_t stream, uint64_t share, uint64_t of)
{
    uint64_t all = sent[1] + sent[2] + sent[3];
    assert_true(sent[stream] * of * 10 > all * share * 9);
    assert_true(sent[stream] * of * 10 < all * share * 11);
}

static void streams_share(void **state)
{
    (void)state;
    connect();
    send_rounds(200, 14);
    expect_share(HF_LINK_LOG, 7, 16);
    expect_share(HF_LINK_CALLS, 7, 16);
    expect_share(HF_LINK_BULK, 2, 16);
    pair_close(&p);
}

/* Who had nothing to send for a while has no more coming to it than before. */
static void what_was_not_used_is_gone(void **state)
{
    (void)state;
    connect();
    send_rounds(500, 1u << HF_LINK_BULK);
    expect_share(HF_LINK_BULK, 1, 1);
    send_rounds(200, 1u << HF_LINK_BULK | 1u << HF_LINK_LOG);
    expect_share(HF_LINK_LOG, 7, 9);
    expect_share(HF_LINK_BULK, 2, 9);
    pair_close(&p);
}

static void one_that_is_not_taken_off_stands_alone(void **state)
{
    (void)state;
    const hf_bytes call = hf_bytes_of(data, 1000);
    const hf_bytes entry = hf_bytes_of(data, 200 * 1024);
    connect();
    keeps = 1u << HF_LINK_CALLS;
    for (uint32_t i = 0; i < 1000; i++) {
        (void)put(HF_LINK_CALLS, &call);
        (void)put(HF_LINK_LOG, &entry);
        pair_settle(&p);
        hf_link_sent back;
        while (hf_link_take_back(p.a.link, &back)) {
        }
    }
    assert_int_equal(count_of[HF_LINK_LOG], 1000);
    assert_int_equal(count_of[HF_LINK_CALLS], 65); /* 64 KiB */
    for (uint32_t i = 0; i < held_count; i++) {
        hf_link_done(p.b.link, &held[i]);
    }
    held_count = 0;
    pair_settle(&p);
    assert_true(count_of[HF_LINK_CALLS] > 65); /* it goes on */
    for (uint32_t i = 0; i < held_count; i++) {
        hf_link_done(p.b.link, &held[i]);
    }
    pair_close(&p);
}

/* The longest messages come although some credit is kept back, whatever was sent before. */
static void the_longest_always_come(void **state)
{
    (void)state;
    connect();
    uint32_t wanted = 0;
    for (uint32_t size = 1; size <= 64 * 1024; size = size * 3 + 1) {
        const hf_bytes some = hf_bytes_of(data, size);
        const hf_bytes longest = hf_bytes_of(data, 64 * 1024);
        assert_int_equal(put(HF_LINK_CALLS, &some), HF_OK);
        assert_int_equal(put(HF_LINK_CALLS, &longest), HF_OK);
        pair_settle(&p);
        wanted += 2;
        assert_int_equal(count_of[HF_LINK_CALLS], wanted);
    }
    pair_close(&p);
}

static void memory_is_bounded_by_the_windows(void **state)
{
    (void)state;
    const hf_bytes parts[HF_LINK_STREAMS] = { hf_bytes_of(data, 4096),
                                              hf_bytes_of(data, 256 * 1024),
                                              hf_bytes_of(data, 64 * 1024),
                                              hf_bytes_of(data, MIB) };
    const hf_link_limits limits = pair_options(2).limits;
    size_t windows = 0;
    connect();
    p.step = 1000; /* nothing comes in one piece */
    keeps = 15;
    for (uint32_t i = 0; i < HF_LINK_STREAMS; i++) {
        windows += limits.window[i];
        while (put((hf_link_stream)i, &parts[i]) == HF_OK) {
        }
    }
    pair_settle(&p);
    for (uint32_t i = 0; i < HF_LINK_STREAMS; i++) {
        assert_true(bytes_of[i] == limits.window[i]); /* all of it, and no more */
    }
    assert_true(hf_heap_lent(p.b.heap) >= windows && hf_heap_lent(p.b.heap) < 2 * windows);
    for (uint32_t i = 0; i < held_count; i++) {
        hf_link_done(p.b.link, &held[i]);
    }
    pair_close(&p);
}

static void no_memory_is_an_end_with_words(void **state)
{
    (void)state;
    const hf_bytes entry = hf_bytes_of(data, 200 * 1024);
    connect();
    assert_int_equal(put(HF_LINK_LOG, &entry), HF_OK);
    hf_heap_fail_at(p.b.heap, 1);
    pair_settle(&p);
    pair_expect(&p.b, HF_E_NOMEM, "node 2 has no memory for a message of 204800 bytes");
    pair_expect(&p.a, HF_E_CLOSED,
                "node 2 ended it (NOMEM): node 2 has no memory for a message of 204800 bytes");
    pair_close(&p);
}

/* A link that ends in the middle of a message keeps nothing. */
static void a_message_in_pieces_is_given_back(void **state)
{
    (void)state;
    const hf_bytes entry = hf_bytes_of(data, 200 * 1024);
    connect();
    assert_int_equal(put(HF_LINK_LOG, &entry), HF_OK);
    (void)write_once(20000);
    pair_read(&p, &p.b);
    assert_true(hf_heap_lent(p.b.heap) != 0);
    hf_link_close(p.b.link, HF_E_SHUTDOWN, "node 2 is stopping");
    pair_close(&p); /* which looks at the heap */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_urgent_one_goes_next),
        cmocka_unit_test(streams_share),
        cmocka_unit_test(what_was_not_used_is_gone),
        cmocka_unit_test(one_that_is_not_taken_off_stands_alone),
        cmocka_unit_test(the_longest_always_come),
        cmocka_unit_test(memory_is_bounded_by_the_windows),
        cmocka_unit_test(no_memory_is_an_end_with_words),
        cmocka_unit_test(a_message_in_pieces_is_given_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
