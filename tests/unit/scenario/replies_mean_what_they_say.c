/* What the simulator's workloads take a reply for: done, refused, or not known. */
#include "tests/sim/scenario.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka's header wants those above it */
#include <cmocka.h>
#include <string.h>

static hf_reply text(char kind, const char *words)
{
    return (hf_reply){ .kind = kind, .bytes = hf_bytes_of(words, (uint32_t)strlen(words)) };
}

static hf_reply array(const hf_reply *items, uint32_t count)
{
    return (hf_reply){ .kind = '*', .items = items, .count = count };
}

static void refusals_are_certain(void **state)
{
    (void)state;
    static const char *const words[] = { "BUSY try again",
                                         "OOM command not allowed",
                                         "MISCONF the disk is full",
                                         "TXNCONFLICT lost",
                                         "LOADING",
                                         "DEADLINE waited",
                                         "CONDFAILED" };
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        hf_reply reply = text('-', words[i]);
        assert_int_equal(hf_heard_of(&reply), HF_HEARD_FAIL);
    }
    hf_reply limit = text('-', "LIMIT the sum would be below 0");
    assert_int_equal(hf_heard_of(&limit), HF_HEARD_LIMIT);
}

static void doubt_stays_doubt(void **state)
{
    (void)state;
    hf_reply indoubt = text('-', "INDOUBT 01a0");
    hf_reply unsaid = text('-', "OOM committed, but the reply does not fit into memory");
    assert_int_equal(hf_heard_of(&indoubt), HF_HEARD_UNKNOWN);
    assert_int_equal(hf_heard_of(&unsaid), HF_HEARD_UNKNOWN);
}

static void what_is_no_error_was_done(void **state)
{
    (void)state;
    hf_reply nil = { .kind = '_' };
    hf_reply ok = text('+', "OK");
    assert_int_equal(hf_heard_of(&nil), HF_HEARD_OK);
    assert_int_equal(hf_heard_of(&ok), HF_HEARD_OK);
}

static void outcomes_are_read(void **state)
{
    (void)state;
    bool expired;
    hf_reply done[] = { text('+', "COMMITTED"), text('$', "17"), text('$', "+OK") };
    hf_reply not_done[] = { text('+', "ABORTED"), text('$', "-LIMIT") };
    hf_reply too_old[] = { text('+', "EXPIRED") };
    hf_reply committed = array(done, 3);
    hf_reply aborted = array(not_done, 2);
    hf_reply gone = array(too_old, 1);
    hf_reply later = text('-', "LOADING");
    assert_int_equal(hf_outcome_of(&committed, &expired), HF_HEARD_OK);
    assert_int_equal(hf_outcome_of(&aborted, &expired), HF_HEARD_FAIL);
    assert_false(expired);
    assert_int_equal(hf_outcome_of(&later, &expired), HF_HEARD_UNKNOWN);
    assert_false(expired);
    assert_int_equal(hf_outcome_of(&gone, &expired), HF_HEARD_UNKNOWN);
    assert_true(expired);
}

/* A retry that is refused for want of room says nothing about the first try. */
static void a_retry_settles_only_what_is_recorded(void **state)
{
    (void)state;
    hf_reply whole = array(NULL, 0);
    hf_reply limit = text('-', "LIMIT");
    hf_reply condition = text('-', "CONDFAILED");
    hf_reply cancelled = text('-', "TXNCONFLICT cancelled by a question for its outcome");
    hf_reply busy = text('-', "BUSY");
    hf_reply deadline = text('-', "DEADLINE");
    hf_reply lost = text('-', "TXNCONFLICT lost to an older transaction");
    assert_true(hf_retry_settles(&whole));
    assert_true(hf_retry_settles(&limit));
    assert_true(hf_retry_settles(&condition));
    assert_true(hf_retry_settles(&cancelled));
    assert_false(hf_retry_settles(&busy));
    assert_false(hf_retry_settles(&deadline));
    assert_false(hf_retry_settles(&lost));
}

static void lists_are_read_whole(void **state)
{
    (void)state;
    int64_t list[4];
    uint32_t count = 9;
    hf_reply three = text('$', "4,17,9,");
    hf_reply none = { .kind = '_' };
    hf_reply cut = text('$', "4,17,9");
    hf_reply junk = text('$', "4,x,");
    hf_reply long_one = text('$', "1,2,3,4,5,");
    assert_true(hf_list_of(&three, list, 4, &count));
    assert_int_equal(count, 3);
    assert_int_equal(list[1], 17);
    assert_true(hf_list_of(&none, list, 4, &count));
    assert_int_equal(count, 0);
    assert_false(hf_list_of(&cut, list, 4, &count));
    assert_false(hf_list_of(&junk, list, 4, &count));
    assert_false(hf_list_of(&long_one, list, 4, &count));
}

static void integers_are_whole_texts(void **state)
{
    (void)state;
    int64_t value = 0;
    hf_reply good = text('$', "-12");
    hf_reply number = { .kind = ':', .integer = 7 };
    hf_reply half = text('$', "12x");
    hf_reply empty = text('$', "");
    assert_true(hf_reply_integer(&good, &value));
    assert_int_equal(value, -12);
    assert_true(hf_reply_integer(&number, &value));
    assert_int_equal(value, 7);
    assert_false(hf_reply_integer(&half, &value));
    assert_false(hf_reply_integer(&empty, &value));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refusals_are_certain),
        cmocka_unit_test(doubt_stays_doubt),
        cmocka_unit_test(what_is_no_error_was_done),
        cmocka_unit_test(outcomes_are_read),
        cmocka_unit_test(a_retry_settles_only_what_is_recorded),
        cmocka_unit_test(lists_are_read_whole),
        cmocka_unit_test(integers_are_whole_texts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
