/* This shard's parts after a restart: read from the log again, and asked about until they are
 * decided.
 */
#include "engine/shard/part.h"

enum { ASK_LEAST_NS = 20000000, ASK_MOST_NS = 2000000000 };

static hf_attempt read_attempt(hf_reader *r)
{
    hf_attempt attempt;
    attempt.incarnation = hf_read_u64(r);
    attempt.seq_shard = hf_read_u64(r);
    return attempt;
}

static bool replay_locks(hf_shard *shard, hf_part *part, hf_reader *r)
{
    uint32_t fences = hf_read_u32(r);
    for (uint32_t i = 0; i < fences && !r->bad; i++) {
        hf_lock_mode mode = (hf_lock_mode)hf_read_u8(r);
        bool is_range = hf_read_u8(r) != 0;
        hf_bytes start = hf_read_bytes(r);
        hf_bytes end = hf_read_bytes(r);
        if (r->bad || mode >= HF_LOCK_MODES) {
            return false;
        }
        bool ok = is_range ? hf_lock_take_range(shard->locks, start, end, mode, &part->locks)
                           : hf_lock_take(shard->locks, start, hf_shard__hash(shard, start), mode,
                                          &part->locks);
        if (!ok) {
            return false;
        }
    }
    hf_reader effects = *r;
    hf_mutation m;
    while (hf_mutation_next(&effects, &m)) {
        if (!hf_lock_take(shard->locks, m.key, hf_shard__hash(shard, m.key),
                          m.op == HF_MUTATION_ADD ? HF_LOCK_E : HF_LOCK_X, &part->locks)) {
            return false;
        }
    }
    if (part->stub) {
        uint8_t key[HF_STUB_KEY_SIZE];
        hf_stub__key(part->id, key);
        hf_bytes stub = hf_bytes_of(key, sizeof key);
        if (!hf_lock_take(shard->locks, stub, hf_shard__hash(shard, stub), HF_LOCK_X,
                          &part->locks)) {
            return false;
        }
    }
    return !effects.bad;
}

static hf_err replay_prepare(hf_shard *shard, const hf_log_record *record)
{
    hf_reader r = hf_reader_of(record->data);
    hf_attempt attempt = read_attempt(&r);
    uint64_t pts = hf_read_u64(&r);
    uint64_t until = hf_read_u64(&r);
    hf_age age = { hf_read_u64(&r), hf_read_u64(&r) };
    hf_part *part = hf_part__find(shard, attempt);
    bool ascends = shard->undecided_last == NULL || shard->undecided_last->p.pts < pts;
    if (r.bad || part != NULL || !ascends) {
        return HF_E_CORRUPT;
    }
    part = hf_part__make(shard, attempt, age);
    if (part == NULL) {
        return HF_E_NOMEM;
    }
    part->lsn_before = record->lsn - 1; /* the record itself must stay */
    part->p.participants = hf_read_u64(&r);
    part->p.anchor = hf_read_u16(&r);
    uint8_t flags = hf_read_u8(&r);
    (void)hf_read_u8(&r);
    part->has_id = (flags & HF_PREPARE_HAS_ID) != 0;
    part->stub = (flags & HF_PREPARE_STUB) != 0;
    hf_read_raw(&r, part->id, sizeof part->id);
    part->digest = hf_read_u64(&r);
    hf_bytes replies = hf_read_bytes(&r);
    hf_bytes recipe = hf_read_bytes(&r);
    uint32_t grant_count = hf_read_u32(&r);
    hf_bytes grants = hf_read_lent(&r, grant_count <= r.end - r.at ? grant_count * 16 : UINT32_MAX);
    if (r.bad || !replay_locks(shard, part, &r)) {
        return r.bad ? HF_E_CORRUPT : HF_E_NOMEM;
    }
    if (!hf_part__copy(shard, part, hf_bytes_of(r.at, hf_reader_left(&r)), &part->effects,
                       &part->effects_size) ||
        !hf_part__copy(shard, part, replies, &part->replies, &part->replies_size) ||
        !hf_part__copy(shard, part, recipe, &part->recipe, &part->recipe_size) ||
        hf_part__escrow_add(shard, part, grants) != HF_OK) {
        return HF_E_NOMEM;
    }
    part->p.state = HF_PARTICIPANT_PREPARED;
    part->p.pts = pts;
    part->p.until = until;
    part->locks.prepared = true;
    part->locks.pts = pts;
    hf_boot__passed(shard, pts);
    hf_part__promise(shard, part);
    hf_part__undecided_add(shard, part);
    shard->old_undecided++;
    return HF_OK;
}

static hf_err replay_end(hf_shard *shard, hf_reader *r)
{
    hf_attempt attempt = read_attempt(r);
    uint64_t ts = hf_read_u64(r);
    hf_bytes stub = hf_read_bytes(r);
    if (r->bad) {
        return HF_E_CORRUPT;
    }
    hf_boot__passed(shard, ts);
    hf_part *part = hf_part__find(shard, attempt);
    if (part == NULL) {
        /* Its PREPARE lies before the checkpoint: the effects are in it. */
        return HF_OK;
    }
    if (part->p.state != HF_PARTICIPANT_PREPARED) {
        return HF_E_CORRUPT;
    }
    part->p.state = ts != 0 ? HF_PARTICIPANT_COMMITTED : HF_PARTICIPANT_ABORTED;
    part->p.commit_ts = ts;
    part->locks.prepared = false;
    hf_part__decided(shard, part);
    hf_part__escrow_remove(shard, part);
    if (ts > shard->ts_saved) {
        shard->promised -= part->promised;
        part->promised = 0;
        if (!hf_boot__room(shard, hf_bytes_of(part->effects, part->effects_size))) {
            return HF_E_NOMEM;
        }
        hf_owner__apply(shard, hf_bytes_of(part->effects, part->effects_size), ts, 0);
        hf_owner__apply(shard, stub, ts, 0);
    }
    hf_part__drop_effects(shard, part);
    hf_lock_release(shard->locks, &part->locks);
    return HF_OK;
}

static hf_err replay_finalize(hf_shard *shard, const hf_log_record *record)
{
    hf_reader r = hf_reader_of(record->data);
    hf_err err = HF_OK;
    while (err == HF_OK && hf_reader_left(&r) > 0) {
        err = replay_end(shard, &r);
    }
    return err;
}

static hf_err replay_tombstone(hf_shard *shard, const hf_log_record *record)
{
    hf_reader r = hf_reader_of(record->data);
    hf_attempt attempt = read_attempt(&r);
    if (r.bad || hf_part__find(shard, attempt) != NULL) {
        return HF_E_CORRUPT;
    }
    hf_part *part = hf_part__make(shard, attempt, (hf_age){ 0, 0 });
    if (part == NULL) {
        return HF_E_NOMEM;
    }
    part->lsn_before = record->lsn - 1;
    part->p.state = HF_PARTICIPANT_ABORTED;
    return HF_OK;
}

hf_err hf_part__replay(hf_shard *shard, const hf_log_record *record)
{
    switch (record->kind) {
    case HF_ENTRY_PREPARE:
        return replay_prepare(shard, record);
    case HF_ENTRY_FINALIZE:
        return replay_finalize(shard, record);
    default:
        return replay_tombstone(shard, record);
    }
}

static void push_old(hf_shard *shard)
{
    hf_part *next;
    for (hf_part *part = shard->old.first; part != NULL; part = next) {
        next = part->next;
        if (hf_participant_undecided(&part->p)) {
            hf_part__push(shard, part);
        }
    }
}

void hf_part__resolve_old(hf_shard *shard)
{
    shard->ask_wait_ns = ASK_LEAST_NS;
    shard->ask_next_ns = shard->io->now_ns + shard->ask_wait_ns;
    push_old(shard);
}

uint64_t hf_part__ask_again(hf_shard *shard)
{
    if (shard->old_undecided == 0) {
        return UINT64_MAX;
    }
    if (shard->io->now_ns >= shard->ask_next_ns) {
        shard->ask_wait_ns =
            shard->ask_wait_ns * 2 < ASK_MOST_NS ? shard->ask_wait_ns * 2 : (uint64_t)ASK_MOST_NS;
        shard->ask_next_ns = shard->io->now_ns + shard->ask_wait_ns;
        push_old(shard);
    }
    return shard->ask_next_ns;
}

/* Messages of the new incarnation may have come before its name did: their parts are not old. */
void hf_part__name_incarnation(hf_shard *shard, uint64_t incarnation)
{
    hf_part *next;
    shard->incarnation = incarnation;
    for (hf_part *part = shard->old.first; part != NULL; part = next) {
        next = part->next;
        if (part->p.attempt.incarnation == incarnation) {
            hf_part__not_old(shard, part);
        }
    }
}

void hf_part__forget_old(hf_shard *shard)
{
    hf_part *next;
    for (hf_part *part = shard->old.first; part != NULL; part = next) {
        next = part->next;
        /* A tombstone on its way to the disk still names its part; it costs no more than its
         * memory. */
        if (part->p.state != HF_PARTICIPANT_POISONING) {
            hf_part__forget(shard, part);
        }
    }
    shard->old_forgotten = true;
}
