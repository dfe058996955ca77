/* The table: points at random and hot, with and without asking ahead; order; additions. */
#include "storage/table/table.h"
#include "bench/micro/memory.h"
#include "bench/micro/micro.h"
#include <string.h>

enum { KEY_SIZE = 17, VALUE_SIZE = 64, BATCH = 64, AHEAD = 16, SCAN = 100, TICK_NS = 1000000 };
#define HEAP ((size_t)640 << 20)

typedef struct filled {
    hf_heap *heap;
    hf_table *table;
    uint64_t count;
    uint64_t at;
    uint64_t ts;
} filled;

static hf_bytes key_of(uint64_t number, char text[KEY_SIZE + 1])
{
    memcpy(text, "ukey:000000000000", KEY_SIZE + 1);
    for (uint32_t i = KEY_SIZE; number != 0; number /= 10) {
        text[--i] = (char)('0' + number % 10);
    }
    return hf_bytes_of(text, KEY_SIZE);
}

static const char value_text[VALUE_SIZE] = "a value";
static const hf_value string_value = { .kind = HF_KIND_STRING,
                                       .bytes = { (const uint8_t *)value_text, VALUE_SIZE } };

static filled fill(int64_t count)
{
    filled f = { .heap = hf_micro_heap(HEAP), .count = (uint64_t)count, .ts = 1 };
    hf_table_config config = { .hash_seed = 1, .tick_ns = TICK_NS };
    f.table = hf_table_open(f.heap, &config);
    HF_ASSERT(f.table != NULL);
    for (uint64_t i = 0; i < f.count; i++) {
        char text[KEY_SIZE + 1];
        hf_table_put(f.table, key_of(i, text), &string_value, f.ts++, 1);
    }
    return f;
}

/* A fixed walk that is no order of the memory. */
static hf_bytes next_key(filled *f, char text[KEY_SIZE + 1])
{
    f->at = (f->at + 7919 * 104729) % f->count;
    return key_of(f->at, text);
}

/* The keys of a batch are written out of the time that counts. */
static void next_keys(filled *f, char text[BATCH][KEY_SIZE + 1], uint64_t hash[BATCH])
{
    for (int i = 0; i < BATCH; i++) {
        hash[i] = hf_table_hash(f->table, next_key(f, text[i]));
    }
}

static void get(hf_micro *m, int64_t count, bool ahead)
{
    filled f = fill(count);
    char text[BATCH][KEY_SIZE + 1];
    uint64_t hash[BATCH];
    while (hf_micro_batch(m, BATCH)) {
        hf_micro_pause(m);
        next_keys(&f, text, hash);
        hf_micro_resume(m);
        for (int i = 0; i < BATCH; i++) {
            for (int k = i; ahead && i % AHEAD == 0 && k < i + AHEAD; k++) {
                (void)hf_table_want(f.table, hf_bytes_of(text[k], KEY_SIZE), hash[k]);
            }
            hf_bytes key = hf_bytes_of(text[i], KEY_SIZE);
            hf_got got = hf_table_get_hashed(f.table, key, hash[i], HF_TS_MAX);
            HF_ASSERT(got.value.bytes.size == VALUE_SIZE && got.value.bytes.data[0] == 'a');
        }
    }
    hf_micro_heap_end(f.heap);
}

static void get_random(hf_micro *m, int64_t count)
{
    get(m, count, false);
}

static void get_wanted(hf_micro *m, int64_t count)
{
    get(m, count, true);
}

static void put_over(hf_micro *m, int64_t count)
{
    filled f = fill(count);
    char text[BATCH][KEY_SIZE + 1];
    uint64_t hash[BATCH];
    while (hf_micro_batch(m, BATCH)) {
        hf_micro_pause(m);
        next_keys(&f, text, hash);
        hf_micro_resume(m);
        for (int i = 0; i < BATCH; i++) {
            hf_table_put_hashed(f.table, hf_bytes_of(text[i], KEY_SIZE), hash[i], &string_value,
                                f.ts++, 1);
        }
    }
    hf_micro_heap_end(f.heap);
}

/* Each put is a tick later: the version before is kept, and collected. */
static void put_and_collect(hf_micro *m, int64_t count)
{
    filled f = fill(count);
    char text[BATCH][KEY_SIZE + 1];
    uint64_t hash[BATCH];
    f.ts = f.ts / TICK_NS * TICK_NS + TICK_NS;
    while (hf_micro_batch(m, BATCH)) {
        hf_micro_pause(m);
        next_keys(&f, text, hash);
        hf_micro_resume(m);
        for (int i = 0; i < BATCH; i++) {
            f.ts += TICK_NS;
            hf_table_put_hashed(f.table, hf_bytes_of(text[i], KEY_SIZE), hash[i], &string_value,
                                f.ts, 1);
        }
        (void)hf_table_collect(f.table, f.ts, 2 * BATCH);
    }
    hf_micro_heap_end(f.heap);
}

static void fold_hot(hf_micro *m, int64_t arg)
{
    (void)arg;
    filled f = fill(1);
    static const hf_bytes key = { (const uint8_t *)"uhot", 4 };
    uint64_t hash = hf_table_hash(f.table, key);
    while (hf_micro_batch(m, BATCH)) {
        for (int i = 0; i < BATCH; i++) {
            hf_table_fold_hashed(f.table, key, hash, hf_bytes_of(NULL, 0), 1, f.ts++, 1);
        }
    }
    hf_micro_heap_end(f.heap);
}

static void scan(hf_micro *m, int64_t count)
{
    filled f = fill(count);
    while (hf_micro_batch(m, SCAN)) {
        char text[KEY_SIZE + 1];
        hf_cursor cursor;
        bool more = hf_table_seek(f.table, next_key(&f, text), &cursor);
        for (int i = 0; more && i < SCAN; i++) {
            hf_micro_use(cursor.key.data);
            more = hf_table_next(f.table, &cursor);
        }
    }
    hf_micro_heap_end(f.heap);
}

void hf_micro_table(void)
{
    static const int64_t counts[] = { 10000, 1000000, -1 };
    static const int64_t small[] = { 10000, -1 };
    hf_micro_register("table/get", get_random, counts);
    hf_micro_register("table/get_16_wanted_first", get_wanted, counts);
    hf_micro_register("table/put_over", put_over, counts);
    hf_micro_register("table/put_and_collect", put_and_collect, small);
    hf_micro_register("table/fold_hot", fold_hot, NULL);
    hf_micro_register("table/scan", scan, small);
}
