/* Bytes of an idle, sealed log are changed in every kind of place: acknowledged data is never cut
 * off in silence, a newer format and a foreign file have their own errors, and nothing on disk is
 * changed.
 */
#include "tests/unit/log/frame.h"

#include "engine/base/crc32c.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

static frame f;
static fake before;

/* A log of some batches, sealed. Segment 1 only. */
static void make_sized(uint32_t segment_bytes)
{
    frame_open(&f, 512, 5);
    f.config.segment_bytes = segment_bytes;
    assert_int_equal(frame_recover(&f, 0), HF_OK);
    for (uint32_t i = 0; i < 12; i++) {
        frame_must_append(&f, 100 + i * 700);
        frame_settle(&f);
    }
    frame_idle(&f, 20000000);
    fake_crash(&f.world, FAKE_NONE);
}

static void make(void)
{
    make_sized(1024 * 1024);
}

static void drop(void)
{
    frame_close(&f);
}

static void remember(void)
{
    fake_copy(&before, &f.world);
}

static void nothing_changed(void)
{
    for (uint32_t i = 0; i < FAKE_FILES; i++) {
        fake_file *now = &f.world.files[i];
        assert_int_equal(now->used, before.files[i].used);
        if (now->used) {
            assert_string_equal(now->path, before.files[i].path);
            assert_int_equal(now->size, before.files[i].size);
            assert_memory_equal(now->now, before.files[i].now, now->size);
        }
    }
    fake_close(&before);
}

static void expect(hf_err err, const char *words)
{
    remember();
    assert_int_equal(frame_recover(&f, 0), err);
    if (strstr(f.detail, words) == NULL) {
        fail_msg("\"%s\" is not in \"%s\"", words, f.detail);
    }
    assert_non_null(strstr(f.detail, "holdfast log verify core-00"));
    nothing_changed();
}

/* Where batch `seq` lies. */
static hf_log_batch batch_of(uint64_t seq)
{
    fake_file *file = fake_find(&f.world, frame_segment(1));
    hf_log_batch batch;
    hf_log_why why;
    for (uint64_t at = HF_LOG_SEGMENT_HEAD; at < file->size; at += HF_LOG_SECTOR) {
        if (hf_log_batch_head(file->now + at, &batch, &why) == HF_LOG_WHOLE && batch.seq == seq) {
            return batch;
        }
    }
    fail();
    return batch;
}

static void a_bit_in_any_part_of_an_acknowledged_batch(void **state)
{
    (void)state;
    make();
    hf_log_batch last;
    frame_last_batch(&f, &last);
    assert_true(last.seal);
    uint64_t offset = 0;
    for (uint64_t seq = 2; seq < last.seq; seq++) {
        hf_log_batch batch = batch_of(seq);
        uint32_t head = hf_log_batch_head_size(batch.block_size);
        const uint32_t places[] = { 0,
                                    4,
                                    9,
                                    13,
                                    17,
                                    26,
                                    33,
                                    41,
                                    49,
                                    57,
                                    65,
                                    73,
                                    77,
                                    81,
                                    85,
                                    89,
                                    93,
                                    HF_LOG_BATCH_HEAD,
                                    head - 1,
                                    head,
                                    head + 5,
                                    head + HF_LOG_RECORD_HEAD,
                                    head + batch.payload_size - 1,
                                    batch.block_size - 1 };
        for (uint32_t i = 0; i < sizeof places / sizeof places[0]; i++) {
            offset = batch.offset + places[i];
            fake_flip(&f.world, frame_segment(1), offset);
            expect(HF_E_CORRUPT, "core-00/log-0000000000000001, offset ");
            fake_flip(&f.world, frame_segment(1), offset);
        }
    }
    assert_int_equal(frame_recover(&f, 0), HF_OK);
    frame_check_prefix(&f);
    assert_int_equal(f.appended, 12);
    drop();
}

static void a_bit_in_the_newest_batch_even_the_seal(void **state)
{
    (void)state;
    make();
    hf_log_batch last;
    frame_last_batch(&f, &last);
    for (uint32_t at = 0; at < last.block_size; at += 13) {
        fake_flip(&f.world, frame_segment(1), last.offset + at);
        expect(HF_E_CORRUPT, "neither zeros nor whole");
        fake_flip(&f.world, frame_segment(1), last.offset + at);
    }
    drop();
}

static void a_bit_far_behind_the_end(void **state)
{
    (void)state;
    make_sized(4 * 1024 * 1024);
    fake_flip(&f.world, frame_segment(1), 4 * 1024 * 1024 - 100);
    expect(HF_E_CORRUPT, "further behind the log's end than unacknowledged writes reach");
    fake_flip(&f.world, frame_segment(1), 4 * 1024 * 1024 - 100);
    /* Within reach it cannot be told from a write that was cut off: zeroed, and the log goes on. */
    fake_flip(&f.world, frame_segment(1), 1024 * 1024);
    assert_int_equal(frame_recover(&f, 0), HF_OK);
    frame_check_prefix(&f);
    assert_int_equal(f.appended, 12);
    assert_int_equal(fake_find(&f.world, frame_segment(1))->now[1024 * 1024], 0);
    drop();
}

static void sectors_that_turned_to_zeros(void **state)
{
    (void)state;
    static const uint8_t zeros[HF_LOG_SECTOR];
    make();
    hf_log_batch last;
    frame_last_batch(&f, &last);
    for (uint64_t seq = 2; seq < last.seq; seq++) {
        hf_log_batch batch = batch_of(seq);
        for (uint32_t at = 0; at < batch.block_size; at += HF_LOG_SECTOR) {
            uint8_t kept[HF_LOG_SECTOR];
            memcpy(kept, fake_find(&f.world, frame_segment(1))->now + batch.offset + at,
                   sizeof kept);
            fake_poke(&f.world, frame_segment(1), batch.offset + at, zeros, sizeof zeros);
            expect(HF_E_CORRUPT, "acknowledged batch is missing or incomplete");
            fake_poke(&f.world, frame_segment(1), batch.offset + at, kept, sizeof kept);
        }
    }
    drop();
}

static void a_batch_in_the_place_of_another(void **state)
{
    (void)state;
    make();
    hf_log_batch one = batch_of(3);
    hf_log_batch two = batch_of(4);
    uint8_t *bytes = fake_find(&f.world, frame_segment(1))->now + two.offset;
    fake_poke(&f.world, frame_segment(1), one.offset, bytes, HF_LOG_SECTOR);
    expect(HF_E_CORRUPT, "misdirected");
    drop();
}

static void a_lost_write_that_left_older_content(void **state)
{
    (void)state;
    make();
    /* The batch as it would be if an earlier run's content had come back: whole, another chain. */
    hf_log_batch batch = batch_of(5);
    uint8_t block[65536];
    uint8_t *bytes = fake_find(&f.world, frame_segment(1))->now + batch.offset;
    memcpy(block, bytes, batch.block_size);
    batch.chain ^= 1;
    hf_log_batch_encode(&batch, block);
    fake_poke(&f.world, frame_segment(1), batch.offset, block, batch.block_size);
    expect(HF_E_CORRUPT, "does not continue the one before it");
    batch.chain ^= 1;
    batch.seq++;
    hf_log_batch_encode(&batch, block);
    fake_poke(&f.world, frame_segment(1), batch.offset, block, batch.block_size);
    expect(HF_E_CORRUPT, "wrong sequence number");
    drop();
}

static void poke_head(uint32_t at, uint64_t value, uint32_t size)
{
    uint8_t head[64];
    memcpy(head, fake_find(&f.world, frame_segment(1))->now, sizeof head);
    memcpy(head + at, &value, size);
    uint32_t crc = hf_crc32c(0, head + 12, sizeof head - 12);
    memcpy(head + 8, &crc, sizeof crc);
    fake_poke(&f.world, frame_segment(1), 0, head, sizeof head);
}

static void a_segment_head(void **state)
{
    (void)state;
    make();
    for (uint32_t at = 0; at < 64; at++) {
        fake_flip(&f.world, frame_segment(1), at);
        expect(HF_E_CORRUPT, "head is damaged");
        fake_flip(&f.world, frame_segment(1), at);
    }
    poke_head(12, 2, 4);
    expect(HF_E_VERSION, "found 2, expected 1");
    poke_head(12, 1, 4);
    poke_head(16, 78, 8);
    expect(HF_E_WRONGFILE, "found 78, expected 77");
    poke_head(16, 77, 8);
    poke_head(24, 9, 8);
    expect(HF_E_WRONGFILE, "found 9, expected 1");
    poke_head(24, 1, 8);
    assert_int_equal(frame_recover(&f, 0), HF_OK);
    drop();
}

static void a_file_that_is_cut_short(void **state)
{
    (void)state;
    make();
    fake_find(&f.world, frame_segment(1))->size = 8192;
    expect(HF_E_CORRUPT, "shorter than its head says");
    fake_find(&f.world, frame_segment(1))->size = 600 * 1024; /* behind the log's end */
    expect(HF_E_CORRUPT, "shorter than its head says");
    fake_find(&f.world, frame_segment(1))->size = 10;
    expect(HF_E_CORRUPT, "ends within the segment's head");
    drop();
}

static void records_that_are_needed_and_gone(void **state)
{
    (void)state;
    make();
    remember();
    assert_int_equal(frame_recover(&f, f.lsns[11] + 1), HF_E_CORRUPT);
    assert_non_null(strstr(f.detail, "the log ends before the position"));
    nothing_changed();
    fake_remove(&f.world, frame_segment(1));
    expect(HF_E_CORRUPT, "there is a gap");
    fake_remove(&f.world, frame_segment(2));
    remember();
    assert_int_equal(frame_recover(&f, 10), HF_E_CORRUPT);
    assert_non_null(strstr(f.detail, "no log segment"));
    nothing_changed();
    drop();
}

/* Nobody asks for what it held; that there was one is shown by the spare behind it. */
static void a_segment_that_is_gone_without_a_checkpoint(void **state)
{
    (void)state;
    make();
    fake_file *behind = fake_find(&f.world, frame_segment(2));
    assert_non_null(behind);
    (void)snprintf(behind->path, sizeof behind->path, "core-00/spare-%016x", 3);
    memcpy(behind->durable, behind->path, sizeof behind->durable);
    remember();
    assert_int_equal(frame_recover(&f, 0), HF_E_CORRUPT);
    assert_non_null(strstr(f.detail, "log segment 2 is missing"));
    nothing_changed();
    fake_remove(&f.world, frame_segment(1));
    remember();
    assert_int_equal(frame_recover(&f, 0), HF_E_CORRUPT);
    assert_non_null(strstr(f.detail, "log segment 2 is missing"));
    nothing_changed();
    drop();
    make(); /* or by the one behind it, were it empty */
    fake_remove(&f.world, frame_segment(1));
    remember();
    assert_int_equal(frame_recover(&f, 0), HF_E_CORRUPT);
    assert_non_null(strstr(f.detail, "log segment 1 is missing"));
    nothing_changed();
    drop();
}

static void a_sector_that_cannot_be_read(void **state)
{
    (void)state;
    make();
    remember();
    f.world.fail_kind = HF_IO_READ;
    f.world.fail_at = 2;
    f.world.fail_result = -5;
    assert_int_equal(frame_recover(&f, 0), HF_E_IO);
    assert_non_null(strstr(f.detail, "reading a segment failed with errno 5 (input/output error)"));
    nothing_changed();
    drop();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_bit_in_any_part_of_an_acknowledged_batch),
        cmocka_unit_test(a_bit_in_the_newest_batch_even_the_seal),
        cmocka_unit_test(a_bit_far_behind_the_end),
        cmocka_unit_test(sectors_that_turned_to_zeros),
        cmocka_unit_test(a_batch_in_the_place_of_another),
        cmocka_unit_test(a_lost_write_that_left_older_content),
        cmocka_unit_test(a_segment_head),
        cmocka_unit_test(a_file_that_is_cut_short),
        cmocka_unit_test(records_that_are_needed_and_gone),
        cmocka_unit_test(a_segment_that_is_gone_without_a_checkpoint),
        cmocka_unit_test(a_sector_that_cannot_be_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
