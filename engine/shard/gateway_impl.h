/* Inside the gateway: operations over several shards. */
#ifndef HF_SHARD_GATEWAY_IMPL_H
#define HF_SHARD_GATEWAY_IMPL_H
#include "engine/shard/gateway.h"
#include "engine/shard/recipe.h"
#include "engine/shard/session/session.h"
#include "engine/shard/view.h"

#define HF_MANY_WAIT "-BUSY too many requests are waiting\r\n"
#define HF_NO_MEMORY "-OOM no memory for the transaction\r\n"

/* Digests of requests with an id tell one request from another. 0: a question for the outcome came
 * first. A dialogue cannot be told from another one: what is asked depends on what was answered. */
#define HF_DIGEST_DIALOGUE UINT64_C(1)

#define NO_OP UINT32_MAX /* no operation */
enum { NO_SHARD = 0xffff, NO_KEY = 0xfffe };

typedef enum hf_stage {
    HF_STAGE_SPARE,
    HF_STAGE_READ,     /* first collect */
    HF_STAGE_VALIDATE, /* second collect */
    HF_STAGE_LOCK,     /* fetching keys under memory locks */
    HF_STAGE_IDLE,     /* an interactive transaction between commands */
    HF_STAGE_PREPARE,
    HF_STAGE_RECORD, /* writing an id's refusal */
} hf_stage;

/* Where a part belongs by the map that its operation was cut by. */
typedef struct hf_home {
    uint64_t hash;  /* of its first key, in the table; 0: not known */
    uint16_t shard; /* NO_SHARD: not known */
} hf_home;

struct hf_op {
    hf_alarm alarm; /* first: idle interactive transactions */
    hf_op *next;    /* spare */
    uint32_t index, generation;
    hf_stage stage;
    hf_ticket client; /* whom the reply goes to */
    hf_form form;
    uint8_t proto;
    bool has_id, has_else, general, interactive, lost, atomic, in_order;
    bool by_map;          /* parts were cut along the map: if it changed they do not fit any more */
    bool collects;        /* reads without locks, as long as that works */
    bool fenced;          /* ... as it did not */
    uint32_t map_version; /* ... of the map by which it was cut */
    uint8_t id[16];
    uint64_t digest;
    uint64_t read_ts; /* a read at this timestamp, ... */
    bool bounded;     /* ... or a later one */
    uint64_t until;   /* what was fetched holds below this timestamp */
    hf_age age;
    hf_coordinator co;
    hf_shard_set touched; /* shards that know of the attempt: each gets one FINALIZE */
    hf_shard_set waiting; /* answers that are missing */
    uint32_t tries;
    uint32_t command_count, else_count, condition_count, piece_count, lock_count;
    hf_ending ending;
    hf_buf parts;      /* u16 shard | u32 size | command; as hf_txn_put_command wrote it */
    hf_buf homes;      /* hf_home of each */
    hf_buf conditions; /* u32 size | condition */
    hf_buf recipes, pieces, replies, refusal;
    hf_buf locks;  /* u8 mode | u32 size, key: everything locked in this attempt */
    hf_buf stamps; /* validation: per shard in order, u16 shard | stamp conditions */
    hf_buf marks;  /* savepoints: hf_workspace_mark | u32 size, name */
    hf_workspace workspace;
};

hf_op *hf_gateway__op_take(hf_shard *shard);
void hf_gateway__op_give(hf_shard *shard, hf_op *op);
bool hf_gateway__attempt(hf_shard *shard, hf_op *op);
void hf_gateway__finalize(hf_shard *shard, hf_op *op, uint64_t ts, hf_bytes result);
hf_ticket hf_gateway__ticket(const hf_op *op);
/* The form of a ticket's answer. */
uint32_t hf_gateway__form_word(const hf_request *request);
/* Of a user key, in the table: all shards hash alike. */
uint64_t hf_gateway__hash(const hf_shard *shard, hf_bytes user_key);
uint16_t hf_gateway__home(const hf_shard *shard, hf_bytes user_key);
uint16_t hf_gateway__stub_home(const hf_shard *shard, const uint8_t id[16]);
void hf_gateway__answer(hf_shard *shard, hf_op *op, hf_bytes reply);
void hf_gateway__condition_failed(hf_shard *shard, hf_op *op);
void hf_gateway__assemble(hf_shard *shard, hf_op *op, hf_buf *out);
void hf_gateway__base(hf_shard *shard, const hf_op *op, hf_msg_txn *msg);

/* The connection in whose order it is; 0: none. */
uint64_t hf_gateway__client(const hf_op *op);
void hf_gateway__fail(hf_shard *shard, hf_op *op, hf_bytes reply);
bool hf_gateway__send(hf_shard *shard, hf_op *op, hf_shard_set set, uint16_t flags,
                      uint16_t anchor);
void hf_gateway__prepare(hf_shard *shard, hf_op *op);
uint16_t hf_gateway__condition_home(hf_shard *shard, hf_bytes condition);
hf_shard_set hf_gateway__route(hf_shard *shard, hf_op *op);
bool hf_gateway__ask(hf_shard *shard, hf_op *op, uint16_t to, hf_msg_txn *fixed);
void hf_gateway__store(hf_op *op, uint16_t from, hf_bytes body);

/* gateway_again.c */
/* Refused for good: recorded under the id, if there is one, then answered. */
void hf_gateway__refused(hf_shard *shard, hf_op *op);
/* Refused, but the id's home is on its way to another shard: recorded in a moment. */
void hf_gateway__record_again(hf_shard *shard, hf_op *op);
/* Starts it once more: now, or (later, or while earlier requests of its connection are not on their
 * way by the present map) in a moment. */
void hf_gateway__again(hf_shard *shard, hf_op *op, bool later);
/* A request that an owner sent back: on its way again in hf_gateway__turn(). */
void hf_gateway__came_back(hf_shard *shard, uint16_t from, hf_bytes sent);

/* plan.c */
/* The one shard that has every key of the request, NO_SHARD if there is none such; that of each
 * command (NO_KEY: it has none), in shard->routes. */
uint16_t hf_plan__homes(hf_shard *shard, const hf_request *request);
/* Right after that: cuts the request into parts, or, when it has a command that needs keys of
 * several shards at once, keeps it whole (op->general). False: no memory. */
bool hf_plan__request(hf_shard *shard, hf_op *op, const hf_request *request);
/* Before each further attempt: if the parts are not what they were cut for, because keys of one
 * command lie with several shards by now, they are cut anew. Nothing of the operation may be under
 * way. False: no memory. */
bool hf_plan__again(hf_shard *shard, hf_op *op);
void hf_plan__conditions(hf_op *op, const hf_request *request);

/* collect.c: reads over shards */
void hf_collect__start(hf_shard *shard, hf_op *op);
void hf_collect__at(hf_shard *shard, hf_op *op, uint64_t read_ts);
void hf_collect__stamp(hf_shard *shard, hf_op *op);
void hf_collect__read(hf_shard *shard, hf_op *op, const hf_msg_result *msg, hf_bytes body);
void hf_collect__unfenced(hf_shard *shard, hf_op *op);

/* general.c: operations that lock and fetch first */
void hf_general__start(hf_shard *shard, hf_op *op);
void hf_general__locked(hf_shard *shard, hf_op *op, const hf_msg_result *msg);
void hf_general__commit(hf_shard *shard, hf_op *op);
void hf_general__lost(hf_shard *shard, hf_op *op, const hf_msg_result *msg);
/* Whether another attempt would be one too many. */
bool hf_general__in_vain(hf_shard *shard, const hf_op *op);

#endif
