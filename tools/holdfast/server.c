/* The commands that ask a node. */
#include "engine/base/text.h"
#include "tools/holdfast/client.h"
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <time.h>

enum { RETRY_MS = 50, FULL_PERCENT = 90 };

static hf_bytes word(const char *text)
{
    return hf_bytes_of(text, strlen(text));
}

/* Connects, asks, shows the answer. */
static int ask_and_show(const hf_tool *tool, const hf_bytes *words, uint32_t count)
{
    hf_tool_client client = { .fd = -1 };
    hf_tree reply;
    int code = hf_tool_client_open(&client, tool);
    if (code == HF_TOOL_OK) {
        code = hf_tool_client_ask(&client, words, count, &reply);
    }
    if (code == HF_TOOL_OK) {
        hf_tree_show(tool, &reply);
    }
    hf_tool_client_close(&client);
    return code;
}

static int admin(const hf_tool *tool, int argc, char **argv, const char *subcommand)
{
    if (argc != 1) {
        return hf_tool_misused(argv[0], "%s takes no argument", argv[0]);
    }
    hf_bytes words[] = { HF_LIT("HF.ADMIN"), word(subcommand) };
    return ask_and_show(tool, words, 2);
}

int hf_tool_txns(const hf_tool *tool, int argc, char **argv)
{
    return admin(tool, argc, argv, "TXNS");
}

int hf_tool_locks(const hf_tool *tool, int argc, char **argv)
{
    return admin(tool, argc, argv, "LOCKS");
}

int hf_tool_checkpoint(const hf_tool *tool, int argc, char **argv)
{
    return admin(tool, argc, argv, "CHECKPOINT");
}

int hf_tool_stats(const hf_tool *tool, int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "--shards") == 0) {
        return admin(tool, 1, argv, "SHARDS");
    }
    return admin(tool, argc, argv, "STATS");
}

int hf_tool_ranges(const hf_tool *tool, int argc, char **argv)
{
    hf_bytes words[4] = { HF_LIT("HF.ADMIN") };
    uint64_t shard;
    if (argc == 1) {
        return admin(tool, argc, argv, "RANGES");
    }
    bool is_split = strcmp(argv[1], "split") == 0;
    if (!is_split && strcmp(argv[1], "move") != 0) {
        return hf_tool_misused(argv[0], "ranges does not understand '%s'", argv[1]);
    }
    if (argc != (is_split ? 3 : 4)) {
        return hf_tool_misused(argv[0], "ranges %s takes %s", argv[1],
                               is_split ? "a key" : "a key and the number of a core");
    }
    if (!hf_tree_unescape(argv[2], &words[2])) {
        return hf_tool_misused(argv[0],
                               "'%s': a backslash stands before n, r, t, another one, or "
                               "x and two hexadecimal digits",
                               argv[2]);
    }
    words[1] = is_split ? HF_LIT("SPLIT") : HF_LIT("MOVE");
    if (!is_split) {
        words[3] = word(argv[3]);
        if (hf_text_u64(words[3], &shard) != HF_OK) {
            return hf_tool_misused(argv[0], "'%s' is no core: they are numbered from 0", argv[3]);
        }
    }
    return ask_and_show(tool, words, is_split ? 3 : 4);
}

/* ---- keys ------------------------------------------------------------------------------------ */

typedef struct key_listing {
    const hf_tool *tool;
    const char *pattern;
    uint64_t limit, seen;
    bool count_only;
} key_listing;

static void put_key(const key_listing *listing, const hf_tree *key)
{
    if (listing->count_only) {
        return;
    }
    if (listing->tool->json) {
        (void)fputs(listing->seen == 0 ? "[" : ", ", stdout);
        hf_tree_json(key, stdout);
    } else {
        hf_tree_escape(key->text, stdout);
        (void)fputc('\n', stdout);
    }
}

/* One page of SCAN; `*cursor` of the next, 0 at the end. */
static int key_page(hf_tool_client *client, key_listing *listing, int64_t *cursor)
{
    char digits[HF_TEXT_NUMBER];
    hf_tree reply;
    (void)hf_text_put_i64(digits, *cursor);
    int code = hf_tool_client_call(client, &reply, "SCAN", digits, "MATCH", listing->pattern,
                                   "COUNT", "1000", NULL);
    if (code != HF_TOOL_OK) {
        return code;
    }
    if (reply.kind != HF_TREE_LIST || reply.count != 2 || reply.items[0].kind != HF_TREE_TEXT ||
        hf_text_i64(reply.items[0].text, cursor) != HF_OK || reply.items[1].kind != HF_TREE_LIST) {
        return hf_tool_say(HF_TOOL_SERVER, "%s answers SCAN with something else", client->at);
    }
    for (size_t i = 0; i < reply.items[1].count && listing->seen < listing->limit; i++) {
        put_key(listing, &reply.items[1].items[i]);
        listing->seen++;
    }
    return HF_TOOL_OK;
}

static int list_keys(hf_tool_client *client, key_listing *listing)
{
    int64_t cursor = 0;
    int code;
    do {
        hf_tool_mark mark = hf_tool_marked();
        code = key_page(client, listing, &cursor);
        hf_tool_release(mark);
    } while (code == HF_TOOL_OK && cursor != 0 && listing->seen < listing->limit &&
             !ferror(stdout));
    if (code == HF_TOOL_OK && listing->tool->json && !listing->count_only) {
        (void)fputs(listing->seen == 0 ? "[]\n" : "]\n", stdout);
    }
    return code;
}

int hf_tool_keys(const hf_tool *tool, int argc, char **argv)
{
    key_listing listing = { .tool = tool, .limit = UINT64_MAX };
    hf_tool_client client = { .fd = -1 };
    hf_tree reply;
    bool behind = false; /* of `--`: everything is a pattern */
    for (int i = 1; i < argc; i++) {
        if (!behind && strcmp(argv[i], "--count") == 0) {
            listing.count_only = true;
        } else if (!behind && strcmp(argv[i], "--limit") == 0 && i + 1 < argc &&
                   hf_text_u64(word(argv[i + 1]), &listing.limit) == HF_OK) {
            i++;
        } else if (!behind && strcmp(argv[i], "--limit") == 0) {
            return hf_tool_misused(argv[0], "--limit takes a number");
        } else if (!behind && argv[i][0] == '-') {
            behind = strcmp(argv[i], "--") == 0;
            if (!behind) {
                return hf_tool_misused(argv[0], "keys does not understand '%s'", argv[i]);
            }
        } else if (listing.pattern == NULL) {
            listing.pattern = argv[i];
        } else {
            return hf_tool_misused(argv[0], "keys takes one pattern; '%s' is one too many",
                                   argv[i]);
        }
    }
    int code = hf_tool_client_open(&client, tool);
    if (code == HF_TOOL_OK && listing.count_only && listing.pattern == NULL) {
        code = hf_tool_client_call(&client, &reply, "DBSIZE", NULL);
        listing.seen = code == HF_TOOL_OK ? (uint64_t)reply.integer : 0;
    } else if (code == HF_TOOL_OK) {
        listing.pattern = listing.pattern == NULL ? "*" : listing.pattern;
        code = list_keys(&client, &listing);
    }
    hf_tool_client_close(&client);
    if (code == HF_TOOL_OK && listing.count_only) {
        hf_tree count = hf_tree_integer((int64_t)listing.seen);
        hf_tree_show(tool, &count);
    }
    return code;
}

/* ---- status ---------------------------------------------------------------------------------- */

/* "name:value" lines as a map of text. */
static hf_tree parse_info(hf_bytes text)
{
    hf_tree map = { .kind = HF_TREE_MAP };
    for (uint32_t at = 0; at < text.size;) {
        const uint8_t *line = text.data + at;
        const uint8_t *end = memchr(line, '\n', text.size - at);
        uint32_t size = end == NULL ? text.size - at : (uint32_t)(end - line);
        const uint8_t *colon = memchr(line, ':', size);
        if (colon != NULL && line[0] != '#') {
            uint32_t value = (uint32_t)(colon - line) + 1;
            uint32_t until = size > value && line[size - 1] == '\r' ? size - 1 : size;
            hf_tree name = { .kind = HF_TREE_TEXT, .text = hf_bytes_of(line, value - 1) };
            (void)hf_tree_add(&map, name);
            name.text = hf_bytes_of(line + value, until - value);
            (void)hf_tree_add(&map, name);
        }
        at += size + 1;
    }
    return map;
}

static void put_number(hf_tree *map, const char *name, const hf_tree *info, const char *info_name)
{
    hf_tree_put(map, name, hf_tree_integer(hf_tree_number(info, info_name)));
}

static bool says(const hf_tree *info, const char *name, const char *value)
{
    const hf_tree *found = hf_tree_find(info, name);
    return found != NULL && found->kind == HF_TREE_TEXT && hf_bytes_equal(found->text, word(value));
}

static hf_tree problems_of(const hf_tree *info)
{
    hf_tree list = { .kind = HF_TREE_LIST };
    uint64_t used = (uint64_t)hf_tree_number(info, "used_memory");
    uint64_t size = (uint64_t)hf_tree_number(info, "maxmemory");
    if (hf_tree_number(info, "loading") != 0) {
        (void)hf_tree_add(&list, hf_tree_text("it is starting: it reads its checkpoint and log"));
    }
    if (hf_tree_number(info, "holdfast_no_space") != 0) {
        (void)hf_tree_add(&list, hf_tree_text("the disk is full: writes are refused until there "
                                              "is room"));
    }
    if (says(info, "rdb_last_bgsave_status", "err")) {
        (void)hf_tree_add(&list, hf_tree_text("a checkpoint failed: the log grows until one "
                                              "succeeds; the node's log says why"));
    }
    if (size != 0 && used > size / 100 * FULL_PERCENT) {
        (void)hf_tree_add(&list, hf_tree_text("memory is nearly full: writes will be refused; "
                                              "start the node with more --memory"));
    }
    return list;
}

static hf_tree status_of(const char *at, const hf_tree *info)
{
    hf_tree map = { .kind = HF_TREE_MAP };
    hf_tree part = { .kind = HF_TREE_MAP };
    hf_tree problems = problems_of(info);
    const hf_tree *version = hf_tree_find(info, "holdfast_version");
    hf_tree_put(&map, "node", hf_tree_text(at));
    hf_tree_put(&map, "good", hf_tree_boolean(problems.count == 0));
    hf_tree_put(&map, "problems", problems);
    hf_tree_put(&map, "version", version == NULL ? hf_tree_text("unknown") : *version);
    put_number(&map, "uptime_seconds", info, "uptime_in_seconds");
    put_number(&map, "cores", info, "holdfast_cores");
    put_number(&map, "ranges", info, "holdfast_ranges");
    put_number(&map, "keys", info, "keys");
    put_number(&map, "clients", info, "connected_clients");
    put_number(&map, "clients_max", info, "maxclients");
    put_number(&map, "commands_per_second", info, "instantaneous_ops_per_sec");
    put_number(&part, "used_bytes", info, "used_memory");
    put_number(&part, "size_bytes", info, "maxmemory");
    hf_tree_put(&map, "memory", part);
    part = (hf_tree){ .kind = HF_TREE_MAP };
    put_number(&part, "total", info, "holdfast_transactions");
    put_number(&part, "several_cores", info, "holdfast_two_phase");
    put_number(&part, "conflicts", info, "holdfast_conflicts");
    put_number(&part, "refused", info, "holdfast_refused");
    put_number(&part, "prepared", info, "holdfast_prepared");
    put_number(&part, "waiting", info, "holdfast_waiting_for_locks");
    hf_tree_put(&map, "transactions", part);
    part = (hf_tree){ .kind = HF_TREE_MAP };
    put_number(&part, "bytes", info, "aof_current_size");
    put_number(&part, "unflushed_bytes", info, "holdfast_log_unflushed_bytes");
    put_number(&part, "replies_held", info, "holdfast_replies_held");
    hf_tree_put(&map, "log", part);
    part = (hf_tree){ .kind = HF_TREE_MAP };
    put_number(&part, "last_unix_time", info, "rdb_last_save_time");
    put_number(&part, "under_way", info, "rdb_bgsave_in_progress");
    put_number(&part, "failures", info, "holdfast_checkpoint_failures");
    hf_tree_put(&map, "checkpoint", part);
    return map;
}

static void put_status(const hf_tool *tool, const hf_tree *status)
{
    const hf_tree *problems = hf_tree_find(status, "problems");
    bool good = problems->count == 0;
    const char *colour = good ? "\033[32m" : "\033[31m";
    (void)printf("%s%s%s %s\n", tool->colour ? colour : "", good ? "good" : "NOT GOOD",
                 tool->colour ? "\033[0m" : "", tool->at);
    for (size_t i = 0; i < problems->count; i++) {
        (void)printf("problem: %s\n", (const char *)problems->items[i].text.data);
    }
    hf_tree rest = { .kind = HF_TREE_MAP };
    for (size_t i = 6; i < status->count; i++) { /* behind node, good, problems */
        (void)hf_tree_add(&rest, status->items[i]);
    }
    hf_tree_lines(&rest, tool->colour, stdout);
}

/* Of "db0:keys=N,...", which is not there without keys. Not DBSIZE: that is a transaction, which
 * waits for others, and who asks for the status wants to know what is wrong with them. */
static int64_t keys_of(const hf_tree *info)
{
    static const char before[] = "keys=";
    const hf_tree *found = hf_tree_find(info, "db0");
    int64_t keys = 0;
    if (found == NULL || found->text.size < sizeof before ||
        memcmp(found->text.data, before, sizeof before - 1) != 0) {
        return 0;
    }
    hf_bytes rest = hf_bytes_of(found->text.data + sizeof before - 1,
                                found->text.size - (uint32_t)sizeof before + 1);
    const uint8_t *comma = memchr(rest.data, ',', rest.size);
    rest.size = comma == NULL ? rest.size : (uint32_t)(comma - rest.data);
    return hf_text_i64(rest, &keys) == HF_OK ? keys : 0;
}

/* Asks once. HF_TOOL_OK and *status, or the code. */
static int look(const hf_tool *tool, bool quiet, hf_tree *status)
{
    hf_tool_client client = { .fd = -1, .quiet = quiet };
    hf_tree reply;
    int code = hf_tool_client_open(&client, tool);
    if (code == HF_TOOL_OK) {
        code = hf_tool_client_call(&client, &reply, "INFO", "everything", NULL);
    }
    if (code == HF_TOOL_OK && reply.kind != HF_TREE_TEXT) {
        code = hf_tool_say(HF_TOOL_SERVER, "%s answers INFO with something else", tool->at);
    }
    if (code == HF_TOOL_OK) {
        hf_tree info = parse_info(reply.text);
        hf_tree_put(&info, "keys", hf_tree_integer(keys_of(&info)));
        *status = status_of(tool->at, &info);
    }
    hf_tool_client_close(&client);
    return code;
}

static uint64_t now_ns(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

int hf_tool_status(const hf_tool *tool, int argc, char **argv)
{
    uint64_t wait_ns = 0;
    hf_tree status = { .kind = HF_TREE_NULL };
    if (argc != 1 && (argc != 3 || strcmp(argv[1], "--wait") != 0 ||
                      hf_text_duration(word(argv[2]), &wait_ns) != HF_OK)) {
        return hf_tool_misused(argv[0],
                               "status takes --wait and a duration such as 30s, or nothing");
    }
    uint64_t until = now_ns() + wait_ns;
    for (;;) {
        bool last = now_ns() >= until;
        int code = look(tool, !last, &status);
        bool good = code == HF_TOOL_OK && hf_tree_number(&status, "good") != 0;
        if (!last && !good && code != HF_TOOL_USAGE) {
            (void)poll(NULL, 0, RETRY_MS);
            continue;
        }
        if (code == HF_TOOL_OK && tool->json) {
            hf_tree_show(tool, &status);
        } else if (code == HF_TOOL_OK) {
            put_status(tool, &status);
        }
        return code == HF_TOOL_OK && !good ? HF_TOOL_FAILED : code;
    }
}
