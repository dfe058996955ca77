/* Inside the owner's side: items.c (what waits, and for what), evaluate.c (what it does), owner.c
 * (the way of a message). */
#ifndef HF_SHARD_OWNER_IMPL_H
#define HF_SHARD_OWNER_IMPL_H
#include "engine/shard/order.h"
#include "engine/shard/request.h"
#include "engine/shard/view.h"

/* A read may name a timestamp so far ahead of this shard, twice: the gateway's clock may be. */
#define HF_READ_AHEAD_NS UINT64_C(1000000000)

/* A key or range that a message touches at this shard, and how. */
typedef struct want {
    hf_bytes key;        /* internal */
    const uint8_t *user; /* of a command: where the argument lies that it is */
    uint64_t hash;       /* of the key, in the table and among the locks; not of a range */
    hf_lock *lock;       /* of the key, when the part holds it */
    hf_bytes end;        /* ranges */
    hf_bytes from,
        to; /* ranges: what must be here; both empty: as much as is here (during the visit) */
    hf_lock_mode mode;
    bool is_range;
} want;

/* Answers false to stop. */
typedef bool want_visit(void *context, want *want);

/* Asking for the locks of a message. */
typedef struct asking {
    hf_shard *shard;
    hf_lock_txn *self;
    hf_age age;
    uint64_t read_ts; /* 0: now */
    hf_lock *at;
    want blocked; /* the request that is in the way; its key is only valid for ranges */
    bool elsewhere, frozen;
    uint32_t held; /* so many were taken */
} asking;

/* One run of a transaction: the results lie in shard->mutations or its workspace, and in
 * shard->replies. */
typedef struct evaluation {
    hf_view view;
    hf_ending ending;
    bool full;  /* there was no memory for its effects */
    bool waits; /* until an escrow addition ends, of the key below */
    hf_internal_key key;
    uint32_t grant_count;
} evaluation;

hf_item *hf_owner__item_make(hf_shard *shard, const hf_msg *msg); /* NULL: no memory */
hf_lock_mode hf_owner__mode(const hf_command *command);           /* in which its keys are taken */
void hf_owner__answer(hf_shard *shard, const hf_msg_txn *msg, hf_ending ending, uint64_t ts,
                      uint64_t lsn, hf_bytes body);
void hf_owner__refuse(hf_shard *shard, const hf_msg_txn *msg, hf_part *part, hf_ending ending,
                      uint64_t lsn, hf_bytes body);
/* Every key that the transaction touches at this shard, in the order of the message: read once,
 * then visited as often as need be. False: no memory for them. */
bool hf_owner__gather_wants(hf_shard *shard, const hf_msg_txn *msg);
/* The commands of the message whose wants were gathered last, and the want of a user key among its
 * first ones: NULL if it is not. */
const hf_txn_command *hf_owner__commands(const hf_shard *shard, uint32_t *count);
/* Whether no key is touched twice. They are few; else false. */
bool hf_owner__keys_differ(const hf_shard *shard);
const want *hf_owner__want_of(const hf_shard *shard, hf_bytes user);
/* Of the message whose wants were gathered last. */
static inline bool hf_owner__visit_wants(hf_shard *shard, const hf_msg_txn *msg, want_visit *visit,
                                         void *context)
{
    HF_PRE(shard->wants_of == msg);
    want *w = (want *)(void *)shard->wants.data;
    for (uint32_t size = shard->wants.size; size != 0; size -= (uint32_t)sizeof *w, w++) {
        if (!visit(context, w)) {
            return false;
        }
    }
    return true;
}
bool hf_owner__check_home(void *context, want *w);
bool hf_owner__check_lock(void *context, want *w);
bool hf_owner__claim_lock(void *context, want *w);
bool hf_owner__take_lock(void *context, want *w);
bool hf_owner__wound_younger(hf_shard *shard, const asking *a);
bool hf_owner__block(hf_shard *shard, const hf_msg *msg, hf_item *item, hf_part *part,
                     const asking *a);
void hf_owner__freeze(hf_shard *shard, const hf_msg_txn *msg, hf_item *item);
/* Room that comes again by itself: in the log and its queue. */
bool hf_owner__log_has_room(hf_shard *shard, const hf_msg *msg);
bool hf_owner__admit(hf_shard *shard, const hf_msg_txn *msg, hf_item *item, hf_part *part);
void hf_owner__evaluate(hf_shard *shard, const hf_msg_txn *msg, evaluation *e);
/* The same of a single command; the rest of `msg` says how it is meant. */
void hf_owner__evaluate_one(hf_shard *shard, const hf_msg_txn *msg, const hf_txn_command *command,
                            evaluation *e);
/* Appends the effects and applies them. HF_E_*: nothing happened. */
hf_err hf_owner__commit(hf_shard *shard, hf_bytes effects, uint64_t ts, uint64_t *lsn);
void hf_owner__end_one_phase(hf_shard *shard, const hf_msg_txn *msg, evaluation *e);
void hf_owner__end_prepare(hf_shard *shard, const hf_msg_txn *msg, hf_part *part, evaluation *e);
bool hf_owner__check_stub(hf_shard *shard, const hf_msg_txn *msg, hf_part *part);
void hf_owner__cancel_id(hf_shard *shard, const hf_msg_txn *msg);
void hf_owner__record_abort(hf_shard *shard, const hf_msg_txn *msg);

#endif
