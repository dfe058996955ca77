#include "tests/unit/link/pair.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

hf_link_options pair_options(uint32_t node)
{
    hf_link_options o = {
        .limits = { .message_max = { 4096, 256 * 1024, 64 * 1024, 1024 * 1024 },
                    .window = { 16 * 1024, 512 * 1024, 64 * 1024, 1024 * 1024 },
                    .queue = PAIR_QUEUE },
        .cluster = { { 1, 2, 3 } },
        .node = node,
        .start = 7,
        .disk = 1000 + node,
        .core = 3,
        .to_core = 3,
        .format_least = HF_LINK_FORMAT_LEAST,
        .format_most = HF_LINK_FORMAT_MOST,
        .features = 7,
        .needed = 1,
        .greet_ns = UINT64_C(2000) * PAIR_MS,
        .ping_ns = UINT64_C(500) * PAIR_MS,
        .silent_ns = UINT64_C(3000) * PAIR_MS,
    };
    return o;
}

static void make(end *e, uint32_t node)
{
    e->options = pair_options(node);
    e->region = aligned_alloc(64 * 1024, PAIR_HEAP);
    e->wire = malloc(PAIR_WIRE);
    assert_non_null(e->region);
    assert_non_null(e->wire);
    e->heap = hf_heap_open(e->region, PAIR_HEAP);
}

void pair_make(pair *p)
{
    memset(p, 0, sizeof *p);
    p->now = 1000;
    make(&p->a, 1);
    make(&p->b, 2);
}

static void open_end(pair *p, end *e, uint32_t to)
{
    void *at = malloc(hf_link_size(&e->options));
    assert_non_null(at);
    e->link = hf_link_open(at, &e->options, e->heap, to, 1, p->now);
}

void pair_open(pair *p)
{
    open_end(p, &p->a, 2);
    open_end(p, &p->b, 0);
}

static void close_end(end *e)
{
    hf_link_shut(e->link);
    assert_true(hf_heap_lent(e->heap) == 0); /* nothing is left behind */
    hf_heap_close(e->heap);
    free(e->link);
    free(e->region);
    free(e->wire);
}

void pair_close(pair *p)
{
    close_end(&p->a);
    close_end(&p->b);
}

void pair_write(pair *p, end *from, end *to, uint32_t size)
{
    static uint8_t out[PAIR_WIRE];
    while (hf_link_has_output(from->link)) {
        uint32_t wrote = hf_link_output(from->link, p->now, out, size);
        assert_true(wrote != 0 && wrote <= size && to->wire_size + wrote <= PAIR_WIRE);
        memcpy(to->wire + to->wire_size, out, wrote);
        to->wire_size += wrote;
        hf_link_check(from->link);
    }
}

/* False: the input is void, or taken. */
static bool happened(pair *p, end *to, hf_link_event event, hf_link_message *m)
{
    switch (event) {
    case HF_LINK_GREETED:
        to->greeted = true;
        return hf_link_accept(to->link, &to->known, p->now);
    case HF_LINK_OPENED:
        to->opened = true;
        return true;
    case HF_LINK_MESSAGE:
        if (p->message != NULL) {
            p->message(p->context, to, m);
        } else {
            hf_link_done(to->link, m);
        }
        return true;
    case HF_LINK_MORE:
    case HF_LINK_ENDED:
        break;
    }
    return false;
}

/* A block of exactly its size, so that a sanitizer sees a read past its end. */
static void read_some(pair *p, end *to, const uint8_t *data, uint32_t size)
{
    uint8_t *exact = malloc(size);
    assert_non_null(exact);
    memcpy(exact, data, size);
    hf_bytes input = hf_bytes_of(exact, size);
    hf_link_message m;
    while (happened(p, to, hf_link_input(to->link, p->now, &input, &m), &m)) {
        hf_link_check(to->link);
    }
    hf_link_check(to->link);
    free(exact);
}

void pair_read(pair *p, end *to)
{
    uint32_t at = 0;
    while (at < to->wire_size) {
        uint32_t left = to->wire_size - at;
        uint32_t size = p->step == 0 || p->step > left ? left : p->step;
        read_some(p, to, to->wire + at, size);
        at += size;
    }
    to->wire_size = 0;
}

void pair_settle(pair *p)
{
    while (hf_link_has_output(p->a.link) || hf_link_has_output(p->b.link) || p->a.wire_size != 0 ||
           p->b.wire_size != 0) {
        pair_write(p, &p->a, &p->b, 64 * 1024);
        pair_write(p, &p->b, &p->a, 64 * 1024);
        pair_read(p, &p->a);
        pair_read(p, &p->b);
    }
}

void pair_connect(pair *p)
{
    pair_open(p);
    pair_settle(p);
    assert_true(p->a.opened && p->b.opened);
}

void pair_expect(const end *at, hf_err err, const char *words)
{
    const char *said;
    assert_int_equal(hf_link_end(at->link, &said), err);
    assert_string_equal(said, words);
}
