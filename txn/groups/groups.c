/* Life of the groups of one core, and what comes from outside. */
#include "txn/groups/groups.h"
#include "txn/groups/groups_impl.h"

enum { MEMBERS_FIRST = 4, RUNS_FIRST = 8, AGAIN_NS = 1000000 };
#define GONE_FROM (UINT64_C(1) << 63) /* a cursor behind the groups that are here */

/* ---- Nodes ---- */

hf_groups__peer *hf_groups__peer_of(const hf_groups *gs, uint32_t node)
{
    for (uint32_t i = 0; i < HF_LIVENESS_PEERS_MAX; i++) {
        if (gs->peer[i] != NULL && gs->peer[i]->node == node) {
            return gs->peer[i];
        }
    }
    return NULL;
}

static void free_peer(hf_groups *gs, hf_groups__peer *peer)
{
    if (peer != NULL) {
        hf_heap_give(gs->heap, peer->heads);
        hf_heap_give(gs->heap, peer->parts);
        hf_heap_give(gs->heap, peer);
    }
}

static hf_groups__peer *make_peer(hf_groups *gs, uint32_t node)
{
    hf_groups__peer *peer = hf_heap_take(gs->heap, sizeof *peer);
    if (peer == NULL) {
        return NULL;
    }
    *peer = (hf_groups__peer){ .node = node };
    hf_list_open(&peer->led);
    peer->heads = hf_heap_take(gs->heap, HF_RAFT_PACKET_HEADS_MIN);
    peer->parts = hf_heap_take(gs->heap, HF_RAFT_PACKET_PARTS_MIN * sizeof *peer->parts);
    if (peer->heads == NULL || peer->parts == NULL) {
        free_peer(gs, peer);
        return NULL;
    }
    hf_raft_packet_begin(&peer->packet, peer->heads, HF_RAFT_PACKET_HEADS_MIN, peer->parts,
                         HF_RAFT_PACKET_PARTS_MIN, gs->config.packet_bytes_max, gs->config.self,
                         node);
    return peer;
}

hf_err hf_groups_meet(hf_groups *gs, uint32_t node, uint64_t now)
{
    uint32_t place = 0;
    HF_PRE(gs->started && node != 0 && node != gs->config.self);
    if (hf_groups__peer_of(gs, node) != NULL) {
        return HF_OK;
    }
    while (place < HF_LIVENESS_PEERS_MAX && gs->peer[place] != NULL) {
        place++;
    }
    hf_groups__peer *peer = place == HF_LIVENESS_PEERS_MAX ? NULL : make_peer(gs, node);
    if (peer == NULL) {
        return place == HF_LIVENESS_PEERS_MAX ? HF_E_FULL : HF_E_NOMEM;
    }
    if (!hf_liveness_add(&gs->live, node, now)) {
        free_peer(gs, peer);
        return HF_E_FULL;
    }
    gs->peer[place] = peer;
    gs->live_at = now;
    uint64_t cursor = 0;
    hf_map_entry entry;
    while (hf_map_next(&gs->by_id, &cursor, &entry)) { /* it may lead some */
        hf_groups__group *g = (hf_groups__group *)(uintptr_t)entry.value;
        hf_groups__led_by(gs, g, g->leader);
    }
    return HF_OK;
}

void hf_groups_forget(hf_groups *gs, uint32_t node)
{
    for (uint32_t i = 0; i < HF_LIVENESS_PEERS_MAX; i++) {
        hf_groups__peer *peer = gs->peer[i];
        if (peer == NULL || peer->node != node) {
            continue;
        }
        gs->peer[i] = NULL;
        while (!hf_list_empty(&peer->led)) {
            hf_list_push_back(&gs->leaderless, hf_list_pop_front(&peer->led));
        }
        hf_liveness_remove(&gs->live, node);
        free_peer(gs, peer);
    }
}

void hf_groups__led_by(hf_groups *gs, hf_groups__group *g, uint32_t leader)
{
    hf_groups__peer *peer = hf_groups__peer_of(gs, leader);
    hf_list *list = leader == gs->config.self ? &gs->led_here : &gs->leaderless;
    g->leader = leader;
    if (hf_list_linked(&g->beside)) {
        hf_list_remove(&g->beside);
    }
    hf_list_push_back(peer != NULL ? &peer->led : list, &g->beside);
}

static void owe_liveness(hf_groups *gs, const hf_list *list, uint32_t place)
{
    for (const hf_list *at = hf_list_first(list); at != NULL; at = hf_list_after(list, at)) {
        hf_groups__group *g = HF_CONTAINER_OF(at, hf_groups__group, beside);
        g->liveness |= 1u << place;
        hf_groups__owe(gs, g, HF_GROUPS__LIVENESS);
    }
}

void hf_groups__changed(hf_groups *gs, uint32_t node)
{
    for (uint32_t i = 0; i < HF_LIVENESS_PEERS_MAX; i++) {
        if (gs->peer[i] != NULL && gs->peer[i]->node == node) {
            owe_liveness(gs, &gs->led_here, i);
            owe_liveness(gs, &gs->peer[i]->led, i);
        }
    }
}

/* ---- Groups ---- */

hf_groups__group *hf_groups__find(const hf_groups *gs, uint64_t id)
{
    return hf_map_find_pointer(&gs->by_id, hf_id_of(id));
}

hf_err hf_groups__make(hf_groups *gs, uint64_t id, hf_groups__group **group)
{
    if (hf_map_count(&gs->by_id) >= gs->config.groups_max) {
        return HF_E_FULL;
    }
    hf_groups__group *g = hf_heap_take(gs->heap, sizeof *g);
    if (g == NULL) {
        return HF_E_NOMEM;
    }
    *g = (hf_groups__group){ .id = id };
    hf_list_open(&g->writes);
    hf_err err = hf_map_put_pointer(&gs->by_id, hf_id_of(id), g);
    if (err != HF_OK) {
        hf_heap_give(gs->heap, g);
        return err;
    }
    gs->stats.groups++;
    *group = g;
    return HF_OK;
}

void hf_groups__free(hf_groups *gs, hf_groups__group *g)
{
    (void)hf_map_drop(&gs->by_id, hf_id_of(g->id));
    (void)hf_timers_cancel(&gs->timers, &g->timer);
    hf_groups__log_close(gs, &g->log);
    if (hf_list_linked(&g->work)) {
        hf_list_remove(&g->work);
    }
    if (hf_list_linked(&g->beside)) {
        hf_list_remove(&g->beside);
    }
    hf_heap_give(gs->heap, g->raft);
    g->raft = NULL;
    g->removed = true;
    gs->stats.groups--;
    if (hf_list_empty(&g->writes)) {
        hf_heap_give(gs->heap, g);
    }
}

/* Puts the machine together from what is on disk. */
static hf_err open_raft(hf_groups *gs, hf_groups__group *g)
{
    hf_raft_start start = g->disk;
    start.self = gs->config.self;
    start.index = start.applied = g->log.base;
    start.log_term = g->log.base_term;
    start.config = g->log.base_config;
    g->limits =
        (hf_raft_limits){ start.config.count < MEMBERS_FIRST ? MEMBERS_FIRST : HF_RAFT_MEMBERS_MAX,
                          RUNS_FIRST };
    for (;; g->limits.runs *= 2) {
        void *block = hf_heap_take(gs->heap, hf_raft_size(&g->limits));
        if (block == NULL) {
            return HF_E_NOMEM;
        }
        g->raft = hf_raft_open(block, &g->limits, &start);
        uint64_t i = g->log.base + 1;
        for (; i <= hf_groups__last(&g->log); i++) {
            const hf_groups__entry *e = hf_groups__at(&g->log, i);
            hf_raft_config config = hf_groups__members_at(&g->log, i);
            hf_raft_entry entry = { .term = e->term, .kind = e->kind, .config = &config };
            if (!hf_raft_replay(g->raft, &entry)) {
                break;
            }
        }
        if (i > hf_groups__last(&g->log)) {
            break;
        }
        hf_heap_give(gs->heap, g->raft);
        g->raft = NULL;
    }
    g->applied = g->log.base;
    g->role = HF_RAFT_FOLLOWER;
    hf_groups__led_by(gs, g, 0);
    hf_groups__owe(gs, g, HF_GROUPS__TICK);
    return HF_OK;
}

/* A replica that was here before: its log is gone, and whether it voted in its last term is not
 * known any more. So it votes for nobody in that one, takes nothing from an older leader, and has
 * no vote until a leader has made it whole. */
static void come_back(hf_groups *gs, hf_groups__group *g, uint64_t term)
{
    g->disk.term = term;
    g->disk.vote = gs->config.self;
    g->disk.nonce = (uint64_t)gs->config.start << 32 | ++gs->returns;
}

hf_err hf_groups_create(hf_groups *gs, uint64_t id, const hf_raft_config *config, uint64_t now)
{
    hf_groups__group *g;
    HF_PRE(gs->started && !gs->inside);
    gs->now = now;
    if (hf_groups__find(gs, id) != NULL) {
        return HF_E_EXISTS;
    }
    hf_err err = hf_groups__make(gs, id, &g);
    if (err != HF_OK) {
        return err;
    }
    const uint64_t *term = hf_map_find(&gs->gone, hf_id_of(id));
    if (term != NULL) {
        come_back(gs, g, *term);
    }
    hf_groups__record record = { .flags = HF_GROUPS__HARD | HF_GROUPS__INSTALL | HF_GROUPS__WHOLE,
                                 .vote = g->disk.vote,
                                 .term = g->disk.term,
                                 .nonce = g->disk.nonce,
                                 .config = config,
                                 .first = 1 };
    g->log.base_config = *config;
    err = hf_groups__ready(gs, g, 0) ? open_raft(gs, g) : HF_E_BUSY;
    if (err == HF_OK && !hf_groups__own_record(gs, g, &record)) {
        err = HF_E_BUSY;
    }
    if (err != HF_OK) {
        hf_groups__free(gs, g);
    } else {
        (void)hf_map_drop(&gs->gone, hf_id_of(id));
    }
    return err;
}

hf_err hf_groups_remove(hf_groups *gs, uint64_t id)
{
    hf_groups__group *g = hf_groups__find(gs, id);
    HF_PRE(gs->started && !gs->inside);
    if (g == NULL) {
        return HF_E_NOTFOUND;
    }
    hf_groups__record record = hf_groups__gone_record(g->disk.term);
    if (!hf_groups__ready(gs, g, 0)) {
        return HF_E_BUSY;
    }
    hf_err err = hf_map_put(&gs->gone, hf_id_of(id), g->disk.term);
    if (err != HF_OK) {
        return err;
    }
    if (!hf_groups__own_record(gs, g, &record)) {
        (void)hf_map_drop(&gs->gone, hf_id_of(id));
        return HF_E_BUSY;
    }
    hf_groups__free(gs, g);
    return HF_OK;
}

/* ---- All of them ---- */

static bool fits(const hf_groups_config *c)
{
    uint64_t room = c->packet_bytes_max;
    return c->self != 0 && c->start != 0 && c->groups_max != 0 && room > HF_GROUPS_ROOM &&
           c->entry_bytes_max >= HF_RAFT_CONFIG_SIZE_MAX &&
           c->entry_bytes_max <= room - HF_GROUPS_ROOM &&
           c->piece_bytes_max <= room - HF_GROUPS_ROOM &&
           c->raft.message_bytes <= room - HF_GROUPS_ROOM;
}

hf_err hf_groups_open(hf_heap *heap, const hf_groups_config *config,
                      const hf_groups_handler *handler, hf_groups **groups)
{
    if (!fits(config)) {
        return HF_E_INVALID;
    }
    hf_groups *gs = hf_heap_take(heap, sizeof *gs);
    if (gs == NULL) {
        return HF_E_NOMEM;
    }
    memset(gs, 0, sizeof *gs);
    gs->config = *config;
    gs->handler = *handler;
    gs->heap = heap;
    gs->prng = hf_prng_of(config->seed);
    gs->live_at = HF_RAFT_NEVER;
    hf_list_open(&gs->writes);
    hf_list_open(&gs->work);
    hf_list_open(&gs->leaderless);
    hf_list_open(&gs->led_here);
    hf_map_open(&gs->by_id, heap, config->seed);
    hf_map_open(&gs->gone, heap, config->seed);
    if (hf_timers_open(&gs->timers, heap, config->groups_max) != HF_OK) {
        hf_heap_give(heap, gs);
        return HF_E_NOMEM;
    }
    *groups = gs;
    return HF_OK;
}

void hf_groups_close(hf_groups *gs)
{
    uint64_t cursor = 0;
    hf_map_entry entry;
    while (!hf_list_empty(&gs->writes)) { /* nothing more is sent */
        hf_groups__write *w = HF_CONTAINER_OF(hf_list_first(&gs->writes), hf_groups__write, all);
        while (w->held != NULL) {
            hf_groups__held *held = w->held;
            w->held = held->next;
            hf_heap_give(gs->heap, held);
        }
        hf_groups__written(gs, w);
    }
    while (hf_map_next(&gs->by_id, &cursor, &entry)) {
        hf_groups__free(gs, (hf_groups__group *)(uintptr_t)entry.value);
        cursor = 0;
    }
    for (uint32_t i = 0; i < HF_LIVENESS_PEERS_MAX; i++) {
        free_peer(gs, gs->peer[i]);
    }
    hf_groups__give_all(gs);
    for (uint32_t i = 0; i < HF_RAFT_MADE_MAX; i++) {
        hf_heap_give(gs->heap, gs->spare[i]);
    }
    hf_heap_give(gs->heap, gs->spare_write);
    hf_timers_close(&gs->timers);
    hf_map_close(&gs->by_id);
    hf_map_close(&gs->gone);
    hf_heap_give(gs->heap, gs);
}

hf_err hf_groups_start(hf_groups *gs, uint64_t now)
{
    uint64_t cursor = 0;
    hf_map_entry entry;
    HF_PRE(!gs->started);
    gs->now = now;
    gs->started = true;
    hf_liveness_open(&gs->live, &gs->config.liveness, gs->config.self, gs->config.start,
                     gs->config.first, now);
    while (hf_map_next(&gs->by_id, &cursor, &entry)) {
        hf_err err = open_raft(gs, (hf_groups__group *)(uintptr_t)entry.value);
        if (err != HF_OK) {
            return err;
        }
    }
    return HF_OK;
}

/* ---- What the engine wants ---- */

static void give_blocks(hf_groups *gs, hf_groups__block **blocks, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        hf_heap_give(gs->heap, blocks[i]); /* nobody has seen it */
        blocks[i] = NULL;
    }
}

static hf_err copy(hf_groups *gs, const hf_bytes *payloads, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        gs->copies[i] = NULL;
        if (payloads[i].size == 0) {
            continue;
        }
        gs->copies[i] = hf_groups__block_of(gs, payloads[i]);
        if (gs->copies[i] == NULL) {
            give_blocks(gs, gs->copies, i);
            return HF_E_BUSY;
        }
    }
    return HF_OK;
}

hf_err hf_groups_propose(hf_groups *gs, uint64_t id, const hf_bytes *payloads, uint32_t count,
                         uint64_t now, uint64_t *first, uint64_t *term)
{
    hf_groups__group *g = hf_groups__find(gs, id);
    HF_PRE(gs->started && !gs->inside && count != 0 && count <= HF_GROUPS_PROPOSED_MAX);
    gs->now = now;
    if (g == NULL) {
        return HF_E_NOTFOUND;
    }
    for (uint32_t i = 0; i < count; i++) {
        if (payloads[i].size > gs->config.entry_bytes_max) {
            return HF_E_TOOBIG;
        }
    }
    if (g->role != HF_RAFT_LEADER) {
        return HF_E_MOVED;
    }
    if (!hf_groups__ready(gs, g, count)) {
        return HF_E_BUSY;
    }
    hf_err err = copy(gs, payloads, count);
    if (err != HF_OK) {
        return err;
    }
    hf_groups__source source = { .proposals = payloads, .count = count, .blocks = gs->copies };
    *first = hf_groups__last(&g->log) + 1;
    *term = hf_raft_term(g->raft);
    err = hf_groups__step(gs, g, &(hf_raft_event){ .kind = HF_RAFT_PROPOSE, .count = count },
                          &source);
    give_blocks(gs, gs->copies, count);
    return err;
}

static hf_err plain(hf_groups *gs, uint64_t id, uint64_t now, const hf_raft_event *event)
{
    hf_groups__group *g = hf_groups__find(gs, id);
    HF_PRE(gs->started && !gs->inside);
    gs->now = now;
    if (g == NULL) {
        return HF_E_NOTFOUND;
    }
    return hf_groups__ready(gs, g, 0) ? hf_groups__step(gs, g, event, NULL) : HF_E_BUSY;
}

hf_err hf_groups_change(hf_groups *gs, uint64_t id, const hf_raft_config *config, uint64_t now)
{
    return plain(gs, id, now, &(hf_raft_event){ .kind = HF_RAFT_CHANGE, .config = config });
}

hf_err hf_groups_hand_over(hf_groups *gs, uint64_t id, uint32_t node, uint64_t now)
{
    return plain(gs, id, now, &(hf_raft_event){ .kind = HF_RAFT_HAND_OVER, .node = node });
}

hf_err hf_groups_read(hf_groups *gs, uint64_t id, uint64_t now, uint64_t *read)
{
    hf_err err = plain(gs, id, now, &(hf_raft_event){ .kind = HF_RAFT_READ });
    *read = err == HF_OK ? gs->update.asked : 0;
    return err;
}

bool hf_groups_may_read(const hf_groups *gs, uint64_t id, uint64_t now, uint64_t *index)
{
    const hf_groups__group *g = hf_groups__find(gs, id);
    if (g == NULL) {
        return false;
    }
    hf_raft_view view = { .options = &gs->config.raft, .live = &gs->live, .now = now };
    return hf_raft_may_read(g->raft, &view, index);
}

/* This disk has the log up to here, and the machine knows. */
static bool is_settled(const hf_groups__group *g, uint64_t index)
{
    if (index > g->applied || (g->owes & (HF_GROUPS__APPLIED | HF_GROUPS__PERSISTED)) != 0) {
        return false;
    }
    for (const hf_list *at = hf_list_first(&g->writes); at != NULL;
         at = hf_list_after(&g->writes, at)) {
        const hf_groups__write *w = HF_CONTAINER_OF(at, hf_groups__write, own);
        if (w->first <= index || w->number == 0) {
            return false;
        }
    }
    return true;
}

hf_err hf_groups_compact(hf_groups *gs, uint64_t id, uint64_t index, uint64_t now)
{
    hf_groups__group *g = hf_groups__find(gs, id);
    HF_PRE(gs->started && !gs->inside);
    if (g == NULL) {
        return HF_E_NOTFOUND;
    }
    if (index <= g->log.base) {
        return HF_OK;
    }
    if (!is_settled(g, index) || !hf_groups__ready(gs, g, 0)) {
        return HF_E_BUSY;
    }
    gs->now = now;
    hf_raft_config members = hf_groups__members_at(&g->log, index);
    hf_groups__log_drop(gs, &g->log, index, hf_groups__term_at(&g->log, index), &members);
    hf_err err =
        hf_groups__step(gs, g, &(hf_raft_event){ .kind = HF_RAFT_COMPACT, .index = index }, NULL);
    hf_groups__log_rest(gs, &g->log);
    return err;
}

/* ---- What comes ---- */

static void receive_liveness(hf_groups *gs)
{
    hf_liveness_update update;
    hf_liveness_receive(&gs->live, &gs->config.liveness, &gs->said.liveness, gs->now, &update);
    hf_groups__live(gs, &update);
}

/* What this node could neither pass on nor read back. */
static bool is_too_large(const hf_groups *gs)
{
    for (uint32_t i = 0; i < gs->said.entry_count; i++) {
        if (gs->said.payload[i].size > gs->config.entry_bytes_max) {
            return true;
        }
    }
    return false;
}

static void receive_message(hf_groups *gs, hf_groups__group *g)
{
    hf_raft_said *said = &gs->said;
    if (gs->stalled != NULL) {
        gs->stats.lost_busy++;
        return;
    }
    /* Copied before the machine is asked: afterwards nothing may fail. */
    if (!hf_groups__ready(gs, g, said->entry_count) ||
        copy(gs, said->payload, said->entry_count) != HF_OK) {
        gs->stats.lost_memory++;
        return;
    }
    hf_groups__source source = { .said = said, .count = said->entry_count, .blocks = gs->copies };
    (void)hf_groups__step(gs, g,
                          &(hf_raft_event){ .kind = HF_RAFT_RECEIVE,
                                            .message = &said->message,
                                            .entries = said->entry },
                          &source);
    give_blocks(gs, gs->copies, said->entry_count);
}

hf_err hf_groups_receive(hf_groups *gs, uint32_t node, hf_bytes packet, uint64_t now,
                         const char **what)
{
    hf_raft_reader reader;
    hf_raft_record record;
    HF_PRE(gs->started && !gs->inside);
    gs->now = now;
    hf_err err = hf_raft_reader_open(&reader, packet, node, gs->config.self);
    while (err == HF_OK) {
        err = hf_raft_reader_next(&reader, &record);
        if (err != HF_OK) {
            break;
        }
        hf_groups__group *g = record.is_liveness ? NULL : hf_groups__find(gs, record.group);
        if (g == NULL && !record.is_liveness) {
            gs->stats.lost_unknown++;
            continue;
        }
        err = hf_raft_record_read(&reader, &record, &gs->said);
        if (err == HF_OK && record.is_liveness) {
            receive_liveness(gs);
        } else if (err == HF_OK && is_too_large(gs)) {
            reader.what = "an entry larger than this node takes";
            err = HF_E_TOOBIG;
        } else if (err == HF_OK) {
            receive_message(gs, g);
        }
    }
    *what = reader.what;
    return err == HF_E_NOTFOUND ? HF_OK : err;
}

void hf_groups_durable(hf_groups *gs, uint64_t lsn, uint64_t now)
{
    gs->now = now;
    while (!hf_list_empty(&gs->writes)) {
        hf_groups__write *w = HF_CONTAINER_OF(hf_list_first(&gs->writes), hf_groups__write, all);
        if (w->lsn > lsn) {
            break;
        }
        hf_groups__written(gs, w);
    }
}

uint64_t hf_groups_turn(hf_groups *gs, uint64_t now)
{
    hf_liveness_update update;
    HF_PRE(gs->started && !gs->inside);
    gs->now = now;
    bool goes = hf_groups__retry(gs); /* first: its group may be due since */
    if (now >= gs->live_at) {
        hf_liveness_tick(&gs->live, &gs->config.liveness, now, &update);
        hf_groups__live(gs, &update);
    }
    for (hf_timer *due = hf_timers_pop(&gs->timers, now); due != NULL;
         due = hf_timers_pop(&gs->timers, now)) {
        hf_groups__owe(gs, HF_CONTAINER_OF(due, hf_groups__group, timer), HF_GROUPS__TICK);
    }
    if (goes) {
        hf_groups__work(gs);
    }
    hf_groups__send_all(gs);
    if (gs->stalled != NULL || !hf_list_empty(&gs->work)) {
        return now + AGAIN_NS; /* whatever is due, there is no room for it */
    }
    uint64_t next = hf_timers_next(&gs->timers);
    return gs->live_at < next ? gs->live_at : next;
}

void hf_groups_distrust(hf_groups *gs, bool trusted, uint64_t now)
{
    gs->now = now;
    hf_liveness_distrust(&gs->live, &gs->config.liveness, trusted, now);
    gs->live_at = now;
}

/* ---- Looking ---- */

bool hf_groups_next(const hf_groups *gs, uint64_t *cursor, uint64_t *group)
{
    hf_map_entry entry;
    if (*cursor >= GONE_FROM || !hf_map_next(&gs->by_id, cursor, &entry)) {
        uint64_t at = *cursor >= GONE_FROM ? *cursor - GONE_FROM : 0;
        if (!hf_map_next(&gs->gone, &at, &entry)) {
            return false;
        }
        *cursor = GONE_FROM + at;
    }
    *group = entry.id.low;
    return true;
}

const hf_raft *hf_groups_raft(const hf_groups *gs, uint64_t id)
{
    const hf_groups__group *g = hf_groups__find(gs, id);
    return g == NULL ? NULL : g->raft;
}

uint64_t hf_groups_applied(const hf_groups *gs, uint64_t id)
{
    const hf_groups__group *g = hf_groups__find(gs, id);
    return g == NULL ? 0 : g->applied;
}

hf_groups_stats hf_groups_stats_get(const hf_groups *gs)
{
    hf_groups_stats stats = gs->stats;
    stats.stalled = gs->stalled != NULL;
    return stats;
}

void hf_groups_check(const hf_groups *gs)
{
    uint64_t cursor = 0;
    uint64_t groups = 0;
    uint64_t entries = 0;
    hf_map_entry entry;
    while (hf_map_next(&gs->by_id, &cursor, &entry)) {
        const hf_groups__group *g = (const hf_groups__group *)(uintptr_t)entry.value;
        groups++;
        entries += g->log.count;
        HF_ASSERT(g->applied >= g->log.base && g->applied <= hf_groups__last(&g->log));
        HF_ASSERT((g->owes != 0) == hf_list_linked(&g->work));
        if (gs->started) {
            hf_raft_check(g->raft);
            HF_ASSERT(hf_raft_last(g->raft) == hf_groups__last(&g->log));
            HF_ASSERT(g->leader == hf_raft_leader(g->raft) || gs->stalled == g);
        }
    }
    hf_map_check(&gs->gone);
    HF_ASSERT(groups == gs->stats.groups && entries == gs->stats.entries);
    hf_timers_check(&gs->timers);
}
