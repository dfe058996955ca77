#include "engine/shard/recipe.h"
#include "engine/base/assert.h"
#include "net/wire/resp.h"
#include "storage/table/value.h"

static uint32_t count_array(hf_bytes reply, uint32_t *head)
{
    uint32_t count = 0;
    uint32_t i = 1;
    while (i < reply.size && reply.data[i] != '\r') {
        count = count * 10 + (uint32_t)(reply.data[i] - '0');
        i++;
    }
    *head = i + 2;
    return count;
}

static int64_t read_integer(hf_bytes reply)
{
    int64_t value = 0;
    hf_bytes digits = hf_bytes_of(reply.data + 1, reply.size - 3);
    HF_ASSERT(hf_int_from_text(digits, &value));
    return value;
}

static hf_bytes piece_bytes(const hf_recipe_pieces *pieces, uint32_t index)
{
    HF_ASSERT(index < pieces->count && pieces->at[index].there);
    return hf_bytes_of(pieces->bytes.data + pieces->at[index].offset, pieces->at[index].size);
}

static void concat(const hf_recipe_pieces *pieces, const hf_recipe *r, hf_buf *out)
{
    uint64_t total = 0;
    uint32_t head;
    for (uint32_t i = 0; i < r->count; i++) {
        total += count_array(piece_bytes(pieces, r->first + i), &head);
    }
    total = total < r->limit ? total : r->limit;
    hf_resp_array(out, (uint32_t)total);
    for (uint32_t i = 0; i < r->count && total > 0; i++) {
        hf_bytes piece = piece_bytes(pieces, r->first + i);
        uint32_t count = count_array(piece, &head);
        hf_bytes rest = hf_bytes_of(piece.data + head, piece.size - head);
        if (count <= total) {
            hf_buf_raw(out, rest.data, rest.size);
            total -= count;
            continue;
        }
        for (; total > 0; total--) {
            uint32_t size = hf_resp_reply_size(rest);
            hf_buf_raw(out, rest.data, size);
            rest = hf_bytes_of(rest.data + size, rest.size - size);
        }
    }
}

static bool is_nil(hf_bytes reply)
{
    return reply.size >= 1 &&
           (reply.data[0] == '_' || (reply.data[0] == '$' && reply.data[1] == '-'));
}

static void put_recipe(const hf_recipe_pieces *pieces, const hf_recipe *r, hf_buf *out)
{
    int64_t sum = 0;
    if (r->merge == HF_MERGE_ONE) { /* nearly all */
        hf_bytes only = piece_bytes(pieces, r->first);
        hf_buf_raw(out, only.data, only.size);
        return;
    }
    for (uint32_t i = 0; i < r->count; i++) {
        hf_bytes piece = piece_bytes(pieces, r->first + i);
        if (piece.data[0] == '-') { /* the first error speaks for all */
            hf_buf_raw(out, piece.data, piece.size);
            return;
        }
        sum += r->merge == HF_MERGE_SUM ? read_integer(piece) : 0;
    }
    hf_bytes first = piece_bytes(pieces, r->first);
    switch ((hf_merge)r->merge) {
    case HF_MERGE_ONE:
    case HF_MERGE_OK:
        hf_buf_raw(out, first.data, first.size);
        break;
    case HF_MERGE_SUM:
        hf_resp_integer(out, sum);
        break;
    case HF_MERGE_ARRAY:
        hf_resp_array(out, r->count);
        for (uint32_t i = 0; i < r->count; i++) {
            hf_bytes piece = piece_bytes(pieces, r->first + i);
            hf_buf_raw(out, piece.data, piece.size);
        }
        break;
    case HF_MERGE_CONCAT:
        concat(pieces, r, out);
        break;
    case HF_MERGE_ANY:
        for (uint32_t i = 1; i < r->count && is_nil(first); i++) {
            first = piece_bytes(pieces, r->first + i);
        }
        hf_buf_raw(out, first.data, first.size);
        break;
    }
}

void hf_recipe_assemble(const hf_recipe *recipes, uint32_t count, bool array,
                        const hf_recipe_pieces *pieces, hf_buf *out)
{
    if (array) {
        hf_resp_array(out, count);
    }
    for (uint32_t i = 0; i < count; i++) {
        put_recipe(pieces, &recipes[i], out);
    }
}

void hf_recipe_encode(hf_bytes recipes, bool array, uint32_t piece_count, hf_buf *out)
{
    hf_buf_u8(out, 0);
    hf_buf_u8(out, array);
    hf_buf_u32(out, piece_count);
    hf_buf_raw(out, recipes.data, recipes.size);
}

void hf_recipe_encode_reply(hf_bytes reply, hf_buf *out)
{
    hf_buf_u8(out, 1);
    hf_buf_raw(out, reply.data, reply.size);
}

/* Notes where each piece lies in the bodies. False: one is missing. */
static bool find_pieces(hf_bytes bodies, hf_piece *pieces, uint32_t count)
{
    uint32_t found = 0;
    hf_reader r = hf_reader_of(bodies);
    while (hf_reader_left(&r) > 0) {
        uint32_t index = hf_read_u32(&r);
        hf_bytes bytes = hf_read_bytes(&r);
        if (r.bad) {
            return false;
        }
        if (index < count && !pieces[index].there) {
            pieces[index] = (hf_piece){ .offset = (uint32_t)(bytes.data - bodies.data),
                                        .size = bytes.size,
                                        .there = true };
            found++;
        }
    }
    return found == count;
}

void hf_recipe_recover(hf_bytes encoded, hf_bytes bodies, hf_buf *scratch, hf_buf *out)
{
    hf_reader r = hf_reader_of(encoded);
    bool given = hf_read_u8(&r) != 0;
    hf_buf_reset(out);
    if (given && !r.bad) {
        hf_buf_raw(out, r.at, hf_reader_left(&r));
        return;
    }
    bool array = hf_read_u8(&r) != 0;
    uint32_t count = hf_read_u32(&r);
    hf_buf_reset(scratch);
    /* Pieces first, then the recipes behind them: both are wanted aligned. */
    uint32_t recipes_size = r.bad ? 0 : hf_reader_left(&r);
    bool fits = (uint64_t)count * sizeof(hf_piece) + recipes_size < UINT32_MAX / 2;
    uint32_t pieces_size = fits ? (count * (uint32_t)sizeof(hf_piece) + 7) / 8 * 8 : 0;
    uint8_t *at = fits ? hf_buf_extend(scratch, pieces_size + recipes_size) : NULL;
    if (r.bad || at == NULL) {
        hf_resp_simple(out, "OK");
        return;
    }
    memset(at, 0, pieces_size);
    memcpy(at + pieces_size, r.at, recipes_size);
    hf_piece *pieces = (hf_piece *)(void *)at;
    if (!find_pieces(bodies, pieces, count)) {
        hf_resp_simple(out, "OK");
        return;
    }
    hf_recipe_pieces p = { pieces, count, bodies };
    hf_recipe_assemble((const hf_recipe *)(const void *)(at + pieces_size),
                       recipes_size / (uint32_t)sizeof(hf_recipe), array, &p, out);
}
