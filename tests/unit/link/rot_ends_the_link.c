/* Whatever bit is turned, whatever frame is lost, repeated, moved or made up: the link ends and
 * says why, and no message comes that was not sent.
 */
#include "tests/unit/link/pair.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { LONG = 20000 };

static pair p;
static uint8_t data[LONG];
static const hf_bytes parts[] = { { (const uint8_t *)"first", 5 },
                                  { (const uint8_t *)"second", 6 },
                                  { data, LONG } };
static uint32_t came_count;

/* One of those three, in their order. */
static void came(void *context, end *at, hf_link_message *m)
{
    (void)context;
    assert_true(came_count < 3);
    assert_true(hf_bytes_equal(m->bytes, parts[came_count]));
    came_count++;
    hf_link_done(at->link, m);
}

static void connect(void)
{
    came_count = 0;
    pair_make(&p);
    p.message = came;
    pair_connect(&p);
}

/* Three messages on the wire to b: frames of 5, 6, 16384 and 3616 bytes. */
static void put_three(void)
{
    connect();
    for (uint32_t i = 0; i < 3; i++) {
        assert_int_equal(hf_link_send(p.a.link, HF_LINK_LOG, &parts[i], 1, i), HF_OK);
    }
    pair_write(&p, &p.a, &p.b, 64 * 1024);
    assert_int_equal(p.b.wire_size, 4 * HF_LINK_FRAME_HEAD + 5 + 6 + LONG);
}

static hf_err end_of(const end *e)
{
    const char *words;
    return hf_link_end(e->link, &words);
}

static void every_bit_counts(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < LONG; i++) {
        data[i] = (uint8_t)(i * 7);
    }
    const uint32_t first_bits = 8 * (3 * HF_LINK_FRAME_HEAD + 5 + 6);
    for (uint32_t bit = 0; bit < first_bits + 8; bit++) {
        put_three();
        uint32_t at = bit < first_bits ? bit / 8 : p.b.wire_size - 1;
        p.b.wire[at] ^= (uint8_t)(1u << bit % 8);
        p.step = bit % 3 == 0 ? 0 : 100;
        pair_read(&p, &p.b);
        assert_int_equal(end_of(&p.b), HF_E_CORRUPT);
        assert_true(came_count < 3);
        pair_write(&p, &p.b, &p.a, 4096); /* and the other is told */
        pair_read(&p, &p.a);
        assert_int_equal(end_of(&p.a), HF_E_CLOSED);
        pair_close(&p);
    }
}

static void frames_are_chained(void **state)
{
    (void)state;
    enum { A = HF_LINK_FRAME_HEAD + 5, B = HF_LINK_FRAME_HEAD + 6 };
    uint8_t copy[A + B];
    for (int i = 0; i < 3; i++) {
        put_three();
        memcpy(copy, p.b.wire, A + B);
        if (i == 0) { /* lost */
            memmove(p.b.wire, p.b.wire + A, p.b.wire_size - A);
            p.b.wire_size -= A;
        } else if (i == 1) { /* repeated */
            memmove(p.b.wire + A, p.b.wire, p.b.wire_size);
            p.b.wire_size += A;
        } else { /* in another order */
            memcpy(p.b.wire, copy + A, B);
            memcpy(p.b.wire + B, copy, A);
        }
        pair_read(&p, &p.b);
        pair_expect(&p.b, HF_E_CORRUPT, "node 1 sent a frame that is damaged, or out of order");
        assert_int_equal(came_count, i == 1);
        pair_close(&p);
    }
}

/* Bytes of one connection fit no other, be it between the same two. */
static void another_connections_frames(void **state)
{
    (void)state;
    put_three();
    uint32_t size = p.b.wire_size;
    uint8_t *kept = malloc(size);
    assert_non_null(kept);
    memcpy(kept, p.b.wire, size);
    pair_close(&p);
    came_count = 0;
    pair_make(&p);
    p.message = came;
    p.b.options.start = 8; /* the one who reads: the other is as it was */
    pair_connect(&p);
    memcpy(p.b.wire, kept, size);
    p.b.wire_size = size;
    pair_read(&p, &p.b);
    pair_expect(&p.b, HF_E_CORRUPT, "node 1 sent a frame that is damaged, or out of order");
    assert_int_equal(came_count, 0);
    free(kept);
    pair_close(&p);
}

/* ---- Frames that are made up, with a checksum that is right ---- */

static void put_frame(hf_link__frame f, const void *payload)
{
    uint8_t *at = p.b.wire + p.b.wire_size;
    memcpy(at, &f, sizeof f);
    hf_bytes_copy(at + sizeof f, hf_bytes_of(payload, f.size));
    f.crc = hf_crc32c(p.b.link->receive_crc, at + 4, sizeof f - 4 + f.size);
    memcpy(at, &f.crc, 4);
    p.b.wire_size += (uint32_t)sizeof f + f.size;
}

static void made_up(hf_link__frame f, const void *payload, const char *words)
{
    char all[128];
    uint32_t sent = p.b.wire_size;
    hf_link__frame head = f;
    if (f.size > LONG) { /* of such a length: not waited for */
        f.size = 0;
        put_frame(f, payload);
        memcpy(p.b.wire + sent, &head, sizeof head);
    } else {
        put_frame(f, payload);
    }
    pair_read(&p, &p.b);
    snprintf(all, sizeof all, "node 1 sent %s", words);
    pair_expect(&p.b, HF_E_CORRUPT, all);
    assert_int_equal(came_count, 0);
    pair_close(&p);
    connect();
}

#define FRAME(KIND, ...) ((hf_link__frame){ .kind = HF_LINK__##KIND, __VA_ARGS__ })

static void frames_that_cannot_be(void **state)
{
    (void)state;
    connect();
    const char *kind = "a frame of a kind that is not known here";
    made_up((hf_link__frame){ .kind = 0 }, NULL, kind);
    made_up((hf_link__frame){ .kind = 6 }, NULL, kind);
    made_up((hf_link__frame){ .kind = 255, .size = UINT32_MAX }, NULL, kind);
    const char *length = "a frame of a length that cannot be";
    made_up(FRAME(DATA, .size = UINT32_MAX, .flags = 1, .argument = UINT32_MAX), NULL, length);
    made_up(FRAME(DATA, .size = HF_LINK_FRAME_MAX + 1, .flags = 1, .argument = 60000), data,
            length);
    made_up(FRAME(DATA, .size = 0, .flags = 1, .argument = 5), NULL, length);
    made_up(FRAME(DATA, .size = 5, .flags = 2, .argument = 5), data, length);
    made_up(FRAME(DATA, .stream = 4, .size = 5, .flags = 1, .argument = 5), data,
            "a frame that cannot be");
    made_up(FRAME(DATA, .zero = 1, .size = 5, .flags = 1, .argument = 5), data,
            "a frame that cannot be");
    made_up(FRAME(DATA, .size = 5), data, "a message without its beginning");
    made_up(FRAME(DATA, .size = 5, .flags = 1, .argument = 4), data,
            "a message longer than is taken here");
    made_up(FRAME(DATA, .size = 5, .flags = 1, .argument = 4097), data,
            "a message longer than is taken here");
    made_up(FRAME(CREDIT, .stream = 4, .argument = 1), NULL, "a credit that cannot be");
    made_up(FRAME(CREDIT, .size = 1, .argument = 1), data, "a credit that cannot be");
    made_up(FRAME(CREDIT, .argument = 1), NULL, "more credit than its window");
    made_up(FRAME(CREDIT, .argument = 0), NULL, "more credit than its window");
    made_up(FRAME(PING, .size = 7), data, "a ping that cannot be");
    made_up(FRAME(PING, .size = 8, .stream = 1), data, "a ping that cannot be");
    made_up(FRAME(PONG, .size = 8), data, "an answer that nobody asked for");
    made_up(FRAME(CLOSE, .size = 3), data, "an end that cannot be");
    made_up(FRAME(CLOSE, .size = HF_LINK__CLOSE_MAX + 1), data, "an end that cannot be");
    pair_close(&p);
}

/* A message that has begun, and then this. */
static void after_a_beginning(hf_link__frame f, const char *words)
{
    put_frame(FRAME(DATA, .stream = 1, .size = 100, .flags = 1, .argument = 300), data);
    pair_read(&p, &p.b);
    made_up(f, data, words);
}

static void messages_that_cannot_go_on_so(void **state)
{
    (void)state;
    connect();
    after_a_beginning(FRAME(DATA, .stream = 1, .size = 100, .flags = 1, .argument = 100),
                      "a message into another one");
    after_a_beginning(FRAME(DATA, .stream = 1, .size = 201), "more of a message than there is");
    after_a_beginning(FRAME(DATA, .stream = 1, .size = 100, .argument = 1),
                      "a frame that cannot be");
    after_a_beginning(FRAME(DATA, .stream = 2, .size = 100), "a message without its beginning");
    pair_close(&p);
}

/* A window is what came and is not done, and what is on its way. */
static void kept(void *context, end *at, hf_link_message *m)
{
    (void)context;
    (void)at;
    (void)m;
}

static void more_than_the_window(void **state)
{
    (void)state;
    connect();
    p.message = kept;
    for (uint32_t i = 0; i < 4; i++) { /* of 4096 bytes, in the window of 16 KiB */
        put_frame(FRAME(DATA, .size = 4096, .flags = 1, .argument = 4096), data);
        pair_read(&p, &p.b);
    }
    assert_int_equal(end_of(&p.b), HF_OK);
    put_frame(FRAME(DATA, .size = 1, .flags = 1, .argument = 1), data);
    pair_read(&p, &p.b);
    pair_expect(&p.b, HF_E_CORRUPT, "node 1 sent more than its window");
    pair_close(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_bit_counts),
        cmocka_unit_test(frames_are_chained),
        cmocka_unit_test(another_connections_frames),
        cmocka_unit_test(frames_that_cannot_be),
        cmocka_unit_test(messages_that_cannot_go_on_so),
        cmocka_unit_test(more_than_the_window),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
