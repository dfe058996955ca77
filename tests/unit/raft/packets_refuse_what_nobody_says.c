/* A packet is refused whole or read as what some machine says: another format, another node, kinds,
 * flags and fields that are not, sizes that lie, each with its error; and whatever bit is turned,
 * what is still read is written as the same bytes again.
 */
#include "txn/raft/packet.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { BYTES_MAX = 4096, FROM = 3, TO = 5 };

static uint8_t heads[HF_RAFT_PACKET_HEADS_MIN];
static hf_bytes parts[HF_RAFT_PACKET_PARTS_MIN];
static hf_raft_said said;
static uint8_t bytes[BYTES_MAX];
static uint32_t size;
static hf_raft_reader reader;

static const hf_raft_config members = { .node = { 1, 2, 3 },
                                        .role = { HF_RAFT_VOTER, HF_RAFT_VOTER, HF_RAFT_LEARNER },
                                        .count = 3 };

static void flat(hf_raft_packet *packet, uint8_t *to)
{
    size = 0;
    for (uint32_t i = 0, count = hf_raft_packet_end(packet); i < count; i++) {
        memcpy(to + size, parts[i].data, parts[i].size);
        size += parts[i].size;
    }
    assert_int_equal(size, packet->size);
}

static hf_raft_packet begun(void)
{
    hf_raft_packet packet;
    hf_raft_packet_begin(&packet, heads, sizeof heads, parts, HF_RAFT_PACKET_PARTS_MIN, BYTES_MAX,
                         FROM, TO);
    return packet;
}

static void put(hf_raft_message m, const hf_raft_entry *entries, const hf_bytes *payloads)
{
    hf_raft_packet packet = begun();
    m.from = FROM;
    m.to = TO;
    assert_true(hf_raft_packet_add(&packet, 6, &m, entries, payloads));
    flat(&packet, bytes);
}

static hf_err read_all(const uint8_t *data, uint32_t left)
{
    hf_raft_record record;
    uint8_t *exact = malloc(left == 0 ? 1 : left);
    assert_non_null(exact);
    memcpy(exact, data, left);
    hf_err err = hf_raft_reader_open(&reader, hf_bytes_of(exact, left), FROM, TO);
    while (err == HF_OK && (err = hf_raft_reader_next(&reader, &record)) == HF_OK) {
        err = hf_raft_record_read(&reader, &record, &said);
    }
    assert_true(err == HF_E_NOTFOUND || reader.what != NULL);
    free(exact);
    return err == HF_E_NOTFOUND ? HF_OK : err;
}

static void expect(hf_err err, const char *what)
{
    assert_int_equal(read_all(bytes, size), err);
    assert_string_equal(reader.what, what);
}

static void put_u32(uint32_t at, uint32_t value)
{
    memcpy(bytes + at, &value, sizeof value);
}

static void put_append(void)
{
    static const hf_raft_entry entries[] = { { 8, HF_RAFT_DATA, NULL },
                                             { 9, HF_RAFT_NOOP, NULL },
                                             { 9, HF_RAFT_CONFIG, &members } };
    static const hf_bytes payloads[3] = { { (const uint8_t *)"12345", 5 }, { 0 }, { 0 } };
    put(
        (hf_raft_message){
            .kind = HF_RAFT_APPEND, .term = 9, .index = 4, .log_term = 2, .last = 7, .commit = 3 },
        entries, payloads);
    assert_int_equal(read_all(bytes, size), HF_OK);
}

enum { ENTRY = 16 + 16 + 5 * 8 }; /* where the first entry of that append begins */

static void heads_are_checked(void **state)
{
    (void)state;
    put_append();
    bytes[0] = 2;
    expect(HF_E_VERSION, "a packet of another format");
    put_append();
    bytes[4] = 4;
    expect(HF_E_INVALID, "a packet of or for another node");
    put_append();
    bytes[8] = 4;
    expect(HF_E_INVALID, "a packet of or for another node");
    put_append();
    put_u32(12, 0);
    expect(HF_E_CORRUPT, "a packet's head that cannot be");
    put_append();
    put_u32(12, UINT32_MAX);
    expect(HF_E_CORRUPT, "a packet's head that cannot be");
    put_append();
    put_u32(12, 2);
    expect(HF_E_CORRUPT, "a record longer than its packet");
    put_append();
    bytes[2] = 1;
    expect(HF_E_CORRUPT, "a packet's head that cannot be");
}

static void records_are_checked(void **state)
{
    (void)state;
    put_append();
    bytes[16] = 14;
    expect(HF_E_NOTSUPPORTED, "a kind of message that is not known here");
    put_append();
    bytes[16] = 130;
    expect(HF_E_NOTSUPPORTED, "a kind of message that is not known here");
    put_append();
    put_u32(20, UINT32_MAX);
    expect(HF_E_CORRUPT, "a record longer than its packet");
    put_append();
    put_u32(20, size - 32 - 1);
    expect(HF_E_CORRUPT, "an entry longer than its message");
    put_append();
    bytes[17] = HF_RAFT_REJECT;
    expect(HF_E_CORRUPT, "a flag or field that this kind of message has not");
    put_append();
    bytes[18] |= 64; /* an epoch */
    expect(HF_E_CORRUPT, "a flag or field that this kind of message has not");
    put_append();
    memset(bytes + 32, 0, 8); /* a term that is there and zero: written in another way */
    expect(HF_E_CORRUPT, "a field cut off, empty or out of range");
    put_append();
    bytes[39] = 0x80;
    expect(HF_E_CORRUPT, "a field cut off, empty or out of range");
}

static void messages_that_nobody_sends(void **state)
{
    (void)state;
    put_append();
    bytes[32] = 1; /* a term below what goes before */
    expect(HF_E_CORRUPT, "a message that nobody sends");
    put_append();
    bytes[56] = 3; /* ends before it begins */
    expect(HF_E_CORRUPT, "a message that nobody sends");
    put((hf_raft_message){ .kind = HF_RAFT_VOTE, .term = 9, .index = 4, .log_term = 9 }, NULL,
        NULL);
    expect(HF_E_CORRUPT, "a message that nobody sends");
    put((hf_raft_message){ .kind = HF_RAFT_VOTE, .term = 9, .index = 4 }, NULL, NULL);
    expect(HF_E_CORRUPT, "a message that nobody sends");
    put((hf_raft_message){ .kind = HF_RAFT_VOTE_REPLY }, NULL, NULL);
    expect(HF_E_CORRUPT, "a message that nobody sends");
    put((hf_raft_message){ .kind = HF_RAFT_BEAT_REPLY, .term = 9, .nonce = 1 }, NULL, NULL);
    expect(HF_E_CORRUPT, "a message that nobody sends");
    put((hf_raft_message){ .kind = HF_RAFT_APPEND_REPLY, .term = 9, .index = 1, .last = 2 }, NULL,
        NULL);
    expect(HF_E_CORRUPT, "a message that nobody sends");
    put((hf_raft_message){ .kind = HF_RAFT_RELEASE }, NULL, NULL);
    expect(HF_E_CORRUPT, "a message that nobody sends");
}

static void entries_are_checked(void **state)
{
    (void)state;
    put_append();
    bytes[ENTRY] = 1; /* below the term that goes before */
    expect(HF_E_CORRUPT, "terms that do not grow");
    put_append();
    bytes[ENTRY] = 10; /* above the leader's */
    expect(HF_E_CORRUPT, "terms that do not grow");
    put_append();
    bytes[ENTRY + 16 + 5] = 7; /* the second's, below the first's */
    expect(HF_E_CORRUPT, "terms that do not grow");
    put_append();
    bytes[ENTRY + 8] = 3;
    expect(HF_E_NOTSUPPORTED, "a kind of entry that is not known here");
    put_append();
    bytes[ENTRY + 8] = HF_RAFT_NOOP;
    expect(HF_E_CORRUPT, "an empty entry that is not");
    put_append();
    bytes[ENTRY + 8] = HF_RAFT_CONFIG;
    expect(HF_E_CORRUPT, "members that cannot be");
    put_append();
    put_u32(ENTRY + 12, UINT32_MAX);
    expect(HF_E_CORRUPT, "an entry longer than its message");
    put_append();
    bytes[57] = 0xff; /* `last`: many */
    expect(HF_E_TOOBIG, "more entries than a message may have");
    put_append();
    bytes[56] = 6; /* one less than there are */
    expect(HF_E_CORRUPT, "bytes behind a message");
    put_append();
    bytes[56] = 8;
    expect(HF_E_CORRUPT, "an entry longer than its message");
}

static void members_are_checked(void **state)
{
    (void)state;
    static const struct {
        uint32_t at, value;
    } wrong[] = {
        { 0, 11 },                             /* more than there may be */
        { 0, 2 },                              /* ... than there are */
        { 0, UINT32_MAX },                     /* ... */
        { 4, 0 },                              /* no node */
        { 4, 2 },                              /* twice the same */
        { 8, 0 },                              /* no role */
        { 8, 8 },                              /* ... known */
        { 8, HF_RAFT_VOTER | HF_RAFT_LEARNER } /* ... possible */
    };
    uint8_t whole[HF_RAFT_CONFIG_SIZE_MAX];
    hf_raft_config got;
    hf_writer w = { whole, whole + sizeof whole, false };
    hf_raft_config_write(&w, &members);
    uint32_t all = (uint32_t)(w.at - whole);
    assert_int_equal(hf_raft_config_read(hf_bytes_of(whole, all), &got), HF_OK);
    assert_memory_equal(&got, &members, sizeof got);
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        uint8_t copy[HF_RAFT_CONFIG_SIZE_MAX];
        memcpy(copy, whole, sizeof copy);
        memcpy(copy + wrong[i].at, &wrong[i].value, 4);
        assert_int_equal(hf_raft_config_read(hf_bytes_of(copy, all), &got), HF_E_CORRUPT);
    }
    for (uint32_t cut = 0; cut < all; cut++) {
        assert_int_equal(hf_raft_config_read(hf_bytes_of(whole, cut), &got), HF_E_CORRUPT);
    }
    for (uint32_t i = 0; i < 2; i++) { /* learners alone */
        memcpy(whole + 8 + i * 8, &(uint32_t){ HF_RAFT_LEARNER }, 4);
    }
    assert_int_equal(hf_raft_config_read(hf_bytes_of(whole, all), &got), HF_E_CORRUPT);
}

static void pieces_are_checked(void **state)
{
    (void)state;
    const hf_bytes piece = HF_LIT("piece");
    hf_raft_message m = { .kind = HF_RAFT_SNAPSHOT,
                          .flags = HF_RAFT_DONE,
                          .term = 9,
                          .index = 7,
                          .log_term = 8,
                          .size = piece.size,
                          .config = &members };
    put(m, NULL, &piece);
    bytes[56] = 200; /* members */
    expect(HF_E_CORRUPT, "members that cannot be");
    m.flags = 0;
    put(m, NULL, &piece);
    put_u32(20, 24);
    size -= piece.size;
    expect(HF_E_CORRUPT, "an empty piece");
}

static void liveness_is_checked(void **state)
{
    (void)state;
    static const struct {
        uint32_t at;
        uint8_t value;
        const char *what;
    } wrong[] = {
        { 17, 1, "liveness of another shape" },  { 18, 1, "liveness of another shape" },
        { 24, 1, "liveness of another shape" },  { 44, 1, "liveness of another shape" },
        { 32, 8, "liveness that cannot be" },    { 36, 0, "liveness that cannot be" },
        { 55, 0xff, "liveness that cannot be" }, { 56, 0, "liveness that cannot be" },
    };
    const hf_liveness_message support = { FROM, TO, 7,     HF_LIVENESS_SUPPORT,
                                          4,    2,  12345, UINT64_C(7) << 32 | 3 };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        hf_raft_packet packet = begun();
        assert_true(hf_raft_packet_add_liveness(&packet, &support));
        flat(&packet, bytes);
        assert_int_equal(read_all(bytes, size), HF_OK);
        bytes[wrong[i].at] = wrong[i].value;
        expect(HF_E_CORRUPT, wrong[i].what);
    }
}

/* Nothing that is cut off is read as something smaller. */
static void what_is_cut_off_is_refused(void **state)
{
    (void)state;
    put_append();
    for (uint32_t cut = 0; cut < size; cut++) {
        assert_int_equal(read_all(bytes, cut), HF_E_CORRUPT);
    }
    bytes[size] = 0;
    assert_int_equal(read_all(bytes, size + 1), HF_E_CORRUPT);
}

/* There is one way to write a message. */
static void what_is_read_is_written_so(void **state)
{
    (void)state;
    static uint8_t turned[BYTES_MAX], again[BYTES_MAX];
    uint32_t taken = 0;
    put_append();
    uint32_t all = size;
    for (uint32_t bit = 0; bit < 8 * all; bit++) {
        memcpy(turned, bytes, all);
        turned[bit / 8] ^= (uint8_t)(1u << bit % 8);
        if (hf_raft_reader_open(&reader, hf_bytes_of(turned, all), FROM, TO) != HF_OK) {
            continue;
        }
        hf_raft_record record, none;
        if (hf_raft_reader_next(&reader, &record) != HF_OK ||
            hf_raft_record_read(&reader, &record, &said) != HF_OK ||
            hf_raft_reader_next(&reader, &none) != HF_E_NOTFOUND) {
            continue;
        }
        hf_raft_packet packet = begun();
        assert_true(
            hf_raft_packet_add(&packet, record.group, &said.message, said.entry, said.payload));
        flat(&packet, again);
        assert_int_equal(size, all);
        assert_memory_equal(again, turned, all);
        taken++;
    }
    assert_true(taken > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(heads_are_checked),          cmocka_unit_test(records_are_checked),
        cmocka_unit_test(messages_that_nobody_sends), cmocka_unit_test(entries_are_checked),
        cmocka_unit_test(members_are_checked),        cmocka_unit_test(pieces_are_checked),
        cmocka_unit_test(liveness_is_checked),        cmocka_unit_test(what_is_cut_off_is_refused),
        cmocka_unit_test(what_is_read_is_written_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
