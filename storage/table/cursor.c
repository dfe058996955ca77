/* Walking the tree. A cursor is a leaf and a place in it; no leaf but a lone root is ever empty. */
#include "storage/table/tree_impl.h"

static bool show(hf_cursor *cursor, hf_table__node *leaf, uint32_t slot)
{
    cursor->at = leaf;
    cursor->slot = slot;
    cursor->key = hf_table__key(leaf->leaf.entry[slot]);
    if (slot + 2 < leaf->count) {
        __builtin_prefetch(leaf->leaf.entry[slot + 2]);
    }
    return true;
}

static bool show_after(hf_cursor *cursor, hf_table__node *leaf, uint32_t slot)
{
    if (slot < leaf->count) {
        return show(cursor, leaf, slot);
    }
    return leaf->next != NULL && show(cursor, leaf->next, 0);
}

static bool show_before(hf_cursor *cursor, hf_table__node *leaf, uint32_t slot)
{
    if (slot != 0) {
        return show(cursor, leaf, slot - 1);
    }
    return leaf->prev != NULL && show(cursor, leaf->prev, leaf->prev->count - 1U);
}

bool hf_table_seek(const hf_table *table, hf_bytes key, hf_cursor *cursor)
{
    uint32_t at;
    bool found;
    hf_table__node *leaf = hf_tree__leaf(table, key, &at, &found);
    return show_after(cursor, leaf, at);
}

bool hf_table_seek_before(const hf_table *table, hf_bytes key, hf_cursor *cursor)
{
    uint32_t at;
    bool found;
    hf_table__node *leaf = table->tree.root;
    if (key.size == 0) {
        while (leaf->level != 0) {
            leaf = leaf->inner.child[leaf->count - 1];
        }
        at = leaf->count;
    } else {
        leaf = hf_tree__leaf(table, key, &at, &found);
    }
    return show_before(cursor, leaf, at);
}

bool hf_table_next(const hf_table *table, hf_cursor *cursor)
{
    (void)table;
    return show_after(cursor, cursor->at, cursor->slot + 1);
}

bool hf_table_prev(const hf_table *table, hf_cursor *cursor)
{
    (void)table;
    return show_before(cursor, cursor->at, cursor->slot);
}

hf_got hf_table_at(const hf_table *table, const hf_cursor *cursor, uint64_t ts)
{
    (void)table;
    const hf_table__node *leaf = cursor->at;
    HF_PRE(cursor->slot < leaf->count);
    return hf_table__got(hf_table__seen(leaf->leaf.entry[cursor->slot], ts));
}

bool hf_table_pick(const hf_table *table, uint64_t draw, hf_cursor *cursor)
{
    hf_table__node *node = table->tree.root;
    while (node->count != 0) {
        uint32_t at = (uint32_t)(draw % node->count);
        draw /= node->count;
        if (node->level == 0) {
            return show(cursor, node, at);
        }
        node = node->inner.child[at];
    }
    return false;
}

uint64_t hf_table_count(const hf_table *table, hf_bytes start, hf_bytes end)
{
    if (start.size == 0 && end.size == 0) {
        return table->stats.keys;
    }
    uint64_t count = 0;
    hf_cursor cursor;
    for (bool more = hf_table_seek(table, start, &cursor); more;
         more = hf_table_next(table, &cursor)) {
        if (end.size != 0 && hf_bytes_compare(cursor.key, end) >= 0) {
            break;
        }
        const hf_table__node *leaf = cursor.at;
        count += leaf->leaf.entry[cursor.slot]->state.kind != HF_KIND_NONE;
    }
    return count;
}
