#include "engine/shard/order.h"
#include "engine/shard/owner_impl.h"

static const hf_msg_txn *txn_of(const hf_item *item)
{
    const hf_msg *msg = (const hf_msg *)(const void *)item->message;
    return msg->kind == HF_MSG_TXN ? (const hf_msg_txn *)(const void *)msg : NULL;
}

bool hf_order__keeps(const hf_msg_txn *msg)
{
    return msg->client != 0 && (msg->flags & HF_TXN_ONE_PHASE) != 0 &&
           (msg->ticket.form & HF_TICKET_OP) == 0;
}

/* ---- Who waits here ---- */

static uint32_t place_of(uint16_t from, uint64_t client)
{
    return (uint32_t)(((client ^ from) * UINT64_C(0x9e3779b97f4a7c15)) >> 56);
}
_Static_assert(HF_ORDER_PLACES == 1 << 8, "place_of() answers eight bits");

static bool is_of(const hf_item *item, uint16_t from, uint64_t client)
{
    const hf_msg_txn *msg = txn_of(item);
    return msg->client == client && msg->head.from == from;
}

/* The first one from `item` on, in order of coming, that is of this connection. */
static hf_item *next_of(hf_item *item, uint16_t from, uint64_t client)
{
    while (item != NULL && !is_of(item, from, client)) {
        item = item->after;
    }
    return item;
}

static bool waits(const hf_shard *shard, uint16_t from, uint64_t client)
{
    return shard->order.count != 0 &&
           next_of(shard->order.first[place_of(from, client)], from, client) != NULL;
}

void hf_order__enter(hf_shard *shard, hf_item *item)
{
    const hf_msg_txn *msg = txn_of(item);
    if (item->entered || msg == NULL || !hf_order__keeps(msg)) {
        return;
    }
    hf_order *order = &shard->order;
    uint32_t place = place_of(msg->head.from, msg->client);
    item->entered = true;
    item->after = NULL;
    item->before = order->last[place];
    if (item->before != NULL) {
        item->before->after = item;
    } else {
        order->first[place] = item;
    }
    order->last[place] = item;
    order->count++;
}

void hf_order__leave(hf_shard *shard, hf_item *item)
{
    if (!item->entered) {
        return;
    }
    hf_order *order = &shard->order;
    const hf_msg_txn *msg = txn_of(item);
    uint32_t place = place_of(msg->head.from, msg->client);
    hf_item *next = next_of(item->after, msg->head.from, msg->client);
    if (item->before != NULL) {
        item->before->after = item->after;
    } else {
        order->first[place] = item->after;
    }
    if (item->after != NULL) {
        item->after->before = item->before;
    } else {
        order->last[place] = item->before;
    }
    item->entered = false;
    order->count--;
    if (next != NULL) {
        HF_ASSERT(next->gated && next->next == NULL);
        if (order->ready_last != NULL) {
            order->ready_last->next = next;
        } else {
            order->ready_first = next;
        }
        order->ready_last = next;
    }
}

hf_item *hf_order__ready(hf_shard *shard)
{
    hf_order *order = &shard->order;
    hf_item *item = order->ready_first;
    order->ready_first = item->next;
    order->ready_last = item->next == NULL ? NULL : order->ready_last;
    item->next = NULL;
    return item;
}

/* ---- What comes out of turn ---- */

void hf_order__send_back(hf_shard *shard, const hf_msg_txn *msg)
{
    shard->stats.refused++;
    if (hf_owner__reply(shard, msg->head.from, msg->ticket, msg->attempt, HF_MSG_REPLY,
                        HF_ENDING_REROUTE, 0, 0, hf_bytes_of(msg, msg->head.size))) {
        shard->order.sent_back[msg->head.from]++;
    } else { /* it has no effect at all: what follows may go on */
        hf_owner__answer(shard, msg, HF_ENDING_BUSY, 0, 0,
                         HF_LIT("-BUSY no memory to send the request on\r\n"));
    }
}

static void wait_behind(hf_shard *shard, const hf_msg_txn *msg)
{
    hf_item *item = hf_owner__item_make(shard, &msg->head);
    if (item == NULL) {
        hf_owner__answer(shard, msg, HF_ENDING_BUSY, 0, 0,
                         HF_LIT("-BUSY no memory to queue the request\r\n"));
        return;
    }
    item->gated = true;
    hf_order__enter(shard, item);
}

bool hf_order__txn(hf_shard *shard, const hf_msg_txn *msg, hf_item *item, hf_part *part)
{
    bool knew = msg->heard == shard->order.sent_back[msg->head.from];
    if (knew && item != NULL) {
        item->gated = false; /* its predecessor took effect */
        return true;
    }
    if (knew && !waits(shard, msg->head.from, msg->client)) {
        return true;
    }
    if (!hf_order__keeps(msg)) {
        hf_owner__refuse(shard, msg, part, HF_ENDING_REROUTE, 0, hf_bytes_of(NULL, 0));
    } else if (knew) {
        wait_behind(shard, msg);
    } else {
        hf_order__send_back(shard, msg);
        hf_owner__drop_item(shard, item);
    }
    return false;
}

bool hf_order__lock_read(const hf_shard *shard, const hf_msg_lock_read *msg)
{
    return msg->heard == shard->order.sent_back[msg->head.from] &&
           !waits(shard, msg->head.from, msg->client);
}
