/* hf_heap: one core's memory for everything of changing size, bounded for ever by its region.
 *
 * Size classes (slabs carved from 64 KiB spans) up to 32 KiB; larger blocks are runs of whole
 * spans, coalesced on return. Nothing is ever asked of the system: full means NULL, and the caller
 * sheds load. Deterministic: the same calls give the same addresses relative to the region.
 *
 * Invariants: (1) used + free == capacity.  (2) no two free runs touch.  (3) a block given twice,
 * or a pointer that take() did not return, stops the process.  With AddressSanitizer a block that
 * is not lent, and what lies beyond the size asked for, is poisoned. Ownership:  the caller owns
 * the region; take lends blocks (16-byte aligned), give returns them. Cost:       take/give O(1)
 * below 32 KiB, O(log spans) above. Threads:    one core only.
 */
#ifndef HF_BASE_HEAP_H
#define HF_BASE_HEAP_H
#include "engine/base/error.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct hf_heap hf_heap;

/* `at` is 64 KiB aligned, `size` a multiple of 64 KiB and at least 1 MiB. The heap keeps its own
 * bookkeeping inside the region. Never fails for a legal region. */
hf_heap *hf_heap_open(void *at, size_t size);
/* Ends the heap, whatever is still lent: the region is plain memory of the caller again. (In a
 * sanitizer build it must be called before the region is unmapped or used for something else.) */
void hf_heap_close(hf_heap *heap);
HF_MUST_USE void *hf_heap_take(hf_heap *heap, size_t size); /* NULL when full; size 0 is legal */
void hf_heap_give(hf_heap *heap, void *block);              /* NULL is ignored */
/* What take() really gave for this block: at least what was asked for, and all of it may be used.
 */
size_t hf_heap_block_size(const hf_heap *heap, const void *block);
size_t hf_heap_capacity(const hf_heap *heap);
/* Bytes in spans that hold at least one block (what the operator sees as used). */
size_t hf_heap_used(const hf_heap *heap);
/* Bytes in blocks: what is left of a span whose other blocks were given back counts as free. */
size_t hf_heap_lent(const hf_heap *heap);
/* Bytes in wholly free spans: `hf_heap_free(h) >= n` is the admission test before a write. */
size_t hf_heap_free(const hf_heap *heap);
/* True when a run of `size` bytes can be taken now. */
bool hf_heap_fits(const hf_heap *heap, size_t size);
/* Refuses one take with NULL, as if full: the take-th from now (1 is the next); 0 takes it back.
 * For tests and the simulator. */
void hf_heap_fail_at(hf_heap *heap, uint64_t take);
/* Walks the whole structure and asserts its invariants: for tests and the simulator. */
void hf_heap_check(const hf_heap *heap);

#endif
