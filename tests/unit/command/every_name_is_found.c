#include "tests/unit/command/fake.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <ctype.h>

/* Names that clients rely on: the two tiers of Redis' commands, and ours. */
static const char *const wanted[] = {
    "hello",       "auth",         "ping",         "echo",        "select",      "quit",
    "reset",       "client",       "command",      "info",        "config",      "dbsize",
    "flushall",    "flushdb",      "time",         "lastsave",    "save",        "bgsave",
    "role",        "wait",         "slowlog",      "latency",     "memory",      "monitor",
    "shutdown",    "debug",        "acl",          "function",    "del",         "unlink",
    "exists",      "type",         "touch",        "expire",      "pexpire",     "expireat",
    "pexpireat",   "ttl",          "pttl",         "expiretime",  "pexpiretime", "persist",
    "rename",      "renamenx",     "copy",         "randomkey",   "keys",        "scan",
    "object",      "get",          "set",          "setnx",       "setex",       "psetex",
    "getex",       "getdel",       "getset",       "mget",        "mset",        "msetnx",
    "append",      "strlen",       "getrange",     "substr",      "setrange",    "incr",
    "decr",        "incrby",       "decrby",       "incrbyfloat", "multi",       "exec",
    "discard",     "watch",        "unwatch",      "hset",        "hget",        "hmget",
    "hmset",       "hgetall",      "hdel",         "hexists",     "hlen",        "hkeys",
    "hvals",       "hincrby",      "hincrbyfloat", "hsetnx",      "hstrlen",     "hscan",
    "hrandfield",  "getbit",       "setbit",       "bitcount",    "bitpos",      "bitfield",
    "bitfield_ro", "lcs",          "subscribe",    "unsubscribe", "psubscribe",  "punsubscribe",
    "publish",     "pubsub",       "hf.add",       "hf.txn",      "hf.begin",    "hf.commit",
    "hf.rollback", "hf.savepoint", "hf.outcome",   "hf.level",    "hf.read",     "hf.token",
    "hf.after",    "hf.range",     "hf.changes",   "hf.apply",    "hf.lock",     "hf.unlock",
    "hf.admin",    "hf.session",
};

static const hf_command *find(const char *name)
{
    return hf_command_find(hf_bytes_of(name, strlen(name)));
}

static void names_of_the_tiers(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++) {
        const hf_command *command = find(wanted[i]);
        assert_non_null(command);
        assert_string_equal(command->name, wanted[i]);
    }
}

static void every_row_in_any_case(void **state)
{
    (void)state;
    uint16_t id = 0;
    for (; hf_command_at(id) != NULL; id++) {
        const hf_command *command = hf_command_at(id);
        char name[64];
        size_t size = strlen(command->name);
        assert_int_equal(command->id, id);
        for (size_t k = 0; k <= size; k++) {
            name[k] = (char)(k % 2 == 0 ? toupper(command->name[k]) : command->name[k]);
        }
        assert_ptr_equal(find(name), command);
        name[size] = 'x'; /* one more, one less, one other */
        assert_null(hf_command_find(hf_bytes_of(name, size + 1)));
        name[size - 1] ^= 0x40;
        assert_null(hf_command_find(hf_bytes_of(name, size)));
    }
    assert_true(id >= sizeof wanted / sizeof wanted[0]);
}

static void other_names_are_unknown(void **state)
{
    (void)state;
    char name[4] = { 0 };
    assert_null(find(""));
    assert_null(find("a-name-that-is-longer-than-any"));
    for (int c = 0; c < 256; c++) { /* GET and SET alone among ?ET */
        name[0] = (char)c;
        name[1] = 'e';
        name[2] = 't';
        bool known = tolower(c) == 'g' || tolower(c) == 's';
        assert_int_equal(hf_command_find(hf_bytes_of(name, 3)) != NULL, known);
    }
}

static void rows_make_sense(void **state)
{
    (void)state;
    for (uint16_t id = 0; hf_command_at(id) != NULL; id++) {
        const hf_command *command = hf_command_at(id);
        uint32_t flags = command->flags;
        assert_true(command->arity != 0);
        assert_true((command->key_first == 0) == (command->key_step == 0));
        assert_true(command->summary[0] != 0 && command->group[0] != 0 && command->since[0] != 0);
        bool split =
            (flags & (HF_COMMAND_SPLIT_ARRAY | HF_COMMAND_SPLIT_SUM | HF_COMMAND_SPLIT_OK)) != 0;
        assert_int_equal(split, command->part != NULL);
        if (split) {
            const hf_command *part = find(command->part);
            assert_non_null(part);
            assert_non_null(part->run);
            assert_int_equal(part->flags & (HF_COMMAND_READ | HF_COMMAND_WRITE),
                             flags & (HF_COMMAND_READ | HF_COMMAND_WRITE));
        }
        uint32_t kinds = flags & (HF_COMMAND_READ | HF_COMMAND_WRITE | HF_COMMAND_COMMUTE);
        bool keys = command->key_first != 0 || (flags & HF_COMMAND_ALL_KEYS) != 0;
        if (command->run != NULL) { /* what runs on keys says how it locks them, in one way */
            assert_int_equal(keys, kinds != 0);
            assert_int_equal(kinds & (kinds - 1), 0);
        }
    }
}

static void keys_are_where_redis_has_them(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint32_t argc, first, count, step;
    } cases[] = {
        { "get", 2, 1, 1, 1 },    { "mget", 4, 1, 3, 1 },   { "mset", 5, 1, 2, 2 },
        { "rename", 3, 1, 2, 1 }, { "object", 3, 2, 1, 1 }, { "object", 2, 2, 0, 1 },
        { "ping", 1, 0, 0, 1 },   { "lcs", 4, 1, 2, 1 },    { "hf.add", 5, 1, 1, 1 },
        { "mset", 4, 1, 0, 2 },   { "mset", 6, 1, 0, 2 },   { "msetnx", 4, 1, 0, 2 },
    };
    uint32_t first;
    uint32_t count;
    uint32_t step;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_true(hf_command_keys(find(cases[i].name), cases[i].argc, &first, &count, &step));
        assert_int_equal(first, cases[i].first);
        assert_int_equal(count, cases[i].count);
        assert_int_equal(step, cases[i].step);
    }
    assert_false(hf_command_keys(find("get"), 3, &first, &count, &step));
    assert_false(hf_command_keys(find("mget"), 1, &first, &count, &step));
}

static const char *sub_error(hf_buf *reply, const char *name, const char *sub, uint32_t argc)
{
    hf_bytes args[4] = { hf_bytes_of(name, strlen(name)), hf_bytes_of(sub, strlen(sub)),
                         HF_LIT("x"), HF_LIT("y") };
    hf_buf_reset(reply);
    bool good = hf_command_check_sub(find(name), args, argc, reply);
    assert_int_equal(good, reply->size == 0);
    hf_buf_u8(reply, 0);
    return (const char *)reply->data;
}

static void subcommands_are_known_with_their_arity(void **state)
{
    (void)state;
    fake_world fake;
    fake_open(&fake, 1 << 20);
    hf_buf reply;
    hf_buf_open(&reply, fake.heap);
    assert_string_equal(sub_error(&reply, "client", "getname", 2), "");
    assert_string_equal(sub_error(&reply, "Object", "FREQ", 3), "");
    assert_string_equal(sub_error(&reply, "command", "", 1), "");
    assert_string_equal(sub_error(&reply, "memory", "usage", 4), "");
    assert_string_equal(sub_error(&reply, "get", "nope", 2), "");
    assert_string_equal(sub_error(&reply, "publish", "nope", 3), "");
    assert_string_equal(sub_error(&reply, "object", "nope", 3),
                        "-ERR unknown subcommand 'nope'. Try OBJECT HELP.\r\n");
    assert_string_equal(sub_error(&reply, "command", "nope", 2),
                        "-ERR unknown subcommand 'nope'. Try COMMAND HELP.\r\n");
    assert_string_equal(sub_error(&reply, "client", "GETNAME", 3),
                        "-ERR wrong number of arguments for 'client|getname' command\r\n");
    assert_string_equal(sub_error(&reply, "config", "get", 2),
                        "-ERR wrong number of arguments for 'config|get' command\r\n");
    hf_buf_close(&reply);
    fake_close(&fake);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_of_the_tiers),
        cmocka_unit_test(every_row_in_any_case),
        cmocka_unit_test(other_names_are_unknown),
        cmocka_unit_test(rows_make_sense),
        cmocka_unit_test(keys_are_where_redis_has_them),
        cmocka_unit_test(subcommands_are_known_with_their_arity),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
