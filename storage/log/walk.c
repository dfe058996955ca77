#include "storage/log/walk.h"

#include "engine/base/assert.h"

enum { FIND_SIZE = HF_LOG_SEGMENT_HEAD * 2 };

static hf_err damage(hf_log_walk *walk, hf_err err, uint64_t segment, uint64_t offset,
                     const char *what)
{
    walk->why = (hf_log_why){ .err = err, .what = what, .segment = segment, .offset = offset };
    return err;
}

static hf_err damage_numbers(hf_log_walk *walk, uint64_t segment, uint64_t offset, const char *what,
                             uint64_t found, uint64_t expected)
{
    damage(walk, HF_E_CORRUPT, segment, offset, what);
    walk->why.found = found;
    walk->why.expected = expected;
    walk->why.numbers = true;
    return HF_E_CORRUPT;
}

/* Verdicts name the place by what the batch says of itself; the operator needs where it was read.
 */
static hf_err damage_at(hf_log_walk *walk, uint64_t segment, uint64_t offset)
{
    walk->why.segment = segment;
    if (walk->why.offset < offset) {
        walk->why.offset = offset;
    }
    return walk->why.err;
}

static void want(hf_log_walk *walk, hf_log_walk_phase phase, uint64_t segment, uint64_t offset,
                 uint32_t size)
{
    walk->phase = phase;
    walk->want_segment = segment;
    walk->want_offset = offset;
    walk->want_size = size;
}

void hf_log_walk_open(hf_log_walk *walk, const hf_log_walk_handler *handler, uint64_t log_id,
                      uint64_t first, uint64_t last, uint64_t from, bool all, uint8_t *spill,
                      uint32_t spill_capacity)
{
    HF_PRE(first >= 1 && last >= first);
    *walk = (hf_log_walk){ .handler = *handler,
                           .log_id = log_id,
                           .from = from,
                           .first = first,
                           .last = last,
                           .all = all };
    walk->place = (hf_log_place){ .log_id = log_id, .seq = 1 };
    hf_log_records_open(&walk->records, spill, spill_capacity);
    want(walk, HF_LOG_WALK_FIND, last, 0, FIND_SIZE);
}

/* The head of the wanted segment, and its first batch (head only) or NULL. */
static hf_err segment_read(hf_log_walk *walk, hf_bytes bytes, hf_log_batch *batch, bool *found)
{
    hf_log_segment_head head;
    uint64_t segment = walk->want_segment;
    hf_err err = hf_log_segment_decode(bytes, walk->log_id, segment, &head, &walk->why);
    if (err != HF_OK) {
        return err;
    }
    if (bytes.size < HF_LOG_SEGMENT_HEAD + HF_LOG_SECTOR) {
        return damage_numbers(walk, segment, bytes.size, "the file is shorter than its head says",
                              bytes.size, head.segment_bytes);
    }
    if (walk->log_id == 0) {
        walk->log_id = head.log_id;
        walk->place.log_id = head.log_id;
    }
    walk->segment_bytes = head.segment_bytes;
    walk->epoch_max = head.epoch > walk->epoch_max ? head.epoch : walk->epoch_max;
    hf_log_verdict verdict = hf_log_batch_head(bytes.data + HF_LOG_SEGMENT_HEAD, batch, &walk->why);
    if (verdict == HF_LOG_ROTTEN) {
        return damage_at(walk, segment, HF_LOG_SEGMENT_HEAD);
    }
    *found = verdict == HF_LOG_WHOLE;
    if (*found) {
        hf_log_place place = { .log_id = walk->log_id,
                               .segment = segment,
                               .epoch = head.epoch,
                               .offset = HF_LOG_SEGMENT_HEAD,
                               .any = true };
        if (hf_log_place_check(&place, batch, &walk->why) != HF_LOG_WHOLE) {
            return walk->why.err;
        }
    }
    if (walk->handler.on_segment != NULL) {
        walk->handler.on_segment(walk->handler.context, &head, *found ? batch : NULL);
    }
    return HF_OK;
}

static void start_at(hf_log_walk *walk, uint64_t segment, bool any)
{
    walk->place.any = any;
    want(walk, HF_LOG_WALK_HEAD, segment, 0, HF_LOG_WALK_WINDOW);
}

static hf_err feed_find(hf_log_walk *walk, hf_bytes bytes)
{
    hf_log_batch batch;
    bool found = false;
    hf_err err = segment_read(walk, bytes, &batch, &found);
    if (err != HF_OK) {
        return err;
    }
    uint64_t segment = walk->want_segment;
    bool holds = found && !walk->all && batch.first_record != HF_LOG_NO_RECORD &&
                 batch.lsn + batch.first_record <= walk->from;
    if (holds && batch.lsn == walk->from && segment > walk->first && walk->begins == 0) {
        walk->begins = segment;
        want(walk, HF_LOG_WALK_FIND, segment - 1, 0, FIND_SIZE);
        return HF_OK;
    }
    if (holds || walk->begins != 0) {
        start_at(walk, holds ? segment : walk->begins, true);
        return HF_OK;
    }
    if (segment > walk->first) {
        want(walk, HF_LOG_WALK_FIND, segment - 1, 0, FIND_SIZE);
        return HF_OK;
    }
    if (walk->all) {
        start_at(walk, segment, segment != 1);
        return HF_OK;
    }
    if (found) {
        return damage_numbers(
            walk, segment, HF_LOG_SEGMENT_HEAD,
            "there is a gap: records are needed that lie before this segment; an "
            "older segment file, or a newer checkpoint, is missing (log positions)",
            batch.lsn, walk->from);
    }
    if (segment != 1 || walk->from != 0) {
        return damage_numbers(walk, segment, HF_LOG_SEGMENT_HEAD,
                              "there is a gap: the log is empty, though records up to a later "
                              "position were in it (log positions)",
                              0, walk->from);
    }
    start_at(walk, segment, false);
    return HF_OK;
}

/* The tail is clean or cuttable up to here. */
static void tail_next(hf_log_walk *walk, uint64_t segment, uint64_t offset)
{
    if (offset < walk->segment_bytes) {
        want(walk, HF_LOG_WALK_TAIL, segment, offset, HF_LOG_WALK_WINDOW);
    } else if (segment < walk->last) {
        want(walk, HF_LOG_WALK_TAIL, segment + 1, 0, HF_LOG_WALK_WINDOW);
    } else {
        if (walk->tail.epoch_max > walk->epoch_max) {
            walk->epoch_max = walk->tail.epoch_max;
        }
        walk->phase = HF_LOG_WALK_DONE;
    }
}

static hf_err enter_tail(hf_log_walk *walk)
{
    hf_log_tail_open(&walk->tail, &walk->place);
    walk->open_end = hf_log_records_open_end(&walk->records);
    walk->place_bytes = walk->segment_bytes;
    if (walk->place.lsn < walk->from) {
        return damage_numbers(
            walk, walk->place.segment, walk->place.offset,
            "the log ends before the position up to which it was durable when the "
            "checkpoint was made (log positions)",
            walk->place.lsn, walk->from);
    }
    tail_next(walk, walk->place.segment, walk->place.offset);
    return HF_OK;
}

/* Nothing (more) is in this segment: does the next one go on? */
static hf_err leave_segment(hf_log_walk *walk)
{
    if (walk->place.segment == walk->last) {
        return enter_tail(walk);
    }
    want(walk, HF_LOG_WALK_PEEK, walk->place.segment + 1, 0, HF_LOG_WALK_WINDOW);
    return HF_OK;
}

static hf_err take_batch(hf_log_walk *walk, const hf_log_batch *batch)
{
    hf_err err = hf_log_records_batch(&walk->records, batch, &walk->why);
    if (err != HF_OK) {
        return err;
    }
    if (walk->handler.on_batch != NULL) {
        walk->handler.on_batch(walk->handler.context, batch);
    }
    for (;;) {
        hf_log_record record;
        err = hf_log_records_next(&walk->records, &record, &walk->why);
        if (err == HF_E_NOTFOUND) {
            break;
        }
        if (err != HF_OK) {
            return damage_at(walk, batch->segment, batch->offset);
        }
        if (record.lsn > walk->from || walk->all) {
            err = walk->handler.on_record(walk->handler.context, &record);
            if (err != HF_OK) {
                return damage(walk, err, batch->segment, batch->offset,
                              "a record of this batch could not be applied");
            }
        }
    }
    hf_log_place_pass(&walk->place, batch);
    walk->epoch_max = batch->epoch > walk->epoch_max ? batch->epoch : walk->epoch_max;
    return HF_OK;
}

/* The batch at place is torn. The one behind it, if any, may be torn too, but not rotten. */
static hf_err judge_second(hf_log_walk *walk, const hf_log_batch *torn, hf_bytes window,
                           uint64_t window_offset)
{
    hf_log_place place = walk->place;
    hf_log_place_pass(&place, torn);
    uint64_t at = place.offset - window_offset;
    if (at + HF_LOG_SECTOR > window.size) {
        return HF_OK;
    }
    hf_log_batch batch;
    hf_log_verdict verdict = hf_log_batch_head(window.data + at, &batch, &walk->why);
    if (verdict == HF_LOG_ABSENT) {
        return HF_OK;
    }
    if (verdict == HF_LOG_ROTTEN) {
        return damage_at(walk, place.segment, place.offset);
    }
    if (hf_log_place_check(&place, &batch, &walk->why) != HF_LOG_WHOLE) {
        return walk->why.err;
    }
    if (at + batch.block_size > window.size) {
        return HF_OK;
    }
    if (hf_log_batch_body(window.data + at, &batch, &walk->why) == HF_LOG_ROTTEN) {
        return damage_at(walk, place.segment, place.offset);
    }
    return HF_OK;
}

/* One batch of the window. *more is false when something else is wanted now. */
static hf_err one_batch(hf_log_walk *walk, hf_bytes window, bool *more)
{
    uint64_t offset = walk->place.offset;
    uint64_t segment = walk->place.segment;
    uint64_t at = offset - walk->want_offset;
    bool short_file = window.size < walk->want_size;
    *more = false;
    if (offset + HF_LOG_SECTOR > walk->segment_bytes) {
        return leave_segment(walk);
    }
    if (at + HF_LOG_SECTOR > window.size) {
        if (short_file) {
            return damage_numbers(walk, segment, offset, "the file is shorter than its head says",
                                  walk->want_offset + window.size, walk->segment_bytes);
        }
        want(walk, HF_LOG_WALK_BATCHES, segment, offset, HF_LOG_WALK_WINDOW);
        return HF_OK;
    }
    hf_log_batch batch;
    hf_log_verdict verdict = hf_log_batch_head(window.data + at, &batch, &walk->why);
    if (verdict == HF_LOG_ABSENT) {
        return leave_segment(walk);
    }
    if (verdict == HF_LOG_ROTTEN) {
        return damage_at(walk, segment, offset);
    }
    if (hf_log_place_check(&walk->place, &batch, &walk->why) != HF_LOG_WHOLE) {
        return walk->why.err;
    }
    if (offset + batch.block_size > walk->segment_bytes) {
        return damage(walk, HF_E_CORRUPT, segment, offset,
                      "a batch reaches past its segment's end");
    }
    if (at + batch.block_size > window.size) {
        if (short_file) {
            return damage_numbers(walk, segment, offset, "the file is shorter than its head says",
                                  walk->want_offset + window.size, walk->segment_bytes);
        }
        want(walk, HF_LOG_WALK_BATCHES, segment, offset, HF_LOG_WALK_WINDOW);
        return HF_OK;
    }
    verdict = hf_log_batch_body(window.data + at, &batch, &walk->why);
    if (verdict == HF_LOG_ROTTEN) {
        return damage_at(walk, segment, offset);
    }
    if (verdict == HF_LOG_TORN) {
        if (at != 0 && !short_file) { /* see both batches in one window */
            want(walk, HF_LOG_WALK_BATCHES, segment, offset, HF_LOG_WALK_WINDOW);
            return HF_OK;
        }
        hf_err err = judge_second(walk, &batch, window, walk->want_offset);
        return err != HF_OK ? err : enter_tail(walk);
    }
    *more = true;
    return take_batch(walk, &batch);
}

static hf_err feed_batches(hf_log_walk *walk, hf_bytes bytes)
{
    bool more = true;
    hf_err err = HF_OK;
    while (more && err == HF_OK) {
        err = one_batch(walk, bytes, &more);
    }
    return err;
}

/* The first segment that is read in full. */
static hf_err feed_head(hf_log_walk *walk, hf_bytes bytes)
{
    hf_log_batch batch;
    bool found = false;
    hf_err err = segment_read(walk, bytes, &batch, &found);
    if (err != HF_OK) {
        return err;
    }
    walk->place.segment = walk->want_segment;
    walk->place.offset = HF_LOG_SEGMENT_HEAD;
    walk->phase = HF_LOG_WALK_BATCHES;
    return feed_batches(walk, bytes);
}

static hf_err feed_peek(hf_log_walk *walk, hf_bytes bytes)
{
    hf_log_batch batch;
    bool found = false;
    uint32_t bytes_before = walk->segment_bytes;
    hf_err err = segment_read(walk, bytes, &batch, &found);
    if (err != HF_OK) {
        return err;
    }
    if (!found || (!walk->place.any && batch.seq > walk->place.seq)) {
        walk->segment_bytes = bytes_before;
        return enter_tail(walk); /* which finds the proof, if the batch at place was acknowledged */
    }
    walk->place.segment = walk->want_segment;
    walk->place.offset = HF_LOG_SEGMENT_HEAD;
    walk->phase = HF_LOG_WALK_BATCHES;
    return feed_batches(walk, bytes);
}

static hf_err feed_tail(hf_log_walk *walk, hf_bytes bytes)
{
    uint64_t segment = walk->want_segment;
    uint64_t offset = walk->want_offset;
    bool short_file = bytes.size < walk->want_size;
    if (offset == 0) {
        hf_log_batch batch;
        bool found;
        hf_err err = segment_read(walk, bytes, &batch, &found);
        if (err != HF_OK) {
            return err;
        }
        offset = HF_LOG_SEGMENT_HEAD;
        bytes = hf_bytes_of(bytes.data + HF_LOG_SEGMENT_HEAD, bytes.size - HF_LOG_SEGMENT_HEAD);
    }
    if (offset + bytes.size > walk->segment_bytes) {
        bytes.size = (uint32_t)(walk->segment_bytes - offset);
    }
    if (hf_log_tail_look(&walk->tail, segment, offset, bytes, &walk->why) == HF_LOG_ROTTEN) {
        return walk->why.err;
    }
    offset += bytes.size;
    if (offset < walk->segment_bytes && short_file) {
        return damage_numbers(walk, segment, offset, "the file is shorter than its head says",
                              offset, walk->segment_bytes);
    }
    tail_next(walk, segment, offset);
    return HF_OK;
}

hf_err hf_log_walk_feed(hf_log_walk *walk, hf_bytes bytes)
{
    HF_PRE(walk->phase != HF_LOG_WALK_DONE && bytes.size <= walk->want_size);
    switch (walk->phase) {
    case HF_LOG_WALK_FIND:
        return feed_find(walk, bytes);
    case HF_LOG_WALK_HEAD:
        return feed_head(walk, bytes);
    case HF_LOG_WALK_BATCHES:
        return feed_batches(walk, bytes);
    case HF_LOG_WALK_PEEK:
        return feed_peek(walk, bytes);
    case HF_LOG_WALK_TAIL:
        return feed_tail(walk, bytes);
    case HF_LOG_WALK_DONE:
        break;
    }
    HF_UNREACHABLE();
}
