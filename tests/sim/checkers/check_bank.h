/* hf_check_bank: money is neither made nor lost, and every acknowledged transfer is there once.
 *
 * Accounts are what OPEN micro-operations of committed transactions opened. Judged are BALANCES
 * (every account in one read) and LEDGER (the ids of applied transfers) of committed transactions:
 *   money-created, money-destroyed   a whole read whose sum is not the sum at opening
 *   floor-crossed, ceiling-crossed   a balance outside its account's bounds
 *   account-missing, account-unknown, account-twice   a whole read that is not whole
 *   lost-ack           a transfer acknowledged before the ledger read began is not in it
 *   refused-applied    a refused transfer is in it
 *   applied-twice      an id is in it more than once
 *   from-nowhere       an id nobody asked for, or only asked for after the read had returned
 *   ledger-mismatch    in one transaction, balances are not the opening plus the ledger's transfers
 *   half-applied       ... and differ on exactly one side of a transfer
 * The end state is judged when the last transactions of the history read it; without a ledger read
 * after every other return, ended_unread says that an acknowledgement lost at the very end would
 * not be seen. Snapshot reads are held to all but lost-ack.
 */
#ifndef HF_CHECKERS_CHECK_BANK_H
#define HF_CHECKERS_CHECK_BANK_H
#include "tests/sim/checkers/verdict.h"

hf_ruling hf_check_bank(const hf_history *history, hf_verdict *verdict, bool *ended_unread);

#endif
