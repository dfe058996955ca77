/* Random transactions against a plain model of the rules: every answer is the same, the wounded and
 * the tired leave no trace, nobody is left waiting for what is free, and everything ends.
 *
 * The hashes handed in are the keys' numbers, so that the model knows the order of the buckets and
 * with it which of several locks in the way a range request waits for.
 */
#include "tests/unit/mvcc/support.h"

enum { KEYS = 6, ACTORS = 10, RANGES_MAX = 64, STEPS = 60000 };

static const char key_names[KEYS][2] = { "b", "d", "f", "h", "j", "l" };

typedef struct request {
    bool is_range;
    uint32_t key;    /* number */
    char start, end; /* of a range; end 0: to the last key */
    hf_lock_mode mode;
} request;

/* A transaction, or (no locks kept) an operation of one shot. */
typedef struct actor {
    hf_lock_waiter waiter; /* first */
    hf_lock_txn txn;
    bool keeps, waits, in_use;
    request wants;
    hf_lock *wanted;
    int place;               /* where it waits: a key's number, or RANGE_AT + the range's */
    hf_lock_mode held[KEYS]; /* HF_LOCK_MODES: not */
} actor;

enum { RANGE_AT = 1000 };

typedef struct model_range {
    uint32_t number;
    char start, end;
    hf_lock_mode mode;
    int holder; /* actor; -1: wanted */
    int wanter;
    hf_age age;
} model_range;

typedef struct frame {
    home h;
    hf_prng prng;
    actor actors[ACTORS];
    model_range ranges[RANGES_MAX];
    uint32_t range_count, next_range;
    uint64_t now;
    uint64_t waited, wounded, granted;
} frame;

static bool conflicts(hf_lock_mode a, hf_lock_mode b)
{
    return a == HF_LOCK_X || a != b;
}

static bool inside(const char *name, char start, char end)
{
    return name[0] >= start && (end == 0 || name[0] < end);
}

/* ---- The rules, plainly ---- */

static bool model_older_waits(const frame *f, int place, hf_lock_mode mode, hf_age mine)
{
    for (int i = 0; i < ACTORS; i++) {
        const actor *a = &f->actors[i];
        if (a->waits && a->place == place && conflicts(a->wants.mode, mode) &&
            hf_age_older(a->txn.age, mine)) {
            return true;
        }
    }
    return false;
}

static bool model_key_blocks(const frame *f, uint32_t key, hf_lock_mode mode, int self)
{
    bool own = f->actors[self].keeps && f->actors[self].held[key] != HF_LOCK_MODES;
    for (int i = 0; i < ACTORS; i++) {
        hf_lock_mode held = f->actors[i].held[key];
        if (i != self && held != HF_LOCK_MODES && conflicts(held, mode)) {
            return true;
        }
    }
    return !own && model_older_waits(f, (int)key, mode, f->actors[self].txn.age);
}

static bool model_range_blocks(const frame *f, const model_range *r, const request *q, int self)
{
    bool meets = q->is_range
                     ? (r->end == 0 || q->start < r->end) && (q->end == 0 || r->start < q->end)
                     : inside(key_names[q->key], r->start, r->end);
    if (!meets) {
        return false;
    }
    hf_age mine = f->actors[self].txn.age;
    if (conflicts(r->mode, q->mode) &&
        (r->holder < 0 ? hf_age_older(r->age, mine) : r->holder != self)) {
        return true;
    }
    return r->holder != self && model_older_waits(f, RANGE_AT + (int)r->number, q->mode, mine);
}

/* Where the request has to wait; -1: nowhere. */
static int model_place(const frame *f, const request *q, int self)
{
    for (uint32_t i = 0; i < f->range_count; i++) {
        if (model_range_blocks(f, &f->ranges[i], q, self)) {
            return RANGE_AT + (int)f->ranges[i].number;
        }
    }
    for (uint32_t k = 0; k < KEYS; k++) {
        bool touched = q->is_range ? inside(key_names[k], q->start, q->end) : k == q->key;
        if (touched && model_key_blocks(f, k, q->mode, self)) {
            return (int)k;
        }
    }
    return -1;
}

static void model_add_range(frame *f, const request *q, int holder, int wanter, hf_age wanted)
{
    assert_true(f->range_count < RANGES_MAX);
    f->ranges[f->range_count++] = (model_range){ .number = f->next_range++,
                                                 .start = q->start,
                                                 .end = q->end,
                                                 .mode = q->mode,
                                                 .holder = holder,
                                                 .wanter = wanter,
                                                 .age = wanted };
}

/* Takes out the ranges that the actor holds (or wants). */
static void model_drop_ranges(frame *f, int who, bool wants)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < f->range_count; i++) {
        const model_range *r = &f->ranges[i];
        if ((wants ? r->wanter : r->holder) != who) {
            f->ranges[kept++] = *r;
        }
    }
    f->range_count = kept;
}

/* ---- What an actor does ---- */

static hf_bytes name_of(uint32_t key)
{
    return hf_bytes_of(key_names[key], 1);
}

static hf_bytes bound(const char *c)
{
    return hf_bytes_of(c, *c == 0 ? 0 : 1);
}

static bool table_free(frame *f, const request *q, const actor *a, hf_lock **at)
{
    const hf_lock_txn *self = a->keeps ? &a->txn : NULL;
    *at = NULL;
    return q->is_range
               ? hf_lock_range_free(f->h.locks, bound(&q->start), bound(&q->end), q->mode,
                                    a->txn.age, self, at)
               : hf_lock_free(f->h.locks, name_of(q->key), q->key, q->mode, a->txn.age, self, at);
}

static void unwant(frame *f, actor *a, int who)
{
    if (a->wanted != NULL) {
        hf_lock *wanted = a->wanted;
        a->wanted = NULL;
        model_drop_ranges(f, who, true);
        hf_lock_unwant(f->h.locks, wanted);
    }
}

/* Ends the actor, as a commit, an abort and a wound do alike. */
static void end(frame *f, int who)
{
    actor *a = &f->actors[who];
    if (a->waiter.lock != NULL) {
        hf_lock_unwait(f->h.locks, &a->waiter);
    }
    a->waits = false;
    unwant(f, a, who);
    hf_lock_release(f->h.locks, &a->txn);
    model_drop_ranges(f, who, false);
    for (uint32_t k = 0; k < KEYS; k++) {
        a->held[k] = HF_LOCK_MODES;
    }
    a->txn.prepared = false;
    a->in_use = false;
}

typedef struct found {
    frame *f;
    int who;
    int list[ACTORS];
    uint32_t count;
} found;

static void find_younger(void *context, hf_lock_txn *holder)
{
    found *x = context;
    actor *a = (actor *)(void *)((uint8_t *)holder - offsetof(actor, txn));
    int index = (int)(a - x->f->actors);
    if (index != x->who && !holder->prepared &&
        hf_age_older(x->f->actors[x->who].txn.age, holder->age)) {
        x->list[x->count++] = index;
    }
}

static void grant(frame *f, int who)
{
    actor *a = &f->actors[who];
    const request *q = &a->wants;
    f->granted++;
    if (!a->keeps) {
        unwant(f, a, who);
        a->in_use = false;
        return;
    }
    if (q->is_range) {
        assert_true(
            hf_lock_take_range(f->h.locks, bound(&q->start), bound(&q->end), q->mode, &a->txn));
        model_add_range(f, q, who, -1, a->txn.age);
    } else {
        assert_true(hf_lock_take(f->h.locks, name_of(q->key), q->key, q->mode, &a->txn));
        hf_lock_mode *held = &a->held[q->key];
        *held = *held == HF_LOCK_MODES || *held == q->mode ? q->mode : HF_LOCK_X;
    }
    unwant(f, a, who);
}

static void ask(frame *f, int who)
{
    actor *a = &f->actors[who];
    for (;;) {
        hf_lock *at;
        int place = model_place(f, &a->wants, who);
        assert_int_equal(table_free(f, &a->wants, a, &at), place < 0);
        if (place < 0) {
            grant(f, who);
            return;
        }
        found x = { .f = f, .who = who };
        hf_lock_holders(at, find_younger, &x);
        for (uint32_t i = 0; i < x.count; i++) {
            end(f, x.list[i]);
            f->wounded++;
        }
        if (x.count != 0) {
            continue;
        }
        if (a->wants.is_range && a->wanted == NULL) {
            a->wanted = hf_lock_want_range(f->h.locks, bound(&a->wants.start), bound(&a->wants.end),
                                           a->wants.mode, a->txn.age);
            assert_non_null(a->wanted);
            model_add_range(f, &a->wants, -1, who, a->txn.age);
        }
        hf_lock_wait(f->h.locks, at, &a->waiter, a->wants.mode, a->txn.age,
                     a->keeps ? &a->txn : NULL);
        a->waits = true;
        a->place = place;
        f->waited++;
        return;
    }
}

/* Runs all that became ready. In the model a waiter counts until it was handed out or woken: the
 * table's flag says which. */
static void forget_ready(frame *f)
{
    for (int i = 0; i < ACTORS; i++) {
        actor *a = &f->actors[i];
        if (a->waits && (a->waiter.lock == NULL || a->waiter.ready)) {
            a->waits = false;
        }
    }
}

static void drain(frame *f)
{
    for (hf_lock_waiter *w = hf_lock_ready(f->h.locks); w != NULL; w = hf_lock_ready(f->h.locks)) {
        forget_ready(f);
        ask(f, (int)((actor *)(void *)w - f->actors));
        forget_ready(f);
    }
    forget_ready(f);
}

static void nobody_waits_for_what_is_free(frame *f)
{
    uint32_t waiting = 0;
    for (int i = 0; i < ACTORS; i++) {
        if (f->actors[i].waits) {
            waiting++;
            assert_true(model_place(f, &f->actors[i].wants, i) >= 0);
        }
    }
    assert_int_equal(hf_lock_stats_get(f->h.locks).waiters, waiting);
}

static request draw_request(frame *f)
{
    request q = { .is_range = hf_prng_chance(&f->prng, 1, 6),
                  .key = (uint32_t)hf_prng_below(&f->prng, KEYS),
                  .mode = (hf_lock_mode)hf_prng_below(&f->prng, HF_LOCK_MODES) };
    q.start = (char)('a' + hf_prng_below(&f->prng, 8));
    q.end = hf_prng_chance(&f->prng, 1, 3) ? (char)0
                                           : (char)(q.start + 1 + (char)hf_prng_below(&f->prng, 8));
    return q;
}

static void act(frame *f, int who)
{
    actor *a = &f->actors[who];
    if (!a->in_use) {
        a->in_use = true;
        a->keeps = !hf_prng_chance(&f->prng, 1, 4);
        a->txn.age = (hf_age){ hf_prng_chance(&f->prng, 1, 5) && f->now > 30
                                   ? f->now - hf_prng_below(&f->prng, 30)
                                   : f->now,
                               (uint64_t)who };
        a->wants = draw_request(f);
        ask(f, who);
    } else if (a->waits) {
        if (hf_prng_chance(&f->prng, 1, 10)) {
            end(f, who); /* it waited too long */
        }
    } else if (a->txn.prepared) {
        if (hf_prng_chance(&f->prng, 1, 3)) {
            end(f, who);
        }
    } else if (hf_prng_chance(&f->prng, 1, 4)) {
        a->txn.prepared = true;
        a->txn.pts = f->now;
    } else if (hf_prng_chance(&f->prng, 1, 6)) {
        end(f, who);
    } else {
        a->wants = draw_request(f);
        ask(f, who);
    }
}

static void run(uint64_t seed)
{
    static frame f;
    memset(&f, 0, sizeof f);
    f.h = home_open(1 << 20);
    f.prng = hf_prng_of(seed);
    f.now = 1;
    for (int i = 0; i < ACTORS; i++) {
        for (uint32_t k = 0; k < KEYS; k++) {
            f.actors[i].held[k] = HF_LOCK_MODES;
        }
    }
    for (int step = 0; step < STEPS; step++) {
        f.now++;
        act(&f, (int)hf_prng_below(&f.prng, ACTORS));
        forget_ready(&f);
        drain(&f);
        hf_lock_table_check(f.h.locks);
        nobody_waits_for_what_is_free(&f);
    }
    assert_true(f.waited > STEPS / 100 && f.wounded > STEPS / 100 && f.granted > STEPS / 10);
    for (int i = 0; i < ACTORS; i++) {
        end(&f, i);
        forget_ready(&f);
        drain(&f);
    }
    for (int i = 0; i < ACTORS; i++) {
        end(&f, i); /* those that were granted something while the others ended */
        drain(&f);
    }
    assert_idle(&f.h);
    home_close(&f.h);
}

static void many_seeds(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 5; seed++) {
        run(seed);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(many_seeds) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
