#include "tools/holdfast/store.h"
#include "engine/base/assert.h"
#include "engine/base/text.h"
#include "engine/node/datadir.h"
#include "engine/shard/shard.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- The data directory ---------------------------------------------------------------------- */

static bool core_number(const char *name, uint16_t *number)
{
    uint64_t value;
    if (strcmp(name, HF_SHARD_DEVICE_DIR) == 0) {
        *number = HF_STORE_DEVICE;
        return true;
    }
    if (strncmp(name, "core-", 5) != 0 || strlen(name) != 7 || name[5] < '0' || name[5] > '9' ||
        name[6] < '0' || name[6] > '9') {
        return false;
    }
    value = (uint64_t)(name[5] - '0') * 10 + (uint64_t)(name[6] - '0');
    *number = (uint16_t)value;
    return value < HF_STORE_CORES_MAX;
}

/* Reads a small file as text. -1: there is none. */
static ssize_t small_file(int dir, const char *name, char *text, size_t size)
{
    int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return -1;
    }
    ssize_t got = read(fd, text, size - 1);
    (void)close(fd);
    text[got < 0 ? 0 : got] = '\0';
    return got;
}

static bool is_held(const hf_store *store, char *who, size_t size)
{
    /* Held until this process ends: no node starts meanwhile. */
    int fd = openat(store->dir, "LOCK", O_RDONLY | O_CLOEXEC);
    if (fd < 0 || flock(fd, LOCK_SH | LOCK_NB) == 0) {
        return false;
    }
    if (small_file(store->dir, "LOCK", who, size) > 0) {
        who[strcspn(who, "\n")] = '\0';
    }
    return true;
}

static int read_identity(hf_store *store)
{
    char text[HF_DATADIR_IDENTITY];
    hf_identity identity;
    ssize_t size = small_file(store->dir, "HOLDFAST", text, sizeof text);
    if (size < 0) {
        (void)snprintf(store->identity_fault, sizeof store->identity_fault, "cannot be read: %s",
                       strerror(errno));
        return HF_TOOL_OK;
    }
    hf_err err = hf_identity_parse(&identity, text, (size_t)size);
    if (err == HF_E_VERSION) {
        return hf_tool_say(HF_TOOL_VERSION,
                           "%s/HOLDFAST: format %" PRIu64 ", this binary reads up to %d: use the "
                           "holdfast that belongs to the node",
                           store->path, identity.version, HF_DATADIR_VERSION);
    }
    if (err != HF_OK) {
        (void)snprintf(store->identity_fault, sizeof store->identity_fault, "%s", "is damaged");
        return HF_TOOL_OK;
    }
    store->has_identity = true;
    store->node_id = identity.node_id;
    store->shards = identity.shards;
    store->log_shared = identity.log_shared;
    return HF_TOOL_OK;
}

static void list_cores(hf_store *store, DIR *dir)
{
    bool there[HF_STORE_CORES_MAX + 1] = { false };
    uint16_t number;
    for (const struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
        if (core_number(entry->d_name, &number)) {
            there[number] = true;
        }
    }
    store->log_shared = store->log_shared || there[HF_STORE_DEVICE];
    there[HF_STORE_DEVICE] = store->log_shared;
    for (uint16_t i = 0; i <= HF_STORE_CORES_MAX; i++) {
        if (there[i] || i < store->shards) {
            store->cores[store->core_count++] = i;
        }
    }
}

/* "DIR/core-01" is one core of DIR, "DIR/device-00" the log of all. */
static const char *split_core(const char *path, uint16_t *number)
{
    char *copy = hf_tool_take(strlen(path) + 3);
    size_t size = strlen(path);
    memcpy(copy, path, size + 1);
    while (size > 1 && copy[size - 1] == '/') {
        copy[--size] = '\0';
    }
    char *slash = strrchr(copy, '/');
    if (!core_number(slash == NULL ? copy : slash + 1, number)) {
        return NULL;
    }
    if (slash == NULL) {
        memcpy(copy, ".", 2);
    } else {
        slash[slash == copy] = '\0';
    }
    return copy;
}

int hf_store_open(hf_store *store, const char *path, bool force)
{
    char who[128] = "a process";
    uint16_t one = 0;
    const char *parent = split_core(path, &one);
    *store = (hf_store){ .path = parent != NULL ? parent : path, .dir = -1 };
    store->dir = open(store->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (store->dir < 0) {
        return hf_tool_say(HF_TOOL_IO, "%s: %s", store->path, strerror(errno));
    }
    if (is_held(store, who, sizeof who)) {
        if (!force) {
            return hf_tool_say(HF_TOOL_LOCKED,
                               "%s: %s holds it: what a node is writing looks damaged. Stop the "
                               "node, or look at a copy, or add --force",
                               store->path, who);
        }
        (void)hf_tool_say(HF_TOOL_OK,
                          "%s: %s holds it: the newest bytes are being written, and may look "
                          "damaged although they are not",
                          store->path, who);
    }
    int code = read_identity(store);
    if (code != HF_TOOL_OK) {
        return code;
    }
    if (parent != NULL) {
        store->cores[store->core_count++] = one;
        store->log_shared = store->log_shared || one == HF_STORE_DEVICE;
        return HF_TOOL_OK;
    }
    int copy = dup(store->dir);
    DIR *dir = copy < 0 ? NULL : fdopendir(copy);
    if (dir == NULL) {
        return hf_tool_say(HF_TOOL_IO, "%s: %s", store->path, strerror(errno));
    }
    list_cores(store, dir);
    (void)closedir(dir);
    if (store->core_count == 0) {
        return hf_tool_say(HF_TOOL_IO,
                           "%s: no data directory of Holdfast: neither HOLDFAST nor "
                           "core-00 is there",
                           store->path);
    }
    return HF_TOOL_OK;
}

/* ---- One core -------------------------------------------------------------------------------- */

static int by_number(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a;
    uint64_t right = *(const uint64_t *)b;
    return left < right ? -1 : left > right;
}

bool hf_store_core_open(hf_store_core *core, const hf_store *store, uint16_t number)
{
    core->store = store;
    core->number = number;
    core->fd = -1;
    core->segment_count = 0;
    core->spare = 0;
    core->first = 0;
    core->has_manifest = false;
    core->read_bytes = 0;
    core->id = store->node_id == 0 ? 0 : store->node_id * HF_DATADIR_SHARDS_MAX + number;
    (void)snprintf(core->name, sizeof core->name, "core-%02u", number);
    if (number == HF_STORE_DEVICE) {
        core->id = store->node_id == 0 ? 0 : ~(store->node_id * HF_DATADIR_SHARDS_MAX);
        memcpy(core->name, HF_SHARD_DEVICE_DIR, sizeof HF_SHARD_DEVICE_DIR);
    }
    int fd = openat(store->dir, core->name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    core->listed = dir != NULL;
    if (dir == NULL) {
        return errno == ENOENT;
    }
    for (const struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
        uint64_t found;
        if (strcmp(entry->d_name, "MANIFEST") == 0) {
            core->has_manifest = true;
        } else if (hf_log_name_number(entry->d_name, "log-", &found) && found != 0 &&
                   core->segment_count < HF_STORE_SEGMENTS_MAX) {
            core->segments[core->segment_count++] = found;
        } else if (hf_log_name_number(entry->d_name, "spare-", &found)) {
            core->spare = found > core->spare ? found : core->spare;
        }
    }
    (void)closedir(dir);
    qsort(core->segments, core->segment_count, sizeof core->segments[0], by_number);
    core->first = core->segment_count == 0 ? 0 : core->segment_count - 1;
    while (core->first != 0 && core->segments[core->first - 1] + 1 == core->segments[core->first]) {
        core->first--;
    }
    return true;
}

void hf_store_core_close(hf_store_core *core)
{
    if (core->fd >= 0) {
        (void)close(core->fd);
        core->fd = -1;
    }
    core->file[0] = '\0';
}

bool hf_store_file(hf_store_core *core, const char *name)
{
    char path[HF_STORE_PATH];
    (void)snprintf(path, sizeof path, "%s/%s", core->name, name);
    if (core->fd >= 0 && strcmp(core->file, path) == 0) {
        return true;
    }
    hf_store_core_close(core);
    memcpy(core->file, path, strlen(path) + 1);
    core->fd = openat(core->store->dir, path, O_RDONLY | O_CLOEXEC);
    return core->fd >= 0;
}

bool hf_store_read(hf_store_core *core, uint64_t offset, uint8_t *to, size_t size, size_t *got)
{
    *got = 0;
    while (*got < size) {
        ssize_t count = pread(core->fd, to + *got, size - *got, (off_t)(offset + *got));
        if (count < 0 && errno == EINTR) {
            continue;
        }
        if (count < 0) {
            return false;
        }
        if (count == 0) {
            break;
        }
        *got += (size_t)count;
    }
    core->read_bytes += *got;
    return true;
}

hf_err hf_store_manifest(hf_store_core *core, uint8_t bytes[2 * HF_CHECKPOINT_SLOT],
                         hf_checkpoint_choice *choice, hf_checkpoint_why *why)
{
    size_t got = 0;
    *choice = (hf_checkpoint_choice){ .slot = -1 };
    if (!core->has_manifest) {
        return HF_OK;
    }
    if (!hf_store_file(core, "MANIFEST") ||
        !hf_store_read(core, 0, bytes, (size_t)2 * HF_CHECKPOINT_SLOT, &got)) {
        *why = (hf_checkpoint_why){ .err = HF_E_IO, .what = strerror(errno) };
        return HF_E_IO;
    }
    return hf_checkpoint_choose(hf_bytes_of(bytes, got), core->id, choice, why);
}

hf_err hf_store_walk(hf_store_core *core, hf_log_walk *walk)
{
    uint8_t *window = hf_tool_grow(NULL, HF_LOG_WALK_WINDOW);
    hf_err err = HF_OK;
    while (err == HF_OK && walk->phase != HF_LOG_WALK_DONE) {
        char name[HF_LOG_PATH_MAX];
        size_t got = 0;
        hf_log_path(name, "", "log-", walk->want_segment); /* "/log-..." */
        HF_ASSERT(walk->want_size <= HF_LOG_WALK_WINDOW);
        if (!hf_store_file(core, name + 1) ||
            !hf_store_read(core, walk->want_offset, window, walk->want_size, &got)) {
            walk->why = (hf_log_why){ .err = HF_E_IO,
                                      .what = strerror(errno),
                                      .segment = walk->want_segment,
                                      .offset = walk->want_offset };
            err = HF_E_IO;
            break;
        }
        hf_store_progress(core, name + 1, walk->want_offset, walk->segment_bytes);
        err = hf_log_walk_feed(walk, hf_bytes_of(window, got));
    }
    free(window);
    return err;
}

/* ---- Progress -------------------------------------------------------------------------------- */

static bool progress_shown;

void hf_store_progress(const hf_store_core *core, const char *what, uint64_t at, uint64_t of)
{
    if (!isatty(STDERR_FILENO)) {
        return;
    }
    progress_shown = true;
    (void)fprintf(stderr, "\r%s/%s: %3u %%\033[K", core->name, what,
                  of == 0 ? 0 : (unsigned)(at >= of ? 100 : at * 100 / of));
}

void hf_store_progress_end(void)
{
    if (progress_shown) {
        (void)fputs("\r\033[K", stderr);
        progress_shown = false;
    }
}
