/* hf_load_request: one request as a text, with the places where keys go. */
#ifndef HF_TOOLS_LOAD_REQUEST_H
#define HF_TOOLS_LOAD_REQUEST_H
#include "engine/base/bytes.h"
#include "tools/load/load.h"
#include <stddef.h>

enum { HF_LOAD_SHA = 40 };

typedef struct hf_load_request {
    char *text;
    size_t size;
    size_t key_at[2]; /* where their digits begin */
    uint32_t key_count;
    uint32_t replies; /* to one request */
} hf_load_request;

/* The script of `eval`, and what it answers when there is no money. */
extern const char hf_load_script[];

/* `sha`: of the script that the server has, for `eval`. False: no memory. */
bool hf_load_request_make(hf_load_request *request, const hf_load_config *config, const char *sha);
void hf_load_request_free(hf_load_request *request);
/* Writes the request with these keys to `to`: request->size bytes. */
void hf_load_request_put(const hf_load_request *request, const uint32_t keys[2], char *to);

typedef enum hf_load_answer { HF_LOAD_DONE, HF_LOAD_REFUSED, HF_LOAD_ERROR } hf_load_answer;
/* What the last reply to a request, or an error before it, says. ERROR: *what is its text. */
hf_load_answer hf_load_answer_of(hf_load_kind kind, hf_bytes reply, hf_bytes *what);

#endif
