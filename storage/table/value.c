#include "engine/base/assert.h"
#include "storage/table/value_impl.h"

#include <string.h>

/* ---- Integers as text ---- */

uint32_t hf_int_to_text(int64_t value, char text[HF_INT_TEXT_MAX + 1])
{
    char digits[HF_INT_TEXT_MAX];
    uint64_t rest = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    uint32_t count = 0;
    uint32_t size = 0;
    do {
        digits[count++] = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest != 0);
    if (value < 0) {
        text[size++] = '-';
    }
    while (count != 0) {
        text[size++] = digits[--count];
    }
    HF_POST(size <= HF_INT_TEXT_MAX);
    return size;
}

enum { SAFE_DIGITS = 18 };

bool hf_int_from_text(hf_bytes text, int64_t *value)
{
    if (text.size == 0 || text.size > HF_INT_TEXT_MAX) {
        return false;
    }
    bool minus = text.data[0] == '-';
    uint32_t at = minus;
    if (at == text.size) {
        return false;
    }
    if (text.data[at] == '0' && text.size != 1) {
        return false; /* a leading zero, or "-0" */
    }
    uint64_t sum = 0;
    if (text.size - at <= SAFE_DIGITS) { /* cannot overflow */
        for (; at < text.size; at++) {
            uint8_t digit = (uint8_t)(text.data[at] - '0');
            if (digit > 9) {
                return false;
            }
            sum = sum * 10 + digit;
        }
        *value = (int64_t)(minus ? 0 - sum : sum);
        return true;
    }
    uint64_t most = minus ? (uint64_t)INT64_MAX + 1 : (uint64_t)INT64_MAX;
    for (; at < text.size; at++) {
        uint8_t digit = (uint8_t)(text.data[at] - '0');
        if (digit > 9 || sum > (most - digit) / 10) {
            return false;
        }
        sum = sum * 10 + digit;
    }
    *value = (int64_t)(minus ? 0 - sum : sum);
    return true;
}

/* ---- Records ---- */

enum { RECORD_HEAD = 4, OFFSET_SIZE = 4, FIELD_HEAD = 8 };

static uint32_t load(const uint8_t *at)
{
    uint32_t v;
    memcpy(&v, at, sizeof v);
    return v;
}

static void save(uint8_t *at, uint32_t v)
{
    memcpy(at, &v, sizeof v);
}

bool hf_record_valid(hf_bytes block)
{
    if (block.size == 0) {
        return true;
    }
    if (block.size < RECORD_HEAD) {
        return false;
    }
    uint64_t count = load(block.data);
    uint64_t at = RECORD_HEAD + count * OFFSET_SIZE;
    if (at > block.size) {
        return false;
    }
    hf_bytes before = hf_bytes_of(NULL, 0);
    for (uint64_t i = 0; i < count; i++) {
        /* One layout only: entries follow each other without gaps, so equal records are equal
         * bytes. */
        if (load(block.data + RECORD_HEAD + i * OFFSET_SIZE) != at ||
            block.size - at < FIELD_HEAD) {
            return false;
        }
        uint64_t name_size = load(block.data + at);
        uint64_t value_size = load(block.data + at + 4);
        hf_bytes name = hf_bytes_of(block.data + at + FIELD_HEAD, name_size);
        at += FIELD_HEAD + name_size + value_size;
        if (at > block.size || (i != 0 && hf_bytes_compare(before, name) >= 0)) {
            return false;
        }
        before = name;
    }
    return at == block.size;
}

uint32_t hf_record_count(hf_bytes block)
{
    return block.size == 0 ? 0 : load(block.data);
}

void hf_record_at(hf_bytes block, uint32_t index, hf_bytes *name, hf_bytes *value)
{
    HF_PRE(index < hf_record_count(block));
    const uint8_t *entry =
        block.data + load(block.data + RECORD_HEAD + (size_t)index * OFFSET_SIZE);
    HF_ASSERT(entry + FIELD_HEAD <= block.data + block.size);
    *name = hf_bytes_of(entry + FIELD_HEAD, load(entry));
    *value = hf_bytes_of(entry + FIELD_HEAD + name->size, load(entry + 4));
}

bool hf_record_find(hf_bytes block, hf_bytes name, hf_bytes *value, uint32_t *index)
{
    uint32_t low = 0;
    uint32_t high = hf_record_count(block);
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        hf_bytes found;
        hf_bytes contents;
        hf_record_at(block, middle, &found, &contents);
        int order = hf_bytes_compare(found, name);
        if (order == 0) {
            *value = contents;
            *index = middle;
            return true;
        }
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return false;
}

/* ---- Changing a record: sort the changes, merge them with the fields ---- */

/* What is sorted are the handles of the changes: a later change of a name has the larger one. */
static bool change_before(const hf_record__changes *changes, uint32_t a, uint32_t b)
{
    hf_field left;
    hf_field right;
    changes->at(changes->base, a, &left);
    changes->at(changes->base, b, &right);
    int order = hf_bytes_compare(left.name, right.name);
    return order != 0 ? order < 0 : a < b;
}

static void sift(const hf_record__changes *changes, uint32_t *handles, uint32_t at, uint32_t count)
{
    for (;;) {
        uint32_t child = 2 * at + 1;
        if (child >= count) {
            return;
        }
        if (child + 1 < count && change_before(changes, handles[child], handles[child + 1])) {
            child++;
        }
        if (!change_before(changes, handles[at], handles[child])) {
            return;
        }
        uint32_t swap = handles[at];
        handles[at] = handles[child];
        handles[child] = swap;
        at = child;
    }
}

static void sort_changes(const hf_record__changes *changes, uint32_t *handles, uint32_t count)
{
    uint32_t sorted = 1;
    while (sorted < count && change_before(changes, handles[sorted - 1], handles[sorted])) {
        sorted++;
    }
    if (sorted >= count) {
        return;
    }
    for (uint32_t i = count / 2; i-- > 0;) {
        sift(changes, handles, i, count);
    }
    for (uint32_t end = count; end-- > 1;) {
        uint32_t swap = handles[0];
        handles[0] = handles[end];
        handles[end] = swap;
        sift(changes, handles, 0, end);
    }
}

/* Keeps the last change of each name. */
static uint32_t last_of_each(const hf_record__changes *changes, uint32_t *handles, uint32_t count)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < count; i++) {
        hf_field field;
        changes->at(changes->base, handles[i], &field);
        if (i + 1 < count) {
            hf_field after;
            changes->at(changes->base, handles[i + 1], &after);
            if (hf_bytes_equal(field.name, after.name)) {
                continue;
            }
        }
        handles[kept++] = handles[i];
    }
    return kept;
}

typedef struct merge {
    hf_bytes block;
    const hf_record__changes *changes;
    const uint32_t *handles;
    uint32_t change_count;
    uint32_t field; /* next of the block */
    uint32_t change;
} merge;

/* The next field of the result; false at the end. */
static bool merge_next(merge *m, hf_bytes *name, hf_bytes *value)
{
    for (;;) {
        bool old = m->field < hf_record_count(m->block);
        bool new = m->change < m->change_count;
        if (!old && !new) {
            return false;
        }
        hf_field change = { 0 };
        int order = -1;
        if (old) {
            hf_record_at(m->block, m->field, name, value);
        }
        if (new) {
            m->changes->at(m->changes->base, m->handles[m->change], &change);
            order = old ? hf_bytes_compare(*name, change.name) : 1;
        }
        if (order < 0) {
            m->field++;
            return true;
        }
        m->field += order == 0;
        m->change++;
        if (!change.remove) {
            *name = change.name;
            *value = change.value;
            return true;
        }
    }
}

static void write_block(merge m, uint8_t *to, uint32_t fields)
{
    hf_bytes name;
    hf_bytes value;
    uint32_t at = RECORD_HEAD + fields * OFFSET_SIZE;
    save(to, fields);
    for (uint32_t i = 0; merge_next(&m, &name, &value); i++) {
        save(to + RECORD_HEAD + (size_t)i * OFFSET_SIZE, at);
        save(to + at, name.size);
        save(to + at + 4, value.size);
        at += FIELD_HEAD;
        if (name.size != 0) {
            memcpy(to + at, name.data, name.size);
        }
        at += name.size;
        if (value.size != 0) {
            memcpy(to + at, value.data, value.size);
        }
        at += value.size;
    }
}

/* The bytes of `block` if it lies in the buffer, found again after the buffer has moved. */
typedef struct lodger {
    bool inside;
    size_t offset;
} lodger;

static lodger lodger_of(hf_bytes block, const hf_buf *out)
{
    uintptr_t start = (uintptr_t)out->data;
    uintptr_t at = (uintptr_t)block.data;
    bool inside = block.size != 0 && out->data != NULL && at >= start && at < start + out->size;
    return (lodger){ inside, inside ? at - start : 0 };
}

hf_err hf_record__merge(hf_bytes *block, const hf_record__changes *changes, hf_buf *out,
                        uint32_t *fields)
{
    uint32_t base = out->size;
    lodger lodged = lodger_of(*block, out);
    /* The handles stand in the buffer while they are needed, 4-aligned; the block is moved over
     * them at the end. */
    uint32_t pad = (4 - (base & 3)) & 3;
    if (changes->count > (UINT32_MAX - base) / 8 ||
        !hf_buf_reserve(out, pad + changes->count * 4 + RECORD_HEAD)) {
        return HF_E_NOMEM;
    }
    out->size += pad + changes->count * 4;
    uint32_t *handles = (uint32_t *)(void *)(out->data + base + pad);
    uint32_t handle = 0;
    for (uint32_t i = 0; i < changes->count; i++) {
        handles[i] = handle;
        handle = changes->after(changes->base, handle);
    }
    sort_changes(changes, handles, changes->count);
    uint32_t kept = last_of_each(changes, handles, changes->count);

    if (lodged.inside) {
        block->data = out->data + lodged.offset;
    }
    merge m = { *block, changes, handles, kept, 0, 0 };
    merge measure = m;
    hf_bytes name;
    hf_bytes value;
    uint64_t size = RECORD_HEAD;
    uint32_t count = 0;
    while (merge_next(&measure, &name, &value)) {
        size += (uint64_t)OFFSET_SIZE + FIELD_HEAD + name.size + value.size;
        count++;
    }
    *fields = count;
    if (count == 0 || size > HF_VALUE_SIZE_MAX) {
        out->size = base;
        return count == 0 ? HF_OK : HF_E_TOOBIG;
    }
    uint32_t from = out->size;
    if (hf_buf_extend(out, (uint32_t)size) == NULL) {
        out->size = base;
        return HF_E_NOMEM;
    }
    if (lodged.inside) {
        block->data = out->data + lodged.offset;
        m.block = *block;
    }
    m.handles = (const uint32_t *)(const void *)(out->data + base + pad);
    write_block(m, out->data + from, count);
    memmove(out->data + base, out->data + from, (size_t)size);
    out->size = base + (uint32_t)size;
    return HF_OK;
}

static void array_at(const void *base, uint32_t handle, hf_field *field)
{
    *field = ((const hf_field *)base)[handle];
}

static uint32_t array_after(const void *base, uint32_t handle)
{
    (void)base;
    return handle + 1;
}

hf_err hf_record_change(hf_bytes block, const hf_field *changes, uint32_t count, hf_buf *out,
                        uint32_t *fields)
{
    hf_record__changes list = { changes, count, array_at, array_after };
    return hf_record__merge(&block, &list, out, fields);
}
