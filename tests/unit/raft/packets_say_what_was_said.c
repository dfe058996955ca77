/* Every kind of message, entry and liveness comes out of a packet as it went in; payloads are lent
 * on both sides; a packet without room says so and stays as it was.
 */
#include "txn/raft/packet.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { BYTES_MAX = 1 << 20, FROM = 3, TO = 5 };

static uint8_t heads[HF_RAFT_PACKET_HEADS_MIN];
static hf_bytes parts[HF_RAFT_PACKET_PARTS_MIN];
static hf_raft_packet packet;
static hf_raft_said said;
static hf_raft_reader reader;
static hf_raft_record record;
static uint8_t *bytes; /* exactly a packet's size */
static uint32_t size;

static void begin(uint32_t size_max)
{
    hf_raft_packet_begin(&packet, heads, sizeof heads, parts, HF_RAFT_PACKET_PARTS_MIN, size_max,
                         FROM, TO);
}

static void end(void)
{
    uint32_t count = hf_raft_packet_end(&packet);
    size = 0;
    free(bytes);
    bytes = malloc(packet.size);
    assert_non_null(bytes);
    for (uint32_t i = 0; i < count; i++) {
        assert_true(size + parts[i].size <= packet.size);
        memcpy(bytes + size, parts[i].data, parts[i].size);
        size += parts[i].size;
    }
    assert_int_equal(size, packet.size);
    assert_int_equal(hf_raft_reader_open(&reader, hf_bytes_of(bytes, size), FROM, TO), HF_OK);
}

static void next(uint64_t group)
{
    assert_int_equal(hf_raft_reader_next(&reader, &record), HF_OK);
    assert_true(record.group == group);
    hf_err err = hf_raft_record_read(&reader, &record, &said);
    if (err != HF_OK) {
        fail_msg("%s", reader.what);
    }
}

static void no_more(void)
{
    assert_int_equal(hf_raft_reader_next(&reader, &record), HF_E_NOTFOUND);
}

static void same(hf_raft_message sent)
{
    hf_raft_message got = said.message;
    got.config = sent.config = NULL;
    assert_memory_equal(&got, &sent, sizeof got);
}

#define SENT(KIND, ...)                                                                            \
    {                                                                                              \
        .kind = HF_RAFT_##KIND, .from = FROM, .to = TO, __VA_ARGS__                                \
    }

static const hf_raft_message messages[] = {
    SENT(PREVOTE, .term = 9, .index = 7, .log_term = 8),
    SENT(PREVOTE_REPLY, .flags = HF_RAFT_REJECT),
    SENT(PREVOTE_REPLY, .term = 9),
    SENT(VOTE, .flags = HF_RAFT_TRANSFER, .term = 9, .index = 7, .log_term = 8),
    SENT(VOTE_REPLY, .flags = HF_RAFT_REJECT, .term = 9),
    SENT(APPEND_REPLY, .term = 9, .index = 70, .commit = 60, .epoch = UINT64_C(3) << 63 | 1),
    SENT(APPEND_REPLY, .flags = HF_RAFT_REJECT | HF_RAFT_HAS_LOST, .term = 9, .index = 70,
         .log_term = 4, .last = 90, .read = 5, .nonce = UINT64_MAX),
    SENT(BEAT, .term = 9, .commit = 80, .read = 2),
    SENT(BEAT_REPLY, .flags = HF_RAFT_HAS_LOST, .term = 9, .commit = 8, .epoch = 1, .nonce = 4),
    SENT(SNAPSHOT_REPLY, .term = 9, .index = 70, .log_term = 8, .offset = 4096),
    SENT(CAMPAIGN, .term = 9),
    SENT(RELEASE, .term = 9),
    SENT(READ_AT, .term = 9, .read = UINT64_C(7) << 61),
    SENT(READ_AT_REPLY, .term = 9, .read = UINT64_C(7) << 61, .index = 5),
    SENT(READ_AT_REPLY, .flags = HF_RAFT_REJECT, .term = 9, .read = 1),
};
enum { MESSAGES = sizeof messages / sizeof messages[0] };

static void messages_of_many_groups_are_one_packet(void **state)
{
    (void)state;
    begin(BYTES_MAX);
    for (uint32_t i = 0; i < MESSAGES; i++) {
        assert_true(hf_raft_packet_add(&packet, 1000 + i, &messages[i], NULL, NULL));
    }
    assert_int_equal(hf_raft_packet_end(&packet), 1); /* heads side by side */
    end();
    for (uint32_t i = 0; i < MESSAGES; i++) {
        next(1000 + i);
        same(messages[i]);
    }
    no_more();
}

/* What an idle group costs when its leader must be heard. */
static void a_beat_is_small(void **state)
{
    (void)state;
    begin(BYTES_MAX);
    uint32_t before = packet.size;
    assert_true(hf_raft_packet_add(&packet, 1, &messages[7], NULL, NULL));
    assert_int_equal(packet.size - before, 16 + 3 * 8);
}

static const hf_raft_config joint = { .node = { 1, 2, 9 },
                                      .role = { HF_RAFT_VOTER, HF_RAFT_VOTER | HF_RAFT_OLD,
                                                HF_RAFT_OLD | HF_RAFT_LEARNER },
                                      .count = 3 };

static void entries_are_lent(void **state)
{
    (void)state;
    static const uint8_t data[100000] = { 1, 2, 3 };
    const hf_raft_message m = SENT(APPEND, .term = 9, .index = 4, .log_term = 2, .last = 8,
                                   .commit = 3, .read = 1, .nonce = 6, .whole_at = 4);
    const hf_raft_entry entries[] = { { 2, HF_RAFT_DATA, NULL },
                                      { 9, HF_RAFT_NOOP, NULL },
                                      { 9, HF_RAFT_CONFIG, &joint },
                                      { 9, HF_RAFT_DATA, NULL } };
    const hf_bytes payloads[] = { hf_bytes_of(data, sizeof data), { 0 }, { 0 }, { 0 } };
    begin(BYTES_MAX);
    assert_true(hf_raft_packet_add(&packet, 6, &m, entries, payloads));
    assert_int_equal(hf_raft_packet_end(&packet), 3);
    assert_ptr_equal(parts[1].data, data); /* not copied */
    end();
    next(6);
    same(m);
    assert_int_equal(said.entry_count, 4);
    for (uint32_t i = 0; i < 4; i++) {
        assert_true(said.entry[i].term == entries[i].term);
        assert_true(said.entry[i].kind == entries[i].kind);
    }
    assert_memory_equal(said.entry[2].config, &joint, sizeof joint);
    assert_true(said.payload[0].data > bytes && said.payload[0].data < bytes + size);
    assert_true(hf_bytes_equal(said.payload[0], payloads[0]));
    assert_int_equal(said.payload[3].size, 0);
    no_more();
}

static void the_most_entries_fit(void **state)
{
    (void)state;
    static hf_raft_entry entries[HF_RAFT_ENTRIES_MAX];
    static hf_bytes payloads[HF_RAFT_ENTRIES_MAX];
    hf_raft_message m = SENT(APPEND, .term = 9, .last = HF_RAFT_ENTRIES_MAX);
    for (uint32_t i = 0; i < HF_RAFT_ENTRIES_MAX; i++) {
        entries[i] = (hf_raft_entry){ 9, HF_RAFT_CONFIG, &joint };
    }
    for (int kind = 0; kind < 2; kind++) {
        begin(BYTES_MAX);
        assert_true(hf_raft_packet_add(&packet, 6, &m, entries, payloads));
        end();
        next(6);
        assert_int_equal(said.entry_count, HF_RAFT_ENTRIES_MAX);
        no_more();
        for (uint32_t i = 0; i < HF_RAFT_ENTRIES_MAX; i++) {
            entries[i] = (hf_raft_entry){ 9, HF_RAFT_DATA, NULL };
            payloads[i] = HF_LIT("payload");
        }
    }
}

static void members_come_with_the_last_piece(void **state)
{
    (void)state;
    const hf_bytes piece = HF_LIT("a piece of it");
    hf_raft_message m = SENT(SNAPSHOT, .term = 9, .index = 70, .log_term = 8, .offset = 4096,
                             .size = piece.size, .config = &joint);
    begin(BYTES_MAX);
    assert_true(hf_raft_packet_add(&packet, 6, &m, NULL, &piece));
    m.flags = HF_RAFT_DONE;
    assert_true(hf_raft_packet_add(&packet, 7, &m, NULL, &piece));
    end();
    next(6);
    assert_null(said.message.config);
    assert_true(hf_bytes_equal(said.piece, piece));
    next(7);
    same(m);
    assert_memory_equal(said.message.config, &joint, sizeof joint);
    assert_true(hf_bytes_equal(said.piece, piece));
    no_more();
}

static void liveness_goes_along(void **state)
{
    (void)state;
    const hf_liveness_message heartbeat = { FROM, TO, 7, HF_LIVENESS_HEARTBEAT, 0, 2, 12345, 0 };
    const hf_liveness_message support = { FROM, TO, 7,     HF_LIVENESS_SUPPORT,
                                          4,    2,  12345, UINT64_C(7) << 32 | 3 };
    begin(BYTES_MAX);
    assert_true(hf_raft_packet_add_liveness(&packet, &heartbeat));
    assert_true(hf_raft_packet_add(&packet, 5, &messages[7], NULL, NULL));
    assert_true(hf_raft_packet_add_liveness(&packet, &support));
    end();
    next(0);
    assert_true(record.is_liveness);
    assert_memory_equal(&said.liveness, &heartbeat, sizeof heartbeat);
    next(5);
    assert_false(record.is_liveness);
    same(messages[7]);
    next(0);
    assert_memory_equal(&said.liveness, &support, sizeof support);
    no_more();
}

static void no_room_is_an_answer(void **state)
{
    (void)state;
    const hf_liveness_message heartbeat = { FROM, TO, 7, HF_LIVENESS_HEARTBEAT, 0, 2, 12345, 0 };
    const hf_bytes payload = HF_LIT("12345678");
    const hf_raft_entry entry = { 9, HF_RAFT_DATA, NULL };
    const hf_raft_message m = SENT(APPEND, .term = 9, .last = 1);
    const uint32_t all = 16 + 16 + 2 * 8 + 16 + 8;
    for (uint32_t most = 16; most <= all; most++) {
        begin(most);
        bool fits = hf_raft_packet_add(&packet, 6, &m, &entry, &payload);
        assert_int_equal(fits, most == all);
        if (!fits) {
            assert_int_equal(packet.size, 16);
            assert_int_equal(hf_raft_packet_end(&packet), 0); /* nothing to send */
        }
        assert_int_equal(hf_raft_packet_add_liveness(&packet, &heartbeat), !fits && most >= 64);
    }
    for (uint32_t most = 1; most < 3; most++) { /* parts */
        hf_raft_packet_begin(&packet, heads, sizeof heads, parts, most, BYTES_MAX, FROM, TO);
        assert_false(hf_raft_packet_add(&packet, 6, &m, &entry, &payload));
        assert_int_equal(packet.part_count, 1);
    }
    const hf_raft_entry entries[] = { entry, entry, entry };
    const hf_bytes payloads[] = { payload, payload, payload };
    const hf_raft_message three = SENT(APPEND, .term = 9, .last = 3);
    hf_raft_packet_begin(&packet, heads, sizeof heads, parts, 5, BYTES_MAX, FROM, TO);
    assert_false(hf_raft_packet_add(&packet, 6, &three, entries, payloads));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_of_many_groups_are_one_packet),
        cmocka_unit_test(a_beat_is_small),
        cmocka_unit_test(entries_are_lent),
        cmocka_unit_test(the_most_entries_fit),
        cmocka_unit_test(members_come_with_the_last_piece),
        cmocka_unit_test(liveness_goes_along),
        cmocka_unit_test(no_room_is_an_answer),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    free(bytes);
    return failed;
}
