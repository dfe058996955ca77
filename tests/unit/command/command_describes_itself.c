/* COMMAND as client libraries and redis-cli read it. */
#include "tests/unit/command/fake.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static void contains(const fake_world *fake, const char *part)
{
    if (memmem(fake->reply.data, fake->reply.size, part, strlen(part)) == NULL) {
        fail_msg("%s not in %.*s", part, (int)fake->reply.size, (const char *)fake->reply.data);
    }
}

static void info(void **state)
{
    (void)state;
    fake_world fake;
    fake_open(&fake, 1024 * 1024);
    fake_expect(&fake, "COMMAND INFO get nope",
                "*2\r\n*10\r\n$3\r\nget\r\n:2\r\n*2\r\n+readonly\r\n+fast\r\n:1\r\n:1\r\n:1\r\n"
                "*3\r\n+@read\r\n+@string\r\n+@fast\r\n*0\r\n*0\r\n*0\r\n*-1\r\n");
    fake.view.proto = 3;
    fake_expect(&fake, "COMMAND INFO dbsize",
                "*1\r\n*10\r\n$6\r\ndbsize\r\n:1\r\n~2\r\n+readonly\r\n+fast\r\n:0\r\n:0\r\n:0\r\n"
                "~3\r\n+@keyspace\r\n+@read\r\n+@fast\r\n*0\r\n~0\r\n*0\r\n");
    fake_expect(&fake, "COMMAND INFO hf.part.get", "*1\r\n_\r\n");
    fake_close(&fake);
}

static void docs(void **state)
{
    (void)state;
    fake_world fake;
    fake_open(&fake, 1024 * 1024);
    fake.view.proto = 3;
    fake_expect(&fake, "COMMAND DOCS incrby nope",
                "%1\r\n$6\r\nincrby\r\n%4\r\n$7\r\nsummary\r\n$12\r\nAdd a "
                "number\r\n$5\r\nsince\r\n$5\r\n1.0.0\r\n"
                "$5\r\ngroup\r\n$6\r\nstring\r\n$9\r\narguments\r\n*2\r\n"
                "%2\r\n$4\r\nname\r\n$3\r\nkey\r\n$4\r\ntype\r\n$6\r\nstring\r\n"
                "%2\r\n$4\r\nname\r\n$9\r\nincrement\r\n$4\r\ntype\r\n$6\r\nstring\r\n");
    fake_do(&fake, "COMMAND DOCS hf.add");
    contains(&fake, "$3\r\nkey\r\n");
    contains(
        &fake,
        "$11\r\nFIELD field\r\n$4\r\ntype\r\n$6\r\nstring\r\n$5\r\nflags\r\n~1\r\n+optional\r\n");
    fake_do(&fake, "COMMAND DOCS");
    contains(&fake, "$7\r\nhf.lock\r\n");
    fake_close(&fake);
}

static void lists(void **state)
{
    (void)state;
    fake_world fake;
    fake_open(&fake, 1024 * 1024);
    fake_do(&fake, "COMMAND COUNT");
    uint32_t count = 0;
    for (uint16_t i = 0; hf_command_at(i) != NULL; i++) {
        count += (hf_command_at(i)->flags & HF_COMMAND_INTERNAL) == 0 ? 1 : 0;
    }
    assert_int_equal(strtoul((const char *)fake.reply.data + 1, NULL, 10), count);
    fake_do(&fake, "COMMAND");
    assert_int_equal(strtoul((const char *)fake.reply.data + 1, NULL, 10), count);
    fake_do(&fake, "COMMAND LIST");
    assert_int_equal(strtoul((const char *)fake.reply.data + 1, NULL, 10), count);
    fake_expect(&fake, "COMMAND LIST FILTERBY PATTERN mset*",
                "*2\r\n$4\r\nmset\r\n$6\r\nmsetnx\r\n");
    fake_expect(&fake, "COMMAND LIST FILTERBY MODULE x", "*0\r\n");
    fake_do(&fake, "COMMAND LIST FILTERBY ACLCAT bitmap");
    contains(&fake, "*6\r\n");
    fake_expect(&fake, "COMMAND LIST FILTERBY", "-ERR syntax error\r\n");
    fake_close(&fake);
}

static void keys(void **state)
{
    (void)state;
    fake_world fake;
    fake_open(&fake, 1024 * 1024);
    fake_expect(&fake, "COMMAND GETKEYS mset a 1 b 2", "*2\r\n$1\r\na\r\n$1\r\nb\r\n");
    fake_expect(&fake, "COMMAND GETKEYSANDFLAGS get a", "*1\r\n*2\r\n$1\r\na\r\n*1\r\n+RO\r\n");
    fake_expect(&fake, "COMMAND GETKEYS ping", "-ERR The command has no key arguments\r\n");
    fake_expect(&fake, "COMMAND GETKEYS get",
                "-ERR Invalid number of arguments specified for command\r\n");
    fake_expect(&fake, "COMMAND GETKEYS nope", "-ERR Invalid command specified\r\n");
    fake_expect(&fake, "COMMAND GETKEYS",
                "-ERR wrong number of arguments for 'command|getkeys' command\r\n");
    fake_expect(&fake, "COMMAND NOPE", "-ERR unknown subcommand 'NOPE'. Try COMMAND HELP.\r\n");
    fake_close(&fake);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(info),
        cmocka_unit_test(docs),
        cmocka_unit_test(lists),
        cmocka_unit_test(keys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
