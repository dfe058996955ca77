#include "engine/shard/pack.h"

enum { PACK_BYTES = 2048 }; /* a larger message has a pack of its own size */

static uint32_t filled(uint32_t size)
{
    return (size + 7) & ~UINT32_C(7);
}

static bool fits(const hf_msg *pack, uint32_t size)
{
    return pack != NULL && (uint64_t)pack->size + filled(size) <= PACK_BYTES;
}

static hf_msg *place(hf_msg *pack, uint16_t from, uint16_t kind, uint32_t size)
{
    hf_msg *msg = (hf_msg *)(void *)((uint8_t *)pack + pack->size);
    static const uint64_t zero;
    memcpy((uint8_t *)msg + filled(size) - sizeof zero, &zero, sizeof zero); /* up to a multiple */
    *msg = (hf_msg){ .size = size, .kind = kind, .from = from };
    pack->size += filled(size);
    return msg;
}

/* With room for a message of this size. */
static hf_msg *pack_open(hf_shard *shard, uint32_t size)
{
    size_t bytes = sizeof(hf_msg) + filled(size);
    hf_msg *pack = size > HF_PACK_MESSAGE_MAX
                       ? NULL
                       : hf_heap_take(shard->heap, bytes < PACK_BYTES ? PACK_BYTES : bytes);
    if (pack != NULL) {
        *pack = (hf_msg){ .size = sizeof *pack, .kind = HF_MSG_PACK };
    }
    return pack;
}

/* ---- To go at once ---- */

void hf_pack__close(hf_shard *shard, uint16_t to)
{
    hf_msg *pack = shard->packs[to];
    if (pack != NULL) {
        shard->packs[to] = NULL;
        hf_shard__post(shard, to, pack);
    }
}

void hf_pack__close_all(hf_shard *shard)
{
    for (uint16_t to = 0; to < shard->count; to++) {
        hf_pack__close(shard, to);
    }
}

void *hf_pack__add(hf_shard *shard, uint16_t to, uint16_t kind, uint32_t size)
{
    if (!fits(shard->packs[to], size)) {
        hf_pack__close(shard, to);
        shard->packs[to] = pack_open(shard, size);
    }
    hf_msg *pack = shard->packs[to];
    return pack == NULL ? NULL : place(pack, shard->self, kind, size);
}

bool hf_pack__post(hf_shard *shard, uint16_t to, uint16_t kind, const void *fixed,
                   size_t fixed_size, hf_bytes body)
{
    uint64_t size = fixed_size + body.size;
    uint8_t *msg =
        size > HF_PACK_MESSAGE_MAX ? NULL : hf_pack__add(shard, to, kind, (uint32_t)size);
    if (msg == NULL) {
        return false;
    }
    memcpy(msg + sizeof(hf_msg), (const uint8_t *)fixed + sizeof(hf_msg),
           fixed_size - sizeof(hf_msg));
    hf_bytes_copy(msg + fixed_size, body);
    return true;
}

/* ---- To go when the log is durable ---- */

static void close_held(hf_shard *shard, uint16_t to)
{
    hf_held *held = &shard->held_packs[to];
    if (held->msg != NULL) {
        hf_msg *pack = held->msg;
        held->msg = NULL;
        hf_shard__hold(shard, held->lsn, to, pack);
    }
}

void hf_pack__close_held(hf_shard *shard)
{
    for (uint16_t to = 0; to < shard->count; to++) {
        close_held(shard, to);
    }
}

void *hf_pack__hold(hf_shard *shard, uint64_t lsn, uint16_t to, uint16_t kind, uint32_t size)
{
    if (lsn <= hf_log_durable(shard->log)) {
        return hf_pack__add(shard, to, kind, size);
    }
    uint64_t cut = hf_log_cut(shard->log);
    if (cut != shard->held_cut) { /* what is open is being written: what comes waits longer */
        hf_pack__close_held(shard);
        shard->held_cut = cut;
    }
    hf_held *held = &shard->held_packs[to];
    if (!fits(held->msg, size)) {
        close_held(shard, to);
        *held = (hf_held){ .msg = pack_open(shard, size), .to = to };
    }
    held->lsn = lsn > held->lsn ? lsn : held->lsn;
    return held->msg == NULL ? NULL : place(held->msg, shard->self, kind, size);
}
