/* hf_db: a database: an engine in this process, or the nodes of a cluster. */
#ifndef HOLDFAST_DB_H
#define HOLDFAST_DB_H
#include <holdfast/error.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct hf_db hf_db;

enum {
    HF_KEY_MAX = 4096,
    HF_VALUE_MAX = 8 * 1024 * 1024,
    HF_CLIENTS_MAX = 64, /* open at once, of one embedded database */
};

/* The host's own allocator. It serves whatever the library keeps for the host: handles, requests
 * and replies (the engine's memory is mapped at hf_open and never asked for again). `take` returns
 * memory aligned for any type, or NULL; `give` gets the size that was taken. Both are called in the
 * threads that call the library, several at once if the host has several. */
typedef struct hf_allocator {
    void *(*take)(void *context, size_t size);
    void (*give)(void *context, void *block, size_t size);
    void *context;
} hf_allocator;

/* Zero in a field means its default, so start from  hf_options options = { 0 };  */
typedef struct hf_options {
    /* -- of hf_open -- */
    uint32_t cores;        /* threads of the engine, and shards of a directory that is made now;
                              default: one for each processor that this process may run on. A
                              directory keeps the number of shards that it was made with */
    uint64_t memory_bytes; /* for all cores together; default: half of what the machine has, which
                              is reserved and taken as it is needed. Given, it is taken at once */
    bool no_pin;           /* the threads may be moved between processors */
    uint32_t spin_us;      /* how long a core looks for work before it sleeps; default 20 */
    bool no_spin;          /* not at all */
    uint64_t retention_ms; /* how far back snapshots can be read; default 10 s */
    uint64_t outcome_ms;   /* how long outcomes of ids are kept; default 24 h */
    /* The engine cannot go on: a flush failed, say. Called once, in a thread of the engine, with
     * words for a log; after it every call returns HF_E_FATAL. It must not call the library. */
    void (*on_fatal)(void *context, const char *words);
    void *on_fatal_context;
    /* -- of hf_connect -- */
    uint32_t timeout_ms; /* of one call, connecting and trying again included; default 10 s */
    /* -- of both -- */
    const hf_allocator *allocator; /* copied; default: malloc and free */
} hf_options;

/* Opens the data directory `path` in this process; makes it if there is none (not its parents).
 * Returns when everything is recovered and ready. Starts `cores` threads.
 *
 * HF_E_LOCKED       a server or another process has it open (asked again for two seconds)
 * HF_E_VERSION      written by a newer Holdfast
 * HF_E_CORRUPT      damaged: nothing was changed
 * HF_E_NOMEM        too little memory given, or none to be had
 * HF_E_NOTSUPPORTED Linux before 6.1, or io_uring is forbidden here
 * HF_E_IO           the directory cannot be made, read or written; or threads cannot be started
 * HF_E_INVALID      wrong arguments, or a directory that is somebody else's
 */
HF_API HF_MUST_USE hf_err hf_open(const char *path, const hf_options *options, hf_db **db);

/* Connects to the first node that answers, of "host:port,host:port,..." ("[::1]:7379" for IPv6); a
 * client whose node is lost goes on with the next. Names are looked up once, here; those that
 * nobody knows are passed over while there are others. Starts no thread.
 *
 * HF_E_DEADLINE     no node answered in time
 * HF_E_REFUSED      the node wants no client like this
 * HF_E_INVALID      wrong arguments, an address that cannot be read, or no name that is known
 * HF_E_NOMEM
 */
HF_API HF_MUST_USE hf_err hf_connect(const char *addresses, const hf_options *options, hf_db **db);

/* Closes the database, after all its clients were closed. Embedded: lets what runs end, writes what
 * must be written, joins the threads and lets go of the directory.
 *
 * HF_E_BUSY         clients are open: nothing was done
 * HF_E_FATAL        the engine had failed; the handle is gone, its memory and the directory's lock
 *                   stay until the process ends
 * HF_E_FORKED       the handle's memory was freed; nothing else was touched
 */
HF_API hf_err hf_close(hf_db *db);

/* What the last hf_open, hf_connect, hf_close or hf_client_open of this thread met, in words for a
 * person; "" when it met nothing. Lent until the next of them. */
HF_API const char *hf_problem_text(void);

/* "0.1.0" */
HF_API const char *hf_version(void);

#ifdef __cplusplus
}
#endif
#endif
