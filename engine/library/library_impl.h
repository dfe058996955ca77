/* Inside the library: what its files share. */
#ifndef HF_LIBRARY_LIBRARY_IMPL_H
#define HF_LIBRARY_LIBRARY_IMPL_H
#include "engine/base/assert.h"
#include "engine/base/bytes.h"
#include "engine/command/command.h"
#include <holdfast/holdfast.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

/* ---- Bytes in the host's memory ---- */

void *hf_library__take(const hf_allocator *allocator, size_t size); /* zeroed; NULL: no memory */
void hf_library__give(const hf_allocator *allocator, void *block, size_t size);

/* As hf_buf, in the host's memory: failing is sticky until reset, memory is kept. */
typedef struct hf_blob {
    const hf_allocator *allocator;
    uint8_t *data;
    uint32_t size, room;
    bool failed;
} hf_blob;

void hf_blob__open(hf_blob *blob, const hf_allocator *allocator);
void hf_blob__close(hf_blob *blob);
/* Room for more bytes, which the caller fills; NULL: no memory. */
uint8_t *hf_blob__extend(hf_blob *blob, size_t size);
static inline void hf_blob__reset(hf_blob *blob)
{
    blob->size = 0;
    blob->failed = false;
}
static inline void hf_blob__raw(hf_blob *blob, const void *data, size_t size)
{
    uint8_t *at = size == 0 ? NULL : hf_blob__extend(blob, size);
    if (at != NULL) {
        memcpy(at, data, size);
    }
}
static inline hf_bytes hf_blob__view(const hf_blob *blob)
{
    return hf_bytes_of(blob->data, blob->size);
}

/* ---- The database ---- */

typedef struct hf_embedded hf_embedded;
typedef struct hf_nodes hf_nodes;
typedef struct hf_way hf_way;

enum { HF_PROBLEM_SIZE = 512, HF_CALLS_MAX = HF_SUBMITTED_MAX + 8 };

struct hf_db {
    hf_allocator allocator;
    uint32_t born; /* the process, as hf_library__born() counts */
    _Atomic uint32_t clients;
    const hf_way *way;
    int lock_fds[3];       /* what holds the directory: a child of fork lets go of it */
    hf_embedded *embedded; /* or */
    hf_nodes *nodes;
};

/* Says what went wrong for hf_problem_text(); answers `err`. */
__attribute__((format(printf, 2, 3))) hf_err hf_library__problem(hf_err err, const char *format,
                                                                 ...);
/* Changes in a child of fork. */
uint32_t hf_library__born(void);
bool hf_library__bad_key(const void *key, size_t size, hf_err *err);

/* ---- Clients and their calls ---- */

/* What a call is, for who has to make good a lost connection. */
typedef enum hf_call_kind {
    HF_CALL_PLAIN,
    HF_CALL_BEGIN,
    HF_CALL_COMMIT,
    HF_CALL_ROLLBACK
} hf_call_kind;
typedef enum hf_txn_state { HF_TXN_IDLE, HF_TXN_UNDER_WAY, HF_TXN_ENDED } hf_txn_state;

struct hf_txn {
    hf_client *client;             /* NULL: it was closed */
    hf_txn *next_open, *prev_open; /* all of the client */
    hf_txn *next;                  /* of one list: unsent, waiting, ended */
    hf_allocator allocator;
    hf_txn_state state;
    bool closed; /* by its owner, while under way */
    bool binary; /* how words are written */
    bool inner;  /* the library's own: any command goes */
    bool began, has_else, has_id, reads, outside;
    bool single, multi_reply;
    hf_err wrong; /* of what was put so far */
    uint32_t conditions, commands, otherwise, words, else_words, condition_words;
    uint32_t first_at;         /* connected: where the words of the first command begin */
    uint32_t key_at, key_size; /* the first key, in `key` */
    hf_blob condition_bytes, command_bytes, else_bytes, key, reply;
    uint8_t id[HF_ID_SIZE];

    uint32_t number; /* of the call */
    uint16_t core;
    hf_done *done;
    void *context;
    void *into; /* hf_get: where the value goes, if it can go there at once */
    size_t into_room;
    size_t into_size;
    bool into_used;
    hf_call_kind kind;
    bool touched;      /* connected: some of it was sent */
    uint32_t extra_ms; /* it may take so much longer */
    uint64_t until_ns;

    hf_err err;
    uint32_t results;
    uint32_t at_index, at; /* the result found last */
    char said[96];         /* the library's own words */
};

/* What a client's bytes go through. */
struct hf_way {
    hf_err (*open)(hf_client *client); /* HF_OK, or nothing is held */
    void (*close)(hf_client *client);
    /* The call is on its way (or will be); it ends through hf_client__ended. */
    hf_err (*start)(hf_client *client, hf_txn *txn);
    void (*pump)(hf_client *client);                   /* moves what can be moved now */
    void (*wait)(hf_client *client, uint32_t wait_ms); /* until there may be something to pump */
    int (*fd)(hf_client *client);
    void (*quiet)(hf_client *client); /* the descriptor turns readable for what comes from now on */
    bool (*failed)(const hf_client *client);
};
extern const hf_way hf_embedded__way, hf_connected__way;

typedef struct hf_names {
    const hf_command *get, *set, *del, *add, *range, *changes, *outcome, *token, *begin, *commit,
        *rollback, *savepoint;
} hf_names;

struct hf_client {
    hf_db *db;
    const hf_way *way;
    void *ends; /* of the way */
    hf_allocator allocator;
    uint32_t born;
    _Atomic uint32_t inside;
    bool polling;     /* inside a done */
    bool interactive; /* hf_begin was called */
    bool lost;        /* ... and only rollback is left */
    bool broken;      /* the engine has cut the connection */
    uint16_t pinned;  /* core of the interactive transaction */
    hf_read_level level;
    uint64_t level_arg, after;
    hf_names names;
    hf_txn *open; /* all */
    hf_txn *own;  /* for calls without a txn of their own */
    hf_txn *ended_first, *ended_last;
    const hf_txn *told; /* whose words hf_client_words() shows */
    char said[96];
    uint32_t under_way;
    uint32_t free_count;
    uint16_t free_calls[HF_CALLS_MAX];
    uint32_t uses[HF_CALLS_MAX];
    hf_txn *calls[HF_CALLS_MAX];
};

hf_err hf_client__enter(hf_client *client); /* HF_OK: leave() */
static inline void hf_client__leave(hf_client *client)
{
    atomic_store_explicit(&client->inside, 0, memory_order_release);
}
/* Numbers for calls. take: NULL-safe; false: too many. find: NULL: given up. */
bool hf_client__number(hf_client *client, hf_txn *txn);
hf_txn *hf_client__find(const hf_client *client, uint32_t number);
/* The call has ended: with its reply in txn->reply, or without any. */
void hf_client__replied(hf_client *client, hf_txn *txn);
void hf_client__ended(hf_client *client, hf_txn *txn, hf_err err, const char *words);
/* Starts, and waits for the end; the client is entered. */
hf_err hf_client__ask(hf_client *client, hf_txn *txn);
hf_err hf_client__start(hf_client *client, hf_txn *txn);
/* The client's own txn, empty. */
hf_txn *hf_client__own(hf_client *client);
uint64_t hf_library__now_ns(void);

/* ---- request.c ---- */
void hf_txn__clear(hf_txn *txn);
void hf_txn__wrong(hf_txn *txn, hf_err err, const char *words);
void hf_txn__begin(hf_txn *txn, const hf_command *command, uint32_t argc);
void hf_txn__word(hf_txn *txn, const void *data, size_t size);
void hf_txn__text(hf_txn *txn, const char *text);
void hf_txn__integer(hf_txn *txn, int64_t value);
void hf_txn__put_add(hf_txn *txn, const void *key, size_t key_size, int64_t delta, int64_t min,
                     int64_t max);
void hf_txn__free(hf_txn *txn);
hf_err hf_txn__made(hf_client *client, hf_txn **txn);
/* A RESP word: "$3\r\nabc\r\n", and a number as one. */
void hf_blob__word(hf_blob *blob, const void *data, size_t size);
void hf_blob__word_integer(hf_blob *blob, int64_t value);
void hf_blob__head(hf_blob *blob, char kind, uint32_t count);

/* ---- embedded.c, connected.c ---- */
hf_err hf_embedded__open(hf_db *db, const char *path, const hf_options *options);
hf_err hf_embedded__close(hf_db *db); /* also what hf_open left half done */
hf_err hf_connected__open(hf_db *db, const char *addresses, const hf_options *options);
void hf_connected__close(hf_db *db);
/* Asks every core where the answer differs: a token. */
hf_err hf_embedded__token(hf_client *client, uint64_t *token);

#endif
