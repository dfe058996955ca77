/* hf_diag: what went wrong, in words: a fixed ring of frames beside the error code.
 *
 * The place where an error arises adds a frame, each caller that knows more may add another; the
 * last HF_DIAG_FRAMES are kept. Text that is too long is cut. Say what to do next when known.
 *
 * Ownership:  the caller owns it (zeroed is empty); file must be a literal.
 * Cost:       no allocation; only paths that fail pay.
 * Threads:    one core only.
 */
#ifndef HF_BASE_DIAG_H
#define HF_BASE_DIAG_H
#include "engine/base/error.h"
#include <stddef.h>
#include <stdint.h>

enum { HF_DIAG_FRAMES = 8, HF_DIAG_TEXT = 160 };

typedef struct hf_diag_frame {
    hf_err err;
    int line;
    const char *file;
    char text[HF_DIAG_TEXT];
} hf_diag_frame;

typedef struct hf_diag {
    uint32_t added; /* frames since the last clear */
    hf_diag_frame frames[HF_DIAG_FRAMES];
} hf_diag;

void hf_diag_clear(hf_diag *diag);
/* Adds a frame and answers err; a diag of NULL is allowed. Use the macro. */
__attribute__((format(printf, 5, 6))) hf_err
hf_diag_add(hf_diag *diag, hf_err err, const char *file, int line, const char *format, ...);
/* return HF_DIAG(diag, HF_E_IO, "cannot read %s", path); */
#define HF_DIAG(diag, err, ...) hf_diag_add((diag), (err), __FILE__, __LINE__, __VA_ARGS__)

/* Frames kept, HF_DIAG_FRAMES at most. */
uint32_t hf_diag_count(const hf_diag *diag);
/* The index-th frame kept, 0 the newest; NULL when there are fewer. */
const hf_diag_frame *hf_diag_at(const hf_diag *diag, uint32_t index);
/* All frames, newest first, joined by ": ", cut to fit; always ends with '\0' (size is not 0). */
void hf_diag_text(const hf_diag *diag, char *out, size_t size);

#endif
