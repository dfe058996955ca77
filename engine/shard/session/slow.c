/* SLOWLOG. The duration of a command is from its arrival to its reply: waiting for locks and for
 * the disk included, since that is what the client saw.
 *
 * Arguments are gone when a reply comes. So the first bytes of each command are noted in a ring,
 * and a slow command finds its note there; if so many commands came meanwhile that it was
 * overwritten, the entry has the name alone.
 */
#include "engine/shard/session/server.h"

#include "engine/base/text.h"

bool hf_slowlog__open(hf_shard *shard)
{
    hf_server *server = hf_server_of(shard);
    server->slow = hf_heap_take(shard->heap, sizeof(hf_slow) * HF_SLOWLOG_MOST);
    return server->slow != NULL;
}

void hf_slowlog__note(hf_shard *shard, hf_slot *slot, const hf_bytes *args, uint32_t argc)
{
    hf_server *server = hf_server_of(shard);
    server->note_number += server->note_number == UINT32_MAX ? 2 : 1; /* never 0 */
    hf_note *note = &server->notes[server->note_number % HF_NOTES];
    slot->noted = note->number = server->note_number;
    note->count = argc < HF_SLOWLOG_ARGS ? (uint8_t)argc : HF_SLOWLOG_ARGS;
    note->more = argc > HF_SLOWLOG_ARGS ? argc - HF_SLOWLOG_ARGS : 0;
    const hf_bytes *end = args + (argc < HF_SLOWLOG_ARGS ? argc : HF_SLOWLOG_ARGS);
    uint8_t *at = note->bytes;
    for (uint32_t room = HF_NOTE_BYTES; args != end && room > 1; args++) {
        uint32_t size = args->size < room - 1 ? args->size : room - 1;
        *at = (uint8_t)size;
        memcpy(at + 1, args->data, size);
        at += 1 + size;
        room -= 1 + size;
    }
    note->size = (uint8_t)(at - note->bytes);
}

/* The text of an entry: u32 sizes and bytes of the address, the name, then as many arguments as
 * there are. */
static void put_entry(hf_shard *shard, const hf_conn *conn, const hf_slot *slot, hf_buf *out)
{
    const hf_note *note = &hf_server_of(shard)->notes[slot->noted % HF_NOTES];
    hf_buf_bytes(out, hf_word_of(shard->io->ops->conn_peer(shard->io, conn->id)));
    hf_buf_bytes(out, hf_buf_view(&conn->name));
    if (note->number != slot->noted || slot->noted == 0) {
        hf_buf_bytes(out, hf_word_of(hf_command_at(slot->command)->name));
        hf_buf_bytes(out, HF_LIT("(arguments not kept)"));
        return;
    }
    uint32_t at = 0;
    uint32_t count = 0;
    for (; at < note->size; count++) {
        hf_buf_bytes(out, hf_bytes_of(note->bytes + at + 1, note->bytes[at]));
        at += 1u + note->bytes[at];
    }
    if (at >= HF_NOTE_BYTES - 1 || count < note->count || note->more != 0) {
        hf_buf_bytes(out, HF_LIT("..."));
    }
}

void hf_slowlog__forget(hf_shard *shard, uint64_t keep)
{
    hf_server *server = hf_server_of(shard);
    keep = keep < HF_SLOWLOG_MOST ? keep : HF_SLOWLOG_MOST;
    while (server->slow_next - server->slow_first > keep) {
        hf_slow *slow = &server->slow[server->slow_first++ % HF_SLOWLOG_MOST];
        hf_heap_give(shard->heap, (void *)(uintptr_t)slow->text.data);
    }
}

void hf_slowlog__add(hf_shard *shard, const hf_conn *conn, const hf_slot *slot, uint64_t us)
{
    hf_server *server = hf_server_of(shard);
    hf_buf *text = &server->text;
    uint64_t most = server->settings.slow_most;
    if (most == 0) {
        return;
    }
    hf_buf_reset(text);
    put_entry(shard, conn, slot, text);
    uint8_t *kept = text->failed ? NULL : hf_heap_take(shard->heap, text->size);
    if (kept == NULL) {
        return; /* no memory: the command itself matters more */
    }
    memcpy(kept, text->data, text->size);
    hf_slowlog__forget(shard, (most < HF_SLOWLOG_MOST ? most : HF_SLOWLOG_MOST) - 1);
    uint64_t id = server->slow_next;
    server->slow[server->slow_next++ % HF_SLOWLOG_MOST] =
        (hf_slow){ .id = id * shard->count + shard->self,
                   .wall_s = shard->io->wall_ns / 1000000000,
                   .us = us,
                   .text = hf_bytes_of(kept, text->size) };
}

/* ---- Over all shards. An entry travels as u64 time (first, in big-endian: entries are sorted as
 * bytes) | u64 id | u64 us | u32 size, text. ---- */

static void put_big(hf_buf *out, uint64_t value)
{
    for (int i = 56; i >= 0; i -= 8) {
        hf_buf_u8(out, (uint8_t)(value >> i));
    }
}

static uint64_t read_big(hf_reader *r)
{
    uint64_t value = 0;
    for (int i = 0; i < 8; i++) {
        value = value << 8 | hf_read_u8(r);
    }
    return value;
}

bool hf_answer__slowlog(hf_shard *shard, hf_answer *answer)
{
    const hf_server *server = hf_server_of(shard);
    uint64_t most = answer->ask->value[0];
    answer->value[0] = server->slow_next - server->slow_first;
    for (uint64_t i = server->slow_next; i > server->slow_first && most > 0; i--, most--) {
        const hf_slow *slow = &server->slow[(i - 1) % HF_SLOWLOG_MOST];
        hf_buf_u32(answer->out, 24 + 4 + slow->text.size);
        put_big(answer->out, slow->wall_s);
        put_big(answer->out, slow->id);
        hf_buf_u64(answer->out, slow->us);
        hf_buf_bytes(answer->out, slow->text);
    }
    return true;
}

static void put_slow(hf_buf *reply, hf_bytes entry)
{
    hf_reader r = hf_reader_of(entry);
    uint64_t wall_s = read_big(&r);
    uint64_t id = read_big(&r);
    uint64_t us = hf_read_u64(&r);
    hf_reader text = hf_reader_of(hf_read_bytes(&r));
    hf_bytes address = hf_read_bytes(&text);
    hf_bytes name = hf_read_bytes(&text);
    hf_reader counting = text;
    uint32_t count = 0;
    for (; hf_reader_left(&counting) > 0; count++) {
        (void)hf_read_bytes(&counting);
    }
    hf_resp_array(reply, 6);
    hf_resp_integer(reply, (int64_t)id);
    hf_resp_integer(reply, (int64_t)wall_s);
    hf_resp_integer(reply, (int64_t)us);
    hf_resp_array(reply, count);
    for (uint32_t i = 0; i < count; i++) {
        hf_resp_bulk(reply, hf_read_bytes(&text));
    }
    hf_resp_bulk(reply, address);
    hf_resp_bulk(reply, name);
}

static void finish_get(hf_shard *shard, hf_gather *gather, hf_buf *reply)
{
    uint64_t most;
    memcpy(&most, gather->keep.data, sizeof most);
    hf_buf *list = &hf_server_of(shard)->text;
    hf_buf_reset(list);
    for (uint16_t i = 0; i < shard->count; i++) {
        hf_reader r = hf_reader_of(hf_buf_view(&gather->answers[i]));
        while (hf_reader_left(&r) > 0) {
            hf_bytes entry = hf_read_bytes(&r);
            hf_buf_raw(list, &entry, sizeof entry);
        }
    }
    reply->failed = reply->failed || list->failed;
    if (reply->failed) {
        return;
    }
    uint32_t count = list->size / (uint32_t)sizeof(hf_bytes);
    hf_bytes *entries = (hf_bytes *)(void *)list->data;
    hf_word_sort(entries, count);
    uint32_t shown = count < most ? count : (uint32_t)most;
    hf_resp_array(reply, shown);
    for (uint32_t i = 0; i < shown; i++) {
        put_slow(reply, entries[count - 1 - i]);
    }
}

static void finish_len(hf_shard *shard, hf_gather *gather, hf_buf *reply)
{
    uint64_t most = hf_server_of(shard)->settings.slow_most;
    hf_resp_integer(reply, (int64_t)(gather->value[0] < most ? gather->value[0] : most));
}

bool hf_session__slowlog(hf_shard *shard, hf_conn *conn, const hf_command *command,
                         const hf_bytes *args, uint32_t argc)
{
    static const char *const help[] = {
        "GET [<count>]",
        "    Return top <count> entries from the slowlog (default: 10, -1 mean all).",
        "    Entries are made of:",
        "    id, timestamp, time in microseconds, arguments array, client IP and port,",
        "    client name",
        "LEN",
        "    Return the length of the slowlog.",
        "RESET",
        "    Reset the slowlog.",
    };
    hf_bytes sub = args[1];
    if (hf_word_is(sub, "HELP") && argc == 2) {
        return hf_word_help(shard, conn, command, help, sizeof help / sizeof help[0]);
    }
    if (hf_word_is(sub, "RESET") && argc == 2) {
        hf_question q = { .ask = HF_ASK_RESET,
                          .value = { HF_RESET_SLOWLOG },
                          .finish = hf_gather__ok };
        return hf_gather__start(shard, conn, &q);
    }
    if (hf_word_is(sub, "LEN") && argc == 2) {
        hf_question q = { .ask = HF_ASK_SLOWLOG, .finish = finish_len };
        return hf_gather__start(shard, conn, &q);
    }
    if (hf_word_is(sub, "GET") && argc <= 3) {
        int64_t count = 10;
        if (argc == 3 && !hf_int_from_text(args[2], &count)) {
            count = -2;
        }
        if (count < -1) {
            return hf_word_error(shard, conn, "ERR count should be greater than or equal to -1");
        }
        uint64_t settings_most = hf_server_of(shard)->settings.slow_most;
        uint64_t most =
            count == -1 || (uint64_t)count > settings_most ? settings_most : (uint64_t)count;
        hf_question q = { .ask = HF_ASK_SLOWLOG,
                          .value = { most },
                          .keep = hf_bytes_of(&most, sizeof most),
                          .finish = finish_get };
        return hf_gather__start(shard, conn, &q);
    }
    bool known = hf_word_is(sub, "GET") || hf_word_is(sub, "LEN") || hf_word_is(sub, "RESET") ||
                 hf_word_is(sub, "HELP");
    return known ? hf_word_arity(shard, conn, command, sub)
                 : hf_word_unknown(shard, conn, command, sub);
}
