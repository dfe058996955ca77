/* Runs tests/data/command/<name>.txt:
 *
 *   # a remark                              blocks are parted by blank lines
 *   SET k v                                 commands, as in redis-cli
 *   GET k
 *   ----
 *   OK                                      what they answer, as redis-cli shows it; "(wait)" for
 * one that waits, "v"                                     "(abort)" before the error of one that
 * undoes its transaction
 *
 * Words of the test itself: `@ms N` sets the clock, `@proto 2|3`, and `@pending KEY FIELD|- PLUS
 * MINUS MIN|- MAX|-` adds undecided escrow additions (`@settle` takes them away). HF_REWRITE=1
 * writes what came into the file.
 */
#include "tests/unit/command/fake.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { FILE_MAX = 1024 * 1024, SCRIPTS_MAX = 64 };

static char *read_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    char *text = malloc(FILE_MAX);
    assert_non_null(file);
    assert_non_null(text);
    size_t size = fread(text, 1, FILE_MAX - 1, file);
    assert_true(size < FILE_MAX - 1);
    text[size] = 0;
    fclose(file);
    return text;
}

static int64_t bound(const char *text, int64_t none)
{
    return strcmp(text, "-") == 0 ? none : strtoll(text, NULL, 10);
}

static void add_pending(fake_world *fake, const char *line)
{
    static char words[FAKE_PENDING_MAX][6][32];
    assert_true(fake->pending_count < FAKE_PENDING_MAX);
    char(*word)[32] = words[fake->pending_count];
    assert_int_equal(sscanf(line, "@pending %31s %31s %31s %31s %31s %31s", word[0], word[1],
                            word[2], word[3], word[4], word[5]),
                     6);
    bool whole = strcmp(word[1], "-") == 0;
    fake->pending[fake->pending_count++] = (fake_pending){
        .key = hf_bytes_of(word[0], strlen(word[0])),
        .field = hf_bytes_of(word[1], whole ? 0 : strlen(word[1])),
        .sums = { .plus = bound(word[2], 0),
                  .minus = bound(word[3], 0),
                  .min = bound(word[4], INT64_MIN),
                  .max = bound(word[5], INT64_MAX) },
    };
}

static bool test_word(fake_world *fake, const char *line)
{
    if (strncmp(line, "@ms ", 4) == 0) {
        fake_set_ms(fake, strtoull(line + 4, NULL, 10));
    } else if (strncmp(line, "@proto ", 7) == 0) {
        fake->view.proto = (uint8_t)strtoul(line + 7, NULL, 10);
    } else if (strncmp(line, "@pending ", 9) == 0) {
        add_pending(fake, line);
    } else if (strcmp(line, "@settle") == 0) {
        fake->pending_count = 0;
    } else {
        assert_true(line[0] != '@');
        return false;
    }
    return true;
}

static void run_line(fake_world *fake, const char *line, char *got)
{
    if (test_word(fake, line)) {
        return;
    }
    fake_do(fake, line);
    char *shown = fake_show(hf_buf_view(&fake->reply));
    const char *before = fake->ran == HF_RAN_ABORT  ? "(abort) "
                         : fake->ran == HF_RAN_WAIT ? "(wait)\n"
                                                    : "";
    size_t size = strlen(got);
    snprintf(got + size, FILE_MAX - size, "%s%s", before, shown);
    free(shown);
}

/* One block: the text up to "----" is run; answers what to write back. */
static bool run_block(fake_world *fake, char *block, char *out)
{
    char *got = calloc(1, FILE_MAX);
    assert_non_null(got);
    char *wanted = strstr(block, "----\n");
    size_t at = strlen(out);
    if (wanted == NULL) { /* remarks alone */
        snprintf(out + at, FILE_MAX - at, "%s\n", block);
        free(got);
        return true;
    }
    snprintf(out + at, FILE_MAX - at, "%.*s----\n", (int)(wanted - block), block);
    wanted[0] = 0;
    wanted += 5;
    for (char *line = block; *line != 0;) {
        size_t size = strcspn(line, "\n");
        char *next = line + size + (line[size] == '\n' ? 1 : 0);
        line[size] = 0;
        if (line[0] != '#') {
            run_line(fake, line, got);
        }
        line = next;
    }
    bool same = strcmp(got, wanted) == 0;
    if (!same) {
        fprintf(stderr, "%s\n  wanted:\n%s  got:\n%s\n", out + at, wanted, got);
    }
    at = strlen(out);
    snprintf(out + at, FILE_MAX - at, "%s\n", got);
    free(got);
    return same;
}

static void run_script(void **state)
{
    const char *path = *state;
    char *text = read_file(path);
    char *out = calloc(1, FILE_MAX);
    fake_world fake;
    bool same = true;
    assert_non_null(out);
    fake_open(&fake, 8 * 1024 * 1024);
    for (char *block = text; *block != 0;) {
        char *end = strstr(block, "\n\n");
        size_t size = end == NULL ? strlen(block) : (size_t)(end - block) + 1;
        char *copy = calloc(1, size + 2);
        assert_non_null(copy);
        memcpy(copy, block, size);
        same = run_block(&fake, copy, out) && same;
        free(copy);
        block += size;
        while (*block == '\n') {
            block++;
        }
    }
    fake_close(&fake);
    if (getenv("HF_REWRITE") != NULL) {
        FILE *file = fopen(path, "wb");
        assert_non_null(file);
        size_t size = strlen(out) - 1; /* without the last blank line */
        assert_int_equal(fwrite(out, 1, size, file), size);
        fclose(file);
        same = true;
    }
    free(out);
    free(text);
    assert_true(same);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct CMUnitTest *)a)->name, ((const struct CMUnitTest *)b)->name);
}

int main(void)
{
    static const char folder[] = HF_SOURCE_DIR "/tests/data/command";
    static struct CMUnitTest tests[SCRIPTS_MAX];
    static char paths[SCRIPTS_MAX][512];
    size_t count = 0;
    DIR *dir = opendir(folder);
    if (dir == NULL) {
        fprintf(stderr, "no folder %s\n", folder);
        return 1;
    }
    for (struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
        if (strstr(entry->d_name, ".txt") == NULL || count == SCRIPTS_MAX) {
            continue;
        }
        snprintf(paths[count], sizeof paths[count], "%s/%s", folder, entry->d_name);
        tests[count] = (struct CMUnitTest){ paths[count] + sizeof folder, run_script, NULL, NULL,
                                            paths[count] };
        count++;
    }
    closedir(dir);
    qsort(tests, count, sizeof tests[0], by_name);
    return count == 0 ? 1 : _cmocka_run_group_tests("scripts", tests, count, NULL, NULL);
}
