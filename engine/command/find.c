/* Finding rows. names.inc is made by names.py from table.c: a hash without collisions over all
 * names, so that one probe and one comparison decide. tests/unit/command/every_name_is_found.c
 * fails when it is stale. */
#include "engine/command/command_impl.h"

#include "engine/base/text.h"
#define NAMES_TABLES
#include "engine/command/names.inc"

_Static_assert((NAMES_SLOTS & (NAMES_SLOTS - 1)) == 0, "slots are picked by a mask");

const hf_command *hf_command_find(hf_bytes name)
{
    char lower[NAMES_LONGEST];
    if (name.size == 0 || name.size > NAMES_LONGEST) {
        return NULL;
    }
    uint32_t hash = NAMES_SEED;
    for (uint32_t i = 0; i < name.size; i++) {
        uint8_t c = name.data[i];
        c = c >= 'A' && c <= 'Z' ? (uint8_t)(c + 32) : c;
        lower[i] = (char)c;
        hash = (hash ^ c) * 16777619u;
    }
    uint8_t slot = names_slot[(hash ^ (hash >> 15)) & (NAMES_SLOTS - 1)];
    if (slot == NAMES_EMPTY || names_size[slot] != name.size ||
        memcmp(hf_command__table[slot].name, lower, name.size) != 0) {
        return NULL;
    }
    return &hf_command__table[slot];
}

const hf_command *hf_command_at(uint16_t id)
{
    return id < hf_command__count ? &hf_command__table[id] : NULL;
}

static bool arity_fits(const hf_command *command, uint32_t argc)
{
    return command->arity >= 0 ? argc == (uint32_t)command->arity
                               : argc >= (uint32_t)-command->arity;
}

bool hf_command_keys(const hf_command *command, uint32_t argc, uint32_t *first, uint32_t *count,
                     uint32_t *step)
{
    *first = 0;
    *count = 0;
    *step = 1;
    if (!arity_fits(command, argc)) {
        return false;
    }
    if (command->key_first == 0) {
        return true;
    }
    int64_t start = command->key_first;
    int64_t last = command->key_last < 0 ? (int64_t)argc + command->key_last : command->key_last;
    last = last < (int64_t)argc ? last : (int64_t)argc - 1; /* OBJECT HELP has no key */
    *first = (uint32_t)start;
    *step = (uint32_t)command->key_step;
    if (last < start) {
        *count = 0;
    } else { /* a division costs as much as all else here */
        uint32_t span = (uint32_t)(last - start) + 1;
        if (*step == 1) {
            *count = span;
        } else { /* MSET: keys with their values, or it is no MSET, and has no keys to run with */
            *count = span % *step == 0 ? span / *step : 0;
        }
    }
    return true;
}

/* Appends 'x' in quotes, as far as it goes, as Redis' %.*s does: up to a zero byte. */
static uint32_t quote(char *text, uint32_t at, hf_bytes argument, uint32_t most)
{
    uint32_t start = at;
    text[at++] = '\'';
    for (uint32_t i = 0; i < argument.size && i < most && argument.data[i] != 0; i++) {
        text[at++] = (char)argument.data[i];
    }
    text[at++] = '\'';
    text[at++] = ' ';
    return at - start;
}

void hf_command_unknown(hf_buf *reply, const hf_bytes *args, uint32_t argc)
{
    enum { MOST = 128 };
    char name[MOST + 4];
    char list[2 * MOST + 8];
    HF_PRE(argc != 0);
    uint32_t size = quote(name, 0, args[0], MOST);
    name[size - 1] = 0; /* without the blank */
    size = 0;
    for (uint32_t i = 1; i < argc && size < MOST; i++) {
        size += quote(list, size, args[i], MOST - size);
    }
    list[size] = 0;
    hf_resp_errorf(reply, "ERR unknown command %s, with args beginning with: %s", name, list);
}

void hf_command_bad_arity(hf_buf *reply, const hf_command *command)
{
    hf_resp_errorf(reply, "ERR wrong number of arguments for '%s' command", command->name);
}

void hf_command_unknown_sub(hf_buf *reply, const hf_command *command, hf_bytes sub)
{
    char name[32];
    uint32_t size = (uint32_t)strlen(command->name);
    HF_ASSERT(size < sizeof name);
    for (uint32_t i = 0; i <= size; i++) {
        name[i] = (char)hf_text_upper((uint8_t)command->name[i]);
    }
    hf_resp_errorf(reply, "ERR unknown subcommand '%.*s'. Try %s HELP.",
                   (int)(sub.size < 128 ? sub.size : 128), (const char *)sub.data, name);
}

void hf_command_bad_sub_arity(hf_buf *reply, const hf_command *command, hf_bytes sub)
{
    char name[64];
    hf_command__lower(sub, name, sizeof name);
    hf_resp_errorf(reply, "ERR wrong number of arguments for '%s|%s' command", command->name, name);
}

bool hf_command_check(const hf_command *command, const hf_bytes *args, uint32_t argc, hf_buf *reply)
{
    uint32_t first = 0;
    uint32_t count = 0;
    uint32_t step = 1;
    if (!hf_command_keys(command, argc, &first, &count, &step)) {
        hf_command_bad_arity(reply, command);
        return false;
    }
    for (uint32_t i = 0; i < count; i++) {
        if (args[first + i * step].size > HF_KEY_SIZE_MAX) {
            hf_resp_errorf(reply, "TOOBIG a key is at most %d bytes", HF_KEY_SIZE_MAX);
            return false;
        }
    }
    for (uint32_t i = 1; i < argc; i++) {
        if (args[i].size > HF_VALUE_SIZE_MAX) {
            hf_resp_errorf(reply, "TOOBIG a value is at most %d bytes", HF_VALUE_SIZE_MAX);
            return false;
        }
    }
    return true;
}
