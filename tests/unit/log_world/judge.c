#include "tests/unit/log_world/judge.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const uint8_t *judge_bytes(uint64_t salt, uint32_t size)
{
    static uint64_t words[16 * 1024];
    assert_true(size <= sizeof words);
    for (uint32_t i = 0; i * 8 < size; i++) {
        salt = salt * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        words[i] = salt;
    }
    return (const uint8_t *)words;
}

void judge_fail(const rig *r, const char *what, hf_err err, const char *detail)
{
    hf_world_trace_print(r->world, stderr);
    fail_msg("seed %" PRIu64 " life %" PRIu32 ": %s: error %d: %s", r->seed, r->life, what,
             (int)err, detail);
}

static void need(const rig *r, bool right, const char *what)
{
    if (!right) {
        judge_fail(r, what, HF_OK, "");
    }
}

void judge_entry(rig *r, hf_bytes entry)
{
    uint32_t index = 0;
    need(r, entry.size >= sizeof index, "an entry is too short");
    memcpy(&index, entry.data, sizeof index);
    need(r, index < r->acked, "an entry was never acknowledged");
    const rig_record *record = &r->records[index];
    need(r, entry.size == sizeof index + record->size, "an entry has another size");
    need(r,
         memcmp(entry.data + sizeof index, judge_bytes(record->salt, record->size), record->size) ==
             0,
         "an entry has other bytes");
    r->loaded[record->key] = index + 1;
}

static void pass_over(rig *r, uint64_t lsn, uint32_t table[RIG_KEYS])
{
    r->replayed = 0;
    while (r->replayed < r->acked && r->records[r->replayed].lsn <= lsn) {
        table[r->records[r->replayed].key] = r->replayed + 1;
        r->replayed++;
    }
}

void judge_remembered(rig *r)
{
    uint32_t table[RIG_KEYS];
    pass_over(r, r->reported, table);
}

void judge_loaded(rig *r, uint64_t lsn, hf_bytes head)
{
    uint64_t head_lsn = 0;
    need(r, head.size == (lsn == 0 ? head.size : sizeof head_lsn), "the head has another size");
    if (head.size != 0) {
        memcpy(&head_lsn, head.data, sizeof head_lsn);
    }
    need(r, head_lsn == lsn, "the head belongs to another pass");
    need(r, lsn >= r->reported || rig_damage(r) != 0, "a pass that was reported is gone");
    uint32_t expected[RIG_KEYS] = { 0 };
    pass_over(r, lsn, expected);
    need(r, memcmp(expected, r->loaded, sizeof expected) == 0,
         "the checkpoint is not the table at its log position");
    r->reported = lsn;
    memcpy(r->base, r->loaded, sizeof r->base);
}

void judge_record(rig *r, const hf_log_record *found)
{
    need(r, r->replayed < r->appended, "a record was invented");
    const rig_record *record = &r->records[r->replayed];
    need(r, found->lsn == record->lsn && found->index == r->replayed, "a record out of order");
    need(r,
         found->kind == record->key && found->range == record->salt &&
             found->data.size == record->size,
         "a record is another one");
    need(r,
         record->size == 0 ||
             memcmp(found->data.data, judge_bytes(record->salt, record->size), record->size) == 0,
         "a record has other bytes");
    r->replayed++;
}

void judge_opened(rig *r)
{
    need(r, r->replayed >= r->acked, "an acknowledged record is gone");
    r->appended = r->replayed;
    r->acked = r->replayed;
    memset(r->table, 0, sizeof r->table);
    for (uint32_t i = 0; i < r->acked; i++) {
        r->table[r->records[i].key] = i + 1;
    }
    uint64_t last = r->acked == 0 ? 0 : r->records[r->acked - 1].lsn;
    need(r, hf_log_durable(r->log) >= last, "the log ends before its last record");
    need(r, hf_log_durable(r->log) == hf_log_appended(r->log), "something is not durable yet");
}

void judge_ended(rig *r)
{
    if (r->err == HF_E_CORRUPT && rig_damage(r) != 0) {
        r->tally->corrupt++;
        return;
    }
    if (r->err == HF_E_IO && r->errors) {
        r->tally->io_ended++;
        return;
    }
    if (r->err == HF_E_NOSPACE && r->space) {
        return;
    }
    judge_fail(r, "ended by itself", r->err, r->detail);
}
