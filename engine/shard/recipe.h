/* hf_recipe: how one reply is put together from the pieces that several shards wrote.
 *
 * Every command of a request has a recipe: which pieces are its own, and how they are merged. The
 * home of a client's id keeps the recipes with its PREPARE, so that a commit found by recovery
 * still has its reply.
 *
 * Encoded: u8 1 | the reply as it is                          (it was known before the PREPARE)
 *      or: u8 0 | u8 form | u32 pieces | recipes to the end   (plain structs of this build's
 * layout)
 */
#ifndef HF_SHARD_RECIPE_H
#define HF_SHARD_RECIPE_H
#include "engine/base/buf.h"

typedef enum hf_merge {
    HF_MERGE_ONE,
    HF_MERGE_ARRAY, /* pieces become elements */
    HF_MERGE_SUM,
    HF_MERGE_OK,
    HF_MERGE_CONCAT, /* arrays become one */
    HF_MERGE_ANY,    /* the first that is not nil */
} hf_merge;

/* How the reply of one command is put together. */
typedef struct hf_recipe {
    uint32_t first, count; /* pieces */
    uint64_t limit;        /* CONCAT: elements at most */
    uint8_t merge;
    uint16_t command; /* as it was asked: to be cut anew */
} hf_recipe;

typedef struct hf_piece {
    uint32_t offset, size; /* in op->replies */
    bool there;
} hf_piece;

_Static_assert(sizeof(hf_recipe) == 24, "recipes are logged");

typedef struct hf_recipe_pieces {
    const hf_piece *at;
    uint32_t count;
    hf_bytes bytes; /* what the offsets point into */
} hf_recipe_pieces;

/* Appends the reply of all commands; `array`: as elements of one array. */
void hf_recipe_assemble(const hf_recipe *recipes, uint32_t count, bool array,
                        const hf_recipe_pieces *pieces, hf_buf *out);
void hf_recipe_encode(hf_bytes recipes, bool array, uint32_t piece_count, hf_buf *out);
void hf_recipe_encode_reply(hf_bytes reply, hf_buf *out);
/* The reply from encoded recipes and the bodies of the answers (u32 piece | u32 size | bytes).
 * Where a piece is missing the reply is +OK: committed, but what was said is lost. */
void hf_recipe_recover(hf_bytes encoded, hf_bytes bodies, hf_buf *scratch, hf_buf *out);

#endif
