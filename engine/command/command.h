/* hf_command: every command as a row of one table, and the data commands as pure functions.
 *
 * A data command reads through an hf_view and writes mutations (storage/table/mutation.h) and a
 * RESP reply; it touches nothing else. So the same function runs on the core that owns the key, on
 * a coordinator's copy of records from several cores, and in a test. Commands behave as Redis 7
 * documents them, error texts included.
 *
 * Rows without `run` are the session's (engine/shard/session/session.c): connection, server,
 * transactions. A few have `run` and are the session's all the same: outside of MULTI it answers
 * them itself.
 */
#ifndef HF_COMMAND_COMMAND_H
#define HF_COMMAND_COMMAND_H
#include "engine/base/buf.h"
#include "net/wire/resp.h"
#include "storage/table/mutation.h"

/* ---- What a command sees ---- */
typedef struct hf_view hf_view;

/* Sums over the undecided escrow additions of a quantity, and the tightest bounds they were granted
 * under. */
typedef struct hf_escrow_pending {
    int64_t plus;  /* sum of positive deltas, >= 0 */
    int64_t minus; /* sum of the sizes of negative deltas, >= 0 */
    int64_t min;   /* INT64_MIN: none */
    int64_t max;   /* INT64_MAX: none */
    /* Asked for the key itself: fields of it have undecided additions; asked for a field: the key
     * itself has. Decides only while the key is absent: which of them will make it is not known
     * then. */
    bool other_kind;
} hf_escrow_pending;

typedef bool hf_view_visit(void *context, hf_bytes key, const hf_value *value); /* false: stop */

typedef struct hf_view_ops {
    /* The key's value as the transaction sees it (own earlier writes included, expired is absent:
     * kind NONE). Borrowed until the next call. */
    void (*get)(hf_view *view, hf_bytes key, hf_value *value);
    void (*pending)(hf_view *view, hf_bytes key, hf_bytes field, hf_escrow_pending *pending);
    /* Visits the user keys of this view in [start, end) in order (empty end: to the last). */
    void (*scan)(hf_view *view, hf_bytes start, hf_bytes end, bool reverse, hf_view_visit *visit,
                 void *context);
    /* A random user key; data is NULL if there is none. */
    hf_bytes (*pick)(hf_view *view);
    uint64_t (*count)(hf_view *view); /* live user keys */
} hf_view_ops;

struct hf_view {
    const hf_view_ops *ops;
    void *context;
    uint64_t ts;   /* timestamp of the reading; ts / 1,000,000 is "now" in ms for expiry and TTL */
    uint64_t draw; /* random bits for HRANDFIELD and such; refreshed for each command */
    hf_buf *mutations; /* effects: appended; NULL in a read-only transaction */
    int64_t min, max;  /* of the newest HF.ADD that was granted: its bounds */
    uint8_t proto;     /* 2 or 3 */
};

/* Keys here are as users write them; the view puts the space byte. The mutations carry
 * HF_SPACE_USER + key: use hf_command_put() and friends, which do that. */
enum { HF_SPACE_SYSTEM = 1, HF_SPACE_USER = 2 };

typedef enum hf_ran {
    HF_RAN_OK,    /* the reply is written (it may be an error reply: others of the EXEC go on) */
    HF_RAN_ABORT, /* a condition or bound failed: undo the whole transaction; the error reply is
                     written */
    HF_RAN_WAIT,  /* undecidable until a pending escrow addition ends: run again then; nothing
                     written */
} hf_ran;

typedef struct hf_call {
    const hf_bytes *args; /* args[0] is the name */
    uint32_t argc;
    hf_buf *reply;
} hf_call;

/* The caller has asked hf_command_check() before: arity and key sizes are not looked at again. A
 * full heap shows as `failed` of the reply or of the mutations: the caller drops both and answers
 * -OOM. */
typedef hf_ran hf_command_run(hf_view *view, const hf_call *call);

/* ---- The table ---- */
enum {
    HF_COMMAND_WRITE = 1, /* takes its keys exclusively */
    HF_COMMAND_READ = 2,
    HF_COMMAND_COMMUTE = 4,      /* HF.ADD: an escrow lock on its key */
    HF_COMMAND_ALL_KEYS = 8,     /* DBSIZE, KEYS, FLUSHALL...: the whole user space */
    HF_COMMAND_SPLIT_ARRAY = 16, /* MGET: one part per key, replies put together as an array */
    HF_COMMAND_SPLIT_SUM = 32,   /* DEL, EXISTS, TOUCH, UNLINK: ... added up */
    HF_COMMAND_SPLIT_OK = 64,    /* MSET: ... +OK */
    HF_COMMAND_ADMIN = 128,
    HF_COMMAND_NO_MULTI = 256, /* refused inside MULTI, as Redis does */
    HF_COMMAND_PUBSUB = 512,   /* allowed in a RESP2 subscription */
    HF_COMMAND_LOADING = 1024, /* allowed before the node is ready */
    HF_COMMAND_FAST = 2048,    /* as Redis flags it */
    HF_COMMAND_NO_AUTH = 4096,
    HF_COMMAND_INTERNAL = 8192, /* a part that the gateway makes; unknown to clients */
    HF_COMMAND_BLOCKING = 16384,
};

typedef struct hf_command {
    const char *name; /* lower case; subcommands share their parent's row */
    uint16_t id;      /* its index in the table: stable within a build */
    int16_t arity;    /* as Redis: exact, or at least -arity */
    uint32_t flags;
    int16_t key_first, key_last, key_step; /* as Redis' COMMAND INFO; 0: no keys */
    hf_command_run *run;
    const char *part;  /* SPLIT_*: the name of the command that does one key ("get" forms) */
    const char *group; /* string, hash, generic, bitmap, connection, server, transactions, pubsub,
                          holdfast */
    const char *since;
    const char *summary; /* for COMMAND DOCS and redis-cli's hints */
    const char *syntax;  /* the arguments, as redis-cli shows them */
} hf_command;

const hf_command *hf_command_find(hf_bytes name); /* any case; NULL: unknown. O(1). */
const hf_command *hf_command_at(uint16_t id);     /* NULL past the end */
/* The arguments that are keys: first index, count, step; false if argc does not fit the arity. With
 * `step` 2 each key has its value beside it: a list with one left over (MSET a 1 b) has no keys. */
bool hf_command_keys(const hf_command *command, uint32_t argc, uint32_t *first, uint32_t *count,
                     uint32_t *step);

/* "ERR unknown command 'foo', with args beginning with: 'a' 'b' ", "ERR wrong number of arguments
 * for 'get' command": Redis' exact words. */
void hf_command_unknown(hf_buf *reply, const hf_bytes *args, uint32_t argc);
void hf_command_bad_arity(hf_buf *reply, const hf_command *command);

/* CLIENT, CONFIG, ...: whether there is the subcommand, and its arity; true for commands without.
 * False: the error is written. */
bool hf_command_check_sub(const hf_command *command, const hf_bytes *args, uint32_t argc,
                          hf_buf *reply);
void hf_command_unknown_sub(hf_buf *reply, const hf_command *command, hf_bytes sub);
/* "ERR unknown subcommand 'x'. Try OBJECT HELP."; and "... arguments for 'object|encoding'
 * command". */
void hf_command_bad_sub_arity(hf_buf *reply, const hf_command *command, hf_bytes sub);

/* Whether a client's command may go on: the arity fits and no key is over HF_KEY_SIZE_MAX. False:
 * the error is written. To be asked once for each command, before it is queued by MULTI or run. */
bool hf_command_check(const hf_command *command, const hf_bytes *args, uint32_t argc,
                      hf_buf *reply);

/* Redis' answer when memory is full. */
void hf_command_no_memory(hf_buf *reply);

/* The whole of COMMAND [COUNT | INFO | DOCS | LIST | GETKEYS | GETKEYSANDFLAGS | HELP]. */
void hf_command_introspect(const hf_bytes *args, uint32_t argc, hf_buf *reply, uint8_t proto);

/* MEMORY USAGE: an estimate of what the key takes, 0 if it is absent. */
uint64_t hf_command_memory(hf_view *view, hf_bytes key);

/* For the implementations of commands. */
void hf_command_put(hf_view *view, hf_bytes key, const hf_value *value);
void hf_command_delete(hf_view *view, hf_bytes key);
void hf_command_fields(hf_view *view, hf_bytes key, const hf_field *changes, uint32_t count);
void hf_command_expire(hf_view *view, hf_bytes key, uint64_t expire_ms);
void hf_command_add(hf_view *view, hf_bytes key, hf_bytes field, int64_t delta);

/* ---- HF.ADD ---- */
typedef struct hf_addition {
    hf_bytes key;
    hf_bytes field; /* empty data (NULL): the key itself is the quantity */
    int64_t delta;
    int64_t min; /* INT64_MIN: none, or the delta moves away from it */
    int64_t max; /* INT64_MAX: likewise */
} hf_addition;
/* Parses HF.ADD's arguments. False: the error is written to `reply` (which may be NULL). */
bool hf_add_parse(const hf_bytes *args, uint32_t argc, hf_addition *add, hf_buf *reply);

/* ---- HF.RANGE ---- */
typedef struct hf_range_query {
    hf_bytes start; /* empty: from the first */
    hf_bytes end;   /* excluded; empty: to the last */
    uint64_t limit; /* UINT64_MAX: none */
    bool reverse;
    bool values;
} hf_range_query;
/* As hf_add_parse(): `reply` may be NULL. */
bool hf_range_parse(const hf_bytes *args, uint32_t argc, hf_range_query *query, hf_buf *reply);
/* Appends the elements of the reply that this view has, without the array's head, at most `limit`;
 * answers how many keys. With VALUES each key is an array [key, value] in RESP3 and two elements in
 * RESP2; a record's value is a map. Several cores: ask them in key order (reverse: the other way
 * round) with what is left of the limit, then write the head by hf_range_head(). */
uint64_t hf_range_part(hf_view *view, const hf_range_query *query, uint64_t limit, hf_buf *reply);
void hf_range_head(const hf_range_query *query, uint64_t keys, uint8_t proto, hf_buf *reply);

/* ---- SCAN ----
 * A scan goes in key order, so a key that is present throughout is returned exactly once, whatever
 * comes and goes. The cursor that clients see is a 64-bit number; the session keeps what it stands
 * for: the key to go on from (hf_scan_cursors does that, in fixed memory). Several cores: page
 * through them one after the other.
 */
typedef struct hf_scan_query {
    uint64_t cursor;
    hf_bytes match; /* NULL data: all */
    uint32_t count; /* keys to visit at most, 10 by default */
    hf_kind type;   /* NONE: all; STRING stands for STRING and INT */
    bool typed;     /* TYPE was given */
    bool none;      /* TYPE names a type that nothing has: an empty page, but the cursor goes on */
} hf_scan_query;
/* SCAN cursor [MATCH p] [COUNT n] [TYPE t]. False: the error is written. */
bool hf_scan_parse(const hf_bytes *args, uint32_t argc, hf_scan_query *query, hf_buf *reply);
/* Appends the matching keys among the next `query->count` keys >= `start` (< `end` unless empty) to
 * `page` as bulk strings and adds to `found`. Answers whether there is more; then `next` holds the
 * key to go on from. */
bool hf_command_scan_page(hf_view *view, const hf_scan_query *query, hf_bytes start, hf_bytes end,
                          hf_buf *page, uint32_t *found, hf_buf *next);
/* [cursor, [keys...]] from a page. */
void hf_scan_reply(hf_buf *reply, uint64_t cursor, uint32_t found, const hf_buf *page);

/* What cursors stand for: a fixed number of scans, the longest unused one is forgotten first. A
 * cursor can be used again until then, as often as one likes. */
typedef struct hf_scan_cursors hf_scan_cursors;
size_t hf_scan_cursors_size(uint32_t capacity);
/* In memory of that size, 8-byte aligned. Keys are kept in `heap`. */
hf_scan_cursors *hf_scan_cursors_open(void *at, uint32_t capacity, hf_heap *heap);
void hf_scan_cursors_close(hf_scan_cursors *cursors);
/* A new cursor, not 0, for `key` (with a word of the caller's, e.g. the range or core); 0 when
 * memory is full. */
uint64_t hf_scan_cursors_put(hf_scan_cursors *cursors, hf_bytes key, uint64_t word);
/* False: unknown or forgotten. `key` is borrowed until the next put. */
bool hf_scan_cursors_get(hf_scan_cursors *cursors, uint64_t cursor, hf_bytes *key, uint64_t *word);

/* Redis' glob: * ? [abc] [^a-z] and backslash. */
bool hf_glob_match(hf_bytes pattern, hf_bytes text);
/* The bytes that every match begins with. */
uint32_t hf_glob_prefix(hf_bytes pattern);

/* ---- Conditions: of EXEC (Valkey's form), HF.TXN, and WATCH ---- */
typedef enum hf_compare {
    HF_COMPARE_EQ,
    HF_COMPARE_NE,
    HF_COMPARE_LT,
    HF_COMPARE_LE,
    HF_COMPARE_GT,
    HF_COMPARE_GE,
    HF_COMPARE_EXISTS,
    HF_COMPARE_ABSENT,
} hf_compare;
/* "=", "==", "eq", "!=", "ne", "<", "<=", ">", ">=", "exists", "absent"; false: unknown. */
bool hf_compare_parse(hf_bytes text, hf_compare *compare);
/* Ordering compares as integers when both sides are, else as byte strings; an absent key fails all
 * but NE and ABSENT. A record is compared by HF_COMPARE_EXISTS/ABSENT only (else false). */
bool hf_compare_holds(hf_view *view, hf_bytes key, hf_compare compare, hf_bytes operand);

#endif
