/* Breadth first through every state that the model can reach; an assertion counts as a fault. */
#include "engine/base/assert.h"
#include "tests/unit/raft/model_impl.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ACTIONS_MAX = 128 };

typedef struct found {
    model_state state;
    uint32_t parent;
    action by;
} found;

typedef struct search {
    model m;
    found *states;
    uint32_t count, max;
    uint32_t *slots; /* index + 1 */
    uint32_t mask;
    model_result *result;
} search;

_Static_assert(sizeof(model_state) % sizeof(uint64_t) == 0, "hashed by words");
_Static_assert(sizeof(node) % sizeof(uint64_t) == 0, "kept by words");

static jmp_buf stopped;
static char stopped_by[256];

static void on_assert(const char *file, int line, const char *what)
{
    snprintf(stopped_by, sizeof stopped_by, "%s:%d: %s", file, line, what);
    longjmp(stopped, 1);
}

/* Answers whether the state is new. */
static bool add(search *s, const model_state *state, uint32_t parent, action by)
{
    uint64_t hash =
        intern_hash((const uint64_t *)(const void *)state, sizeof *state / sizeof(uint64_t));
    uint32_t at = (uint32_t)hash & s->mask;
    for (; s->slots[at] != 0; at = (at + 1) & s->mask) {
        if (memcmp(&s->states[s->slots[at] - 1].state, state, sizeof *state) == 0) {
            return false;
        }
    }
    if (s->count == s->max) {
        return false;
    }
    s->states[s->count] = (found){ .state = *state, .parent = parent, .by = by };
    s->slots[at] = ++s->count;
    return true;
}

static void trace(search *s, uint32_t index, action last)
{
    action path[512];
    uint32_t length = 0;
    model_result *r = s->result;
    if (last != 0) {
        path[length++] = last;
    }
    for (; index != 0 && length < 512; index = s->states[index].parent) {
        path[length++] = s->states[index].by;
    }
    size_t at = 0;
    while (length > 0 && at < sizeof r->trace - 256) {
        char text[200];
        model__name(&s->m, path[--length], text, sizeof text);
        at += (size_t)snprintf(r->trace + at, sizeof r->trace - at, "  %s\n", text);
    }
}

/* Everything that can follow one state. False: something is wrong. */
static bool expand(search *s, uint32_t index)
{
    static action actions[ACTIONS_MAX];
    static action doing;
    static model_state before, next;
    doing = 0;
    before = s->states[index].state;
    if (setjmp(stopped) != 0) {
        s->result->wrong = stopped_by;
        trace(s, index, doing);
        return false;
    }
    uint32_t count = model__actions(&s->m, &before, actions, ACTIONS_MAX);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t acted = MODEL_NODES;
        next = before;
        doing = actions[i];
        if (!model__do(&s->m, &next, doing, &acted)) {
            continue;
        }
        s->result->steps++;
        s->result->wrong = model__judge(&s->m, &before, &next, acted);
        if (s->result->wrong != NULL) {
            trace(s, index, doing);
            return false;
        }
        (void)add(s, &next, index, doing);
    }
    return true;
}

/* Node 1 is elected, and nothing is lost. */
static void elect(model *m, model_state *s)
{
    action actions[ACTIONS_MAX];
    uint32_t acted;
    bool more = true;
    s->left[MODEL_ELECTIONS]++;
    HF_ASSERT(model__do(m, s, action_of(A_TICK, 0, 2), &acted));
    while (more) {
        more = false;
        uint32_t count = model__actions(m, s, actions, ACTIONS_MAX);
        for (uint32_t i = 0; i < count; i++) {
            model_state before = *s;
            uint32_t kind = actions[i] >> 24;
            if ((kind == A_DELIVER || kind == A_FLUSH) && model__do(m, s, actions[i], &acted)) {
                HF_ASSERT(model__judge(m, &before, s, acted) == NULL);
                more = more || memcmp(&before, s, sizeof before) != 0;
            }
        }
    }
    memset(s->net, 0, sizeof s->net);
    s->net_count = 0;
    HF_ASSERT(s->leader_of[1] == 1);
}

void model_explore(const model_config *config, uint32_t states_max, model_result *result)
{
    static search s;
    uint32_t slots = 1024;
    while (slots < states_max * 2u) {
        slots *= 2;
    }
    memset(result, 0, sizeof *result);
    s = (search){ .max = states_max, .mask = slots - 1, .result = result };
    s.states = malloc(sizeof *s.states * states_max);
    s.slots = calloc(slots, sizeof *s.slots);
    HF_ASSERT(s.states != NULL && s.slots != NULL);
    static model_state first;
    hf_assert_set_hook(on_assert);
    model__open(&s.m, config, &first);
    if (config->led) {
        elect(&s.m, &first);
    }
    (void)add(&s, &first, 0, 0);
    for (uint32_t i = 0; i < s.count && s.count < s.max; i++) {
        if (!expand(&s, i)) {
            break;
        }
    }
    hf_assert_set_hook(NULL);
    result->seen = s.m.seen;
    result->states = s.count;
    result->full = s.count == s.max;
    result->nodes = s.m.nodes.count;
    result->packets = s.m.packets.count;
    model__close(&s.m);
    free(s.states);
    free(s.slots);
}
