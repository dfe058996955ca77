/* libholdfast: a transaction engine inside this process, or a connection to one, with the same
 * calls.
 *
 *     hf_db *db;
 *     hf_client *client;
 *     if (hf_open("data", NULL, &db) != HF_OK || hf_client_open(db, &client) != HF_OK) {
 *         fprintf(stderr, "%s\n", hf_problem_text());
 *         exit(1);
 *     }
 *     hf_err err = hf_set(client, "k", 1, "v", 1);   // HF_OK: it is on disk
 *
 * db.h       hf_db: open a data directory, or connect; close
 * client.h   hf_client: calls that wait; interactive transactions; levels; scans; changes
 * txn.h      hf_txn: transactions that are sent whole, waiting or completion-driven
 * error.h    hf_err: what can go wrong
 *
 * What holds everywhere
 *
 * Keys     are bytes, 1 to HF_KEY_MAX of them. Values are bytes, at most HF_VALUE_MAX, or records
 *          of named fields; quantities are values that are 64-bit numbers in decimal.
 * Sizes    are in bytes, always beside their pointer; nothing needs a zero at its end.
 * Times    carry their unit in their name.
 * Done     means durable: a call that changed something returns HF_OK when it is on disk.
 * Order    Calls that are under way at the same time may take effect in any order, whatever their
 *          keys; a call that begins after another one has ended sees what that did.
 * Memory   is the caller's: the library copies what it is given before a call returns, and
 *          writes into buffers that it is given. What it lends says so, and until when.
 * Errors   A call that does not return HF_OK has had no effect, unless the text beside it says
 *          otherwise: HF_E_INDOUBT, HF_E_DEADLINE and HF_E_CLOSED may mean "perhaps".
 * Threads  An hf_db may be used by all threads. An hf_client, and what was opened from it (hf_txn,
 *          hf_scan, hf_changes), is one thread's at a time; a call that meets another thread
 *          inside returns HF_E_BUSY and does nothing. Give each thread a client of its own.
 * Fork     In the child, every call on what the parent opened returns HF_E_FORKED and does
 *          nothing; the engine's memory is not there. The child may open its own. Descriptors are
 *          closed by exec, and those that hold the data directory already by fork.
 * Signals  The library's threads block all signals but those that a fault raises, so that handlers
 *          run in the host's threads. No call may be made from a signal handler. Waiting calls go
 * on after a handler returned. Arguments that cannot be meant (a NULL where something must be, a
 * size without bytes, a key that is empty or too long) return HF_E_INVALID or HF_E_TOOBIG and do
 * nothing. A handle that was closed, or is no handle, is the one thing that is not noticed. Output
 * The library writes to no descriptor that is not its own, with one exception: a broken invariant
 * of its own is one line on standard error, then abort().
 */
#ifndef HOLDFAST_HOLDFAST_H
#define HOLDFAST_HOLDFAST_H
#include <holdfast/client.h>
#include <holdfast/db.h>
#include <holdfast/error.h>
#include <holdfast/txn.h>

#endif
