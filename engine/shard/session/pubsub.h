/* Channels and patterns of one shard: between pubsub.c and publish.c. */
#ifndef HF_SHARD_SESSION_PUBSUB_H
#define HF_SHARD_SESSION_PUBSUB_H
#include "engine/shard/session/server.h"

struct hf_channel {
    hf_channel *same;        /* another of the same hash */
    hf_channel *next, *prev; /* all, in the order of making */
    hf_subscription *first, *last;
    uint64_t count; /* who listens: subscriptions of connections that are not being closed */
    uint64_t number;
    uint32_t size;
    uint8_t kind; /* 0 channel, 1 pattern */
    uint8_t name[];
};

/* NULL: nobody here is subscribed. */
hf_channel *hf_channel__find(const hf_shard *shard, int kind, hf_bytes name);

#endif
