/* RESP2 and RESP3: requests in, replies out. Pure: bytes in, structs out.
 *
 * The parser is incremental and in place: it looks at the bytes a connection has gathered, and
 * answers the next whole command as slices into them, or that more is needed, or what is wrong.
 * Redis 7's limits and error texts: "Protocol error: invalid multibulk length", "... invalid bulk
 * length",
 * "... expected '$', got '%c'", "... too big inline request", "... too big mbulk count string",
 * "... too big bulk count string", "... unbalanced quotes in request".
 * Specification: the RESP3 protocol specification and Redis 7's networking behaviour.
 *
 * Cost: a resumed parse does not scan again what it has seen (byte-by-byte senders cost linear
 * time). Threads: plain data.
 */
#ifndef HF_WIRE_RESP_H
#define HF_WIRE_RESP_H
#include "engine/base/buf.h"
#include "engine/base/bytes.h"

enum {
    HF_RESP_INLINE_MAX = 64 * 1024,                 /* an inline request's line */
    HF_RESP_ARGS_MAX = 1024 * 1024,                 /* arguments of one command, as Redis */
    HF_RESP_BULK_MAX = 8 * 1024 * 1024 + 64 * 1024, /* one argument */
};

typedef enum hf_resp_state {
    HF_RESP_MORE,    /* not whole yet */
    HF_RESP_COMMAND, /* args are set (argc may be 0: an empty line, to be skipped) */
    HF_RESP_BAD,     /* error text is set; the connection is to be closed after sending it */
} hf_resp_state;

typedef struct hf_resp_parser {
    uint32_t done;     /* bytes of the current command already understood */
    uint32_t seen;     /* bytes already searched for the end of the current line */
    uint32_t missing;  /* what hf_resp_missing() answers */
    int64_t args_left; /* of a multibulk; -1: at its head */
    int64_t bulk_left; /* of the current bulk; -1: at its head */
    uint32_t argc;
    /* Lowered before authentication (Redis: 10 and 16384): what lies between them and the limits
     * above is "unauthenticated multibulk length" or "unauthenticated bulk length". */
    uint32_t args_max;
    uint32_t bulk_max;
    char error[96]; /* text after "-ERR ", for HF_RESP_BAD */
} hf_resp_parser;

/* Offsets and not pointers, because the gathering buffer may move between calls. */
typedef struct hf_resp_arg {
    uint32_t offset; /* from the command's start */
    uint32_t size;
} hf_resp_arg;

void hf_resp_parser_open(hf_resp_parser *parser);
/* `data`: all gathered bytes from the command's start on. `args`: grows as needed; holds
 * parser->argc of hf_resp_arg. On COMMAND `used` is the command's length, and the parser is ready
 * for the next one. On a NULL from the heap: BAD with "out of memory". An inline command's
 * arguments are unquoted into place, so `data` is writable. */
hf_resp_state hf_resp_parse(hf_resp_parser *parser, uint8_t *data, uint32_t size, hf_buf *args,
                            uint32_t *used);
/* Bytes that are still certainly missing for the current command (0: not known): lets the caller
 * size its buffer once for a large bulk. */
uint32_t hf_resp_missing(const hf_resp_parser *parser);

/* ---- Replies. `proto` is 2 or 3. ---- */
void hf_resp_simple(hf_buf *out, const char *text); /* +text */
void hf_resp_error(hf_buf *out, const char *text);  /* -text; line breaks turn into blanks */
void hf_resp_errorf(hf_buf *out, const char *format, ...) __attribute__((format(printf, 2, 3)));
void hf_resp_integer(hf_buf *out, int64_t value);
void hf_resp_bulk(hf_buf *out, hf_bytes value);
void hf_resp_bulk_integer(hf_buf *out, int64_t value); /* as a bulk string */
void hf_resp_null(hf_buf *out, uint8_t proto);         /* $-1 or _ */
void hf_resp_null_array(hf_buf *out, uint8_t proto);   /* *-1 or _ */
void hf_resp_array(hf_buf *out, uint32_t count);
void hf_resp_map(hf_buf *out, uint32_t pairs, uint8_t proto);  /* %n, or *2n */
void hf_resp_set(hf_buf *out, uint32_t count, uint8_t proto);  /* ~n, or *n */
void hf_resp_push(hf_buf *out, uint32_t count, uint8_t proto); /* >n, or *n */
void hf_resp_double(hf_buf *out, double value, uint8_t proto); /* ,v or a bulk string */
void hf_resp_bool(hf_buf *out, bool value, uint8_t proto);     /* #t, or :1 */
void hf_resp_verbatim(hf_buf *out, const char *kind, hf_bytes text,
                      uint8_t proto); /* =, or a bulk */

/* ---- Reading replies ---- */

/* Length of the first whole reply in `data`, 0 if it is not whole or not RESP. For assembling
 * replies, and for tests and tools that read them. */
uint32_t hf_resp_reply_size(hf_bytes data);

/* The same for bytes that come in pieces, without looking at any of them twice. */
typedef struct hf_resp_scan {
    uint32_t at;     /* understood up to here */
    uint64_t wanted; /* frames that are still to come */
    bool bad;        /* this is not RESP */
} hf_resp_scan;
static inline void hf_resp_scan_open(hf_resp_scan *scan)
{
    *scan = (hf_resp_scan){ .wanted = 1 };
}
/* `data`: all that has come of the reply, and perhaps more. Its size when it is whole, else 0. */
uint32_t hf_resp_scan_on(hf_resp_scan *scan, hf_bytes data);

typedef enum hf_resp_kind {
    HF_RESP_KIND_NULL,
    HF_RESP_KIND_SIMPLE,  /* bytes */
    HF_RESP_KIND_ERROR,   /* bytes, without the '-' */
    HF_RESP_KIND_INTEGER, /* integer; of #t and #f too */
    HF_RESP_KIND_BULK,    /* bytes; of verbatim text without its kind */
    HF_RESP_KIND_DOUBLE,  /* bytes: its text */
    HF_RESP_KIND_LIST,    /* count: so many frames follow; of a map two for each pair */
} hf_resp_kind;

typedef struct hf_resp_value {
    hf_resp_kind kind;
    uint32_t count;
    int64_t integer;
    hf_bytes bytes; /* into the data */
} hf_resp_value;

/* One frame of a whole reply: its own bytes; what is nested in it follows as frames. Answers its
 * size; 0: not whole, or not RESP. */
uint32_t hf_resp_read(hf_bytes data, hf_resp_value *value);

#endif
