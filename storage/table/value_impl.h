/* The record codec's inside: changes that lie in an array or in an encoded list, merged alike. */
#ifndef HF_TABLE_VALUE_IMPL_H
#define HF_TABLE_VALUE_IMPL_H
#include "storage/table/value.h"

/* Field changes, each reached by a handle; the first handle is 0, and handles ascend. */
typedef struct hf_record__changes {
    const void *base;
    uint32_t count;
    void (*at)(const void *base, uint32_t handle, hf_field *field);
    uint32_t (*after)(const void *base, uint32_t handle);
} hf_record__changes;

/* As hf_record_change(). The block may lie in `out`: it is then followed when the buffer moves,
 * also when this fails. The changes may not lie there. */
HF_MUST_USE hf_err hf_record__merge(hf_bytes *block, const hf_record__changes *changes, hf_buf *out,
                                    uint32_t *fields);

#endif
