/* hf_shard: one core's share of the node: its ranges, table, log and locks; and the gateway of the
 * connections that this core serves.
 *
 * Data goes one way round: session -> gateway -> owner (evaluate on memory, append to the log) ->
 * held until durable -> gateway -> session. Nothing here waits: every step runs to its end and
 * leaves the rest to a message, a completion or a timer.
 *
 * Ownership:  everything lives in the region given at open; the shard never asks the system for
 * memory. Threads:    one core only; shards talk through hf_io_post.
 */
#ifndef HF_SHARD_SHARD_H
#define HF_SHARD_SHARD_H
#include "engine/base/error.h"
#include "engine/io/io.h"

typedef struct hf_shard hf_shard;

/* Where the shards' common log is, with log_shared; a shard's own files are in core-NN. */
#define HF_SHARD_DEVICE_DIR "device-00"

typedef struct hf_shard_config {
    uint64_t node_id; /* random, kept in the data directory: names logs and seeds hashes */
    uint64_t log_segment_bytes;
    uint64_t log_staging_bytes;
    uint64_t log_batch_bytes;
    uint32_t log_flushes; /* 1 or 2 in flight */
    bool log_shared;      /* one log for all shards, one for each otherwise; fixed for the life of a
                             data directory */
    uint64_t retention_ns;   /* how long old versions can be read */
    uint64_t outcome_ms;     /* how long the outcome of a client's id is kept */
    uint64_t lock_wait_ns;   /* longest wait for a lock, then -DEADLINE */
    uint64_t clock_ahead_ns; /* the log's horizon is so far ahead of timestamps that are told; the
                                clock may start so far ahead of the wall's */
    uint64_t push_ns; /* grace before a blocked older transaction asks a prepared one's anchor */
    uint64_t idle_txn_ns; /* an interactive transaction without a command is rolled back after it */
    uint64_t recovery_ns; /* target: a checkpoint is taken before replay would take longer */
    uint64_t replay_rate; /* bytes of log replayed a second, for the target above */
    uint32_t connections_max; /* of this shard */
    uint32_t pipeline_max;    /* requests of one connection under way */
    uint32_t timers_max;      /* requests that wait for a lock or to be tried again, and open
                                 transactions: what is beyond is told -BUSY */
    uint64_t output_max;      /* bytes a client may leave unread before it is cut off */
    /* Ranges of a new node, as "b,m,t": user keys from "b" on are a range of the second shard, and
     * so on in turn; NULL: one range, at the first shard. The same for the life of a data
     * directory. Lent. */
    const char *initial_splits;
    /* Small busy ranges are split and moved by themselves, from so many operations a second on and
     * where there are so many keys. 0 operations: never. */
    uint32_t balance_operations, balance_keys;
    const char *version; /* as INFO tells it; lent */
    uint64_t process_id; /* likewise; 0: not told */
} hf_shard_config;

hf_shard_config hf_shard_defaults(void);
/* Bytes of the region that a shard needs at least with this configuration. */
uint64_t hf_shard_least_bytes(const hf_shard_config *config);
/* NULL: the region is too small. `region` is 64 KiB aligned. */
HF_MUST_USE hf_shard *hf_shard_open(hf_io *io, void *region, uint64_t size,
                                    const hf_shard_config *config);
/* After its last turn: the region is the caller's again. */
void hf_shard_close(hf_shard *shard);
/* What the world calls, with the shard as context. */
const hf_io_handler *hf_shard_handler(void);

/* Stops taking new connections and requests, lets what runs end, flushes; then stopped() turns
 * true. */
void hf_shard_stop(hf_shard *shard);
bool hf_shard_stopped(const hf_shard *shard);
bool hf_shard_ready(const hf_shard *shard);
/* SHUTDOWN was asked for, at this shard or another: the node is to stop all of them. */
bool hf_shard_stop_requested(const hf_shard *shard);

typedef struct hf_shard_stats {
    uint64_t commands, txns, one_phase, two_phase, conflicts, refused, snapshots;
    uint64_t prepared; /* undecided now */
    uint64_t waiting;  /* requests that wait for a lock now */
    uint64_t held;     /* replies that wait for the disk now */
    uint64_t keys, versions, value_bytes;
    uint64_t memory_used, memory_size;
    uint64_t connections, connections_total;
    uint64_t log_records, log_batches, log_bytes, log_written, log_lag_bytes;
    uint64_t checkpoints, checkpoint_bytes, checkpoint_failures;
    uint64_t recovered_records;
    uint64_t expired_keys; /* whose memory was taken back */
    bool ready, no_space;
    bool checkpoint_failed; /* the last one */
} hf_shard_stats;
void hf_shard_stats_get(const hf_shard *shard, hf_shard_stats *stats);

/* Walks every structure and asserts its invariants (tests, simulator). */
void hf_shard_check(const hf_shard *shard);

#endif
