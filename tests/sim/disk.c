#include "tests/sim/disk.h"

#include "engine/base/assert.h"
#include "tests/sim/disk_impl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void *hf_disk__grow(void *at, uint32_t *room, uint32_t need, size_t size)
{
    if (need <= *room) {
        return at;
    }
    uint32_t more = *room == 0 ? 16 : *room;
    while (more < need) {
        more *= 2;
    }
    uint8_t *grown = realloc(at, more * size);
    HF_ASSERT(grown != NULL);
    memset(grown + *room * size, 0, (more - *room) * size);
    *room = more;
    return grown;
}

hf_disk *hf_disk_open(void)
{
    hf_disk *disk = calloc(1, sizeof *disk);
    HF_ASSERT(disk != NULL);
    disk->sequence = 1;
    return disk;
}

void hf_disk_close(hf_disk *disk)
{
    for (uint32_t i = 0; i < disk->journal_count; i++) {
        disk->journal[i].file->names--;
    }
    free(disk->journal);
    disk->journal = NULL;
    disk->journal_count = 0;
    hf_disk__tree_free(disk, &disk->current);
    hf_disk__tree_free(disk, &disk->durable);
    while (disk->files != NULL) { /* held ones */
        hf_disk__file_free(disk, disk->files);
    }
    while (disk->spare != NULL) {
        hf_disk__undo *undo = disk->spare;
        disk->spare = undo->next;
        free(undo);
    }
    free(disk);
}

void hf_disk_limit(hf_disk *disk, uint64_t bytes)
{
    disk->limit = bytes;
}

uint64_t hf_disk_used(const hf_disk *disk)
{
    return disk->used;
}

uint64_t hf_disk_sequence(const hf_disk *disk)
{
    return disk->sequence;
}

uint64_t hf_disk_size(const hf_disk_file *file)
{
    return file->size;
}

void hf_disk_hold(hf_disk_file *file)
{
    file->holds++;
}

void hf_disk__count(hf_disk *disk, hf_disk_file *file)
{
    bool counts = file->links != 0 || file->holds != 0;
    if (counts != file->counted) {
        disk->used = counts ? disk->used + file->reserved : disk->used - file->reserved;
        file->counted = counts;
    }
}

void hf_disk_release(hf_disk *disk, hf_disk_file *file)
{
    HF_ASSERT(file->holds > 0);
    file->holds--;
    hf_disk__count(disk, file);
    hf_disk__file_forget(disk, file);
}

/* ---- Chunks
 * -------------------------------------------------------------------------------------- */

static void disk_room(hf_disk_file *file, uint64_t end)
{
    uint32_t need = (uint32_t)((end + HF_DISK__CHUNK - 1) / HF_DISK__CHUNK);
    uint32_t room = file->chunk_count;
    file->chunks = hf_disk__grow(file->chunks, &room, need, sizeof *file->chunks);
    file->chunk_count = room;
}

static uint64_t disk_unreserved(const hf_disk_file *file, uint64_t offset, uint64_t size)
{
    uint64_t first = offset / HF_DISK__CHUNK;
    uint64_t last = (offset + size + HF_DISK__CHUNK - 1) / HF_DISK__CHUNK;
    uint64_t bytes = 0;
    for (uint64_t i = first; i < last; i++) {
        if (i >= file->chunk_count || !file->chunks[i].reserved) {
            bytes += HF_DISK__CHUNK;
        }
    }
    return bytes;
}

static bool disk_reserve(hf_disk *disk, hf_disk_file *file, uint64_t offset, uint64_t size)
{
    uint64_t more = disk_unreserved(file, offset, size);
    if (more != 0 && disk->limit != 0 && disk->used + more > disk->limit) {
        return false;
    }
    disk_room(file, offset + size);
    file->reserved += more;
    disk->used += file->counted ? more : 0;
    for (uint64_t i = offset / HF_DISK__CHUNK;
         more != 0 && i < (offset + size + HF_DISK__CHUNK - 1) / HF_DISK__CHUNK; i++) {
        file->chunks[i].reserved = true;
    }
    return true;
}

static uint8_t *disk_current(hf_disk__chunk *chunk)
{
    if (chunk->current == NULL) {
        chunk->current = calloc(1, HF_DISK__CHUNK);
        HF_ASSERT(chunk->current != NULL);
    }
    return chunk->current;
}

/* Marks one sector dirty, keeping its durable content below. */
static void disk_dirty(hf_disk *disk, hf_disk_file *file, uint32_t index, unsigned sector)
{
    hf_disk__chunk *chunk = &file->chunks[index];
    uint8_t *current = disk_current(chunk);
    if (chunk->undo == NULL) {
        chunk->undo = disk->spare;
        if (chunk->undo != NULL) {
            disk->spare = chunk->undo->next;
        } else {
            chunk->undo = malloc(sizeof *chunk->undo);
            HF_ASSERT(chunk->undo != NULL);
        }
    }
    if (!chunk->listed) {
        chunk->listed = true;
        file->dirty = hf_disk__grow(file->dirty, &file->dirty_room, file->dirty_count + 1,
                                    sizeof *file->dirty);
        file->dirty[file->dirty_count++] = index;
    }
    uint8_t bit = (uint8_t)(1u << sector);
    if ((chunk->dirty & bit) == 0) {
        memcpy(chunk->undo->bytes + sector * HF_DISK_SECTOR, current + sector * HF_DISK_SECTOR,
               HF_DISK_SECTOR);
        chunk->dirty |= bit;
        chunk->undo->since[sector] = disk->sequence;
    } else if (chunk->undo->since[sector] == UINT64_MAX) {
        chunk->undo->since[sector] = disk->sequence; /* dirtied anew after a failed flush */
    }
}

void hf_disk__clean(hf_disk *disk, hf_disk_file *file, uint32_t index, uint8_t sectors)
{
    hf_disk__chunk *chunk = &file->chunks[index];
    chunk->dirty &= (uint8_t)~sectors;
    if (chunk->dirty == 0 && chunk->undo != NULL) {
        chunk->undo->next = disk->spare;
        disk->spare = chunk->undo;
        chunk->undo = NULL;
    }
}

/* Drops the clean chunks from the list of dirty ones. */
static void disk_relist(hf_disk_file *file)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < file->dirty_count; i++) {
        hf_disk__chunk *chunk = &file->chunks[file->dirty[i]];
        if (chunk->dirty != 0) {
            file->dirty[kept++] = file->dirty[i];
        } else {
            chunk->listed = false;
        }
    }
    file->dirty_count = kept;
}

static void disk_size_to(hf_disk *disk, hf_disk_file *file, uint64_t size)
{
    if (size > file->size) {
        file->size = size;
        if (file->size_since == 0 || file->size_since == UINT64_MAX) {
            file->size_since = disk->sequence;
        }
    }
}

/* Writes what lies in one sector. */
static void disk_put(hf_disk *disk, hf_disk_file *file, uint64_t offset, const uint8_t *data,
                     uint64_t size)
{
    uint32_t index = (uint32_t)(offset / HF_DISK__CHUNK);
    uint64_t at = offset % HF_DISK__CHUNK;
    HF_ASSERT(at / HF_DISK_SECTOR == (at + size - 1) / HF_DISK_SECTOR);
    disk_dirty(disk, file, index, (unsigned)(at / HF_DISK_SECTOR));
    memcpy(file->chunks[index].current + at, data, size);
}

static uint64_t disk_in_sector(uint64_t offset, uint64_t left)
{
    uint64_t room = HF_DISK_SECTOR - offset % HF_DISK_SECTOR;
    return left < room ? left : room;
}

int64_t hf_disk_write(hf_disk *disk, hf_disk_file *file, uint64_t offset, const void *data,
                      uint64_t size)
{
    HF_PRE(!file->dir);
    if (size == 0) {
        return 0;
    }
    if (!disk_reserve(disk, file, offset, size)) {
        return -ENOSPC;
    }
    disk->sequence++;
    const uint8_t *from = data;
    for (uint64_t done = 0; done < size;) {
        uint64_t n = disk_in_sector(offset + done, size - done);
        disk_put(disk, file, offset + done, from + done, n);
        done += n;
    }
    disk_size_to(disk, file, offset + size);
    return (int64_t)size;
}

void hf_disk_write_some(hf_disk *disk, hf_disk_file *file, uint64_t offset, const void *data,
                        uint64_t size, hf_world_prng *prng)
{
    uint64_t mode = hf_world_prng_below(prng, 6);
    uint64_t sectors = (offset % HF_DISK_SECTOR + size + HF_DISK_SECTOR - 1) / HF_DISK_SECTOR;
    uint64_t cut = hf_world_prng_below(prng, sectors + 1);
    if (mode == 0 || size == 0 || !disk_reserve(disk, file, offset, size)) {
        return;
    }
    disk->sequence++;
    const uint8_t *from = data;
    uint64_t sector = 0;
    for (uint64_t done = 0; done < size; sector++) {
        uint64_t n = disk_in_sector(offset + done, size - done);
        bool keep = mode == 1   ? true
                    : mode == 2 ? sector < cut
                    : mode == 3 ? sector >= cut
                                : hf_world_prng_coin(prng);
        if (keep) {
            disk_put(disk, file, offset + done, from + done, n);
            disk_size_to(disk, file, offset + done + n);
        }
        done += n;
    }
}

int64_t hf_disk_read(const hf_disk_file *file, uint64_t offset, void *data, uint64_t size)
{
    HF_PRE(!file->dir);
    if (offset >= file->size) {
        return 0;
    }
    if (size > file->size - offset) {
        size = file->size - offset;
    }
    uint8_t *to = data;
    for (uint64_t done = 0; done < size;) {
        uint64_t index = (offset + done) / HF_DISK__CHUNK;
        uint64_t at = (offset + done) % HF_DISK__CHUNK;
        uint64_t n = HF_DISK__CHUNK - at < size - done ? HF_DISK__CHUNK - at : size - done;
        if (index < file->chunk_count && file->chunks[index].current != NULL) {
            memcpy(to + done, file->chunks[index].current + at, n);
        } else {
            memset(to + done, 0, n);
        }
        done += n;
    }
    return (int64_t)size;
}

int hf_disk_allocate(hf_disk *disk, hf_disk_file *file, uint64_t size, hf_world_prng *junk)
{
    HF_PRE(!file->dir);
    if (!disk_reserve(disk, file, 0, size)) {
        return -ENOSPC;
    }
    disk->sequence++;
    /* Undefined means the same on the platter: junk has no older content to fall back to. Only what
     * lies past the old end is new. */
    for (uint64_t at = (file->size + HF_DISK_SECTOR - 1) / HF_DISK_SECTOR * HF_DISK_SECTOR;
         junk != NULL && at < size; at += HF_DISK_SECTOR) {
        hf_disk__chunk *chunk = &file->chunks[at / HF_DISK__CHUNK];
        uint8_t *to = disk_current(chunk) + at % HF_DISK__CHUNK;
        uint64_t word = hf_world_prng_next(junk);
        for (uint64_t i = 0; i < HF_DISK_SECTOR; i += 8) {
            uint64_t value = word * (i + 1);
            memcpy(to + i, &value, 8);
        }
    }
    disk_size_to(disk, file, size);
    return 0;
}

/* ---- Durability
 * ---------------------------------------------------------------------------------- */

void hf_disk_settle(hf_disk *disk, hf_disk_file *file, uint64_t offset, uint64_t size)
{
    if (size == 0) {
        return;
    }
    uint64_t first = offset / HF_DISK_SECTOR;
    uint64_t last = (offset + size - 1) / HF_DISK_SECTOR;
    HF_PRE(last / HF_DISK__SECTORS < file->chunk_count);
    for (uint64_t s = first; s <= last; s++) {
        hf_disk__clean(disk, file, (uint32_t)(s / HF_DISK__SECTORS),
                       (uint8_t)(1u << (s % HF_DISK__SECTORS)));
    }
    disk_relist(file);
    uint64_t end = offset + size < file->size ? offset + size : file->size;
    if (file->size_durable < end) {
        file->size_durable = end;
    }
    if (file->size_durable == file->size) {
        file->size_since = 0;
    }
}

void hf_disk_sync(hf_disk *disk, hf_disk_file *file, uint64_t sequence)
{
    for (uint32_t i = 0; i < file->dirty_count; i++) {
        hf_disk__chunk *chunk = &file->chunks[file->dirty[i]];
        uint8_t covered = 0;
        for (unsigned s = 0; s < HF_DISK__SECTORS; s++) {
            uint8_t bit = (uint8_t)(1u << s);
            if ((chunk->dirty & bit) != 0 && chunk->undo->since[s] <= sequence) {
                covered |= bit;
            }
        }
        hf_disk__clean(disk, file, file->dirty[i], covered);
    }
    disk_relist(file);
    if (file->size_since != 0 && file->size_since <= sequence) {
        file->size_durable = file->size;
        file->size_since = 0;
    }
}

void hf_disk_sync_failed(hf_disk_file *file)
{
    for (uint32_t i = 0; i < file->dirty_count; i++) {
        hf_disk__chunk *chunk = &file->chunks[file->dirty[i]];
        for (unsigned s = 0; s < HF_DISK__SECTORS; s++) {
            if ((chunk->dirty & (1u << s)) != 0) {
                chunk->undo->since[s] = UINT64_MAX;
            }
        }
    }
    if (file->size_since != 0) {
        file->size_since = UINT64_MAX;
    }
}

bool hf_disk_is_durable(const hf_disk_file *file, uint64_t offset, uint64_t size)
{
    for (uint64_t s = offset / HF_DISK_SECTOR; s * HF_DISK_SECTOR < offset + size; s++) {
        uint64_t index = s / HF_DISK__SECTORS;
        if (index < file->chunk_count &&
            (file->chunks[index].dirty & (1u << (s % HF_DISK__SECTORS))) != 0) {
            return false;
        }
    }
    return offset + size <= file->size_durable;
}

/* Everything from `size` on reads as zeros, and is clean. */
void hf_disk__cut(hf_disk *disk, hf_disk_file *file, uint64_t size)
{
    for (uint64_t i = size / HF_DISK__CHUNK; i < file->chunk_count; i++) {
        hf_disk__chunk *chunk = &file->chunks[i];
        uint64_t from = i * HF_DISK__CHUNK < size ? size % HF_DISK__CHUNK : 0;
        if (chunk->current != NULL) {
            memset(chunk->current + from, 0, HF_DISK__CHUNK - from);
        }
        if (from == 0) {
            hf_disk__clean(disk, file, (uint32_t)i, 0xff);
            free(chunk->current);
            chunk->current = NULL;
            uint64_t bytes = chunk->reserved ? HF_DISK__CHUNK : 0;
            file->reserved -= bytes;
            disk->used -= file->counted ? bytes : 0;
            chunk->reserved = false;
        }
    }
    disk_relist(file);
    file->size = size;
}

void hf_disk__file_free(hf_disk *disk, hf_disk_file *file)
{
    for (hf_disk_file **at = &disk->files; *at != NULL; at = &(*at)->next) {
        if (*at == file) {
            *at = file->next;
            break;
        }
    }
    hf_disk__cut(disk, file, 0);
    free(file->chunks);
    free(file->dirty);
    free(file);
}

/* ---- By hand
 * ------------------------------------------------------------------------------------- */

void hf_disk_poke_file(hf_disk_file *file, uint64_t offset, const void *data, uint64_t size)
{
    HF_PRE(offset + size <= file->size);
    const uint8_t *from = data;
    for (uint64_t done = 0; done < size;) {
        uint64_t n = disk_in_sector(offset + done, size - done);
        hf_disk__chunk *chunk = &file->chunks[(offset + done) / HF_DISK__CHUNK];
        uint64_t at = (offset + done) % HF_DISK__CHUNK;
        memcpy(disk_current(chunk) + at, from + done, n);
        if ((chunk->dirty & (1u << (at / HF_DISK_SECTOR))) != 0) {
            memcpy(chunk->undo->bytes + at, from + done, n);
        }
        done += n;
    }
}

int hf_disk_poke(hf_disk *disk, const char *path, uint64_t offset, const void *data, uint64_t size)
{
    hf_disk_file *file = hf_disk_find(disk, path);
    if (file == NULL) {
        return -ENOENT;
    }
    if (size > file->size || offset > file->size - size) {
        return -EINVAL;
    }
    if (size != 0) {
        disk_room(file, offset + size);
        hf_disk_poke_file(file, offset, data, size);
    }
    return 0;
}

int hf_disk_flip(hf_disk *disk, const char *path, uint64_t offset, uint8_t mask)
{
    hf_disk_file *file = hf_disk_find(disk, path);
    if (file == NULL) {
        return -ENOENT;
    }
    uint8_t byte;
    if (hf_disk_read(file, offset, &byte, 1) != 1) {
        return -EINVAL;
    }
    byte ^= mask;
    return hf_disk_poke(disk, path, offset, &byte, 1);
}
