/* A core with a log and a checkpoint in the simulated world, and a model that knows what must be
 * there: which records were appended, which acknowledged, what a table made of them holds. Each
 * life boots, works until the test crashes it, and is judged by the next one.
 *
 * Judged: all that was acknowledged is there; what is there is a prefix of what was appended, byte
 * for byte; a checkpoint loads as the table was at its log position; no error but those that the
 * test injects.
 */
#ifndef HF_TESTS_LOG_WORLD_RIG_H
#define HF_TESTS_LOG_WORLD_RIG_H
#include "storage/log/checkpoint_impl.h"
#include "storage/log/log_impl.h"
#include "tests/sim/world.h"

enum { RIG_KEYS = 48, RIG_RECORDS = 40000, RIG_DETAIL = 512 };

typedef struct rig_record {
    uint64_t lsn;
    uint64_t salt; /* its bytes follow from it */
    uint32_t key;
    uint32_t size;
} rig_record;

typedef enum rig_state {
    RIG_DOWN,
    RIG_BOOT,
    RIG_OPEN,
    RIG_ENDED, /* by an error: see err and detail */
} rig_state;

/* What happened, over all seeds of a test: so that it can say that it tested something. */
typedef struct rig_tally {
    uint64_t kills, powers, in_boot, moments, acked, passes, segments, refused_full, refused_space,
        io_ended, corrupt, damaged;
} rig_tally;

typedef struct rig {
    hf_world *world;
    hf_io *io;
    hf_world_prng prng;
    uint64_t seed;
    uint32_t life;
    hf_log_config config;
    void *memory;
    hf_heap *heap;
    hf_log *log;
    hf_checkpoint *checkpoint;
    rig_state state;
    hf_err err;
    char detail[RIG_DETAIL];
    bool log_only; /* no checkpoint: what would be in it is remembered */
    bool errors;   /* failing operations are injected */
    bool space;    /* the disk is full at times */
    bool calm;     /* no crash and no fault is due any more: everything must succeed */
    /* How this life works. */
    uint32_t burst, think_ns, size_max;
    /* The model. */
    rig_record *records;
    uint32_t appended;
    uint32_t acked;
    uint32_t table[RIG_KEYS]; /* of acknowledged records: index + 1 of the newest of each key */
    /* The pass under way, and what the sets in force carry. */
    uint64_t pass_lsn;
    uint32_t pass_key;
    bool pass_whole;
    uint32_t pass_table[RIG_KEYS];
    uint32_t base[RIG_KEYS];
    uint64_t reported; /* log position of the newest pass with on_written(HF_OK) */
    /* This boot. */
    uint32_t loaded[RIG_KEYS];
    uint32_t replayed;    /* the record that must come next */
    uint64_t sync_errors; /* of the world, before this life */
    uint64_t files_heard; /* failed syncs of files that this life was told of */
    rig_tally *tally;
} rig;

/* Fresh disk and model. flushes_max, alignment and sizes are drawn from the seed. */
void rig_open(rig *r, uint64_t seed, const hf_world_faults *faults, rig_tally *tally);
void rig_close(rig *r);
/* A new life; ends in RIG_BOOT, as nothing has run yet. */
void rig_boot(rig *r);
/* Runs up to `events` events, or until the life ended by itself. */
void rig_run(rig *r, uint64_t events);
/* Kill or power loss as drawn; power loss when a sync of a directory may have failed, which nothing
 * short of a fresh mount survives. */
void rig_crash(rig *r);
/* A life: runs for a drawn number of events, or a few events past a drawn moment (two batches in
 * flight in two segments, a step of the maker, of recovery, of the checkpoint), then crashes. */
void rig_live(rig *r);
/* Faults off: boots, works, makes a pass, loses its power, boots again; all must be well. False:
 * it was refused as damaged, which only damage excuses. */
bool rig_finish(rig *r);
/* Injected damage that has really happened. */
uint64_t rig_damage(const rig *r);
void rig_tally_print(const rig_tally *tally);
/* Seeds from the command line, FIRST COUNT, or 1 and `count`. */
void rig_seeds(int argc, char **argv, uint64_t *first, uint64_t *count);

#endif
