/* hf_mutation: one change of one key, encoded: the one form in which effects exist.
 *
 * Commands write mutations; the log carries them, a PREPARE holds them back, recovery replays them,
 * a range that moves is sent as them, and apply() is the only way into the table.
 *
 *   u8 op | u32 key size | key | by op:
 *   PUT_STRING  u64 expire_ms | u32 size | bytes          the whole value
 *   PUT_INT     u64 expire_ms | i64
 *   PUT_RECORD  u64 expire_ms | u32 size | block          the whole record
 *   DELETE
 *   FIELDS      u32 count | count x (u8 remove | u32 size, name | u32 size, value)   part of a
 * record, which is made if absent; a record left without fields is deleted. Keeps the expiry.
 *   EXPIRE      u64 expire_ms                             0: persist
 *   ADD         i64 delta | u32 size, field               escrow addition (fold); keeps the expiry
 */
#ifndef HF_TABLE_MUTATION_H
#define HF_TABLE_MUTATION_H
#include "storage/table/table.h"

typedef enum hf_mutation_op {
    HF_MUTATION_PUT_STRING = 1,
    HF_MUTATION_PUT_INT = 2,
    HF_MUTATION_PUT_RECORD = 3,
    HF_MUTATION_DELETE = 4,
    HF_MUTATION_FIELDS = 5,
    HF_MUTATION_EXPIRE = 6,
    HF_MUTATION_ADD = 7,
} hf_mutation_op;

typedef struct hf_mutation {
    hf_mutation_op op;
    hf_bytes key;
    uint64_t expire_ms;
    int64_t integer; /* PUT_INT: value; ADD: delta */
    hf_bytes bytes;  /* PUT_STRING, PUT_RECORD: contents; ADD: field; FIELDS: the encoded list */
    uint32_t field_count;
} hf_mutation;

void hf_mutation_put(hf_buf *out, hf_bytes key, const hf_value *value); /* kind NONE: DELETE */
void hf_mutation_delete(hf_buf *out, hf_bytes key);
void hf_mutation_fields(hf_buf *out, hf_bytes key, const hf_field *changes, uint32_t count);
void hf_mutation_expire(hf_buf *out, hf_bytes key, uint64_t expire_ms);
void hf_mutation_add(hf_buf *out, hf_bytes key, hf_bytes field, int64_t delta);

/* Whether the first of the mutations is of this key: without reading it. */
static inline bool hf_mutation_begins_with(hf_bytes mutations, hf_bytes key)
{
    uint32_t size;
    if (mutations.size < 1 + sizeof size + (uint64_t)key.size) {
        return false;
    }
    memcpy(&size, mutations.data + 1, sizeof size);
    return hf_bytes_equal(hf_bytes_of(mutations.data + 1 + sizeof size, size), key);
}

/* Decodes the next; false at the end. On damage false with reader->bad set. Everything is checked
 * here. */
bool hf_mutation_next(hf_reader *reader, hf_mutation *mutation);
/* The field changes of a FIELDS mutation, one by one. */
bool hf_mutation_field(hf_reader *list, hf_field *field);

/* What applying these takes beside their bytes. */
hf_table_need hf_mutations_cost(const hf_table *table, hf_bytes effects);

/* Applies one to the table. `scratch` is reused for record blocks. Must not fail: the caller asked
 * hf_table_admits() and the command checked types and bounds. */
void hf_mutation_apply(hf_table *table, const hf_mutation *mutation, uint64_t ts, uint64_t lsn,
                       hf_buf *scratch);
/* The same for a caller that has the key's hash already. */
void hf_mutation_apply_hashed(hf_table *table, const hf_mutation *mutation, uint64_t hash,
                              uint64_t ts, uint64_t lsn, hf_buf *scratch);
/* Applies to a decoded value instead of the table: `value` before -> after; blocks are built in
 * `scratch` (appended; value->bytes then points into it). For a transaction that sees its own
 * writes. */
hf_err hf_mutation_onto(const hf_mutation *mutation, hf_value *value, hf_buf *scratch);

#endif
