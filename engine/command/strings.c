#include "engine/command/command_impl.h"

/* ---- SET and its kin ---- */

enum {
    SET_NX = 1,
    SET_XX = 2,
    SET_GET = 4,
    SET_KEEPTTL = 8,
    SET_PERSIST = 16, /* GETEX */
    SET_IFEQ = 32,
    SET_IFNE = 64,
    SET_ONE_OF = SET_NX | SET_XX | SET_IFEQ | SET_IFNE,
};

typedef struct set_options {
    uint32_t flags;
    hf_time_unit unit;
    uint32_t time_index;
    hf_bytes operand; /* of IFEQ and IFNE */
} set_options;

static hf_time_unit time_unit(hf_bytes argument)
{
    if (hf_command__is(argument, "EX")) {
        return HF_TIME_SECONDS;
    }
    if (hf_command__is(argument, "PX")) {
        return HF_TIME_MS;
    }
    if (hf_command__is(argument, "EXAT")) {
        return HF_TIME_AT_SECONDS;
    }
    return hf_command__is(argument, "PXAT") ? HF_TIME_AT_MS : HF_TIME_NONE;
}

/* EX 1, PX 1, ...: the same one may be repeated, the last counts, as in Redis. */
static bool time_option(const hf_call *call, uint32_t *i, set_options *options)
{
    hf_time_unit unit = time_unit(call->args[*i]);
    if (unit == HF_TIME_NONE || *i + 1 == call->argc ||
        (options->flags & (SET_KEEPTTL | SET_PERSIST)) != 0 ||
        (options->unit != HF_TIME_NONE && options->unit != unit)) {
        return false;
    }
    options->unit = unit;
    *i += 1;
    options->time_index = *i;
    return true;
}

static uint32_t condition_flag(hf_bytes argument)
{
    if (hf_command__is(argument, "NX")) {
        return SET_NX;
    }
    if (hf_command__is(argument, "XX")) {
        return SET_XX;
    }
    if (hf_command__is(argument, "IFEQ")) {
        return SET_IFEQ;
    }
    return hf_command__is(argument, "IFNE") ? SET_IFNE : 0;
}

static bool condition_option(const hf_call *call, uint32_t *i, set_options *options)
{
    uint32_t flag = condition_flag(call->args[*i]);
    if (flag == 0 || (options->flags & SET_ONE_OF & ~flag) != 0) {
        return false;
    }
    if ((flag & (SET_IFEQ | SET_IFNE)) != 0) {
        if (*i + 1 == call->argc) {
            return false;
        }
        *i += 1;
        options->operand = call->args[*i];
    }
    options->flags |= flag;
    return true;
}

static bool set_parse(const hf_call *call, set_options *options)
{
    for (uint32_t i = 3; i < call->argc; i++) {
        if (hf_command__is(call->args[i], "GET")) {
            options->flags |= SET_GET;
        } else if (hf_command__is(call->args[i], "KEEPTTL") && options->unit == HF_TIME_NONE) {
            options->flags |= SET_KEEPTTL;
        } else if (!condition_option(call, &i, options) && !time_option(call, &i, options)) {
            return false;
        }
    }
    return true;
}

static bool set_allowed(const set_options *options, const hf_value *value)
{
    bool exists = value->kind != HF_KIND_NONE;
    if ((options->flags & SET_NX) != 0) {
        return !exists;
    }
    if ((options->flags & SET_XX) != 0) {
        return exists;
    }
    hf_text text;
    bool equal =
        hf_command__text_of(value, &text) && exists && hf_bytes_equal(text.bytes, options->operand);
    if ((options->flags & SET_IFEQ) != 0) {
        return equal;
    }
    return (options->flags & SET_IFNE) == 0 || !equal;
}

static void put_alive(hf_view *view, hf_bytes key, hf_bytes text, uint64_t expire_ms)
{
    if (hf_value_expired(expire_ms, view->ts)) {
        hf_command_delete(view, key);
    } else {
        hf_command__put_text(view, key, text, expire_ms);
    }
}

static hf_ran set_with(hf_view *view, const hf_call *call, hf_bytes text, set_options *options,
                       const char *name)
{
    uint64_t expire_ms = 0;
    if (options->unit != HF_TIME_NONE &&
        !hf_command__expiry(view, call, options->time_index, options->unit, name, &expire_ms)) {
        return HF_RAN_OK;
    }
    hf_value value;
    view->ops->get(view, call->args[1], &value);
    bool get = (options->flags & SET_GET) != 0;
    bool compares = (options->flags & (SET_IFEQ | SET_IFNE)) != 0;
    if ((get || compares) && value.kind == HF_KIND_RECORD) {
        return hf_command__wrongtype(call);
    }
    if (get) {
        hf_text old;
        hf_command__text_of(&value, &old);
        if (old.found) {
            hf_resp_bulk(call->reply, old.bytes);
        } else {
            hf_resp_null(call->reply, view->proto);
        }
    }
    if (!set_allowed(options, &value)) {
        if (!get) {
            hf_resp_null(call->reply, view->proto);
        }
        return HF_RAN_OK;
    }
    if ((options->flags & SET_KEEPTTL) != 0) {
        expire_ms = value.expire_ms;
    }
    put_alive(view, call->args[1], text, expire_ms);
    if (!get) {
        hf_resp_simple(call->reply, "OK");
    }
    return HF_RAN_OK;
}

hf_ran hf_command__run_set(hf_view *view, const hf_call *call)
{
    set_options options = { 0 };
    if (call->argc == 3) { /* nearly all: no look at what was there */
        hf_command__put_text(view, call->args[1], call->args[2], 0);
        hf_resp_simple(call->reply, "OK");
        return HF_RAN_OK;
    }
    if (!set_parse(call, &options)) {
        return hf_command__syntax(call);
    }
    return set_with(view, call, call->args[2], &options, "set");
}

hf_ran hf_command__run_setex(hf_view *view, const hf_call *call)
{
    set_options options = { .unit = HF_TIME_SECONDS, .time_index = 2 };
    return set_with(view, call, call->args[3], &options, "setex");
}

hf_ran hf_command__run_psetex(hf_view *view, const hf_call *call)
{
    set_options options = { .unit = HF_TIME_MS, .time_index = 2 };
    return set_with(view, call, call->args[3], &options, "psetex");
}

hf_ran hf_command__run_setnx(hf_view *view, const hf_call *call)
{
    bool exists = hf_command__exists(view, call->args[1]);
    if (!exists) {
        hf_command__put_text(view, call->args[1], call->args[2], 0);
    }
    return hf_command__int_reply(call, exists ? 0 : 1);
}

/* ---- GET and its kin ---- */

static void reply_text(hf_view *view, const hf_call *call, const hf_text *text)
{
    if (text->found) {
        hf_resp_bulk(call->reply, text->bytes);
    } else {
        hf_resp_null(call->reply, view->proto);
    }
}

hf_ran hf_command__run_get(hf_view *view, const hf_call *call)
{
    hf_text text;
    if (hf_command__text(view, call, call->args[1], &text)) {
        reply_text(view, call, &text);
    }
    return HF_RAN_OK;
}

hf_ran hf_command__run_getset(hf_view *view, const hf_call *call)
{
    hf_text text;
    if (hf_command__text(view, call, call->args[1], &text)) {
        reply_text(view, call, &text);
        hf_command__put_text(view, call->args[1], call->args[2], 0);
    }
    return HF_RAN_OK;
}

hf_ran hf_command__run_getdel(hf_view *view, const hf_call *call)
{
    hf_text text;
    if (hf_command__text(view, call, call->args[1], &text)) {
        reply_text(view, call, &text);
        if (text.found) {
            hf_command_delete(view, call->args[1]);
        }
    }
    return HF_RAN_OK;
}

static bool getex_parse(const hf_call *call, set_options *options)
{
    for (uint32_t i = 2; i < call->argc; i++) {
        if (hf_command__is(call->args[i], "PERSIST") && options->unit == HF_TIME_NONE) {
            options->flags |= SET_PERSIST;
        } else if (!time_option(call, &i, options)) {
            return false;
        }
    }
    return true;
}

hf_ran hf_command__run_getex(hf_view *view, const hf_call *call)
{
    set_options options = { 0 };
    hf_text text;
    uint64_t expire_ms = 0;
    if (!getex_parse(call, &options)) {
        return hf_command__syntax(call);
    }
    if (!hf_command__text(view, call, call->args[1], &text)) {
        return HF_RAN_OK;
    }
    if (text.found && options.unit != HF_TIME_NONE &&
        !hf_command__expiry(view, call, options.time_index, options.unit, "getex", &expire_ms)) {
        return HF_RAN_OK;
    }
    reply_text(view, call, &text);
    if (!text.found) {
        return HF_RAN_OK;
    }
    if (hf_value_expired(expire_ms, view->ts)) {
        hf_command_delete(view, call->args[1]);
    } else if (expire_ms != 0 || ((options.flags & SET_PERSIST) != 0 && text.expire_ms != 0)) {
        hf_command_expire(view, call->args[1], expire_ms);
    }
    return HF_RAN_OK;
}

/* ---- Several keys ---- */

static void reply_if_text(hf_view *view, const hf_call *call, hf_bytes key)
{
    hf_value value;
    hf_text text;
    view->ops->get(view, key, &value);
    text.found = false;
    if (hf_command__text_of(&value, &text) && text.found) {
        hf_resp_bulk(call->reply, text.bytes);
    } else {
        hf_resp_null(call->reply, view->proto);
    }
}

hf_ran hf_command__run_mget(hf_view *view, const hf_call *call)
{
    hf_resp_array(call->reply, call->argc - 1);
    for (uint32_t i = 1; i < call->argc; i++) {
        reply_if_text(view, call, call->args[i]);
    }
    return HF_RAN_OK;
}

/* One key of a split MGET: a record shows as nil. */
hf_ran hf_command__run_part_get(hf_view *view, const hf_call *call)
{
    reply_if_text(view, call, call->args[1]);
    return HF_RAN_OK;
}

static void put_pairs(hf_view *view, const hf_call *call)
{
    for (uint32_t i = 1; i < call->argc; i += 2) {
        hf_command__put_text(view, call->args[i], call->args[i + 1], 0);
    }
}

hf_ran hf_command__run_mset(hf_view *view, const hf_call *call)
{
    if (call->argc % 2 == 0) {
        return hf_command__arity(call);
    }
    put_pairs(view, call);
    hf_resp_simple(call->reply, "OK");
    return HF_RAN_OK;
}

hf_ran hf_command__run_msetnx(hf_view *view, const hf_call *call)
{
    if (call->argc % 2 == 0) {
        return hf_command__arity(call);
    }
    for (uint32_t i = 1; i < call->argc; i += 2) {
        if (hf_command__exists(view, call->args[i])) {
            return hf_command__int_reply(call, 0);
        }
    }
    put_pairs(view, call);
    return hf_command__int_reply(call, 1);
}
