/* A group's entries in memory: a ring behind its snapshot. */
#include "txn/groups/groups_impl.h"

static uint32_t slot_of(const hf_groups__log *log, uint64_t index)
{
    return (log->head + (uint32_t)(index - log->base - 1)) & (log->capacity - 1);
}

hf_groups__entry *hf_groups__at(const hf_groups__log *log, uint64_t index)
{
    HF_ASSERT(index > log->base && index <= hf_groups__last(log));
    return &log->entries[slot_of(log, index)];
}

uint64_t hf_groups__term_at(const hf_groups__log *log, uint64_t index)
{
    return index == log->base ? log->base_term : hf_groups__at(log, index)->term;
}

static hf_bytes bytes_of(const hf_groups__entry *e)
{
    return hf_bytes_of(e->block != NULL ? e->block->bytes : NULL, e->size);
}

hf_raft_config hf_groups__members_at(const hf_groups__log *log, uint64_t index)
{
    for (uint64_t i = index; i > log->base; i--) {
        const hf_groups__entry *e = hf_groups__at(log, i);
        if (e->kind == HF_RAFT_CONFIG) {
            hf_raft_config config;
            HF_ASSERT(hf_raft_config_read(bytes_of(e), &config) == HF_OK);
            return config;
        }
    }
    return log->base_config;
}

/* ---- Bytes ---- */

hf_groups__block *hf_groups__block_of(hf_groups *gs, hf_bytes bytes)
{
    hf_groups__block *block = hf_heap_take(gs->heap, sizeof *block + bytes.size);
    if (block != NULL && bytes.size != 0) {
        memcpy(block->bytes, bytes.data, bytes.size);
    }
    return block;
}

void hf_groups__give(hf_groups *gs, hf_groups__block *block)
{
    if (block != NULL) {
        block->next = gs->given;
        gs->given = block;
    }
}

void hf_groups__give_all(hf_groups *gs)
{
    while (gs->given != NULL) {
        hf_groups__block *block = gs->given;
        gs->given = block->next;
        hf_heap_give(gs->heap, block);
    }
}

/* ---- The ring ---- */

bool hf_groups__log_reserve(hf_groups *gs, hf_groups__log *log, uint32_t more)
{
    uint32_t capacity = log->capacity == 0 ? 4 : log->capacity;
    while (capacity < log->count + more) {
        capacity *= 2;
    }
    if (capacity == log->capacity) {
        return true;
    }
    hf_groups__entry *entries = hf_heap_take(gs->heap, capacity * sizeof *entries);
    if (entries == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < log->count; i++) {
        entries[i] = log->entries[(log->head + i) & (log->capacity - 1)];
    }
    hf_heap_give(gs->heap, log->entries);
    log->entries = entries;
    log->capacity = capacity;
    log->head = 0;
    return true;
}

void hf_groups__log_push(hf_groups *gs, hf_groups__log *log, hf_groups__entry entry)
{
    HF_ASSERT(log->count < log->capacity);
    log->count++;
    log->entries[slot_of(log, hf_groups__last(log))] = entry;
    gs->stats.entries++;
    gs->stats.entry_bytes += entry.size;
}

static void give_entry(hf_groups *gs, const hf_groups__entry *e)
{
    hf_groups__give(gs, e->block);
    gs->stats.entries--;
    gs->stats.entry_bytes -= e->size;
}

void hf_groups__log_cut(hf_groups *gs, hf_groups__log *log, uint64_t index)
{
    HF_ASSERT(index >= log->base);
    while (hf_groups__last(log) > index) {
        give_entry(gs, hf_groups__at(log, hf_groups__last(log)));
        log->count--;
    }
}

void hf_groups__log_drop(hf_groups *gs, hf_groups__log *log, uint64_t index, uint64_t term,
                         const hf_raft_config *config)
{
    hf_raft_config members = *config; /* may be the log's own */
    while (log->count != 0 && log->base < index) {
        give_entry(gs, &log->entries[log->head]);
        log->head = (log->head + 1) & (log->capacity - 1);
        log->base++;
        log->count--;
    }
    log->base = index;
    log->base_term = term;
    log->base_config = members;
}

void hf_groups__log_rest(hf_groups *gs, hf_groups__log *log)
{
    if (log->count == 0) {
        hf_heap_give(gs->heap, log->entries);
        log->entries = NULL;
        log->head = log->capacity = 0;
    }
}

void hf_groups__log_close(hf_groups *gs, hf_groups__log *log)
{
    hf_groups__log_cut(gs, log, log->base);
    hf_groups__log_rest(gs, log);
}

static uint64_t size_at(const hf_groups__sight *sight, uint64_t index)
{
    uint64_t last = hf_groups__last(sight->log);
    if (index <= sight->log->base) {
        return HF_RAFT_ENTRY_HEAD; /* on its way to somebody, and compacted since */
    }
    if (index <= last) {
        return HF_RAFT_ENTRY_HEAD + hf_groups__at(sight->log, index)->size;
    }
    const hf_groups__source *source = sight->source;
    bool proposed = source != NULL && source->proposals != NULL && index - last <= source->count;
    return HF_RAFT_ENTRY_HEAD + (proposed ? source->proposals[index - last - 1].size
                                          : HF_RAFT_CONFIG_SIZE_MAX); /* the machine makes it */
}

uint64_t hf_groups__within(const void *at, uint64_t first, uint64_t last, uint64_t bytes)
{
    const hf_groups__sight *sight = at;
    uint64_t most = first + HF_RAFT_ENTRIES_MAX - 1;
    uint64_t end = last < most ? last : most;
    uint64_t sum = size_at(sight, first);
    uint64_t i = first;
    while (i < end) {
        sum += size_at(sight, i + 1);
        if (sum > bytes) {
            break;
        }
        i++;
    }
    return i;
}
