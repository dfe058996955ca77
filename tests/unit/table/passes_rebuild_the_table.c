/* What passes carry, put together, is the table as of the last pass: with changes, deletions,
 * additions and arrivals of old versions between the calls, and with passes that fail. */
#include "tests/unit/table/model.h"

enum { KEYS = 60 };

typedef struct disk {
    model state; /* one version for each key */
    model pending;
} disk;

typedef struct world {
    home home;
    model model;
    disk disk;
    hf_prng prng;
    uint64_t now;
    uint64_t lsn;
    bool running;
    bool whole;
    bool disturbed; /* an old version came while the pass ran: it may be in this pass or in the next
                     */
    uint64_t ts;
    uint32_t compared;
} world;

static void keep(model *m, hf_bytes key, hf_value value)
{
    model_insert(model_make(m, key), 1, 1, value_copy(value), false);
}

static void change(world *w)
{
    char name[16];
    uint64_t n = hf_prng_below(&w->prng, KEYS);
    hf_bytes key = hf_bytes_of(name, (size_t)snprintf(name, sizeof name, "%u", (unsigned)n));
    w->now += hf_prng_below(&w->prng, 2 * TICK);
    w->lsn++;
    if (n % 3 == 0) {
        uint64_t ts = w->now - hf_prng_below(&w->prng, w->now - w->ts);
        const model_key *k = model_find(&w->model, key);
        ts = ts < hf_table_floor(w->home.table) ? w->now : ts; /* nor below the floor */
        for (uint32_t i = 0; k != NULL && i < k->count; i++) {
            if (!k->versions[i].folded && k->versions[i].ts > ts) {
                ts = w->now; /* nothing is added below a put */
            }
        }
        model_fold(&w->model, w->home.heap, key, text(""), 3, ts, w->lsn);
        hf_table_fold(w->home.table, key, text(""), 3, ts, w->lsn);
        return;
    }
    bool gone = hf_prng_chance(&w->prng, 1, 2);
    hf_value v = gone ? no_value() : int_value((int64_t)w->lsn);
    model_put(&w->model, key, v, w->now, w->lsn);
    hf_table_put(w->home.table, key, &v, w->now, w->lsn);
}

/* A key of a range that moved here, with an old timestamp. */
static void arrive(world *w)
{
    char name[24];
    w->lsn++;
    hf_bytes key = hf_bytes_of(name, (size_t)snprintf(name, sizeof name, "old %u",
                                                      (unsigned)hf_prng_below(&w->prng, 300)));
    uint64_t ts = w->now; /* one that is here already changes as any other */
    if (model_find(&w->model, key) == NULL) {
        if (w->running && !hf_prng_chance(&w->prng, 1, 20)) {
            return;
        }
        ts = hf_table_boundary(w->home.table, w->now - 3 * TICK);
        w->disturbed = w->disturbed || w->running;
    }
    hf_value v = int_value((int64_t)w->lsn);
    model_put(&w->model, key, v, ts, w->lsn);
    hf_table_put(w->home.table, key, &v, ts, w->lsn);
}

static void begin(world *w)
{
    w->now++;
    w->ts = w->now++;
    w->whole = hf_prng_chance(&w->prng, 1, 5);
    w->running = true;
    w->disturbed = false;
    w->disk.pending = (model){ 0 };
    hf_table_pass_begin(w->home.table, w->ts, w->whole);
}

static void end(world *w, bool kept)
{
    disk *d = &w->disk;
    hf_table_pass_end(w->home.table, kept);
    w->running = false;
    if (kept && w->whole) {
        model_close(&d->state);
        d->state = (model){ 0 };
    }
    for (uint32_t i = 0; kept && i < d->pending.count; i++) {
        const model_key *k = &d->pending.keys[i];
        keep(&d->state, model_key_bytes(k), k->versions[0].value);
    }
    model_close(&d->pending);
    if (!kept || w->disturbed) {
        return;
    }
    w->compared++;
    for (uint32_t i = 0; i < w->model.count; i++) {
        hf_bytes key = model_key_bytes(&w->model.keys[i]);
        const model_version *wanted = model_seen(&w->model.keys[i], w->ts);
        const model_key *stored = model_find(&d->state, key);
        hf_value value = stored == NULL ? no_value() : stored->versions[0].value;
        assert_value(value, wanted == NULL ? no_value() : wanted->value);
    }
}

static void act(world *w)
{
    uint64_t draw = hf_prng_below(&w->prng, 1000);
    hf_bytes key;
    hf_got got;
    if (draw < 400) {
        change(w);
    } else if (draw < 430) {
        arrive(w);
    } else if (draw < 460) {
        hf_table_collect(w->home.table, w->now - hf_prng_below(&w->prng, 9 * TICK), 20);
    } else if (!w->running) {
        if (draw < 500) {
            begin(w);
        }
    } else if (draw == 999) {
        end(w, false);
    } else if (hf_table_pass_next(w->home.table, &key, &got)) {
        assert_true(!w->whole || got.value.kind != HF_KIND_NONE);
        assert_true(got.ts <= w->ts);
        assert_null(model_find(&w->disk.pending, key)); /* once only */
        keep(&w->disk.pending, key, got.value);
    } else {
        end(w, hf_prng_chance(&w->prng, 4, 5));
    }
}

static void random_changes_between_the_calls(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed < 25; seed++) {
        world w = { .home = home_open(4 << 20), .prng = hf_prng_of(seed), .now = 50 * TICK };
        w.ts = w.now;
        for (int i = 0; i < 6000; i++) {
            act(&w);
            if (i % 50 == 0) {
                hf_table_check(w.home.table);
            }
        }
        if (w.running) {
            end(&w, false);
        }
        assert_true(w.compared > 3);
        model_close(&w.model);
        model_close(&w.disk.state);
        home_close(&w.home);
    }
}

static uint32_t carry(home *h, uint64_t ts, bool whole, bool kept)
{
    hf_bytes key;
    hf_got got;
    uint32_t count = 0;
    hf_table_pass_begin(h->table, ts, whole);
    while (hf_table_pass_next(h->table, &key, &got)) {
        count++;
    }
    hf_table_pass_end(h->table, kept);
    return count;
}

static void only_what_changed_is_carried(void **state)
{
    (void)state;
    home h = home_open(1 << 20);
    put_text(h.table, "a", "1", TICK);
    put_text(h.table, "b", "22", TICK);
    assert_int_equal(hf_table_due_bytes(h.table), 5);
    assert_int_equal(carry(&h, 2 * TICK, false, true), 2);
    assert_int_equal(hf_table_due_bytes(h.table), 0);
    assert_int_equal(carry(&h, 3 * TICK, false, true), 0);
    put_text(h.table, "a", "333", 4 * TICK);
    assert_int_equal(hf_table_due_bytes(h.table), 4);
    assert_int_equal(carry(&h, 5 * TICK, false, false), 1);
    assert_int_equal(hf_table_due_bytes(h.table), 4);
    assert_int_equal(carry(&h, 6 * TICK, false, true), 1);
    assert_int_equal(carry(&h, 7 * TICK, true, true), 2);
    home_close(&h);
}

static void a_deletion_is_carried_before_it_is_forgotten(void **state)
{
    (void)state;
    home h = home_open(1 << 20);
    put_text(h.table, "a", "1", TICK);
    delete_key(h.table, "a", 2 * TICK);
    hf_table_collect(h.table, 9 * TICK, 100);
    assert_int_equal(hf_table_stats_get(h.table).tombstones, 1);
    assert_int_equal(carry(&h, 10 * TICK, false, false), 1);
    hf_table_collect(h.table, 10 * TICK, 100);
    assert_int_equal(hf_table_stats_get(h.table).tombstones, 1);
    assert_int_equal(carry(&h, 11 * TICK, false, true), 1);
    assert_int_equal(hf_table_collect(h.table, 11 * TICK, 100), 0);
    assert_int_equal(hf_table_stats_get(h.table).tombstones, 0);
    assert_int_equal(hf_table_get(h.table, text("a"), HF_TS_MAX).ts, 0);
    hf_table_check(h.table);
    home_close(&h);
}

/* It came below the last pass, and is changed before the next one has seen it. */
static void an_old_version_that_arrived_is_carried(void **state)
{
    (void)state;
    home h = home_open(1 << 20);
    assert_int_equal(carry(&h, 10 * TICK, false, true), 0);
    put_text(h.table, "a", "old", 5 * TICK);
    hf_table_pass_begin(h.table, 20 * TICK, false);
    put_text(h.table, "a", "new", 21 * TICK);
    hf_bytes key;
    hf_got got;
    assert_true(hf_table_pass_next(h.table, &key, &got));
    assert_value(got.value, string_value(text("old")));
    assert_false(hf_table_pass_next(h.table, &key, &got));
    hf_table_pass_end(h.table, true);
    assert_int_equal(carry(&h, 30 * TICK, false, true), 1);
    home_close(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_changes_between_the_calls),
        cmocka_unit_test(only_what_changed_is_carried),
        cmocka_unit_test(an_old_version_that_arrived_is_carried),
        cmocka_unit_test(a_deletion_is_carried_before_it_is_forgotten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
