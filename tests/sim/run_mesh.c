/* Between the world and the shards: messages of the commit protocol that come again, at once or
 * later, and those that are lost where the protocol asks again by itself. The mesh of one machine
 * does neither; the rules that the protocol promises to keep are those of a network.
 *
 * Repeated: PREPARE, PREPARED, REFUSED, RESOLVE, QUERY, ANSWER, and the anchor's FINALIZE.
 * Lost: RESOLVE, QUERY, ANSWER, and the anchor's FINALIZE. What a coordinator sends once, and what
 * is counted, is left alone.
 */
#include "tests/sim/run_impl.h"

#include "engine/base/assert.h"
#include "engine/shard/pack.h"

#include <stdlib.h>
#include <string.h>

static bool may_be_lost(const hf_msg *msg)
{
    switch (msg->kind) {
    case HF_MSG_RESOLVE:
    case HF_MSG_QUERY:
    case HF_MSG_ANSWER:
        return true;
    case HF_MSG_FINALIZE:
        return ((const hf_msg_decision *)(const void *)msg)->by_coordinator == 0;
    default:
        return false;
    }
}

static bool may_be_repeated(const hf_msg *msg)
{
    switch (msg->kind) {
    case HF_MSG_TXN:
        return (((const hf_msg_txn *)(const void *)msg)->flags & HF_TXN_ONE_PHASE) == 0;
    case HF_MSG_PREPARED:
    case HF_MSG_REFUSED:
        return true;
    default:
        return may_be_lost(msg);
    }
}

static hf_msg *copy_of(const hf_msg *msg)
{
    hf_msg *copy = malloc(msg->size);
    HF_ASSERT(copy != NULL);
    memcpy(copy, msg, msg->size);
    return copy;
}

static void deliver(hf_run_mesh *mesh, const hf_msg *msg)
{
    hf_shard_handler()->on_message(mesh->shard, msg);
}

static void deliver_late(hf_run_mesh *mesh)
{
    hf_msg *msg = mesh->late[0];
    mesh->late_count--;
    memmove(mesh->late, mesh->late + 1, mesh->late_count * sizeof(hf_msg *));
    deliver(mesh, msg);
    free(msg);
}

static void one_message(hf_run_mesh *mesh, const hf_msg *msg)
{
    hf_run_state *run = mesh->run;
    const hf_run_plan *plan = &run->plan;
    if (!may_be_repeated(msg)) {
        deliver(mesh, msg);
        return;
    }
    bool lost = hf_world_prng_chance(&run->mesh, plan->lose_ppm);
    bool again = hf_world_prng_chance(&run->mesh, plan->repeat_ppm);
    bool late = hf_world_prng_coin(&run->mesh);
    if (!lost || !may_be_lost(msg)) {
        deliver(mesh, msg);
    }
    if (again && late && mesh->late_count < HF_RUN_LATE_MAX) {
        mesh->late[mesh->late_count++] = copy_of(msg);
    } else if (again) {
        deliver(mesh, msg);
    }
    if (mesh->late_count != 0 && hf_world_prng_chance(&run->mesh, 200000)) {
        deliver_late(mesh);
    }
}

static void on_message(void *context, const hf_msg *msg)
{
    hf_run_mesh *mesh = context;
    const hf_run_state *run = mesh->run;
    bool on = run->plan.repeat_ppm != 0 && run->phase == HF_PHASE_SAFETY;
    if (!on) {
        deliver(mesh, msg);
    } else if (msg->kind != HF_MSG_PACK) {
        one_message(mesh, msg);
    } else { /* each of its messages has its own fate */
        for (const hf_msg *m = hf_pack__next(msg, NULL); m != NULL; m = hf_pack__next(msg, m)) {
            one_message(mesh, m);
        }
    }
}

/* ---- The rest goes through as it is ---- */

static void on_message_back(void *context, hf_msg *msg)
{
    hf_shard_handler()->on_message_back(((hf_run_mesh *)context)->shard, msg);
}

static void on_accept(void *context, hf_conn_id conn, hf_listener listener)
{
    hf_shard_handler()->on_accept(((hf_run_mesh *)context)->shard, conn, listener);
}

static void on_received(void *context, hf_conn_id conn, hf_bytes data)
{
    hf_shard_handler()->on_received(((hf_run_mesh *)context)->shard, conn, data);
}

static void on_eof(void *context, hf_conn_id conn)
{
    hf_shard_handler()->on_eof(((hf_run_mesh *)context)->shard, conn);
}

static void on_sent(void *context, hf_conn_id conn)
{
    hf_shard_handler()->on_sent(((hf_run_mesh *)context)->shard, conn);
}

static void on_closed(void *context, hf_conn_id conn)
{
    hf_shard_handler()->on_closed(((hf_run_mesh *)context)->shard, conn);
}

static uint64_t on_turn(void *context)
{
    return hf_shard_handler()->on_turn(((hf_run_mesh *)context)->shard);
}

const hf_io_handler *hf_run__mesh_handler(void)
{
    static const hf_io_handler handler = {
        .on_message = on_message,
        .on_message_back = on_message_back,
        .on_accept = on_accept,
        .on_received = on_received,
        .on_eof = on_eof,
        .on_sent = on_sent,
        .on_closed = on_closed,
        .on_turn = on_turn,
    };
    return &handler;
}

static void forget(hf_run_mesh *mesh)
{
    while (mesh->late_count > 0) {
        free(mesh->late[--mesh->late_count]);
    }
}

/* What was on its way when the process died is gone with it. */
void hf_run__mesh_open(hf_run_state *run, uint16_t core)
{
    hf_run_mesh *mesh = &run->meshes[core];
    forget(mesh);
    mesh->run = run;
    mesh->shard = run->shards[core];
}

void hf_run__mesh_close(hf_run_state *run)
{
    for (uint16_t i = 0; i < HF_RUN_CORES_MAX; i++) {
        forget(&run->meshes[i]);
    }
}
