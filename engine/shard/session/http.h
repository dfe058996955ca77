/* HTTP/1.1 requests, as far as an operator's tools send them: GET and HEAD without a body. Pure:
 * bytes in, a struct out. */
#ifndef HF_SHARD_HTTP_H
#define HF_SHARD_HTTP_H
#include "engine/base/buf.h"

enum { HF_HTTP_HEAD_MAX = 8192 };

typedef enum hf_http_state {
    HF_HTTP_MORE,    /* the head is not whole yet */
    HF_HTTP_REQUEST, /* `used` bytes are one request */
    HF_HTTP_BAD,     /* answer `status` and close: what follows cannot be told apart */
} hf_http_state;

typedef struct hf_http_request {
    hf_bytes path; /* without the query */
    uint32_t used;
    uint16_t status;  /* 0: fine; else the answer: 400, 405, 413, 431, 505 */
    bool head;        /* HEAD: no body wanted */
    bool close;       /* the connection ends after the answer */
    bool openmetrics; /* it takes application/openmetrics-text */
} hf_http_request;

/* The first request in `data`. RFC 9112; lines may end in LF alone. */
hf_http_state hf_http_parse(hf_bytes data, hf_http_request *request);
/* A whole response: head and, unless `head`, the body. */
void hf_http_respond(hf_buf *out, uint16_t status, const char *type, hf_bytes body, bool head,
                     bool close);
const char *hf_http_reason(uint16_t status);

#endif
