/* hf_disk: the simulated disk's contents: what is on the platter, and what only seems to be.
 *
 * A tree of names and files in memory. Each 512-byte sector has a current content (what a read
 * answers: the page cache) and, while it is dirty, the durable one below it. Names likewise: a
 * journal of changes since the last SYNC_DIR lies over the durable tree. A power loss draws what of
 * all this survives; a process kill takes nothing away. Time, latency and errors are not here:
 * world_disk.c.
 *
 * Ownership:  the disk owns files and names; hf_disk_hold keeps an unlinked file alive.
 * Paths:      relative, "core-00/x"; "", "." and "/" are the root.
 * Errors:     -errno, as the kernel would answer.
 */
#ifndef HF_TESTS_SIM_DISK_H
#define HF_TESTS_SIM_DISK_H
#include "tests/sim/world_prng.h"
#include <stdbool.h>
#include <stdint.h>

enum {
    HF_DISK_SECTOR = 512,
    HF_DISK_PATH_MAX = 255,
};

typedef struct hf_disk hf_disk;
typedef struct hf_disk_file hf_disk_file;

hf_disk *hf_disk_open(void);
void hf_disk_close(hf_disk *disk);
/* Most bytes in files; 0: no limit. May be lowered below what is used: only growth is refused. */
void hf_disk_limit(hf_disk *disk, uint64_t bytes);
uint64_t hf_disk_used(const hf_disk *disk);
/* Grows with each change: what a sync that begins now will cover. */
uint64_t hf_disk_sequence(const hf_disk *disk);

/* ---- Names
 * --------------------------------------------------------------------------------------- */

/* NULL: no such file (directories are not files). */
hf_disk_file *hf_disk_find(hf_disk *disk, const char *path);
int hf_disk_file_open(hf_disk *disk, const char *path, bool create, bool exclusive,
                      hf_disk_file **file);
int hf_disk_mkdir(hf_disk *disk, const char *path);
int hf_disk_rename(hf_disk *disk, const char *path, const char *path_to);
int hf_disk_unlink(hf_disk *disk, const char *path);
/* Changes of this directory made up to `sequence` become durable. A failed one makes nothing
 * durable, and later ones do not reach past what it lost: they answer -EIO, until a power loss. */
int hf_disk_sync_dir(hf_disk *disk, const char *path, uint64_t sequence, bool failed);
/* Such names are there: no process that starts now can make them durable. */
bool hf_disk_stuck(const hf_disk *disk);
/* Names in a directory, ascending. -ENOENT. */
int hf_disk_list(const hf_disk *disk, const char *path,
                 void (*name)(void *context, const char *name), void *context);
void hf_disk_hold(hf_disk_file *file);
void hf_disk_release(hf_disk *disk, hf_disk_file *file);
const char *hf_disk_file_path(const hf_disk *disk, const hf_disk_file *file); /* NULL: unlinked */

/* ---- Contents
 * ------------------------------------------------------------------------------------ */

uint64_t hf_disk_size(const hf_disk_file *file);
int64_t hf_disk_read(const hf_disk_file *file, uint64_t offset, void *data, uint64_t size);
/* Into the page cache: dirty until settled or synced. All or -ENOSPC. */
int64_t hf_disk_write(hf_disk *disk, hf_disk_file *file, uint64_t offset, const void *data,
                      uint64_t size);
/* Only those sectors for which the draw says so (how: see hf_disk_keep). What does not fit is left
 * out. */
void hf_disk_write_some(hf_disk *disk, hf_disk_file *file, uint64_t offset, const void *data,
                        uint64_t size, hf_world_prng *prng);
/* Contents undefined: `junk` fills what is new with drawn bytes, otherwise zeros. */
int hf_disk_allocate(hf_disk *disk, hf_disk_file *file, uint64_t size, hf_world_prng *junk);
/* The sectors of this range are durable, and the size to its end (a write with RWF_DSYNC). */
void hf_disk_settle(hf_disk *disk, hf_disk_file *file, uint64_t offset, uint64_t size);
/* All that was dirty at `sequence` is durable, and the size. */
void hf_disk_sync(hf_disk *disk, hf_disk_file *file, uint64_t sequence);
/* A failed flush, as ext4, XFS and Btrfs do it: dirty pages are marked clean, the cache shows them,
 * later syncs succeed and do not write them, a power loss brings the old content back. */
void hf_disk_sync_failed(hf_disk_file *file);
/* No sector of the range is dirty. */
bool hf_disk_is_durable(const hf_disk_file *file, uint64_t offset, uint64_t size);

/* ---- Crash
 * --------------------------------------------------------------------------------------- */

typedef struct hf_disk_losses {
    uint64_t sectors_lost, sectors_kept, names_lost, names_kept, sizes_lost;
} hf_disk_losses;

/* Draws what survives; afterwards everything that is there is durable. Held files must be released.
 */
void hf_disk_power_loss(hf_disk *disk, hf_world_prng *prng, hf_disk_losses *losses);

/* ---- By hand: platter and cache alike, durable at once
 * ------------------------------------------- */

/* Overwrites bytes within the file's size. -ENOENT, -EINVAL. */
int hf_disk_poke(hf_disk *disk, const char *path, uint64_t offset, const void *data, uint64_t size);
int hf_disk_flip(hf_disk *disk, const char *path, uint64_t offset, uint8_t mask);
void hf_disk_poke_file(hf_disk_file *file, uint64_t offset, const void *data, uint64_t size);
/* A clean sector of a linked file whose path contains `only` (NULL: any), with content other than
 * zeros if one is found soon. False: none. */
bool hf_disk_pick(hf_disk *disk, hf_world_prng *prng, const char *only, hf_disk_file **file,
                  uint64_t *offset);
/* A hash over all names, sizes and contents as read now. */
uint64_t hf_disk_hash(const hf_disk *disk);

#endif
