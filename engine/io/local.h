/* hf_local: a client in this process: two pipes to every core, and a bell each way.
 *
 * To a core it is a connection of HF_LISTENER_LOCAL: bytes in, bytes out, closed. The client's side
 * is here.
 *
 * Ownership:  everything lies in the node's region; a client is lent from take to give.
 * Threads:    take: any. The rest: one thread at a time.
 */
#ifndef HF_IO_LOCAL_H
#define HF_IO_LOCAL_H
#include "engine/io/uring.h"

typedef struct hf_local hf_local;

/* A client that nobody has; NULL: there is none, or no descriptor for it. */
HF_MUST_USE hf_local *hf_local_take(hf_uring_node *node);
/* Closes its connections and waits until every core has let go of it (not for cores that ended). */
void hf_local_give(hf_local *local);

/* Puts as much as fits into the pipe to that core; ring() afterwards. */
uint32_t hf_local_put(hf_local *local, uint16_t core, hf_bytes bytes);
bool hf_local_fits(hf_local *local, uint16_t core, uint32_t size);
/* Asks to be woken when the pipe to that core, which is full, has room; false: it has some now. */
bool hf_local_starved(hf_local *local, uint16_t core);
/* The core will look at its pipe; wakes it if it sleeps. */
void hf_local_ring(hf_local *local, uint16_t core);

/* What came from that core: the bytes in the pipe, to be peeked and taken by engine/io/pipe.h; then
 * took(), so that a core that had no room goes on. */
struct hf_pipe *hf_local_pipe(hf_local *local, uint16_t core);
void hf_local_took(hf_local *local, uint16_t core);
/* False: the core has ended the connection, or ended itself. */
bool hf_local_alive(const hf_local *local, uint16_t core);

/* Waiting: arm, look into all pipes once more, poll the descriptor for input, disarm. Armed, the
 * descriptor turns readable when something comes. */
void hf_local_arm(hf_local *local);
void hf_local_disarm(hf_local *local);
int hf_local_fd(const hf_local *local);
/* Makes the descriptor readable. */
void hf_local_poke(hf_local *local);

/* All clients look up: the node has ended. Any thread. */
void hf_local_wake_all(hf_uring_node *node);

#endif
