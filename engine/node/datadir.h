/* hf_datadir: the data directory: one per node, locked, with a name, a version and a fixed number
 * of shards and of logs.
 *
 *     DIR/LOCK       held with flock as long as the process lives; "pid 4711\nstarted ...\n"
 *     DIR/HOLDFAST   who this is (below); written last when the directory is made
 *     DIR/core-NN/   one for each shard: checkpoints, and its log
 *     DIR/device-00/ the log of all shards, if they share one
 *
 * The identity file, text:
 *
 *     holdfast 1                      format version
 *     node 9f86d081884c7d65           random, never zero: names the logs, seeds the hashes
 *     shards 2
 *     log-per core                    or device: the shards share one log
 *     created 2026-11-21T13:45:00Z
 *     logs begun                      from the first time that the node was ready: from then on a
 *                                     log directory without files is data lost, not a first start
 *     crc32c 1a2b3c4d                 over all bytes before this line
 *
 * The last line is the same in every version to come, so that a newer format is told from damage.
 *
 * A directory is ours when HOLDFAST is there. Without it only an empty directory (or what a crash
 * left of making one) is taken; nothing in it is ever overwritten.
 *
 * Threads:    one; at start.
 */
#ifndef HF_NODE_DATADIR_H
#define HF_NODE_DATADIR_H
#include "engine/node/exit.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    HF_DATADIR_VERSION = 1,
    HF_DATADIR_IDENTITY = 4096, /* the file is never larger, in any version */
    HF_DATADIR_SHARDS_MAX = 64,
};

typedef struct hf_identity {
    uint64_t version;
    uint64_t node_id;
    uint64_t shards;
    bool log_shared;
    bool begun; /* every log has files, whose names are durable */
    char created[32];
} hf_identity;

typedef struct hf_datadir {
    const char *path; /* lent */
    int fd;
    int lock_fd; /* never a registered file: the kernel lets go of those late */
    bool made;   /* just now */
    hf_identity identity;
} hf_datadir;

/* Makes the directory if there is none, with this many shards, which share a log or not; locks it
 * and reads who it is.
 * LOCKED names the process that has it; VERSION, CORRUPT, CREATE, IO, PERMISSION as in exit.h;
 * CONFIG: it is somebody else's directory. */
HF_MUST_USE hf_exit hf_datadir_open(hf_datadir *dir, const char *path, uint16_t shards,
                                    bool log_shared, hf_problem *problem);
/* The node is ready: notes that its logs have begun, once. */
HF_MUST_USE hf_exit hf_datadir_begun(hf_datadir *dir, hf_problem *problem);
/* Lets go of the lock. */
void hf_datadir_close(hf_datadir *dir);

/* The identity file's text; answers its size. */
size_t hf_identity_format(const hf_identity *identity, char out[HF_DATADIR_IDENTITY]);
/* HF_E_CORRUPT, or HF_E_VERSION with identity->version set. */
HF_MUST_USE hf_err hf_identity_parse(hf_identity *identity, const char *text, size_t size);

#endif
