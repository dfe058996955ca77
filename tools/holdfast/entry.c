/* Log records as trees. */
#include "engine/shard/entry.h"
#include "engine/command/command.h"
#include "storage/table/mutation.h"
#include "tools/holdfast/store.h"
#include <inttypes.h>

enum { ID_TEXT = 40 };

static hf_tree text_of(hf_bytes bytes)
{
    return (hf_tree){ .kind = HF_TREE_TEXT, .text = bytes };
}

/* Timestamps and ids use all 64 bits, JSON's numbers do not everywhere: as text. */
static hf_tree u64_of(uint64_t value)
{
    char *digits = hf_tool_take(HF_TEXT_NUMBER);
    uint32_t size = hf_text_put_u64(digits, value);
    return text_of(hf_bytes_of(digits, size));
}

static void put_key(hf_tree *map, const char *name, hf_bytes internal)
{
    if (internal.size == 0) { /* an open end */
        hf_tree_put(map, name, text_of(internal));
        return;
    }
    if (internal.data[0] == HF_SPACE_USER) {
        hf_tree_put(map, name, text_of(hf_bytes_of(internal.data + 1, internal.size - 1)));
        return;
    }
    /* The engine's own keys begin with another byte. */
    char system_name[32];
    (void)snprintf(system_name, sizeof system_name, "system_%s", name);
    char *copy = hf_tool_take(sizeof system_name);
    memcpy(copy, system_name, sizeof system_name);
    hf_tree_put(map, copy, text_of(internal));
}

static const char *op_name(hf_mutation_op op)
{
    switch (op) {
    case HF_MUTATION_PUT_STRING:
        return "string";
    case HF_MUTATION_PUT_INT:
        return "integer";
    case HF_MUTATION_PUT_RECORD:
        return "record";
    case HF_MUTATION_DELETE:
        return "delete";
    case HF_MUTATION_FIELDS:
        return "fields";
    case HF_MUTATION_EXPIRE:
        return "expire";
    case HF_MUTATION_ADD:
        return "add";
    }
    return "unknown";
}

static void put_fields(hf_tree *map, hf_bytes list, uint32_t count)
{
    hf_reader reader = hf_reader_of(list);
    hf_field field;
    hf_tree fields = { .kind = HF_TREE_LIST };
    for (uint32_t i = 0; i < count && hf_mutation_field(&reader, &field); i++) {
        hf_tree one = { .kind = HF_TREE_MAP };
        hf_tree_put(&one, "name", text_of(field.name));
        if (field.remove) {
            hf_tree_put(&one, "removed", hf_tree_boolean(true));
        } else {
            hf_tree_put(&one, "value", text_of(field.value));
        }
        (void)hf_tree_add(&fields, one);
    }
    hf_tree_put(map, "fields", fields);
}

static hf_tree mutation_of(const hf_mutation *m)
{
    hf_tree map = { .kind = HF_TREE_MAP };
    hf_tree_put(&map, "op", hf_tree_text(op_name(m->op)));
    put_key(&map, "key", m->key);
    switch (m->op) {
    case HF_MUTATION_PUT_STRING:
    case HF_MUTATION_PUT_RECORD:
        hf_tree_put(&map, "value", text_of(m->bytes));
        break;
    case HF_MUTATION_PUT_INT:
        hf_tree_put(&map, "value", hf_tree_integer(m->integer));
        break;
    case HF_MUTATION_ADD:
        hf_tree_put(&map, "delta", hf_tree_integer(m->integer));
        if (m->bytes.size != 0) {
            hf_tree_put(&map, "field", text_of(m->bytes));
        }
        break;
    case HF_MUTATION_FIELDS:
        put_fields(&map, m->bytes, m->field_count);
        break;
    case HF_MUTATION_DELETE:
    case HF_MUTATION_EXPIRE:
        break;
    }
    if (m->expire_ms != 0 || m->op == HF_MUTATION_EXPIRE) {
        hf_tree_put(&map, "expire_ms", hf_tree_integer((int64_t)m->expire_ms));
    }
    return map;
}

static bool put_mutations(hf_reader *reader, hf_tree *map)
{
    hf_tree list = { .kind = HF_TREE_LIST };
    hf_mutation mutation;
    while (hf_mutation_next(reader, &mutation)) {
        (void)hf_tree_add(&list, mutation_of(&mutation));
    }
    hf_tree_put(map, "changes", list);
    return !reader->bad;
}

bool hf_mutations_check(hf_bytes mutations)
{
    hf_reader reader = hf_reader_of(mutations);
    hf_mutation mutation;
    while (hf_mutation_next(&reader, &mutation)) {
    }
    return !reader.bad;
}

/* "incarnation.sequence@shard": the same in the PREPARE and the FINALIZE of one attempt. */
static void put_attempt(hf_reader *reader, hf_tree *map)
{
    char *text = hf_tool_take(64);
    uint64_t incarnation = hf_read_u64(reader);
    uint64_t seq_shard = hf_read_u64(reader);
    (void)snprintf(text, 64, "%" PRIu64 ".%" PRIu64 "@%" PRIu64, incarnation, seq_shard >> 16,
                   seq_shard & 0xffff);
    hf_tree_put(map, "attempt", hf_tree_text(text));
}

static void put_id(hf_reader *reader, bool has_id, hf_tree *map)
{
    uint8_t id[16];
    hf_read_raw(reader, id, sizeof id);
    if (has_id) {
        char *text = hf_tool_take(ID_TEXT);
        size_t at = 0;
        for (size_t i = 0; i < sizeof id; i++) {
            const char *dash = i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "";
            at += (size_t)snprintf(text + at, ID_TEXT - at, "%s%02x", dash, id[i]);
        }
        hf_tree_put(map, "id", hf_tree_text(text));
    }
}

static void put_shards(uint64_t set, hf_tree *map)
{
    hf_tree list = { .kind = HF_TREE_LIST };
    for (int64_t shard = 0; shard < 64; shard++) {
        if ((set >> shard & 1) != 0) {
            (void)hf_tree_add(&list, hf_tree_integer(shard));
        }
    }
    hf_tree_put(map, "participants", list);
}

static bool put_prepare(hf_reader *r, hf_tree *map)
{
    put_attempt(r, map);
    hf_tree_put(map, "prepare_ts", u64_of(hf_read_u64(r)));
    uint64_t until = hf_read_u64(r);
    if (until != UINT64_MAX) {
        hf_tree_put(map, "until", u64_of(until));
    }
    hf_tree_put(map, "age", u64_of(hf_read_u64(r)));
    (void)hf_read_u64(r);
    uint64_t set = hf_read_u64(r);
    hf_tree_put(map, "anchor", hf_tree_integer(hf_read_u16(r)));
    if (set != 0) { /* the anchor's copy alone knows them */
        put_shards(set, map);
    }
    uint8_t flags = hf_read_u8(r);
    (void)hf_read_u8(r);
    put_id(r, (flags & 1) != 0, map);
    (void)hf_read_u64(r);
    (void)hf_read_bytes(r);
    (void)hf_read_bytes(r);
    uint32_t grants = hf_read_u32(r);
    (void)hf_read_lent(r, grants <= hf_reader_left(r) / 16 ? grants * 16 : UINT32_MAX);
    uint32_t fences = hf_read_u32(r);
    hf_tree_put(map, "locks", hf_tree_integer(fences));
    for (uint32_t i = 0; i < fences && !r->bad; i++) {
        (void)hf_read_u16(r);
        (void)hf_read_bytes(r);
        (void)hf_read_bytes(r);
    }
    return !r->bad && put_mutations(r, map);
}

static bool put_finalize(hf_reader *r, hf_tree *map)
{
    hf_tree list = { .kind = HF_TREE_LIST };
    bool good = true;
    while (good && hf_reader_left(r) > 0) {
        hf_tree one = { .kind = HF_TREE_MAP };
        put_attempt(r, &one);
        uint64_t ts = hf_read_u64(r);
        hf_tree_put(&one, "committed", hf_tree_boolean(ts != 0));
        if (ts != 0) {
            hf_tree_put(&one, "ts", u64_of(ts));
        }
        hf_reader own = hf_reader_of(hf_read_bytes(r));
        good = !r->bad && put_mutations(&own, &one);
        (void)hf_tree_add(&list, one);
    }
    hf_tree_put(map, "ends", list);
    return good;
}

static bool put_ranges(hf_reader *r, hf_tree *map)
{
    hf_tree list = { .kind = HF_TREE_LIST };
    uint32_t count = hf_read_u32(r);
    for (uint32_t i = 0; i < count && !r->bad; i++) {
        hf_tree one = { .kind = HF_TREE_MAP };
        hf_tree_put(&one, "range", u64_of(hf_read_u64(r)));
        hf_tree_put(&one, "generation", hf_tree_integer((int64_t)hf_read_u64(r)));
        hf_tree_put(&one, "shard", hf_tree_integer(hf_read_u16(r)));
        put_key(&one, "start", hf_read_bytes(r));
        (void)hf_tree_add(&list, one);
    }
    hf_tree_put(map, "ranges", list);
    return !r->bad && hf_reader_left(r) == 0;
}

static bool put_bulk(hf_reader *r, hf_tree *map)
{
    hf_tree_put(map, "ts", u64_of(hf_read_u64(r)));
    put_key(map, "start", hf_read_bytes(r));
    put_key(map, "end", hf_read_bytes(r));
    hf_tree_put(map, "clear", hf_tree_boolean(hf_read_u8(r) != 0));
    return !r->bad && put_mutations(r, map);
}

bool hf_entry_describe(const hf_log_record *record, hf_tree *map)
{
    hf_reader r = hf_reader_of(record->data);
    static const char *const names[] = {
        [HF_ENTRY_COMMIT] = "commit",       [HF_ENTRY_PREPARE] = "prepare",
        [HF_ENTRY_TOMBSTONE] = "tombstone", [HF_ENTRY_RANGE] = "range",
        [HF_ENTRY_BULK] = "bulk",           [HF_ENTRY_CLOCK] = "clock",
        [HF_ENTRY_FINALIZE] = "finalize",
    };
    const char *name = record->kind < sizeof names / sizeof names[0] ? names[record->kind] : NULL;
    hf_tree_put(map, "lsn", hf_tree_integer((int64_t)record->lsn));
    if (record->range != 0) { /* of a common log: the position in the core's own stream */
        hf_tree_put(map, "position", hf_tree_integer((int64_t)record->index));
    }
    hf_tree_put(map, "kind", hf_tree_text(name != NULL ? name : "unknown"));
    hf_tree_put(map, "bytes", hf_tree_integer(record->data.size));
    switch ((hf_entry_kind)record->kind) {
    case HF_ENTRY_COMMIT:
        hf_tree_put(map, "ts", u64_of(hf_read_u64(&r)));
        return !r.bad && put_mutations(&r, map);
    case HF_ENTRY_PREPARE:
        return put_prepare(&r, map);
    case HF_ENTRY_FINALIZE:
        return put_finalize(&r, map);
    case HF_ENTRY_TOMBSTONE:
        put_attempt(&r, map);
        return !r.bad && hf_reader_left(&r) == 0;
    case HF_ENTRY_RANGE:
        return put_ranges(&r, map);
    case HF_ENTRY_BULK:
        return put_bulk(&r, map);
    case HF_ENTRY_CLOCK:
        hf_tree_put(map, "horizon", u64_of(hf_read_u64(&r)));
        return !r.bad && hf_reader_left(&r) == 0;
    }
    hf_tree_put(map, "number", hf_tree_integer(record->kind));
    return false;
}
