#include "tests/unit/command/fake.h"
#include "engine/base/assert.h"

#include <stdio.h>
#include <stdlib.h>

enum { SPAN = 64 * 1024, CURSORS = 16 };

/* ---- The entries ---- */

static hf_bytes copy_of(hf_bytes bytes)
{
    uint8_t *at = malloc(bytes.size + 1u);
    HF_ASSERT(at != NULL);
    if (bytes.size != 0) {
        memcpy(at, bytes.data, bytes.size);
    }
    return hf_bytes_of(at, bytes.size);
}

/* The first entry with a key >= `key`. */
static uint32_t lower_bound(const fake_world *fake, hf_bytes key)
{
    uint32_t low = 0;
    uint32_t high = fake->count;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (hf_bytes_compare(fake->entries[middle].key, key) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static fake_entry *find(fake_world *fake, hf_bytes key)
{
    uint32_t at = lower_bound(fake, key);
    return at < fake->count && hf_bytes_equal(fake->entries[at].key, key) ? &fake->entries[at]
                                                                          : NULL;
}

static void store(fake_world *fake, hf_bytes key, const hf_value *value)
{
    uint32_t at = lower_bound(fake, key);
    fake_entry *entry = find(fake, key);
    hf_value own = *value;
    own.bytes = copy_of(value->bytes);
    if (entry != NULL) {
        free((void *)(uintptr_t)entry->value.bytes.data);
    } else {
        if (fake->count == fake->capacity) {
            fake->capacity = fake->capacity * 2 + 16;
            fake->entries = realloc(fake->entries, fake->capacity * sizeof(fake_entry));
            HF_ASSERT(fake->entries != NULL);
        }
        memmove(fake->entries + at + 1, fake->entries + at,
                (fake->count - at) * sizeof(fake_entry));
        fake->count++;
        entry = &fake->entries[at];
        entry->key = copy_of(key);
    }
    entry->value = own;
}

static void drop(fake_world *fake, uint32_t at)
{
    free((void *)(uintptr_t)fake->entries[at].key.data);
    free((void *)(uintptr_t)fake->entries[at].value.bytes.data);
    fake->count--;
    memmove(fake->entries + at, fake->entries + at + 1, (fake->count - at) * sizeof(fake_entry));
}

static bool alive(const fake_world *fake, const fake_entry *entry)
{
    return !hf_value_expired(entry->value.expire_ms, fake->view.ts);
}

/* ---- The view ---- */

static void view_get(hf_view *view, hf_bytes key, hf_value *value)
{
    fake_world *fake = view->context;
    fake_entry *entry = find(fake, key);
    *value = (hf_value){ .kind = HF_KIND_NONE };
    if (entry != NULL && alive(fake, entry)) {
        *value = entry->value;
    }
}

static void view_pending(hf_view *view, hf_bytes key, hf_bytes field, hf_escrow_pending *pending)
{
    fake_world *fake = view->context;
    *pending = (hf_escrow_pending){ .min = INT64_MIN, .max = INT64_MAX };
    for (uint32_t i = 0; i < fake->pending_count; i++) {
        const fake_pending *other = &fake->pending[i];
        if (!hf_bytes_equal(other->key, key)) {
            continue;
        }
        if (hf_bytes_equal(other->field, field)) {
            *pending = other->sums;
        } else if ((other->field.size == 0) != (field.size == 0)) {
            pending->other_kind = true;
        }
    }
}

static void view_scan(hf_view *view, hf_bytes start, hf_bytes end, bool reverse,
                      hf_view_visit *visit, void *context)
{
    fake_world *fake = view->context;
    uint32_t from = lower_bound(fake, start);
    uint32_t to = end.size == 0 ? fake->count : lower_bound(fake, end);
    for (uint32_t i = 0; from + i < to; i++) {
        const fake_entry *entry = &fake->entries[reverse ? to - 1 - i : from + i];
        if (alive(fake, entry) && !visit(context, entry->key, &entry->value)) {
            return;
        }
    }
}

static uint64_t view_count(hf_view *view)
{
    fake_world *fake = view->context;
    uint64_t count = 0;
    for (uint32_t i = 0; i < fake->count; i++) {
        count += alive(fake, &fake->entries[i]) ? 1 : 0;
    }
    return count;
}

static hf_bytes view_pick(hf_view *view)
{
    fake_world *fake = view->context;
    for (uint32_t i = 0; i < fake->count; i++) {
        const fake_entry *entry = &fake->entries[(view->draw + i) % fake->count];
        if (alive(fake, entry)) {
            return entry->key;
        }
    }
    return hf_bytes_of(NULL, 0);
}

static const hf_view_ops view_ops = { view_get, view_pending, view_scan, view_pick, view_count };

/* ---- Running ---- */

void fake_open(fake_world *fake, size_t heap_size)
{
    memset(fake, 0, sizeof *fake);
    fake->region = aligned_alloc(SPAN, heap_size);
    HF_ASSERT(fake->region != NULL);
    fake->heap = hf_heap_open(fake->region, heap_size);
    hf_buf_open(&fake->mutations, fake->heap);
    hf_buf_open(&fake->reply, fake->heap);
    hf_buf_open(&fake->scratch, fake->heap);
    fake->view = (hf_view){ .ops = &view_ops, .context = fake, .draw = 1, .proto = 2 };
    fake->view.mutations = &fake->mutations;
    fake_set_ms(fake, 1000000);
    void *at = malloc(hf_scan_cursors_size(CURSORS));
    HF_ASSERT(at != NULL);
    fake->cursors = hf_scan_cursors_open(at, CURSORS, fake->heap);
}

void fake_close(fake_world *fake)
{
    while (fake->count != 0) {
        drop(fake, fake->count - 1);
    }
    free(fake->entries);
    hf_scan_cursors_close(fake->cursors);
    free(fake->cursors);
    hf_buf_close(&fake->mutations);
    hf_buf_close(&fake->reply);
    hf_buf_close(&fake->scratch);
    hf_heap_check(fake->heap);
    HF_ASSERT(hf_heap_used(fake->heap) == 0); /* no command forgot a block */
    hf_heap_close(fake->heap);
    free(fake->region);
}

static void apply_one(fake_world *fake, const hf_mutation *mutation)
{
    HF_ASSERT(mutation->key.size >= 1 && mutation->key.data[0] == HF_SPACE_USER);
    hf_bytes key = hf_bytes_of(mutation->key.data + 1, mutation->key.size - 1);
    fake_entry *entry = find(fake, key);
    hf_value value = { .kind = HF_KIND_NONE };
    if (entry != NULL && alive(fake, entry)) {
        value = entry->value;
    }
    hf_buf_reset(&fake->scratch);
    hf_err err = hf_mutation_onto(mutation, &value, &fake->scratch);
    HF_ASSERT(err == HF_OK);
    if (value.kind != HF_KIND_NONE) {
        /* What is decimal is kept as an integer, or additions could not fold into it. */
        int64_t integer = 0;
        HF_ASSERT(value.kind != HF_KIND_STRING || !hf_int_from_text(value.bytes, &integer));
        store(fake, key, &value);
    } else if (entry != NULL) {
        drop(fake, (uint32_t)(entry - fake->entries));
    }
}

static void apply(fake_world *fake)
{
    hf_reader reader = hf_reader_of(hf_buf_view(&fake->mutations));
    hf_mutation mutation;
    HF_ASSERT(!fake->mutations.failed);
    while (hf_mutation_next(&reader, &mutation)) {
        apply_one(fake, &mutation);
    }
    HF_ASSERT(!reader.bad);
}

static void run_scan(fake_world *fake, const hf_bytes *args, uint32_t argc)
{
    hf_scan_query query;
    hf_bytes start = hf_bytes_of(NULL, 0);
    uint64_t word = 0;
    uint32_t found = 0;
    if (!hf_scan_parse(args, argc, &query, &fake->reply)) {
        return;
    }
    hf_buf page;
    hf_buf next;
    hf_buf_open(&page, fake->heap);
    hf_buf_open(&next, fake->heap);
    bool known =
        query.cursor == 0 || hf_scan_cursors_get(fake->cursors, query.cursor, &start, &word);
    bool more = known && hf_command_scan_page(&fake->view, &query, start, hf_bytes_of(NULL, 0),
                                              &page, &found, &next);
    uint64_t cursor = more ? hf_scan_cursors_put(fake->cursors, hf_buf_view(&next), 0) : 0;
    hf_scan_reply(&fake->reply, cursor, found, &page);
    hf_buf_close(&page);
    hf_buf_close(&next);
}

void fake_run(fake_world *fake, const hf_bytes *args, uint32_t argc)
{
    hf_buf_reset(&fake->reply);
    hf_buf_reset(&fake->mutations);
    fake->view.draw = fake->view.draw * 6364136223846793005u + 1442695040888963407u;
    fake->ran = HF_RAN_OK;
    const hf_command *command = hf_command_find(args[0]);
    if (command == NULL || (command->flags & HF_COMMAND_INTERNAL) != 0) {
        hf_command_unknown(&fake->reply, args, argc);
    } else if (!hf_command_check(command, args, argc, &fake->reply)) {
        HF_ASSERT(fake->reply.size != 0);
    } else if (strcmp(command->name, "scan") == 0) {
        run_scan(fake, args, argc);
    } else if (strcmp(command->name, "command") == 0) {
        hf_command_introspect(args, argc, &fake->reply, fake->view.proto);
    } else if (command->run == NULL) {
        hf_resp_error(&fake->reply, "ERR not in this test");
    } else {
        hf_call call = { args, argc, &fake->reply };
        fake->ran = command->run(&fake->view, &call);
        bool writes = (command->flags & (HF_COMMAND_WRITE | HF_COMMAND_COMMUTE)) != 0;
        HF_ASSERT(writes || fake->mutations.size == 0);
        HF_ASSERT(fake->ran == HF_RAN_OK || fake->mutations.size == 0);
        HF_ASSERT((fake->ran == HF_RAN_WAIT) == (fake->reply.size == 0));
        if (fake->ran == HF_RAN_OK && !fake->reply.failed) {
            apply(fake);
        }
    }
    HF_ASSERT(fake->reply.failed || fake->ran == HF_RAN_WAIT ||
              hf_resp_reply_size(hf_buf_view(&fake->reply)) == fake->reply.size);
}

void fake_do(fake_world *fake, const char *line)
{
    hf_resp_parser parser;
    hf_buf list;
    uint32_t used = 0;
    size_t size = strlen(line);
    uint8_t *data = malloc(size + 1);
    hf_bytes args[64];
    HF_ASSERT(data != NULL);
    memcpy(data, line, size);
    data[size] = '\n';
    hf_buf_open(&list, fake->heap);
    hf_resp_parser_open(&parser);
    hf_resp_state state = hf_resp_parse(&parser, data, (uint32_t)size + 1, &list, &used);
    HF_ASSERT(state == HF_RESP_COMMAND && parser.argc >= 1 && parser.argc <= 64);
    const hf_resp_arg *arg = (const hf_resp_arg *)(const void *)list.data;
    for (uint32_t i = 0; i < parser.argc; i++) {
        args[i] = hf_bytes_of(data + arg[i].offset, arg[i].size);
    }
    hf_buf_close(&list);
    fake_run(fake, args, parser.argc);
    free(data);
}

void fake_expect(fake_world *fake, const char *line, const char *reply)
{
    fake_do(fake, line);
    if (fake->reply.size != strlen(reply) ||
        memcmp(fake->reply.data, reply, fake->reply.size) != 0) {
        fprintf(stderr, "%s\n  gave   %.*s\n  not    %s\n", line, (int)fake->reply.size,
                (const char *)fake->reply.data, reply);
        abort();
    }
}
