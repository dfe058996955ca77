#include "engine/shard/session/weight.h"

hf_conn *hf_weight__heaviest(const hf_shard *shard)
{
    hf_conn *most = shard->session->first;
    for (hf_conn *conn = most; conn != NULL; conn = conn->next) {
        most = conn->weight > most->weight ? conn : most;
    }
    /* Many small ones: their number is limited. */
    return most != NULL && most->weight >= HF_WEIGHT_LEAST ? most : NULL;
}

void hf_weight__cut_off(hf_shard *shard)
{
    while (hf_weight__heavy(shard)) {
        hf_conn *conn = hf_weight__heaviest(shard);
        if (conn == NULL) {
            return;
        }
        shard->session->cut_off++;
        hf_conn__close(shard, conn);
    }
}

bool hf_weight__admits(const hf_shard *shard, const hf_conn *conn, uint32_t size)
{
    const hf_buf *out = &conn->out;
    if (size < HF_WEIGHT_LEAST) {
        return true;
    }
    uint64_t grown = out->capacity < HF_WEIGHT_LEAST ? HF_WEIGHT_LEAST : out->capacity;
    while (grown < (uint64_t)out->size + size) {
        grown *= 2; /* as hf_buf does */
    }
    uint64_t more = grown - out->capacity;
    if (size > shard->config.output_max) {
        return false;
    }
    if (shard->session->weight + more <= hf_heap_capacity(shard->heap) / HF_WEIGHT_PART) {
        return true;
    }
    const hf_conn *heaviest = hf_weight__heaviest(shard);
    return heaviest != NULL && heaviest != conn && heaviest->weight >= conn->weight + more;
}
