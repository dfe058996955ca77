/* Claim: under random puts, drops and growth a map answers as a plain array would, in the middle of
 * a move between tables too, and a full heap leaves it as it was. */
#include "engine/base/map.h"
#include "engine/base/prng.h"
#include "tests/unit/base/base_test.h"

enum { IDS = 3000, STEPS = 60000 };

static bool known[IDS];
static uint64_t model[IDS];

/* Half of the ids count up in the low part, the other half in the high part. */
static hf_id128 id_of(uint64_t i)
{
    return i % 2 == 0 ? hf_id_of(i / 2) : (hf_id128){ i / 2 + 1, 5 };
}

static void check_all(const hf_map *map)
{
    hf_map_check(map);
    uint64_t count = 0;
    for (uint64_t i = 0; i < IDS; i++) {
        const uint64_t *value = hf_map_find(map, id_of(i));
        assert_int_equal(value != NULL, known[i]);
        if (known[i]) {
            assert_true(*value == model[i]);
            count++;
        }
    }
    assert_int_equal(hf_map_count(map), count);
    uint64_t cursor = 0;
    hf_map_entry entry;
    while (hf_map_next(map, &cursor, &entry)) {
        assert_true(*hf_map_find(map, entry.id) == entry.value);
        count--;
    }
    assert_int_equal(count, 0);
}

static void random_steps(uint64_t seed, uint64_t drop_of_10, uint64_t fail_of_10)
{
    hf_heap *heap = test_heap_open(1 << 20);
    hf_prng p = hf_prng_of(seed);
    hf_map map;
    uint64_t refused = 0;
    uint64_t moving = 0;
    memset(known, 0, sizeof known);
    hf_map_open(&map, heap, seed);
    for (int step = 0; step < STEPS; step++) {
        uint64_t i = hf_prng_below(&p, IDS);
        if (hf_prng_chance(&p, drop_of_10, 10)) {
            assert_int_equal(hf_map_drop(&map, id_of(i)), known[i]);
            known[i] = false;
        } else {
            uint64_t value = hf_prng_next(&p);
            hf_heap_fail_at(heap, hf_prng_chance(&p, fail_of_10, 10));
            hf_err err = hf_map_put(&map, id_of(i), value);
            hf_heap_fail_at(heap, 0);
            if (err == HF_OK) {
                known[i] = true;
                model[i] = value;
            } else {
                assert_int_equal(err, HF_E_NOMEM);
                refused++;
            }
        }
        if (step < 200 || (map.old.places != 0 && step % 16 == 0)) {
            moving += map.old.places != 0;
            check_all(&map);
        }
    }
    check_all(&map);
    assert_int_equal(refused != 0, fail_of_10 != 0);
    assert_true(moving > 10); /* it was seen between two tables */
    hf_map_close(&map);
    test_heap_close(heap);
}

static void mostly_growing(void **unused)
{
    (void)unused;
    random_steps(1, 1, 0);
}

static void coming_and_going(void **unused)
{
    (void)unused;
    random_steps(2, 5, 0);
}

static void heap_full_at_random(void **unused)
{
    (void)unused;
    random_steps(3, 3, 8);
}

static void reserve_promises(void **unused)
{
    (void)unused;
    hf_heap *heap = test_heap_open(1 << 20);
    for (uint64_t room = 1; room < 400; room += 13) {
        hf_map map;
        hf_map_open(&map, heap, 0);
        hf_heap_fail_at(heap, 1);
        assert_int_equal(hf_map_reserve(&map, room), HF_E_NOMEM);
        assert_int_equal(hf_map_count(&map), 0);
        assert_int_equal(hf_map_put(&map, hf_id_of(0), 0), HF_OK);
        assert_int_equal(hf_map_reserve(&map, room), HF_OK);
        hf_heap_fail_at(heap, 1);
        for (uint64_t i = 0; i < room; i++) {
            assert_int_equal(hf_map_put(&map, hf_id_of(i), i), HF_OK);
        }
        hf_heap_fail_at(heap, 0);
        hf_map_check(&map);
        assert_int_equal(hf_map_count(&map), room);
        assert_int_equal(hf_map_reserve(&map, UINT64_MAX), HF_E_NOMEM);
        assert_int_equal(hf_map_reserve(&map, (uint64_t)1 << 39), HF_E_NOMEM);
        assert_int_equal(hf_map_count(&map), room);
        hf_map_check(&map);
        hf_map_close(&map);
    }
    test_heap_close(heap);
}

/* A doubling may cost one put a few moves, never the whole table. */
static void moves_are_spread(void **unused)
{
    (void)unused;
    hf_heap *heap = test_heap_open(8 << 20);
    hf_map map;
    hf_map_open(&map, heap, 9);
    uint64_t doublings = 0;
    for (uint64_t i = 0; i < 60000; i++) {
        uint64_t left = map.old.count;
        uint64_t moved_to = map.moved_to;
        uint64_t places = map.now.places;
        assert_int_equal(hf_map_put(&map, hf_id_of(i), i), HF_OK);
        if (map.now.places != places) {
            assert_int_equal(left, 0); /* the last move was over */
            doublings++;
            left = i;
            moved_to = 0;
        }
        assert_true(map.old.places == 0 || map.moved_to == moved_to + 8);
        assert_in_range(left - map.old.count, 0, 128);
    }
    assert_true(doublings >= 12);
    hf_map_check(&map);
    hf_map_close(&map);
    test_heap_close(heap);
}

static void reserve_during_a_move_loses_nothing(void **unused)
{
    (void)unused;
    hf_heap *heap = test_heap_open(8 << 20);
    hf_map map;
    uint64_t count = 0;
    hf_map_open(&map, heap, 9);
    do {
        assert_int_equal(hf_map_put(&map, hf_id_of(count), count), HF_OK);
        count++;
    } while (count < 3000 || map.old.count < 1000);
    hf_heap_fail_at(heap, 1);
    assert_int_equal(hf_map_reserve(&map, 20000), HF_E_NOMEM);
    hf_map_check(&map);
    assert_int_equal(hf_map_reserve(&map, 20000), HF_OK);
    hf_map_check(&map);
    assert_int_equal(hf_map_count(&map), count);
    for (uint64_t i = 0; i < count; i++) {
        assert_int_equal(*hf_map_find(&map, hf_id_of(i)), i);
    }
    hf_map_close(&map);
    test_heap_close(heap);
}

static void order_follows_from_history(void **unused)
{
    (void)unused;
    hf_heap *heap = test_heap_open(1 << 20);
    hf_map maps[2];
    int here;
    for (int m = 0; m < 2; m++) {
        hf_map_open(&maps[m], heap, 42);
        for (uint64_t i = 0; i < 1000; i++) {
            assert_int_equal(hf_map_put_pointer(&maps[m], hf_id_of(i * 7), &here), HF_OK);
        }
    }
    assert_ptr_equal(hf_map_find_pointer(&maps[0], hf_id_of(7)), &here);
    assert_null(hf_map_find_pointer(&maps[0], hf_id_of(8)));
    uint64_t a = 0;
    uint64_t b = 0;
    hf_map_entry x;
    hf_map_entry y;
    while (hf_map_next(&maps[0], &a, &x)) {
        assert_true(hf_map_next(&maps[1], &b, &y));
        assert_memory_equal(&x.id, &y.id, sizeof x.id);
    }
    assert_false(hf_map_next(&maps[1], &b, &y));
    hf_map_close(&maps[0]);
    hf_map_close(&maps[1]);
    test_heap_close(heap);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mostly_growing),
        cmocka_unit_test(coming_and_going),
        cmocka_unit_test(heap_full_at_random),
        cmocka_unit_test(reserve_promises),
        cmocka_unit_test(moves_are_spread),
        cmocka_unit_test(reserve_during_a_move_loses_nothing),
        cmocka_unit_test(order_follows_from_history),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
