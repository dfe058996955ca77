#include "storage/log/inspect.h"

#include "engine/base/assert.h"
#include "engine/base/crc32c.h"

enum {
    SEGMENT_CRC_FROM = 12,
    SEGMENT_CRC_TO = 64,
    BATCH_MAGIC = 0x31424648, /* "HFB1" */
    BATCH_CRC_FROM = 8,
    FLAG_BEGIN = 1,
    FLAG_SEAL = 2,
};
static const uint8_t segment_magic[8] = { 'H', 'F', 'L', 'O', 'G', 'S', 'E', 'G' };

_Static_assert(HF_LOG_BLOCK_MAX / HF_LOG_SECTOR * 4 + HF_LOG_BATCH_HEAD < HF_LOG_BLOCK_MAX,
               "a block holds its own table");

/* ---- Words ---- */

void hf_log_path(char out[HF_LOG_PATH_MAX], const char *dir, const char *stem, uint64_t number)
{
    hf_log_detail text;
    hf_log_detail_reset(&text);
    hf_log_detail_put(&text, dir);
    hf_log_detail_put(&text, "/");
    hf_log_detail_put(&text, stem);
    hf_log_detail_hex(&text, number);
    HF_ASSERT(text.size < HF_LOG_PATH_MAX);
    memcpy(out, text.at, text.size + 1);
}

bool hf_log_name_number(const char *name, const char *stem, uint64_t *number)
{
    size_t stem_size = strlen(stem);
    if (strlen(name) != stem_size + 16 || memcmp(name, stem, stem_size) != 0) {
        return false;
    }
    uint64_t value = 0;
    for (const char *at = name + stem_size; *at != '\0'; at++) {
        uint64_t digit;
        if (*at >= '0' && *at <= '9') {
            digit = (uint64_t)(*at - '0');
        } else if (*at >= 'a' && *at <= 'f') {
            digit = (uint64_t)(*at - 'a') + 10;
        } else {
            return false;
        }
        value = value << 4 | digit;
    }
    *number = value;
    return true;
}

void hf_log_why_put(hf_log_detail *out, const char *dir, const hf_log_why *why)
{
    hf_log_detail_put(out, dir);
    hf_log_detail_put(out, "/log-");
    hf_log_detail_hex(out, why->segment);
    hf_log_detail_put(out, ", offset ");
    hf_log_detail_number(out, why->offset);
    hf_log_detail_put(out, ": ");
    hf_log_detail_put(out, why->what);
    if (why->numbers) {
        hf_log_detail_put(out, " (found ");
        hf_log_detail_number(out, why->found);
        hf_log_detail_put(out, ", expected ");
        hf_log_detail_number(out, why->expected);
        hf_log_detail_put(out, ")");
    }
    hf_log_detail_put(out, ". Nothing was changed. Look with: holdfast log verify ");
    hf_log_detail_put(out, dir);
}

static void why_set(hf_log_why *why, hf_err err, uint64_t segment, uint64_t offset,
                    const char *what)
{
    *why = (hf_log_why){ .err = err, .what = what, .segment = segment, .offset = offset };
}

static void why_numbers(hf_log_why *why, uint64_t found, uint64_t expected)
{
    why->found = found;
    why->expected = expected;
    why->numbers = true;
}

bool hf_log_is_zero(const uint8_t *data, size_t size)
{
    return size == 0 || (data[0] == 0 && memcmp(data, data + 1, size - 1) == 0);
}

static uint32_t get_u32(const uint8_t *at)
{
    uint32_t v;
    memcpy(&v, at, sizeof v);
    return v;
}

static void set_u32(uint8_t *at, uint32_t v)
{
    memcpy(at, &v, sizeof v);
}

/* ---- Segment head ---- */

void hf_log_segment_encode(const hf_log_segment_head *head, uint8_t block[HF_LOG_SEGMENT_HEAD])
{
    memset(block, 0, HF_LOG_SEGMENT_HEAD);
    hf_writer w = { block, block + SEGMENT_CRC_TO, false };
    hf_write_raw(&w, segment_magic, sizeof segment_magic);
    hf_write_u32(&w, 0);
    hf_write_u32(&w, HF_LOG_FORMAT);
    hf_write_u64(&w, head->log_id);
    hf_write_u64(&w, head->number);
    hf_write_u64(&w, head->epoch);
    hf_write_u32(&w, head->segment_bytes);
    HF_ASSERT(!w.full);
    set_u32(block + 8, hf_crc32c(0, block + SEGMENT_CRC_FROM, SEGMENT_CRC_TO - SEGMENT_CRC_FROM));
}

hf_err hf_log_segment_decode(hf_bytes bytes, uint64_t log_id, uint64_t number,
                             hf_log_segment_head *head, hf_log_why *why)
{
    if (bytes.size < SEGMENT_CRC_TO) {
        why_set(why, HF_E_CORRUPT, number, 0, "the file ends within the segment's head");
        why_numbers(why, bytes.size, HF_LOG_SEGMENT_HEAD);
        return why->err;
    }
    if (memcmp(bytes.data, segment_magic, sizeof segment_magic) != 0) {
        why_set(why, HF_E_CORRUPT, number, 0, "this is not a log segment, or its head is damaged");
        return why->err;
    }
    uint32_t crc = hf_crc32c(0, bytes.data + SEGMENT_CRC_FROM, SEGMENT_CRC_TO - SEGMENT_CRC_FROM);
    hf_reader r = hf_reader_of(bytes);
    (void)hf_read_u64(&r);
    uint32_t stored = hf_read_u32(&r);
    uint32_t format = hf_read_u32(&r);
    head->log_id = hf_read_u64(&r);
    head->number = hf_read_u64(&r);
    head->epoch = hf_read_u64(&r);
    head->segment_bytes = hf_read_u32(&r);
    if (stored != crc) {
        why_set(why, HF_E_CORRUPT, number, 0,
                "the segment's head is damaged: its checksum is wrong");
        why_numbers(why, crc, stored);
        return why->err;
    }
    if (format != HF_LOG_FORMAT) {
        why_set(why, HF_E_VERSION, number, 0,
                "the log's format is not the one that this binary reads: use a newer binary");
        why_numbers(why, format, HF_LOG_FORMAT);
        return why->err;
    }
    if (log_id != 0 && head->log_id != log_id) {
        why_set(why, HF_E_WRONGFILE, number, 0,
                "this segment belongs to another node's or core's log");
        why_numbers(why, head->log_id, log_id);
        return why->err;
    }
    if (head->number != number) {
        why_set(why, HF_E_WRONGFILE, number, 0,
                "this is another segment of the log under a wrong name");
        why_numbers(why, head->number, number);
        return why->err;
    }
    if (head->segment_bytes < 2 * HF_LOG_SEGMENT_HEAD || head->segment_bytes % HF_LOG_SECTOR != 0) {
        why_set(why, HF_E_CORRUPT, number, 0, "the segment's head gives an impossible size");
        return why->err;
    }
    return HF_OK;
}

/* ---- Batches ---- */

uint32_t hf_log_batch_head_size(uint32_t block_size)
{
    return HF_LOG_BATCH_HEAD + block_size / HF_LOG_SECTOR * 4;
}

uint32_t hf_log_batch_payload_max(uint32_t block_size)
{
    return block_size - hf_log_batch_head_size(block_size);
}

uint32_t hf_log_batch_block_size(uint32_t payload_size, uint32_t align)
{
    /* Of every 512 bytes, 4 are its entry in the table. */
    uint64_t size = ((uint64_t)HF_LOG_BATCH_HEAD + payload_size) * 128;
    size = (size + 126) / 127;
    size = (size + align - 1) & ~(uint64_t)(align - 1);
    HF_POST(size <= UINT32_MAX && hf_log_batch_payload_max((uint32_t)size) >= payload_size);
    return (uint32_t)size;
}

/* The CRC of sector `index`: of what lies in it behind the head. */
static uint32_t sector_crc(const uint8_t *block, uint32_t index, uint32_t head_size)
{
    uint32_t from = index * HF_LOG_SECTOR;
    uint32_t to = from + HF_LOG_SECTOR;
    if (from < head_size) {
        from = head_size < to ? head_size : to;
    }
    return hf_crc32c(0, block + from, to - from);
}

void hf_log_batch_encode(hf_log_batch *batch, uint8_t *block)
{
    uint32_t head_size = hf_log_batch_head_size(batch->block_size);
    uint32_t used = head_size + batch->payload_size;
    HF_PRE(batch->block_size % HF_LOG_SECTOR == 0 && used <= batch->block_size);
    memset(block + used, 0, batch->block_size - used);
    for (uint32_t i = 0; i < batch->block_size / HF_LOG_SECTOR; i++) {
        set_u32(block + HF_LOG_BATCH_HEAD + 4 * i, sector_crc(block, i, head_size));
    }
    batch->table_crc = hf_crc32c(0, block + HF_LOG_BATCH_HEAD, head_size - HF_LOG_BATCH_HEAD);
    batch->payload = block + head_size;
    hf_writer w = { block, block + HF_LOG_BATCH_HEAD, false };
    hf_write_u32(&w, BATCH_MAGIC);
    hf_write_u32(&w, 0);
    hf_write_u16(&w, HF_LOG_FORMAT);
    hf_write_u16(&w, (uint16_t)((batch->begin ? FLAG_BEGIN : 0) | (batch->seal ? FLAG_SEAL : 0)));
    hf_write_u32(&w, batch->offset);
    hf_write_u64(&w, batch->log_id);
    hf_write_u64(&w, batch->segment);
    hf_write_u64(&w, batch->epoch);
    hf_write_u64(&w, batch->seq);
    hf_write_u64(&w, batch->lsn);
    hf_write_u64(&w, batch->durable_lsn);
    hf_write_u64(&w, batch->durable_seq);
    hf_write_u32(&w, batch->chain);
    hf_write_u32(&w, batch->table_crc);
    hf_write_u32(&w, batch->block_size);
    hf_write_u32(&w, batch->payload_size);
    hf_write_u32(&w, batch->first_record);
    hf_write_u32(&w, batch->first_chain);
    HF_ASSERT(!w.full && w.at == w.end);
    batch->crc = hf_crc32c(0, block + BATCH_CRC_FROM, HF_LOG_BATCH_HEAD - BATCH_CRC_FROM);
    set_u32(block + 4, batch->crc);
}

static bool batch_sane(const hf_log_batch *batch)
{
    uint32_t block = batch->block_size;
    return block >= HF_LOG_SECTOR && block <= HF_LOG_BLOCK_MAX && block % HF_LOG_SECTOR == 0 &&
           batch->payload_size <= hf_log_batch_payload_max(block) &&
           (batch->first_record == HF_LOG_NO_RECORD ||
            batch->first_record <= batch->payload_size) &&
           batch->offset >= HF_LOG_SEGMENT_HEAD && batch->offset % HF_LOG_SECTOR == 0 &&
           batch->durable_seq < batch->seq && batch->durable_lsn <= batch->lsn &&
           batch->lsn + batch->payload_size >= batch->lsn;
}

hf_log_verdict hf_log_batch_head(const uint8_t *sector, hf_log_batch *batch, hf_log_why *why)
{
    hf_reader r = hf_reader_of(hf_bytes_of(sector, HF_LOG_BATCH_HEAD));
    uint32_t magic = hf_read_u32(&r);
    if (magic == 0 && hf_log_is_zero(sector, HF_LOG_SECTOR)) {
        why_set(why, HF_OK, 0, 0, "nothing was written here");
        return HF_LOG_ABSENT;
    }
    batch->crc = hf_read_u32(&r);
    uint32_t crc = hf_crc32c(0, sector + BATCH_CRC_FROM, HF_LOG_BATCH_HEAD - BATCH_CRC_FROM);
    if (magic != BATCH_MAGIC || batch->crc != crc) {
        why_set(why, HF_E_CORRUPT, 0, 0, "a batch's head is damaged (neither zeros nor whole)");
        return HF_LOG_ROTTEN;
    }
    uint16_t format = hf_read_u16(&r);
    uint16_t flags = hf_read_u16(&r);
    batch->begin = (flags & FLAG_BEGIN) != 0;
    batch->seal = (flags & FLAG_SEAL) != 0;
    batch->offset = hf_read_u32(&r);
    batch->log_id = hf_read_u64(&r);
    batch->segment = hf_read_u64(&r);
    batch->epoch = hf_read_u64(&r);
    batch->seq = hf_read_u64(&r);
    batch->lsn = hf_read_u64(&r);
    batch->durable_lsn = hf_read_u64(&r);
    batch->durable_seq = hf_read_u64(&r);
    batch->chain = hf_read_u32(&r);
    batch->table_crc = hf_read_u32(&r);
    batch->block_size = hf_read_u32(&r);
    batch->payload_size = hf_read_u32(&r);
    batch->first_record = hf_read_u32(&r);
    batch->first_chain = hf_read_u32(&r);
    batch->payload = NULL;
    if (format != HF_LOG_FORMAT) {
        why_set(why, HF_E_VERSION, batch->segment, batch->offset,
                "a batch's format is not the one that this binary reads: use a newer binary");
        why_numbers(why, format, HF_LOG_FORMAT);
        return HF_LOG_ROTTEN;
    }
    if (!batch_sane(batch)) {
        why_set(why, HF_E_CORRUPT, batch->segment, batch->offset,
                "a batch's head has a good checksum and impossible sizes");
        return HF_LOG_ROTTEN;
    }
    return HF_LOG_WHOLE;
}

/* The sectors that hold the table, beyond the first one, which the head's CRC has vouched for. */
static hf_log_verdict judge_table(const uint8_t *block, const hf_log_batch *batch, hf_log_why *why)
{
    uint32_t head_size = hf_log_batch_head_size(batch->block_size);
    uint32_t crc = hf_crc32c(0, block + HF_LOG_BATCH_HEAD, head_size - HF_LOG_BATCH_HEAD);
    if (crc == batch->table_crc) {
        return HF_LOG_WHOLE;
    }
    /* No sector of a table that was written is all zeros: the CRC of a sector hardly ever is. */
    for (uint32_t at = HF_LOG_SECTOR; at < head_size; at += HF_LOG_SECTOR) {
        if (hf_log_is_zero(block + at, HF_LOG_SECTOR)) {
            why_set(why, HF_OK, batch->segment, batch->offset + at, "a batch is incomplete");
            return HF_LOG_TORN;
        }
    }
    why_set(why, HF_E_CORRUPT, batch->segment, batch->offset,
            "a batch's table of sector checksums is damaged (neither zeros nor whole)");
    return HF_LOG_ROTTEN;
}

hf_log_verdict hf_log_batch_body(const uint8_t *block, hf_log_batch *batch, hf_log_why *why)
{
    uint32_t head_size = hf_log_batch_head_size(batch->block_size);
    hf_log_verdict verdict = judge_table(block, batch, why);
    if (verdict != HF_LOG_WHOLE) {
        return verdict;
    }
    for (uint32_t i = 0; i < batch->block_size / HF_LOG_SECTOR; i++) {
        uint32_t stored = get_u32(block + HF_LOG_BATCH_HEAD + 4 * i);
        if (sector_crc(block, i, head_size) == stored) {
            continue;
        }
        if (i != 0 && hf_log_is_zero(block + i * HF_LOG_SECTOR, HF_LOG_SECTOR)) {
            if (verdict == HF_LOG_WHOLE) {
                why_set(why, HF_OK, batch->segment, batch->offset + i * HF_LOG_SECTOR,
                        "a batch is incomplete");
            }
            verdict = HF_LOG_TORN;
            continue;
        }
        why_set(why, HF_E_CORRUPT, batch->segment, batch->offset + i * HF_LOG_SECTOR,
                "a sector of a batch is damaged (neither zeros nor whole)");
        return HF_LOG_ROTTEN;
    }
    batch->payload = block + head_size;
    return verdict;
}

hf_log_verdict hf_log_place_check(const hf_log_place *place, const hf_log_batch *batch,
                                  hf_log_why *why)
{
    const char *what = NULL;
    uint64_t found = 0;
    uint64_t expected = 0;
    hf_err err = HF_E_CORRUPT;
    if (batch->log_id != place->log_id) {
        what = "a batch of another node's or core's log lies here";
        err = HF_E_WRONGFILE;
        found = batch->log_id;
        expected = place->log_id;
    } else if (batch->segment != place->segment) {
        what =
            "a batch of another segment lies here: a misdirected write, or old content came back";
        found = batch->segment;
        expected = place->segment;
    } else if (batch->offset != place->offset) {
        what = "a batch lies here that was written for another offset: a misdirected write";
        found = batch->offset;
        expected = place->offset;
    } else if (batch->epoch < place->epoch) {
        what = "a batch of an earlier run lies behind a later one: a write was lost";
        found = batch->epoch;
        expected = place->epoch;
    } else if (place->any) {
        what = NULL; /* the first one met: nothing to hold it against */
    } else if (batch->seq != place->seq) {
        what = "a batch has the wrong sequence number: a write was lost or misdirected";
        found = batch->seq;
        expected = place->seq;
    } else if (batch->lsn != place->lsn) {
        what = "a batch begins at the wrong log position";
        found = batch->lsn;
        expected = place->lsn;
    } else if (batch->chain != place->chain) {
        what = "a batch does not continue the one before it: a write was lost";
        found = batch->chain;
        expected = place->chain;
    }
    if (what == NULL) {
        return HF_LOG_WHOLE;
    }
    why_set(why, err, place->segment, place->offset, what);
    why_numbers(why, found, expected);
    return HF_LOG_ROTTEN;
}

void hf_log_place_pass(hf_log_place *place, const hf_log_batch *batch)
{
    place->any = false;
    place->epoch = batch->epoch;
    place->seq = batch->seq + 1;
    place->lsn = batch->lsn + batch->payload_size;
    place->chain = batch->crc;
    place->offset = batch->offset + batch->block_size;
}

/* ---- Records ---- */

void hf_log_records_open(hf_log_records *records, uint8_t *spill, uint32_t capacity)
{
    HF_PRE(capacity >= HF_LOG_RECORD_HEAD);
    *records = (hf_log_records){ .spill = spill, .spill_capacity = capacity };
}

hf_err hf_log_records_batch(hf_log_records *records, const hf_log_batch *batch, hf_log_why *why)
{
    records->at = batch->payload;
    records->end = batch->payload + batch->payload_size;
    records->at_lsn = batch->lsn;
    if (batch->begin) {
        records->spill_size = 0; /* its end was cut off in the crash before this epoch */
        records->found = false;
    }
    if (records->found) {
        if (records->spill_size == 0 && batch->first_record != 0) {
            why_set(why, HF_E_CORRUPT, batch->segment, batch->offset,
                    "a batch continues a record that had ended");
            return why->err;
        }
        return HF_OK;
    }
    if (batch->first_record == HF_LOG_NO_RECORD) {
        records->at = records->end;
        return HF_OK;
    }
    records->found = true;
    records->at += batch->first_record;
    records->at_lsn += batch->first_record;
    records->chain = batch->first_chain;
    return HF_OK;
}

/* `bytes`: head and data, complete. */
static hf_err record_decode(hf_log_records *records, const uint8_t *bytes, uint32_t size,
                            hf_log_record *record, hf_log_why *why)
{
    hf_reader r = hf_reader_of(hf_bytes_of(bytes, size));
    (void)hf_read_u32(&r);
    uint32_t stored = hf_read_u32(&r);
    record->range = hf_read_u64(&r);
    record->index = hf_read_u64(&r);
    record->kind = hf_read_u16(&r);
    (void)hf_read_u16(&r);
    record->data = hf_read_lent(&r, hf_reader_left(&r));
    record->lsn = records->at_lsn;
    uint32_t crc = hf_crc32c(records->chain, bytes, 4);
    crc = hf_crc32c(crc, bytes + 8, size - 8);
    if (crc != stored) {
        why_set(why, HF_E_CORRUPT, 0, 0, "a record's checksum does not continue the chain");
        why_numbers(why, crc, stored);
        return why->err;
    }
    records->chain = crc;
    return HF_OK;
}

static hf_err record_spill(hf_log_records *records, hf_log_record *record, hf_log_why *why)
{
    for (;;) {
        uint64_t want = HF_LOG_RECORD_HEAD;
        if (records->spill_size >= HF_LOG_RECORD_HEAD) {
            want += get_u32(records->spill);
        }
        if (want > records->spill_capacity) {
            why_set(why, HF_E_TOOBIG, 0, 0, "a record is larger than this node's limit allows");
            why_numbers(why, want, records->spill_capacity);
            return why->err;
        }
        if (records->spill_size == want) {
            records->spill_size = 0;
            return record_decode(records, records->spill, (uint32_t)want, record, why);
        }
        uint32_t left = (uint32_t)(records->end - records->at);
        uint32_t take = (uint32_t)want - records->spill_size;
        take = take < left ? take : left;
        if (take == 0) {
            return HF_E_NOTFOUND;
        }
        memcpy(records->spill + records->spill_size, records->at, take);
        records->spill_size += take;
        records->at += take;
        records->at_lsn += take;
    }
}

hf_err hf_log_records_next(hf_log_records *records, hf_log_record *record, hf_log_why *why)
{
    if (!records->found) {
        return HF_E_NOTFOUND;
    }
    size_t left = (size_t)(records->end - records->at);
    if (records->spill_size == 0 && left >= HF_LOG_RECORD_HEAD) {
        uint64_t size = (uint64_t)HF_LOG_RECORD_HEAD + get_u32(records->at);
        if (size <= left) {
            const uint8_t *at = records->at;
            records->at += size;
            records->at_lsn += size;
            return record_decode(records, at, (uint32_t)size, record, why);
        }
    }
    return record_spill(records, record, why);
}

uint32_t hf_log_record_head(uint8_t head[HF_LOG_RECORD_HEAD], uint32_t chain, uint16_t kind,
                            uint64_t range, uint64_t index, const hf_bytes *parts,
                            uint32_t part_count)
{
    uint32_t size = 0;
    for (uint32_t i = 0; i < part_count; i++) {
        size += parts[i].size;
    }
    set_u32(head, size);
    memcpy(head + 8, &range, sizeof range);
    memcpy(head + 16, &index, sizeof index);
    set_u32(head + 24, kind);
    uint32_t crc = hf_crc32c(chain, head, 4);
    const uint8_t *behind = head + HF_LOG_RECORD_HEAD;
    if (part_count == 1 && parts[0].data == behind) { /* they are one run of bytes */
        crc = hf_crc32c(crc, head + 8, HF_LOG_RECORD_HEAD - 8 + (size_t)parts[0].size);
    } else {
        crc = hf_crc32c(crc, head + 8, HF_LOG_RECORD_HEAD - 8);
        for (uint32_t i = 0; i < part_count; i++) {
            crc = hf_crc32c(crc, parts[i].data, parts[i].size);
        }
    }
    set_u32(head + 4, crc);
    return crc;
}

/* ---- Tail ---- */

void hf_log_tail_open(hf_log_tail *tail, const hf_log_place *place)
{
    *tail = (hf_log_tail){ .place = *place, .epoch_max = place->epoch };
}

/* How far unacknowledged writes can reach: two blocks behind the place, or at a later segment's
 * start. */
static bool tail_within_reach(const hf_log_tail *tail, uint64_t segment, uint64_t offset)
{
    const uint64_t reach = (uint64_t)HF_LOG_FLUSHES_MAX * HF_LOG_BLOCK_MAX;
    if (segment == tail->place.segment) {
        return offset < tail->place.offset + reach;
    }
    return segment <= tail->place.segment + HF_LOG_FLUSHES_MAX &&
           offset < HF_LOG_SEGMENT_HEAD + reach;
}

static hf_log_verdict tail_head(hf_log_tail *tail, uint64_t segment, uint64_t offset,
                                const uint8_t *sector, hf_log_why *why)
{
    hf_log_batch batch;
    hf_log_why ignored;
    if (get_u32(sector) != BATCH_MAGIC ||
        hf_log_batch_head(sector, &batch, &ignored) != HF_LOG_WHOLE ||
        batch.log_id != tail->place.log_id || batch.segment != segment || batch.offset != offset) {
        return HF_LOG_TORN; /* the inside of a batch: it cannot be judged without its head */
    }
    if (batch.epoch > tail->epoch_max) {
        tail->epoch_max = batch.epoch;
    }
    if (batch.epoch >= tail->place.epoch && (batch.durable_seq >= tail->place.seq ||
                                             batch.seq >= tail->place.seq + HF_LOG_FLUSHES_MAX)) {
        why_set(why, HF_E_CORRUPT, tail->place.segment, tail->place.offset,
                "an acknowledged batch is missing or incomplete: a later batch proves that it was "
                "durable; its sequence number was expected here");
        why_numbers(why, batch.seq, tail->place.seq);
        return HF_LOG_ROTTEN;
    }
    return HF_LOG_TORN;
}

hf_log_verdict hf_log_tail_look(hf_log_tail *tail, uint64_t segment, uint64_t offset,
                                hf_bytes bytes, hf_log_why *why)
{
    HF_PRE(segment >= tail->place.segment && offset % HF_LOG_SECTOR == 0);
    for (uint32_t at = 0; at + HF_LOG_SECTOR <= bytes.size; at += HF_LOG_SECTOR) {
        const uint8_t *sector = bytes.data + at;
        if (get_u32(sector) == 0 && hf_log_is_zero(sector, HF_LOG_SECTOR)) {
            continue;
        }
        uint64_t here = offset + at;
        if (tail_head(tail, segment, here, sector, why) == HF_LOG_ROTTEN) {
            return HF_LOG_ROTTEN;
        }
        if (!tail_within_reach(tail, segment, here)) {
            why_set(
                why, HF_E_CORRUPT, segment, here,
                "written bytes lie further behind the log's end than unacknowledged writes reach");
            return HF_LOG_ROTTEN;
        }
        uint64_t index = segment - tail->place.segment;
        if (tail->dirty_to[index] == 0) {
            tail->dirty_from[index] = here;
        }
        tail->dirty_to[index] = here + HF_LOG_SECTOR;
    }
    return HF_LOG_TORN;
}
