/* hf_mesh: the mailboxes between cores, one single-producer single-consumer ring per ordered pair.
 *
 * A message is posted to the outbox of its pair (a list through msg->next that only the sender
 * touches), moved into the ring by flush once per loop turn, taken by the receiver, and given back
 * by counting: messages of a pair are handled in order, so the receiver only publishes how many it
 * is done with, and the sender looks up which those were. The way back costs one cache line per
 * batch and never writes to a message.
 *
 *     post           flush                    take             done          back
 *     outbox list -> ring (ck_ring) + flight -> receiver's hands -> counter -> flight -> maker
 *
 * Invariants: (1) order of posting is order of taking is order of coming back, per pair.
 *             (2) at most `slots` - 1 messages of a pair are between flush and back; what does not
 *                 fit stays in the outbox: nothing is lost and nobody waits.
 * Ownership:  the caller owns the memory at open; a message is the mesh's from post to back.
 * Cost:       O(1) per message, no allocation, no lock.
 * Threads:    post, flush, back, waiting by the core `from`; take, done by the core `to`.
 */
#ifndef HF_IO_MESH_H
#define HF_IO_MESH_H
#include "engine/io/io.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct hf_mesh hf_mesh;

enum { HF_MESH_SLOTS_MIN = 4, HF_MESH_SLOTS_MAX = 1 << 20 };

/* `slots` is a power of two. */
size_t hf_mesh_size(uint16_t core_count, uint32_t slots);
/* `at` is zeroed and aligned to a cache line. */
hf_mesh *hf_mesh_open(void *at, uint16_t core_count, uint32_t slots);

/* The sender. */
void hf_mesh_post(hf_mesh *mesh, uint16_t from, uint16_t to, hf_msg *msg);
/* Moves the outbox into the ring as far as there is room; answers how many went. */
uint32_t hf_mesh_flush(hf_mesh *mesh, uint16_t from, uint16_t to);
/* Messages of this pair that the receiver is done with, at most `max`, oldest first. */
uint32_t hf_mesh_back(hf_mesh *mesh, uint16_t from, uint16_t to, hf_msg **msgs, uint32_t max);
bool hf_mesh_has_back(const hf_mesh *mesh, uint16_t from, uint16_t to);
/* True when the outbox did not fit into the ring. */
bool hf_mesh_waiting(const hf_mesh *mesh, uint16_t from, uint16_t to);

/* The receiver. */
uint32_t hf_mesh_take(hf_mesh *mesh, uint16_t from, uint16_t to, const hf_msg **msgs, uint32_t max);
bool hf_mesh_has(const hf_mesh *mesh, uint16_t from, uint16_t to);
/* The oldest `count` messages that were taken and not yet reported are handled. */
void hf_mesh_done(hf_mesh *mesh, uint16_t from, uint16_t to, uint32_t count);

#endif
