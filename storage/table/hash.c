/* Points: extendible hashing. A segment is 128 buckets of one cache line each; a key has two
 * buckets in its segment. A full segment splits alone in two; the directory only holds pointers.
 *
 *   hash   bits 0..27  directory index, `depth` of them     bits 32..47  tag
 *          bits 48..54 bucket; the other one is bucket ^ f(tag), so an entry can be moved from
 * either to the other without looking at it
 *
 * Growth is never in the way of a change: if no memory is left for a split, the entry stays out of
 * the hash (a stray) and its segment remembers that a miss there must be checked in the tree.
 */
#include "engine/base/hash.h"
#include "storage/table/table_impl.h"

#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

enum { LINE = 64, TAG_SHIFT = 48, FETCH_LINES = 3 };
#define ADDRESS_MASK ((UINT64_C(1) << TAG_SHIFT) - 1)

static uint64_t tag_of(uint64_t hash)
{
    return hash >> 32 & 0xffff;
}

static uint32_t bucket_of(uint64_t hash)
{
    return (uint32_t)(hash >> 48) % HF_HASH_BUCKETS;
}

static uint32_t other_bucket(uint32_t bucket, uint64_t tag)
{
    return bucket ^ ((uint32_t)(tag % HF_HASH_BUCKETS) | 1);
}

static hf_table__entry *entry_of(uint64_t slot)
{
    return (hf_table__entry *)(uintptr_t)(slot & ADDRESS_MASK);
}

static uint64_t slot_of(const hf_table__entry *entry, uint64_t tag)
{
    uint64_t address = (uint64_t)(uintptr_t)entry;
    HF_ASSERT((address & ~ADDRESS_MASK) == 0);
    return tag << TAG_SHIFT | address;
}

/* ---- The directory: depth and the mark of strays ride over the address, so that a segment is
 * nothing but its buckets and fits its size class exactly. ---- */

enum { DEPTH_SHIFT = 48, DEPTH_MASK = 0x3f, STRAYED_SHIFT = 56 };

static hf_table__segment *segment_at(uint64_t ref)
{
    return (hf_table__segment *)(uintptr_t)(ref & ADDRESS_MASK);
}

static uint32_t depth_of(uint64_t ref)
{
    return (uint32_t)(ref >> DEPTH_SHIFT) & DEPTH_MASK;
}

static bool strayed(uint64_t ref)
{
    return (ref >> STRAYED_SHIFT & 1) != 0;
}

static uint64_t ref_of(const hf_table__segment *segment, uint32_t depth, bool stray)
{
    uint64_t address = (uint64_t)(uintptr_t)segment;
    HF_ASSERT((address & ~ADDRESS_MASK) == 0);
    return (uint64_t)stray << STRAYED_SHIFT | (uint64_t)depth << DEPTH_SHIFT | address;
}

static uint64_t low_bits(uint64_t hash, uint32_t depth)
{
    return hash & ((UINT64_C(1) << depth) - 1);
}

static uint64_t ref_for(const hf_table *table, uint64_t hash)
{
    return table->hash.directory[low_bits(hash, table->hash.depth)];
}

/* Writes the ref at every place of the directory that ends in the same `depth` bits. */
static void direct(hf_table *table, uint64_t hash, uint64_t ref)
{
    hf_table__hash *h = &table->hash;
    uint64_t step = UINT64_C(1) << depth_of(ref);
    for (uint64_t i = low_bits(hash, depth_of(ref)); i < UINT64_C(1) << h->depth; i += step) {
        h->directory[i] = ref;
    }
}

static hf_table__segment *segment_open(hf_table *table)
{
    hf_table__segment *segment = hf_table__try(table, sizeof *segment);
    if (segment != NULL) {
        memset(segment, 0, sizeof *segment);
        table->hash.segments++;
    }
    return segment;
}

bool hf_table__hash_open(hf_table *table)
{
    hf_table__hash *h = &table->hash;
    h->directory = hf_table__try(table, sizeof *h->directory);
    if (h->directory == NULL) {
        return false;
    }
    hf_table__segment *first = segment_open(table);
    if (first == NULL) {
        hf_table__give(table, h->directory);
        return false;
    }
    h->directory[0] = ref_of(first, 0, false);
    return true;
}

void hf_table__hash_close(hf_table *table)
{
    hf_table__hash *h = &table->hash;
    for (uint64_t i = 0; i < UINT64_C(1) << h->depth; i++) {
        if (i >> depth_of(h->directory[i]) == 0) {
            hf_table__give(table, segment_at(h->directory[i]));
        }
    }
    hf_table__give(table, h->directory);
}

uint64_t hf_table_hash(const hf_table *table, hf_bytes key)
{
    return hf_hash64(table->seed, key.data, key.size);
}

/* ---- Finding ---- */

/* A bit for each slot that has the tag: no branch that could be guessed wrong. A slot that is empty
 * may be among them, if the tag is 0. */
static inline uint32_t slots_with(const uint64_t *slots, uint64_t tag)
{
    uint32_t with = 0;
#ifdef __SSE2__
    const __m128i *at = (const __m128i *)(const void *)slots;
    const uint64_t high = tag << TAG_SHIFT;
    const __m128i tags = _mm_set1_epi64x((long long)high);
    for (uint32_t i = 0; i < HF_HASH_SLOTS / 2; i++) { /* the sign of two slots is their tag's */
        __m128i same = _mm_cmpeq_epi16(_mm_loadu_si128(at + i), tags);
        with |= (uint32_t)_mm_movemask_pd(_mm_castsi128_pd(same)) << (2 * i);
    }
#else
    for (uint32_t i = 0; i < HF_HASH_SLOTS; i++) {
        with |= (uint32_t)(slots[i] >> TAG_SHIFT == tag) << i;
    }
#endif
    return with;
}

static uint64_t *find_slot(hf_table__segment *segment, uint64_t hash, hf_bytes key)
{
    uint64_t tag = tag_of(hash);
    uint32_t bucket = bucket_of(hash);
    for (uint32_t side = 0; side < 2; side++) {
        uint64_t *slots = segment->slots[bucket];
        for (uint32_t with = slots_with(slots, tag); with != 0; with &= with - 1) {
            uint64_t *slot = &slots[__builtin_ctz(with)];
            if (*slot != 0 && hf_bytes_equal(hf_table__key(entry_of(*slot)), key)) {
                return slot;
            }
        }
        bucket = other_bucket(bucket, tag);
    }
    return NULL;
}

hf_table__entry *hf_table__hash_find(const hf_table *table, hf_bytes key, uint64_t hash)
{
    uint64_t ref = ref_for(table, hash);
    const uint64_t *slot = find_slot(segment_at(ref), hash, key);
    if (slot != NULL) {
        return entry_of(*slot);
    }
    if (__builtin_expect(table->hash.strays != 0, 0) && strayed(ref)) {
        return hf_table__tree_find(table, key);
    }
    return NULL;
}

/* ---- Fetching ahead ---- */

/* Always inline: gcc takes a function that only asks ahead for one without effect, and leaves the
 * call out. */
__attribute__((always_inline)) static inline void fetch_entry(const hf_table *table, uint64_t hash)
{
    const hf_table__segment *segment = segment_at(ref_for(table, hash));
    uint64_t tag = tag_of(hash);
    uint32_t bucket = bucket_of(hash);
    for (uint32_t side = 0; side < 2; side++) {
        const uint64_t *slots = segment->slots[bucket];
        uint32_t with = slots_with(slots, tag);
        if (with != 0) {
            uint64_t address = slots[__builtin_ctz(with)] & ADDRESS_MASK;
            for (uint32_t line = 0; line < FETCH_LINES; line++) {
                __builtin_prefetch((const void *)(uintptr_t)(address + line * LINE));
            }
            return;
        }
        bucket = other_bucket(bucket, tag);
    }
}

void hf_table__hash_fetch(hf_table *table)
{
    for (uint32_t i = 0; i < table->want_count; i++) {
        fetch_entry(table, table->wanted[i]);
    }
    table->want_count = 0;
}

bool hf_table_want(hf_table *table, hf_bytes key, uint64_t hash)
{
    (void)key;
    const hf_table__segment *segment = segment_at(ref_for(table, hash));
    uint32_t bucket = bucket_of(hash);
    __builtin_prefetch(segment->slots[bucket]);
    __builtin_prefetch(segment->slots[other_bucket(bucket, tag_of(hash))]);
    /* The entry's address is in a line that has just been asked for: it is looked up later, when
     * the line has come, so that no want waits for memory. */
    if (table->want_count == HF_TABLE_WANT_RING) {
        hf_table__hash_fetch(table);
    }
    table->wanted[table->want_count++] = hash;
    return true;
}

/* ---- Growing ---- */

static uint64_t *free_slot(hf_table__segment *segment, uint32_t bucket)
{
    for (uint32_t i = 0; i < HF_HASH_SLOTS; i++) {
        if (segment->slots[bucket][i] == 0) {
            return &segment->slots[bucket][i];
        }
    }
    return NULL;
}

/* Moves an entry of a full bucket to its other bucket. */
static uint64_t *make_room(hf_table__segment *segment, uint32_t bucket)
{
    for (uint32_t i = 0; i < HF_HASH_SLOTS; i++) {
        uint64_t *slot = &segment->slots[bucket][i];
        uint64_t *free = free_slot(segment, other_bucket(bucket, *slot >> TAG_SHIFT));
        if (free != NULL) {
            *free = *slot;
            *slot = 0;
            return slot;
        }
    }
    return NULL;
}

static bool place(hf_table__segment *segment, const hf_table__entry *entry, uint64_t hash)
{
    uint64_t tag = tag_of(hash);
    uint32_t first = bucket_of(hash);
    uint32_t second = other_bucket(first, tag);
    uint64_t *slot = free_slot(segment, first);
    if (slot == NULL) {
        slot = free_slot(segment, second);
    }
    if (slot == NULL) {
        slot = make_room(segment, first);
    }
    if (slot == NULL) {
        slot = make_room(segment, second);
    }
    if (slot == NULL) {
        return false;
    }
    HF_ASSERT(*slot == 0);
    *slot = slot_of(entry, tag);
    return true;
}

static bool grow_directory(hf_table *table)
{
    hf_table__hash *h = &table->hash;
    size_t count = (size_t)1 << h->depth;
    if (h->depth == HF_HASH_DEPTH_MAX) {
        return false;
    }
    uint64_t *directory = hf_table__try(table, 2 * count * sizeof *directory);
    if (directory == NULL) {
        return false;
    }
    memcpy(directory, h->directory, count * sizeof *directory);
    memcpy(directory + count, h->directory, count * sizeof *directory);
    hf_table__give(table, h->directory);
    h->directory = directory;
    h->depth++;
    return true;
}

/* The bit is read from the entries themselves; they are fetched two buckets ahead. */
static void move_half(hf_table__segment *from, hf_table__segment *to, uint32_t bit)
{
    for (uint32_t b = 0; b < HF_HASH_BUCKETS; b++) {
        for (uint32_t i = 0; b + 2 < HF_HASH_BUCKETS && i < HF_HASH_SLOTS; i++) {
            uint64_t address = from->slots[b + 2][i] & ADDRESS_MASK;
            __builtin_prefetch(
                (const void *)(uintptr_t)(address + offsetof(hf_table__entry, hash)));
        }
        for (uint32_t i = 0; i < HF_HASH_SLOTS; i++) {
            uint64_t slot = from->slots[b][i];
            if (slot != 0 && (entry_of(slot)->hash >> bit & 1) != 0) {
                to->slots[b][i] = slot;
                from->slots[b][i] = 0;
            }
        }
    }
}

static bool split(hf_table *table, uint64_t hash)
{
    uint64_t ref = ref_for(table, hash);
    uint32_t bit = depth_of(ref);
    if (bit == table->hash.depth && !grow_directory(table)) {
        return false;
    }
    hf_table__segment *half = segment_open(table);
    if (half == NULL) {
        return false;
    }
    move_half(segment_at(ref), half, bit);
    uint64_t low = low_bits(hash, bit);
    direct(table, low, ref_of(segment_at(ref), bit + 1, strayed(ref)));
    direct(table, low | UINT64_C(1) << bit, ref_of(half, bit + 1, strayed(ref)));
    return true;
}

void hf_table__hash_add(hf_table *table, hf_table__entry *entry, uint64_t hash)
{
    HF_PRE(entry->hash == (uint32_t)hash);
    do {
        if (place(segment_at(ref_for(table, hash)), entry, hash)) {
            return;
        }
    } while (split(table, hash));
    entry->state.flags |= HF_STATE_STRAY;
    uint64_t ref = ref_for(table, hash);
    direct(table, hash, ref_of(segment_at(ref), depth_of(ref), true));
    table->hash.strays++;
}

void hf_table__hash_remove(hf_table *table, hf_table__entry *entry, uint64_t hash)
{
    if ((entry->state.flags & HF_STATE_STRAY) != 0) {
        entry->state.flags &= (uint8_t)~HF_STATE_STRAY;
        table->hash.strays--;
        return;
    }
    hf_table__segment *segment = segment_at(ref_for(table, hash));
    uint64_t *slot = find_slot(segment, hash, hf_table__key(entry));
    HF_ASSERT(slot != NULL && entry_of(*slot) == entry);
    *slot = 0;
}

static uint64_t check_segment(const hf_table *table, uint64_t ref, uint64_t low)
{
    uint64_t count = 0;
    for (uint32_t i = 0; i < HF_HASH_BUCKETS * HF_HASH_SLOTS; i++) {
        uint32_t bucket = i / HF_HASH_SLOTS;
        uint64_t slot = segment_at(ref)->slots[bucket][i % HF_HASH_SLOTS];
        if (slot == 0) {
            continue;
        }
        const hf_table__entry *entry = entry_of(slot);
        uint64_t hash = hf_table_hash(table, hf_table__key(entry));
        uint32_t home = bucket_of(hash);
        HF_ASSERT(entry->hash == (uint32_t)hash && slot >> TAG_SHIFT == tag_of(hash));
        HF_ASSERT(bucket == home || bucket == other_bucket(home, tag_of(hash)));
        HF_ASSERT(low_bits(hash, depth_of(ref)) == low);
        HF_ASSERT((entry->state.flags & HF_STATE_STRAY) == 0);
        count++;
    }
    return count;
}

void hf_table__hash_check(const hf_table *table)
{
    const hf_table__hash *h = &table->hash;
    uint64_t entries = 0;
    uint32_t segments = 0;
    for (uint64_t at = 0; at < UINT64_C(1) << h->depth; at++) {
        uint64_t ref = h->directory[at];
        uint64_t low = low_bits(at, depth_of(ref));
        HF_ASSERT(depth_of(ref) <= h->depth && h->directory[low] == ref);
        if (low == at) {
            segments++;
            entries += check_segment(table, ref, low);
        }
    }
    HF_ASSERT(segments == h->segments);
    HF_ASSERT(entries + h->strays == table->stats.keys + table->stats.tombstones);
}
