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
