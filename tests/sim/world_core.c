/* Messages between cores. */
#include "tests/sim/world_impl.h"

#include <stdlib.h>
#include <string.h>

static hf_world__pipe *pipe_of(hf_world *w, uint16_t from, uint16_t to, bool back)
{
    return &w->pipes[((uint32_t)from * w->core_count + to) * 2 + (back ? 1 : 0)];
}

static void pipe_push(hf_world__pipe *pipe, hf_msg *msg, uint64_t hash)
{
    if (pipe->count == pipe->room) {
        uint32_t room = pipe->room == 0 ? 16 : pipe->room * 2;
        hf_world__posted *ring = malloc(room * sizeof *ring);
        HF_ASSERT(ring != NULL);
        for (uint32_t i = 0; i < pipe->count; i++) {
            ring[i] = pipe->ring[(pipe->head + i) & (pipe->room - 1)];
        }
        free(pipe->ring);
        pipe->ring = ring;
        pipe->room = room;
        pipe->head = 0;
    }
    hf_world__posted *posted = &pipe->ring[(pipe->head + pipe->count++) & (pipe->room - 1)];
    posted->msg = msg;
    posted->hash = hash;
}

/* What of a message must not change on its way: all but the maker's link. */
static uint64_t message_hash(const hf_msg *msg)
{
    uint64_t h =
        hf_world_hash((uint64_t)msg->kind << 16 | msg->from, msg + 1, msg->size - sizeof *msg);
    return h ^ msg->size;
}

static void pipe_schedule(hf_world *w, hf_world__pipe *pipe)
{
    hf_world_prng *prng = &w->cores[pipe->back ? pipe->to : pipe->from].messages;
    uint64_t delay =
        hf_world_prng_between(prng, w->faults.message_ns_min, w->faults.message_ns_max);
    if (hf_world__draws(w, prng, &w->faults.message_long)) {
        delay += hf_world_prng_between(prng, 0, w->faults.message_long_ns_max);
        w->stats.message_long++;
    }
    uint64_t time = w->now + delay;
    pipe->last = time > pipe->last ? time : pipe->last;
    hf_world__event *event =
        hf_world__schedule(w, pipe->back ? HF_WORLD__BACK : HF_WORLD__MESSAGE,
                           pipe->back ? pipe->from : pipe->to, pipe->last, pipe);
    event->node = true;
}

void hf_world__post(hf_io *io, uint16_t to, hf_msg *msg)
{
    hf_world__core *core = (hf_world__core *)(void *)io;
    hf_world *w = core->world;
    HF_PRE(to < w->core_count);
    HF_PRE(w->calling < 0 || w->calling == io->core);
    HF_PRE(msg->size >= sizeof *msg && msg->kind < HF_MSG_KIND_MAKER);
    msg->from = io->core;
    msg->next = NULL;
    hf_world__pipe *pipe = pipe_of(w, io->core, to, false);
    pipe_push(pipe, msg, message_hash(msg));
    pipe_schedule(w, pipe);
}

void hf_world__deliver(hf_world *w, hf_world__pipe *pipe)
{
    uint16_t i = pipe->back ? pipe->from : pipe->to;
    hf_world__core *core = &w->cores[i];
    if (!core->booted) {
        pipe->missed++; /* it waits in the pipe for hf_world__pipes_boot */
        return;
    }
    HF_ASSERT(pipe->count > 0);
    hf_world__posted posted = pipe->ring[pipe->head];
    pipe->head = (pipe->head + 1) & (pipe->room - 1);
    pipe->count--;
    hf_msg *msg = posted.msg;
    uint64_t hash = message_hash(msg);
    HF_ASSERT(hash == posted.hash); /* a message changed while it was lent */
    hf_world__enter(core);
    hf_world__record(w, pipe->back ? HF_WORLD__BACK : HF_WORLD__MESSAGE, i, hash,
                     pipe->back ? pipe->to : pipe->from, msg->kind, NULL);
    w->stats.messages += !pipe->back;
    w->calling = i;
    if (pipe->back) {
        core->io.handler->on_message_back(core->io.context, msg);
    } else {
        core->io.handler->on_message(core->io.context, msg);
    }
    w->calling = -1;
    if (!pipe->back) {
        hf_world__pipe *back = pipe_of(w, pipe->from, pipe->to, true);
        pipe_push(back, msg, hash);
        pipe_schedule(w, back);
    }
}

void hf_world__pipes_boot(hf_world *w, uint16_t core)
{
    for (size_t i = 0; i < (size_t)w->core_count * w->core_count * 2; i++) {
        hf_world__pipe *pipe = &w->pipes[i];
        if ((pipe->back ? pipe->from : pipe->to) != core) {
            continue;
        }
        for (; pipe->missed > 0; pipe->missed--) {
            pipe_schedule(w, pipe);
        }
    }
}

void hf_world__pipes_crash(hf_world *w)
{
    for (size_t i = 0; i < (size_t)w->core_count * w->core_count * 2; i++) {
        w->pipes[i].count = 0;
        w->pipes[i].missed = 0;
    }
}
