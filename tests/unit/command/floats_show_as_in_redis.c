#include "tests/unit/command/fake.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static const struct {
    const char *from, *delta, *shown; /* shown NULL: refused */
} cases[] = {
    { "10.50", "0.1", "10.6" },
    { "5.0e3", "2.0e2", "5200" },
    { "3", "1.1", "4.1" },
    { "0", "-0", "0" },
    { "-0.1", "0.1", "0" },
    { "1", "0x1p3", "9" },
    { "17179869184", "0.5", "17179869184.5" },
    { "1e17", "1", "100000000000000001" },
    { "1", "1e-18", "1" },
    { "0", ".5", "0.5" },
    { "0", "5.", "5" },
    { "0", " 5", NULL },
    { "0", "5 ", NULL },
    { "0", "", NULL },
    { "0", "nan", NULL },
    { "0", "inf", NULL },
    { "0", "1e5000", NULL },
    { "0", "1e-5000", NULL },
    { "abc", "1", NULL },
};

static void table(void **state)
{
    (void)state;
    fake_world fake;
    fake_open(&fake, 1024 * 1024);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char line[128];
        char wanted[128];
        snprintf(line, sizeof line, "SET k \"%s\"", cases[i].from);
        fake_do(&fake, line);
        snprintf(line, sizeof line, "INCRBYFLOAT k \"%s\"", cases[i].delta);
        if (cases[i].shown == NULL) {
            fake_do(&fake, line);
            assert_int_equal(fake.reply.data[0], '-');
            continue;
        }
        snprintf(wanted, sizeof wanted, "$%zu\r\n%s\r\n", strlen(cases[i].shown), cases[i].shown);
        fake_expect(&fake, line, wanted);
        fake_expect(&fake, "GET k", wanted);
    }
    fake_close(&fake);
}

static void the_largest_fits(void **state)
{
    (void)state;
    fake_world fake;
    fake_open(&fake, 1024 * 1024);
    fake_do(&fake, "INCRBYFLOAT k 1e4932");
    assert_true(fake.reply.size > 4930);
    fake_do(&fake, "INCRBYFLOAT k 1e4932");
    assert_int_equal(fake.reply.data[0], '-');
    fake_close(&fake);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(table),
        cmocka_unit_test(the_largest_fits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
