#include "tests/sim/checkers/transfers.h"

#include <inttypes.h>
#include <stdlib.h>

static hf_check_transfer transfer_of(const hf_history_txn *txn, uint32_t number, const hf_micro *op)
{
    return (hf_check_transfer){ .id = op->arg[0],
                                .from = op->arg[1],
                                .to = op->arg[2],
                                .amount = op->arg[3],
                                .invoked = txn->invoked,
                                .returned = txn->heard == HF_HEARD_OK ? txn->returned : HF_NEVER,
                                .heard = hf_history_refused(txn) ? HF_HEARD_FAIL : txn->heard,
                                .txn = number };
}

static void transfer_merge(hf_check_transfer *known, const hf_check_transfer *again,
                           hf_verdict *verdict)
{
    if (known->from != again->from || known->to != again->to || known->amount != again->amount) {
        hf_verdict_unusable(verdict, "  transfer id %" PRId64 " names two different transfers",
                            known->id);
        return;
    }
    if (again->heard == HF_HEARD_OK && known->heard != HF_HEARD_OK) {
        known->txn = again->txn;
    }
    known->invoked = again->invoked < known->invoked ? again->invoked : known->invoked;
    known->returned = again->returned < known->returned ? again->returned : known->returned;
    if (known->heard == HF_HEARD_OK || again->heard == HF_HEARD_OK) {
        known->heard = HF_HEARD_OK;
    } else if (known->heard != again->heard) {
        known->heard = HF_HEARD_UNKNOWN;
    }
}

void hf_check_transfers_open(hf_check_transfers *transfers, const hf_history *history,
                             hf_verdict *verdict)
{
    *transfers = (hf_check_transfers){ 0 };
    for (uint32_t t = 0; t < history->count; t++) {
        const hf_history_txn *txn = &history->txns[t];
        for (uint32_t o = 0; o < txn->op_count; o++) {
            if (txn->ops[o].kind != HF_MICRO_TRANSFER) {
                continue;
            }
            hf_check_transfer transfer = transfer_of(txn, t, &txn->ops[o]);
            uint32_t at = hf_check_map_add(&transfers->map, transfer.id, 0, transfers->count);
            if (at != transfers->count) {
                transfer_merge(&transfers->items[at], &transfer, verdict);
                continue;
            }
            transfers->items = hf_check_grow(transfers->items, transfers->count,
                                             &transfers->capacity, sizeof *transfers->items);
            transfers->items[transfers->count++] = transfer;
        }
    }
}

void hf_check_transfers_close(hf_check_transfers *transfers)
{
    free(transfers->items);
    hf_check_map_close(&transfers->map);
    *transfers = (hf_check_transfers){ 0 };
}
