/* hf_value: what a key holds, decoded; and the record codec (named fields in one flat block).
 *
 * A value is a string, a 64-bit integer (a string to every reader: shown in decimal; kept as
 * integer so that additions fold into it), or a record: fields in ascending byte order, each with a
 * string value. expire_ms is an absolute wall time in ms (0: never). A value is gone for every
 * timestamp whose physical part (hf_hlc is nanoseconds) is at or past it: expiry is a function of
 * the commit timestamp, so every replica and every replay decides alike.
 *
 * Record block: u32 count | count x u32 offset of the field's entry, from the block's start |
 *               entries: u32 name size, u32 value size, name, value.
 */
#ifndef HF_TABLE_VALUE_H
#define HF_TABLE_VALUE_H
#include "engine/base/buf.h"
#include "engine/base/bytes.h"
#include "engine/base/error.h"
#include <stdbool.h>
#include <stdint.h>

enum {
    HF_KEY_SIZE_MAX = 4096,             /* as users write it; inside, one space byte comes first */
    HF_VALUE_SIZE_MAX = 8 * 1024 * 1024 /* a string, or a whole record block */
};

typedef enum hf_kind {
    HF_KIND_NONE = 0, /* absent; as a version: a tombstone */
    HF_KIND_STRING = 1,
    HF_KIND_INT = 2,
    HF_KIND_RECORD = 3,
} hf_kind;

typedef struct hf_value {
    hf_kind kind;
    uint64_t expire_ms; /* 0: never */
    int64_t integer;    /* HF_KIND_INT */
    hf_bytes bytes;     /* HF_KIND_STRING, HF_KIND_RECORD: borrowed */
} hf_value;

/* Whether a value with this expiry is gone at timestamp `ts`. */
static inline bool hf_value_expired(uint64_t expire_ms, uint64_t ts)
{
    return expire_ms != 0 && ts / 1000000u >= expire_ms;
}

enum { HF_INT_TEXT_MAX = 20 };
/* Writes the decimal text, answers its length; `text` holds HF_INT_TEXT_MAX + 1 bytes. No end is
 * set. */
uint32_t hf_int_to_text(int64_t value, char text[HF_INT_TEXT_MAX + 1]);
/* Strict as Redis' string2ll: optional minus, no leading zeros, plus or blanks, no overflow. */
bool hf_int_from_text(hf_bytes text, int64_t *value);

/* ---- Records ---- */
/* True when every offset and size of the block lies inside it and the fields ascend. */
bool hf_record_valid(hf_bytes block);
uint32_t hf_record_count(hf_bytes block); /* an empty `block` has no fields */
/* The field at `index`, in order. */
void hf_record_at(hf_bytes block, uint32_t index, hf_bytes *name, hf_bytes *value);
bool hf_record_find(hf_bytes block, hf_bytes name, hf_bytes *value, uint32_t *index);

typedef struct hf_field {
    hf_bytes name;
    hf_bytes value;
    bool remove; /* the name is taken out instead */
} hf_field;
/* Appends to `out` the block that results from `block` with the `changes` done in order (a later
 * change of a name wins). Answers the count of fields it then has. HF_E_TOOBIG past
 * HF_VALUE_SIZE_MAX. */
HF_MUST_USE hf_err hf_record_change(hf_bytes block, const hf_field *changes, uint32_t count,
                                    hf_buf *out, uint32_t *fields);

#endif
