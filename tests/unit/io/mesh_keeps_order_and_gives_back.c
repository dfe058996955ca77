/* Two threads on one small mailbox: order, no loss, return of every message in order, nothing lost
 * when the outbox overflows. The payload is plain memory that both sides write, so the variant
 * built with ThreadSanitizer proves that the mailbox orders it. */
#include "engine/base/assert.h"
#include "engine/io/mesh.h"
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
/* After the others: */
#include <cmocka.h>

#ifdef HF_MESH_TSAN
enum { MESSAGES = 100000 };
#else
enum { MESSAGES = 1000000 };
#endif
enum { POOL = 500, SLOTS = 64 };

typedef struct note {
    hf_msg msg;
    uint64_t number;
    uint64_t twice;
} note;

static hf_mesh *mesh_new(uint16_t cores, uint32_t slots, void **at)
{
    size_t size = (hf_mesh_size(cores, slots) + 63) / 64 * 64;
    *at = aligned_alloc(64, size);
    assert_non_null(*at);
    memset(*at, 0, size);
    return hf_mesh_open(*at, cores, slots);
}

static void *receiver(void *at)
{
    hf_mesh *mesh = at;
    uint64_t next = 0;
    while (next < MESSAGES) {
        const hf_msg *msgs[16];
        uint32_t count = hf_mesh_take(mesh, 0, 1, msgs, 16);
        for (uint32_t i = 0; i < count; i++) {
            const note *got = (const note *)(const void *)msgs[i];
            HF_ASSERT(got->number == next && got->twice == 2 * next);
            next++;
        }
        if (count != 0) {
            hf_mesh_done(mesh, 0, 1, count);
        } else {
            (void)sched_yield();
        }
    }
    return NULL;
}

static void order_and_return(void **state)
{
    (void)state;
    void *at;
    hf_mesh *mesh = mesh_new(2, SLOTS, &at);
    note *pool = calloc(POOL, sizeof *pool);
    assert_non_null(pool);
    uint64_t posted = 0;
    uint64_t returned = 0;
    bool waited = false;
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, receiver, mesh), 0);
    while (returned < MESSAGES) {
        hf_msg *back[32];
        uint32_t count = hf_mesh_back(mesh, 0, 1, back, 32);
        for (uint32_t i = 0; i < count; i++) {
            note *home = (note *)(void *)back[i];
            assert_true(home->number == returned);
            home->twice = 0; /* ours again */
            returned++;
        }
        while (posted < MESSAGES && posted - returned < POOL) {
            note *next = &pool[posted % POOL];
            next->msg = (hf_msg){ .size = sizeof *next };
            next->number = posted;
            next->twice = 2 * posted;
            hf_mesh_post(mesh, 0, 1, &next->msg);
            posted++;
        }
        (void)hf_mesh_flush(mesh, 0, 1);
        waited = waited || hf_mesh_waiting(mesh, 0, 1);
        if (count == 0) {
            (void)sched_yield();
        }
    }
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_true(waited); /* POOL is more than fits: the overflow was used */
    assert_false(hf_mesh_has(mesh, 0, 1));
    assert_false(hf_mesh_has_back(mesh, 0, 1));
    free(pool);
    free(at);
}

static void full_ring_keeps_the_rest(void **state)
{
    (void)state;
    void *at;
    hf_mesh *mesh = mesh_new(3, 4, &at);
    note notes[10] = { 0 };
    const hf_msg *got[10];
    hf_msg *back[10];
    for (uint32_t i = 0; i < 10; i++) {
        hf_mesh_post(mesh, 2, 0, &notes[i].msg);
    }
    assert_false(hf_mesh_has(mesh, 2, 0)); /* not before the flush */
    assert_int_equal(hf_mesh_flush(mesh, 2, 0), 3);
    assert_int_equal(hf_mesh_take(mesh, 2, 0, got, 10), 3);
    /* Taken is not done: the messages are still lent out. */
    assert_int_equal(hf_mesh_flush(mesh, 2, 0), 0);
    assert_false(hf_mesh_has_back(mesh, 2, 0));
    hf_mesh_done(mesh, 2, 0, 2);
    assert_true(hf_mesh_has_back(mesh, 2, 0));
    assert_int_equal(hf_mesh_back(mesh, 2, 0, back, 1), 1);
    assert_ptr_equal(back[0], &notes[0].msg);
    assert_int_equal(hf_mesh_flush(mesh, 2, 0), 1);
    assert_int_equal(hf_mesh_back(mesh, 2, 0, back, 10), 1);
    assert_ptr_equal(back[0], &notes[1].msg);
    hf_mesh_done(mesh, 2, 0, 1);
    assert_int_equal(hf_mesh_take(mesh, 2, 0, got, 10), 1);
    assert_ptr_equal(got[0], &notes[3].msg);
    /* Other pairs saw nothing of it. */
    assert_false(hf_mesh_has(mesh, 2, 1));
    assert_false(hf_mesh_has(mesh, 0, 2));
    free(at);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(full_ring_keeps_the_rest),
        cmocka_unit_test(order_and_return),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
