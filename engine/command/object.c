/* OBJECT and MEMORY USAGE: what tools ask about one key. */
#include "engine/command/command_impl.h"

static const char *encoding_of(const hf_value *value)
{
    switch (value->kind) {
    case HF_KIND_INT:
        return "int";
    case HF_KIND_STRING:
        return value->bytes.size <= 44 ? "embstr" : "raw"; /* Redis' border */
    case HF_KIND_RECORD:
        return hf_record_count(value->bytes) <= 512 ? "listpack" : "hashtable";
    case HF_KIND_NONE:
        break;
    }
    HF_UNREACHABLE();
}

static hf_ran object_help(const hf_call *call)
{
    static const char *const lines[] = {
        "OBJECT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
        "ENCODING <key>",
        "    Return the kind of internal representation used in order to store the value",
        "    associated with a <key>.",
        "FREQ <key>",
        "    Return the access frequency index of the <key>. The returned integer is",
        "    proportional to the logarithm of the recent access frequency of the key.",
        "IDLETIME <key>",
        "    Return the idle time of the <key>, that is the approximated number of",
        "    seconds elapsed since the last access to the key.",
        "REFCOUNT <key>",
        "    Return the number of references of the value associated with the specified",
        "    <key>.",
        "HELP",
        "    Prints this help.",
    };
    uint32_t count = sizeof lines / sizeof lines[0];
    hf_resp_array(call->reply, count);
    for (uint32_t i = 0; i < count; i++) {
        hf_resp_simple(call->reply, lines[i]);
    }
    return HF_RAN_OK;
}

static hf_ran object_of(hf_view *view, const hf_call *call)
{
    hf_value value;
    view->ops->get(view, call->args[2], &value);
    if (value.kind == HF_KIND_NONE) {
        hf_resp_null(call->reply, view->proto);
        return HF_RAN_OK;
    }
    if (hf_command__is(call->args[1], "ENCODING")) {
        const char *name = encoding_of(&value);
        hf_resp_bulk(call->reply, hf_bytes_of(name, strlen(name)));
        return HF_RAN_OK;
    }
    if (hf_command__is(call->args[1], "FREQ")) {
        return hf_command__error(
            call, "ERR An LFU maxmemory policy is not selected, access frequency not tracked. "
                  "Please note that when switching between policies at runtime LRU and LFU data "
                  "will take some time to adjust.");
    }
    /* Values are never shared, and nothing keeps the time of the last access. */
    return hf_command__int_reply(call, hf_command__is(call->args[1], "REFCOUNT") ? 1 : 0);
}

hf_ran hf_command__run_object(hf_view *view, const hf_call *call)
{
    static const char *const subs[] = { "ENCODING", "FREQ", "IDLETIME", "REFCOUNT" };
    const hf_command *command = hf_command_find(HF_LIT("object"));
    hf_bytes sub = call->args[1];
    bool help = hf_command__is(sub, "HELP");
    bool known = help;
    for (uint32_t i = 0; i < sizeof subs / sizeof subs[0]; i++) {
        known = known || hf_command__is(sub, subs[i]);
    }
    if (!known) {
        hf_command_unknown_sub(call->reply, command, sub);
        return HF_RAN_OK;
    }
    if (call->argc != (help ? 2u : 3u)) {
        hf_command_bad_sub_arity(call->reply, command, sub);
        return HF_RAN_OK;
    }
    return help ? object_help(call) : object_of(view, call);
}

uint64_t hf_command_memory(hf_view *view, hf_bytes key)
{
    enum { ENTRY = 64 }; /* the hash slot, the index slot and one version, about */
    hf_value value;
    view->ops->get(view, key, &value);
    if (value.kind == HF_KIND_NONE) {
        return 0;
    }
    return ENTRY + (uint64_t)key.size + value.bytes.size;
}

/* MEMORY USAGE key [SAMPLES n]; the other subcommands are the session's. */
hf_ran hf_command__run_memory(hf_view *view, const hf_call *call)
{
    const hf_command *command = hf_command_find(HF_LIT("memory"));
    if (!hf_command__is(call->args[1], "USAGE")) {
        hf_command_unknown_sub(call->reply, command, call->args[1]);
        return HF_RAN_OK;
    }
    if (call->argc < 3) {
        hf_command_bad_sub_arity(call->reply, command, call->args[1]);
        return HF_RAN_OK;
    }
    int64_t samples = 0;
    for (uint32_t i = 3; i < call->argc; i += 2) {
        if (!hf_command__is(call->args[i], "SAMPLES") || i + 1 == call->argc) {
            return hf_command__syntax(call);
        }
        if (!hf_command__integer(call, i + 1, &samples)) {
            return HF_RAN_OK;
        }
        if (samples < 0) {
            return hf_command__syntax(call);
        }
    }
    uint64_t size = hf_command_memory(view, call->args[2]);
    if (size == 0) {
        hf_resp_null(call->reply, view->proto);
        return HF_RAN_OK;
    }
    return hf_command__int_reply(call, (int64_t)size);
}
