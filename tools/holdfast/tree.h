/* hf_tree: a reply as a tree, and its two faces: JSON, and lines for people.
 *
 * Ownership: the memory of tool.h.
 */
#ifndef HF_TOOL_TREE_H
#define HF_TOOL_TREE_H
#include "engine/base/bytes.h"
#include "tools/holdfast/tool.h"
#include <stdio.h>

typedef enum hf_tree_kind {
    HF_TREE_NULL,
    HF_TREE_BOOL,
    HF_TREE_INTEGER,
    HF_TREE_REAL,
    HF_TREE_TEXT,
    HF_TREE_ERROR, /* text */
    HF_TREE_LIST,
    HF_TREE_MAP, /* items: key, value, key, value, ... */
} hf_tree_kind;

typedef struct hf_tree {
    hf_tree_kind kind;
    bool boolean;
    int64_t integer;
    double real;
    hf_bytes text;
    struct hf_tree *items;
    size_t count; /* of items: twice the pairs of a map */
} hf_tree;

/* ---- Making ---- */
hf_tree hf_tree_text(const char *text);
hf_tree hf_tree_integer(int64_t value);
hf_tree hf_tree_boolean(bool value);
hf_tree *hf_tree_add(hf_tree *list, hf_tree item); /* the item's place, until the next add */
void hf_tree_put(hf_tree *map, const char *name, hf_tree value);

/* ---- Looking ---- */
const hf_tree *hf_tree_find(const hf_tree *map, const char *name); /* NULL: not there */
/* An integer, also one that is written as text; 0 when it is neither. */
int64_t hf_tree_number(const hf_tree *map, const char *name);

/* ---- Showing ---- */
/* One line of JSON, no end of line. Text that is not UTF-8 becomes {"hex": "..."}. */
void hf_tree_json(const hf_tree *tree, FILE *out);
/* A list of maps is a table; a map is a line for each entry; other lists a line for each item. */
void hf_tree_lines(const hf_tree *tree, bool colour, FILE *out);
/* Either, by tool->json, to stdout. */
void hf_tree_show(const hf_tool *tool, const hf_tree *tree);
/* Bytes so that they stay on one line and can be told apart: \n, \\, \x00; UTF-8 as it is. */
void hf_tree_escape(hf_bytes text, FILE *out);
/* The reverse, in place: what may be written on a command line. False: a bad escape. */
bool hf_tree_unescape(const char *text, hf_bytes *out);

#endif
