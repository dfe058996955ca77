/* hf_order: requests of one connection on one key take effect in the order in which they were sent,
 * also while they wait at an owner, while ranges move, and when one turns out to need several
 * shards.
 *
 * Messages from a gateway to an owner keep their order. Three rules keep what they stand for in
 * order, too:
 *
 * 1. At the owner, a request that finds an earlier one of its connection waiting there (for a lock,
 *    for room, for a range that moves) waits behind it. What holds locks elsewhere does not wait
 *    but is sent back, to be tried again.
 * 2. An owner that gave a request back (REROUTE) gives back whatever the gateway sent before it
 *    heard of that: the owner counts what it gave back, the gateway what came back, and every
 *    message carries the gateway's count.
 * 3. At the gateway (session/order.c), while the map of ranges has changed, or a request came back,
 *    a request of a connection starts only when each earlier one that is not answered is on its
 *    way again, in one message by the present map. Requests that came back start again so too.
 *
 * Why that is enough: take two requests with a key in common, A before B, and the shard S that A
 * was sent to last. If A needs several shards, B does not start before A is answered
 * (session/session.c). Else B's part with that key is sent by the map that A was sent by (3), hence
 * to S, and comes there after A. By then A took effect, or it waits (1), or it went back (2); then
 * B goes back as well, and starts again after it (3). Nobody waits for a later request of its own
 * connection, so there is no circle.
 *
 * Reads at a timestamp take no part: the timestamp orders them. Nor do records of HF.APPLY and
 * requests of a local connection, which are independent, nor the steps of HF.BEGIN, which come one
 * by one. The usual request pays two comparisons at the owner and one at the gateway.
 */
#ifndef HF_SHARD_ORDER_H
#define HF_SHARD_ORDER_H
#include "engine/shard/shard_impl.h"

/* False: the message has to go through hf_order__txn() or hf_order__lock_read(). */
static inline bool hf_order__in_turn(const hf_shard *shard, uint16_t from, uint64_t client,
                                     uint32_t heard, const hf_item *item)
{
    if (client == 0) {
        return true;
    }
    return item != NULL ? !item->gated
                        : shard->order.sent_back[from] == heard && shard->order.count == 0;
}

/* True: it is the message's turn after all. False: it waits now, or went back. */
bool hf_order__txn(hf_shard *shard, const hf_msg_txn *msg, hf_item *item, hf_part *part);
/* False: to be refused with REROUTE. */
bool hf_order__lock_read(const hf_shard *shard, const hf_msg_lock_read *msg);

/* Whether it is the one message of a request of a connection. */
bool hf_order__keeps(const hf_msg_txn *msg);
/* To its gateway, which starts it again. */
void hf_order__send_back(hf_shard *shard, const hf_msg_txn *msg);

/* The item waits, for whatever reason. May be called again while it does. */
void hf_order__enter(hf_shard *shard, hf_item *item);
/* It is dropped: who is next of its connection becomes ready. */
void hf_order__leave(hf_shard *shard, hf_item *item);
/* The next one to be run whose predecessor is gone: shard->order.ready_first is there. */
hf_item *hf_order__ready(hf_shard *shard);

#endif
