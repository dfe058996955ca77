/* hf_groups, inside: for the module alone. */
#ifndef HF_GROUPS_GROUPS_IMPL_H
#define HF_GROUPS_GROUPS_IMPL_H
#include "engine/base/assert.h"
#include "engine/base/buf.h"
#include "engine/base/list.h"
#include "engine/base/map.h"
#include "engine/base/prng.h"
#include "engine/base/timer.h"
#include "txn/groups/groups.h"
#include "txn/raft/packet.h"

enum {
    HF_GROUPS__RECORD_HEAD = 80,
    HF_GROUPS__ENTRIES_MAX = HF_RAFT_ENTRIES_MAX + HF_RAFT_MADE_MAX, /* of one write */
    HF_GROUPS__PARTS_MAX = 1 + 2 * HF_GROUPS__ENTRIES_MAX,
};

/* The bytes of an entry. What is given up may be in a packet yet, and goes when that is sent. */
typedef struct hf_groups__block {
    struct hf_groups__block *next;
    uint8_t bytes[];
} hf_groups__block;

typedef struct hf_groups__entry {
    uint64_t term;
    uint32_t kind; /* hf_raft_entry_kind */
    uint32_t size;
    hf_groups__block *block; /* NULL: no bytes */
} hf_groups__entry;

/* A group's log behind its snapshot: a ring. */
typedef struct hf_groups__log {
    uint64_t base, base_term;
    hf_raft_config base_config; /* in force at `base` */
    hf_groups__entry *entries;
    uint32_t head, count, capacity; /* capacity: a power of two, or 0 */
} hf_groups__log;

/* A message that waits for a write. */
typedef struct hf_groups__held {
    struct hf_groups__held *next;
    hf_raft_message message;
} hf_groups__held;

/* A record on its way to the disk, in two queues: of all, in the order of the log, and of its
 * group. */
typedef struct hf_groups__write {
    hf_list all, own;
    struct hf_groups__group *group;
    uint64_t lsn;
    uint64_t number;      /* as the machine counts; 0: not the machine's */
    uint64_t first, last; /* the log from `first` on is as it says */
    hf_groups__held *held, *held_last;
} hf_groups__write;

enum { /* what a group still has to be told, when there is room for what it may answer */
       HF_GROUPS__TICK = 1,
       HF_GROUPS__LIVENESS = 2,
       HF_GROUPS__PERSISTED = 4,
       HF_GROUPS__APPLIED = 8,
};

typedef struct hf_groups__group {
    uint64_t id;
    hf_raft *raft; /* NULL before the start */
    hf_raft_limits limits;
    hf_raft_start disk; /* until the start: as the records say; then `term`, `vote`, `nonce` */
    hf_groups__log log;
    hf_list writes; /* hf_groups__write.own, oldest first */
    hf_list work;   /* on hf_groups.work, when it owes */
    hf_list beside; /* on the list of its leader */
    hf_timer timer;
    uint32_t owes;
    uint32_t liveness; /* peers that changed: bits by their places in hf_groups.peer */
    uint32_t leader;
    hf_raft_role role;
    uint64_t persisted, persisted_last;
    uint64_t applied;
    bool removed; /* its writes are still on their way */
} hf_groups__group;

typedef struct hf_groups__peer {
    uint32_t node;
    hf_list led; /* groups that it leads */
    hf_raft_packet packet;
    uint8_t *heads;
    hf_bytes *parts;
} hf_groups__peer;

/* What one step may put into the log. */
typedef struct hf_groups__source {
    const hf_raft_said *said;  /* what came, or NULL */
    const hf_bytes *proposals; /* or what is proposed */
    uint32_t count;
    hf_groups__block **blocks; /* copies of their bytes, NULL where there are none */
} hf_groups__source;

struct hf_groups {
    hf_groups_config config;
    hf_groups_handler handler;
    hf_heap *heap;
    hf_map by_id;
    hf_map gone;      /* groups that were removed here: the last term of each */
    uint32_t returns; /* replicas that came back in this start */
    hf_timers timers;
    hf_prng prng;
    hf_liveness live;
    uint64_t live_at;
    uint64_t now;
    hf_list writes; /* hf_groups__write.all */
    hf_list work;
    hf_list leaderless, led_here;
    hf_groups__peer *peer[HF_LIVENESS_PEERS_MAX]; /* NULL: nobody */
    hf_groups__block *given;                      /* when the packets are sent */
    hf_groups__block *spare[HF_RAFT_MADE_MAX];    /* for configurations that a machine makes */
    hf_groups__write *spare_write;
    bool started;
    bool inside;               /* a handler is being called */
    hf_groups__group *stalled; /* its record was refused: `update` and `parts` wait, */
    uint64_t stalled_at;       /* ... since */
    hf_groups_stats stats;
    hf_raft_update update;
    hf_raft_said said;
    hf_raft_said out; /* of an append that goes out: entries, payloads, members */
    uint8_t record_heads[HF_GROUPS__RECORD_HEAD + HF_RAFT_CONFIG_SIZE_MAX +
                         HF_GROUPS__ENTRIES_MAX * HF_RAFT_ENTRY_HEAD];
    hf_bytes parts[HF_GROUPS__PARTS_MAX];
    uint32_t part_count;
    hf_groups__block *copies[HF_RAFT_ENTRIES_MAX];
};

/* ---- entries.c ---- */

static inline uint64_t hf_groups__last(const hf_groups__log *log)
{
    return log->base + log->count;
}
/* The entry at an index that the log has. */
hf_groups__entry *hf_groups__at(const hf_groups__log *log, uint64_t index);
uint64_t hf_groups__term_at(const hf_groups__log *log, uint64_t index);
/* The members in force at an index. */
hf_raft_config hf_groups__members_at(const hf_groups__log *log, uint64_t index);
bool hf_groups__log_reserve(hf_groups *gs, hf_groups__log *log, uint32_t more);
void hf_groups__log_push(hf_groups *gs, hf_groups__log *log, hf_groups__entry entry);
/* What follows `index` goes. */
void hf_groups__log_cut(hf_groups *gs, hf_groups__log *log, uint64_t index);
/* What is at or before `index` goes, all of it if the log ends before: the log begins there. */
void hf_groups__log_drop(hf_groups *gs, hf_groups__log *log, uint64_t index, uint64_t term,
                         const hf_raft_config *config);
/* An empty log needs no ring until something comes. */
void hf_groups__log_rest(hf_groups *gs, hf_groups__log *log);
void hf_groups__log_close(hf_groups *gs, hf_groups__log *log);
/* What a step sees of the log: what it has, and behind that what is proposed in the step. */
typedef struct hf_groups__sight {
    const hf_groups__log *log;
    const hf_groups__source *source;
} hf_groups__sight;
uint64_t hf_groups__within(const void *sight, uint64_t first, uint64_t last, uint64_t bytes);
hf_groups__block *hf_groups__block_of(hf_groups *gs, hf_bytes bytes); /* NULL: no memory */
void hf_groups__give(hf_groups *gs, hf_groups__block *block);
void hf_groups__give_all(hf_groups *gs);

/* ---- record.c ---- */

enum {
    HF_GROUPS__HARD = 1,
    HF_GROUPS__INSTALL = 2, /* snapshot: the log begins behind it */
    HF_GROUPS__WHOLE = 4,   /* this is all there is of the group */
    HF_GROUPS__GONE = 8,
};

typedef struct hf_groups__record {
    uint32_t flags, vote;
    uint64_t term, nonce;
    uint64_t index, log_term; /* of the snapshot */
    const hf_raft_config *config;
    uint64_t first, last; /* the log from `first` on is the entries that follow, to `last` */
} hf_groups__record;

/* Of a group that goes: its term stays. */
static inline hf_groups__record hf_groups__gone_record(uint64_t term)
{
    return (
        hf_groups__record){ .flags = HF_GROUPS__HARD | HF_GROUPS__GONE, .term = term, .first = 1 };
}

/* Entries first..last are those of `log`. Fills parts, with heads in `heads`. Answers how many. */
uint32_t hf_groups__record_write(const hf_groups__record *record, const hf_groups__log *log,
                                 uint8_t *heads, uint32_t heads_size, hf_bytes *parts);

/* ---- flow.c ---- */

/* There is room for what a step may make, and for `more` entries besides. */
bool hf_groups__ready(hf_groups *gs, hf_groups__group *g, uint32_t more);
hf_err hf_groups__step(hf_groups *gs, hf_groups__group *g, const hf_raft_event *event,
                       const hf_groups__source *source);
void hf_groups__owe(hf_groups *gs, hf_groups__group *g, uint32_t what);
/* Tells all that is owed, as far as there is room. */
void hf_groups__work(hf_groups *gs);
bool hf_groups__retry(hf_groups *gs); /* what stalled; false: it still does */
void hf_groups__live(hf_groups *gs, const hf_liveness_update *update);
void hf_groups__send_all(hf_groups *gs);
/* A record that no machine asked for; true: the log took it. */
bool hf_groups__own_record(hf_groups *gs, hf_groups__group *g, const hf_groups__record *record);
void hf_groups__written(hf_groups *gs, hf_groups__write *write);

/* ---- groups.c ---- */

hf_groups__group *hf_groups__find(const hf_groups *gs, uint64_t id);
hf_err hf_groups__make(hf_groups *gs, uint64_t id, hf_groups__group **group);
hf_groups__peer *hf_groups__peer_of(const hf_groups *gs, uint32_t node);
void hf_groups__led_by(hf_groups *gs, hf_groups__group *g, uint32_t leader);
/* Its liveness did: the groups that it leads, or this node, are owed the word. */
void hf_groups__changed(hf_groups *gs, uint32_t node);
/* Out of every list but its writes'; the memory goes when those are done. */
void hf_groups__free(hf_groups *gs, hf_groups__group *g);

#endif
