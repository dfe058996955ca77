/* One command on one key: the short way of nearly all requests.
 *
 * Such a request needs no lists and no plan. Its message is small and travels with others of its
 * turn (pack.h), and its owner runs it at once: if nothing of its connection waits here, the key's
 * range is here, the log has room, and nobody holds the key. When any of that is not so it is
 * written out as the TXN that it stands for and goes the general way (owner.c), from the beginning:
 * nothing has happened yet.
 */
#ifndef HF_SHARD_ONE_H
#define HF_SHARD_ONE_H
#include "engine/shard/gateway.h"

/* Whether the request can go the short way. */
bool hf_one__fits(const hf_request *request);
hf_started hf_one__start(hf_shard *shard, const hf_request *request);
/* The answer, if it is one that a command's reply tells whole. False: hf_gateway__result(). */
bool hf_one__replied(hf_shard *shard, const hf_msg_result *msg);

#endif
