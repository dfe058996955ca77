/* The gateway's side of engine/shard/order.h: what a connection has under way, and by which map. */
#include "engine/shard/session/session_impl.h"

/* Whether each request before `number` that is not answered went out in one message by the present
 * map. What is found is kept in conn->in_order, so that a pipeline is looked through once. */
bool hf_conn__in_order(const hf_shard *shard, hf_conn *conn, uint32_t number)
{
    uint32_t version = shard->map.changes;
    if (conn->looked_at != version || conn->in_order - conn->first > number - conn->first) {
        conn->looked_at = version;
        conn->in_order = conn->first;
    }
    while (conn->in_order != number) {
        const hf_slot *slot = &conn->slots[conn->in_order & conn->slot_mask];
        if (!slot->done && slot->sent_by != version && slot->sent_by != HF_SENT_NOWHERE) {
            return false;
        }
        conn->in_order++;
    }
    return true;
}

bool hf_conn__may_start(hf_shard *shard, hf_conn *conn)
{
    if (conn->listener != HF_LISTENER_LOCAL && /* its requests are of many callers */
        !hf_conn__in_order(shard, conn, conn->next_number)) {
        return false;
    }
    conn->map_version = shard->map.changes;
    return true;
}

static hf_conn *waiting(hf_shard *shard, hf_ticket ticket, hf_slot **slot)
{
    hf_conn *conn =
        (ticket.place & HF_PLACE_APPLY) != 0 ? NULL : hf_conn__find(shard, ticket.place);
    if (conn == NULL || ticket.number - conn->first >= conn->next_number - conn->first) {
        return NULL; /* records of HF.APPLY are independent; or the client is gone */
    }
    *slot = &conn->slots[ticket.number & conn->slot_mask];
    return (*slot)->done ? NULL : conn;
}

bool hf_session__in_order(hf_shard *shard, hf_ticket ticket)
{
    hf_slot *slot;
    hf_conn *conn = waiting(shard, ticket, &slot);
    return conn == NULL || hf_conn__in_order(shard, conn, ticket.number);
}

void hf_session__came_back(hf_shard *shard, hf_ticket ticket)
{
    hf_slot *slot;
    hf_conn *conn = waiting(shard, ticket, &slot);
    if (conn != NULL) {
        slot->sent_by = 0;
        conn->map_version = 0;
        conn->looked_at = 0;
    }
}

/* Over several shards it stays at 0: what follows waits for its answer. */
void hf_session__sent_again(hf_shard *shard, hf_ticket ticket, bool multi)
{
    hf_slot *slot;
    hf_conn *conn = waiting(shard, ticket, &slot);
    if (conn != NULL) {
        slot->sent_by = multi ? 0 : shard->map.changes;
        hf_conn__dirty(shard, conn); /* later requests may be waiting for this */
    }
}
