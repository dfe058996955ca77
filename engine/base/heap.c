#include "engine/base/heap.h"
#include "engine/base/assert.h"

#include <string.h>

#if defined(__SANITIZE_ADDRESS__)
#define HEAP_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HEAP_ASAN 1
#endif
#endif
#ifndef HEAP_ASAN
#define HEAP_ASAN 0
#endif

#if HEAP_ASAN
#include <sanitizer/asan_interface.h>
#define heap_poison(at, size) __asan_poison_memory_region((at), (size))
#define heap_unpoison(at, size) __asan_unpoison_memory_region((at), (size))
#else
#define heap_poison(at, size) ((void)(at), (void)(size))
#define heap_unpoison(at, size) ((void)(at), (void)(size))
#endif

/* The region, in spans of 64 KiB:
 *
 *   | heap, kinds[], tree[], spans[] (whole spans) | slab | run ......... | free ....... | slab |
 * ...
 *
 * kinds[i] says what span i is: a slab of some class, the head or the inside of a run, free, or the
 * bookkeeping itself. A slab knows its spare blocks by a bitmap (1 = spare) and a summary of the
 * bitmap's words, so that both take and give are a handful of instructions and never touch the
 * block. Slabs of more than 64 blocks keep the bitmap in the first bytes of their span.
 *
 * Free runs stand in a tree of maxima over span numbers (a leaf is the length of the free run that
 * starts there, or 0). Slabs take the lowest free span and runs the end of the highest fitting run,
 * so that the small and long-lived stay at one end and do not split the space of the large.
 */
enum {
    SPAN_BITS = 16,
    SPAN_SIZE = 1 << SPAN_BITS,
    SMALL_MOST = 32 * 1024,
    CLASS_COUNT = 40,
    INLINE_BLOCKS = 64, /* a slab of at most so many blocks has its bitmap in its hf_heap__span */
    LINE = 64,
};
enum { KIND_FREE = 0xf0, KIND_RUN = 0xf1, KIND_INSIDE = 0xf2, KIND_BOOKS = 0xf3 };
#define NO_SPAN UINT32_MAX

typedef struct heap_span {
    uint64_t *words;  /* slab: bitmap of spare blocks */
    uint64_t summary; /* slab: bit w is set when words[w] != 0 */
    uint64_t word;    /* slab: the bitmap, when one word is enough */
    uint32_t taken;   /* slab: blocks lent */
    uint32_t length;  /* run head, head and tail of a free run: spans */
    uint32_t next;    /* slab on its class's list of partly taken slabs */
    uint32_t prev;
} heap_span;

typedef struct heap_class {
    uint64_t reciprocal; /* (x / 16) * reciprocal >> 32 == x / size, for x < 64 KiB */
    uint32_t size;
    uint32_t count;   /* blocks in a slab */
    uint32_t first;   /* offset of the first block in its span */
    uint32_t words;   /* words of the bitmap */
    uint32_t partial; /* list of slabs with 0 < taken < count */
    uint32_t spare;   /* one wholly free slab is kept, so that one block does not thrash it */
} heap_class;

struct hf_heap {
    uint8_t *base;
    uint64_t fail_in; /* takes until one is refused; see hf_heap_fail_at */
    uint8_t *kinds;
    heap_span *spans;
    uint32_t *tree;
    uint32_t leaves;
    uint32_t span_first; /* the first span that is not bookkeeping */
    uint32_t span_count;
    uint32_t spans_used;
    size_t lent; /* bytes in blocks */
    heap_class classes[CLASS_COUNT];
};

_Static_assert(SPAN_SIZE / 16 <= 64 * 64, "one summary word covers a slab's bitmap");

/* ---- Free runs ---- */

static void tree_set(hf_heap *heap, uint32_t span, uint32_t length)
{
    uint32_t i = heap->leaves + span;
    heap->tree[i] = length;
    for (i /= 2; i != 0; i /= 2) {
        uint32_t left = heap->tree[2 * i];
        uint32_t right = heap->tree[2 * i + 1];
        uint32_t most = left > right ? left : right;
        if (heap->tree[i] == most) {
            break;
        }
        heap->tree[i] = most;
    }
}

static uint32_t tree_lowest(const hf_heap *heap, uint32_t length)
{
    uint32_t i = 1;
    while (i < heap->leaves) {
        i = 2 * i + (heap->tree[2 * i] < length);
    }
    return i - heap->leaves;
}

static uint32_t tree_highest(const hf_heap *heap, uint32_t length)
{
    uint32_t i = 1;
    while (i < heap->leaves) {
        i = 2 * i + (heap->tree[2 * i + 1] >= length);
    }
    return i - heap->leaves;
}

static uint32_t longest_free(const hf_heap *heap)
{
    return heap->tree[1];
}

static void tag_free(hf_heap *heap, uint32_t head, uint32_t length)
{
    heap->spans[head].length = length;
    heap->spans[head + length - 1].length = length;
    tree_set(heap, head, length);
}

static uint8_t *span_at(const hf_heap *heap, uint32_t span)
{
    return heap->base + ((size_t)span << SPAN_BITS);
}

static void free_spans(hf_heap *heap, uint32_t head, uint32_t length)
{
    memset(heap->kinds + head, KIND_FREE, length);
    heap_poison(span_at(heap, head), (size_t)length << SPAN_BITS);
    uint32_t after = head + length;
    if (after < heap->span_count && heap->kinds[after] == KIND_FREE) {
        length += heap->spans[after].length;
        tree_set(heap, after, 0);
    }
    if (head > heap->span_first && heap->kinds[head - 1] == KIND_FREE) {
        uint32_t before = heap->spans[head - 1].length;
        head -= before;
        length += before;
    }
    tag_free(heap, head, length);
}

static void free_spares(hf_heap *heap)
{
    for (uint32_t i = 0; i < CLASS_COUNT; i++) {
        uint32_t spare = heap->classes[i].spare;
        if (spare != NO_SPAN) {
            heap->classes[i].spare = NO_SPAN;
            free_spans(heap, spare, 1);
        }
    }
}

/* Spare slabs count as free, so they are broken up before anything is refused. */
static bool have_run(hf_heap *heap, uint32_t length)
{
    if (longest_free(heap) >= length) {
        return true;
    }
    free_spares(heap);
    return longest_free(heap) >= length;
}

static uint32_t take_lowest_span(hf_heap *heap)
{
    uint32_t head = tree_lowest(heap, 1);
    uint32_t length = heap->spans[head].length;
    tree_set(heap, head, 0);
    if (length > 1) {
        tag_free(heap, head + 1, length - 1);
    }
    return head;
}

static uint32_t take_highest_run(hf_heap *heap, uint32_t length)
{
    uint32_t head = tree_highest(heap, length);
    uint32_t left = heap->spans[head].length - length;
    if (left == 0) {
        tree_set(heap, head, 0);
    } else {
        tag_free(heap, head, left);
    }
    return head + left;
}

/* ---- Slabs ---- */

static uint32_t class_of(size_t size)
{
    if (size <= 128) {
        return size == 0 ? 0 : (uint32_t)((size - 1) / 16);
    }
    uint32_t last = (uint32_t)size - 1;
    uint32_t log = 31U - (uint32_t)__builtin_clz(last);
    return 8 + (log - 7) * 4 + ((last >> (log - 2)) & 3U);
}

static uint32_t class_size(uint32_t class)
{
    if (class < 8) {
        return (class + 1) * 16;
    }
    uint32_t doubling = (class - 8) / 4;
    uint32_t quarter = (class - 8) % 4;
    return (128U << doubling) + (quarter + 1) * (32U << doubling);
}

static void open_class(heap_class *c, uint32_t class)
{
    c->size = class_size(class);
    c->count = SPAN_SIZE / c->size;
    c->words = (c->count + 63) / 64;
    if (c->count > INLINE_BLOCKS) {
        c->first = (c->words * 8 + LINE - 1) / LINE * LINE;
        c->count = (SPAN_SIZE - c->first) / c->size;
        c->words = (c->count + 63) / 64;
    }
    uint64_t units = c->size / 16;
    c->reciprocal = ((UINT64_C(1) << 32) + units - 1) / units;
    c->partial = NO_SPAN;
    c->spare = NO_SPAN;
}

static void list_push(hf_heap *heap, heap_class *c, uint32_t span)
{
    heap->spans[span].prev = NO_SPAN;
    heap->spans[span].next = c->partial;
    if (c->partial != NO_SPAN) {
        heap->spans[c->partial].prev = span;
    }
    c->partial = span;
}

static void list_drop(hf_heap *heap, heap_class *c, uint32_t span)
{
    heap_span *s = &heap->spans[span];
    if (s->prev == NO_SPAN) {
        HF_ASSERT(c->partial == span);
        c->partial = s->next;
    } else {
        heap->spans[s->prev].next = s->next;
    }
    if (s->next != NO_SPAN) {
        heap->spans[s->next].prev = s->prev;
    }
}

static void open_slab(hf_heap *heap, uint32_t class, uint32_t span)
{
    heap_class *c = &heap->classes[class];
    heap_span *s = &heap->spans[span];
    heap->kinds[span] = (uint8_t) class;
    s->words = &s->word;
    if (c->first != 0) {
        s->words = (uint64_t *)(void *)span_at(heap, span);
        heap_unpoison(s->words, c->first);
    }
    for (uint32_t w = 0; w < c->words; w++) {
        uint32_t left = c->count - w * 64;
        s->words[w] = left >= 64 ? UINT64_MAX : (UINT64_C(1) << left) - 1;
    }
    s->summary = c->words == 64 ? UINT64_MAX : (UINT64_C(1) << c->words) - 1;
    s->taken = 0;
}

/* Puts a slab with spare blocks on the list of its class; false when the heap is full. */
static bool refill(hf_heap *heap, uint32_t class)
{
    heap_class *c = &heap->classes[class];
    uint32_t span = c->spare;
    if (span != NO_SPAN) {
        c->spare = NO_SPAN;
    } else {
        if (!have_run(heap, 1)) {
            return false;
        }
        span = take_lowest_span(heap);
        open_slab(heap, class, span);
    }
    list_push(heap, c, span);
    heap->spans_used++;
    return true;
}

static void *take_small(hf_heap *heap, size_t size)
{
    uint32_t class = class_of(size);
    heap_class *c = &heap->classes[class];
    if (c->partial == NO_SPAN && !refill(heap, class)) {
        return NULL;
    }
    uint32_t span = c->partial;
    heap_span *s = &heap->spans[span];
    uint32_t w = (uint32_t)__builtin_ctzll(s->summary);
    uint64_t word = s->words[w];
    uint32_t index = w * 64 + (uint32_t)__builtin_ctzll(word);
    word &= word - 1;
    s->words[w] = word;
    s->taken++;
    heap->lent += c->size;
    if (word == 0) {
        s->summary &= s->summary - 1;
        if (s->summary == 0) {
            list_drop(heap, c, span);
        }
    }
    uint8_t *block = span_at(heap, span) + c->first + (size_t)index * c->size;
    heap_unpoison(block, size);
    return block;
}

static void slab_emptied(hf_heap *heap, heap_class *c, uint32_t span)
{
    heap->spans_used--;
    list_drop(heap, c, span);
    if (c->spare == NO_SPAN) {
        c->spare = span;
    } else {
        free_spans(heap, span, 1);
    }
}

/* The number of the block that starts `offset` bytes into a slab of this class. */
static uint32_t block_index(const heap_class *c, uint32_t offset)
{
    HF_ASSERT(offset >= c->first); /* not a block of this heap */
    offset -= c->first;
    uint32_t index =
        c->size == 16 ? offset / 16 : (uint32_t)(((uint64_t)(offset / 16) * c->reciprocal) >> 32);
    HF_ASSERT(index < c->count && index * c->size == offset); /* not the start of a block */
    return index;
}

static void give_small(hf_heap *heap, uint32_t span, uint32_t offset)
{
    heap_class *c = &heap->classes[heap->kinds[span]];
    heap_span *s = &heap->spans[span];
    uint32_t index = block_index(c, offset);
    uint64_t bit = UINT64_C(1) << (index % 64);
    HF_ASSERT((s->words[index / 64] & bit) == 0); /* given twice */
    if (s->summary == 0) {
        list_push(heap, c, span);
    }
    s->words[index / 64] |= bit;
    s->summary |= UINT64_C(1) << (index / 64);
    heap_poison(span_at(heap, span) + offset, c->size);
    s->taken--;
    heap->lent -= c->size;
    if (s->taken == 0) {
        slab_emptied(heap, c, span);
    }
}

/* ---- Runs ---- */

static void *take_run(hf_heap *heap, size_t size)
{
    size_t length = size / SPAN_SIZE + (size % SPAN_SIZE != 0);
    if (length > heap->span_count || !have_run(heap, (uint32_t)length)) {
        return NULL;
    }
    uint32_t head = take_highest_run(heap, (uint32_t)length);
    heap->kinds[head] = KIND_RUN;
    memset(heap->kinds + head + 1, KIND_INSIDE, length - 1);
    heap->spans[head].length = (uint32_t)length;
    heap->spans_used += (uint32_t)length;
    heap->lent += length << SPAN_BITS;
    uint8_t *block = span_at(heap, head);
    heap_unpoison(block, size);
    return block;
}

/* ---- The whole ---- */

static size_t round_line(size_t size)
{
    return (size + LINE - 1) / LINE * LINE;
}

hf_heap *hf_heap_open(void *at, size_t size)
{
    HF_PRE((uintptr_t)at % SPAN_SIZE == 0);
    HF_PRE(size % SPAN_SIZE == 0 && size >= ((size_t)1 << 20));
    HF_PRE(size >> SPAN_BITS < ((size_t)1 << 31));
    heap_unpoison(at, size);

    uint32_t count = (uint32_t)(size >> SPAN_BITS);
    uint32_t leaves = 1;
    while (leaves < count) {
        leaves *= 2;
    }
    size_t kinds_at = round_line(sizeof(hf_heap));
    size_t tree_at = round_line(kinds_at + count);
    size_t spans_at = round_line(tree_at + 2 * (size_t)leaves * sizeof(uint32_t));
    size_t books = spans_at + (size_t)count * sizeof(heap_span);
    memset(at, 0, books);

    hf_heap *heap = at;
    heap->base = at;
    heap->kinds = heap->base + kinds_at;
    heap->tree = (uint32_t *)(void *)(heap->base + tree_at);
    heap->spans = (heap_span *)(void *)(heap->base + spans_at);
    heap->leaves = leaves;
    heap->span_count = count;
    heap->span_first = (uint32_t)((books + SPAN_SIZE - 1) >> SPAN_BITS);
    HF_ASSERT(heap->span_first < count);
    memset(heap->kinds, KIND_BOOKS, heap->span_first);
    for (uint32_t i = 0; i < CLASS_COUNT; i++) {
        open_class(&heap->classes[i], i);
    }
    free_spans(heap, heap->span_first, count - heap->span_first);
    return heap;
}

void hf_heap_close(hf_heap *heap)
{
    uint8_t *base = heap->base;
    heap_unpoison(base, (size_t)heap->span_count << SPAN_BITS);
    memset(heap, 0, sizeof *heap);
}

void hf_heap_fail_at(hf_heap *heap, uint64_t take)
{
    heap->fail_in = take;
}

void *hf_heap_take(hf_heap *heap, size_t size)
{
    if (__builtin_expect(heap->fail_in != 0, 0)) {
        heap->fail_in--;
        if (heap->fail_in == 0) {
            return NULL;
        }
    }
    return size <= SMALL_MOST ? take_small(heap, size) : take_run(heap, size);
}

static uint32_t span_of(const hf_heap *heap, const void *block)
{
    uintptr_t offset = (uintptr_t)block - (uintptr_t)heap->base;
    uintptr_t span = offset >> SPAN_BITS;
    HF_ASSERT(span >= heap->span_first && span < heap->span_count); /* not of this heap */
    return (uint32_t)span;
}

static uint32_t offset_in_span(const void *block)
{
    return (uint32_t)((uintptr_t)block % SPAN_SIZE);
}

void hf_heap_give(hf_heap *heap, void *block)
{
    if (block == NULL) {
        return;
    }
    uint32_t span = span_of(heap, block);
    uint32_t kind = heap->kinds[span];
    if (kind < CLASS_COUNT) {
        give_small(heap, span, offset_in_span(block));
        return;
    }
    HF_ASSERT(kind == KIND_RUN && offset_in_span(block) == 0); /* given twice, or not a block */
    heap->spans_used -= heap->spans[span].length;
    heap->lent -= (size_t)heap->spans[span].length << SPAN_BITS;
    free_spans(heap, span, heap->spans[span].length);
}

size_t hf_heap_block_size(const hf_heap *heap, const void *block)
{
    uint32_t span = span_of(heap, block);
    uint32_t kind = heap->kinds[span];
    size_t size;
    if (kind < CLASS_COUNT) {
        uint32_t index = block_index(&heap->classes[kind], offset_in_span(block));
        HF_ASSERT((heap->spans[span].words[index / 64] >> (index % 64) & 1) == 0);
        size = heap->classes[kind].size;
    } else {
        HF_ASSERT(kind == KIND_RUN && offset_in_span(block) == 0);
        size = (size_t)heap->spans[span].length << SPAN_BITS;
    }
    heap_unpoison(block, size); /* who asks may use all of it */
    return size;
}

size_t hf_heap_capacity(const hf_heap *heap)
{
    return (size_t)(heap->span_count - heap->span_first) << SPAN_BITS;
}

size_t hf_heap_used(const hf_heap *heap)
{
    return (size_t)heap->spans_used << SPAN_BITS;
}

size_t hf_heap_lent(const hf_heap *heap)
{
    return heap->lent;
}

size_t hf_heap_free(const hf_heap *heap)
{
    return hf_heap_capacity(heap) - hf_heap_used(heap);
}

bool hf_heap_fits(const hf_heap *heap, size_t size)
{
    size_t length = size / SPAN_SIZE + (size % SPAN_SIZE != 0);
    if (length > heap->span_count) {
        return false;
    }
    /* Breaking up spare slabs changes nothing a caller can see, so the const is kept in spirit. */
    return have_run((hf_heap *)(uintptr_t)heap, (uint32_t)length);
}

/* ---- Self-check ---- */

static void check_slab(const hf_heap *heap, uint32_t span)
{
    const heap_class *c = &heap->classes[heap->kinds[span]];
    const heap_span *s = &heap->spans[span];
    uint32_t spare = 0;
    for (uint32_t w = 0; w < c->words; w++) {
        spare += (uint32_t)__builtin_popcountll(s->words[w]);
        HF_ASSERT((s->words[w] != 0) == ((s->summary >> w & 1) != 0));
        for (uint32_t b = 0; b < 64 && w * 64 + 64 > c->count; b++) {
            HF_ASSERT(w * 64 + b < c->count || (s->words[w] >> b & 1) == 0);
        }
    }
    HF_ASSERT(c->words == 64 || s->summary >> c->words == 0);
    HF_ASSERT(spare + s->taken == c->count);
    HF_ASSERT((s->taken == 0) == (c->spare == span));
}

static uint32_t check_free(const hf_heap *heap, uint32_t head)
{
    uint32_t length = heap->spans[head].length;
    HF_ASSERT(length != 0 && length <= heap->span_count - head);
    HF_ASSERT(heap->spans[head + length - 1].length == length);
    HF_ASSERT(heap->tree[heap->leaves + head] == length);
    for (uint32_t i = 1; i < length; i++) {
        HF_ASSERT(heap->kinds[head + i] == KIND_FREE);
        HF_ASSERT(heap->tree[heap->leaves + head + i] == 0);
    }
    uint32_t after = head + length;
    HF_ASSERT(after == heap->span_count || heap->kinds[after] != KIND_FREE);
    return length;
}

static size_t lent_in(const hf_heap *heap, uint32_t span)
{
    return (size_t)heap->spans[span].taken * heap->classes[heap->kinds[span]].size;
}

static uint32_t check_run(const hf_heap *heap, uint32_t head)
{
    uint32_t length = heap->spans[head].length;
    HF_ASSERT(length != 0 && length <= heap->span_count - head);
    for (uint32_t i = 1; i < length; i++) {
        HF_ASSERT(heap->kinds[head + i] == KIND_INSIDE);
    }
    return length;
}

/* The slabs on the lists are exactly the partly taken ones, each once. */
static void check_lists(const hf_heap *heap, uint32_t partial)
{
    uint32_t listed = 0;
    for (uint32_t i = 0; i < CLASS_COUNT; i++) {
        uint32_t prev = NO_SPAN;
        for (uint32_t at = heap->classes[i].partial; at != NO_SPAN; at = heap->spans[at].next) {
            HF_ASSERT(heap->kinds[at] == i && heap->spans[at].prev == prev);
            HF_ASSERT(heap->spans[at].taken != 0 && heap->spans[at].summary != 0);
            listed++;
            HF_ASSERT(listed <= partial);
            prev = at;
        }
    }
    HF_ASSERT(listed == partial);
}

void hf_heap_check(const hf_heap *heap)
{
    uint32_t used = 0;
    size_t lent = 0;
    uint32_t partial = 0;
    for (uint32_t i = 0; i < heap->span_count;) {
        uint32_t kind = heap->kinds[i];
        uint32_t length = 1;
        HF_ASSERT((kind == KIND_BOOKS) == (i < heap->span_first));
        HF_ASSERT(kind == KIND_FREE || heap->tree[heap->leaves + i] == 0);
        if (kind == KIND_FREE) {
            length = check_free(heap, i);
        } else if (kind == KIND_RUN) {
            length = check_run(heap, i);
            used += length;
            lent += (size_t)length << SPAN_BITS;
        } else if (kind < CLASS_COUNT) {
            check_slab(heap, i);
            lent += lent_in(heap, i);
            used += heap->spans[i].taken != 0;
            partial += heap->spans[i].taken != 0 && heap->spans[i].summary != 0;
        } else {
            HF_ASSERT(kind == KIND_BOOKS);
        }
        i += length;
    }
    HF_ASSERT(used == heap->spans_used && lent == heap->lent);
    check_lists(heap, partial);
    for (uint32_t i = 1; i < heap->leaves; i++) {
        uint32_t left = heap->tree[2 * i];
        uint32_t right = heap->tree[2 * i + 1];
        HF_ASSERT(heap->tree[i] == (left > right ? left : right));
    }
}
