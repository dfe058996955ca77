/* Random mutations, bases, marks and rollbacks against a plain map; the same with every allocation
 * refused in turn: the error, then the rollback, then all is as before.
 */
#include "tests/unit/mvcc/workspace_test.h"

enum { KEYS = 40, TEXT_MAX = 24, STEPS = 20000, MARKS_MAX = 8 };

/* Every value is an integer or a short string. */
typedef struct plain {
    bool known;
    hf_kind kind;
    uint64_t expire_ms;
    int64_t integer;
    char text[TEXT_MAX];
} plain;

typedef struct map {
    plain of[KEYS];
} map;

typedef struct frame {
    desk d;
    hf_prng prng;
    map now;
    map at_mark[MARKS_MAX];
    hf_workspace_mark marks[MARKS_MAX];
    uint32_t mark_count;
} frame;

static hf_bytes key_of(uint32_t number, char name[16])
{
    return hf_bytes_of(name, (size_t)snprintf(name, 16, "key%u", number));
}

static hf_value value_of(const plain *p)
{
    return (hf_value){ .kind = p->kind,
                       .expire_ms = p->expire_ms,
                       .integer = p->kind == HF_KIND_INT ? p->integer : 0,
                       .bytes = p->kind == HF_KIND_STRING ? text(p->text) : hf_bytes_of(NULL, 0) };
}

static plain draw(frame *f)
{
    plain p = { .known = true,
                .kind = hf_prng_chance(&f->prng, 1, 2) ? HF_KIND_INT : HF_KIND_STRING };
    p.expire_ms = hf_prng_below(&f->prng, 3);
    p.integer = (int64_t)hf_prng_below(&f->prng, 1000);
    snprintf(p.text, sizeof p.text, "%.*s", (int)hf_prng_below(&f->prng, 20),
             "abcdefghijklmnopqrstuvwxyz");
    return p;
}

static void check(const frame *f)
{
    for (uint32_t k = 0; k < KEYS; k++) {
        char name[16];
        hf_value got;
        const plain *p = &f->now.of[k];
        bool known = hf_workspace_get(&f->d.w, key_of(k, name), &got);
        assert_int_equal(known, p->known);
        if (!known) {
            continue;
        }
        hf_value wanted = value_of(p);
        assert_int_equal(got.kind, wanted.kind);
        if (got.kind != HF_KIND_NONE) {
            assert_int_equal(got.expire_ms, wanted.expire_ms);
            assert_true(got.kind != HF_KIND_INT || got.integer == wanted.integer);
            assert_true(got.kind != HF_KIND_STRING || hf_bytes_equal(got.bytes, wanted.bytes));
        }
    }
}

/* Writes one mutation, and does the same to `to`. */
static void mutate(frame *f, uint32_t k, map *to)
{
    char name[16];
    hf_bytes key = key_of(k, name);
    plain *p = &to->of[k];
    hf_buf *out = &f->d.w.mutations;
    uint64_t op = hf_prng_below(&f->prng, 4);
    p->known = true;
    if (op == 0) {
        *p = draw(f);
        hf_value v = value_of(p);
        hf_mutation_put(out, key, &v);
    } else if (op == 1) {
        *p = (plain){ .known = true };
        hf_mutation_delete(out, key);
    } else if (op == 2) {
        uint64_t at = hf_prng_below(&f->prng, 100);
        p->expire_ms = p->kind == HF_KIND_NONE ? p->expire_ms : at;
        hf_mutation_expire(out, key, at);
    } else if (p->kind != HF_KIND_STRING) {
        int64_t delta = (int64_t)hf_prng_below(&f->prng, 100) - 50;
        p->integer = (p->kind == HF_KIND_INT ? p->integer : 0) + delta;
        p->expire_ms = p->kind == HF_KIND_NONE ? 0 : p->expire_ms;
        p->kind = HF_KIND_INT;
        hf_mutation_add(out, key, hf_bytes_of(NULL, 0), delta);
    } else {
        p->expire_ms = 1;
        hf_mutation_expire(out, key, 1);
    }
}

/* Fetches and bases stay known over a rollback: a map restored keeps what is known meanwhile. */
static void restore(frame *f, const map *from)
{
    for (uint32_t k = 0; k < KEYS; k++) {
        bool known = f->now.of[k].known;
        plain before = from->of[k];
        if (known && !before.known) {
            before = (plain){ .known = true };
        }
        f->now.of[k] = before;
    }
}

static void step(frame *f)
{
    uint64_t what = hf_prng_below(&f->prng, 20);
    char name[16];
    if (what == 0) {
        uint32_t k = (uint32_t)hf_prng_below(&f->prng, KEYS);
        if (!f->now.of[k].known && f->mark_count == 0) {
            f->now.of[k] = draw(f);
            hf_value v = value_of(&f->now.of[k]);
            hf_workspace_base(&f->d.w, key_of(k, name), &v);
        }
    } else if (what == 1 && f->mark_count < MARKS_MAX) {
        f->at_mark[f->mark_count] = f->now;
        f->marks[f->mark_count++] = hf_workspace_mark_now(&f->d.w);
    } else if (what == 2 && f->mark_count > 0) {
        f->mark_count -= (uint32_t)hf_prng_below(&f->prng, f->mark_count) + 1;
        restore(f, &f->at_mark[f->mark_count]);
        hf_workspace_rollback(&f->d.w, f->marks[f->mark_count]);
    } else if (what == 3 && hf_prng_chance(&f->prng, 1, 20)) {
        memset(&f->now, 0, sizeof f->now);
        f->mark_count = 0;
        hf_workspace_reset(&f->d.w);
    } else {
        for (uint64_t n = hf_prng_below(&f->prng, 4); n > 0; n--) {
            mutate(f, (uint32_t)hf_prng_below(&f->prng, KEYS), &f->now);
        }
        apply(&f->d);
    }
}

static void at_random(void **state)
{
    (void)state;
    static frame f;
    for (uint64_t seed = 1; seed <= 3; seed++) {
        memset(&f, 0, sizeof f);
        desk_open(&f.d, 16 << 20);
        f.prng = hf_prng_of(seed);
        for (int i = 0; i < STEPS; i++) {
            step(&f);
            check(&f);
        }
        desk_close(&f.d);
    }
}

/* One transaction with the take-th allocation refused. Answers false when none was. */
static bool refused_at(uint64_t at)
{
    static frame f;
    memset(&f, 0, sizeof f);
    desk_open(&f.d, 4 << 20);
    f.prng = hf_prng_of(9);
    hf_heap_fail_at(f.d.heap, at);
    bool refused = false;
    for (int i = 0; i < 200 && !refused; i++) {
        map before = f.now;
        hf_workspace_mark mark = hf_workspace_mark_now(&f.d.w);
        for (uint32_t n = 0; n < 5; n++) {
            mutate(&f, (uint32_t)hf_prng_below(&f.prng, KEYS), &f.now);
        }
        hf_err err = hf_workspace_apply(&f.d.w, fetch_nothing, NULL);
        refused = err != HF_OK;
        if (refused) {
            assert_int_equal(err, HF_E_NOMEM);
            hf_workspace_rollback(&f.d.w, mark);
            for (uint32_t k = 0; k < KEYS; k++) {
                char name[16];
                hf_value v;
                /* Keys that were met half-way may be known; to be absent, as they were. */
                before.of[k].known = hf_workspace_get(&f.d.w, key_of(k, name), &v);
            }
            f.now = before;
        }
        check(&f);
    }
    hf_heap_fail_at(f.d.heap, 0);
    for (int i = 0; i < 50; i++) { /* and it goes on */
        mutate(&f, (uint32_t)hf_prng_below(&f.prng, KEYS), &f.now);
        apply(&f.d);
        check(&f);
    }
    desk_close(&f.d);
    return refused;
}

static void every_allocation_refused(void **state)
{
    (void)state;
    uint64_t at = 1;
    while (refused_at(at)) {
        at++;
    }
    assert_true(at > 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(at_random),
        cmocka_unit_test(every_allocation_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
