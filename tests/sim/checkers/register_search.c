#include "tests/sim/checkers/register_search.h"

#include "engine/base/assert.h"

#include <stdlib.h>
#include <string.h>

/* ---- One operation ---- */
static bool apply_cas(const hf_micro *op, int64_t *value)
{
    if (*value == HF_REGISTER_ANY) {
        if (op->answered && op->answer != 0) {
            *value = op->arg[2];
        } else if (!op->answered) {
            *value = HF_REGISTER_ANY;
        }
        return true;
    }
    bool done = *value == op->arg[1];
    if (op->answered && (op->answer != 0) != done) {
        return false;
    }
    *value = done ? op->arg[2] : *value;
    return true;
}

static bool apply_micro(const hf_micro *op, int64_t *value)
{
    if (op->kind == HF_MICRO_WRITE) {
        *value = op->arg[1];
    } else if (op->kind == HF_MICRO_DELETE) {
        *value = HF_NIL;
    } else if (op->kind == HF_MICRO_CAS) {
        return apply_cas(op, value);
    } else if (op->kind == HF_MICRO_READ && op->answered) {
        if (*value != HF_REGISTER_ANY && *value != op->answer) {
            return false;
        }
        *value = op->answer;
    }
    return true;
}

bool hf_register_apply(const hf_history_txn *txn, int64_t key, int64_t *value)
{
    for (uint32_t o = 0; o < txn->op_count; o++) {
        const hf_micro *op = &txn->ops[o];
        bool on_register = op->kind == HF_MICRO_WRITE || op->kind == HF_MICRO_DELETE ||
                           op->kind == HF_MICRO_CAS || op->kind == HF_MICRO_READ;
        if (on_register && op->arg[0] == key && !apply_micro(op, value)) {
            return false;
        }
    }
    return true;
}

/* ---- Configurations ----
 *
 * Certain operations (those that returned) are numbered by invocation. All below `base` have
 * happened; of the next ones bits tell (`ahead`), as many as can overlap. Unknown operations have a
 * bit each (`taken`).
 */

/* One level of the depth-first search. */
typedef struct level {
    uint32_t base;
    uint32_t next; /* the choice to try next */
    int64_t value;
    int64_t
        before; /* the value before the run of unknown operations that ends here; value if none */
} level;

typedef struct search {
    const hf_register_op *ops;
    int64_t key;
    uint32_t *certain; /* numbers of ops */
    uint32_t certain_count;
    uint32_t *unknown;
    uint32_t unknown_count;
    uint32_t ahead_words;
    uint32_t taken_words;
    uint32_t words; /* of bits, per level */
    level *levels;
    uint64_t *level_bits; /* words per level */
    uint32_t depth;
    uint64_t *seen; /* the memory: rows, found by an open-addressed table */
    uint32_t seen_count;
    uint32_t seen_capacity;
    uint32_t *table;
    uint32_t table_capacity;
    uint64_t *steps;
} search;

static bool bit_get(const uint64_t *bits, uint32_t at)
{
    return (bits[at / 64] >> (at % 64) & 1) != 0;
}

static void bit_set(uint64_t *bits, uint32_t at)
{
    bits[at / 64] |= UINT64_C(1) << (at % 64);
}

static void bits_shift_down(uint64_t *bits, uint32_t words)
{
    for (uint32_t w = 0; w < words; w++) {
        bits[w] >>= 1;
        if (w + 1 < words) {
            bits[w] |= bits[w + 1] << 63;
        }
    }
}

static const hf_register_op *certain_op(const search *s, uint32_t n)
{
    return &s->ops[s->certain[n]];
}

/* The most operations that can be ahead of one that has not happened: those invoked before it
 * returned. */
static uint32_t search_window(const search *s)
{
    uint32_t window = 1;
    for (uint32_t i = 0; i < s->certain_count; i++) {
        uint32_t end = i + 1;
        while (end < s->certain_count &&
               certain_op(s, end)->invoked <= certain_op(s, i)->returned) {
            end++;
        }
        window = end - i > window ? end - i : window;
    }
    return window;
}

static void search_open(search *s, const hf_register_op *ops, uint32_t count, int64_t key,
                        uint64_t *steps)
{
    *s = (search){ .ops = ops, .key = key, .steps = steps };
    s->certain = hf_check_alloc(count, sizeof *s->certain);
    s->unknown = hf_check_alloc(count, sizeof *s->unknown);
    for (uint32_t i = 0; i < count; i++) {
        HF_PRE(i == 0 || ops[i - 1].invoked <= ops[i].invoked);
        if (ops[i].returned == HF_NEVER) {
            s->unknown[s->unknown_count++] = i;
        } else {
            s->certain[s->certain_count++] = i;
        }
    }
    s->ahead_words = search_window(s) / 64 + 1;
    s->taken_words = s->unknown_count / 64 + 1;
    s->words = s->ahead_words + s->taken_words;
    s->levels = hf_check_alloc((size_t)count + 1, sizeof *s->levels);
    s->level_bits = hf_check_alloc(((size_t)count + 1) * s->words, sizeof *s->level_bits);
}

static void search_close(search *s)
{
    free(s->certain);
    free(s->unknown);
    free(s->levels);
    free(s->level_bits);
    free(s->seen);
    free(s->table);
}

static uint64_t *level_ahead(const search *s, uint32_t depth)
{
    return s->level_bits + (size_t)depth * s->words;
}

static uint64_t *level_taken(const search *s, uint32_t depth)
{
    return level_ahead(s, depth) + s->ahead_words;
}

/* ---- The memory of configurations ----
 *
 * A row for each: [link][base][value][ahead ...][taken ...]. Rows that differ in `taken` only are
 * chained by `link` (row number + 1). A configuration is known when a row of its chain took a part
 * of what it took: having more unknown operations left is never worse.
 */
enum { ROW_BASE = 1, ROW_VALUE = 2, ROW_AHEAD = 3 };

static uint64_t *search_row(const search *s, uint32_t number)
{
    return s->seen + (size_t)number * (s->words + ROW_AHEAD);
}

static uint64_t row_hash(const search *s, const uint64_t *row)
{
    uint64_t h = 0x243F6A8885A308D3u;
    for (uint32_t w = ROW_BASE; w < ROW_AHEAD + s->ahead_words; w++) {
        h = (h ^ row[w]) * 0x9E3779B97F4A7C15u;
        h ^= h >> 29;
    }
    return h;
}

/* The head of the row's chain, or the empty slot for it. */
static uint32_t *table_slot(const search *s, const uint64_t *row)
{
    size_t size = (ROW_AHEAD - ROW_BASE + s->ahead_words) * sizeof *row;
    uint32_t mask = s->table_capacity - 1;
    uint32_t at = (uint32_t)row_hash(s, row) & mask;
    while (s->table[at] != 0 &&
           memcmp(search_row(s, s->table[at] - 1) + ROW_BASE, row + ROW_BASE, size) != 0) {
        at = (at + 1) & mask;
    }
    return &s->table[at];
}

static void table_grow(search *s)
{
    free(s->table);
    s->table_capacity = s->table_capacity == 0 ? 1024 : s->table_capacity * 2;
    s->table = hf_check_alloc(s->table_capacity, sizeof *s->table);
    for (uint32_t i = 0; i < s->seen_count; i++) {
        uint64_t *row = search_row(s, i);
        uint32_t *head = table_slot(s, row);
        row[0] = *head;
        *head = i + 1;
    }
}

static bool row_took_no_more(const search *s, const uint64_t *row, const uint64_t *than)
{
    for (uint32_t w = ROW_AHEAD + s->ahead_words; w < ROW_AHEAD + s->words; w++) {
        if ((row[w] & ~than[w]) != 0) {
            return false;
        }
    }
    return true;
}

/* Remembers the configuration of the newest level; false when it was known. */
static bool search_remember(search *s)
{
    if (s->seen_count >= s->table_capacity / 2) {
        table_grow(s);
    }
    s->seen = hf_check_grow(s->seen, s->seen_count, &s->seen_capacity,
                            (s->words + ROW_AHEAD) * sizeof *s->seen);
    uint64_t *row = search_row(s, s->seen_count);
    row[ROW_BASE] = s->levels[s->depth].base;
    row[ROW_VALUE] = (uint64_t)s->levels[s->depth].value;
    memcpy(row + ROW_AHEAD, level_ahead(s, s->depth), s->words * sizeof *row);
    uint32_t *head = table_slot(s, row);
    for (uint32_t n = *head; n != 0; n = (uint32_t)search_row(s, n - 1)[0]) {
        if (row_took_no_more(s, search_row(s, n - 1), row)) {
            return false;
        }
        *s->steps -= *s->steps != 0; /* long chains count as work too */
    }
    row[0] = *head;
    *head = ++s->seen_count;
    return true;
}

/* ---- The search ---- */

/* An operation may happen next unless another, which has not happened, returned before its
 * invocation. */
static int64_t level_horizon(const search *s, uint32_t depth)
{
    const uint64_t *ahead = level_ahead(s, depth);
    uint32_t base = s->levels[depth].base;
    int64_t horizon = HF_NEVER;
    for (uint32_t i = base; i < s->certain_count && certain_op(s, i)->invoked <= horizon; i++) {
        if (!bit_get(ahead, i - base) && certain_op(s, i)->returned < horizon) {
            horizon = certain_op(s, i)->returned;
        }
    }
    return horizon;
}

static level *level_push(search *s, int64_t value, int64_t before)
{
    const level *top = &s->levels[s->depth];
    memcpy(level_ahead(s, s->depth + 1), level_ahead(s, s->depth), s->words * sizeof(uint64_t));
    s->depth++;
    s->levels[s->depth] = (level){ top->base, 0, value, before };
    return &s->levels[s->depth];
}

static void level_take_certain(search *s, uint32_t n, int64_t value)
{
    level *top = level_push(s, value, value);
    uint64_t *ahead = level_ahead(s, s->depth);
    bit_set(ahead, n - top->base);
    while (bit_get(ahead, 0)) {
        bits_shift_down(ahead, s->ahead_words);
        top->base++;
    }
}

/* After unknown operations: the next one does to the register just what it would do without them.
 */
static bool needs_no_unknown(const search *s, const hf_history_txn *txn, int64_t after)
{
    const level *top = &s->levels[s->depth];
    int64_t without = top->before;
    return top->before != top->value && hf_register_apply(txn, s->key, &without) &&
           without == after;
}

static bool try_certain(search *s, uint32_t n)
{
    const level *top = &s->levels[s->depth];
    const hf_history_txn *txn = certain_op(s, n)->txn;
    int64_t value = top->value;
    if (bit_get(level_ahead(s, s->depth), n - top->base) ||
        !hf_register_apply(txn, s->key, &value) || needs_no_unknown(s, txn, value)) {
        return false;
    }
    level_take_certain(s, n, value);
    return true;
}

static bool try_unknown(search *s, uint32_t u, int64_t horizon)
{
    const level *top = &s->levels[s->depth];
    const hf_register_op *op = &s->ops[s->unknown[u]];
    int64_t value = top->value;
    if (bit_get(level_taken(s, s->depth), u) || op->invoked > horizon ||
        !hf_register_apply(op->txn, s->key, &value) || value == top->value ||
        needs_no_unknown(s, op->txn, value)) {
        return false;
    }
    level_push(s, value, top->before);
    bit_set(level_taken(s, s->depth), u);
    return true;
}

/* True when the operation changes no value at all, whatever it finds. */
static bool only_observes(const hf_history_txn *txn, int64_t key)
{
    for (uint32_t o = 0; o < txn->op_count; o++) {
        const hf_micro *op = &txn->ops[o];
        bool changes = op->kind == HF_MICRO_WRITE || op->kind == HF_MICRO_DELETE ||
                       (op->kind == HF_MICRO_CAS && (!op->answered || op->answer != 0));
        if (changes && op->arg[0] == key) {
            return false;
        }
    }
    return true;
}

/* A certain operation that only observes, and fits: taken at once, with no alternative. */
static bool take_fitting_read(search *s, int64_t horizon)
{
    const level *top = &s->levels[s->depth];
    const uint64_t *ahead = level_ahead(s, s->depth);
    if (top->value == HF_REGISTER_ANY) {
        return false;
    }
    for (uint32_t n = top->base; n < s->certain_count && certain_op(s, n)->invoked <= horizon;
         n++) {
        int64_t value = top->value;
        const hf_history_txn *txn = certain_op(s, n)->txn;
        if (!bit_get(ahead, n - top->base) && only_observes(txn, s->key) &&
            hf_register_apply(txn, s->key, &value)) {
            HF_ASSERT(value == top->value);
            s->levels[s->depth].next = UINT32_MAX;
            level_take_certain(s, n, value);
            return true;
        }
    }
    return false;
}

/* Takes the next choice of the newest level: certain operations first, then unknown ones. */
static bool level_advance(search *s)
{
    uint32_t depth = s->depth;
    if (s->levels[depth].next == UINT32_MAX) {
        return false;
    }
    int64_t horizon = level_horizon(s, depth);
    if (s->levels[depth].next == 0 && take_fitting_read(s, horizon)) {
        return true;
    }
    uint32_t base = s->levels[depth].base;
    uint32_t end = base;
    while (end < s->certain_count && certain_op(s, end)->invoked <= horizon) {
        end++;
    }
    while (s->levels[depth].next < end - base + s->unknown_count) {
        uint32_t choice = s->levels[depth].next++;
        if (choice < end - base ? try_certain(s, base + choice)
                                : try_unknown(s, choice - (end - base), horizon)) {
            return true;
        }
    }
    return false;
}

hf_register_found hf_register_search(const hf_register_op *ops, uint32_t count, int64_t key,
                                     int64_t start, uint64_t *steps)
{
    search s;
    search_open(&s, ops, count, key, steps);
    s.levels[0] = (level){ 0, 0, start, start };
    hf_register_found found = HF_REGISTER_NO;
    for (;;) {
        if (s.levels[s.depth].base == s.certain_count) {
            found = HF_REGISTER_YES;
            break;
        }
        if (*steps == 0) {
            found = HF_REGISTER_GAVE_UP;
            break;
        }
        --*steps;
        if (level_advance(&s)) {
            if (!search_remember(&s)) {
                s.depth--;
            }
        } else if (s.depth == 0) {
            break;
        } else {
            s.depth--;
        }
    }
    search_close(&s);
    return found;
}
