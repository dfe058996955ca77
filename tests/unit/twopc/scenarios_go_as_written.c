/* Runs every file of tests/data/twopc: blocks parted by blank lines, each
 *
 *   # a remark
 *   part 0 of 0 1 2        a participant at shard 0, the anchor of 0, 1 and 2
 *   part 1                 a participant at shard 1
 *   coordinate 0 1 2       a coordinator
 *   queued                 an event: locked, queued, repeated, logged TS, refused, durable,
 *   query 0                commit TS, abort, query FROM, resolve FROM, is-prepared FROM TS,
 *   is-prepared 1 10       is-poisoned FROM, is-committed FROM TS; of the coordinator:
 *   refused 1              prepared FROM TS, refused FROM
 *   ----
 *   queued                 for each line but remarks: the state, then what is to be done
 *
 * After the TS of logged, is-prepared and prepared: the bound below which the vote holds, if any.
 * "stops" is an assertion of the machine. With --rewrite what came is written into the file.
 */
#include "engine/base/assert.h"
#include "txn/twopc/coordinator.h"
#include "txn/twopc/participant.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { FILE_MAX = 256 * 1024, FILES_MAX = 32, LINE_MAX_SIZE = 256, WORDS_MAX = 12 };

static bool rewriting;
static jmp_buf stopped;

static void on_assert(const char *file, int line, const char *what)
{
    (void)file;
    (void)line;
    (void)what;
    longjmp(stopped, 1);
}

typedef struct scene {
    hf_participant part;
    hf_coordinator co;
    hf_shard_set members; /* the anchor's, until it logs */
    bool coordinates;
} scene;

typedef struct words {
    char text[LINE_MAX_SIZE];
    const char *word[WORDS_MAX];
    uint32_t count;
} words;

static void split(const char *line, words *w)
{
    w->count = 0;
    snprintf(w->text, sizeof w->text, "%s", line);
    for (char *at = w->text; *at != 0 && w->count < WORDS_MAX;) {
        w->word[w->count++] = at;
        at += strcspn(at, " ");
        while (*at == ' ') {
            *at++ = 0;
        }
    }
}

static uint64_t number(const words *w, uint32_t i)
{
    assert_true(i < w->count);
    return strtoull(w->word[i], NULL, 10);
}

static hf_shard_set members(const words *w, uint32_t from)
{
    hf_shard_set set = 0;
    for (uint32_t i = from; i < w->count; i++) {
        set |= hf_shard_bit((uint16_t)number(w, i));
    }
    return set;
}

/* ---- What came of it, in words ---- */

static void put(char *out, const char *text)
{
    size_t at = strlen(out);
    snprintf(out + at, LINE_MAX_SIZE - at, "%s", text);
}

static void put_set(char *out, const char *what, hf_shard_set set)
{
    char text[32];
    if (set == 0) {
        return;
    }
    put(out, what);
    for (uint32_t i = 0; i < HF_PARTICIPANTS_MAX; i++) {
        if ((set >> i & 1) != 0) {
            snprintf(text, sizeof text, " %u", i);
            put(out, text);
        }
    }
}

static void put_when(char *out, bool when, const char *text)
{
    if (when) {
        put(out, text);
    }
}

static void show_part(const hf_participant *p, const hf_participant_update *u, char *out)
{
    char text[64];
    put(out, hf_participant_state_name((hf_participant_state)p->state));
    if (p->state == HF_PARTICIPANT_COMMITTED) {
        snprintf(text, sizeof text, " at %llu", (unsigned long long)p->commit_ts);
        put(out, text);
    }
    put_when(out, p->recovering, ", recovering");
    put_when(out, u->persist == HF_RECORD_TOMBSTONE, "; log tombstone");
    put_when(out, u->persist == HF_RECORD_COMMIT, "; log commit");
    put_when(out, u->persist == HF_RECORD_ABORT, "; log abort");
    put_when(out, u->apply, "; apply");
    put_when(out, u->release, "; release");
    put_when(out, u->tell_prepared, "; tell coordinator prepared");
    put_when(out, u->tell_refused, "; tell coordinator refused");
    put_set(out, "; answer", u->tell_query);
    put_set(out, "; query", u->ask);
    put_set(out, "; finalize", u->finalize);
}

static void show_coordinator(const hf_coordinator *co, bool decided, char *out)
{
    static const char *const names[] = { "preparing", "committed", "aborted" };
    char text[64];
    put(out, names[co->state]);
    if (co->state == HF_COORDINATOR_COMMITTED) {
        snprintf(text, sizeof text, " at %llu", (unsigned long long)co->commit_ts);
        put(out, text);
    }
    put_when(out, decided, "; decided now");
}

/* ---- Events ---- */

typedef struct event_word {
    const char *name;
    hf_participant_event event;
    bool from, ts;
} event_word;

static const event_word *event_of(const char *name)
{
    static const event_word all[] = {
        { "locked", HF_EVENT_LOCKED, false, false },
        { "queued", HF_EVENT_QUEUED, false, false },
        { "repeated", HF_EVENT_REPEATED, false, false },
        { "logged", HF_EVENT_LOGGED, false, true },
        { "refused", HF_EVENT_REFUSED, false, false },
        { "durable", HF_EVENT_DURABLE, false, false },
        { "commit", HF_EVENT_COMMIT, false, true },
        { "abort", HF_EVENT_ABORT, false, false },
        { "query", HF_EVENT_QUERY, true, false },
        { "resolve", HF_EVENT_RESOLVE, true, false },
        { "is-prepared", HF_EVENT_IS_PREPARED, true, true },
        { "is-poisoned", HF_EVENT_IS_POISONED, true, false },
        { "is-committed", HF_EVENT_IS_COMMITTED, true, true },
    };
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        if (strcmp(all[i].name, name) == 0) {
            return &all[i];
        }
    }
    fail_msg("no event %s", name);
    return NULL;
}

static void part_event(scene *s, const words *w, char *out)
{
    const event_word *e = event_of(w->word[0]);
    uint16_t from = e->from ? (uint16_t)number(w, 1) : s->part.self;
    uint32_t at = e->from ? 2 : 1;
    uint64_t ts = e->ts ? number(w, at) : 0;
    uint64_t until = e->ts && w->count > at + 1 ? number(w, at + 1) : UINT64_MAX;
    hf_participant_update update;
    if (e->event == HF_EVENT_LOGGED) {
        s->part.participants = s->members;
    }
    hf_participant_step(&s->part, e->event, from, ts, until, &update);
    show_part(&s->part, &update, out);
}

static void coordinator_event(scene *s, const words *w, char *out)
{
    uint16_t from = (uint16_t)number(w, 1);
    uint64_t until = w->count > 3 ? number(w, 3) : UINT64_MAX;
    bool decided = strcmp(w->word[0], "prepared") == 0
                       ? hf_coordinator_prepared(&s->co, from, number(w, 2), until)
                       : hf_coordinator_refused(&s->co, from);
    show_coordinator(&s->co, decided, out);
}

static void run_words(scene *s, const words *w, char *out)
{
    if (strcmp(w->word[0], "part") == 0) {
        s->coordinates = false;
        hf_participant_begin(&s->part, hf_attempt_of(1, 1, 9), (uint16_t)number(w, 1));
        s->members = members(w, 3);
        put(out, hf_participant_state_name((hf_participant_state)s->part.state));
    } else if (strcmp(w->word[0], "coordinate") == 0) {
        s->coordinates = true;
        hf_coordinator_begin(&s->co, hf_attempt_of(1, 1, 9), members(w, 1));
        show_coordinator(&s->co, false, out);
    } else if (s->coordinates) {
        coordinator_event(s, w, out);
    } else {
        part_event(s, w, out);
    }
}

static void run_line(scene *s, const char *line, char *got)
{
    char out[LINE_MAX_SIZE] = "";
    words w;
    split(line, &w);
    hf_assert_set_hook(on_assert);
    if (setjmp(stopped) == 0) {
        run_words(s, &w, out);
    } else {
        snprintf(out, sizeof out, "stops");
    }
    hf_assert_set_hook(NULL);
    size_t at = strlen(got);
    snprintf(got + at, FILE_MAX - at, "%s\n", out);
}

/* ---- Files ---- */

/* The next line of `*at`, without its end; false at the end of the text. */
static bool next_line(const char **at, char line[LINE_MAX_SIZE])
{
    if (**at == 0) {
        return false;
    }
    size_t size = strcspn(*at, "\n");
    assert_true(size < LINE_MAX_SIZE);
    memcpy(line, *at, size);
    line[size] = 0;
    *at += size + ((*at)[size] == '\n');
    return true;
}

/* Runs one block; appends it as it should read. Answers whether it did read so. */
static bool run_block(const char *block, char *out)
{
    static char got[FILE_MAX];
    char line[LINE_MAX_SIZE];
    scene s = { .members = 0 };
    const char *at = block;
    bool any = false;
    got[0] = 0;
    while (next_line(&at, line) && strcmp(line, "----") != 0) {
        size_t end = strlen(out);
        snprintf(out + end, FILE_MAX - end, "%s\n", line);
        if (line[0] != '#') {
            run_line(&s, line, got);
            any = true;
        }
    }
    size_t end = strlen(out);
    snprintf(out + end, FILE_MAX - end, any ? "----\n%s\n" : "%s\n", got);
    bool same = strcmp(got, at) == 0;
    if (!same && !rewriting) {
        fprintf(stderr, "%s\n  wanted:\n%s  got:\n%s", block, at, got);
    }
    return same;
}

static bool run_text(const char *text, char *out)
{
    static char block[FILE_MAX];
    bool same = true;
    out[0] = 0;
    while (*text != 0) {
        const char *end = strstr(text, "\n\n");
        size_t size = end == NULL ? strlen(text) : (size_t)(end - text) + 1;
        memcpy(block, text, size);
        block[size] = 0;
        same = run_block(block, out) && same;
        text += size;
        text += strspn(text, "\n");
    }
    return same;
}

static void run_file(void **state)
{
    const char *path = *state;
    static char text[FILE_MAX];
    static char out[FILE_MAX];
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    size_t size = fread(text, 1, sizeof text - 1, file);
    assert_true(size < sizeof text - 1);
    text[size] = 0;
    fclose(file);
    bool same = run_text(text, out);
    if (rewriting) {
        file = fopen(path, "wb");
        assert_non_null(file);
        size_t left = strlen(out) - 1; /* without the last blank line */
        assert_int_equal(fwrite(out, 1, left, file), left);
        fclose(file);
        return;
    }
    assert_true(same);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct CMUnitTest *)a)->name, ((const struct CMUnitTest *)b)->name);
}

int main(int argc, char **argv)
{
    static const char folder[] = HF_SOURCE_DIR "/tests/data/twopc";
    static struct CMUnitTest tests[FILES_MAX];
    static char paths[FILES_MAX][512];
    size_t count = 0;
    rewriting = argc > 1 && strcmp(argv[1], "--rewrite") == 0;
    DIR *dir = opendir(folder);
    if (dir == NULL) {
        fprintf(stderr, "no folder %s\n", folder);
        return 1;
    }
    for (struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
        if (strstr(entry->d_name, ".txt") == NULL || count == FILES_MAX) {
            continue;
        }
        snprintf(paths[count], sizeof paths[count], "%s/%s", folder, entry->d_name);
        tests[count] =
            (struct CMUnitTest){ paths[count] + sizeof folder, run_file, NULL, NULL, paths[count] };
        count++;
    }
    closedir(dir);
    qsort(tests, count, sizeof tests[0], by_name);
    return count == 0 ? 1 : _cmocka_run_group_tests("scenarios", tests, count, NULL, NULL);
}
