/* What the files of engine/command share; nobody else includes this. */
#ifndef HF_COMMAND_COMMAND_IMPL_H
#define HF_COMMAND_COMMAND_IMPL_H
#include "engine/base/assert.h"
#include "engine/command/command.h"

/* ---- The table (table.c, find.c) ---- */
extern const hf_command hf_command__table[];
extern const uint16_t hf_command__count;

/* ---- Reading values (support.c) ---- */

/* A string or integer as text. `bytes` may point into `digits`: do not copy the struct. */
typedef struct hf_text {
    hf_bytes bytes; /* empty when not found */
    uint64_t expire_ms;
    bool found;
    char digits[HF_INT_TEXT_MAX + 1];
} hf_text;

/* False: the key holds a record, and -WRONGTYPE is written. Borrowed until the view is next asked.
 */
bool hf_command__text(hf_view *view, const hf_call *call, hf_bytes key, hf_text *text);
/* The same, with what is found given: for a value that the caller has already. False: a record. */
bool hf_command__text_of(const hf_value *value, hf_text *text);

typedef struct hf_record {
    hf_bytes block; /* empty when not found */
    uint64_t expire_ms;
    bool found;
} hf_record;
bool hf_command__record(hf_view *view, const hf_call *call, hf_bytes key, hf_record *record);

bool hf_command__exists(hf_view *view, hf_bytes key);
static inline uint64_t hf_command__now_ms(const hf_view *view)
{
    return view->ts / 1000000u;
}

/* ---- Writing ---- */

/* Strings that are decimal integers are kept as integers, so that additions can fold into them. */
void hf_command__put_text(hf_view *view, hf_bytes key, hf_bytes text, uint64_t expire_ms);
void hf_command__put_integer(hf_view *view, hf_bytes key, int64_t integer, uint64_t expire_ms);
/* A buffer in the heap of the reply, for what a command builds on the way. */
hf_buf hf_command__scratch(const hf_call *call);
/* True, and -OOM is written, when `scratch` did not fit. */
bool hf_command__failed(const hf_call *call, const hf_buf *scratch);
/* False, and the error is written, when a string of `size` bytes is too large: Redis' words beyond
 * Redis' limit of 512 MiB, -TOOBIG below it. */
bool hf_command__fits(const hf_call *call, uint64_t size);

/* ---- Arguments and errors ---- */
bool hf_command__is(hf_bytes argument, const char *upper); /* equal, in any case */
/* False: "ERR value is not an integer or out of range" is written. */
bool hf_command__integer(const hf_call *call, uint32_t index, int64_t *value);
/* The same with another text. */
bool hf_command__integer_or(const hf_call *call, uint32_t index, int64_t *value, const char *error);
hf_ran hf_command__syntax(const hf_call *call);
hf_ran hf_command__error(const hf_call *call, const char *text);
hf_ran hf_command__wrongtype(const hf_call *call);
hf_ran hf_command__arity(const hf_call *call); /* odd lists of pairs: named by args[0] */
hf_ran hf_command__int_reply(const hf_call *call, int64_t value);
void hf_command__lower(hf_bytes name, char *out, uint32_t size); /* cut, lower case, ended by 0 */

/* ---- Repeated arguments (unique.c) ---- */

/* The distinct arguments seen so far: pairwise for few, by hash for many. `seed`: view->draw, so
 * that nobody can prepare names that collide. */
typedef struct hf_unique {
    const hf_bytes *args;
    uint64_t seed;
    uint32_t step;
    uint32_t first;
    uint32_t mask;
    hf_buf slots;
} hf_unique;
/* For args[first], args[first + step], ... of `call`. False: -OOM is written (close it all the
 * same). */
bool hf_command__unique_open(hf_unique *unique, hf_view *view, const hf_call *call, uint32_t first,
                             uint32_t step);
/* Indexes in ascending order; false: an equal argument came before. */
bool hf_command__unique_add(hf_unique *unique, uint32_t index);
void hf_command__unique_close(hf_unique *unique);

/* ---- Numbers (number.c) ---- */
enum { HF_FLOAT_TEXT_MAX = 5 * 1024 };
bool hf_command__float_from(hf_bytes text, long double *value);
/* As Redis shows it: up to 17 digits behind the point, without trailing zeros. */
uint32_t hf_command__float_to(long double value, char text[HF_FLOAT_TEXT_MAX]);
uint64_t hf_command__draw(uint64_t *state); /* splitmix64 */

/* ---- Expiry arguments (expiry.c) ---- */
typedef enum hf_time_unit {
    HF_TIME_NONE,
    HF_TIME_SECONDS, /* from now */
    HF_TIME_MS,
    HF_TIME_AT_SECONDS, /* absolute */
    HF_TIME_AT_MS,
} hf_time_unit;
/* The absolute ms of the argument at `index`, which must be positive. False: the error is written;
 * `name` is the command's. */
bool hf_command__expiry(hf_view *view, const hf_call *call, uint32_t index, hf_time_unit unit,
                        const char *name, uint64_t *expire_ms);

/* ---- Ranges of indexes, as GETRANGE and BITCOUNT count them ---- */
/* Negative ones count from the end; false when the range is empty. */
bool hf_command__clip(int64_t *start, int64_t *end, int64_t total);

/* ---- The commands ---- */
/* clang-format off */
#define HF_COMMAND_RUNS(X) \
    X(append) X(bitcount) X(bitfield) X(bitfield_ro) X(bitpos) X(copy) X(dbsize) X(decr) \
    X(decrby) X(del) X(echo) X(exists) X(expire) X(expireat) X(expiretime) X(flushall) X(get) \
    X(getbit) X(getdel) X(getex) X(getrange) X(getset) X(hdel) X(hexists) X(hf_add) X(hf_lock) \
    X(hf_range) X(hf_unlock) X(hget) X(hgetall) X(hincrby) X(hincrbyfloat) X(hkeys) X(hlen) \
    X(hmget) X(hmset) X(hrandfield) X(hscan) X(hset) X(hsetnx) X(hstrlen) X(hvals) X(incr) \
    X(incrby) X(incrbyfloat) X(keys) X(lcs) X(memory) X(mget) X(mset) X(msetnx) X(object) \
    X(part_get) X(persist) X(pexpire) X(pexpireat) X(pexpiretime) X(ping) X(psetex) X(pttl) \
    X(randomkey) X(rename) X(renamenx) X(select) X(set) X(setbit) X(setex) X(setnx) X(setrange) \
    X(strlen) X(time) X(touch) X(ttl) X(type)
/* clang-format on */
#define X(name) hf_command_run hf_command__run_##name;
HF_COMMAND_RUNS(X)
#undef X

#endif
