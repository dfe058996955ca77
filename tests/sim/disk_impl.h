/* The inside of hf_disk, for disk.c (contents), disk_names.c (names) and disk_crash.c only. */
#ifndef HF_TESTS_SIM_DISK_IMPL_H
#define HF_TESTS_SIM_DISK_IMPL_H
#include "tests/sim/disk.h"
#include <stddef.h>

enum {
    HF_DISK__CHUNK = 4096,
    HF_DISK__SECTORS = HF_DISK__CHUNK / HF_DISK_SECTOR,
};

/* What is durable below a chunk with dirty sectors. */
typedef struct hf_disk__undo {
    struct hf_disk__undo *next;       /* while spare */
    uint64_t since[HF_DISK__SECTORS]; /* sequence of the first write since it was durable;
                                         UINT64_MAX: a failed flush let go of it */
    uint8_t bytes[HF_DISK__CHUNK];
} hf_disk__undo;

typedef struct hf_disk__chunk {
    uint8_t *current;    /* NULL: zeros */
    hf_disk__undo *undo; /* not NULL when dirty */
    uint8_t dirty;       /* one bit per sector */
    bool listed;         /* in the file's list of dirty chunks */
    bool reserved;       /* counted in used */
} hf_disk__chunk;

struct hf_disk_file {
    hf_disk_file *next; /* all files of the disk, newest first */
    uint64_t number;
    uint64_t size;
    uint64_t size_durable;
    uint64_t size_since; /* as a sector's since; 0: size is durable */
    hf_disk__chunk *chunks;
    uint32_t chunk_count;
    uint32_t *dirty; /* chunk indexes */
    uint32_t dirty_count, dirty_room;
    uint32_t holds;    /* handles and operations */
    uint32_t names;    /* in the two trees and the journal */
    uint32_t links;    /* in the current tree */
    uint64_t reserved; /* bytes; part of the disk's used while counted */
    bool counted;
    bool dir;
};

typedef struct hf_disk__name {
    char path[HF_DISK_PATH_MAX + 1];
    hf_disk_file *file;
} hf_disk__name;

typedef struct hf_disk__tree { /* ascending by path */
    hf_disk__name *names;
    uint32_t count, room;
} hf_disk__tree;

typedef enum hf_disk__change_kind {
    HF_DISK__LINK,
    HF_DISK__UNLINK,
    HF_DISK__RENAME,
} hf_disk__change_kind;

typedef struct hf_disk__change {
    uint64_t sequence;
    hf_disk__change_kind kind;
    bool stuck; /* a failed SYNC_DIR lost it: later ones fail, until a power loss */
    char path[HF_DISK_PATH_MAX + 1];
    char path_to[HF_DISK_PATH_MAX + 1];
    hf_disk_file *file;
} hf_disk__change;

struct hf_disk {
    hf_disk_file *files;
    hf_disk__undo *spare;
    hf_disk__tree current, durable;
    hf_disk__change *journal;
    uint32_t journal_count, journal_room;
    uint64_t sequence, limit, used, file_count;
};

void *hf_disk__grow(void *at, uint32_t *room, uint32_t need, size_t size);
void hf_disk__path(char *to, const char *path);       /* normal form */
bool hf_disk__parent(const char *path, char *parent); /* false: the root has none */
hf_disk__name *hf_disk__tree_find(const hf_disk__tree *tree, const char *path);
void hf_disk__tree_free(hf_disk *disk, hf_disk__tree *tree);
void hf_disk__tree_reset(hf_disk *disk); /* current, empty before, becomes as durable */
void hf_disk__apply(hf_disk *disk, hf_disk__tree *tree, const hf_disk__change *change);
void hf_disk__change_end(hf_disk *disk, hf_disk__change *change);
bool hf_disk__crosses(const hf_disk__change *change); /* a rename between two directories */
bool hf_disk__concerns(const hf_disk__change *change, const char *dir);
void hf_disk__file_forget(hf_disk *disk,
                          hf_disk_file *file); /* frees it when nothing refers to it */

void hf_disk__clean(hf_disk *disk, hf_disk_file *file, uint32_t chunk, uint8_t sectors);
/* Space counts while a name or a holder is there, however long the journal remembers the file. */
void hf_disk__count(hf_disk *disk, hf_disk_file *file);
void hf_disk__cut(hf_disk *disk, hf_disk_file *file, uint64_t size);
void hf_disk__file_free(hf_disk *disk, hf_disk_file *file);

#endif
