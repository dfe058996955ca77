/* Random operations on a table and on the naive one: every boundary, every pin, both directions. */
#include "tests/unit/table/model.h"

enum { PINS = 8, KEY_ROOM = 300 };

typedef struct world {
    home home;
    model model;
    hf_prng prng;
    uint64_t now;
    uint64_t pace; /* changes between two steps of time, about */
    uint64_t keys;
    uint64_t puts; /* in 1000 operations */
    uint64_t lsn;
    uint64_t pins[PINS];
    uint32_t pin_count;
    uint8_t key[KEY_ROOM];
} world;

/* Keys that share much, little and everything but their length. */
static hf_bytes draw_key(world *w)
{
    uint64_t n = hf_prng_below(&w->prng, w->keys);
    uint32_t size = 0;
    if (n % 3 == 0) {
        memset(w->key, 'x', (size_t)n * 3 + 1);
        size = (uint32_t)n * 3 + 1;
    } else {
        const char *form = n % 3 == 1 ? " user:with:a:prefix:%03u" : "%u";
        size = (uint32_t)snprintf((char *)w->key, sizeof w->key, form, (unsigned)n);
    }
    return hf_bytes_of(w->key, size);
}

static bool is_counter(hf_bytes key)
{
    return key.size % 2 == 0;
}

static hf_bytes field_of(hf_bytes key)
{
    return key.size % 4 == 0 ? text("sum") : hf_bytes_of(NULL, 0);
}

static void step_time(world *w)
{
    static const uint64_t steps[] = { 0, 1, 1000, TICK / 3, TICK, 5 * TICK };
    if (hf_prng_chance(&w->prng, 1, w->pace)) {
        w->now += steps[hf_prng_below(&w->prng, 6)];
    }
}

static uint64_t draw_expiry(world *w)
{
    if (!hf_prng_chance(&w->prng, 1, 4)) {
        return 0;
    }
    return w->now / 1000000 + 1 + hf_prng_below(&w->prng, 10);
}

static void put_one(world *w)
{
    static uint8_t bytes[3000];
    hf_bytes key = draw_key(w);
    hf_value v = no_value();
    if (!hf_prng_chance(&w->prng, 1, 5)) {
        if (!is_counter(key)) {
            static const uint32_t sizes[] = { 0, 5, 64, 150, 300, 3000 };
            uint32_t size = sizes[hf_prng_below(&w->prng, 6)];
            hf_prng_fill(&w->prng, bytes, size);
            v = string_value(hf_bytes_of(bytes, size));
        } else if (field_of(key).size == 0) {
            v = int_value((int64_t)hf_prng_below(&w->prng, 1000));
        } else {
            v = model_added(w->home.heap, v, field_of(key), 100000);
        }
    }
    v.expire_ms = v.kind == HF_KIND_NONE ? 0 : draw_expiry(w);
    model_put(&w->model, key, v, w->now, ++w->lsn);
    hf_table_put(w->home.table, key, &v, w->now, w->lsn);
    if (v.kind == HF_KIND_RECORD) {
        value_free(v);
    }
}

/* The same key again with its own bytes, as EXPIRE does. */
static void expire_one(world *w)
{
    hf_bytes key = draw_key(w);
    hf_value v = hf_table_get(w->home.table, key, HF_TS_MAX).value;
    if (v.kind != HF_KIND_NONE) {
        v.expire_ms = draw_expiry(w);
        model_put(&w->model, key, v, w->now, ++w->lsn);
        hf_table_put(w->home.table, key, &v, w->now, w->lsn);
    }
}

static void fold_one(world *w)
{
    hf_bytes key = draw_key(w);
    if (!is_counter(key)) {
        return;
    }
    const model_key *k = model_find(&w->model, key);
    uint64_t ts = w->now;
    if (hf_prng_chance(&w->prng, 2, 3)) {
        ts -= hf_prng_below(&w->prng, 6 * TICK);
        uint64_t least = hf_table_floor(w->home.table);
        for (uint32_t i = 0; k != NULL && i < k->count; i++) {
            if (!k->versions[i].folded && k->versions[i].ts > least) {
                least = k->versions[i].ts;
            }
        }
        ts = ts < least ? least : ts;
    }
    /* A late addition below a reader that has been served is the caller's mistake. */
    for (uint32_t i = 0; i < w->pin_count; i++) {
        ts = ts <= w->pins[i] ? w->pins[i] + 1 : ts;
    }
    int64_t delta = (int64_t)hf_prng_below(&w->prng, 2000) - 1000;
    model_fold(&w->model, w->home.heap, key, field_of(key), delta, ts, ++w->lsn);
    hf_table_fold(w->home.table, key, field_of(key), delta, ts, w->lsn);
}

static void pin_one(world *w)
{
    if (w->pin_count < PINS && hf_prng_chance(&w->prng, 1, 2)) {
        uint64_t ts =
            hf_prng_chance(&w->prng, 1, 2)
                ? w->now
                : hf_table_boundary(w->home.table, w->now - hf_prng_below(&w->prng, 3 * TICK));
        ts = ts < hf_table_floor(w->home.table) ? w->now : ts;
        hf_table_pin(w->home.table, ts);
        w->pins[w->pin_count++] = ts;
        w->now++;
    } else if (w->pin_count != 0) {
        uint32_t i = (uint32_t)hf_prng_below(&w->prng, w->pin_count);
        hf_table_unpin(w->home.table, w->pins[i]);
        w->pins[i] = w->pins[--w->pin_count];
    }
}

static void collect_some(world *w)
{
    uint64_t floor = w->now - hf_prng_below(&w->prng, 20 * TICK);
    hf_table_collect(w->home.table, floor, (uint32_t)hf_prng_below(&w->prng, 50));
    for (uint32_t i = 0; i < w->pin_count; i++) {
        assert_true(hf_table_floor(w->home.table) <= w->pins[i]);
    }
}

static void drop_some(world *w)
{
    uint8_t start[KEY_ROOM];
    hf_bytes from = draw_key(w);
    memcpy(start, from.data, from.size);
    from.data = start;
    hf_bytes to = hf_prng_chance(&w->prng, 1, 9) ? hf_bytes_of(NULL, 0) : draw_key(w);
    while (!hf_table_drop(w->home.table, from, to, 3)) {
    }
    uint32_t i = model_place(&w->model, from);
    while (i < w->model.count &&
           (to.size == 0 || hf_bytes_compare(model_key_bytes(&w->model.keys[i]), to) < 0)) {
        model_forget(&w->model, i);
    }
    assert_int_equal(hf_table_count(w->home.table, from, to), 0);
}

static void pass_some(world *w, bool whole)
{
    hf_bytes key;
    hf_got got;
    hf_table_pass_begin(w->home.table, w->now++, whole);
    while (hf_table_pass_next(w->home.table, &key, &got)) {
        assert_true(!whole || got.value.kind != HF_KIND_NONE);
    }
    hf_table_pass_end(w->home.table, hf_prng_chance(&w->prng, 3, 4));
}

static void compare_got(hf_got got, const model_version *wanted)
{
    if (wanted == NULL) {
        assert_int_equal(got.value.kind, HF_KIND_NONE);
        return;
    }
    assert_value(got.value, wanted->value);
    if (wanted->value.kind != HF_KIND_NONE || got.ts != 0) {
        assert_int_equal(got.ts, wanted->ts);
        assert_int_equal(got.lsn, wanted->lsn);
    }
}

static void compare_at(world *w, uint64_t ts)
{
    for (uint32_t i = 0; i < w->model.count; i++) {
        const model_key *k = &w->model.keys[i];
        compare_got(hf_table_get(w->home.table, model_key_bytes(k), ts), model_seen(k, ts));
    }
}

/* Tombstones that were collected are in the model only. */
static void compare_order(world *w)
{
    hf_cursor c;
    hf_cursor back;
    uint64_t live = 0;
    bool more = hf_table_seek(w->home.table, hf_bytes_of(NULL, 0), &c);
    for (uint32_t i = 0; i < w->model.count; i++) {
        const model_key *k = &w->model.keys[i];
        const model_version *v = model_seen(k, HF_TS_MAX);
        hf_bytes key = model_key_bytes(k);
        if (!more || !hf_bytes_equal(c.key, key)) {
            assert_int_equal(v->value.kind, HF_KIND_NONE);
            continue;
        }
        live += v->value.kind != HF_KIND_NONE;
        compare_got(hf_table_at(w->home.table, &c, HF_TS_MAX), v);
        bool before = hf_table_seek_before(w->home.table, key, &back);
        hf_cursor step = c;
        assert_int_equal(hf_table_prev(w->home.table, &step), before);
        assert_true(!before || hf_bytes_equal(back.key, step.key));
        assert_true(!before || hf_bytes_compare(back.key, key) < 0);
        more = hf_table_next(w->home.table, &c);
    }
    assert_false(more);
    assert_int_equal(hf_table_stats_get(w->home.table).keys, live);
    assert_int_equal(hf_table_count(w->home.table, text("1"), text("y")) +
                         hf_table_count(w->home.table, text("y"), hf_bytes_of(NULL, 0)) +
                         hf_table_count(w->home.table, hf_bytes_of(NULL, 0), text("1")),
                     live);
    bool any = hf_table_seek_before(w->home.table, hf_bytes_of(NULL, 0), &back);
    assert_int_equal(any, hf_table_pick(w->home.table, hf_prng_next(&w->prng), &c));
    assert_true(!any || !hf_table_next(w->home.table, &back));
}

static void compare_expiry(world *w)
{
    uint64_t soonest = 0;
    for (uint32_t i = 0; i < w->model.count; i++) {
        hf_value v = model_seen(&w->model.keys[i], HF_TS_MAX)->value;
        if (v.expire_ms != 0 && (soonest == 0 || v.expire_ms < soonest)) {
            soonest = v.expire_ms;
        }
    }
    assert_int_equal(hf_table_next_expiry_ms(w->home.table), soonest);
    hf_bytes key;
    uint64_t expire_ms;
    bool due = soonest != 0 && soonest <= w->now / 1000000;
    assert_int_equal(hf_table_expiring(w->home.table, w->now, &key, &expire_ms), due);
    if (due) {
        assert_int_equal(expire_ms, soonest);
        assert_int_equal(hf_table_get(w->home.table, key, HF_TS_MAX).value.expire_ms, soonest);
    }
}

static void compare(world *w)
{
    hf_table_check(w->home.table);
    compare_at(w, HF_TS_MAX);
    compare_order(w);
    compare_expiry(w);
    uint64_t ts = hf_table_boundary(w->home.table, w->now);
    for (int i = 0; i < 30 && ts >= hf_table_floor(w->home.table) && ts != 0; i++) {
        compare_at(w, ts);
        ts = hf_table_boundary(w->home.table, ts - 1);
    }
    for (uint32_t i = 0; i < w->pin_count; i++) {
        compare_at(w, w->pins[i]);
    }
}

static void act(world *w)
{
    uint64_t draw = hf_prng_below(&w->prng, 1000);
    if (draw < w->puts) {
        put_one(w);
    } else if (draw < 800) {
        fold_one(w);
    } else if (draw < 880) {
        expire_one(w);
    } else if (draw < 930) {
        pin_one(w);
    } else if (draw < 980) {
        collect_some(w);
    } else if (draw < 990) {
        pass_some(w, hf_prng_chance(&w->prng, 1, 3));
    } else if (draw < 992) {
        drop_some(w);
    }
}

static void run(uint64_t seed, int steps)
{
    world w = { .home = home_open_tick(16 << 20, seed % 2 == 0 ? TICK : 10 * TICK),
                .prng = hf_prng_of(seed),
                .now = 100 * TICK };
    w.pace = seed % 3 == 0 ? 1 : seed % 3 * 5;
    w.keys = seed % 4 == 3 ? 12 : 90;
    w.puts = seed % 4 == 3 ? 100 : 450;
    for (int i = 0; i < steps; i++) {
        step_time(&w);
        act(&w);
        if (i % 64 == 0) {
            compare(&w);
        }
    }
    compare(&w);
    model_close(&w.model);
    home_close(&w.home);
}

static void random_operations(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 18; seed++) {
        run(seed, 3000);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(random_operations) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
