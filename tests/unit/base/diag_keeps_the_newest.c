/* Claim: the newest frames are kept in order, long text is cut, and no diag at all is allowed. */
#include "engine/base/diag.h"
#include "tests/unit/base/base_test.h"

#include <string.h>

static void newest_first(void **unused)
{
    (void)unused;
    hf_diag diag = { 0 };
    assert_int_equal(hf_diag_count(&diag), 0);
    assert_null(hf_diag_at(&diag, 0));
    for (int i = 0; i < 20; i++) {
        assert_int_equal(HF_DIAG(&diag, HF_E_IO, "frame %d", i), HF_E_IO);
    }
    assert_int_equal(hf_diag_count(&diag), HF_DIAG_FRAMES);
    const hf_diag_frame *newest = hf_diag_at(&diag, 0);
    assert_string_equal(newest->text, "frame 19");
    assert_int_equal(newest->err, HF_E_IO);
    assert_true(newest->line > 0);
    assert_non_null(strstr(newest->file, "diag_keeps_the_newest.c"));
    assert_string_equal(hf_diag_at(&diag, HF_DIAG_FRAMES - 1)->text, "frame 12");
    assert_null(hf_diag_at(&diag, HF_DIAG_FRAMES));
    hf_diag_clear(&diag);
    assert_int_equal(hf_diag_count(&diag), 0);
}

static void text_is_cut(void **unused)
{
    (void)unused;
    hf_diag diag = { 0 };
    char large[400];
    memset(large, 'x', sizeof large - 1);
    large[sizeof large - 1] = '\0';
    HF_DIAG(&diag, HF_E_INVALID, "%s", large);
    assert_int_equal(strlen(hf_diag_at(&diag, 0)->text), HF_DIAG_TEXT - 1);
    hf_diag_clear(&diag);
    HF_DIAG(&diag, HF_E_IO, "read failed");
    HF_DIAG(&diag, HF_E_CORRUPT, "segment %u", 7U);
    char out[64];
    hf_diag_text(&diag, out, sizeof out);
    assert_string_equal(out, "segment 7: read failed");
    for (size_t size = 1; size < sizeof out; size++) {
        memset(out, '#', sizeof out);
        hf_diag_text(&diag, out, size);
        assert_int_equal(strlen(out), size - 1 < 22 ? size - 1 : 22);
        assert_memory_equal(out, "segment 7: read failed", strlen(out));
        assert_int_equal(out[size], '#');
    }
}

static void counter_at_its_end(void **unused)
{
    (void)unused;
    hf_diag diag = { .added = UINT32_MAX - 3 };
    for (int i = 0; i < 12; i++) {
        HF_DIAG(&diag, HF_E_IO, "%d", i);
        if (i >= 7) {
            for (uint32_t k = 0; k < HF_DIAG_FRAMES; k++) {
                assert_int_equal(strtol(hf_diag_at(&diag, k)->text, NULL, 10), i - (int)k);
            }
        }
    }
    assert_int_equal(HF_DIAG(NULL, HF_E_BUSY, "nobody listens"), HF_E_BUSY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(newest_first),
        cmocka_unit_test(text_is_cut),
        cmocka_unit_test(counter_at_its_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
