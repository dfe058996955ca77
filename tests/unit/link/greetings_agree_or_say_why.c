/* Two nodes that belong together get a link, however the bytes come; two that do not get a sentence
 * that both can show.
 */
#include "tests/unit/link/pair.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static pair p;

static void the_right_ones_agree(void **state)
{
    (void)state;
    for (uint32_t step = 0; step < 300; step++) {
        pair_make(&p);
        p.step = step;
        p.a.options.features = 11;
        p.b.options.limits.window[0] = 32 * 1024;
        pair_connect(&p);
        const hf_link_peer *peer = hf_link_peer_of(p.a.link);
        assert_int_equal(peer->node, 2);
        assert_int_equal(peer->to, 0);
        assert_int_equal(peer->core, 3);
        assert_int_equal(peer->start, 7);
        assert_true(peer->disk == 1002);
        assert_int_equal(peer->limits.window[0], 32 * 1024);
        assert_int_equal(hf_link_peer_of(p.b.link)->to, 2);
        assert_true(hf_link_features(p.a.link) == 3 && hf_link_features(p.b.link) == 3);
        assert_int_equal(hf_link_format(p.b.link), 1);
        pair_close(&p);
    }
}

/* One refuses with these words; the other shows them too, or refuses by itself. */
static void refused(hf_err err, const char *words, bool by_a)
{
    const char *said;
    p.step = 7;
    pair_open(&p);
    pair_settle(&p);
    assert_false(p.a.opened || p.b.opened);
    const end *who = by_a ? &p.a : &p.b;
    const end *other = by_a ? &p.b : &p.a;
    pair_expect(who, err, words);
    assert_int_equal(hf_link_end(other->link, &said), err);
    if (strncmp(said, "refused: ", 9) == 0) {
        assert_string_equal(said + 9, words);
    }
    pair_close(&p);
}

static void another_cluster(void **state)
{
    (void)state;
    pair_make(&p);
    p.a.options.cluster.bytes[0] = 9;
    refused(HF_E_WRONGFILE,
            "node 1 is of cluster 09020300-0000-0000-0000-000000000000, node 2 of another, "
            "01020300-0000-0000-0000-000000000000",
            false);
}

static void another_version(void **state)
{
    (void)state;
    pair_make(&p);
    p.a.options.format_least = 2;
    p.a.options.format_most = 4;
    refused(
        HF_E_VERSION,
        "node 1 speaks formats 2 to 4 of the protocol between nodes, node 2 speaks 1 to 1: node "
        "2 is too old",
        false);
    pair_make(&p);
    p.b.options.format_least = 2;
    p.b.options.format_most = 4;
    refused(
        HF_E_VERSION,
        "node 1 speaks formats 1 to 1 of the protocol between nodes, node 2 speaks 2 to 4: node "
        "1 is too old",
        false);
    pair_make(&p); /* a newer one that still speaks the old format */
    p.a.options.format_most = 4;
    pair_connect(&p);
    assert_int_equal(hf_link_format(p.a.link), 1);
    pair_close(&p);
}

static void features_that_are_needed(void **state)
{
    (void)state;
    pair_make(&p);
    p.a.options.features = p.a.options.needed = 0x31;
    refused(HF_E_NOTSUPPORTED, "node 1 needs features 0x30 that node 2 lacks", false);
    pair_make(&p);
    p.a.options.features = 2;
    p.a.options.needed = 0;
    refused(HF_E_NOTSUPPORTED, "node 2 needs features 0x1 that node 1 lacks", false);
}

static void another_node(void **state)
{
    (void)state;
    for (int by_a = 0; by_a < 2; by_a++) {
        pair_make(&p);
        p.b.options.node = 3;
        refused(HF_E_INVALID, "node 1 calls for node 2, and this is node 3", by_a == 1);
    }
    pair_make(&p);
    p.b.options.node = 1;
    p.b.options.disk = 5;
    pair_open(&p);
    pair_write(&p, &p.a, &p.b, 4096);
    pair_read(&p, &p.b);
    pair_expect(&p.b, HF_E_EXISTS, "two nodes call themselves node 1");
    pair_close(&p);
}

static void another_disk_or_life(void **state)
{
    (void)state;
    pair_make(&p);
    p.b.known.disk = 77;
    refused(HF_E_EXISTS,
            "node 1 has another disk than the one known to node 2: two nodes with one number, or a "
            "disk that was replaced",
            false);
    pair_make(&p);
    p.b.known = (hf_link_known){ .disk = 1001, .start = 8 };
    refused(HF_E_EXPIRED,
            "node 1 was started 7 times, and node 2 knows of 8: its disk is an old one", false);
    pair_make(&p);
    p.b.known = (hf_link_known){ .disk = 1001, .start = 7, .attempt = 2 };
    refused(HF_E_EXPIRED, "node 1 has called node 2 again since", false);
    pair_make(&p);
    p.b.known = (hf_link_known){ .disk = 1001, .start = 7, .attempt = 1 };
    pair_connect(&p);
    pair_close(&p);
}

static void the_caller_may_refuse(void **state)
{
    (void)state;
    pair_make(&p);
    pair_open(&p);
    pair_write(&p, &p.a, &p.b, 4096);
    hf_link_message m;
    hf_bytes input = hf_bytes_of(p.b.wire, p.b.wire_size);
    assert_int_equal(hf_link_input(p.b.link, p.now, &input, &m), HF_LINK_GREETED);
    hf_link_close(p.b.link, HF_E_INVALID, "node 1 is no member\n of this cluster");
    p.b.wire_size = 0;
    pair_settle(&p);
    pair_expect(&p.b, HF_E_INVALID, "node 1 is no member? of this cluster");
    pair_expect(&p.a, HF_E_INVALID, "refused: node 1 is no member? of this cluster");
    pair_close(&p);
}

static void say(end *to, const char *bytes)
{
    to->wire_size = (uint32_t)strlen(bytes);
    memcpy(to->wire, bytes, to->wire_size);
}

static void who_is_no_node_is_told_nothing(void **state)
{
    (void)state;
    static const char *const others[] = { "GET / HTTP/1.1\r\n", "*1\r\n$4\r\nPING\r\n", "HFLINK-X",
                                          "\x16\x03\x01", "HFLINK-A12345678" };
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        pair_make(&p);
        p.step = 1;
        pair_open(&p);
        pair_write(&p, &p.b, &p.a, 4096); /* the greeting */
        say(&p.b, others[i]);
        pair_read(&p, &p.b);
        pair_expect(&p.b, HF_E_CORRUPT, "not what a node says: is it another port?");
        assert_false(hf_link_has_output(p.b.link));
        pair_close(&p);
    }
}

static void a_damaged_greeting_is_noticed(void **state)
{
    (void)state;
    for (uint32_t bit = 0; bit < 8 * HF_LINK__GREETING; bit++) {
        pair_make(&p);
        pair_open(&p);
        pair_write(&p, &p.a, &p.b, 4096);
        assert_int_equal(p.b.wire_size, HF_LINK__GREETING);
        p.b.wire[bit / 8] ^= (uint8_t)(1u << bit % 8);
        pair_read(&p, &p.b);
        const char *words;
        bool longer = hf_link_end(p.b.link, &words) == HF_OK; /* waits for the rest */
        assert_false(p.b.greeted);
        assert_true(longer ? bit / 8 == 12 || bit / 8 == 13
                           : hf_link_end(p.b.link, &words) == HF_E_CORRUPT);
        pair_close(&p);
    }
}

static void put_crc(uint8_t *block, uint16_t size)
{
    memcpy(block + 12, &size, sizeof size);
    uint32_t crc = hf_crc32c(0, block + 12, size - 12u);
    memcpy(block + 8, &crc, sizeof crc);
}

/* What a newer node adds to its greeting is passed over. */
static void a_longer_greeting_is_read(void **state)
{
    (void)state;
    pair_make(&p);
    pair_open(&p);
    pair_write(&p, &p.a, &p.b, 4096);
    memset(p.b.wire + HF_LINK__GREETING, 5, 40);
    p.b.wire_size = HF_LINK__GREETING + 40;
    put_crc(p.b.wire, HF_LINK__GREETING + 40);
    pair_read(&p, &p.b);
    assert_true(p.b.greeted);
    pair_close(&p);
}

static void sizes_that_cannot_be(void **state)
{
    (void)state;
    static const struct {
        uint16_t size;
        const char *words;
    } wrong[] = {
        { 0, "a greeting of 0 bytes" },      { 15, "a greeting of 15 bytes" },
        { 16, "a greeting that cannot be" }, { 111, "a greeting that cannot be" },
        { 513, "a greeting of 513 bytes" },  { UINT16_MAX, "a greeting of 65535 bytes" },
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        pair_make(&p);
        pair_open(&p);
        pair_write(&p, &p.a, &p.b, 4096);
        if (wrong[i].size >= 16 && wrong[i].size < HF_LINK__GREETING) {
            put_crc(p.b.wire, wrong[i].size);
        } else {
            memcpy(p.b.wire + 12, &wrong[i].size, 2);
        }
        pair_read(&p, &p.b);
        pair_expect(&p.b, HF_E_CORRUPT, wrong[i].words);
        pair_close(&p);
    }
}

static void values_that_cannot_be(void **state)
{
    (void)state;
    static const struct {
        uint32_t at, size;
        uint64_t value;
    } wrong[] = {
        { 16, 2, 0 }, { 16, 2, 2 },          { 40, 4, 0 },          { 48, 4, 0 },
        { 56, 8, 0 }, { 72, 8, UINT64_MAX }, { 80, 4, UINT32_MAX }, { 84, 4, UINT32_MAX },
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        pair_make(&p);
        pair_open(&p);
        pair_write(&p, &p.a, &p.b, 4096);
        memcpy(p.b.wire + wrong[i].at, &wrong[i].value, wrong[i].size);
        put_crc(p.b.wire, HF_LINK__GREETING);
        pair_read(&p, &p.b);
        pair_expect(&p.b, HF_E_CORRUPT, "a greeting that cannot be");
        pair_close(&p);
    }
}

static void another_agreement(void **state)
{
    (void)state;
    static const uint32_t at[] = { 16, 18, 20, 24 };
    for (size_t i = 0; i < sizeof at / sizeof at[0]; i++) {
        pair_make(&p);
        pair_open(&p);
        pair_write(&p, &p.a, &p.b, 4096);
        pair_read(&p, &p.b);
        pair_write(&p, &p.b, &p.a, 4096);
        assert_int_equal(p.a.wire_size, HF_LINK__GREETING + HF_LINK__AGREEMENT);
        p.a.wire[HF_LINK__GREETING + at[i]] ^= 8;
        put_crc(p.a.wire + HF_LINK__GREETING, HF_LINK__AGREEMENT);
        pair_read(&p, &p.a);
        pair_expect(&p.a, HF_E_CORRUPT, "node 2 agrees to something else");
        pair_close(&p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_right_ones_agree),
        cmocka_unit_test(another_cluster),
        cmocka_unit_test(another_version),
        cmocka_unit_test(features_that_are_needed),
        cmocka_unit_test(another_node),
        cmocka_unit_test(another_disk_or_life),
        cmocka_unit_test(the_caller_may_refuse),
        cmocka_unit_test(who_is_no_node_is_told_nothing),
        cmocka_unit_test(a_damaged_greeting_is_noticed),
        cmocka_unit_test(a_longer_greeting_is_read),
        cmocka_unit_test(sizes_that_cannot_be),
        cmocka_unit_test(values_that_cannot_be),
        cmocka_unit_test(another_agreement),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
