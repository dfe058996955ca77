/* Sessions: the connections that one core serves. Bytes in, requests to the gateway, replies out in
 * order.
 *
 * Every request of a connection has a number; its reply may come late, the replies go out by
 * number. Requests of one pipeline run concurrently when their keys differ; requests on the same
 * key keep their order. A client that does not read is no longer read from, and at last cut off.
 *
 * Threads: one shard only.
 */
#ifndef HF_SHARD_SESSION_H
#define HF_SHARD_SESSION_H
#include "engine/shard/shard_impl.h"

void hf_session__accept(hf_shard *shard, hf_conn_id conn, hf_listener listener);
void hf_session__received(hf_shard *shard, hf_conn_id conn, hf_bytes data);
/* The client sends no more: it is answered, then closed. */
void hf_session__ended(hf_shard *shard, hf_conn_id conn);
void hf_session__sent(hf_shard *shard, hf_conn_id conn);
void hf_session__closed(hf_shard *shard, hf_conn_id conn);
/* Once per loop turn: sends what was gathered. Answers when it wants the next turn. */
uint64_t hf_session__turn(hf_shard *shard);
/* Something is to be sent that the turn has not seen: the loop must not sleep. */
bool hf_session__moved(const hf_shard *shard);
void hf_session__message(hf_shard *shard, const hf_msg *msg);
void hf_session__ready(hf_shard *shard);
void hf_session__stop(hf_shard *shard);
bool hf_session__idle(const hf_shard *shard);

/* From the gateway: the reply of a request (RESP, whole); copied. */
void hf_session__complete(hf_shard *shard, hf_ticket ticket, hf_bytes reply);
/* From the gateway: WATCH's version stamps, u64 each, in the order of the keys. */
void hf_session__stamps(hf_shard *shard, hf_ticket ticket, hf_bytes stamps);
/* engine/shard/order.h: whether every earlier request of the connection is on its way by the
 * present map; one was given back by its owner; it is on its way again, in one message or over
 * several shards (`multi`). */
bool hf_session__in_order(hf_shard *shard, hf_ticket ticket);
void hf_session__came_back(hf_shard *shard, hf_ticket ticket);
void hf_session__sent_again(hf_shard *shard, hf_ticket ticket, bool multi);
/* The interactive transaction of that connection is over; its operation is gone. */
void hf_session__txn_ended(hf_shard *shard, hf_ticket ticket);
bool hf_session__open(hf_shard *shard);

#endif
