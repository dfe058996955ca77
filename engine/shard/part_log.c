/* The records of parts that must be written, whatever the room: tombstones, and the ends of what
 * was prepared, which are gathered: one record for those that come one after the other. Nothing
 * else is appended, and nobody is told how far the log goes, before what is gathered is in it: see
 * hf_shard__append() and hf_shard__appended().
 */
#include "engine/shard/part.h"

enum { ENDS_MOST = 16 * 1024 };

typedef struct backlog {
    hf_msg head;   /* head.kind is the record's; head.next links */
    hf_part *part; /* a TOMBSTONE's, to be told when durable */
    uint8_t bytes[];
} backlog;

static hf_err append(hf_shard *shard, uint16_t kind, hf_bytes record, uint64_t *lsn)
{
    return hf_log_append(shard->log, kind, 0, 0, &record, 1, lsn);
}

/* Appends, or queues until there is room. Answers the position, or UINT64_MAX while it is not
 * known. */
static uint64_t append_must(hf_shard *shard, uint16_t kind, hf_bytes record, hf_part *part)
{
    uint64_t lsn;
    if (shard->backlog_first == NULL && append(shard, kind, record, &lsn) == HF_OK) {
        if (part != NULL) {
            hf_shard__hold_part(shard, lsn, part);
        }
        return lsn;
    }
    backlog *entry = hf_heap_take(shard->heap, sizeof *entry + record.size);
    if (entry == NULL) {
        hf_shard__fail(shard, 70, "memory", "no room to queue a decision for the log");
        return UINT64_MAX;
    }
    *entry = (backlog){ .head = { .size = record.size, .kind = kind }, .part = part };
    HF_ASSERT(record.data != NULL);
    memcpy(entry->bytes, record.data, record.size);
    if (shard->backlog_last != NULL) {
        shard->backlog_last->next = &entry->head;
    } else {
        shard->backlog_first = &entry->head;
    }
    shard->backlog_last = &entry->head;
    return UINT64_MAX;
}

void hf_part__run_backlog(hf_shard *shard)
{
    if (shard->backlog_first == NULL) {
        return;
    }
    while (shard->backlog_first != NULL) {
        backlog *entry = (backlog *)(void *)shard->backlog_first;
        uint64_t lsn;
        if (append(shard, entry->head.kind, hf_bytes_of(entry->bytes, entry->head.size), &lsn) !=
            HF_OK) {
            return;
        }
        shard->backlog_first = entry->head.next;
        if (entry->part != NULL) {
            hf_shard__hold_part(shard, lsn, entry->part);
        }
        hf_heap_give(shard->heap, entry);
    }
    shard->backlog_last = NULL;
    /* Whatever was to be counted when durable lies at or below the newest record now. */
    for (uint16_t i = 0; i < shard->count; i++) {
        for (uint32_t k = 0; k < hf_ring_count(&shard->acks[i]); k++) {
            hf_ack *ack = hf_ring_at(&shard->acks[i], k);
            ack->lsn = ack->lsn == UINT64_MAX ? hf_log_appended(shard->log) : ack->lsn;
        }
    }
}

/* ---- What is gathered ---- */

static void put_attempt(hf_buf *out, hf_attempt attempt)
{
    hf_buf_u64(out, attempt.incarnation);
    hf_buf_u64(out, attempt.seq_shard);
}

void hf_part__log_end(hf_shard *shard, const hf_part *part, bool commit, hf_bytes stub)
{
    hf_buf *ends = &shard->ends;
    if (ends->size != 0 && ends->size + (uint64_t)stub.size >= ENDS_MOST) {
        hf_part__write_ends(shard); /* a stub may be as large as a record */
    }
    struct __attribute__((packed)) {
        hf_attempt attempt;
        uint64_t ts;
        uint32_t stub_size;
    } end = { part->p.attempt, commit ? part->p.commit_ts : 0, stub.size };
    hf_buf_raw(ends, &end, sizeof end);
    hf_buf_raw(ends, stub.data, stub.size);
    shard->ends_open = true;
}

void hf_part__count_end(hf_shard *shard, uint16_t coordinator)
{
    shard->end_acks[coordinator]++;
    shard->ends_open = true;
}

void hf_part__log_tombstone(hf_shard *shard, hf_part *part)
{
    hf_part__write_ends(shard);
    hf_buf_reset(&shard->message);
    put_attempt(&shard->message, part->p.attempt);
    if (shard->message.failed) {
        hf_shard__fail(shard, 70, "memory", "no room for a tombstone");
        return;
    }
    (void)append_must(shard, HF_ENTRY_TOMBSTONE, hf_buf_view(&shard->message), part);
}

/* Counted in order once durable. One that was persisted before is below the newest record. */
static void note_acks(hf_shard *shard, uint64_t lsn)
{
    for (uint16_t i = 0; i < shard->count; i++) {
        hf_ack ack = { lsn, shard->end_acks[i] };
        if (ack.count != 0) {
            shard->end_acks[i] = 0;
            HF_ASSERT(hf_ring_push(&shard->acks[i], &ack));
        }
    }
    if (lsn <= hf_log_durable(shard->log)) {
        hf_part__durable_acks(shard, hf_log_durable(shard->log));
    }
}

void hf_part__write_ends(hf_shard *shard)
{
    if (!shard->ends_open) {
        return;
    }
    shard->ends_open = false;
    if (shard->ends.failed) {
        hf_shard__fail(shard, 70, "memory", "no room to gather the ends of transactions");
        return;
    }
    if (shard->ends.size != 0) {
        (void)append_must(shard, HF_ENTRY_FINALIZE, hf_buf_view(&shard->ends), NULL);
        hf_buf_reset(&shard->ends);
    }
    note_acks(shard, shard->backlog_first != NULL ? UINT64_MAX : hf_log_appended(shard->log));
}

void hf_part__durable_acks(hf_shard *shard, uint64_t lsn)
{
    for (uint16_t i = 0; i < shard->count; i++) {
        const hf_ack *first = hf_ring_front(&shard->acks[i]);
        while (first != NULL && first->lsn <= lsn) {
            shard->acked[i] += first->count;
            shard->ack_due[i] = true;
            hf_ring_drop(&shard->acks[i]);
            first = hf_ring_front(&shard->acks[i]);
        }
    }
}

void hf_part__send_acks(hf_shard *shard)
{
    for (uint16_t i = 0; i < shard->count; i++) {
        if (!shard->ack_due[i]) {
            continue;
        }
        hf_msg_decision d = { .count = shard->acked[i] };
        hf_msg *msg = hf_shard__msg_of(shard, HF_MSG_FINALIZED, &d, sizeof d, hf_bytes_of(NULL, 0));
        if (msg == NULL) {
            return; /* again next turn: the count covers everything so far */
        }
        shard->ack_due[i] = false;
        hf_shard__post(shard, i, msg);
    }
}
