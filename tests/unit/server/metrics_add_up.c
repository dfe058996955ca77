#include "tests/unit/server/server_test.h"

#include "engine/shard/session/metrics.h"

#include <string.h>

static hf_sample one, two;
static const hf_sample *const both[] = { &one, &two };

static hf_metrics fill(void)
{
    memset(&one, 0, sizeof one);
    memset(&two, 0, sizeof two);
    one.wall_ns = two.wall_ns = 5000000000;
    one.shard.ready = two.shard.ready = true;
    one.commands = 3;
    two.commands = 4;
    one.up_ns = 1500000000;
    two.up_ns = 2500000001;
    one.flush_ns_max = 7;
    one.clock_ahead_ns = 70;
    two.horizon_ns = 80;
    two.flush_ns_max = 6;
    one.last_save_ns = 4000000000;
    two.last_save_ns = 3000000000;
    one.read_ns[0] = 1;
    two.read_ns[0] = 1;
    two.read_ns[3] = 5;
    one.write_ns[HF_DURATIONS - 1] = 2;
    one.write_ns_sum = 30000000001;
    memcpy(one.by_error[0].name, "ERR", 4);
    one.by_error[0].count = 2;
    memcpy(two.by_error[0].name, "WRONG\"TYPE", 11);
    two.by_error[0].count = 1;
    memcpy(two.by_error[1].name, "ERR", 4);
    two.by_error[1].count = 5;
    return (hf_metrics){ .shards = both, .count = 2, .version = "1.2.3", .incarnation = 9 };
}

static void shards_are_merged_by_what_a_number_means(void **state)
{
    (void)state;
    hf_sample sum;
    (void)fill();
    memset(&sum, 0, sizeof sum);
    hf_sample__merge(&sum, &one);
    hf_sample__merge(&sum, &two);
    assert_int_equal(sum.commands, 7);
    assert_int_equal(sum.up_ns, 2500000001);
    assert_int_equal(sum.flush_ns_max, 7);
    assert_int_equal(sum.clock_ahead_ns, 70);
    assert_int_equal(sum.horizon_ns, 80);
    assert_int_equal(sum.last_save_ns, 3000000000);
    assert_true(sum.shard.ready);
    assert_string_equal(sum.by_error[0].name, "ERR");
    assert_int_equal(sum.by_error[0].count, 7);
    assert_int_equal(sum.by_error[1].count, 1);
    two.shard.ready = false;
    memset(&sum, 0, sizeof sum);
    hf_sample__merge(&sum, &two);
    hf_sample__merge(&sum, &one);
    assert_false(sum.shard.ready);
}

static void prometheus_gets_every_shard(void **state)
{
    server_test test;
    (void)state;
    server_test_open(&test);
    hf_metrics metrics = fill();
    hf_metrics_text(&test.out, &metrics, false);
    const char *text = server_test_text(&test);
    static const char *const lines[] = {
        ("# TYPE holdfast_commands_total counter\nholdfast_commands_total{shard=\"0\"} 3\n"
         "holdfast_commands_total{shard=\"1\"} 4\n"),
        "holdfast_build_info{version=\"1.2.3\"} 1\n",
        "holdfast_ready 1\n",
        "holdfast_uptime_seconds{shard=\"1\"} 2.500000001\n",
        "holdfast_errors_total{code=\"WRONG\\\"TYPE\"} 1\n",
        "holdfast_command_duration_seconds_bucket{kind=\"read\",le=\"0.000001\"} 2\n",
        "holdfast_command_duration_seconds_bucket{kind=\"read\",le=\"0.000004\"} 2\n",
        "holdfast_command_duration_seconds_bucket{kind=\"read\",le=\"0.000008\"} 7\n",
        "holdfast_command_duration_seconds_bucket{kind=\"read\",le=\"+Inf\"} 7\n",
        "holdfast_command_duration_seconds_bucket{kind=\"write\",le=\"4.194304\"} 0\n",
        "holdfast_command_duration_seconds_bucket{kind=\"write\",le=\"+Inf\"} 2\n",
        "holdfast_command_duration_seconds_sum{kind=\"write\"} 30.000000001\n",
    };
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        print_message("%s", lines[i]);
        assert_non_null(strstr(text, lines[i]));
    }
    assert_null(strstr(text, "# EOF"));
    server_test_close(&test);
}

static void openmetrics_names_counters_without_total_and_ends(void **state)
{
    server_test test;
    (void)state;
    server_test_open(&test);
    hf_metrics metrics = fill();
    metrics.stopping = true;
    hf_metrics_text(&test.out, &metrics, true);
    const char *text = server_test_text(&test);
    assert_non_null(strstr(text, "# TYPE holdfast_commands counter\nholdfast_commands_total{"));
    assert_non_null(strstr(text, "# TYPE holdfast_build info\nholdfast_build_info{"));
    assert_non_null(strstr(text, "holdfast_ready 0\n"));
    assert_string_equal(text + strlen(text) - 6, "# EOF\n");
    server_test_close(&test);
}

static void json_has_the_node_and_its_shards(void **state)
{
    server_test test;
    (void)state;
    server_test_open(&test);
    hf_metrics metrics = fill();
    hf_metrics_json(&test.out, &metrics);
    const char *text = server_test_text(&test);
    assert_non_null(strstr(text, "{\"version\":\"1.2.3\",\"ready\":true,\"stopping\":false,"));
    assert_non_null(strstr(text, "\"node\":{\"ready\":true,\"disk_full\":false,\"commands\":7,"));
    assert_non_null(
        strstr(text, "\"shards\":[{\"ready\":true,\"disk_full\":false,\"commands\":3,"));
    assert_non_null(strstr(text, "},{\"ready\":true,\"disk_full\":false,\"commands\":4,"));
    server_test_close(&test);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shards_are_merged_by_what_a_number_means),
        cmocka_unit_test(prometheus_gets_every_shard),
        cmocka_unit_test(openmetrics_names_counters_without_total_and_ends),
        cmocka_unit_test(json_has_the_node_and_its_shards),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
