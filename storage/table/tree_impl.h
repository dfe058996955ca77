/* Inside the tree: what the nodes' users (tree.c, cursor.c, check.c) share. */
#ifndef HF_TABLE_TREE_IMPL_H
#define HF_TABLE_TREE_IMPL_H
#include "storage/table/table_impl.h"

static inline uint64_t *hf_tree__prefixes(const hf_table__node *node)
{
    hf_table__node *n = (hf_table__node *)(uintptr_t)node;
    return n->level == 0 ? n->leaf.prefix : n->inner.prefix;
}
static inline hf_table__entry **hf_tree__entries(const hf_table__node *node)
{
    hf_table__node *n = (hf_table__node *)(uintptr_t)node;
    return n->level == 0 ? n->leaf.entry : n->inner.entry;
}
/* The first place that has a key. */
static inline uint32_t hf_tree__first(const hf_table__node *node)
{
    return node->level == 0 ? 0 : 1;
}
/* The leaf where `key` is or would be, and the first place in it that is >= `key`: maybe its count.
 */
hf_table__node *hf_tree__leaf(const hf_table *table, hf_bytes key, uint32_t *at, bool *found);

#endif
