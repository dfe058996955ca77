/* Breadth first through every state that the model can reach; an assertion of the machines counts
 * as a fault like any other. */
#include "engine/base/assert.h"
#include "engine/base/hash.h"
#include "tests/unit/twopc/model.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct node {
    model_state state;
    uint32_t parent;
    model_action by;
} node;

typedef struct search {
    const model_config *config;
    node *nodes;
    uint32_t count, max;
    uint32_t *slots; /* index + 1 */
    uint32_t mask;
    uint64_t *healed; /* hashes of what healed, messages left out */
} search;

static jmp_buf stopped;
static char stopped_by[256];

static void on_assert(const char *file, int line, const char *what)
{
    snprintf(stopped_by, sizeof stopped_by, "%s:%d: %s", file, line, what);
    longjmp(stopped, 1);
}

static uint64_t hash_of(const model_state *state)
{
    const uint64_t *words = (const uint64_t *)(const void *)state;
    uint64_t hash = 0;
    for (size_t i = 0; i < sizeof *state / sizeof *words; i++) {
        hash = hf_hash_mix(hash + words[i]) * UINT64_C(0x9e3779b97f4a7c15);
    }
    return hash;
}

_Static_assert(sizeof(model_state) % sizeof(uint64_t) == 0, "hashed by words");

/* Answers whether the state is new. */
static bool add(search *s, const model_state *state, uint32_t parent, model_action by)
{
    uint32_t at = (uint32_t)hash_of(state) & s->mask;
    for (; s->slots[at] != 0; at = (at + 1) & s->mask) {
        if (memcmp(&s->nodes[s->slots[at] - 1].state, state, sizeof *state) == 0) {
            return false;
        }
    }
    if (s->count == s->max) {
        return false;
    }
    s->nodes[s->count] = (node){ .state = *state, .parent = parent, .by = by };
    s->slots[at] = ++s->count;
    return true;
}

static void trace(const search *s, uint32_t index, model_result *result)
{
    model_action path[256];
    uint32_t length = 0;
    for (; index != 0 && length < 256; index = s->nodes[index].parent) {
        path[length++] = s->nodes[index].by;
    }
    size_t at = 0;
    while (length > 0 && at < sizeof result->trace - 128) {
        char text[100];
        model_name(path[--length], text, sizeof text);
        at += (size_t)snprintf(result->trace + at, sizeof result->trace - at, "  %s\n", text);
    }
}

/* Heals each state once, however its messages differ. */
static const char *heal(search *s, const model_state *state, model_result *result)
{
    model_state bare = *state;
    memset(bare.sent, 0, sizeof bare.sent);
    bare.crashes = 0;
    uint64_t hash = hash_of(&bare) | 1;
    uint32_t at = (uint32_t)(hash >> 32) & s->mask;
    for (; s->healed[at] != 0; at = (at + 1) & s->mask) {
        if (s->healed[at] == hash) {
            return NULL;
        }
    }
    s->healed[at] = hash;
    result->healed++;
    return model_heal(s->config, state);
}

/* Everything that can follow one state. False: something is wrong. */
static bool expand(search *s, uint32_t index, bool heals, const model_action *actions,
                   uint32_t count, model_result *result)
{
    static model_action doing;
    doing = 0;
    if (setjmp(stopped) != 0) {
        result->wrong = stopped_by;
        trace(s, index, result);
        size_t at = strlen(result->trace);
        model_name(doing, result->trace + at, (uint32_t)(sizeof result->trace - at));
        return false;
    }
    for (uint32_t i = 0; i < count; i++) {
        model_state next = s->nodes[index].state;
        doing = actions[i];
        if (!model_do(s->config, &next, actions[i])) {
            continue;
        }
        result->steps++;
        if (!add(s, &next, index, actions[i])) {
            continue;
        }
        result->seen |= model_seen(s->config, &next);
        result->wrong = model_wrong(s->config, &next);
        if (result->wrong == NULL && heals) {
            result->wrong = heal(s, &next, result);
        }
        if (result->wrong != NULL) {
            trace(s, s->count - 1, result);
            return false;
        }
    }
    return true;
}

void model_explore(const model_config *config, uint32_t states_max, bool heals,
                   model_result *result)
{
    uint32_t slots = 1024;
    while (slots < states_max * 2u) {
        slots *= 2;
    }
    search s = { .config = config, .max = states_max, .mask = slots - 1 };
    s.nodes = malloc(sizeof *s.nodes * states_max);
    s.slots = calloc(slots, sizeof *s.slots);
    s.healed = calloc(heals ? slots : 1, sizeof *s.healed);
    HF_ASSERT(s.nodes != NULL && s.slots != NULL && s.healed != NULL);
    memset(result, 0, sizeof *result);
    hf_assert_set_hook(on_assert);
    model_action actions[MODEL_ACTIONS_MAX];
    uint32_t count = model_actions(config, actions);
    model_state first;
    model_begin(config, &first);
    (void)add(&s, &first, 0, 0);
    for (uint32_t i = 0; i < s.count && s.count < s.max; i++) {
        if (!expand(&s, i, heals, actions, count, result)) {
            break;
        }
    }
    hf_assert_set_hook(NULL);
    result->states = s.count;
    result->full = s.count == s.max;
    free(s.nodes);
    free(s.slots);
    free(s.healed);
}
