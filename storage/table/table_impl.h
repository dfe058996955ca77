/* The table's inside, for its own files and tests.
 *
 *   hash (points)         tree (order)
 *   segment -> slots -----> entry <----- leaf slots
 *                           | newest version in the entry itself
 *                           v
 *                         version -> version -> ...   superseded, newest first
 *
 * An entry holds its key and its newest version; a value of up to INLINE_MAX bytes lies right
 * behind the key, so that a point read touches a line of the hash and the lines of one block. A
 * superseded version that someone may still read is moved to a block of its own, and queued for
 * collection.
 */
#ifndef HF_TABLE_TABLE_IMPL_H
#define HF_TABLE_TABLE_IMPL_H
#include "engine/base/assert.h"
#include "engine/base/list.h"
#include "storage/table/table.h"

enum {
    HF_TABLE_INLINE_MAX = 192, /* larger values get a block of their own when the key is made */
    HF_TABLE_WANT_RING = 16,
    HF_TABLE_SCRATCH_KEPT = 64 * 1024,
};

/* ---- Versions and entries ---- */

enum {
    HF_STATE_EXTERNAL = 1, /* the bytes lie in a block of their own */
    HF_STATE_ENTRY = 2,    /* this state is an entry's, not a version's */
    HF_STATE_STRAY = 4,    /* entry: not in the hash, for want of memory */
    HF_STATE_LATE = 8,     /* entry: changed at or below the timestamp of a pass */
};

/* One version of a value: the first part of both structs below. */
typedef struct hf_table__state {
    uint64_t ts;
    uint64_t lsn;
    uint64_t expire_ms;
    union {
        int64_t integer;
        uint8_t *external;
    };
    struct hf_table__version *older;
    uint32_t size; /* of a string or record */
    uint8_t kind;
    uint8_t flags;
    uint16_t room; /* bytes for a value behind the struct (behind the key, in an entry) */
} hf_table__state;

typedef struct hf_table__version {
    hf_table__state state;
    hf_table__state *newer; /* a version, or the entry (HF_STATE_ENTRY) */
    hf_list garbage;        /* in the order in which versions were superseded */
    /* the value's bytes, `room` of them */
} hf_table__version;

typedef struct hf_table__entry {
    hf_table__state state; /* the newest version */
    uint32_t hash;         /* low bits: what the directory goes by */
    uint16_t key_size;
    uint16_t spare;
    uint32_t alarm; /* 1 + place in the expiry heap; 0: not there */
    uint32_t mark;  /* epoch << 1 | visited; see pass.c */
    hf_list turn;   /* on one of the lists of pass.c, always */
    /* the key, then the value's bytes */
} hf_table__entry;

_Static_assert(sizeof(hf_table__state) == 48,
               "the parts a read needs share a line with the key's size");
_Static_assert(sizeof(hf_table__entry) == 80, "entry header");
_Static_assert(sizeof(hf_table__version) == 72, "version header");

static inline uint8_t *hf_table__key_at(const hf_table__entry *e)
{
    return (uint8_t *)(uintptr_t)(e + 1);
}
static inline hf_bytes hf_table__key(const hf_table__entry *e)
{
    return hf_bytes_of(hf_table__key_at(e), e->key_size);
}
static inline hf_table__entry *hf_table__entry_of(hf_table__state *s)
{
    HF_ASSERT((s->flags & HF_STATE_ENTRY) != 0);
    return (hf_table__entry *)(void *)s;
}
/* Where the bytes lie when they are not in a block of their own. */
static inline uint8_t *hf_table__room(const hf_table__state *s)
{
    uintptr_t at = (uintptr_t)s;
    if ((s->flags & HF_STATE_ENTRY) != 0) {
        const hf_table__entry *e = (const hf_table__entry *)(const void *)s;
        return (uint8_t *)(at + sizeof *e + e->key_size);
    }
    return (uint8_t *)(at + sizeof(hf_table__version));
}
static inline bool hf_table__has_bytes(uint8_t kind)
{
    return kind == HF_KIND_STRING || kind == HF_KIND_RECORD;
}
static inline hf_value hf_table__value(const hf_table__state *s)
{
    hf_value v = { .kind = (hf_kind)s->kind, .expire_ms = s->expire_ms };
    if (s->kind == HF_KIND_INT) {
        v.integer = s->integer;
    } else if (hf_table__has_bytes(s->kind)) {
        bool external = (s->flags & HF_STATE_EXTERNAL) != 0;
        v.bytes = hf_bytes_of(external ? s->external : hf_table__room(s), s->size);
    }
    return v;
}
static inline hf_got hf_table__got(const hf_table__state *s)
{
    hf_got got = { .value = { .kind = HF_KIND_NONE } };
    if (s != NULL) {
        got = (hf_got){ hf_table__value(s), s->ts, s->lsn };
    }
    return got;
}
/* The version of the chain that a reader at `ts` sees; NULL: none. */
static inline hf_table__state *hf_table__seen(hf_table__entry *e, uint64_t ts)
{
    hf_table__state *s = &e->state;
    while (s != NULL && s->ts > ts) {
        s = s->older == NULL ? NULL : &s->older->state;
    }
    return s;
}

/* ---- The hash (hash.c) ---- */

enum {
    HF_HASH_BUCKETS = 128, /* a segment; each bucket is one cache line */
    HF_HASH_SLOTS = 8,
    HF_HASH_DEPTH_MAX = 28,
};

/* A slot: 16 bits of the hash over a 48-bit address; 0 is empty. */
typedef struct hf_table__segment {
    uint64_t slots[HF_HASH_BUCKETS][HF_HASH_SLOTS];
} hf_table__segment;

typedef struct hf_table__hash {
    uint64_t *directory; /* 2^depth, by the low bits of the hash: see hash.c */
    uint32_t depth;
    uint32_t segments;
    uint64_t strays;
} hf_table__hash;

/* ---- The tree (tree.c) ---- */

enum { HF_TREE_LEAF = 62, HF_TREE_INNER = 41, HF_TREE_HEIGHT_MAX = 24 };

typedef struct hf_table__node {
    struct hf_table__node *prev; /* leaves only */
    struct hf_table__node *next;
    uint16_t count;
    uint16_t level; /* 0: a leaf */
    uint16_t skip;  /* bytes that all keys of the node begin with */
    union {
        struct {
            uint64_t prefix[HF_TREE_LEAF]; /* the 8 bytes behind `skip`, as a number */
            hf_table__entry *entry[HF_TREE_LEAF];
        } leaf;
        struct {
            uint64_t prefix[HF_TREE_INNER];
            hf_table__entry *entry[HF_TREE_INNER]; /* the least of child i; [0] is not kept */
            struct hf_table__node *child[HF_TREE_INNER];
        } inner;
    };
} hf_table__node;
_Static_assert(sizeof(hf_table__node) <= 1024, "a node fits its size class");

typedef struct hf_table__tree {
    hf_table__node *root;
    uint32_t height; /* levels, a lone leaf is 1 */
    uint64_t leaves;
    uint64_t inners;
} hf_table__tree;

/* ---- Expiry (expiry.c) ---- */

enum { HF_ALARM_CHUNK = 512 };
typedef struct hf_table__alarm {
    uint64_t expire_ms;
    hf_table__entry *entry;
} hf_table__alarm;

typedef struct hf_table__alarms {
    hf_table__alarm **chunks;
    uint32_t chunk_count;
    uint32_t chunk_room;
    uint32_t count;
} hf_table__alarms;

/* ---- Pins (retain.c) ---- */

typedef struct hf_table__pin {
    uint64_t ts;
    uint64_t count;
} hf_table__pin;

/* ---- Passes (pass.c) ---- */

typedef struct hf_table__pass {
    bool running;
    bool whole;
    bool through;
    uint64_t ts;
    uint64_t last_ts;    /* of the last pass that was kept */
    uint32_t epoch;      /* counts passes begun */
    uint32_t last_epoch; /* of the last pass that was kept */
    uint64_t due_bytes;  /* of the entries that are due */
    uint64_t done_bytes; /* of those that the running pass has carried */
    hf_list clean;
    hf_list due;
    hf_list todo; /* the running pass will look at these */
    hf_list done; /* it has carried these */
    hf_list done_tombs;
    hf_list tombs; /* clean tombstones: to be freed when the floor has passed them */
} hf_table__pass;

struct hf_table {
    hf_heap *heap;
    uint64_t seed;
    uint64_t tick_ns;
    uint64_t floor;
    hf_table__hash hash;
    hf_table__tree tree;
    hf_table__alarms alarms;
    hf_table__pass pass;
    hf_list garbage; /* superseded versions, first superseded first */
    uint64_t garbage_count;
    hf_table__pin *pins; /* ascending */
    uint32_t pin_count;
    uint32_t pin_room;
    uint32_t value_most; /* the largest value so far */
    uint64_t held;       /* bytes in its blocks */
    hf_table_stats stats;
    hf_buf scratch;
    hf_table__entry *last; /* found last: what is read is often written next; or NULL */
    uint64_t freed;        /* entries, so far */
    uint64_t wanted[HF_TABLE_WANT_RING]; /* hashes whose entries are not fetched yet */
    uint32_t want_count;
};

/* All memory of the table, but for the scratch, is taken and given here, so that it is counted. */
static inline void *hf_table__try(hf_table *table, size_t size)
{
    size_t before = hf_heap_lent(table->heap);
    void *block = hf_heap_take(table->heap, size);
    table->held += hf_heap_lent(table->heap) - before;
    return block;
}
static inline void hf_table__give(hf_table *table, void *block)
{
    size_t before = hf_heap_lent(table->heap);
    hf_heap_give(table->heap, block);
    table->held -= before - hf_heap_lent(table->heap);
}
/* Memory that hf_table_admits() has promised. */
void *hf_table__take(hf_table *table, size_t size);

bool hf_table__hash_open(hf_table *table);
void hf_table__hash_close(hf_table *table);
hf_table__entry *hf_table__hash_find(const hf_table *table, hf_bytes key, uint64_t hash);
void hf_table__hash_add(hf_table *table, hf_table__entry *entry, uint64_t hash);
void hf_table__hash_remove(hf_table *table, hf_table__entry *entry, uint64_t hash);
void hf_table__hash_check(const hf_table *table);
/* Fetch what has been asked for by hf_table_want(): all of it. */
void hf_table__hash_fetch(hf_table *table);

bool hf_table__tree_open(hf_table *table);
void hf_table__tree_close(hf_table *table);
hf_table__entry *hf_table__tree_find(const hf_table *table, hf_bytes key);
void hf_table__tree_add(hf_table *table, hf_table__entry *entry);
void hf_table__tree_remove(hf_table *table, hf_table__entry *entry);
void hf_table__tree_check(const hf_table *table);

/* Puts the entry where its newest version's expiry belongs, or takes it out. */
void hf_table__alarm_set(hf_table *table, hf_table__entry *entry);
void hf_table__alarm_clear(hf_table *table, hf_table__entry *entry);
void hf_table__alarm_check(const hf_table *table);

bool hf_table__pins_open(hf_table *table);
/* Whether a version of [from, until) is the answer to a reader that is still allowed. */
bool hf_table__needed(const hf_table *table, uint64_t from, uint64_t until);
void hf_table__garbage_add(hf_table *table, hf_table__version *version);
/* Frees a version that is out of its chain. */
void hf_table__version_free(hf_table *table, hf_table__version *version);
/* Frees an entry with all its versions. */
void hf_table__entry_free(hf_table *table, hf_table__entry *entry);
hf_table__entry *hf_table__find(const hf_table *table, hf_bytes key, uint64_t hash);

void hf_table__pass_open(hf_table *table);
/* Around every change of an entry's newest version, for what is counted; `sign` is -1 or 1. */
void hf_table__weigh(hf_table *table, const hf_table__entry *entry, int sign);
/* The entry changed at `ts`: the next pass is to look at it. */
void hf_table__touch(hf_table *table, hf_table__entry *entry, uint64_t ts);
/* The same for an entry that is new. */
void hf_table__pass_enter(hf_table *table, hf_table__entry *entry, uint64_t ts);
void hf_table__pass_check(const hf_table *table);

#endif
