#include "tests/unit/script/script.h"
#include "engine/base/assert.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { TEXT_SIZE = 1024 * 1024, FILES_MAX = 64 };

typedef struct text {
    char data[TEXT_SIZE];
    size_t size;
} text;

static const script *running;
static bool rewriting;
static jmp_buf stopped;
static char stopped_by[256];
static text got; /* of this block */
static text out; /* of this file, as it should read */

static void on_assert(const char *file, int line, const char *what)
{
    snprintf(stopped_by, sizeof stopped_by, "%s:%d: %s", file, line, what);
    longjmp(stopped, 1);
}

static void put(text *t, const char *data, size_t size)
{
    assert_true(size < TEXT_SIZE - t->size);
    memcpy(t->data + t->size, data, size);
    t->size += size;
    t->data[t->size] = 0;
}

void script_say(const char *format, ...)
{
    va_list args;
    size_t left = TEXT_SIZE - got.size;
    va_start(args, format);
    int size = vsnprintf(got.data + got.size, left, format, args);
    va_end(args);
    assert_true(size >= 0 && (size_t)size < left);
    got.size += (size_t)size;
}

size_t script_said(void)
{
    return got.size;
}

void script_unsay(size_t said)
{
    assert_true(said <= got.size);
    got.size = said;
    got.data[said] = 0;
}

void script_split(const char *line, script_words *w)
{
    w->count = 0;
    assert_true(strlen(line) < sizeof w->text);
    snprintf(w->text, sizeof w->text, "%s", line);
    for (char *at = w->text; *at != 0;) {
        assert_true(w->count < SCRIPT_WORDS_MAX);
        w->word[w->count++] = at;
        at += strcspn(at, " ");
        while (*at == ' ') {
            *at++ = 0;
        }
    }
}

static void run_line(const char *line)
{
    hf_assert_set_hook(on_assert);
    if (setjmp(stopped) == 0) {
        running->line(line);
    } else {
        script_say("stops\n");
    }
    hf_assert_set_hook(NULL);
}

/* The next line of `*at`, without its end; false at the end of the text. */
static bool next_line(const char **at, char line[SCRIPT_LINE_SIZE])
{
    if (**at == 0) {
        return false;
    }
    size_t size = strcspn(*at, "\n");
    assert_true(size < SCRIPT_LINE_SIZE);
    memcpy(line, *at, size);
    line[size] = 0;
    *at += size + ((*at)[size] == '\n');
    return true;
}

/* Runs one block; appends it as it should read. Answers whether it did read so. */
static bool run_block(const char *block)
{
    char line[SCRIPT_LINE_SIZE];
    const char *at = block;
    bool any = false;
    script_unsay(0);
    stopped_by[0] = 0;
    if (running->open_block != NULL) {
        running->open_block();
    }
    while (next_line(&at, line) && strcmp(line, "----") != 0) {
        put(&out, line, strlen(line));
        put(&out, "\n", 1);
        if (line[0] != '#') {
            run_line(line);
            any = true;
        }
    }
    if (any && got.size == 0 && running->nothing != NULL) {
        script_say("%s", running->nothing);
    }
    put(&out, "----\n", any ? 5 : 0);
    put(&out, got.data, got.size);
    put(&out, "\n", 1);
    bool same = strcmp(got.data, at) == 0;
    if (!same && !rewriting) {
        fprintf(stderr, "%s\n  got:\n%s%s\n", block, got.data, stopped_by);
    }
    return same;
}

static bool run_text(const char *at)
{
    static char block[TEXT_SIZE];
    bool same = true;
    out.size = 0;
    while (*at != 0) {
        const char *end = strstr(at, "\n\n");
        size_t size = end == NULL ? strlen(at) : (size_t)(end - at) + 1;
        memcpy(block, at, size);
        block[size] = 0;
        same = run_block(block) && same;
        at += size;
        at += strspn(at, "\n");
    }
    return same;
}

static void read_file(const char *path, char to[TEXT_SIZE])
{
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    size_t size = fread(to, 1, TEXT_SIZE - 1, file);
    assert_true(size < TEXT_SIZE - 1);
    to[size] = 0;
    fclose(file);
}

static void run_file(void **state)
{
    const char *path = *state;
    static char whole[TEXT_SIZE];
    read_file(path, whole);
    if (running->open_file != NULL) {
        running->open_file();
    }
    bool same = run_text(whole);
    if (running->close_file != NULL) {
        running->close_file();
    }
    if (rewriting) {
        FILE *file = fopen(path, "wb");
        assert_non_null(file);
        size_t left = out.size - 1; /* without the last blank line */
        assert_int_equal(fwrite(out.data, 1, left, file), left);
        fclose(file);
        return;
    }
    assert_true(same);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct CMUnitTest *)a)->name, ((const struct CMUnitTest *)b)->name);
}

int script_main(const script *scripts, int argc, char **argv)
{
    static struct CMUnitTest tests[FILES_MAX];
    static char paths[FILES_MAX][512];
    char folder[256];
    size_t count = 0;
    running = scripts;
    rewriting = argc > 1 && strcmp(argv[1], "--rewrite") == 0;
    int size = snprintf(folder, sizeof folder, "%s/%s", HF_SOURCE_DIR, scripts->folder);
    DIR *dir = opendir(folder);
    if (dir == NULL) {
        fprintf(stderr, "no folder %s\n", folder);
        return 1;
    }
    for (struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
        if (strstr(entry->d_name, ".txt") == NULL) {
            continue;
        }
        if (count == FILES_MAX) {
            fprintf(stderr, "more than %d files in %s\n", FILES_MAX, folder);
            closedir(dir);
            return 1;
        }
        snprintf(paths[count], sizeof paths[count], "%s/%.200s", folder, entry->d_name);
        tests[count] = (struct CMUnitTest){ .name = paths[count] + size + 1,
                                            .test_func = run_file,
                                            .initial_state = paths[count] };
        count++;
    }
    closedir(dir);
    qsort(tests, count, sizeof tests[0], by_name);
    return count == 0 ? 1 : _cmocka_run_group_tests("scenarios", tests, count, NULL, NULL);
}
