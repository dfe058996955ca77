/* A run in a child process: good, repeated, too long, or with nothing to say, it is a result. */
#include "tests/sim/run.h"
#include "tests/sim/run_small.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka's header wants those above it */
#include <cmocka.h>
#include <string.h>

enum { SECONDS = 60 };

static hf_run_result result, again;

static void a_good_run_has_judged_something(void **state)
{
    (void)state;
    hf_run_config config = { .seed = 5, .scenario = "bank", .events = 8000 };
    hf_run_guarded(&config, SECONDS, &result);
    assert_string_equal(result.text, "");
    assert_int_equal(result.code, HF_RUN_OK);
    assert_string_equal(result.scenario, "bank");
    assert_true(result.ok > 20 && result.events >= 8000 && result.power_losses > 0);
}

/* With other bytes in the node's fresh memory, too. */
static void the_same_seed_is_the_same_run(void **state)
{
    (void)state;
    hf_run_config config = { .seed = 11, .scenario = "torture", .events = 8000 };
    hf_run_guarded(&config, SECONDS, &result);
    config.junk = 0x5c;
    hf_run_guarded(&config, SECONDS, &again);
    assert_int_equal(result.code, again.code);
    assert_true(result.hash == again.hash && result.events == again.events);
    config.seed = 12;
    hf_run_guarded(&config, SECONDS, &again);
    assert_true(result.hash != again.hash);
}

static void a_run_that_does_not_end_is_stuck(void **state)
{
    (void)state;
    hf_run_config config = { .seed = 5, .scenario = "bank", .events = UINT64_C(1000000000) };
    hf_run_guarded(&config, 1, &result);
    assert_int_equal(result.code, HF_RUN_STUCK);
    assert_non_null(strstr(result.text, "still running after 1 s"));
}

/* An assertion of a legal seed cannot be had on purpose; a world without cores is one of ours. */
static void an_assertion_is_a_crash_with_its_words(void **state)
{
    (void)state;
    hf_run_config config = { .seed = 5, .scenario = "bank", .cores = 65, .events = 100 };
    hf_run_guarded(&config, SECONDS, &result);
    assert_int_equal(result.code, HF_RUN_CRASHED);
    assert_non_null(strstr(result.text, "assertion failed at "));
}

static void a_failure_is_told_as_a_command(void **state)
{
    (void)state;
    char words[512];
    hf_run_config config = { .seed = 7,
                             .scenario = "escrow",
                             .cores = 2,
                             .events = 900,
                             .with = HF_RUN_FAULT_BIT(ERROR),
                             .without = HF_RUN_FAULT_BIT(CLOCK) | HF_RUN_FAULT_BIT(NET) };
    hf_run_words(&config, &result, words, sizeof words);
    assert_string_equal(words, "--seed 7 --scenario escrow --cores 2 --events 900 --with error "
                               "--without clock,net");
}

/* What fails however small it is comes out small. */
static void a_failing_run_is_made_small(void **state)
{
    (void)state;
    hf_run_config config = { .seed = 5, .cores = 65, .clients = 16, .events = 100000 };
    hf_run_guarded(&config, SECONDS, &result);
    assert_int_equal(result.code, HF_RUN_CRASHED);
    uint32_t tries = hf_run_small(&config, &result, SECONDS);
    assert_true(tries > 0);
    assert_true(config.events < 5000);
    assert_int_equal(config.clients, 2);
    assert_int_equal(config.without, HF_RUN_ALL_FAULTS);
    assert_int_equal(result.code, HF_RUN_CRASHED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_good_run_has_judged_something),
        cmocka_unit_test(the_same_seed_is_the_same_run),
        cmocka_unit_test(a_run_that_does_not_end_is_stuck),
        cmocka_unit_test(an_assertion_is_a_crash_with_its_words),
        cmocka_unit_test(a_failure_is_told_as_a_command),
        cmocka_unit_test(a_failing_run_is_made_small),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
