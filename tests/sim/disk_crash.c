/* What a power loss leaves, and damage at rest. */
#include "engine/base/assert.h"
#include "tests/sim/disk_impl.h"

#include <stdlib.h>
#include <string.h>

/* One draw for a whole file or directory: extremes are as likely as mixtures. */
typedef enum crash_mode {
    CRASH_ALL,
    CRASH_NONE,
    CRASH_SOME,
    CRASH_MODES,
} crash_mode;

/* How many of `count` pending changes survive: a prefix. */
static uint32_t crash_prefix(hf_world_prng *prng, uint32_t count)
{
    uint64_t mode = hf_world_prng_below(prng, CRASH_MODES);
    uint32_t some = (uint32_t)hf_world_prng_below(prng, count + 1);
    return mode == CRASH_ALL ? count : mode == CRASH_NONE ? 0 : some;
}

/* Each directory keeps a prefix of its own changes; a rename between directories makes it one
 * order. */
static void crash_journal(hf_disk *disk, hf_world_prng *prng, hf_disk_losses *losses)
{
    uint32_t count = disk->journal_count;
    bool one_order = false;
    for (uint32_t i = 0; i < count; i++) {
        one_order = one_order || hf_disk__crosses(&disk->journal[i]);
    }
    bool *seen = calloc(count + 1, sizeof *seen);
    HF_ASSERT(seen != NULL);
    for (uint32_t i = 0; i < count; i++) {
        if (seen[i]) {
            continue;
        }
        char dir[HF_DISK_PATH_MAX + 1];
        hf_disk__parent(disk->journal[i].path, dir);
        uint32_t members = 0;
        for (uint32_t j = i; j < count; j++) {
            members += one_order || hf_disk__concerns(&disk->journal[j], dir);
        }
        uint32_t keep = crash_prefix(prng, members);
        losses->names_kept += keep;
        losses->names_lost += members - keep;
        for (uint32_t j = i; j < count; j++) {
            if (one_order || hf_disk__concerns(&disk->journal[j], dir)) {
                seen[j] = true;
                if (keep > 0) {
                    keep--;
                    hf_disk__apply(disk, &disk->durable, &disk->journal[j]);
                }
            }
        }
    }
    free(seen);
    for (uint32_t i = 0; i < count; i++) {
        hf_disk__change_end(disk, &disk->journal[i]);
    }
    disk->journal_count = 0;
}

/* A directory whose own name was lost takes all below it along. */
static void crash_orphans(hf_disk *disk)
{
    hf_disk__tree whole = { 0 };
    for (uint32_t i = 0; i < disk->durable.count; i++) {
        hf_disk__name *name = &disk->durable.names[i];
        char parent[HF_DISK_PATH_MAX + 1];
        hf_disk__parent(name->path, parent);
        if (parent[0] == '\0' || hf_disk__tree_find(&whole, parent) != NULL) {
            whole.names =
                hf_disk__grow(whole.names, &whole.room, whole.count + 1, sizeof *whole.names);
            whole.names[whole.count++] = *name;
            name->file->names++;
        }
    }
    hf_disk__tree_free(disk, &disk->durable);
    hf_disk__tree_free(disk, &disk->current);
    disk->durable = whole;
    hf_disk__tree_reset(disk);
}

static void crash_file(hf_disk *disk, hf_disk_file *file, hf_world_prng *prng,
                       hf_disk_losses *losses)
{
    uint64_t mode = hf_world_prng_below(prng, CRASH_MODES);
    for (uint32_t i = 0; i < file->dirty_count; i++) {
        hf_disk__chunk *chunk = &file->chunks[file->dirty[i]];
        for (unsigned s = 0; s < HF_DISK__SECTORS; s++) {
            if ((chunk->dirty & (1u << s)) == 0) {
                continue;
            }
            bool keep = mode == CRASH_ALL || (mode == CRASH_SOME && hf_world_prng_coin(prng));
            /* What a failed flush let go of is never written. */
            if (keep && chunk->undo->since[s] != UINT64_MAX) {
                losses->sectors_kept++;
                continue;
            }
            losses->sectors_lost++;
            memcpy(chunk->current + s * HF_DISK_SECTOR, chunk->undo->bytes + s * HF_DISK_SECTOR,
                   HF_DISK_SECTOR);
        }
        hf_disk__clean(disk, file, file->dirty[i], 0xff);
        chunk->listed = false;
    }
    file->dirty_count = 0;
    uint64_t some = hf_world_prng_between(prng, file->size_durable, file->size);
    uint64_t which = hf_world_prng_below(prng, 3);
    if (file->size_since != 0) {
        uint64_t size = file->size_since == UINT64_MAX || which == 0 ? file->size_durable
                        : which == 1                                 ? file->size
                                                                     : some;
        losses->sizes_lost += size < file->size;
        hf_disk__cut(disk, file, size);
    }
    file->size_durable = file->size;
    file->size_since = 0;
}

void hf_disk_power_loss(hf_disk *disk, hf_world_prng *prng, hf_disk_losses *losses)
{
    disk->sequence++;
    crash_journal(disk, prng, losses);
    crash_orphans(disk);
    for (hf_disk_file *file = disk->files; file != NULL; file = file->next) {
        HF_PRE(file->holds == 0);
        HF_ASSERT(file->names > 0);
        crash_file(disk, file, prng, losses);
    }
}

/* ---- Damage at rest
 * ------------------------------------------------------------------------------ */

static bool pick_is_zeros(const uint8_t *sector)
{
    for (unsigned i = 0; i < HF_DISK_SECTOR; i++) {
        if (sector[i] != 0) {
            return false;
        }
    }
    return true;
}

bool hf_disk_pick(hf_disk *disk, hf_world_prng *prng, const char *only, hf_disk_file **file,
                  uint64_t *offset)
{
    uint64_t total = 0;
    for (uint32_t i = 0; i < disk->current.count; i++) {
        const hf_disk__name *name = &disk->current.names[i];
        if (only == NULL || strstr(name->path, only) != NULL) {
            total += name->file->size / HF_DISK_SECTOR;
        }
    }
    bool found = false;
    for (int tries = 0; tries < 32 && total != 0; tries++) {
        uint64_t sector = hf_world_prng_below(prng, total);
        for (uint32_t i = 0; i < disk->current.count; i++) {
            const hf_disk__name *name = &disk->current.names[i];
            uint64_t sectors = name->file->size / HF_DISK_SECTOR;
            if (only != NULL && strstr(name->path, only) == NULL) {
                continue;
            }
            if (sector >= sectors) {
                sector -= sectors;
                continue;
            }
            uint64_t at = sector * HF_DISK_SECTOR;
            uint8_t content[HF_DISK_SECTOR];
            if (!hf_disk_is_durable(name->file, at, HF_DISK_SECTOR)) {
                break;
            }
            (void)hf_disk_read(name->file, at, content, sizeof content);
            *file = name->file;
            *offset = at;
            found = true;
            if (!pick_is_zeros(content)) {
                return true;
            }
            break;
        }
    }
    return found;
}

uint64_t hf_disk_hash(const hf_disk *disk)
{
    uint64_t h = 0;
    uint8_t chunk[HF_DISK__CHUNK];
    for (uint32_t i = 0; i < disk->current.count; i++) {
        const hf_disk__name *name = &disk->current.names[i];
        h = hf_world_hash(h, name->path, strlen(name->path));
        h = hf_world_hash(h, &name->file->size, sizeof name->file->size);
        for (uint64_t at = 0; !name->file->dir && at < name->file->size; at += sizeof chunk) {
            int64_t n = hf_disk_read(name->file, at, chunk, sizeof chunk);
            h = hf_world_hash(h, chunk, (uint64_t)n);
        }
    }
    return h;
}
