#include "tests/unit/server/server_test.h"

#include <stdio.h>
#include <string.h>

static const char *set(hf_settings *settings, const char *name, const char *value)
{
    assert_true(hf_config__known(hf_word_of(name)));
    return hf_config__set(settings, hf_word_of(name), hf_word_of(value));
}

static void what_can_change_changes(void **state)
{
    (void)state;
    hf_settings s = hf_settings_default();
    assert_null(set(&s, "slowlog-log-slower-than", "-1"));
    assert_int_equal(s.slow_us, -1);
    assert_null(set(&s, "SLOWLOG-max-LEN", "7"));
    assert_int_equal(s.slow_most, 7);
    assert_null(set(&s, "latency-monitor-threshold", "100"));
    assert_int_equal(s.latency_ms, 100);
    assert_null(set(&s, "timeout", "300"));
    assert_int_equal(s.timeout_s, 300);
}

static void the_rest_is_refused_and_nothing_changes(void **state)
{
    (void)state;
    hf_settings before = hf_settings_default();
    hf_settings s = before;
    assert_non_null(set(&s, "slowlog-log-slower-than", "-2"));
    assert_non_null(set(&s, "slowlog-log-slower-than", "x"));
    assert_non_null(set(&s, "timeout", "-1"));
    assert_non_null(set(&s, "timeout", "2147483648"));
    assert_non_null(set(&s, "timeout", ""));
    assert_non_null(set(&s, "latency-monitor-threshold", "9223372036854775807"));
    assert_string_equal(set(&s, "appendonly", "no"), "can't set immutable config");
    assert_string_equal(set(&s, "maxmemory", "1"), "can't set immutable config");
    assert_string_equal(set(&s, "save", "60 1"), "can't set immutable config");
    assert_null(set(&s, "save", ""));
    assert_null(set(&s, "appendonly", "yes"));
    assert_memory_equal(&s, &before, sizeof s);
    assert_false(hf_config__known(HF_LIT("nothing")));
    assert_false(hf_config__known(HF_LIT("timeou")));
    assert_false(hf_config__known(HF_LIT("timeouts")));
}

static void names_are_in_order_and_found(void **state)
{
    (void)state;
    hf_shard_config config = hf_shard_defaults();
    config.connections_max = 50;
    hf_settings s = hf_settings_default();
    hf_parameter p;
    char last[64] = "";
    bool clients = false;
    uint32_t i = 0;
    for (; hf_config__at(&config, &s, 1000, 2, i, &p); i++) {
        assert_true(strcmp(last, p.name) < 0);
        (void)snprintf(last, sizeof last, "%s", p.name);
        assert_true(hf_config__known(hf_word_of(p.name)));
        if (strcmp(p.name, "maxclients") == 0) {
            clients = true;
            assert_string_equal(p.value, "100");
        }
        if (strcmp(p.name, "maxmemory") == 0) {
            assert_string_equal(p.value, "1000");
        }
        if (strcmp(p.name, "slowlog-log-slower-than") == 0) {
            assert_string_equal(p.value, "10000");
        }
    }
    assert_true(clients && i > 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_can_change_changes),
        cmocka_unit_test(the_rest_is_refused_and_nothing_changes),
        cmocka_unit_test(names_are_in_order_and_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
