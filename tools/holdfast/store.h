/* hf_store: the files of a node that does not run: its data directory, or one core of it.
 *
 * Only reads, but for a lock on LOCK, so that no node starts meanwhile. Says itself what is wrong.
 */
#ifndef HF_TOOL_STORE_H
#define HF_TOOL_STORE_H
#include "storage/log/checkpoint_inspect.h"
#include "storage/log/walk.h"
#include "tools/holdfast/tree.h"

enum { HF_STORE_CORES_MAX = 64, HF_STORE_SEGMENTS_MAX = 4096, HF_STORE_PATH = 4096 };
enum { HF_STORE_DEVICE = HF_STORE_CORES_MAX }; /* the number of what is no core: the common log */

typedef struct hf_store {
    const char *path;
    int dir;                                /* of the data directory; -1: not open */
    bool has_identity;                      /* HOLDFAST is there and whole */
    uint64_t node_id;                       /* 0: not known */
    uint64_t shards;                        /* that there must be; 0: not known */
    bool log_shared;                        /* the cores have one log, which is looked at last */
    char identity_fault[256];               /* "": none */
    uint16_t cores[HF_STORE_CORES_MAX + 1]; /* to look at, ascending */
    uint32_t core_count;
} hf_store;

/* One core's files. */
typedef struct hf_store_core {
    const hf_store *store;
    char name[16]; /* "core-00"; "device-00" */
    uint16_t number;
    uint64_t id; /* 0: any */
    bool listed;
    bool has_manifest;
    uint64_t segments[HF_STORE_SEGMENTS_MAX]; /* ascending */
    uint32_t segment_count;
    uint64_t spare;           /* highest number of a segment that was begun; 0: none */
    uint32_t first;           /* in segments[]: from there on without a gap */
    char file[HF_STORE_PATH]; /* what is open now, with its path */
    int fd;
    uint64_t read_bytes;
} hf_store_core;

/* HF_TOOL_OK, or the code of what was said. `force`: look although a node runs. */
int hf_store_open(hf_store *store, const char *path, bool force);
/* Lists the core's files. False: said. */
bool hf_store_core_open(hf_store_core *core, const hf_store *store, uint16_t number);
void hf_store_core_close(hf_store_core *core);
/* Opens "core-00/NAME"; it stays open until another is wanted. False, errno: not. */
bool hf_store_file(hf_store_core *core, const char *name);
/* Up to `size` bytes at `offset` of the open file: fewer only at its end. False, errno: not. */
bool hf_store_read(hf_store_core *core, uint64_t offset, uint8_t *to, size_t size, size_t *got);
/* The chosen manifest: HF_OK, also when there is none (choice->slot -1). `bytes` holds the file. */
hf_err hf_store_manifest(hf_store_core *core, uint8_t bytes[2 * HF_CHECKPOINT_SLOT],
                         hf_checkpoint_choice *choice, hf_checkpoint_why *why);
/* Feeds the walk until it is done. HF_E_IO: said. */
hf_err hf_store_walk(hf_store_core *core, hf_log_walk *walk);
/* On a terminal, one line that is written over: what is being read. */
void hf_store_progress(const hf_store_core *core, const char *what, uint64_t at, uint64_t of);
void hf_store_progress_end(void);

/* Record and mutation as a tree; false: damaged (what could be read is in the tree). */
bool hf_entry_describe(const hf_log_record *record, hf_tree *map);
bool hf_mutations_check(hf_bytes mutations);

int hf_tool_log_verify(const hf_tool *tool, const hf_store *store);
int hf_tool_log_dump(const hf_tool *tool, const hf_store *store, uint64_t from);

#endif
