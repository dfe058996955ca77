/* hf_pipe: a stream of bytes from one thread to another, through a ring of fixed size.
 *
 * Invariants: (1) tail <= head <= tail + capacity; (2) bytes below head are whole before head is.
 * Ownership:  the memory is the opener's; bytes are copied in, and lent out until taken.
 * Cost:       a put and a take are a copy and a store each; the other side's line is looked at only
 *             when what is known of it is not enough.
 * Threads:    one puts, one takes; opening and clearing when neither does.
 */
#ifndef HF_IO_PIPE_H
#define HF_IO_PIPE_H
#include "engine/base/bytes.h"

typedef struct hf_pipe hf_pipe;

/* `capacity` is a power of two. */
size_t hf_pipe_size(uint32_t capacity);
hf_pipe *hf_pipe_open(void *at, uint32_t capacity); /* `at` is 64-byte aligned */
void hf_pipe_clear(hf_pipe *pipe);

/* The sender: puts as much as fits, answers how much. */
uint32_t hf_pipe_put(hf_pipe *pipe, hf_bytes bytes);
/* Room for at least so much, as far as a put would see. */
bool hf_pipe_fits(hf_pipe *pipe, uint32_t size);

/* The receiver: what lies in one piece in the ring (there may be more behind its end); size 0:
 * nothing. Lent until taken. */
hf_bytes hf_pipe_peek(hf_pipe *pipe);
void hf_pipe_take(hf_pipe *pipe, uint32_t size);
/* All that is there, in one piece or two. */
uint32_t hf_pipe_filled(hf_pipe *pipe);
/* Copies `size` bytes that are there, from `offset` behind the next one on, without taking them. */
void hf_pipe_copy(hf_pipe *pipe, uint32_t offset, void *to, uint32_t size);

#endif
