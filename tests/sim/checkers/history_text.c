/* A history as text: one JSON object a line, one transaction an object (README.md draws it).
 *
 * The reader is strict: it takes what print() writes, with any white space and any order of fields,
 * and nothing else. A file is outside data: whatever is in it is refused with a line number, never
 * trusted.
 */
#include "tests/sim/checkers/history.h"

#include "engine/base/assert.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const heard_names[] = { "unknown", "ok", "fail", "limit" };

/* ---- Writing ---- */
static void print_number(int64_t number, hf_check_text *text)
{
    if (number == HF_NIL) {
        hf_check_text_add(text, "null");
    } else {
        hf_check_text_add(text, "%" PRId64, number);
    }
}

static void print_micro(const hf_micro *op, hf_check_text *text)
{
    hf_check_text_add(text, "[\"%s\"", hf_micro_name(op->kind));
    for (uint32_t i = 0; i < hf_micro_args(op->kind); i++) {
        hf_check_text_add(text, ",");
        print_number(op->arg[i], text);
    }
    if (op->answered && hf_micro_answer_kind(op->kind) == HF_ANSWER_ONE) {
        hf_check_text_add(text, ",");
        print_number(op->answer, text);
    } else if (op->answered) {
        hf_check_text_add(text, ",[");
        for (uint32_t i = 0; i < op->list_count; i++) {
            hf_check_text_add(text, i == 0 ? "" : ",");
            print_number(op->list[i], text);
        }
        hf_check_text_add(text, "]");
    }
    hf_check_text_add(text, "]");
}

static void print_txn(const hf_history_txn *txn, hf_check_text *text)
{
    hf_check_text_add(text, "{\"process\":%u,\"invoke\":%" PRId64, txn->process, txn->invoked);
    if (txn->returned != HF_NEVER) {
        hf_check_text_add(text, ",\"return\":%" PRId64, txn->returned);
    }
    if (txn->commit_ts != 0) {
        hf_check_text_add(text, ",\"%s\":%" PRIu64, txn->snapshot ? "snapshot" : "ts",
                          txn->commit_ts);
    }
    hf_check_text_add(text, ",\"heard\":\"%s\"", heard_names[txn->heard]);
    hf_check_text_add(text, ",\"ops\":[");
    for (uint32_t o = 0; o < txn->op_count; o++) {
        hf_check_text_add(text, o == 0 ? "" : ",");
        print_micro(&txn->ops[o], text);
    }
    hf_check_text_add(text, "]}\n");
}

void hf_history_print(const hf_history *history, hf_check_text *text)
{
    for (uint32_t t = 0; t < history->count; t++) {
        print_txn(&history->txns[t], text);
    }
}

/* ---- Reading ---- */
typedef struct reader {
    const char *at;
    const char *end;
    const char *fault; /* sticky: the first thing that was wrong */
} reader;

static void reader_fail(reader *r, const char *what)
{
    if (r->fault == NULL) {
        r->fault = what;
        r->at = r->end;
    }
}

static char reader_peek(reader *r)
{
    while (r->at < r->end && (*r->at == ' ' || *r->at == '\t' || *r->at == '\r')) {
        r->at++;
    }
    if (r->at == r->end) {
        return '\0';
    }
    return *r->at;
}

static bool reader_take(reader *r, char wanted)
{
    if (reader_peek(r) != wanted || r->at == r->end) {
        return false;
    }
    r->at++;
    return true;
}

static void reader_want(reader *r, char wanted, const char *what)
{
    if (!reader_take(r, wanted)) {
        reader_fail(r, what);
    }
}

/* An integer, its magnitude at most `most`. */
static uint64_t reader_magnitude(reader *r, uint64_t most)
{
    uint64_t n = 0;
    const char *start = r->at;
    while (r->at < r->end && *r->at >= '0' && *r->at <= '9') {
        uint64_t digit = (uint64_t)(*r->at - '0');
        if (n > (most - digit) / 10) {
            reader_fail(r, "number out of range");
            return 0;
        }
        n = n * 10 + digit;
        r->at++;
    }
    if (r->at == start) {
        reader_fail(r, "number expected");
    }
    return n;
}

/* Any number but the two that mean something else here (HF_NIL, HF_REGISTER_ANY). */
static int64_t reader_number(reader *r)
{
    bool minus = reader_take(r, '-');
    int64_t n = (int64_t)reader_magnitude(r, INT64_MAX - 1);
    return minus ? -n : n;
}

static int64_t reader_number_or_nil(reader *r)
{
    if (reader_peek(r) == 'n') {
        if (r->end - r->at >= 4 && memcmp(r->at, "null", 4) == 0) {
            r->at += 4;
            return HF_NIL;
        }
        reader_fail(r, "number or null expected");
        return 0;
    }
    return reader_number(r);
}

static uint64_t reader_unsigned(reader *r, uint64_t most)
{
    reader_peek(r);
    return reader_magnitude(r, most);
}

/* A word of small letters in quotes, into `word`. */
enum { WORD_SIZE = 16 };
static void reader_word(reader *r, char word[WORD_SIZE])
{
    uint32_t size = 0;
    reader_want(r, '"', "\" expected");
    while (r->at < r->end && *r->at >= 'a' && *r->at <= 'z' && size < WORD_SIZE - 1) {
        word[size++] = *r->at++;
    }
    word[size] = '\0';
    if (r->at == r->end || *r->at != '"') {
        reader_fail(r, "word expected");
        return;
    }
    r->at++;
}

static void parse_list(reader *r, hf_history *history, uint32_t txn, uint32_t op)
{
    int64_t *list = NULL;
    uint32_t count = 0;
    uint32_t capacity = 0;
    reader_want(r, '[', "[ expected");
    if (!reader_take(r, ']')) {
        do {
            list = hf_check_grow(list, count, &capacity, sizeof *list);
            list[count++] = reader_number(r);
        } while (reader_take(r, ','));
        reader_want(r, ']', "] expected");
    }
    hf_micro_kind kind = history->txns[txn].ops[op].kind;
    if (hf_micro_answer_kind(kind) == HF_ANSWER_PAIRS && count % 2 != 0) {
        reader_fail(r, "pairs expected");
    }
    if (r->fault == NULL) {
        hf_history_answer_list(history, txn, op, list, count);
    }
    free(list);
}

static void parse_micro(reader *r, hf_history *history, uint32_t txn)
{
    char word[WORD_SIZE];
    reader_want(r, '[', "[ expected");
    reader_word(r, word);
    uint32_t kind = 0;
    while (kind < HF_MICRO_KINDS && strcmp(word, hf_micro_name((hf_micro_kind)kind)) != 0) {
        kind++;
    }
    if (r->fault != NULL || kind == HF_MICRO_KINDS) {
        reader_fail(r, "unknown operation");
        return;
    }
    int64_t args[HF_MICRO_ARGS] = { 0 };
    for (uint32_t i = 0; i < hf_micro_args((hf_micro_kind)kind); i++) {
        reader_want(r, ',', "argument expected");
        args[i] = kind == HF_MICRO_CAS && i > 0 ? reader_number_or_nil(r) : reader_number(r);
    }
    uint32_t op = hf_history_op(history, txn, (hf_micro_kind)kind, args);
    if (reader_take(r, ',')) {
        switch (hf_micro_answer_kind((hf_micro_kind)kind)) {
        case HF_ANSWER_NONE:
            reader_fail(r, "too many arguments");
            break;
        case HF_ANSWER_ONE:
            hf_history_answer(history, txn, op,
                              kind == HF_MICRO_READ ? reader_number_or_nil(r) : reader_number(r));
            break;
        case HF_ANSWER_LIST:
        case HF_ANSWER_PAIRS:
            parse_list(r, history, txn, op);
            break;
        }
    }
    reader_want(r, ']', "] expected");
}

static void parse_ops(reader *r, hf_history *history, uint32_t txn)
{
    reader_want(r, '[', "[ expected");
    if (reader_take(r, ']')) {
        return;
    }
    do {
        parse_micro(r, history, txn);
    } while (reader_take(r, ','));
    reader_want(r, ']', "] expected");
}

static hf_heard parse_heard(reader *r)
{
    char word[WORD_SIZE];
    reader_word(r, word);
    for (uint32_t i = 0; i < sizeof heard_names / sizeof heard_names[0]; i++) {
        if (strcmp(word, heard_names[i]) == 0) {
            return (hf_heard)i;
        }
    }
    reader_fail(r, "unknown outcome");
    return HF_HEARD_UNKNOWN;
}

/* Fields of a line, each once. */
enum { F_PROCESS = 1, F_INVOKE = 2, F_RETURN = 4, F_HEARD = 8, F_TS = 16, F_OPS = 32 };

static unsigned parse_field(reader *r, hf_history *history, uint32_t txn)
{
    char name[WORD_SIZE];
    reader_word(r, name);
    reader_want(r, ':', ": expected");
    hf_history_txn *t = &history->txns[txn];
    if (r->fault != NULL) {
        return 0;
    }
    if (strcmp(name, "process") == 0) {
        t->process = (uint32_t)reader_unsigned(r, UINT32_MAX);
        return F_PROCESS;
    }
    if (strcmp(name, "invoke") == 0) {
        t->invoked = (int64_t)reader_unsigned(r, INT64_MAX - 1);
        return F_INVOKE;
    }
    if (strcmp(name, "return") == 0) {
        t->returned = (int64_t)reader_unsigned(r, INT64_MAX - 1);
        return F_RETURN;
    }
    if (strcmp(name, "heard") == 0) {
        t->heard = parse_heard(r);
        return F_HEARD;
    }
    if (strcmp(name, "ts") == 0 || strcmp(name, "snapshot") == 0) {
        t->snapshot = name[0] == 's';
        t->commit_ts = reader_unsigned(r, UINT64_MAX);
        return F_TS;
    }
    if (strcmp(name, "ops") == 0) {
        parse_ops(r, history, txn);
        return F_OPS;
    }
    reader_fail(r, "unknown field");
    return 0;
}

static void parse_txn(reader *r, hf_history *history)
{
    uint32_t txn = hf_history_begin(history, 0, 0);
    unsigned seen = 0;
    reader_want(r, '{', "{ expected");
    do {
        unsigned field = parse_field(r, history, txn);
        if ((seen & field) != 0) {
            reader_fail(r, "field given twice");
        }
        seen |= field;
    } while (reader_take(r, ','));
    reader_want(r, '}', "} expected");
    if (reader_peek(r) != '\0' || r->at != r->end) {
        reader_fail(r, "text after the object");
    }
    const unsigned needed = F_PROCESS | F_INVOKE | F_HEARD | F_OPS;
    const hf_history_txn *t = &history->txns[txn];
    if ((seen & needed) != needed) {
        reader_fail(r, "process, invoke, heard and ops are needed");
    } else if (t->returned < t->invoked) {
        reader_fail(r, "return before invoke");
    } else if (t->heard == HF_HEARD_UNKNOWN && t->returned != HF_NEVER) {
        reader_fail(r, "an unknown outcome has no return");
    }
}

/* Takes back the newest transaction, which turned out not to be one. */
static void history_drop_last(hf_history *history)
{
    hf_history_txn *t = &history->txns[--history->count];
    for (uint32_t o = 0; o < t->op_count; o++) {
        free(t->ops[o].list);
    }
    free(t->ops);
}

hf_err hf_history_parse(hf_history *history, const char *text, size_t size, hf_history_fault *fault)
{
    const char *end = text + size;
    *fault = (hf_history_fault){ 0 };
    while (text < end) {
        fault->line++;
        const char *stop = memchr(text, '\n', (size_t)(end - text));
        reader r = { text, stop == NULL ? end : stop, NULL };
        text = stop == NULL ? end : stop + 1;
        if (reader_peek(&r) == '\0' && r.at == r.end) {
            continue; /* an empty line */
        }
        parse_txn(&r, history);
        if (r.fault != NULL) {
            history_drop_last(history);
            snprintf(fault->what, sizeof fault->what, "%s", r.fault);
            return HF_E_CORRUPT;
        }
    }
    return HF_OK;
}

/* ---- Files ---- */
hf_err hf_history_save(const hf_history *history, const char *path)
{
    FILE *file = fopen(path, "wb");
    if (file == NULL) {
        return HF_E_IO;
    }
    bool ok = true;
    for (uint32_t t = 0; t < history->count && ok; t++) {
        hf_check_text line = { 0 };
        print_txn(&history->txns[t], &line);
        ok = fwrite(line.data, 1, line.size, file) == line.size;
        hf_check_text_close(&line);
    }
    ok = fclose(file) == 0 && ok;
    return ok ? HF_OK : HF_E_IO;
}

static char *file_read(const char *path, size_t *size)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        return NULL;
    }
    char *data = NULL;
    size_t capacity = 0;
    *size = 0;
    do {
        if (*size == capacity) {
            capacity = capacity == 0 ? 65536 : capacity * 2;
            data = realloc(data, capacity);
            HF_ASSERT(data != NULL);
        }
        *size += fread(data + *size, 1, capacity - *size, file);
    } while (!feof(file) && !ferror(file));
    bool ok = !ferror(file);
    ok = fclose(file) == 0 && ok;
    if (!ok) {
        free(data);
        data = NULL;
    }
    return data;
}

hf_err hf_history_load(hf_history *history, const char *path, hf_history_fault *fault)
{
    size_t size = 0;
    char *text = file_read(path, &size);
    if (text == NULL) {
        *fault = (hf_history_fault){ .line = 0 };
        snprintf(fault->what, sizeof fault->what, "cannot read the file");
        return HF_E_IO;
    }
    hf_err err = hf_history_parse(history, text, size, fault);
    free(text);
    return err;
}
