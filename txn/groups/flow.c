/* One step of a group's machine, and what follows: record, messages, applying; what groups are
 * owed. */
#include "txn/groups/groups_impl.h"

enum { RUNS_MAX = 4096 };

/* ---- Room ---- */

bool hf_groups__ready(hf_groups *gs, hf_groups__group *g, uint32_t more)
{
    if (gs->stalled != NULL) {
        return false;
    }
    for (uint32_t i = 0; i < HF_RAFT_MADE_MAX; i++) {
        if (gs->spare[i] == NULL) {
            gs->spare[i] =
                hf_heap_take(gs->heap, sizeof(hf_groups__block) + HF_RAFT_CONFIG_SIZE_MAX);
        }
        if (gs->spare[i] == NULL) {
            return false;
        }
    }
    if (gs->spare_write == NULL) {
        gs->spare_write = hf_heap_take(gs->heap, sizeof *gs->spare_write);
    }
    return gs->spare_write != NULL && hf_groups__log_reserve(gs, &g->log, more + HF_RAFT_MADE_MAX);
}

/* The block has become too small: until there is a larger one the machine takes no new term. */
static void enlarge(hf_groups *gs, hf_groups__group *g)
{
    hf_raft_limits limits = { HF_RAFT_MEMBERS_MAX, g->limits.runs };
    limits.runs = limits.runs < RUNS_MAX ? 2 * limits.runs : limits.runs;
    bool larger = limits.runs > g->limits.runs || limits.members > g->limits.members;
    void *block = larger ? hf_heap_take(gs->heap, hf_raft_size(&limits)) : NULL;
    if (block != NULL) {
        hf_raft *old = g->raft;
        g->raft = hf_raft_move(block, &limits, old);
        g->limits = limits;
        hf_heap_give(gs->heap, old);
        hf_groups__owe(gs, g, HF_GROUPS__TICK); /* it may be able to lead now */
    }
}

/* ---- Into the log ---- */

static hf_groups__entry made_entry(hf_groups *gs, const hf_raft_made *made, uint64_t term)
{
    hf_groups__entry e = { .term = term, .kind = made->kind };
    if (made->kind != HF_RAFT_CONFIG) {
        return e;
    }
    for (uint32_t i = 0; i < HF_RAFT_MADE_MAX && e.block == NULL; i++) {
        e.block = gs->spare[i];
        gs->spare[i] = NULL;
    }
    HF_ASSERT(e.block != NULL);
    hf_writer w = { e.block->bytes, e.block->bytes + HF_RAFT_CONFIG_SIZE_MAX, false };
    hf_raft_config_write(&w, &made->config);
    HF_ASSERT(!w.full);
    e.size = (uint32_t)(w.at - e.block->bytes);
    return e;
}

static hf_groups__entry came_entry(const hf_groups__source *source, uint32_t place, uint64_t term)
{
    HF_ASSERT(source != NULL && place < source->count);
    hf_groups__entry e = { .term = term, .kind = HF_RAFT_DATA, .block = source->blocks[place] };
    source->blocks[place] = NULL;
    if (source->said != NULL) {
        e.term = source->said->entry[place].term;
        e.kind = source->said->entry[place].kind;
        e.size = source->said->payload[place].size;
    } else {
        e.size = source->proposals[place].size;
    }
    return e;
}

static void push_entries(hf_groups *gs, hf_groups__group *g, const hf_groups__source *source)
{
    const hf_raft_update *u = &gs->update;
    uint32_t made = 0;
    for (uint64_t i = u->first; i <= u->last; i++) {
        if (made < u->made_count && u->made[made].index == i) {
            hf_groups__log_push(gs, &g->log, made_entry(gs, &u->made[made], u->term));
            made++;
            continue;
        }
        bool said = source != NULL && source->said != NULL;
        uint64_t before = said ? source->said->message.index + 1 : u->first + made;
        hf_groups__log_push(gs, &g->log, came_entry(source, (uint32_t)(i - before), u->term));
    }
    HF_ASSERT(made == u->made_count);
}

static void change_log(hf_groups *gs, hf_groups__group *g, const hf_groups__source *source)
{
    const hf_raft_update *u = &gs->update;
    if (!u->install) {
        hf_groups__log_cut(gs, &g->log, u->first - 1);
        push_entries(gs, g, source);
    } else {
        HF_ASSERT(source != NULL && source->said != NULL);
        const hf_raft_message *m = &source->said->message;
        if (u->last <= m->index) {
            hf_groups__log_cut(gs, &g->log, g->log.base);
        }
        hf_groups__log_drop(gs, &g->log, m->index, m->log_term, m->config);
        g->applied = m->index;
        gs->inside = true;
        gs->handler.install(gs->handler.context, g->id, m->index);
        gs->inside = false;
    }
    HF_ASSERT(hf_groups__last(&g->log) == u->last);
}

static bool persist(hf_groups *gs, hf_groups__group *g, uint64_t number, uint64_t first,
                    uint64_t last)
{
    uint64_t lsn = 0;
    gs->inside = true;
    hf_err err = gs->handler.persist(gs->handler.context, g->id, gs->parts, gs->part_count, &lsn);
    gs->inside = false;
    if (err != HF_OK) {
        return false;
    }
    hf_groups__write *w = gs->spare_write;
    gs->spare_write = NULL;
    *w = (hf_groups__write){
        .group = g, .lsn = lsn, .number = number, .first = first, .last = last
    };
    hf_list_push_back(&gs->writes, &w->all);
    hf_list_push_back(&g->writes, &w->own);
    gs->stats.writes++;
    return true;
}

static bool record(hf_groups *gs, hf_groups__group *g, const hf_groups__record *r, uint64_t number)
{
    gs->part_count =
        hf_groups__record_write(r, &g->log, gs->record_heads, sizeof gs->record_heads, gs->parts);
    return persist(gs, g, number, r->first, r->last);
}

bool hf_groups__own_record(hf_groups *gs, hf_groups__group *g, const hf_groups__record *r)
{
    return record(gs, g, r, 0);
}

static bool log_update(hf_groups *gs, hf_groups__group *g)
{
    const hf_raft_update *u = &gs->update;
    hf_groups__record r = {
        .term = u->term, .vote = u->vote, .nonce = u->nonce, .first = u->first, .last = u->last
    };
    if (u->hard) {
        r.flags |= HF_GROUPS__HARD;
        g->disk.term = u->term;
        g->disk.vote = u->vote;
        g->disk.nonce = u->nonce;
    }
    if (u->install) {
        r.flags |= HF_GROUPS__INSTALL;
        r.index = g->log.base;
        r.log_term = g->log.base_term;
        r.config = &g->log.base_config;
    }
    return record(gs, g, &r, u->write);
}

/* ---- Messages ---- */

static void send_packet(hf_groups *gs, hf_groups__peer *peer)
{
    uint32_t count = hf_raft_packet_end(&peer->packet);
    if (count != 0) {
        gs->inside = true;
        gs->handler.send(gs->handler.context, peer->node, peer->parts, count, peer->packet.size);
        gs->inside = false;
        gs->stats.packets++;
    }
    hf_raft_packet_begin(&peer->packet, peer->heads, HF_RAFT_PACKET_HEADS_MIN, peer->parts,
                         HF_RAFT_PACKET_PARTS_MIN, gs->config.packet_bytes_max, gs->config.self,
                         peer->node);
}

void hf_groups__send_all(hf_groups *gs)
{
    for (uint32_t i = 0; i < HF_LIVENESS_PEERS_MAX; i++) {
        if (gs->peer[i] != NULL) {
            send_packet(gs, gs->peer[i]);
        }
    }
    hf_groups__give_all(gs);
}

static void add(hf_groups *gs, hf_groups__peer *peer, uint64_t id, const hf_raft_message *m)
{
    if (!hf_raft_packet_add(&peer->packet, id, m, gs->out.entry, gs->out.payload)) {
        send_packet(gs, peer);
        bool fits = hf_raft_packet_add(&peer->packet, id, m, gs->out.entry, gs->out.payload);
        HF_ASSERT(fits);
    }
    gs->stats.messages++;
}

/* The entries of an append, if they still are what its term's leader has. */
static bool fill_append(hf_groups *gs, const hf_groups__group *g, const hf_raft_message *m)
{
    if (hf_raft_role_of(g->raft) != HF_RAFT_LEADER || hf_raft_term(g->raft) != m->term ||
        m->index < g->log.base || m->last > hf_groups__last(&g->log)) {
        return false;
    }
    for (uint64_t i = m->index + 1; i <= m->last; i++) {
        uint64_t place = i - m->index - 1;
        const hf_groups__entry *e = hf_groups__at(&g->log, i);
        gs->out.entry[place] = (hf_raft_entry){ .term = e->term, .kind = e->kind };
        gs->out.payload[place] = hf_bytes_of(e->block != NULL ? e->block->bytes : NULL, e->size);
        if (e->kind == HF_RAFT_CONFIG) {
            hf_raft_config *config = &gs->out.config[place];
            HF_ASSERT(hf_raft_config_read(gs->out.payload[place], config) == HF_OK);
            gs->out.entry[place].config = config;
        }
    }
    return true;
}

static bool fill_piece(hf_groups *gs, const hf_groups__group *g, hf_raft_message *m)
{
    bool last = false;
    if (hf_raft_term(g->raft) != m->term || m->index != g->log.base) {
        return false; /* there is a newer one by now */
    }
    gs->inside = true;
    hf_err err = gs->handler.piece(gs->handler.context, g->id, m->index, m->offset,
                                   gs->config.piece_bytes_max, &gs->out.payload[0], &last);
    gs->inside = false;
    if (err != HF_OK) {
        return false;
    }
    HF_ASSERT(gs->out.payload[0].size <= gs->config.piece_bytes_max);
    m->size = gs->out.payload[0].size;
    m->config = &g->log.base_config;
    m->flags |= last ? HF_RAFT_DONE : 0;
    return true;
}

static void put(hf_groups *gs, const hf_groups__group *g, const hf_raft_message *message)
{
    hf_groups__peer *peer = hf_groups__peer_of(gs, message->to);
    hf_raft_message m = *message;
    m.after = 0;
    if (peer == NULL || (m.kind == HF_RAFT_APPEND && !fill_append(gs, g, &m)) ||
        (m.kind == HF_RAFT_SNAPSHOT && !fill_piece(gs, g, &m))) {
        return;
    }
    add(gs, peer, g->id, &m);
}

/* The oldest write of the group that is not durable and no older than `number`. */
static hf_groups__write *write_of(const hf_groups__group *g, uint64_t number)
{
    for (const hf_list *at = hf_list_first(&g->writes); at != NULL;
         at = hf_list_after(&g->writes, at)) {
        hf_groups__write *w = HF_CONTAINER_OF(at, hf_groups__write, own);
        if (w->number >= number) {
            return w;
        }
    }
    return NULL;
}

static void hold(hf_groups *gs, hf_groups__write *w, const hf_raft_message *message)
{
    hf_groups__held *held = hf_heap_take(gs->heap, sizeof *held);
    if (held == NULL) {
        gs->stats.lost_memory++;
        return;
    }
    *held = (hf_groups__held){ .message = *message };
    if (w->held_last != NULL) {
        w->held_last->next = held;
    } else {
        w->held = held;
    }
    w->held_last = held;
    gs->stats.waiting++;
}

static void send(hf_groups *gs, hf_groups__group *g)
{
    for (uint32_t i = 0; i < gs->update.message_count; i++) {
        const hf_raft_message *m = &gs->update.message[i];
        hf_groups__write *w = m->after == 0 ? NULL : write_of(g, m->after);
        if (w == NULL) {
            put(gs, g, m);
        } else {
            hold(gs, w, m);
        }
    }
}

void hf_groups__written(hf_groups *gs, hf_groups__write *w)
{
    hf_groups__group *g = w->group;
    hf_list_remove(&w->all);
    hf_list_remove(&w->own);
    while (w->held != NULL) {
        hf_groups__held *held = w->held;
        w->held = held->next;
        if (!g->removed) {
            put(gs, g, &held->message);
        }
        hf_heap_give(gs->heap, held);
        gs->stats.waiting--;
    }
    if (g->removed) {
        if (hf_list_empty(&g->writes)) {
            hf_heap_give(gs->heap, g);
        }
    } else if (w->number != 0) {
        g->persisted = w->number;
        g->persisted_last = w->last;
        hf_groups__owe(gs, g, HF_GROUPS__PERSISTED);
    }
    hf_heap_give(gs->heap, w);
}

/* ---- What an update says ---- */

static void wake(hf_groups *gs, hf_groups__group *g)
{
    uint64_t at = gs->update.wake_at;
    if (at == HF_RAFT_NEVER) {
        (void)hf_timers_cancel(&gs->timers, &g->timer);
    } else if (!hf_timer_armed(&g->timer)) {
        HF_ASSERT(hf_timers_add(&gs->timers, &g->timer, at) == HF_OK); /* groups_max of them */
    } else if (g->timer.due_ns != at) {
        hf_timers_move(&gs->timers, &g->timer, at);
    }
}

static void tell(hf_groups *gs, hf_groups__group *g)
{
    const hf_groups_handler *h = &gs->handler;
    const hf_raft_update *u = &gs->update;
    uint32_t leader = hf_raft_leader(g->raft);
    hf_raft_role role = hf_raft_role_of(g->raft);
    bool other = leader != g->leader || role != g->role;
    gs->inside = true;
    if (other) {
        hf_groups__led_by(gs, g, leader);
        g->role = role;
        h->leads(h->context, g->id, leader, role);
    }
    if (u->read_index != 0) {
        h->reads(h->context, g->id, u->read, u->read_index);
    }
    if (u->reads_failed) {
        h->reads_failed(h->context, g->id);
    }
    for (uint64_t i = u->apply_first; i <= u->apply_last; i++) {
        const hf_groups__entry *e = hf_groups__at(&g->log, i);
        HF_ASSERT(i == g->applied + 1);
        h->apply(h->context, g->id, i, e->term, e->kind,
                 hf_bytes_of(e->block != NULL ? e->block->bytes : NULL, e->size));
        g->applied = i;
    }
    gs->inside = false;
    if (u->apply_first <= u->apply_last) {
        hf_groups__owe(gs, g, HF_GROUPS__APPLIED);
    }
}

static void finish(hf_groups *gs, hf_groups__group *g)
{
    send(gs, g);
    wake(gs, g);
    tell(gs, g);
    if (gs->update.cramped) {
        enlarge(gs, g);
    }
}

hf_err hf_groups__step(hf_groups *gs, hf_groups__group *g, const hf_raft_event *event,
                       const hf_groups__source *source)
{
    hf_groups__sight sight = { &g->log, source };
    hf_raft_view view = { .options = &gs->config.raft,
                          .live = &gs->live,
                          .now = gs->now,
                          .random = hf_prng_next(&gs->prng),
                          .within = hf_groups__within,
                          .log = &sight };
    HF_ASSERT(gs->stalled == NULL && !gs->inside);
    hf_err err = hf_raft_step(g->raft, &view, event, &gs->update);
    gs->stats.steps++;
    if (gs->update.take_piece) {
        HF_ASSERT(source != NULL && source->said != NULL);
        const hf_raft_message *m = &source->said->message;
        gs->inside = true;
        gs->handler.take(gs->handler.context, g->id, m->index, m->offset, source->said->piece);
        gs->inside = false;
    }
    if (gs->update.write != 0) {
        change_log(gs, g, source);
        if (!log_update(gs, g)) {
            gs->stalled = g;
            gs->stalled_at = gs->now;
            return err;
        }
    }
    finish(gs, g);
    return err;
}

bool hf_groups__retry(hf_groups *gs)
{
    hf_groups__group *g = gs->stalled;
    if (g == NULL) {
        return true;
    }
    if (!persist(gs, g, gs->update.write, gs->update.first, gs->update.last)) {
        return false;
    }
    gs->stalled = NULL;
    finish(gs, g);
    return true;
}

/* ---- What groups are owed ---- */

void hf_groups__owe(hf_groups *gs, hf_groups__group *g, uint32_t what)
{
    g->owes |= what;
    if (!hf_list_linked(&g->work)) {
        hf_list_push_back(&gs->work, &g->work);
    }
}

static void tell_liveness(hf_groups *gs, hf_groups__group *g)
{
    uint32_t place = (uint32_t)__builtin_ctz(g->liveness);
    const hf_groups__peer *peer = gs->peer[place];
    g->liveness &= g->liveness - 1;
    if (g->liveness == 0) {
        g->owes &= ~(uint32_t)HF_GROUPS__LIVENESS;
    }
    if (peer != NULL) {
        (void)hf_groups__step(
            gs, g, &(hf_raft_event){ .kind = HF_RAFT_LIVENESS, .node = peer->node }, NULL);
    }
}

static void tell_one(hf_groups *gs, hf_groups__group *g)
{
    uint32_t what = g->owes & (~g->owes + 1);
    hf_raft_event event = { .kind = HF_RAFT_TICK };
    if (what == HF_GROUPS__LIVENESS) {
        tell_liveness(gs, g);
        return;
    }
    if (what == HF_GROUPS__PERSISTED) {
        event = (hf_raft_event){ .kind = HF_RAFT_PERSISTED,
                                 .write = g->persisted,
                                 .index = g->persisted_last };
    } else if (what == HF_GROUPS__APPLIED) {
        event = (hf_raft_event){ .kind = HF_RAFT_APPLIED, .index = g->applied };
    }
    g->owes &= ~what;
    (void)hf_groups__step(gs, g, &event, NULL);
}

void hf_groups__work(hf_groups *gs)
{
    while (!hf_list_empty(&gs->work)) {
        hf_groups__group *g = HF_CONTAINER_OF(hf_list_first(&gs->work), hf_groups__group, work);
        if (!hf_groups__ready(gs, g, 0)) {
            return;
        }
        tell_one(gs, g);
        if (g->owes == 0) {
            hf_list_remove(&g->work);
        }
    }
}

/* A node that could write nothing for as long as a leader may be without its quorum asks nobody to
 * take it for alive: others shall lead. */
static void send_liveness(hf_groups *gs, const hf_liveness_message *m)
{
    hf_groups__peer *peer = hf_groups__peer_of(gs, m->to);
    bool asks = m->kind == HF_LIVENESS_HEARTBEAT;
    bool mute = gs->stalled != NULL && gs->now - gs->stalled_at >= gs->config.raft.quorum_ns;
    if (peer == NULL || (asks && mute)) {
        return;
    }
    if (!hf_raft_packet_add_liveness(&peer->packet, m)) {
        send_packet(gs, peer);
        bool fits = hf_raft_packet_add_liveness(&peer->packet, m);
        HF_ASSERT(fits);
    }
}

void hf_groups__live(hf_groups *gs, const hf_liveness_update *update)
{
    gs->live_at = update->wake_at;
    for (uint32_t i = 0; i < update->message_count; i++) {
        send_liveness(gs, &update->message[i]);
    }
    for (uint32_t i = 0; i < gs->live.count; i++) {
        if ((update->changed >> i & 1) != 0) {
            hf_groups__changed(gs, gs->live.peer[i].node);
        }
    }
}
