/* What commands see at the owner of the keys: the table at a timestamp, plus the transaction's own
 * writes. */
#ifndef HF_SHARD_VIEW_H
#define HF_SHARD_VIEW_H
#include "engine/shard/shard_impl.h"

/* `at`: the version to read (HF_TS_MAX: the newest). `ts`: the moment of the reading, for expiry.
 */
void hf_view__open(hf_shard *shard, hf_view *view, uint64_t at, uint64_t ts, uint8_t proto);
/* A view over a workspace alone (gateway). */
void hf_view__open_workspace(hf_shard *shard, hf_view *view, hf_workspace *workspace, uint64_t ts,
                             uint8_t proto);
/* The base of a key, for mutations of a transaction of several commands. */
void hf_view__fetch(void *context, hf_bytes key, hf_value *value);
/* How many keys the transaction's own writes add, net. */
int64_t hf_view__own_keys(hf_shard *shard);
/* The stamp of a user key for WATCH: changes with every change, expiry included. */
uint64_t hf_view__stamp(hf_shard *shard, hf_bytes user_key, uint64_t ts);
/* All user keys, as an interval of internal ones. */
void hf_owner__user_space(hf_bytes *start, hf_bytes *end);
/* Internal form of a user key, in a buffer of the caller. */
typedef struct hf_internal_key {
    uint8_t data[HF_KEY_SIZE_MAX + 1];
    uint32_t size;
} hf_internal_key;
static inline hf_bytes hf_internal_key_set(hf_internal_key *key, hf_bytes user)
{
    HF_PRE(user.size <= HF_KEY_SIZE_MAX);
    key->data[0] = HF_SPACE_USER;
    hf_bytes_copy(key->data + 1, user);
    key->size = user.size + 1;
    return hf_bytes_of(key->data, key->size);
}

#endif
