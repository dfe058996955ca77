/* CLIENT LIST and KILL, which reach over all shards (clients.c). */
#ifndef HF_SHARD_SESSION_CLIENT_H
#define HF_SHARD_SESSION_CLIENT_H
#include "engine/shard/session/server.h"

enum { HF_CLIENT_IDS_MAX = 1024, HF_CLIENT_ADDRESS = 64 };

typedef enum hf_client_type {
    HF_CLIENT_ANY,
    HF_CLIENT_NORMAL,
    HF_CLIENT_PUBSUB,
    HF_CLIENT_NONE, /* MASTER, REPLICA: there are none */
} hf_client_type;

/* Which clients are meant: all that is set must fit. As a message's body, u64 ids follow. */
typedef struct hf_client_filter {
    uint64_t self, id_count, older_than_s;
    uint8_t type; /* hf_client_type */
    bool by_id, skip_self, nobody;
    char address[HF_CLIENT_ADDRESS], local[HF_CLIENT_ADDRESS];
} hf_client_filter;

bool hf_client__list(hf_shard *shard, hf_conn *conn, const hf_command *command,
                     const hf_bytes *args, uint32_t argc);
bool hf_client__kill(hf_shard *shard, hf_conn *conn, const hf_command *command,
                     const hf_bytes *args, uint32_t argc);

#endif
