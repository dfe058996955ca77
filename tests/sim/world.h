/* hf_world: the simulated maker of the world seam (engine/io/io.h).
 *
 * All cores, their disk, clock and clients in one thread, in virtual time, from one seed. Every
 * event (time, kind, core, hash of its payload) is folded into the run hash: the same seed,
 * configuration and test make the same hash on every machine. Lent memory is watched: a buffer that
 * changes while it is lent is an assertion, and so is a misaligned direct operation.
 *
 * Ownership:  the world owns the disk and what is under way; cores' memory is the test's, and must
 *             stay until hf_world_crash() was called: the disk may still take in-flight writes from
 * it. Threads:    one. The test's callbacks (clients, hf_world_at) may call everything in this
 * header; a core's handler only its hf_io, and the plain getters.
 */
#ifndef HF_TESTS_SIM_WORLD_H
#define HF_TESTS_SIM_WORLD_H
#include "engine/io/io.h"
#include "tests/sim/disk.h"
#include <stdio.h>

typedef struct hf_world hf_world;

enum { HF_WORLD_CORES_MAX = 64, HF_WORLD_ALWAYS = 1 << 30 };

/* ---- Faults
 * -------------------------------------------------------------------------------------- */

/* A chance per operation, and how often in the whole run at most. Off: ppm or most is 0. */
typedef struct hf_world_rate {
    uint32_t ppm;
    uint32_t most;
} hf_world_rate;

/* A fault that comes by itself: mean time between two, and how often in the whole run at most. */
typedef struct hf_world_recurring {
    uint64_t every_ns;
    uint32_t most;
} hf_world_recurring;

typedef struct hf_world_faults {
    /* The loop: from the first delivery to on_turn, and how late a deadline is noticed. */
    uint64_t turn_ns_min, turn_ns_max, timer_late_ns_max;
    hf_world_recurring pause; /* one core stands still, up to: */
    uint64_t pause_ns_max;
    /* Messages between cores. */
    uint64_t message_ns_min, message_ns_max;
    hf_world_rate message_long; /* ... and some take up to: */
    uint64_t message_long_ns_max;
    /* The disk's pace: fixed part, exponential part, per KiB; the long tail. */
    uint64_t disk_ns_min, disk_read_ns_mean, disk_write_ns_mean, disk_kib_ns;
    hf_world_rate disk_tail;
    uint64_t disk_tail_ns_max;
    hf_world_recurring disk_slow; /* a period in which all takes `factor` as long, or stands still
                                     and then answers in one burst */
    uint64_t disk_slow_ns_max;
    uint32_t disk_slow_factor_max;
    bool disk_in_order; /* completions keep the order of submission */
    /* The disk's answers. */
    hf_world_rate read_error;  /* -EIO, nothing read; the next try may succeed */
    hf_world_rate write_error; /* -EIO, any sectors of it landed */
    hf_world_rate
        sync_error; /* -EIO from SYNC, SYNC_DIR and durable writes: see hf_disk_sync_failed */
    hf_world_rate name_error; /* -EIO from OPEN, RENAME, UNLINK, MKDIR, ALLOCATE: nothing done */
    bool allocate_junk;       /* ALLOCATE gives old content, not zeros */
    /* Damage in silence. `confined`: lost and misdirected writes show only when at least
     * `confined_after` more writes to the same file ended: not among those that no reader could
     * miss on a single copy (the newest ones). `damage_only`: in files whose path contains it;
     * NULL: in all. */
    hf_world_recurring rot; /* one bit flips in a durable sector */
    hf_world_rate lost_write, misdirected_write;
    bool confined;
    uint32_t confined_after;
    const char *damage_only;
    /* The clock. */
    hf_world_recurring clock_step;
    uint64_t clock_step_ns_max;
    uint32_t clock_drift_ppm_max;
    /* Connections. */
    uint64_t conn_ns_min, conn_ns_max;
    uint32_t conn_tiny_ppm;     /* this share of fragments: one to four bytes */
    uint32_t conn_slow_ppm;     /* this share of clients reads slowly */
    uint64_t conn_slow_ns_mean; /* ... with this pause */
    hf_world_rate conn_abort;   /* per fragment: reset by the network, both sides hear of it */
    hf_world_rate conn_vanish; /* per fragment: the client is gone, the node hears nothing until: */
    uint64_t conn_keepalive_ns;
    /* Advice to the workload, which must boot again: the world crashes nothing by itself. */
    uint64_t crash_every_ns;
    uint32_t crash_power_ppm;
} hf_world_faults;

/* A quick, well-behaved world: small delays, no fault. */
hf_world_faults hf_world_faults_none(void);
/* A swarm configuration: each family of faults is on or off, and its rates are drawn. Damage in
 * silence and failing writes are left off: a single node may only refuse them; a workload that
 * judges that turns them on with the next call. */
hf_world_faults hf_world_faults_default(uint64_t seed);
/* Adds drawn damage (rot, lost and misdirected writes, confined) or failing operations. */
void hf_world_faults_add_damage(hf_world_faults *faults, uint64_t seed);
void hf_world_faults_add_errors(hf_world_faults *faults, uint64_t seed);

/* ---- The world
 * ----------------------------------------------------------------------------------- */

typedef struct hf_world_config {
    uint64_t seed;
    uint16_t core_count;
    uint32_t file_align;   /* of direct operations; 0: 512 */
    uint64_t disk_bytes;   /* 0: no limit */
    uint32_t trace_events; /* kept for hf_world_trace_print; 0: 256 */
    FILE *trace;           /* every event as one line; NULL: no */
    hf_world_faults faults;
} hf_world_config;

hf_world *hf_world_open(const hf_world_config *config);
void hf_world_close(hf_world *world);

/* One event. False: nothing is left to happen. */
bool hf_world_step(hf_world *world);
/* Up to `events` events, none later than `until`; virtual time is `until` afterwards if all of them
 * ran. Answers how many ran. */
uint64_t hf_world_run(hf_world *world, uint64_t until, uint64_t events);
/* Makes a running hf_world_run return after this event. */
void hf_world_pause(hf_world *world);

uint64_t hf_world_now(const hf_world *world); /* virtual time since open, ns; never jumps */
uint64_t hf_world_hash_now(const hf_world *world);
/* The test's own stream of random numbers. */
hf_world_prng *hf_world_random(hf_world *world);
typedef void hf_world_call(void *context);
void hf_world_at(hf_world *world, uint64_t time, hf_world_call *call, void *context);
/* From now on; recurring faults start anew, budgets that were used stay used. */
void hf_world_set_faults(hf_world *world, const hf_world_faults *faults);
const hf_world_faults *hf_world_get_faults(const hf_world *world);
/* The test's own facts belong into the run hash and the trace too. `what`: a literal. */
void hf_world_note(hf_world *world, const char *what, uint64_t a, uint64_t b);

typedef struct hf_world_stats {
    uint64_t events, turns, messages, disk_ops, bytes_read, bytes_written;
    uint64_t accepts, bytes_up, bytes_down;
    /* Faults that really happened. */
    uint64_t crashes, power_losses, fatals, pauses, message_long, disk_tail, disk_slow, read_error,
        write_error, sync_error, name_error, no_space, rot, lost_write, misdirected_write,
        clock_step, conn_abort, conn_vanish, torn_writes;
    hf_disk_losses losses;
} hf_world_stats;
hf_world_stats hf_world_stats_get(const hf_world *world);
/* Events per second of processor time since open. */
double hf_world_speed(const hf_world *world);
/* The last events, oldest first. */
void hf_world_trace_print(const hf_world *world, FILE *to);

/* ---- The node
 * ------------------------------------------------------------------------------------ */

/* The core's seam: valid for the world's life, to be used from just before hf_world_boot. */
hf_io *hf_world_io(hf_world *world, uint16_t core);
/* Attaches a core's handler; its first turn comes soon. */
void hf_world_boot(hf_world *world, uint16_t core, const hf_io_handler *handler, void *context);
bool hf_world_booted(const hf_world *world, uint16_t core);

typedef enum hf_world_crash_kind {
    HF_WORLD_KILL,  /* the process: what was written stays, in-flight operations happened or not */
    HF_WORLD_POWER, /* the machine: see hf_disk_power_loss; in-flight writes: any of their sectors
                     */
} hf_world_crash_kind;

/* All cores vanish between two events, with their operations, messages and connections. */
void hf_world_crash(hf_world *world, hf_world_crash_kind kind);

typedef struct hf_world_fatal {
    bool dead; /* since the last boot */
    uint16_t core;
    int code;
    char message[256];
} hf_world_fatal;
/* fatal() does not return to its caller; the node is killed (HF_WORLD_KILL) and this tells why. */
const hf_world_fatal *hf_world_fatal_get(const hf_world *world);

/* The core stands still until then: its events wait. The disk and the clients go on. */
void hf_world_pause_core(hf_world *world, uint16_t core, uint64_t until);

/* The size of the largest durable write that is with the disk and has had no effect yet: a crash
 * now may tear it. 0: none. */
uint64_t hf_world_writing(const hf_world *world);

/* ---- Clock and disk
 * ------------------------------------------------------------------------------ */

void hf_world_clock_step(hf_world *world, int64_t delta_ns);
void hf_world_clock_drift(hf_world *world, int32_t ppm);
uint64_t hf_world_wall(const hf_world *world);
/* Called just before and just after each step: what the clock showed is not missed between two
 * looks. */
void hf_world_watch_clock(hf_world *world, hf_world_call *call, void *context);
hf_disk *hf_world_disk(hf_world *world);

/* ---- Clients
 * ------------------------------------------------------------------------------------- */

typedef struct hf_world_client {
    /* Bytes came; lent for the call. */
    void (*on_data)(void *context, hf_conn_id conn, hf_bytes data);
    /* Refused, closed by the node, reset, or the node crashed: the last call for this id. Does not
     * come after the test's own hf_world_client_close. */
    void (*on_closed)(void *context, hf_conn_id conn);
} hf_world_client;

typedef enum hf_world_close_kind {
    HF_WORLD_CLOSE_ORDERLY, /* what was sent still arrives, then the end */
    HF_WORLD_CLOSE_RESET,   /* what was sent may be lost */
    HF_WORLD_CLOSE_VANISH,  /* the node hears nothing until its keep-alive gives up */
} hf_world_close_kind;

hf_conn_id hf_world_connect(hf_world *world, hf_listener listener, const hf_world_client *client,
                            void *context);
/* Copied. Ignored when the connection is gone. */
void hf_world_client_send(hf_world *world, hf_conn_id conn, hf_bytes data);
/* Bytes sent that have not reached the node's handler. */
uint64_t hf_world_client_unsent(const hf_world *world, hf_conn_id conn);
void hf_world_client_read(hf_world *world, hf_conn_id conn, bool on);
void hf_world_client_close(hf_world *world, hf_conn_id conn, hf_world_close_kind kind);
/* Sends no more (a shutdown of this side), but reads on, until on_closed. */
void hf_world_client_end(hf_world *world, hf_conn_id conn);
/* Inside a client's on_closed: the node closed it, all that it had sent came first. */
bool hf_world_closed_by_node(const hf_world *world);
/* The core that has it, or UINT16_MAX before it was accepted or after it ended. */
uint16_t hf_world_client_core(const hf_world *world, hf_conn_id conn);

#endif
