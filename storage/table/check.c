/* The invariants, walked through from end to end. */
#include "storage/table/tree_impl.h"

#include <string.h>

hf_table_stats hf_table_stats_get(const hf_table *table)
{
    return table->stats;
}

/* ---- The tree ---- */

typedef struct walk {
    const hf_table *table;
    const hf_table__node *leaf; /* the last one seen */
    hf_bytes key;               /* the last one seen */
    uint64_t entries;
    uint64_t versions;
    uint64_t bytes;
    uint64_t keys;
    uint64_t leaves;
    uint64_t inners;
    uint64_t alarms;
} walk;

static void check_state(const hf_table__state *s)
{
    bool external = (s->flags & HF_STATE_EXTERNAL) != 0;
    HF_ASSERT(s->kind <= HF_KIND_RECORD && s->ts != 0);
    HF_ASSERT(!external || hf_table__has_bytes(s->kind));
    HF_ASSERT(external || s->size <= s->room);
    HF_ASSERT(hf_table__has_bytes(s->kind) || s->size == 0);
    HF_ASSERT(s->kind != HF_KIND_NONE || s->expire_ms == 0);
    HF_ASSERT(s->kind != HF_KIND_RECORD || hf_record_valid(hf_table__value(s).bytes));
}

static void check_entry(walk *w, hf_table__entry *e)
{
    hf_bytes key = hf_table__key(e);
    HF_ASSERT(w->entries == 0 || hf_bytes_compare(w->key, key) < 0);
    HF_ASSERT(hf_table__find(w->table, key, hf_table_hash(w->table, key)) == e);
    w->key = key;
    w->entries++;
    w->keys += e->state.kind != HF_KIND_NONE;
    w->alarms += e->alarm != 0;
    HF_ASSERT((e->alarm != 0) == (e->state.expire_ms != 0));
    w->bytes += key.size + (e->state.kind == HF_KIND_INT ? 8 : e->state.size);
    hf_table__state *s = &e->state;
    HF_ASSERT((s->flags & HF_STATE_ENTRY) != 0);
    while (s != NULL) {
        check_state(s);
        w->versions++;
        hf_table__version *older = s->older;
        HF_ASSERT(older == NULL || (older->newer == s && older->state.ts < s->ts));
        HF_ASSERT(older == NULL || (older->state.flags & HF_STATE_ENTRY) == 0);
        s = older == NULL ? NULL : &older->state;
    }
}

static void check_keys_of(const hf_table__node *node)
{
    const uint64_t *prefix = hf_tree__prefixes(node);
    hf_table__entry *const *entry = hf_tree__entries(node);
    for (uint32_t i = hf_tree__first(node); i < node->count; i++) {
        hf_bytes key = hf_table__key(entry[i]);
        hf_bytes other = hf_table__key(entry[hf_tree__first(node)]);
        HF_ASSERT(key.size >= node->skip);
        HF_ASSERT(node->skip == 0 || memcmp(key.data, other.data, node->skip) == 0);
        uint64_t number = 0;
        for (uint32_t b = node->skip; b < node->skip + 8U; b++) {
            number = number << 8 | (b < key.size ? key.data[b] : 0);
        }
        HF_ASSERT(prefix[i] == number);
    }
}

/* Answers the least entry below the node. */
static const hf_table__entry *check_node(walk *w, const hf_table__node *node, uint32_t level)
{
    HF_ASSERT(node->level == level);
    check_keys_of(node);
    if (level == 0) {
        HF_ASSERT(node->count <= HF_TREE_LEAF && node->prev == w->leaf);
        HF_ASSERT(w->leaf == NULL || w->leaf->next == node);
        HF_ASSERT(node->count != 0 || w->table->tree.root == node);
        w->leaf = node;
        w->leaves++;
        for (uint32_t i = 0; i < node->count; i++) {
            check_entry(w, node->leaf.entry[i]);
        }
        return node->count == 0 ? NULL : node->leaf.entry[0];
    }
    HF_ASSERT(node->count != 0 && node->count <= HF_TREE_INNER);
    HF_ASSERT(node->count != 1 || w->table->tree.root != node);
    HF_ASSERT(node->inner.entry[0] == NULL);
    w->inners++;
    const hf_table__entry *least = NULL;
    for (uint32_t i = 0; i < node->count; i++) {
        const hf_table__entry *of_child = check_node(w, node->inner.child[i], level - 1);
        HF_ASSERT(i == 0 || node->inner.entry[i] == of_child);
        least = i == 0 ? of_child : least;
    }
    return least;
}

/* ---- The whole ---- */

static void check_garbage(const hf_table *table)
{
    uint64_t count = 0;
    for (const hf_list *link = table->garbage.next; link != &table->garbage; link = link->next) {
        const hf_table__version *v = HF_CONTAINER_OF((uintptr_t)link, hf_table__version, garbage);
        HF_ASSERT(link->next->prev == link && v->newer->older == v);
        count++;
    }
    HF_ASSERT(count == table->garbage_count);
    HF_ASSERT(count + table->stats.keys + table->stats.tombstones == table->stats.versions);
}

void hf_table_check(const hf_table *table)
{
    walk w = { .table = table };
    check_node(&w, table->tree.root, table->tree.height - 1);
    HF_ASSERT(w.leaf->next == NULL);
    HF_ASSERT(w.leaves == table->tree.leaves && w.inners == table->tree.inners);
    HF_ASSERT(w.entries == table->stats.keys + table->stats.tombstones);
    HF_ASSERT(w.keys == table->stats.keys && w.versions == table->stats.versions);
    HF_ASSERT(w.bytes == table->stats.bytes && w.alarms == table->alarms.count);
    for (uint32_t i = 0; i < table->pin_count; i++) {
        HF_ASSERT(table->pins[i].count != 0 && table->pins[i].ts >= table->floor);
        HF_ASSERT(i == 0 || table->pins[i - 1].ts < table->pins[i].ts);
    }
    check_garbage(table);
    hf_table__hash_check(table);
    hf_table__alarm_check(table);
    hf_table__pass_check(table);
}
