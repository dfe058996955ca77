/* Order: a B+tree over the entries.
 *
 * A node keeps, for each of its keys, the 8 bytes behind those that all its keys share, as a
 * number; a search compares these and looks at an entry only where they are equal. A separator is
 * the least entry of the child to its right, and is replaced when that entry goes: so it is never a
 * dead one.
 *
 * A node that has fewer than a quarter of its keys is merged with a neighbour if both fit well; it
 * is not refilled otherwise, and is freed when empty. Rising keys fill their leaves: the rightmost
 * leaf splits at its end.
 */
#include "storage/table/tree_impl.h"

#include <string.h>

static hf_table__node *node_open(hf_table *table, uint32_t level)
{
    hf_table__node *node = hf_table__try(table, sizeof *node);
    if (node != NULL) {
        memset(node, 0, sizeof *node);
        node->level = (uint16_t)level;
        if (level == 0) {
            table->tree.leaves++;
        } else {
            table->tree.inners++;
        }
    }
    return node;
}

static void node_close(hf_table *table, hf_table__node *node)
{
    if (node->level == 0) {
        table->tree.leaves--;
    } else {
        table->tree.inners--;
    }
    hf_table__give(table, node);
}

bool hf_table__tree_open(hf_table *table)
{
    table->tree.height = 1;
    table->tree.root = node_open(table, 0);
    return table->tree.root != NULL;
}

void hf_table__tree_close(hf_table *table)
{
    HF_PRE(table->tree.height == 1);
    node_close(table, table->tree.root);
}

/* ---- One node ---- */

static uint32_t capacity(const hf_table__node *node)
{
    return node->level == 0 ? HF_TREE_LEAF : HF_TREE_INNER;
}

/* The bytes from `skip` on, as a number that orders like them (as far as it goes). */
static uint64_t prefix_of(hf_bytes key, uint32_t skip)
{
    uint8_t bytes[8] = { 0 };
    if (key.size > skip) {
        uint32_t left = key.size - skip;
        memcpy(bytes, key.data + skip, left < sizeof bytes ? left : sizeof bytes);
    }
    uint64_t number;
    memcpy(&number, bytes, sizeof number);
    return __builtin_bswap64(number);
}

static uint32_t common_size(hf_bytes a, hf_bytes b, uint32_t most)
{
    uint32_t least = a.size < b.size ? a.size : b.size;
    least = least < most ? least : most;
    uint32_t same = 0;
    while (same < least && a.data[same] == b.data[same]) {
        same++;
    }
    return same;
}

static void set_prefixes(hf_table__node *node, uint32_t skip)
{
    uint64_t *prefix = hf_tree__prefixes(node);
    hf_table__entry **entry = hf_tree__entries(node);
    node->skip = (uint16_t)skip;
    for (uint32_t i = hf_tree__first(node); i < node->count; i++) {
        __builtin_prefetch(hf_table__key_at(entry[i]) + skip);
    }
    for (uint32_t i = hf_tree__first(node); i < node->count; i++) {
        prefix[i] = prefix_of(hf_table__key(entry[i]), skip);
    }
}

/* Skips as much as the keys allow. */
static void rebuild(hf_table__node *node)
{
    uint32_t first = hf_tree__first(node);
    if (node->count <= first) {
        node->skip = 0;
        return;
    }
    hf_table__entry **entry = hf_tree__entries(node);
    hf_bytes least = hf_table__key(entry[first]);
    set_prefixes(node, common_size(least, hf_table__key(entry[node->count - 1]), least.size));
}

/* After a split the keys may share more, but to read them all is only worth it for some bytes. */
static void rebuild_if_worth(hf_table__node *node)
{
    uint32_t first = hf_tree__first(node);
    if (node->count <= first + 1) {
        rebuild(node);
        return;
    }
    const uint64_t *prefix = hf_tree__prefixes(node);
    if ((prefix[first] ^ prefix[node->count - 1]) >> 32 == 0) {
        rebuild(node);
    }
}

/* A key has come to stand at `at`. */
static void came(hf_table__node *node, uint32_t at)
{
    uint32_t first = hf_tree__first(node);
    if (at < first) {
        return;
    }
    if (node->count == first + 1) {
        rebuild(node);
        return;
    }
    hf_table__entry **entry = hf_tree__entries(node);
    hf_bytes key = hf_table__key(entry[at]);
    if (node->skip != 0) {
        hf_bytes other = hf_table__key(entry[at == first ? first + 1 : first]);
        uint32_t same = common_size(key, other, node->skip);
        if (same < node->skip) {
            set_prefixes(node, same);
            return;
        }
    }
    hf_tree__prefixes(node)[at] = prefix_of(key, node->skip);
}

static void insert_at(hf_table__node *node, uint32_t at, hf_table__entry *entry,
                      hf_table__node *child)
{
    HF_PRE(node->count < capacity(node) && at <= node->count);
    uint64_t *prefix = hf_tree__prefixes(node);
    hf_table__entry **entries = hf_tree__entries(node);
    size_t after = node->count - at;
    memmove(prefix + at + 1, prefix + at, after * sizeof *prefix);
    memmove(entries + at + 1, entries + at, after * sizeof(void *));
    entries[at] = entry;
    if (node->level != 0) {
        HF_ASSERT(at != 0);
        memmove(node->inner.child + at + 1, node->inner.child + at, after * sizeof(void *));
        node->inner.child[at] = child;
    }
    node->count++;
    came(node, at);
}

/* In an inner node that loses its first child, the next separator is no longer kept. */
static void remove_at(hf_table__node *node, uint32_t at)
{
    HF_PRE(at < node->count);
    uint64_t *prefix = hf_tree__prefixes(node);
    hf_table__entry **entries = hf_tree__entries(node);
    size_t after = (size_t)(node->count - at) - 1;
    memmove(prefix + at, prefix + at + 1, after * sizeof *prefix);
    memmove(entries + at, entries + at + 1, after * sizeof(void *));
    if (node->level != 0) {
        memmove(node->inner.child + at, node->inner.child + at + 1, after * sizeof(void *));
        entries[0] = NULL;
    }
    node->count--;
}

/* A search reads the head and some of the prefixes, an insertion most of the node: to fetch them
 * one by one would wait for each. */
static hf_table__node *fetched(hf_table__node *node)
{
    for (size_t at = 0; at < sizeof *node / 2; at += 64) {
        __builtin_prefetch((const char *)node + at);
    }
    return node;
}

/* The first place whose key is >= `key`. */
static uint32_t search(const hf_table__node *node, hf_bytes key, bool *found)
{
    uint32_t low = hf_tree__first(node);
    uint32_t high = node->count;
    const uint64_t *prefix = hf_tree__prefixes(node);
    hf_table__entry *const *entry = hf_tree__entries(node);
    *found = false;
    if (low >= high) {
        return low;
    }
    if (node->skip != 0) {
        uint32_t size = key.size < node->skip ? key.size : node->skip;
        int order = size == 0 ? 0 : memcmp(key.data, hf_table__key_at(entry[low]), size);
        if (order != 0 || size < node->skip) {
            return order <= 0 ? low : high;
        }
    }
    uint64_t wanted = prefix_of(key, node->skip);
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (prefix[middle] < wanted) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    /* Among equal prefixes the keys themselves decide. */
    high = node->count;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        int order =
            prefix[middle] > wanted ? 1 : hf_bytes_compare(hf_table__key(entry[middle]), key);
        if (order == 0) {
            *found = true;
            return middle;
        }
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/* The child whose keys may include `key`. */
static uint32_t child_of(const hf_table__node *node, hf_bytes key)
{
    bool found;
    uint32_t at = search(node, key, &found);
    return found ? at : at - 1;
}

hf_table__node *hf_tree__leaf(const hf_table *table, hf_bytes key, uint32_t *at, bool *found)
{
    hf_table__node *node = table->tree.root;
    while (node->level != 0) {
        node = fetched(node->inner.child[child_of(node, key)]);
    }
    *at = search(node, key, found);
    return node;
}

hf_table__entry *hf_table__tree_find(const hf_table *table, hf_bytes key)
{
    uint32_t at;
    bool found;
    const hf_table__node *leaf = hf_tree__leaf(table, key, &at, &found);
    return found ? leaf->leaf.entry[at] : NULL;
}

/* ---- Paths ---- */

typedef struct path {
    hf_table__node *node[HF_TREE_HEIGHT_MAX]; /* by level: [0] is the leaf */
    uint32_t at[HF_TREE_HEIGHT_MAX];          /* the child taken; in the leaf the place */
} path;

static void descend(const hf_table *table, hf_bytes key, path *p, bool *found)
{
    hf_table__node *node = table->tree.root;
    HF_ASSERT(table->tree.height <= HF_TREE_HEIGHT_MAX && node->level + 1U == table->tree.height);
    while (node->level != 0) {
        p->node[node->level] = node;
        p->at[node->level] = child_of(node, key);
        node = fetched(node->inner.child[p->at[node->level]]);
    }
    p->node[0] = node;
    p->at[0] = search(node, key, found);
}

/* ---- Adding ---- */

static hf_table__node *must_open(hf_table *table, uint32_t level)
{
    hf_table__node *node = node_open(table, level);
    HF_ASSERT(node != NULL); /* hf_table_admits() has counted it */
    return node;
}

/* Moves what stands at `from` and behind it into a new node on the right. */
static hf_table__node *cut(hf_table *table, hf_table__node *node, uint32_t from)
{
    hf_table__node *right = must_open(table, node->level);
    uint32_t moved = node->count - from;
    memcpy(hf_tree__prefixes(right), hf_tree__prefixes(node) + from, moved * sizeof(uint64_t));
    memcpy(hf_tree__entries(right), hf_tree__entries(node) + from, moved * sizeof(void *));
    if (node->level != 0) {
        memcpy(right->inner.child, node->inner.child + from, moved * sizeof(void *));
    } else {
        right->next = node->next;
        right->prev = node;
        if (right->next != NULL) {
            right->next->prev = right;
        }
        node->next = right;
    }
    right->skip = node->skip;
    right->count = (uint16_t)moved;
    node->count = (uint16_t)from;
    return right;
}

/* Splits a full node, so that something can be put in at `at`. The separator goes to `*up`. */
static hf_table__node *split_node(hf_table *table, hf_table__node *node, bool rising,
                                  hf_table__entry **up)
{
    uint32_t from = node->count / 2U;
    if (rising) {
        from = node->level == 0
                   ? node->count
                   : node->count - 1U; /* an inner node is never left without a child */
    }
    hf_table__node *right = cut(table, node, from);
    if (node->level != 0) {
        *up = right->inner.entry[0];
        right->inner.entry[0] = NULL;
    }
    if (right->count != 0) {
        rebuild_if_worth(node);
        rebuild_if_worth(right);
    }
    return right;
}

static void grow_root(hf_table *table, hf_table__entry *separator, hf_table__node *right)
{
    hf_table__tree *tree = &table->tree;
    HF_ASSERT(tree->height < HF_TREE_HEIGHT_MAX);
    hf_table__node *root = must_open(table, tree->height);
    root->inner.child[0] = tree->root;
    root->count = 1;
    insert_at(root, 1, separator, right);
    tree->root = root;
    tree->height++;
}

void hf_table__tree_add(hf_table *table, hf_table__entry *entry)
{
    path p;
    bool found;
    descend(table, hf_table__key(entry), &p, &found);
    HF_ASSERT(!found);
    hf_table__node *child = NULL;
    bool rising = p.node[0]->next == NULL && p.at[0] == p.node[0]->count;
    for (uint32_t level = 0; level < table->tree.height; level++) {
        hf_table__node *node = p.node[level];
        uint32_t at = level == 0 ? p.at[0] : p.at[level] + 1;
        if (node->count < capacity(node)) {
            insert_at(node, at, entry, child);
            return;
        }
        hf_table__entry *up = NULL;
        hf_table__node *right = split_node(table, node, rising, &up);
        if (at > node->count || (level == 0 && rising)) {
            insert_at(right, at - node->count, entry, child);
        } else {
            insert_at(node, at, entry, child);
        }
        entry = level == 0 ? right->leaf.entry[0] : up;
        child = right;
    }
    grow_root(table, entry, child);
}

/* ---- Removing ---- */

static void unlink_leaf(hf_table__node *leaf)
{
    if (leaf->prev != NULL) {
        leaf->prev->next = leaf->next;
    }
    if (leaf->next != NULL) {
        leaf->next->prev = leaf->prev;
    }
}

static bool fit_well(const hf_table__node *a, const hf_table__node *b)
{
    return (uint32_t)a->count + b->count <= capacity(a) * 3 / 4;
}

/* Empties the child at `at` into its left neighbour. */
static void merge_left(hf_table *table, hf_table__node *parent, uint32_t at)
{
    hf_table__node *left = parent->inner.child[at - 1];
    hf_table__node *right = parent->inner.child[at];
    memcpy(hf_tree__entries(left) + left->count, hf_tree__entries(right),
           right->count * sizeof(void *));
    if (left->level != 0) {
        left->inner.entry[left->count] = parent->inner.entry[at];
        memcpy(left->inner.child + left->count, right->inner.child, right->count * sizeof(void *));
    } else {
        unlink_leaf(right);
    }
    left->count = (uint16_t)(left->count + right->count);
    rebuild(left);
    remove_at(parent, at);
    node_close(table, right);
}

static void merge_if_small(hf_table *table, hf_table__node *parent, uint32_t at)
{
    const hf_table__node *node = parent->inner.child[at];
    if (node->count >= capacity(node) / 4) {
        return;
    }
    if (at + 1 < parent->count && fit_well(node, parent->inner.child[at + 1])) {
        merge_left(table, parent, at + 1);
    } else if (at != 0 && fit_well(node, parent->inner.child[at - 1])) {
        merge_left(table, parent, at);
    }
}

static void shrink_root(hf_table *table)
{
    hf_table__tree *tree = &table->tree;
    while (tree->root->level != 0 && tree->root->count == 1) {
        hf_table__node *root = tree->root;
        tree->root = root->inner.child[0];
        tree->height--;
        node_close(table, root);
    }
}

void hf_table__tree_remove(hf_table *table, hf_table__entry *entry)
{
    path p;
    bool found;
    descend(table, hf_table__key(entry), &p, &found);
    hf_table__node *leaf = p.node[0];
    HF_ASSERT(found && leaf->leaf.entry[p.at[0]] == entry);
    remove_at(leaf, p.at[0]);
    bool least_gone = p.at[0] == 0; /* the least of the subtree has changed, to `least` */
    hf_table__entry *least = leaf->count == 0 ? NULL : leaf->leaf.entry[0];
    for (uint32_t level = 1; level < table->tree.height; level++) {
        hf_table__node *node = p.node[level];
        hf_table__node *child = p.node[level - 1];
        uint32_t at = p.at[level];
        if (child->count == 0) {
            if (child->level == 0) {
                unlink_leaf(child);
            }
            if (at == 0) {
                least = node->count == 1 ? NULL : node->inner.entry[1];
            } else {
                least_gone = false;
            }
            remove_at(node, at);
            node_close(table, child);
            continue;
        }
        if (least_gone && at != 0) {
            node->inner.entry[at] = least;
            came(node, at);
            least_gone = false;
        }
        merge_if_small(table, node, at);
    }
    shrink_root(table);
}
