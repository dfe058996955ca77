/* holdfast log dump: the records of a log, one a line. And `holdfast log`, which chooses. */
#include "engine/base/text.h"
#include "tools/holdfast/store.h"
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

enum { SPILL = 64 << 20, VALUE_MAX = 64 };

typedef struct dump {
    const hf_tool *tool;
    const hf_store_core *core;
    uint64_t from;
    bool damaged;
} dump;

/* "name=value" for people; long values are cut. */
static void put_short(const hf_tree *tree)
{
    if (tree->kind == HF_TREE_TEXT) {
        bool cut = tree->text.size > VALUE_MAX;
        hf_tree_escape(hf_bytes_of(tree->text.data, cut ? VALUE_MAX : tree->text.size), stdout);
        if (cut) {
            (void)printf("...(%" PRIu32 " bytes)", tree->text.size);
        }
    } else {
        hf_tree_json(tree, stdout);
    }
}

static void put_change(const hf_tree *change)
{
    (void)fputs(" |", stdout);
    for (size_t i = 0; i < change->count; i += 2) {
        (void)fputc(' ', stdout);
        if (i > 2) { /* operation and key speak for themselves */
            (void)printf("%s=", (const char *)change->items[i].text.data);
        }
        put_short(&change->items[i + 1]);
    }
}

static void put_line(const char *core, const hf_tree *map)
{
    (void)fputs(core, stdout);
    for (size_t i = 0; i < map->count; i += 2) {
        const char *name = (const char *)map->items[i].text.data;
        const hf_tree *value = &map->items[i + 1];
        if (strcmp(name, "changes") == 0) {
            for (size_t k = 0; k < value->count; k++) {
                put_change(&value->items[k]);
            }
        } else if (strcmp(name, "kind") == 0) {
            (void)fputc(' ', stdout);
            put_short(value);
        } else {
            (void)printf(" %s=", name);
            put_short(value);
        }
    }
    (void)fputc('\n', stdout);
}

static hf_err on_record(void *context, const hf_log_record *record)
{
    dump *d = context;
    if (record->lsn <= d->from) {
        return HF_OK;
    }
    hf_tool_mark mark = hf_tool_marked();
    hf_tree map = { .kind = HF_TREE_MAP };
    char core[32];
    (void)snprintf(core, sizeof core, "%s", d->core->name);
    if (record->range != 0) { /* of a common log */
        (void)snprintf(core, sizeof core, "core-%02" PRIu64, record->range - 1);
    }
    if (d->tool->json) {
        hf_tree_put(&map, "core", hf_tree_text(core));
    }
    bool good = hf_entry_describe(record, &map);
    if (!good) {
        hf_tree_put(&map, "damaged", hf_tree_boolean(true));
        d->damaged = true;
    }
    if (d->tool->json) {
        hf_tree_json(&map, stdout);
        (void)fputc('\n', stdout);
    } else {
        put_line(core, &map);
    }
    hf_tool_release(mark);
    return ferror(stdout) ? HF_E_CLOSED : HF_OK;
}

static int dump_core(dump *d, hf_store_core *core, uint8_t *spill)
{
    static hf_log_walk walk;
    char name[HF_LOG_PATH_MAX];
    hf_log_walk_handler handler = { .context = d, .on_record = on_record };
    if (core->segment_count == 0) {
        return hf_tool_say(HF_TOOL_OK, "%s/%s: no log segment is there", core->store->path,
                           core->name);
    }
    hf_log_walk_open(&walk, &handler, core->id, core->segments[core->first],
                     core->segments[core->segment_count - 1], 0, true, spill, SPILL);
    hf_err err = hf_store_walk(core, &walk);
    hf_store_progress_end();
    if (err == HF_OK || err == HF_E_CLOSED) {
        return d->damaged ? HF_TOOL_DAMAGED : HF_TOOL_OK;
    }
    hf_log_path(name, core->name, "log-", walk.why.segment);
    (void)hf_tool_say(HF_TOOL_DAMAGED,
                      "%s/%s, offset %" PRIu64 ": %s. The dump ends here, at log "
                      "position %" PRIu64 "; holdfast log verify tells more",
                      core->store->path, name, walk.why.offset, walk.why.what, walk.place.lsn);
    return err == HF_E_IO ? HF_TOOL_IO : err == HF_E_VERSION ? HF_TOOL_VERSION : HF_TOOL_DAMAGED;
}

int hf_tool_log_dump(const hf_tool *tool, const hf_store *store, uint64_t from)
{
    static hf_store_core core;
    uint8_t *spill = hf_tool_grow(NULL, SPILL);
    int code = HF_TOOL_OK;
    for (uint32_t i = 0; i < store->core_count && !ferror(stdout); i++) {
        dump d = { .tool = tool, .core = &core, .from = from };
        int one = HF_TOOL_IO;
        if (store->log_shared && store->cores[i] != HF_STORE_DEVICE) {
            continue; /* checkpoints only */
        }
        if (hf_store_core_open(&core, store, store->cores[i])) {
            one = dump_core(&d, &core, spill);
        } else {
            (void)hf_tool_say(HF_TOOL_IO, "%s/%s: %s", store->path, core.name, strerror(errno));
        }
        code = one > code ? one : code;
        hf_store_core_close(&core);
    }
    free(spill);
    return code;
}

int hf_tool_log(const hf_tool *tool, int argc, char **argv)
{
    static hf_store store;
    bool force = false;
    uint64_t from = 0;
    const char *path = NULL;
    bool verify = argc > 1 && strcmp(argv[1], "verify") == 0;
    if (!verify && (argc < 2 || strcmp(argv[1], "dump") != 0)) {
        return hf_tool_misused(argv[0], "log takes dump or verify");
    }
    for (int i = 2; i < argc; i++) {
        if (strcmp(argv[i], "--force") == 0) {
            force = true;
        } else if (strcmp(argv[i], "--from") == 0 && !verify && i + 1 < argc &&
                   hf_text_u64(hf_bytes_of(argv[i + 1], strlen(argv[i + 1])), &from) == HF_OK) {
            i++;
        } else if (argv[i][0] == '-' || path != NULL) {
            return hf_tool_misused(argv[0], "log %s does not understand '%s'", argv[1], argv[i]);
        } else {
            path = argv[i];
        }
    }
    if (path == NULL) {
        return hf_tool_misused(argv[0], "log %s takes a data directory", argv[1]);
    }
    int code = hf_store_open(&store, path, force);
    if (code != HF_TOOL_OK) {
        return code;
    }
    return verify ? hf_tool_log_verify(tool, &store) : hf_tool_log_dump(tool, &store, from);
}
