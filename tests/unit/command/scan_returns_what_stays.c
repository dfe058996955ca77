/* Keys come and go between the pages of a scan: those that stay are returned, each once. */
#include "tests/unit/command/fake.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { KEYS = 300, STAY_EVERY = 3 };

static uint64_t draw(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return *state >> 33;
}

/* Marks the keys of the page in `seen`; answers the cursor. */
static uint64_t read_page(const fake_world *fake, uint8_t *seen)
{
    const char *at = (const char *)fake->reply.data;
    const char *end = at + fake->reply.size;
    uint64_t cursor = strtoull(strchr(at + 4, '\n') + 1, NULL, 10);
    for (; at < end; at++) {
        if (end - at >= 5 && at[0] == 'k' && at[-1] == '\n') {
            seen[strtoul(at + 1, NULL, 10)]++;
        }
    }
    return cursor;
}

static void one_scan(uint64_t seed)
{
    fake_world fake;
    uint8_t seen[10000] = { 0 };
    char line[64];
    uint64_t cursor = 0;
    fake_open(&fake, 4 * 1024 * 1024);
    for (int i = 0; i < KEYS; i++) {
        snprintf(line, sizeof line, "SET k%04d v", i);
        fake_do(&fake, line);
    }
    do {
        snprintf(line, sizeof line, "SCAN %llu COUNT %d", (unsigned long long)cursor,
                 (int)(draw(&seed) % 20 + 1));
        fake_do(&fake, line);
        cursor = read_page(&fake, seen);
        for (int change = 0; change < 20; change++) {
            uint32_t key = (uint32_t)(draw(&seed) % KEYS);
            if (key % STAY_EVERY != 0) {
                snprintf(line, sizeof line, draw(&seed) % 2 == 0 ? "DEL k%04u" : "SET k%04u v",
                         key);
                fake_do(&fake, line);
            }
        }
    } while (cursor != 0);
    for (int i = 0; i < KEYS; i++) {
        assert_true(i % STAY_EVERY == 0 ? seen[i] == 1 : seen[i] <= 1);
    }
    fake_close(&fake);
}

static void under_change(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        one_scan(seed);
    }
}

static void cursors_are_forgotten_oldest_first(void **state)
{
    (void)state;
    enum { CAPACITY = 4 };
    fake_world fake;
    hf_bytes key;
    uint64_t word;
    uint64_t cursors[CAPACITY + 1];
    fake_open(&fake, 1024 * 1024);
    void *at = malloc(hf_scan_cursors_size(CAPACITY));
    hf_scan_cursors *table = hf_scan_cursors_open(at, CAPACITY, fake.heap);
    assert_false(hf_scan_cursors_get(table, 0, &key, &word));
    assert_false(hf_scan_cursors_get(table, 1, &key, &word));
    for (uint32_t i = 0; i < CAPACITY; i++) {
        cursors[i] = hf_scan_cursors_put(table, hf_bytes_of(&"abcd"[i], 1), i);
        assert_true(cursors[i] != 0);
    }
    assert_true(hf_scan_cursors_get(table, cursors[0], &key, &word)); /* used: now the newest */
    cursors[CAPACITY] = hf_scan_cursors_put(table, HF_LIT("e"), 7);
    assert_false(hf_scan_cursors_get(table, cursors[1], &key, &word));
    for (uint32_t i = 0; i <= CAPACITY; i++) {
        if (i != 1) {
            assert_true(hf_scan_cursors_get(table, cursors[i], &key, &word));
            assert_int_equal(key.data[0], "abcde"[i]);
            assert_int_equal(word, i == CAPACITY ? 7 : i);
        }
        for (uint32_t k = 0; k < i; k++) {
            assert_true(cursors[k] != cursors[i]);
        }
    }
    hf_scan_cursors_close(table);
    free(at);
    fake_close(&fake);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(under_change),
        cmocka_unit_test(cursors_are_forgotten_oldest_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
