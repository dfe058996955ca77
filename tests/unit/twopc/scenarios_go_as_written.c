/* Runs every file of tests/data/twopc (script.h), each block by itself:
 *
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
 */
#include "tests/unit/script/script.h"
#include "txn/twopc/coordinator.h"
#include "txn/twopc/participant.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { LINE_MAX_SIZE = 256 };

typedef struct scene {
    hf_participant part;
    hf_coordinator co;
    hf_shard_set members; /* the anchor's, until it logs */
    bool coordinates;
} scene;

static uint64_t number(const script_words *w, uint32_t i)
{
    assert_true(i < w->count);
    return strtoull(w->word[i], NULL, 10);
}

static hf_shard_set members(const script_words *w, uint32_t from)
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

static void part_event(scene *s, const script_words *w, char *out)
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

static void coordinator_event(scene *s, const script_words *w, char *out)
{
    uint16_t from = (uint16_t)number(w, 1);
    uint64_t until = w->count > 3 ? number(w, 3) : UINT64_MAX;
    bool decided = strcmp(w->word[0], "prepared") == 0
                       ? hf_coordinator_prepared(&s->co, from, number(w, 2), until)
                       : hf_coordinator_refused(&s->co, from);
    show_coordinator(&s->co, decided, out);
}

static void run_words(scene *s, const script_words *w, char *out)
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

static scene stage;

static void forget(void)
{
    memset(&stage, 0, sizeof stage);
}

static void run_line(const char *line)
{
    char out[LINE_MAX_SIZE] = "";
    script_words w;
    script_split(line, &w);
    run_words(&stage, &w, out);
    script_say("%s\n", out);
}

int main(int argc, char **argv)
{
    static const script twopc = { .folder = "tests/data/twopc",
                                  .open_block = forget,
                                  .line = run_line };
    return script_main(&twopc, argc, argv);
}
