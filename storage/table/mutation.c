#include "storage/table/mutation.h"
#include "engine/base/assert.h"
#include "storage/table/value_impl.h"

#include <string.h>

/* ---- Encoding ---- */

/* Writes the operation and its key, and lends `more` bytes behind them; NULL: no memory. */
static uint8_t *head(hf_buf *out, hf_mutation_op op, hf_bytes key, uint32_t more)
{
    HF_PRE(key.size != 0 && key.size <= HF_KEY_SIZE_MAX + 1);
    uint32_t size = 1 + (uint32_t)sizeof key.size + key.size;
    uint8_t *at = hf_buf_extend(out, size + more);
    if (at == NULL) {
        return NULL;
    }
    at[0] = (uint8_t)op;
    memcpy(at + 1, &key.size, sizeof key.size);
    hf_bytes_copy(at + 1 + sizeof key.size, key);
    return at + size;
}

static void put_u64s(uint8_t *at, uint64_t first, uint64_t second)
{
    if (at != NULL) {
        memcpy(at, &first, sizeof first);
        memcpy(at + sizeof first, &second, sizeof second);
    }
}

void hf_mutation_put(hf_buf *out, hf_bytes key, const hf_value *value)
{
    hf_mutation_op op = HF_MUTATION_PUT_STRING;
    switch (value->kind) {
    case HF_KIND_NONE:
        hf_mutation_delete(out, key);
        return;
    case HF_KIND_INT:
        put_u64s(head(out, HF_MUTATION_PUT_INT, key, 2 * sizeof(uint64_t)), value->expire_ms,
                 (uint64_t)value->integer);
        return;
    case HF_KIND_STRING:
        break;
    case HF_KIND_RECORD:
        HF_PRE(hf_record_count(value->bytes) != 0); /* a record without fields is a deletion */
        op = HF_MUTATION_PUT_RECORD;
        break;
    }
    uint32_t size = value->bytes.size;
    HF_PRE(size <= HF_VALUE_SIZE_MAX);
    uint8_t *at = head(out, op, key, (uint32_t)sizeof(uint64_t) + (uint32_t)sizeof size + size);
    if (at != NULL) {
        memcpy(at, &value->expire_ms, sizeof(uint64_t));
        memcpy(at + sizeof(uint64_t), &size, sizeof size);
        if (size != 0) {
            memcpy(at + sizeof(uint64_t) + sizeof size, value->bytes.data, size);
        }
    }
}

void hf_mutation_delete(hf_buf *out, hf_bytes key)
{
    (void)head(out, HF_MUTATION_DELETE, key, 0);
}

void hf_mutation_fields(hf_buf *out, hf_bytes key, const hf_field *changes, uint32_t count)
{
    HF_PRE(count != 0);
    (void)head(out, HF_MUTATION_FIELDS, key, 0);
    hf_buf_u32(out, count);
    for (uint32_t i = 0; i < count; i++) {
        hf_buf_u8(out, changes[i].remove);
        hf_buf_bytes(out, changes[i].name);
        hf_buf_bytes(out, changes[i].remove ? hf_bytes_of(NULL, 0) : changes[i].value);
    }
}

void hf_mutation_expire(hf_buf *out, hf_bytes key, uint64_t expire_ms)
{
    (void)head(out, HF_MUTATION_EXPIRE, key, 0);
    hf_buf_u64(out, expire_ms);
}

void hf_mutation_add(hf_buf *out, hf_bytes key, hf_bytes field, int64_t delta)
{
    uint8_t *at = head(out, HF_MUTATION_ADD, key,
                       (uint32_t)sizeof delta + (uint32_t)sizeof field.size + field.size);
    if (at != NULL) {
        memcpy(at, &delta, sizeof delta);
        memcpy(at + sizeof delta, &field.size, sizeof field.size);
        hf_bytes_copy(at + sizeof delta + sizeof field.size, field);
    }
}

/* ---- Decoding ---- */

bool hf_mutation_field(hf_reader *list, hf_field *field)
{
    if (list->bad || list->at == list->end) {
        return false;
    }
    uint8_t remove = hf_read_u8(list);
    field->remove = remove != 0;
    field->name = hf_read_bytes(list);
    field->value = hf_read_bytes(list);
    if (remove > 1 || (field->remove && field->value.size != 0) ||
        (uint64_t)field->name.size + field->value.size > HF_VALUE_SIZE_MAX) {
        list->bad = true;
    }
    return !list->bad;
}

static void read_fields(hf_reader *reader, hf_mutation *m)
{
    m->field_count = hf_read_u32(reader);
    const uint8_t *start = reader->at;
    hf_field field;
    for (uint32_t i = 0; i < m->field_count; i++) {
        if (!hf_mutation_field(reader, &field)) {
            reader->bad = true;
            return;
        }
    }
    if (m->field_count == 0) {
        reader->bad = true;
    }
    m->bytes = hf_bytes_of(start, (size_t)(reader->at - start));
}

static void read_rest(hf_reader *reader, hf_mutation *m)
{
    switch (m->op) {
    case HF_MUTATION_PUT_STRING:
        m->expire_ms = hf_read_u64(reader);
        m->bytes = hf_read_bytes(reader);
        break;
    case HF_MUTATION_PUT_INT:
        m->expire_ms = hf_read_u64(reader);
        m->integer = (int64_t)hf_read_u64(reader);
        break;
    case HF_MUTATION_PUT_RECORD:
        m->expire_ms = hf_read_u64(reader);
        m->bytes = hf_read_bytes(reader);
        if (m->bytes.size == 0 || !hf_record_valid(m->bytes) || hf_record_count(m->bytes) == 0) {
            reader->bad = true;
        }
        break;
    case HF_MUTATION_DELETE:
        break;
    case HF_MUTATION_FIELDS:
        read_fields(reader, m);
        return; /* the list may be longer than what comes of it */
    case HF_MUTATION_EXPIRE:
        m->expire_ms = hf_read_u64(reader);
        break;
    case HF_MUTATION_ADD:
        m->integer = (int64_t)hf_read_u64(reader);
        m->bytes = hf_read_bytes(reader);
        break;
    default:
        reader->bad = true;
    }
    if (m->bytes.size > HF_VALUE_SIZE_MAX) {
        reader->bad = true;
    }
}

/* A string that is put, nearly all that there is to read. False: it is something else, or rotten;
 * nothing was read. */
static bool next_string(hf_reader *reader, hf_mutation *mutation)
{
    enum { KEY = 1 + sizeof(uint32_t), VALUE = sizeof(uint64_t) + sizeof(uint32_t) };
    const uint8_t *at = reader->at;
    uint64_t left = (uint64_t)(reader->end - at);
    uint32_t key;
    uint32_t size;
    uint64_t expire_ms;
    if (left < KEY || at[0] != HF_MUTATION_PUT_STRING) {
        return false;
    }
    memcpy(&key, at + 1, sizeof key);
    if (key - 1 > HF_KEY_SIZE_MAX || left < KEY + (uint64_t)key + VALUE) {
        return false;
    }
    at += KEY + key;
    memcpy(&expire_ms, at, sizeof expire_ms);
    memcpy(&size, at + sizeof expire_ms, sizeof size);
    if (size > HF_VALUE_SIZE_MAX || left < KEY + (uint64_t)key + VALUE + size) {
        return false;
    }
    *mutation = (hf_mutation){ .op = HF_MUTATION_PUT_STRING,
                               .key = hf_bytes_of(at - key, key),
                               .bytes = hf_bytes_of(at + VALUE, size),
                               .expire_ms = expire_ms };
    reader->at = at + VALUE + size;
    return true;
}

/* ADD of a whole quantity, the one that comes most often: u8 op | u32 size, key | u64 | u32 0.
 * False: it is something else, or not whole. */
static bool next_add(hf_reader *reader, hf_mutation *m)
{
    const uint8_t *at = reader->at;
    size_t left = (size_t)(reader->end - at);
    uint32_t size;
    if (left < 17) {
        return false;
    }
    memcpy(&size, at + 1, sizeof size);
    if (size == 0 || size > HF_KEY_SIZE_MAX + 1 || left - 17 < size) {
        return false;
    }
    uint32_t field;
    memcpy(&field, at + 13 + size, sizeof field);
    if (field != 0) {
        return false;
    }
    *m = (hf_mutation){ .op = HF_MUTATION_ADD,
                        .key = hf_bytes_of(at + 5, size),
                        .bytes = hf_bytes_of(at + 17 + size, 0) };
    memcpy(&m->integer, at + 5 + size, sizeof m->integer);
    reader->at = at + 17 + size;
    return true;
}

bool hf_mutation_next(hf_reader *reader, hf_mutation *mutation)
{
    if (reader->bad || reader->at == reader->end) {
        return false;
    }
    if (reader->at[0] == HF_MUTATION_ADD ? next_add(reader, mutation)
                                         : next_string(reader, mutation)) {
        return true;
    }
    *mutation = (hf_mutation){ .op = (hf_mutation_op)hf_read_u8(reader) };
    mutation->key = hf_read_bytes(reader);
    if (mutation->key.size == 0 || mutation->key.size > HF_KEY_SIZE_MAX + 1) {
        reader->bad = true;
    }
    if (!reader->bad) {
        read_rest(reader, mutation);
    }
    return !reader->bad;
}

/* ---- Applying to a value ---- */

/* The list of a FIELDS mutation as changes: a handle is an offset. It was checked when it was
 * decoded. */
static hf_reader list_from(const void *base, uint32_t handle)
{
    const hf_mutation *m = base;
    return hf_reader_of(hf_bytes_of(m->bytes.data + handle, m->bytes.size - handle));
}

static void list_at(const void *base, uint32_t handle, hf_field *field)
{
    hf_reader list = list_from(base, handle);
    bool read = hf_mutation_field(&list, field);
    HF_ASSERT(read);
}

static uint32_t list_after(const void *base, uint32_t handle)
{
    hf_reader list = list_from(base, handle);
    hf_field field;
    bool read = hf_mutation_field(&list, &field);
    HF_ASSERT(read);
    return (uint32_t)(list.at - ((const hf_mutation *)base)->bytes.data);
}

/* The record that results; without fields it is no more. */
static hf_err change_record(const hf_record__changes *changes, hf_value *value, hf_buf *scratch)
{
    if (value->kind != HF_KIND_NONE && value->kind != HF_KIND_RECORD) {
        return HF_E_TYPE;
    }
    if (value->kind == HF_KIND_NONE) {
        *value = (hf_value){ .kind = HF_KIND_NONE };
    }
    uint32_t at = scratch->size;
    uint32_t fields;
    hf_err err = hf_record__merge(&value->bytes, changes, scratch, &fields);
    if (err != HF_OK) {
        return err;
    }
    if (fields == 0) {
        *value = (hf_value){ .kind = HF_KIND_NONE };
        return HF_OK;
    }
    value->kind = HF_KIND_RECORD;
    value->bytes = hf_bytes_of(scratch->data + at, scratch->size - at);
    return HF_OK;
}

static void one_at(const void *base, uint32_t handle, hf_field *field)
{
    (void)handle;
    *field = *(const hf_field *)base;
}

static uint32_t one_after(const void *base, uint32_t handle)
{
    (void)base;
    return handle + 1;
}

static hf_err add_to_field(const hf_mutation *m, hf_value *value, hf_buf *scratch)
{
    if (value->kind != HF_KIND_NONE && value->kind != HF_KIND_RECORD) {
        return HF_E_TYPE;
    }
    int64_t number = 0;
    hf_bytes contents;
    uint32_t index;
    if (value->kind == HF_KIND_RECORD &&
        hf_record_find(value->bytes, m->bytes, &contents, &index) &&
        !hf_int_from_text(contents, &number)) {
        return HF_E_RANGE;
    }
    if (__builtin_add_overflow(number, m->integer, &number)) {
        return HF_E_RANGE;
    }
    char text[HF_INT_TEXT_MAX + 1];
    hf_field field = { m->bytes, hf_bytes_of(text, hf_int_to_text(number, text)), false };
    hf_record__changes changes = { &field, 1, one_at, one_after };
    return change_record(&changes, value, scratch);
}

static hf_err add_to_integer(const hf_mutation *m, hf_value *value)
{
    int64_t number = 0;
    uint64_t expire_ms = value->kind == HF_KIND_NONE ? 0 : value->expire_ms;
    if (value->kind == HF_KIND_RECORD) {
        return HF_E_TYPE;
    }
    if (value->kind == HF_KIND_INT) {
        number = value->integer;
    } else if (value->kind == HF_KIND_STRING && !hf_int_from_text(value->bytes, &number)) {
        return HF_E_RANGE;
    }
    if (__builtin_add_overflow(number, m->integer, &number)) {
        return HF_E_RANGE;
    }
    *value = (hf_value){ .kind = HF_KIND_INT, .expire_ms = expire_ms, .integer = number };
    return HF_OK;
}

hf_err hf_mutation_onto(const hf_mutation *m, hf_value *value, hf_buf *scratch)
{
    switch (m->op) {
    case HF_MUTATION_PUT_STRING:
        *value = (hf_value){ HF_KIND_STRING, m->expire_ms, 0, m->bytes };
        return HF_OK;
    case HF_MUTATION_PUT_INT:
        *value = (hf_value){ HF_KIND_INT, m->expire_ms, m->integer, { NULL, 0 } };
        return HF_OK;
    case HF_MUTATION_PUT_RECORD:
        *value = (hf_value){ HF_KIND_RECORD, m->expire_ms, 0, m->bytes };
        return HF_OK;
    case HF_MUTATION_DELETE:
        *value = (hf_value){ .kind = HF_KIND_NONE };
        return HF_OK;
    case HF_MUTATION_FIELDS: {
        hf_record__changes changes = { m, m->field_count, list_at, list_after };
        return change_record(&changes, value, scratch);
    }
    case HF_MUTATION_EXPIRE:
        if (value->kind != HF_KIND_NONE) {
            value->expire_ms = m->expire_ms;
        }
        return HF_OK;
    case HF_MUTATION_ADD:
        return m->bytes.size == 0 ? add_to_integer(m, value) : add_to_field(m, value, scratch);
    }
    HF_UNREACHABLE();
}

/* ---- Applying to the table ---- */

static uint64_t as_run(uint64_t size)
{
    enum { SPAN = 64 * 1024 }; /* of the heap */
    return size > SPAN / 2 ? (size + SPAN) / SPAN * SPAN : 0;
}

hf_table_need hf_mutations_cost(const hf_table *table, hf_bytes effects)
{
    hf_table_need need = { 0 };
    uint64_t largest = 0; /* of those put here: a later change may build it anew */
    hf_reader reader = hf_reader_of(effects);
    hf_mutation m;
    while (hf_mutation_next(&reader, &m)) {
        need.changes++;
        need.deletes += m.op == HF_MUTATION_DELETE;
        if (m.op == HF_MUTATION_FIELDS || m.op == HF_MUTATION_EXPIRE ||
            (m.op == HF_MUTATION_ADD && m.bytes.size != 0)) {
            uint64_t had = hf_table_get(table, m.key, HF_TS_MAX).value.bytes.size;
            had = had > largest ? had : largest;
            if (m.op == HF_MUTATION_EXPIRE) {
                need.copied += had;
                need.runs += as_run(had);
            } else {
                need.built += had + m.bytes.size;
            }
        } else if (m.op != HF_MUTATION_ADD) {
            need.runs += as_run(m.bytes.size);
            largest = m.bytes.size > largest ? m.bytes.size : largest;
        }
    }
    return need;
}

void hf_mutation_apply(hf_table *table, const hf_mutation *m, uint64_t ts, uint64_t lsn,
                       hf_buf *scratch)
{
    hf_mutation_apply_hashed(table, m, hf_table_hash(table, m->key), ts, lsn, scratch);
}

void hf_mutation_apply_hashed(hf_table *table, const hf_mutation *m, uint64_t hash, uint64_t ts,
                              uint64_t lsn, hf_buf *scratch)
{
    if (m->op == HF_MUTATION_ADD) {
        hf_table_fold_hashed(table, m->key, hash, m->bytes, m->integer, ts, lsn);
        return;
    }
    hf_value value = { .kind = HF_KIND_NONE };
    bool reads = m->op == HF_MUTATION_FIELDS || m->op == HF_MUTATION_EXPIRE;
    if (reads) {
        hf_value before = hf_table_get_hashed(table, m->key, hash, HF_TS_MAX).value;
        if (before.kind != HF_KIND_NONE && !hf_value_expired(before.expire_ms, ts)) {
            value = before;
        } else if (m->op == HF_MUTATION_EXPIRE) {
            return; /* what is gone stays gone */
        }
    }
    hf_buf_reset(scratch);
    hf_err err = hf_mutation_onto(m, &value, scratch);
    HF_ASSERT(err == HF_OK);
    hf_table_put_hashed(table, m->key, hash, &value, ts, lsn);
}
