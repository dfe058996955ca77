/* Mutations as they come from a disk or a peer: read, written again, and applied to a value. */
#include "storage/table/mutation.h"
#include "engine/base/assert.h"
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>

enum { HEAP_SIZE = 64 * 1024 * 1024, VALUE_KEPT = 64 * 1024 };

static void write_fields(hf_buf *out, const hf_mutation *m)
{
    hf_reader list = hf_reader_of(m->bytes);
    hf_field *fields = calloc(m->field_count, sizeof *fields);
    HF_ASSERT(fields != NULL);
    uint32_t count = 0;
    while (count < m->field_count && hf_mutation_field(&list, &fields[count])) {
        count++;
    }
    HF_ASSERT(count == m->field_count && list.at == list.end && !list.bad);
    hf_mutation_fields(out, m->key, fields, count);
    free(fields);
}

static void write_again(hf_buf *out, const hf_mutation *m)
{
    switch (m->op) {
    case HF_MUTATION_FIELDS:
        write_fields(out, m);
        break;
    case HF_MUTATION_EXPIRE:
        hf_mutation_expire(out, m->key, m->expire_ms);
        break;
    case HF_MUTATION_ADD:
        hf_mutation_add(out, m->key, m->bytes, m->integer);
        break;
    case HF_MUTATION_DELETE:
    case HF_MUTATION_PUT_STRING:
    case HF_MUTATION_PUT_INT:
    case HF_MUTATION_PUT_RECORD: {
        hf_value v = { .kind = HF_KIND_NONE };
        HF_ASSERT(hf_mutation_onto(m, &v, NULL) == HF_OK); /* needs no scratch */
        hf_mutation_put(out, m->key, &v);
        break;
    }
    }
}

static void take(hf_heap *heap, hf_bytes input)
{
    hf_buf out;
    hf_buf scratch;
    hf_buf_open(&out, heap);
    hf_buf_open(&scratch, heap);
    hf_value value = { .kind = HF_KIND_NONE };
    hf_reader reader = hf_reader_of(input);
    hf_mutation m;
    const uint8_t *from = reader.at;
    while (hf_mutation_next(&reader, &m)) {
        hf_buf_reset(&out);
        write_again(&out, &m);
        hf_bytes read = hf_bytes_of(from, (size_t)(reader.at - from));
        HF_ASSERT(out.failed || hf_bytes_equal(hf_buf_view(&out), read));
        from = reader.at;
        hf_err err = hf_mutation_onto(&m, &value, &scratch);
        HF_ASSERT(err != HF_OK || value.kind != HF_KIND_RECORD ||
                  (hf_record_valid(value.bytes) && hf_record_count(value.bytes) != 0));
        if (value.bytes.size > VALUE_KEPT || scratch.size > 4 * VALUE_KEPT) {
            value = (hf_value){ .kind = HF_KIND_NONE };
            hf_buf_reset(&scratch);
        }
    }
    HF_ASSERT(reader.bad || reader.at == reader.end);
    hf_buf_close(&out);
    hf_buf_close(&scratch);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void *region;
    if (region == NULL) {
        region = aligned_alloc(64 * 1024, HEAP_SIZE);
        HF_ASSERT(region != NULL);
    }
    hf_heap *heap = hf_heap_open(region, HEAP_SIZE);
    take(heap, hf_bytes_of(data, size));
    HF_ASSERT(hf_heap_used(heap) == 0);
    hf_heap_close(heap);
    return 0;
}
