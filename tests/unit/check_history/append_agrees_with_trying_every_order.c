/* check_append against trying every order of small histories.
 *
 * Never a false alarm: where some order explains the history, it is valid. And nothing missed:
 * where none does, it is invalid. (In general the second is not promised; on these, where a last
 * transaction reads every key after all others, it holds.)
 */
#include "tests/sim/checkers/check_append.h"
#include "tests/unit/check_history/check_test.h"

#include "engine/base/prng.h"

#include <string.h>

enum {
    KEYS = 2,
    TXNS = 6, /* the last one reads everything */
    OPS = 3,
    LIST = TXNS * OPS
};

typedef struct lists {
    int64_t items[KEYS][LIST];
    uint32_t count[KEYS];
} lists;

/* ---- Trying every order ---- */
static bool run_alone(const hf_history_txn *txn, lists *db)
{
    for (uint32_t o = 0; o < txn->op_count; o++) {
        const hf_micro *op = &txn->ops[o];
        uint32_t *count = &db->count[op->arg[0]];
        int64_t *items = db->items[op->arg[0]];
        if (op->kind == HF_MICRO_APPEND) {
            items[(*count)++] = op->arg[1];
        } else if (op->answered && (op->list_count != *count ||
                                    memcmp(op->list, items, *count * sizeof *items) != 0)) {
            return false;
        }
    }
    return true;
}

static bool may_be_next(const hf_history *h, unsigned done, uint32_t next)
{
    for (uint32_t t = 0; t < h->count; t++) {
        if ((done >> t & 1) == 0 && h->txns[t].heard == HF_HEARD_OK &&
            h->txns[t].returned < h->txns[next].invoked) {
            return false;
        }
    }
    return true;
}

static bool explained(const hf_history *h, unsigned done, const lists *db)
{
    bool all = true;
    for (uint32_t t = 0; t < h->count; t++) {
        all = all && ((done >> t & 1) != 0 || h->txns[t].heard != HF_HEARD_OK);
    }
    if (all) {
        return true;
    }
    for (uint32_t t = 0; t < h->count; t++) {
        lists after = *db;
        if ((done >> t & 1) == 0 && !hf_history_refused(&h->txns[t]) && may_be_next(h, done, t) &&
            run_alone(&h->txns[t], &after) && explained(h, done | 1u << t, &after)) {
            return true;
        }
    }
    return false;
}

/* ---- Small histories: run alone one by one, then a few answers and effects are spoiled ---- */
static uint32_t draw(hf_prng *prng, uint32_t bound)
{
    return (uint32_t)hf_prng_below(prng, bound);
}

static void read_key(hf_prng *prng, hf_history *h, uint32_t txn, const lists *db, int64_t key,
                     uint32_t spoil)
{
    uint32_t count = db->count[key];
    int64_t list[LIST];
    memcpy(list, db->items[key], sizeof list);
    if (draw(prng, 100) < spoil && count != 0) {
        count = draw(prng, count + 1);
    }
    if (draw(prng, 100) < spoil / 2 && count > 1) {
        uint32_t at = draw(prng, count - 1);
        int64_t kept = list[at];
        list[at] = list[at + 1];
        list[at + 1] = kept;
    }
    hf_history_list(h, txn, key, list, count);
}

static void one_txn(hf_prng *prng, hf_history *h, uint32_t txn, lists *db, int64_t *next,
                    uint32_t spoil)
{
    hf_heard heard = draw(prng, 8) == 0   ? HF_HEARD_UNKNOWN
                     : draw(prng, 8) == 0 ? HF_HEARD_FAIL
                                          : HF_HEARD_OK;
    bool applies = heard == HF_HEARD_OK || (heard == HF_HEARD_UNKNOWN && draw(prng, 2) == 0);
    if (draw(prng, 100) < spoil / 4) {
        applies = !applies;
    }
    uint32_t ops = 1 + draw(prng, OPS);
    for (uint32_t o = 0; o < ops; o++) {
        int64_t key = draw(prng, KEYS);
        if (draw(prng, 2) == 0) {
            read_key(prng, h, txn, db, key, spoil);
            continue;
        }
        hf_history_append(h, txn, key, *next);
        if (applies) {
            db->items[key][db->count[key]++] = *next;
        }
        ++*next;
    }
    if (heard != HF_HEARD_UNKNOWN) {
        hf_history_end(h, txn, h->txns[txn].invoked + 1 + draw(prng, 20), heard);
    }
}

static void small_history(hf_prng *prng, hf_history *h, bool read_at_end)
{
    lists db;
    memset(&db, 0, sizeof db);
    int64_t next = 1;
    uint32_t spoil = draw(prng, 3) * 12;
    for (uint32_t t = 0; t < TXNS - 1; t++) {
        /* Most run near where they run alone; some are invoked earlier or later than that. */
        int64_t at = 20 + (int64_t)t * 5 + (int64_t)draw(prng, 12);
        uint32_t txn = hf_history_begin(h, t, at);
        one_txn(prng, h, txn, &db, &next, spoil);
    }
    if (!read_at_end) {
        return;
    }
    uint32_t last = hf_history_begin(h, TXNS, 1000);
    for (int64_t k = 0; k < KEYS; k++) {
        read_key(prng, h, last, &db, k, 0);
    }
    hf_history_end(h, last, 1001, HF_HEARD_OK);
}

typedef struct count {
    uint32_t lawful;
    uint32_t unlawful;
    uint32_t missed;
} count;

/* One history both ways. A false alarm fails the test at once. */
static void compare(uint64_t seed, bool read_at_end, count *all)
{
    hf_prng prng = hf_prng_of(seed);
    hf_history history;
    hf_history_open(&history);
    small_history(&prng, &history, read_at_end);
    lists empty;
    memset(&empty, 0, sizeof empty);
    bool lawful = explained(&history, 0, &empty);
    hf_verdict verdict;
    hf_verdict_open(&verdict);
    bool alarm = hf_check_append(&history, &verdict) == HF_RULING_INVALID;
    if (alarm == lawful && (alarm || read_at_end)) {
        hf_check_text text = { 0 };
        hf_history_print(&history, &text);
        hf_verdict_print(&verdict, &text);
        print_message("seed %u is %s:\n%s\n", (unsigned)seed, lawful ? "lawful" : "unlawful",
                      hf_check_text_of(&text));
        hf_check_text_close(&text);
    }
    assert_false(alarm && lawful);
    all->lawful += lawful;
    all->unlawful += !lawful;
    all->missed += !lawful && !alarm;
    hf_verdict_close(&verdict);
    hf_history_close(&history);
}

static void nothing_is_missed_when_all_is_read_at_the_end(void **state)
{
    (void)state;
    count all = { 0 };
    for (uint64_t seed = 1; seed <= 20000; seed++) {
        compare(seed, true, &all);
    }
    assert_true(all.lawful > 4000 && all.unlawful > 4000); /* both answers were put to the test */
    assert_int_equal(all.missed, 0);
}

static void little_is_missed_without(void **state)
{
    (void)state;
    count all = { 0 };
    for (uint64_t seed = 1; seed <= 20000; seed++) {
        compare(seed, false, &all);
    }
    assert_true(all.lawful > 3000 && all.unlawful > 3000);
    assert_true(all.missed * 100 < all.unlawful);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_missed_when_all_is_read_at_the_end),
        cmocka_unit_test(little_is_missed_without),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
