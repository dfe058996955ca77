/* A small deterministic world for the log's tests: files in memory whose unsynced sectors and names
 * a crash may take away, operations that complete one by one in a chosen order, and faults on
 * demand.
 */
#ifndef HF_TESTS_LOG_FAKE_IO_H
#define HF_TESTS_LOG_FAKE_IO_H
#include "engine/io/io.h"

enum { FAKE_FILES = 96, FAKE_PENDING = 16, FAKE_PATH = 64, FAKE_SECTOR = 512 };

typedef struct fake_file {
    char path[FAKE_PATH];    /* as seen now; empty: unlinked */
    char durable[FAKE_PATH]; /* as a crash finds it; empty: it does not */
    uint8_t *now;
    uint8_t *disk;
    uint64_t size;
    uint64_t size_disk;
    uint64_t capacity;
    int opened;
    bool used;
} fake_file;

typedef enum fake_order {
    FAKE_OLDEST,
    FAKE_NEWEST,
    FAKE_RANDOM,
} fake_order;

/* What a crash leaves of sectors that were on their way. */
typedef enum fake_torn {
    FAKE_NONE,
    FAKE_ALL,
    FAKE_EVEN,
    FAKE_ODD,
    FAKE_FIRST,
    FAKE_LAST,
    FAKE_DRAWN, /* names too */
    FAKE_TORN_COUNT,
} fake_torn;

typedef struct fake {
    hf_io io;
    fake_file files[FAKE_FILES];
    hf_io_op *pending[FAKE_PENDING];
    uint32_t pending_count;
    fake_order order;
    uint64_t seed;
    uint64_t space; /* bytes of all files; 0: no limit */
    uint64_t done;  /* operations completed so far */
    uint64_t writes_durable;
    uint64_t fail_at; /* this completion (1 ...) of this kind fails ... */
    uint8_t fail_kind;
    int64_t fail_result; /* ... with this */
    uint64_t fail_seen;
    bool fatal;
} fake;

void fake_open(fake *f, uint32_t align, uint64_t seed);
void fake_close(fake *f);
/* Completes one operation; false: none is in flight. */
bool fake_step(fake *f);
/* Power loss: nothing in flight completes; handles are gone. Afterwards what is left is durable. */
void fake_crash(fake *f, fake_torn torn);
/* The process is killed: what was on its way is in the cache, not on disk; a later crash may take
 * it. */
void fake_kill(fake *f);
/* Bytes on disk and in cache alike; NULL: no such file. */
fake_file *fake_find(fake *f, const char *path);
void fake_poke(fake *f, const char *path, uint64_t offset, const void *data, uint64_t size);
void fake_flip(fake *f, const char *path, uint64_t offset);
void fake_remove(fake *f, const char *path);
/* A copy of all files, as they are. */
void fake_copy(fake *to, const fake *from);
uint32_t fake_count(const fake *f, const char *prefix);
uint64_t fake_draw(fake *f);

#endif
