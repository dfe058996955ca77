#include "tests/unit/command/fake.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static void run(fake_world *fake, const char *name, hf_bytes a, hf_bytes b, hf_bytes c)
{
    hf_bytes args[4] = { hf_bytes_of(name, strlen(name)), a, b, c };
    fake_run(fake, args, c.data != NULL ? 4 : b.data != NULL ? 3 : 2);
}

static void answers(const fake_world *fake, const char *start)
{
    assert_true(fake->reply.size >= strlen(start));
    assert_memory_equal(fake->reply.data, start, strlen(start));
}

static void at_and_over_the_limit(void **state)
{
    (void)state;
    fake_world fake;
    hf_bytes none = hf_bytes_of(NULL, 0);
    uint8_t *data = calloc(1, HF_VALUE_SIZE_MAX + 1);
    assert_non_null(data);
    hf_bytes most = hf_bytes_of(data, HF_VALUE_SIZE_MAX);
    hf_bytes more = hf_bytes_of(data, HF_VALUE_SIZE_MAX + 1);
    fake_open(&fake, 256 * 1024 * 1024);
    run(&fake, "SET", HF_LIT("k"), most, none);
    answers(&fake, "+OK");
    run(&fake, "SET", HF_LIT("k"), more, none);
    answers(&fake, "-TOOBIG a value");
    run(&fake, "APPEND", HF_LIT("k"), HF_LIT("x"), none);
    answers(&fake, "-TOOBIG a value");
    run(&fake, "SETRANGE", HF_LIT("k"), HF_LIT("8388607"), HF_LIT("x"));
    answers(&fake, ":8388608");
    run(&fake, "SETBIT", HF_LIT("k"), HF_LIT("67108864"), HF_LIT("1"));
    answers(&fake, "-TOOBIG a value");
    /* A record block has its own bytes besides: a field of the full size does not fit. */
    run(&fake, "HSET", HF_LIT("h"), HF_LIT("f"), most);
    answers(&fake, "-TOOBIG a record");
    run(&fake, "HSET", HF_LIT("h"), HF_LIT("f"), hf_bytes_of(data, HF_VALUE_SIZE_MAX - 64));
    answers(&fake, ":1");
    run(&fake, "HSET", HF_LIT("h"), HF_LIT("g"), hf_bytes_of(data, 64));
    answers(&fake, "-TOOBIG a record");
    run(&fake, "HSET", HF_LIT("h"), HF_LIT("f"), hf_bytes_of(data, HF_VALUE_SIZE_MAX - 32));
    answers(&fake, ":0"); /* the old one counts no more */
    run(&fake, "HINCRBY", HF_LIT("h"), HF_LIT("counter-of-some-length"), HF_LIT("1"));
    answers(&fake, "-TOOBIG a record");
    fake_close(&fake);
    free(data);
}

static void keys_too(void **state)
{
    (void)state;
    fake_world fake;
    hf_bytes none = hf_bytes_of(NULL, 0);
    static uint8_t key[HF_KEY_SIZE_MAX + 1];
    fake_open(&fake, 4 * 1024 * 1024);
    run(&fake, "SET", hf_bytes_of(key, HF_KEY_SIZE_MAX), HF_LIT("v"), none);
    answers(&fake, "+OK");
    run(&fake, "GET", hf_bytes_of(key, HF_KEY_SIZE_MAX), none, none);
    answers(&fake, "$1\r\nv");
    run(&fake, "GET", hf_bytes_of(key, HF_KEY_SIZE_MAX + 1), none, none);
    answers(&fake, "-TOOBIG a key");
    run(&fake, "RENAME", hf_bytes_of(key, HF_KEY_SIZE_MAX), hf_bytes_of(key, sizeof key), none);
    answers(&fake, "-TOOBIG a key");
    run(&fake, "OBJECT", HF_LIT("ENCODING"), hf_bytes_of(key, sizeof key), none);
    answers(&fake, "-TOOBIG a key");
    fake_close(&fake);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(at_and_over_the_limit),
        cmocka_unit_test(keys_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
