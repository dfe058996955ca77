/* holdfast log verify: reads every byte that a start would read, and says what is damaged, where,
 * and what that costs. */
#include "engine/base/heap.h"
#include "storage/table/mutation.h"
#include "tools/holdfast/store.h"
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>

enum { SPILL = 64 << 20, SCAN = 1 << 20, HEAP = 96 << 20, TEXT = 512 };

typedef struct verify {
    const hf_tool *tool;
    hf_store_core *core;
    hf_tree problems; /* list */
    hf_tree notes;    /* list of text */
    bool damaged, newer, unreadable;
    hf_checkpoint_manifest manifest;
    uint64_t lsn; /* from which a start replays */
    bool all;     /* ... which is not known: what is there is read */
    bool has_log; /* of its own */
    bool has_checkpoint;
    uint64_t entries, checkpoint_bytes;
    uint64_t records, batches, log_bytes;
    uint64_t lsn_first, lsn_last; /* of the log that is there */
    uint64_t bad_lsn;             /* the first record whose contents make no sense; 0: none */
    uint64_t bad_segment;
    uint64_t positions[HF_STORE_CORES_MAX]; /* of a common log: of the newest record; 0: none yet */
    char last_key[96];                      /* of the checkpoint file at hand */
} verify;

static hf_tree format(const char *format, ...) __attribute__((format(printf, 1, 2)));

static hf_tree format(const char *format, ...)
{
    va_list args;
    char *text = hf_tool_take(TEXT);
    va_start(args, format);
    (void)vsnprintf(text, TEXT, format, args);
    va_end(args);
    return hf_tree_text(text);
}

/* `lost`: what it costs. */
static void problem(verify *v, hf_err err, const char *file, uint64_t offset, hf_tree what,
                    hf_tree lost)
{
    hf_tree one = { .kind = HF_TREE_MAP };
    hf_store_progress_end();
    hf_tree_put(&one, "file", format("%s/%s", v->core->store->path, file));
    hf_tree_put(&one, "offset", hf_tree_integer((int64_t)offset));
    hf_tree_put(&one, "error", hf_tree_text(hf_err_name(err)));
    hf_tree_put(&one, "what", what);
    hf_tree_put(&one, "lost", lost);
    (void)hf_tree_add(&v->problems, one);
    v->newer = v->newer || err == HF_E_VERSION;
    v->unreadable = v->unreadable || err == HF_E_IO;
    v->damaged = v->damaged || (err != HF_E_VERSION && err != HF_E_IO);
}

static hf_tree with_numbers(const char *what, bool numbers, uint64_t found, uint64_t expected)
{
    return numbers ? format("%s (found %" PRIu64 ", expected %" PRIu64 ")", what, found, expected)
                   : hf_tree_text(what);
}

/* ---- The checkpoint -------------------------------------------------------------------------- */

static bool entry_is_good(verify *v, hf_bytes entry)
{
    hf_reader reader = hf_reader_of(entry);
    hf_mutation mutation;
    char *text = NULL;
    size_t size = 0;
    (void)hf_read_u64(&reader);
    if (!hf_mutation_next(&reader, &mutation) || hf_reader_left(&reader) != 0) {
        return false;
    }
    v->entries++;
    if (v->entries % 1024 != 1) {
        return true; /* the exact place is the block's number; the key is for orientation */
    }
    FILE *out = open_memstream(&text, &size);
    if (out != NULL && mutation.key.size != 0) {
        hf_tree_escape(hf_bytes_of(mutation.key.data + 1, mutation.key.size - 1), out);
    }
    if (out != NULL && fclose(out) == 0) {
        (void)snprintf(v->last_key, sizeof v->last_key, "%s", text);
    }
    free(text);
    return true;
}

static hf_tree entries_lost(const verify *v, uint32_t block, uint32_t blocks)
{
    return format("the values in blocks %" PRIu32 " to %" PRIu32 " of %" PRIu32
                  " of this file, about from key '%s' on, unless a later file or the log has "
                  "newer ones",
                  block, blocks - 1, blocks, v->last_key);
}

/* HF_OK, or `why` is set. */
static hf_err check_entries(verify *v, const hf_checkpoint_block *block,
                            hf_checkpoint_entries *entries, uint64_t offset, hf_checkpoint_why *why)
{
    hf_checkpoint_entries_block(entries, block);
    *why = (hf_checkpoint_why){ .err = HF_E_CORRUPT,
                                .offset = offset,
                                .what = "an entry of this block makes no sense" };
    for (;;) {
        hf_bytes entry;
        hf_err err = hf_checkpoint_entries_next(entries, &entry);
        if (err == HF_E_NOTFOUND) {
            return HF_OK;
        }
        if (err != HF_OK || !entry_is_good(v, entry)) {
            return HF_E_CORRUPT;
        }
    }
}

static void check_file(verify *v, const hf_checkpoint_file *file, hf_buf *spill, uint8_t *room)
{
    char name[HF_LOG_PATH_MAX];
    hf_checkpoint_entries entries;
    hf_checkpoint_why why = { .err = HF_E_CORRUPT };
    uint64_t offset = 0;
    hf_log_path(name, v->core->name, "checkpoint-", file->number);
    hf_checkpoint_entries_open(&entries, spill);
    memcpy(v->last_key, "(the first)", 12);
    if (!hf_store_file(v->core, name + strlen(v->core->name) + 1)) {
        problem(v, errno == ENOENT ? HF_E_CORRUPT : HF_E_IO, name, 0, hf_tree_text(strerror(errno)),
                entries_lost(v, 0, file->blocks));
        return;
    }
    for (uint32_t i = 0; i < file->blocks; i++) {
        size_t got;
        hf_checkpoint_block block;
        hf_store_progress(v->core, name + strlen(v->core->name) + 1, i, file->blocks);
        if (!hf_store_read(v->core, offset, room, HF_CHECKPOINT_BLOCK, &got)) {
            problem(v, HF_E_IO, name, offset, hf_tree_text(strerror(errno)),
                    entries_lost(v, i, file->blocks));
            return;
        }
        hf_err err = hf_checkpoint_block_decode(hf_bytes_of(room, got), offset, v->core->id,
                                                file->number, i, &block, &why);
        if (err == HF_OK && block.last != (i + 1 == file->blocks)) {
            why = (hf_checkpoint_why){ .err = HF_E_CORRUPT,
                                       .offset = offset,
                                       .what = "the file does not end where the manifest says" };
            err = HF_E_CORRUPT;
        }
        if (err == HF_OK) {
            err = check_entries(v, &block, &entries, offset, &why);
        }
        if (err != HF_OK) {
            problem(v, why.err, name, why.offset,
                    with_numbers(why.what, why.numbers, why.found, why.expected),
                    entries_lost(v, i, file->blocks));
            return;
        }
        offset += block.size;
    }
    v->checkpoint_bytes += offset;
    if (!hf_checkpoint_entries_ended(&entries)) {
        problem(v, HF_E_CORRUPT, name, offset, hf_tree_text("the file ends within an entry"),
                hf_tree_text("the last entry"));
    }
}

/* False: where the log is to be read from is not known. */
static bool check_checkpoint(verify *v, hf_heap *heap)
{
    static uint8_t manifest[2 * HF_CHECKPOINT_SLOT];
    static uint8_t room[HF_CHECKPOINT_BLOCK];
    char name[64];
    hf_checkpoint_choice choice;
    hf_checkpoint_why why;
    hf_buf spill;
    (void)snprintf(name, sizeof name, "%s/MANIFEST", v->core->name);
    hf_err err = hf_store_manifest(v->core, manifest, &choice, &why);
    if (err != HF_OK) {
        problem(v, err, name, why.offset,
                with_numbers(why.what, why.numbers, why.found, why.expected),
                hf_tree_text("which checkpoint counts: of this core only the log can be read"));
        return false;
    }
    if (choice.doubt) {
        (void)hf_tree_add(&v->notes,
                          format("%s: one of its two slots is damaged or was being written at a "
                                 "crash; the other one counts, and is whole",
                                 name));
    }
    if (choice.slot < 0) {
        return true;
    }
    v->manifest = choice.manifest;
    v->lsn = choice.manifest.lsn;
    hf_buf_open(&spill, heap);
    for (uint32_t i = 0; i < v->manifest.file_count; i++) {
        check_file(v, &v->manifest.files[i], &spill, room);
    }
    hf_buf_close(&spill);
    return true;
}

/* ---- The log --------------------------------------------------------------------------------- */

/* In a common log the records of each core follow each other without a gap. */
static bool follows(verify *v, const hf_log_record *record)
{
    bool common = v->core->number == HF_STORE_DEVICE;
    if (!common || record->range == 0 || record->range > HF_STORE_CORES_MAX) {
        return !common && record->range == 0;
    }
    uint64_t *newest = &v->positions[record->range - 1];
    uint64_t before = record->index - HF_LOG_RECORD_HEAD - record->data.size;
    bool good = *newest == 0 || *newest == before;
    *newest = record->index;
    return good;
}

static hf_err on_record(void *context, const hf_log_record *record)
{
    verify *v = context;
    hf_tree ignored = { .kind = HF_TREE_MAP };
    hf_tool_mark mark = hf_tool_marked();
    bool good = hf_entry_describe(record, &ignored) && follows(v, record);
    hf_tool_release(mark);
    v->records++;
    if (!good) {
        v->bad_lsn = record->lsn;
        return HF_E_CORRUPT;
    }
    return HF_OK;
}

static void on_batch(void *context, const hf_log_batch *batch)
{
    verify *v = context;
    v->lsn_first = v->batches == 0 ? batch->lsn : v->lsn_first;
    v->batches++;
    v->log_bytes += batch->block_size;
    v->lsn_last = batch->lsn + batch->payload_size;
}

typedef struct beyond {
    uint64_t batches, lsn;
} beyond;

/* What lies behind the damage: heads of batches that can be believed. */
static beyond look_beyond(verify *v, uint64_t segment, uint64_t offset)
{
    uint8_t *room = hf_tool_take(SCAN);
    beyond b = { 0 };
    for (uint32_t i = v->core->first; i < v->core->segment_count; i++) {
        char name[HF_LOG_PATH_MAX];
        size_t got = SCAN;
        uint64_t at = HF_LOG_SEGMENT_HEAD;
        if (v->core->segments[i] < segment) {
            continue;
        }
        if (v->core->segments[i] == segment) {
            at = (offset / HF_LOG_SECTOR + 1) * HF_LOG_SECTOR;
        }
        hf_log_path(name, "", "log-", v->core->segments[i]);
        if (!hf_store_file(v->core, name + 1)) {
            continue;
        }
        for (; got == SCAN && hf_store_read(v->core, at, room, SCAN, &got); at += SCAN) {
            for (size_t sector = 0; sector + HF_LOG_SECTOR <= got; sector += HF_LOG_SECTOR) {
                hf_log_batch batch;
                hf_log_why why;
                if (hf_log_batch_head(room + sector, &batch, &why) == HF_LOG_WHOLE &&
                    batch.segment == v->core->segments[i] && batch.offset == at + sector) {
                    b.batches++;
                    uint64_t end = batch.lsn + batch.payload_size;
                    b.lsn = end > b.lsn ? end : b.lsn;
                }
            }
        }
    }
    return b;
}

static void log_problem(verify *v, const hf_log_walk *walk, hf_err err)
{
    char name[HF_LOG_PATH_MAX];
    hf_log_why why = walk->why;
    uint64_t good = walk->place.lsn;
    if (v->bad_lsn != 0) {
        why = (hf_log_why){ .err = HF_E_CORRUPT,
                            .what = "a record is whole, and makes no sense to this binary",
                            .segment = walk->place.segment,
                            .offset = walk->place.offset };
        good = v->bad_lsn;
    }
    hf_log_path(name, v->core->name, "log-", why.segment);
    beyond b = err == HF_E_IO ? (beyond){ 0 } : look_beyond(v, why.segment, why.offset);
    hf_tree lost =
        b.batches == 0
            ? format("changes from log position %" PRIu64 " on: nothing that can be believed "
                     "follows",
                     good)
            : format("changes from log position %" PRIu64 " on; %" PRIu64
                     " batches up to position %" PRIu64 " follow, which a start cannot use "
                     "without what is damaged",
                     good, b.batches, b.lsn);
    problem(v, why.err == HF_OK ? err : why.err, name, why.offset,
            with_numbers(why.what, why.numbers, why.found, why.expected), lost);
}

static void check_log(verify *v)
{
    static hf_log_walk walk;
    const hf_store_core *core = v->core;
    hf_log_walk_handler handler = { .context = v, .on_record = on_record, .on_batch = on_batch };
    uint64_t newest = core->segment_count == 0 ? 0 : core->segments[core->segment_count - 1];
    uint64_t oldest = core->segment_count == 0 ? 1 : core->segments[core->first];
    uint64_t behind = core->spare > newest + 1 ? core->spare : v->lsn == 0 ? oldest : 1;
    if (behind != 1) { /* as a start looks at it: storage/log/recover.c */
        problem(v, HF_E_CORRUPT, core->name, 0,
                format("log segment %" PRIu64 " is missing, though the one behind it was begun",
                       behind - 1),
                hf_tree_text("what that segment held"));
    }
    if (core->segment_count == 0) {
        if (v->lsn != 0) {
            problem(v, HF_E_CORRUPT, core->name, 0,
                    format("no log segment is there, but the checkpoint needs the log from "
                           "position %" PRIu64 " on",
                           v->lsn),
                    hf_tree_text("every change since the checkpoint"));
        }
        return;
    }
    if (core->first != 0) {
        (void)hf_tree_add(&v->notes, format("%s: %" PRIu32 " old log segments before a gap: left "
                                            "over from a removal, not needed",
                                            core->name, core->first));
    }
    uint8_t *spill = hf_tool_grow(NULL, SPILL);
    hf_log_walk_open(&walk, &handler, core->id, core->segments[core->first],
                     core->segments[core->segment_count - 1], v->lsn, v->all, spill, SPILL);
    hf_err err = hf_store_walk(v->core, &walk);
    if (err != HF_OK) {
        log_problem(v, &walk, err);
    } else {
        v->lsn_last = walk.place.lsn;
        for (uint32_t i = 0; i <= HF_LOG_FLUSHES_MAX; i++) {
            if (walk.tail.dirty_to[i] > walk.tail.dirty_from[i]) {
                (void)hf_tree_add(
                    &v->notes,
                    format("%s/log-%016" PRIx64 ", offset %" PRIu64 ": the last write was cut off "
                           "by a crash: %" PRIu64 " bytes that nobody was told are safe; the next "
                           "start removes them",
                           core->name, walk.place.segment + i, walk.tail.dirty_from[i],
                           walk.tail.dirty_to[i] - walk.tail.dirty_from[i]));
            }
        }
    }
    free(spill);
}

/* ---- All of it ------------------------------------------------------------------------------- */

static hf_tree core_tree(const verify *v)
{
    hf_tree map = { .kind = HF_TREE_MAP };
    hf_tree checkpoint = { .kind = HF_TREE_MAP };
    hf_tree log = { .kind = HF_TREE_MAP };
    hf_tree_put(&map, "core", format("%s", v->core->name));
    hf_tree_put(&map, "good", hf_tree_boolean(!v->damaged && !v->newer && !v->unreadable));
    hf_tree_put(&checkpoint, "sequence", hf_tree_integer((int64_t)v->manifest.sequence));
    hf_tree_put(&checkpoint, "lsn", hf_tree_integer((int64_t)v->lsn));
    hf_tree_put(&checkpoint, "files", hf_tree_integer(v->manifest.file_count));
    hf_tree_put(&checkpoint, "entries", hf_tree_integer((int64_t)v->entries));
    hf_tree_put(&checkpoint, "bytes", hf_tree_integer((int64_t)v->checkpoint_bytes));
    hf_tree_put(&log, "segments",
                hf_tree_integer((int64_t)v->core->segment_count - v->core->first));
    hf_tree_put(&log, "batches", hf_tree_integer((int64_t)v->batches));
    hf_tree_put(&log, "bytes", hf_tree_integer((int64_t)v->log_bytes));
    hf_tree_put(&log, "records_to_replay", hf_tree_integer((int64_t)v->records));
    hf_tree_put(&log, "lsn_first", hf_tree_integer((int64_t)v->lsn_first));
    hf_tree_put(&log, "lsn_end", hf_tree_integer((int64_t)v->lsn_last));
    if (v->has_checkpoint) {
        hf_tree_put(&map, "checkpoint", checkpoint);
    }
    if (v->has_log) {
        hf_tree_put(&map, "log", log);
    }
    hf_tree_put(&map, "notes", v->notes);
    hf_tree_put(&map, "problems", v->problems);
    return map;
}

static const char *text_at(const hf_tree *map, const char *name)
{
    return (const char *)hf_tree_find(map, name)->text.data;
}

static void put_lines(const verify *v)
{
    (void)printf("%s: %s", v->core->name, v->problems.count == 0 ? "good" : "DAMAGED");
    if (v->has_checkpoint) {
        (void)printf(": checkpoint: %" PRIu32 " files, %" PRIu64 " entries", v->manifest.file_count,
                     v->entries);
    }
    if (v->has_log) {
        (void)printf("%s log: %" PRIu32 " segments, %" PRIu64 " batches, %" PRIu64
                     " records to replay, positions %" PRIu64 " to %" PRIu64,
                     v->has_checkpoint ? ";" : ":", v->core->segment_count - v->core->first,
                     v->batches, v->records, v->lsn_first, v->lsn_last);
    }
    (void)fputc('\n', stdout);
    for (size_t i = 0; i < v->notes.count; i++) {
        (void)printf("  note: %s\n", (const char *)v->notes.items[i].text.data);
    }
    for (size_t i = 0; i < v->problems.count; i++) {
        const hf_tree *one = &v->problems.items[i];
        (void)printf("  %s, offset %" PRId64 ": %s\n    lost: %s\n", text_at(one, "file"),
                     hf_tree_number(one, "offset"), text_at(one, "what"), text_at(one, "lost"));
    }
}

/* `least`, `unknown`: of the cores so far, where the common log is to be read from. */
static void verify_core(verify *v, hf_heap *heap, uint16_t number, uint64_t *least, bool *unknown)
{
    v->has_checkpoint = number != HF_STORE_DEVICE;
    v->has_log = !v->has_checkpoint || !v->core->store->log_shared;
    v->problems.kind = v->notes.kind = HF_TREE_LIST;
    if (!hf_store_core_open(v->core, v->core->store, number)) {
        problem(v, HF_E_IO, v->core->name, 0, hf_tree_text(strerror(errno)),
                hf_tree_text("whatever this core holds"));
        return;
    }
    if (!v->core->listed) {
        problem(v, HF_E_CORRUPT, v->core->name, 0, hf_tree_text("the directory is missing"),
                hf_tree_text("whatever this core held"));
        return;
    }
    if (v->has_checkpoint) {
        bool known = check_checkpoint(v, heap);
        *unknown = *unknown || !known;
        *least = v->lsn < *least ? v->lsn : *least;
    } else {
        v->lsn = *least == UINT64_MAX ? 0 : *least;
        v->all = *unknown || *least == UINT64_MAX;
    }
    if (v->has_log) {
        check_log(v);
    }
    hf_store_core_close(v->core);
}

int hf_tool_log_verify(const hf_tool *tool, const hf_store *store)
{
    static hf_store_core core;
    hf_tree cores = { .kind = HF_TREE_LIST };
    bool damaged = store->identity_fault[0] != '\0';
    bool newer = false;
    bool unreadable = false;
    void *region = aligned_alloc(64 * 1024, HEAP);
    if (region == NULL) {
        return hf_tool_say(HF_TOOL_SYSTEM, "no memory");
    }
    hf_heap *heap = hf_heap_open(region, HEAP);
    uint64_t least = UINT64_MAX;
    bool unknown = false;
    for (uint32_t i = 0; i < store->core_count; i++) {
        verify v = { .tool = tool, .core = &core };
        core.store = store;
        verify_core(&v, heap, store->cores[i], &least, &unknown);
        hf_store_progress_end();
        (void)hf_tree_add(&cores, core_tree(&v));
        if (!tool->json) {
            put_lines(&v);
            (void)fflush(stdout);
        }
        damaged = damaged || v.damaged;
        newer = newer || v.newer;
        unreadable = unreadable || v.unreadable;
    }
    hf_heap_close(heap);
    free(region);
    hf_tree all = { .kind = HF_TREE_MAP };
    hf_tree_put(&all, "path", hf_tree_text(store->path));
    hf_tree_put(&all, "good", hf_tree_boolean(!damaged && !newer && !unreadable));
    hf_tree_put(&all, "identity",
                hf_tree_text(store->identity_fault[0] == '\0' ? "good" : store->identity_fault));
    hf_tree_put(&all, "cores", cores);
    if (tool->json) {
        hf_tree_show(tool, &all);
    }
    if (store->identity_fault[0] != '\0') {
        (void)hf_tool_say(HF_TOOL_DAMAGED, "%s/HOLDFAST %s: no node starts without it", store->path,
                          store->identity_fault);
    }
    if (damaged) {
        return hf_tool_say(HF_TOOL_DAMAGED,
                           "%s is damaged. Nothing was changed, and no node will "
                           "start on it: go back to a copy that is whole",
                           store->path);
    }
    return newer        ? hf_tool_say(HF_TOOL_VERSION, "%s: use the holdfast of the node's version",
                                      store->path)
           : unreadable ? HF_TOOL_IO
                        : HF_TOOL_OK;
}
