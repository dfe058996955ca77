/* HF.APPLY transfer/1 blob: a batch of fixed-size records in, one result code for each out, inside
 * one bulk string.
 *
 * A record is a transfer between two bounded quantities: both sides or neither. Records are
 * independent: they run at the same time, in any order, and one that is refused does not touch the
 * others.
 *
 *   0          16                48                 80        88     96       100             128
 *   | id, 16 B | debit key, 32 B | credit key, 32 B | amount  | min  | flags  | zeros         |
 *                zero padded       zero padded        i64 > 0   i64    u32       all little-endian
 *
 * id: a UUID of version 7, or 16 zeros for none. With an id a transfer happens at most once,
 * however often it is sent, and HF.OUTCOME knows it. flags: 1: the debit side may not fall below
 * `min`. A key ends at its first zero. Reply: u32 code per record, in their order.
 */
#include "engine/shard/session/apply.h"

#include "engine/base/text.h"
#include "engine/base/uuid.h"

enum { UNDER_WAY_MAX = 256, APPLIES_MAX = 64, PAUSE_NS = 100000, CLOCK_AHEAD_MS = 60000 };

typedef struct hf_apply {
    struct hf_apply *next;
    hf_ticket ticket; /* of the client's request */
    uint64_t number;
    uint8_t *records;
    uint32_t *codes;
    uint32_t count, started, done;
} hf_apply;

/* ---- One record ---- */

static bool read_key(const uint8_t *at, hf_bytes *key)
{
    HF_ASSERT(at != NULL);
    uint32_t size = 0;
    while (size < HF_APPLY_KEY && at[size] != 0) {
        size++;
    }
    for (uint32_t i = size; i < HF_APPLY_KEY; i++) {
        if (at[i] != 0) {
            return false;
        }
    }
    *key = hf_bytes_of(at, size);
    return size != 0;
}

static bool all_zero(const uint8_t *at, uint32_t size)
{
    uint8_t any = 0;
    for (uint32_t i = 0; i < size; i++) {
        any |= at[i];
    }
    return any == 0;
}

bool hf_transfer_read(const uint8_t record[HF_APPLY_RECORD], hf_transfer *t)
{
    hf_reader r = hf_reader_of(hf_bytes_of(record, HF_APPLY_RECORD));
    hf_read_raw(&r, t->id, sizeof t->id);
    bool keys = read_key(hf_read_lent(&r, HF_APPLY_KEY).data, &t->debit);
    keys = read_key(hf_read_lent(&r, HF_APPLY_KEY).data, &t->credit) && keys;
    t->amount = (int64_t)hf_read_u64(&r);
    t->min = (int64_t)hf_read_u64(&r);
    t->flags = hf_read_u32(&r);
    t->has_id = !all_zero(t->id, sizeof t->id);
    bool rest = all_zero(record + HF_APPLY_RECORD - hf_reader_left(&r), hf_reader_left(&r));
    return keys && t->amount > 0 && (t->flags & ~(uint32_t)HF_TRANSFER_MIN) == 0 && rest &&
           !hf_bytes_equal(t->debit, t->credit);
}

hf_transfer_code hf_transfer_code_of(hf_bytes reply)
{
    static const struct {
        const char *word;
        hf_transfer_code code;
    } codes[] = {
        { "-LIMIT", HF_TRANSFER_LIMIT },         { "-WRONGTYPE", HF_TRANSFER_WRONGTYPE },
        { "-TXNCONFLICT", HF_TRANSFER_AGAIN },   { "-BUSY", HF_TRANSFER_AGAIN },
        { "-DEADLINE", HF_TRANSFER_AGAIN },      { "-OOM", HF_TRANSFER_NO_ROOM },
        { "-MISCONF", HF_TRANSFER_NO_ROOM },     { "-INDOUBT", HF_TRANSFER_IN_DOUBT },
        { "-ERR this id", HF_TRANSFER_ID_USED }, { "-EXPIRED", HF_TRANSFER_ID_OLD },
    };
    if (reply.size != 0 && reply.data[0] != '-') {
        return HF_TRANSFER_DONE;
    }
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        size_t size = strlen(codes[i].word);
        if (reply.size >= size && memcmp(reply.data, codes[i].word, size) == 0) {
            return codes[i].code;
        }
    }
    return HF_TRANSFER_FAILED;
}

static hf_transfer_code check_id(const hf_shard *shard, const uint8_t id[16])
{
    hf_uuid uuid;
    memcpy(uuid.bytes, id, sizeof uuid.bytes);
    uint64_t now_ms = shard->io->wall_ns / 1000000;
    if (hf_uuid_version(&uuid) != 7 || hf_uuid_v7_ms(&uuid) > now_ms + CLOCK_AHEAD_MS) {
        return HF_TRANSFER_INVALID;
    }
    return hf_uuid_v7_ms(&uuid) + shard->config.outcome_ms < now_ms ? HF_TRANSFER_ID_OLD
                                                                    : HF_TRANSFER_DONE;
}

/* Starts the record as a request of its own. False: not now. */
static bool start(hf_shard *shard, hf_apply *apply, uint32_t index)
{
    char debit[HF_TEXT_NUMBER], credit[HF_TEXT_NUMBER], min[HF_TEXT_NUMBER];
    hf_transfer t;
    if (!hf_transfer_read(apply->records + (size_t)index * HF_APPLY_RECORD, &t)) {
        apply->codes[index] = HF_TRANSFER_INVALID;
        apply->done++;
        return true;
    }
    hf_transfer_code code = t.has_id ? check_id(shard, t.id) : HF_TRANSFER_DONE;
    if (code != HF_TRANSFER_DONE) {
        apply->codes[index] = code;
        apply->done++;
        return true;
    }
    const hf_command *add = hf_command_find(HF_LIT("hf.add"));
    hf_bytes name = HF_LIT("HF.ADD");
    hf_bytes from[] = { name, t.debit, hf_bytes_of(debit, hf_text_put_i64(debit, -t.amount)),
                        HF_LIT("MIN"), hf_bytes_of(min, hf_text_put_i64(min, t.min)) };
    hf_bytes to[] = { name, t.credit, hf_bytes_of(credit, hf_text_put_i64(credit, t.amount)) };
    hf_request_command commands[] = {
        { add, from, (t.flags & HF_TRANSFER_MIN) != 0 ? 5 : 3, 0, { NULL, 0 } },
        { add, to, 3, 0, { NULL, 0 } }
    };
    hf_request request = { .ticket = { .place = HF_PLACE_APPLY | apply->number, .number = index },
                           .form = HF_FORM_TXN,
                           .commands = commands,
                           .count = 2,
                           .has_id = t.has_id,
                           .proto = 2 };
    memcpy(request.id, t.id, sizeof request.id);
    hf_buf *error = &shard->session->error;
    hf_buf_reset(error);
    switch (hf_gateway__start(shard, &request, error)) {
    case HF_STARTED:
    case HF_STARTED_MULTI:
        return true;
    case HF_STARTED_ERROR:
        apply->codes[index] = hf_transfer_code_of(hf_buf_view(error));
        apply->done++;
        return true;
    case HF_STARTED_NOT:
    case HF_STARTED_NO_MEMORY:
        break;
    }
    return false;
}

/* ---- The batch ---- */

static void end(hf_shard *shard, hf_apply **at)
{
    hf_apply *apply = *at;
    hf_buf *reply = &hf_server_of(shard)->reply;
    hf_buf_reset(reply);
    hf_resp_bulk(reply, hf_bytes_of(apply->codes, apply->count * sizeof *apply->codes));
    hf_session__complete(shard, apply->ticket,
                         reply->failed
                             ? HF_LIT("-INDOUBT no memory for the codes; ask HF.OUTCOME\r\n")
                             : hf_buf_view(reply));
    *at = apply->next;
    hf_server_of(shard)->apply_count--;
    hf_heap_give(shard->heap, apply->records);
    hf_heap_give(shard->heap, apply->codes);
    hf_heap_give(shard->heap, apply);
}

/* Starts records as long as there is room, and answers batches that are through. */
uint64_t hf_apply__turn(hf_shard *shard)
{
    hf_apply **at = &hf_server_of(shard)->applies;
    uint64_t due = UINT64_MAX;
    while (*at != NULL) {
        hf_apply *apply = *at;
        while (apply->started < apply->count && apply->started - apply->done < UNDER_WAY_MAX &&
               start(shard, apply, apply->started)) {
            apply->started++;
        }
        if (apply->done == apply->count) {
            end(shard, at);
            continue;
        }
        due = apply->started < apply->count ? shard->io->now_ns + PAUSE_NS : due;
        at = &apply->next;
    }
    return due;
}

void hf_apply__replied(hf_shard *shard, hf_ticket ticket, hf_bytes reply)
{
    hf_apply *apply = hf_server_of(shard)->applies;
    while (apply != NULL && (HF_PLACE_APPLY | apply->number) != ticket.place) {
        apply = apply->next;
    }
    HF_ASSERT(apply != NULL && ticket.number < apply->count);
    apply->codes[ticket.number] = hf_transfer_code_of(reply);
    apply->done++;
}

static hf_apply *make(hf_shard *shard, hf_bytes blob)
{
    hf_apply *apply = hf_heap_take(shard->heap, sizeof *apply);
    uint32_t count = blob.size / HF_APPLY_RECORD;
    if (apply == NULL) {
        return NULL;
    }
    *apply = (hf_apply){ .count = count,
                         .records = hf_heap_take(shard->heap, blob.size),
                         .codes = hf_heap_take(shard->heap, count * sizeof(uint32_t)) };
    if (apply->records == NULL || apply->codes == NULL) {
        hf_heap_give(shard->heap, apply->records);
        hf_heap_give(shard->heap, apply->codes);
        hf_heap_give(shard->heap, apply);
        return NULL;
    }
    memcpy(apply->records, blob.data, blob.size);
    return apply;
}

bool hf_session__hf_apply(hf_shard *shard, hf_conn *conn, const hf_command *command,
                          const hf_bytes *args, uint32_t argc)
{
    hf_server *server = hf_server_of(shard);
    hf_bytes blob = args[2];
    (void)command;
    (void)argc;
    if (!hf_bytes_equal(args[1], HF_LIT("transfer/1"))) {
        return hf_word_error(shard, conn, "ERR unknown schema; there is transfer/1");
    }
    if (blob.size == 0 || blob.size % HF_APPLY_RECORD != 0) {
        return hf_word_error(shard, conn, "ERR transfer/1 takes records of 128 bytes");
    }
    if (blob.size / HF_APPLY_RECORD > HF_APPLY_RECORDS_MAX) {
        return hf_word_error(shard, conn, "TOOBIG a batch has at most 8192 records");
    }
    if (conn->op != UINT32_MAX) {
        return hf_word_error(shard, conn, "ERR HF.APPLY inside an interactive transaction");
    }
    if (conn->first != conn->next_number || server->apply_count == APPLIES_MAX) {
        return false;
    }
    hf_apply *apply = make(shard, blob);
    if (apply == NULL) {
        return hf_word_error(shard, conn, "OOM no memory for the batch");
    }
    apply->number = ++server->apply_next;
    apply->ticket = hf_conn__ticket(conn);
    apply->next = server->applies;
    server->applies = apply;
    server->apply_count++;
    hf_conn__open(shard, conn, false);
    hf_conn__barrier(conn); /* later requests of the connection come after the whole batch */
    return true;
}
