/* One log for all cores of a device, inside: what the cores and the log's owner say to each other.
 *
 * The owner is core 0. It has the hf_log of the device, and an entry for each core's stream. Each
 * core, core 0 as well, has an hf_log without segments (remote.c): records are collected, and
 * shipped once per turn. Core 0 calls itself, the others send messages.
 *
 *     append -> out --ship, once a turn--> the device's log -> flush
 *        ^                                       |
 *     on_durable <-------tell: durable up to ----'
 *
 * Two positions: a core's `position` counts the bytes of its own records, as if its log were its
 * own, and is what hf_log_append answers; it is logged with the record (range: core + 1, index: the
 * position behind the record). A `floor` is a position of the device's log: all records of the core
 * behind `position` lie behind `floor`. Checkpoints keep both; the log is cut at the least floor.
 *
 * Window: a core has at most `window` bytes that are not durable; the sum over the cores fits into
 * the device's staging. One core at a time may have `large` more: for a record (or a transaction)
 * that is larger than a window. So the owner never refuses what was shipped, and queues nothing.
 */
#ifndef HF_LOG_SHARE_H
#define HF_LOG_SHARE_H
#include "engine/base/buf.h"
#include "storage/log/log_impl.h"

enum {
    HF_LOG_MARKS_MAX = 64,
    HF_LOG_PENDING_MAX = 256,        /* ships of a core that are not durable, told apart */
    HF_LOG_REPLAY_CHUNK = 64 * 1024, /* records for a core are collected up to here */
    HF_LOG_REPLAY_WINDOW = 4 << 20,  /* so much is on its way to the cores at most */
    HF_LOG_SHARE_SLACK = 256 * 1024, /* room for batches smaller than they could be */
    HF_LOG_SHARE_KEPT = 1024 * 1024, /* of a message buffer's memory */
};
#define HF_LOG_RETRY_NS UINT64_C(1000000)  /* after a message found no memory */
#define HF_LOG_LARGE_NS UINT64_C(10000000) /* a large window that nobody uses goes back */

enum {
    /* to the owner */
    HF_LOG_SHARE_RECOVER =
        1,                 /* records above `position`; the device's log is needed from `floor` */
    HF_LOG_SHARE_WANT = 2, /* the large window */
    HF_LOG_SHARE_GIVE = 4, /* ... back */
    /* to a core */
    HF_LOG_SHARE_REPLAY = 8, /* records of a recovery, from `position` on */
    HF_LOG_SHARE_OPENED = 16,
    HF_LOG_SHARE_GRANT = 32, /* the large window */
    HF_LOG_SHARE_FULL = 64,
    HF_LOG_SHARE_NO_SPACE = 128,
};

/* Records follow: u32 size | u16 kind | u16 0 | data. */
typedef struct hf_log_share_msg {
    hf_msg head;
    uint64_t position; /* to a core: durable up to here */
    uint64_t floor;    /* to the owner: needed from here on; to a core: as of `position` */
    uint32_t flags;
    uint32_t zero;
} hf_log_share_msg;

enum { HF_LOG_SHARE_RECORD = 8 };

typedef struct hf_log_mark {
    uint64_t position, floor;
} hf_log_mark;

typedef struct hf_log_device hf_log_device;

/* A core's side. */
typedef struct hf_log_remote {
    hf_log_device *device; /* of core 0; NULL: it is reached by messages */
    hf_buf out;            /* the next message: hf_log_share_msg, then records */
    uint64_t appended, durable;
    uint64_t cut; /* counts messages to the device */
    uint64_t window, large;
    uint64_t floor; /* of the checkpoint in force */
    uint64_t seen;  /* the device's log was durable up to here when we last heard */
    hf_log_mark marks[HF_LOG_MARKS_MAX]; /* ascending; what floor() answers from */
    uint32_t mark_count;
    bool no_space, full;
    bool due;     /* something is to be told, records or not */
    bool wants;   /* the large window: to be asked for */
    bool asked;   /* ... was */
    bool granted; /* ... is ours */
    bool used;
    uint64_t granted_ns;
} hf_log_remote;

/* A ship lies between `begin` and `lsn` in the device's log. */
typedef struct hf_log_pending {
    uint64_t begin, lsn, position;
} hf_log_pending;

/* A core, as the owner sees it. */
typedef struct hf_log_stream {
    uint64_t from;    /* recovery: records at or below are not needed */
    uint64_t floor;   /* the device's log is needed from here on */
    uint64_t taken;   /* position behind the newest record that is in the device's log */
    uint64_t durable; /* of `taken` */
    uint64_t told_floor;
    hf_log_pending pending[HF_LOG_PENDING_MAX];
    uint32_t pending_first, pending_count;
    hf_buf out;    /* records to be replayed */
    uint64_t seen; /* recovery: position behind the newest record met; UINT64_MAX: none yet */
    bool asks;     /* has asked for recovery */
    bool wants;    /* the large window */
    bool due, grant_due, open_due;
} hf_log_stream;

struct hf_log_device {
    hf_log *core; /* core 0's own side */
    hf_log *log;  /* the device's */
    uint16_t cores;
    uint16_t asked;      /* cores that asked for recovery */
    int32_t holder;      /* of the large window; -1: nobody */
    uint16_t next;       /* whose turn it is to get it */
    uint32_t flags;      /* FULL, NO_SPACE: as everybody was told */
    uint64_t room_least; /* for all windows */
    uint64_t replaying;  /* bytes on their way to cores that recover */
    bool opened;
    hf_log_stream streams[];
};

/* remote.c */
hf_log *hf_log__remote_open(hf_heap *heap, hf_io *io, const hf_log_config *config,
                            const hf_log_handler *handler);
void hf_log__remote_recover(hf_log *log, uint64_t from, uint64_t floor);
hf_err hf_log__remote_append(hf_log *log, uint16_t kind, const hf_bytes *parts, uint32_t part_count,
                             uint64_t size, uint64_t *lsn);
bool hf_log__remote_admits(hf_log *log, uint64_t bytes);
bool hf_log__remote_reserve(hf_log *log, uint64_t size);
void hf_log__remote_turn(hf_log *log);
uint64_t hf_log__remote_deadline(const hf_log *log);
uint64_t hf_log__remote_floor(const hf_log *log, uint64_t lsn);
void hf_log__remote_truncate(hf_log *log, uint64_t floor);
hf_log_stats hf_log__remote_stats(const hf_log *log);
void hf_log__remote_told(hf_log *log, const hf_log_share_msg *msg);

/* device.c */
hf_log_device *hf_log__device_open(hf_log *core, uint64_t window);
void hf_log__device_take(hf_log_device *device, const hf_log_share_msg *msg);
void hf_log__device_back(hf_log_device *device, const hf_log_share_msg *msg);
uint64_t hf_log__device_kept(const hf_log_device *device);
void hf_log__device_turn(hf_log_device *device);
uint64_t hf_log__device_deadline(const hf_log_device *device);

#endif
