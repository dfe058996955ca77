#include "engine/node/log.h"
#include "engine/base/assert.h"
#include "engine/base/hash.h"
#include "engine/io/clock.h"
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { WAIT_MS = 1000, TAIL = 160 /* kept free for the last fields and the end of the line */ };

static const char *const level_names[] = { "debug", "info", "warn", "error", "fatal" };
static const char journal_priority[] = { '7', '6', '4', '3', '2' };

/* systemd says in JOURNAL_STREAM which file the journal reads: ours may have been redirected. */
static bool is_journal(int fd)
{
    const char *stream = getenv("JOURNAL_STREAM");
    char ours[64];
    struct stat st;
    if (stream == NULL || fstat(fd, &st) != 0) {
        return false;
    }
    (void)snprintf(ours, sizeof ours, "%" PRIu64 ":%" PRIu64, (uint64_t)st.st_dev,
                   (uint64_t)st.st_ino);
    return strcmp(stream, ours) == 0;
}

void hf_oplog_open(hf_oplog *log, int fd, bool json, hf_oplog_level level)
{
    memset(log, 0, sizeof *log);
    log->fd = fd;
    log->json = json;
    log->level = level;
    log->journal = is_journal(fd);
    log->now_ns = hf_clock_now_ns;
    log->wall_ns = hf_clock_wall_ns;
    HF_ASSERT(pthread_mutex_init(&log->lock, NULL) == 0);
}

/* ---- Formatting ------------------------------------------------------------------------------ */

typedef struct line {
    char *out;
    size_t used;
    size_t most;
    bool json;
} line;

static bool has_room(const line *to, size_t size)
{
    return to->most - to->used >= size;
}

static void put_raw(line *to, const char *text, size_t size)
{
    HF_ASSERT(has_room(to, size));
    memcpy(to->out + to->used, text, size);
    to->used += size;
}

/* Bytes of the UTF-8 character at text; 0: it is none. */
static size_t utf8_size(const char *text)
{
    const unsigned char *c = (const unsigned char *)text;
    size_t size = c[0] < 0x80 ? 1 : c[0] < 0xc2 ? 0 : c[0] < 0xe0 ? 2 : c[0] < 0xf0 ? 3 : 4;
    if (size == 0 || c[0] > 0xf4) {
        return 0;
    }
    for (size_t i = 1; i < size; i++) {
        if ((c[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    bool bad = (c[0] == 0xe0 && c[1] < 0xa0) || (c[0] == 0xed && c[1] >= 0xa0) ||
               (c[0] == 0xf0 && c[1] < 0x90) || (c[0] == 0xf4 && c[1] >= 0x90);
    return bad ? 0 : size;
}

/* One character of a quoted text, the same way in both formats: JSON's. */
static size_t put_char(line *to, const char *text)
{
    char escape[8];
    size_t size = utf8_size(text);
    if (size == 0) {
        put_raw(to, "\xef\xbf\xbd", 3); /* U+FFFD */
        return 1;
    }
    if (*text == '"' || *text == '\\') {
        put_raw(to, "\\", 1);
    } else if (*text == '\n') {
        put_raw(to, "\\n", 2);
        return 1;
    } else if ((unsigned char)*text < ' ' || *text == 0x7f) {
        (void)snprintf(escape, sizeof escape, "\\u%04x", (unsigned)(unsigned char)*text);
        put_raw(to, escape, 6);
        return 1;
    }
    put_raw(to, text, size);
    return size;
}

/* logfmt quotes only what would not stay one word. */
static bool is_word(const char *text)
{
    if (*text == '\0') {
        return false;
    }
    for (; *text != '\0'; text++) {
        if (*text <= ' ' || *text == '"' || *text == '=' || *text == '\\' || *text == 0x7f) {
            return false; /* and beyond ASCII, where char is signed; quoted is always right */
        }
    }
    return true;
}

static void put_text(line *to, const char *text)
{
    bool quoted = to->json || !is_word(text);
    if (quoted) {
        put_raw(to, "\"", 1);
    }
    while (*text != '\0' && has_room(to, 8 + 3 + 1)) {
        text += put_char(to, text);
    }
    if (*text != '\0') {
        put_raw(to, "...", 3);
    }
    if (quoted) {
        put_raw(to, "\"", 1);
    }
}

static bool put_name(line *to, const char *name)
{
    size_t size = strlen(name);
    if (!has_room(to, size + 40)) {
        return false;
    }
    bool first = to->used == 0 || to->out[to->used - 1] == '{' || to->out[to->used - 1] == '>';
    if (!first) {
        put_raw(to, to->json ? "," : " ", 1);
    }
    if (to->json) {
        put_raw(to, "\"", 1);
    }
    put_raw(to, name, size);
    put_raw(to, to->json ? "\":" : "=", to->json ? 2 : 1);
    return true;
}

static void put_field(line *to, hf_oplog_field field)
{
    char text[24];
    if (!put_name(to, field.name)) {
        return;
    }
    switch (field.kind) {
    case HF_OPLOG_TEXT:
        put_text(to, field.text);
        break;
    case HF_OPLOG_NUMBER:
        put_raw(to, text, (size_t)snprintf(text, sizeof text, "%" PRIu64, field.number));
        break;
    case HF_OPLOG_BOOL:
        put_raw(to, field.number != 0 ? "true" : "false", field.number != 0 ? 4 : 5);
        break;
    case HF_OPLOG_END:
        HF_UNREACHABLE();
    }
}

static void put_time(line *to, uint64_t wall_ns)
{
    char text[40];
    struct tm utc;
    time_t seconds = (time_t)(wall_ns / 1000000000);
    HF_ASSERT(gmtime_r(&seconds, &utc) != NULL);
    size_t size = strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &utc);
    (void)snprintf(text + size, sizeof text - size, ".%03uZ", (unsigned)(wall_ns / 1000000 % 1000));
    put_field(to, HF_TEXT("ts", text));
}

size_t hf_oplog_format(const hf_oplog *log, hf_oplog_level level, const char *message,
                       const hf_oplog_field *fields, uint64_t wall_ns, uint64_t repeated,
                       char out[HF_OPLOG_LINE])
{
    line to = { .out = out, .most = HF_OPLOG_LINE - TAIL, .json = log->json };
    if (log->journal) {
        const char priority[] = { '<', journal_priority[level], '>' };
        put_raw(&to, priority, sizeof priority);
    }
    if (log->json) {
        put_raw(&to, "{", 1);
    }
    put_time(&to, wall_ns);
    put_field(&to, HF_TEXT("level", level_names[level]));
    put_field(&to, HF_TEXT("msg", message));
    for (; fields->kind != HF_OPLOG_END; fields++) {
        put_field(&to, *fields);
    }
    to.most = HF_OPLOG_LINE;
    if (repeated != 0) {
        put_field(&to, HF_NUMBER("repeated", repeated));
    }
    if (log->dropped != 0) {
        put_field(&to, HF_NUMBER("dropped", log->dropped));
    }
    if (log->json) {
        put_raw(&to, "}", 1);
    }
    put_raw(&to, "\n", 1);
    HF_POST(to.used < HF_OPLOG_LINE);
    return to.used;
}

/* ---- Writing --------------------------------------------------------------------------------- */

/* False: said often enough for now. *repeated: how often it was left out before. */
static bool admit(hf_oplog *log, hf_oplog_level level, const char *message, uint64_t *repeated)
{
    uint64_t hash = hf_hash64((uint64_t)level, message, strlen(message)) | 1;
    uint64_t now = log->now_ns();
    hf_oplog_repeat *slot = &log->repeats[hash / 2 % HF_OPLOG_REPEATS];
    if (slot->hash != hash) { /* another message, or none: it gives way */
        *slot = (hf_oplog_repeat){ .hash = hash, .since_ns = now };
    }
    if (now - slot->since_ns >= HF_OPLOG_WINDOW_NS) {
        slot->since_ns = now;
        slot->written = 0;
    }
    if (slot->written >= HF_OPLOG_BURST && level != HF_OPLOG_FATAL) {
        slot->left_out++;
        return false;
    }
    slot->written++;
    *repeated = slot->left_out;
    slot->left_out = 0;
    return true;
}

/* A pipe that takes anything takes PIPE_BUF bytes at once. */
static bool send_line(const hf_oplog *log, hf_oplog_level level, const char *text, size_t size)
{
    struct pollfd ready = { .fd = log->fd, .events = POLLOUT };
    int count;
    do {
        count = poll(&ready, 1, level >= HF_OPLOG_ERROR ? WAIT_MS : 0);
    } while (count < 0 && errno == EINTR);
    if ((ready.revents & POLLOUT) == 0) { /* also when the wait was in vain */
        return false;
    }
    while (size != 0) {
        ssize_t sent = write(log->fd, text, size);
        if (sent < 0 && errno != EINTR) {
            return false;
        }
        text += sent < 0 ? 0 : sent;
        size -= sent < 0 ? 0 : (size_t)sent;
    }
    return true;
}

void hf_oplog_write(hf_oplog *log, hf_oplog_level level, const char *message,
                    const hf_oplog_field *fields)
{
    char text[HF_OPLOG_LINE];
    uint64_t repeated = 0;
    if (level < log->level) {
        return;
    }
    /* A core that fails must have its last line out before the process ends; no message can. */
    /* tidy: pthread_mutex_lock never taken on the path of a request */
    HF_ASSERT(pthread_mutex_lock(&log->lock) == 0);
    if (admit(log, level, message, &repeated)) {
        size_t size = hf_oplog_format(log, level, message, fields, log->wall_ns(), repeated, text);
        log->dropped = send_line(log, level, text, size) ? 0 : log->dropped + 1;
    }
    HF_ASSERT(pthread_mutex_unlock(&log->lock) == 0);
}
