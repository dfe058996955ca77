/* A pipe brings every byte over, in order, whatever the pieces: between two threads, over many
 * laps. */
#include "engine/base/assert.h"
#include "engine/base/prng.h"
#include "engine/io/pipe.h"
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
/* After the others: */
#include <cmocka.h>

enum { CAPACITY = 4096, BYTES = 8 << 20 };

static uint8_t byte_at(uint64_t place)
{
    return (uint8_t)(place * 2654435761u >> 13);
}

static hf_pipe *made(void)
{
    void *at = aligned_alloc(64, hf_pipe_size(CAPACITY));
    assert_non_null(at);
    return hf_pipe_open(at, CAPACITY);
}

static void *send_all(void *argument)
{
    hf_pipe *pipe = argument;
    hf_prng prng = hf_prng_of(7);
    uint8_t piece[CAPACITY * 2];
    uint64_t sent = 0;
    while (sent < BYTES) {
        uint64_t size = 1 + hf_prng_below(&prng, sizeof piece - 1);
        size = size > BYTES - sent ? BYTES - sent : size;
        for (uint64_t i = 0; i < size; i++) {
            piece[i] = byte_at(sent + i);
        }
        hf_bytes left = hf_bytes_of(piece, size);
        while (left.size != 0) {
            uint32_t put = hf_pipe_put(pipe, left);
            left = hf_bytes_of(left.data + put, left.size - put);
            if (put == 0) {
                sched_yield();
            }
        }
        sent += size;
    }
    return NULL;
}

static void every_byte_comes_in_order(void **state)
{
    (void)state;
    hf_pipe *pipe = made();
    hf_prng prng = hf_prng_of(8);
    pthread_t sender;
    assert_int_equal(pthread_create(&sender, NULL, send_all, pipe), 0);
    uint64_t got = 0;
    while (got < BYTES) {
        hf_bytes bytes = hf_pipe_peek(pipe);
        if (bytes.size == 0) {
            sched_yield();
            continue;
        }
        uint32_t take = (uint32_t)hf_prng_below(&prng, bytes.size) + 1;
        for (uint32_t i = 0; i < take; i++) {
            assert_int_equal(bytes.data[i], byte_at(got + i));
        }
        hf_pipe_take(pipe, take);
        got += take;
    }
    assert_int_equal(pthread_join(sender, NULL), 0);
    assert_int_equal(hf_pipe_peek(pipe).size, 0);
    free(pipe);
}

static void full_takes_no_more(void **state)
{
    (void)state;
    hf_pipe *pipe = made();
    uint8_t all[CAPACITY + 100];
    for (uint32_t i = 0; i < sizeof all; i++) {
        all[i] = byte_at(i);
    }
    assert_int_equal(hf_pipe_put(pipe, hf_bytes_of(all, sizeof all)), CAPACITY);
    assert_int_equal(hf_pipe_put(pipe, hf_bytes_of(all, 1)), 0);
    assert_false(hf_pipe_fits(pipe, 1));
    assert_int_equal(hf_pipe_filled(pipe), CAPACITY);
    hf_pipe_take(pipe, 100);
    assert_true(hf_pipe_fits(pipe, 100));
    assert_false(hf_pipe_fits(pipe, 101));
    assert_int_equal(hf_pipe_put(pipe, hf_bytes_of(all + CAPACITY, 100)), 100);
    /* Over the end of the ring: peeked in two pieces, copied in one. */
    uint8_t copy[CAPACITY];
    assert_int_equal(hf_pipe_filled(pipe), CAPACITY);
    hf_pipe_copy(pipe, 0, copy, CAPACITY);
    assert_memory_equal(copy, all + 100, CAPACITY);
    assert_int_equal(hf_pipe_peek(pipe).size, CAPACITY - 100);
    hf_pipe_clear(pipe);
    assert_int_equal(hf_pipe_peek(pipe).size, 0);
    assert_true(hf_pipe_fits(pipe, CAPACITY));
    free(pipe);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_byte_comes_in_order),
        cmocka_unit_test(full_takes_no_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
