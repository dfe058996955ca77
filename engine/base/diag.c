#include "engine/base/diag.h"
#include "engine/base/assert.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void hf_diag_clear(hf_diag *diag)
{
    diag->added = 0;
}

hf_err hf_diag_add(hf_diag *diag, hf_err err, const char *file, int line, const char *format, ...)
{
    if (diag == NULL) {
        return err;
    }
    hf_diag_frame *frame = &diag->frames[diag->added % HF_DIAG_FRAMES];
    diag->added++;
    if (diag->added == UINT32_MAX) { /* keep the position, and that the ring is full */
        diag->added = UINT32_MAX % HF_DIAG_FRAMES + HF_DIAG_FRAMES;
    }
    frame->err = err;
    frame->file = file;
    frame->line = line;
    va_list args;
    va_start(args, format);
    if (vsnprintf(frame->text, sizeof frame->text, format, args) < 0) {
        frame->text[0] = '\0'; /* a text the library cannot render; the code still stands */
    }
    va_end(args);
    return err;
}

uint32_t hf_diag_count(const hf_diag *diag)
{
    return diag->added < HF_DIAG_FRAMES ? diag->added : HF_DIAG_FRAMES;
}

static const hf_diag_frame *frame_at(const hf_diag *diag, uint32_t index)
{
    return &diag->frames[(diag->added - 1 - index) % HF_DIAG_FRAMES];
}

const hf_diag_frame *hf_diag_at(const hf_diag *diag, uint32_t index)
{
    return index < hf_diag_count(diag) ? frame_at(diag, index) : NULL;
}

static size_t append(char *out, size_t size, size_t at, const char *text)
{
    size_t piece = strlen(text);
    piece = piece < size - 1 - at ? piece : size - 1 - at;
    memcpy(out + at, text, piece);
    out[at + piece] = '\0';
    return at + piece;
}

void hf_diag_text(const hf_diag *diag, char *out, size_t size)
{
    HF_PRE(size != 0);
    out[0] = '\0';
    size_t at = 0;
    for (uint32_t i = 0; i < hf_diag_count(diag); i++) {
        at = append(out, size, at, i == 0 ? "" : ": ");
        at = append(out, size, at, frame_at(diag, i)->text);
    }
}
