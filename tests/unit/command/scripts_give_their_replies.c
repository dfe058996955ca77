/* Runs tests/data/command/<name>.txt (script.h): commands as in redis-cli, and what they answer, as
 * redis-cli shows it; "(wait)" for one that waits, "(abort)" before the error of one that undoes
 * its transaction. A file is one database.
 *
 * Words of the test itself: `@ms N` sets the clock, `@proto 2|3`, and `@pending KEY FIELD|- PLUS
 * MINUS MIN|- MAX|-` adds undecided escrow additions (`@settle` takes them away).
 */
#include "tests/unit/command/fake.h"
#include "tests/unit/script/script.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static fake_world fake;

static int64_t bound(const char *text, int64_t none)
{
    return strcmp(text, "-") == 0 ? none : strtoll(text, NULL, 10);
}

static void add_pending(const char *line)
{
    static char words[FAKE_PENDING_MAX][6][32];
    assert_true(fake.pending_count < FAKE_PENDING_MAX);
    char(*word)[32] = words[fake.pending_count];
    assert_int_equal(sscanf(line, "@pending %31s %31s %31s %31s %31s %31s", word[0], word[1],
                            word[2], word[3], word[4], word[5]),
                     6);
    bool whole = strcmp(word[1], "-") == 0;
    fake.pending[fake.pending_count++] = (fake_pending){
        .key = hf_bytes_of(word[0], strlen(word[0])),
        .field = hf_bytes_of(word[1], whole ? 0 : strlen(word[1])),
        .sums = { .plus = bound(word[2], 0),
                  .minus = bound(word[3], 0),
                  .min = bound(word[4], INT64_MIN),
                  .max = bound(word[5], INT64_MAX) },
    };
}

static bool test_word(const char *line)
{
    if (strncmp(line, "@ms ", 4) == 0) {
        fake_set_ms(&fake, strtoull(line + 4, NULL, 10));
    } else if (strncmp(line, "@proto ", 7) == 0) {
        fake.view.proto = (uint8_t)strtoul(line + 7, NULL, 10);
    } else if (strncmp(line, "@pending ", 9) == 0) {
        add_pending(line);
    } else if (strcmp(line, "@settle") == 0) {
        fake.pending_count = 0;
    } else {
        assert_true(line[0] != '@');
        return false;
    }
    return true;
}

static void run_line(const char *line)
{
    if (test_word(line)) {
        return;
    }
    fake_do(&fake, line);
    char *shown = fake_show(hf_buf_view(&fake.reply));
    const char *before = fake.ran == HF_RAN_ABORT  ? "(abort) "
                         : fake.ran == HF_RAN_WAIT ? "(wait)\n"
                                                   : "";
    script_say("%s%s", before, shown);
    free(shown);
}

static void open_database(void)
{
    fake_open(&fake, 8 * 1024 * 1024);
}

static void close_database(void)
{
    fake_close(&fake);
}

int main(int argc, char **argv)
{
    static const script commands = { .folder = "tests/data/command",
                                     .open_file = open_database,
                                     .close_file = close_database,
                                     .line = run_line };
    return script_main(&commands, argc, argv);
}
