/* hf_workspace: what one transaction sees beyond the table: records it fetched and its own writes.
 *
 * The owner of the keys uses it for the own writes of a transaction of several commands; a
 * coordinator, for a transaction whose commands need keys of several shards: there it also holds
 * the fetched records. Effects stay what they are everywhere, encoded mutations in order; the
 * workspace adds, per key, the value they lead to. A mark can be rolled back to (savepoints;
 * undoing one command).
 *
 * Ownership:  memory in the heap given; reset() keeps it for the next transaction.
 * Threads:    one shard only.
 */
#ifndef HF_MVCC_WORKSPACE_H
#define HF_MVCC_WORKSPACE_H
#include "storage/table/mutation.h"

typedef struct hf_workspace {
    hf_buf mutations; /* effects, encoded, in order: commands append here */
    hf_buf values;    /* bytes of keys and values: append only */
    hf_buf entries;   /* of struct entry */
    hf_buf undo;      /* of struct undo */
    hf_buf slots;     /* hash index: u32 entry number + 1 */
    hf_buf scratch;
    uint32_t entry_count;
    uint32_t undo_count;
    uint32_t applied; /* mutations up to here are in the values */
    bool failed;      /* out of memory: sticky until rollback or reset */
} hf_workspace;

typedef struct hf_workspace_mark {
    uint32_t mutations;
    uint32_t undo_count;
} hf_workspace_mark;

void hf_workspace_open(hf_workspace *workspace, hf_heap *heap);
void hf_workspace_close(hf_workspace *workspace);
void hf_workspace_reset(hf_workspace *workspace);

/* The key's value, if the workspace knows it (own write or fetched). Borrowed until the next
 * change. */
bool hf_workspace_get(const hf_workspace *workspace, hf_bytes key, hf_value *value);
/* Records a value read from elsewhere, the base that later mutations build on; ignored if known. */
void hf_workspace_base(hf_workspace *workspace, hf_bytes key, const hf_value *value);
/* A number that the caller keeps with a key that is known. */
void hf_workspace_note(hf_workspace *workspace, hf_bytes key, uint16_t note);
bool hf_workspace_noted(const hf_workspace *workspace, hf_bytes key, uint16_t *note);
/* Called with a key whose base is not known yet, before a mutation that needs it is applied. */
typedef void hf_workspace_fetch(void *context, hf_bytes key, hf_value *value);
/* Brings the values up to the mutations appended since. HF_E_TOOBIG: a record would outgrow its
 * limit; HF_E_NOMEM. On an error the caller rolls back to its mark. */
HF_MUST_USE hf_err hf_workspace_apply(hf_workspace *workspace, hf_workspace_fetch *fetch,
                                      void *context);

hf_workspace_mark hf_workspace_mark_now(const hf_workspace *workspace);
void hf_workspace_rollback(hf_workspace *workspace, hf_workspace_mark mark);
/* Calls back with every key that was written, and what it holds now; hf_workspace_all(): also with
 * those that were fetched. */
typedef void hf_workspace_visit(void *context, hf_bytes key, const hf_value *value);
void hf_workspace_each(const hf_workspace *workspace, hf_workspace_visit *visit, void *context);
void hf_workspace_all(const hf_workspace *workspace, hf_workspace_visit *visit, void *context);

#endif
