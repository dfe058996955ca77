/* LCS: the longest common subsequence, by the usual table. Only the lengths of two rows are kept;
 * of every cell one bit remains, which says which way the walk back turns where the bytes differ.
 */
#include "engine/base/assert.h"
#include "engine/command/command_impl.h"

/* A bound on the time one call may hold its core: 4 KiB against 4 KiB. */
#define LCS_CELLS_MAX ((uint64_t)16 * 1024 * 1024)

typedef struct lcs_options {
    bool length;
    bool indexes;
    bool with_length;
    int64_t least;
} lcs_options;

typedef struct lcs_work {
    hf_bytes a;
    hf_bytes b;
    hf_buf copy; /* of a: the view lends one value at a time */
    hf_buf bits; /* a.size + 1 rows of b.size + 1 bits: up is longer than left */
    hf_buf rows; /* two rows of lengths */
    uint32_t longest;
} lcs_work;

static bool lcs_parse(const hf_call *call, lcs_options *options)
{
    for (uint32_t i = 3; i < call->argc; i++) {
        if (hf_command__is(call->args[i], "IDX")) {
            options->indexes = true;
        } else if (hf_command__is(call->args[i], "LEN")) {
            options->length = true;
        } else if (hf_command__is(call->args[i], "WITHMATCHLEN")) {
            options->with_length = true;
        } else if (hf_command__is(call->args[i], "MINMATCHLEN") && i + 1 < call->argc) {
            i++;
            if (!hf_command__integer(call, i, &options->least)) {
                return false;
            }
        } else {
            hf_command__syntax(call);
            return false;
        }
    }
    if (options->indexes && options->length) {
        hf_command__error(call,
                          "ERR If you want both the length and indexes, please just use IDX.");
        return false;
    }
    return true;
}

static bool up_is_longer(const lcs_work *work, uint32_t i, uint32_t j)
{
    uint64_t at = (uint64_t)i * (work->b.size + 1) + j;
    return (work->bits.data[at / 8] >> (at % 8) & 1) != 0;
}

static void fill(lcs_work *work)
{
    uint32_t width = work->b.size + 1;
    uint32_t *above = (uint32_t *)(void *)work->rows.data;
    uint32_t *row = above + width;
    for (uint32_t i = 1; i <= work->a.size; i++) {
        for (uint32_t j = 1; j < width; j++) {
            if (work->a.data[i - 1] == work->b.data[j - 1]) {
                row[j] = above[j - 1] + 1;
                continue;
            }
            bool up = above[j] > row[j - 1];
            row[j] = up ? above[j] : row[j - 1];
            if (up) {
                uint64_t at = (uint64_t)i * width + j;
                work->bits.data[at / 8] |= (uint8_t)(1u << (at % 8));
            }
        }
        uint32_t *swap = above;
        above = row;
        row = swap;
    }
    work->longest = above[width - 1];
}

/* ---- The walk back: matches from the last to the first ---- */

typedef struct lcs_match {
    uint32_t a_start, a_end, b_start, b_end;
    bool open;
} lcs_match;

static void put_match(hf_buf *page, const lcs_options *options, lcs_match *match, uint32_t *count)
{
    uint32_t length = match->a_end - match->a_start + 1;
    if (match->open && (options->least <= 0 || length >= options->least)) {
        hf_resp_array(page, options->with_length ? 3 : 2);
        hf_resp_array(page, 2);
        hf_resp_integer(page, match->a_start);
        hf_resp_integer(page, match->a_end);
        hf_resp_array(page, 2);
        hf_resp_integer(page, match->b_start);
        hf_resp_integer(page, match->b_end);
        if (options->with_length) {
            hf_resp_integer(page, length);
        }
        *count += 1;
    }
    match->open = false;
}

/* Writes the matches to `page`, or the text itself to `text` (longest bytes); the other one is
 * NULL. */
static uint32_t walk(const lcs_work *work, const lcs_options *options, hf_buf *page, uint8_t *text)
{
    lcs_match match = { 0 };
    uint32_t count = 0;
    uint32_t left = work->longest;
    uint32_t i = work->a.size;
    uint32_t j = work->b.size;
    while (i > 0 && j > 0) {
        if (work->a.data[i - 1] != work->b.data[j - 1]) {
            if (up_is_longer(work, i, j)) {
                i--;
            } else {
                j--;
            }
            if (page != NULL) {
                put_match(page, options, &match, &count);
            }
            continue;
        }
        i--;
        j--;
        if (text != NULL) {
            text[--left] = work->a.data[i];
        }
        if (!match.open) {
            match = (lcs_match){ i, i, j, j, true };
        }
        match.a_start = i;
        match.b_start = j;
    }
    if (page != NULL) {
        put_match(page, options, &match, &count);
    }
    return count;
}

static void reply_indexes(hf_view *view, const hf_call *call, const lcs_work *work,
                          const lcs_options *options)
{
    hf_buf page = hf_command__scratch(call);
    uint32_t count = walk(work, options, &page, NULL);
    if (!hf_command__failed(call, &page)) {
        hf_resp_map(call->reply, 2, view->proto);
        hf_resp_bulk(call->reply, HF_LIT("matches"));
        hf_resp_array(call->reply, count);
        hf_buf_raw(call->reply, page.data, page.size);
        hf_resp_bulk(call->reply, HF_LIT("len"));
        hf_resp_integer(call->reply, work->longest);
    }
    hf_buf_close(&page);
}

static void reply_text(const hf_call *call, const lcs_work *work, const lcs_options *options)
{
    hf_buf text = hf_command__scratch(call);
    if (work->longest == 0) {
        hf_resp_bulk(call->reply, HF_LIT(""));
        return;
    }
    uint8_t *at = hf_buf_extend(&text, work->longest);
    if (!hf_command__failed(call, &text)) {
        walk(work, options, NULL, at);
        hf_resp_bulk(call->reply, hf_buf_view(&text));
    }
    hf_buf_close(&text);
}

/* Both values, a copied. False: an error is written. */
static bool load(hf_view *view, const hf_call *call, lcs_work *work, hf_text *second)
{
    static const char wrong[] = "ERR The specified keys must contain string values";
    hf_value value;
    hf_text first;
    view->ops->get(view, call->args[1], &value);
    bool good = hf_command__text_of(&value, &first);
    hf_buf_raw(&work->copy, first.bytes.data, good ? first.bytes.size : 0);
    if (hf_command__failed(call, &work->copy)) {
        return false;
    }
    view->ops->get(view, call->args[2], &value);
    good = hf_command__text_of(&value, second) && good;
    if (!good) {
        hf_command__error(call, wrong);
        return false;
    }
    work->a = hf_buf_view(&work->copy);
    work->b = second->bytes;
    HF_ASSERT(work->a.data != NULL || work->a.size == 0);
    return true;
}

static bool reserve(const hf_call *call, lcs_work *work)
{
    uint64_t cells = ((uint64_t)work->a.size + 1) * ((uint64_t)work->b.size + 1);
    if (cells > LCS_CELLS_MAX + 2 * 4096 + 1) {
        hf_command__error(call, "ERR Insufficient memory, transient memory for LCS exceeds "
                                "proto-max-bulk-len");
        return false;
    }
    uint8_t *bits = hf_buf_extend(&work->bits, (uint32_t)(cells / 8 + 1));
    uint8_t *rows = hf_buf_extend(&work->rows, (work->b.size + 1) * 2 * (uint32_t)sizeof(uint32_t));
    if (hf_command__failed(call, &work->bits) || hf_command__failed(call, &work->rows)) {
        return false;
    }
    memset(bits, 0, work->bits.size);
    memset(rows, 0, work->rows.size);
    return true;
}

hf_ran hf_command__run_lcs(hf_view *view, const hf_call *call)
{
    lcs_options options = { 0 };
    lcs_work work = { .copy = hf_command__scratch(call),
                      .bits = hf_command__scratch(call),
                      .rows = hf_command__scratch(call) };
    hf_text second;
    if (load(view, call, &work, &second) && lcs_parse(call, &options) && reserve(call, &work)) {
        fill(&work);
        if (options.indexes) {
            reply_indexes(view, call, &work, &options);
        } else if (options.length) {
            hf_resp_integer(call->reply, work.longest);
        } else {
            reply_text(call, &work, &options);
        }
    }
    hf_buf_close(&work.copy);
    hf_buf_close(&work.bits);
    hf_buf_close(&work.rows);
    return HF_RAN_OK;
}
