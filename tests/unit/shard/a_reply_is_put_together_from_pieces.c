/* Replies of requests over several shards: merged by recipe, and again by recovery from what was
 * logged. */
#include "engine/shard/recipe.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

enum { REGION = 4 << 20 };

typedef struct fixture {
    void *region;
    hf_heap *heap;
    hf_buf bodies, out, scratch, encoded;
} fixture;

static int open_bufs(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    f->region = aligned_alloc(65536, REGION);
    f->heap = hf_heap_open(f->region, REGION);
    hf_buf_open(&f->bodies, f->heap);
    hf_buf_open(&f->out, f->heap);
    hf_buf_open(&f->scratch, f->heap);
    hf_buf_open(&f->encoded, f->heap);
    *state = f;
    return 0;
}

static int close_bufs(void **state)
{
    fixture *f = *state;
    hf_heap_close(f->heap);
    free(f->region);
    free(f);
    return 0;
}

static void put_piece(fixture *f, uint32_t index, const char *reply)
{
    hf_buf_u32(&f->bodies, index);
    hf_buf_bytes(&f->bodies, hf_bytes_of(reply, strlen(reply)));
}

/* Recovers the reply of one recipe from the pieces put before, and compares. */
static void expect(fixture *f, hf_recipe recipe, bool array, const char *reply)
{
    hf_buf_reset(&f->encoded);
    hf_recipe_encode(hf_bytes_of(&recipe, sizeof recipe), array, recipe.count, &f->encoded);
    hf_recipe_recover(hf_buf_view(&f->encoded), hf_buf_view(&f->bodies), &f->scratch, &f->out);
    hf_bytes want = hf_bytes_of(reply, strlen(reply));
    if (!hf_bytes_equal(hf_buf_view(&f->out), want)) {
        fail_msg("expected %s, got %.*s", reply, (int)f->out.size, (const char *)f->out.data);
    }
}

static hf_recipe recipe(hf_merge merge, uint32_t count, uint64_t limit)
{
    hf_recipe r;
    memset(&r, 0, sizeof r);
    r.count = count;
    r.limit = limit;
    r.merge = (uint8_t)merge;
    return r;
}

static void pieces_in_any_order_become_one_array(void **state)
{
    fixture *f = *state;
    put_piece(f, 2, "$1\r\nc\r\n");
    put_piece(f, 0, "$1\r\na\r\n");
    put_piece(f, 1, "$-1\r\n");
    expect(f, recipe(HF_MERGE_ARRAY, 3, UINT64_MAX), false, "*3\r\n$1\r\na\r\n$-1\r\n$1\r\nc\r\n");
}

static void counts_are_added_up(void **state)
{
    fixture *f = *state;
    put_piece(f, 0, ":2\r\n");
    put_piece(f, 1, ":40\r\n");
    expect(f, recipe(HF_MERGE_SUM, 2, UINT64_MAX), true, "*1\r\n:42\r\n");
}

static void an_error_among_the_pieces_is_the_reply(void **state)
{
    fixture *f = *state;
    put_piece(f, 0, ":2\r\n");
    put_piece(f, 1, "-WRONGTYPE x\r\n");
    expect(f, recipe(HF_MERGE_SUM, 2, UINT64_MAX), false, "-WRONGTYPE x\r\n");
}

static void lists_are_joined_up_to_the_limit(void **state)
{
    fixture *f = *state;
    put_piece(f, 0, "*2\r\n$1\r\na\r\n$1\r\nb\r\n");
    put_piece(f, 1, "*0\r\n");
    put_piece(f, 2, "*2\r\n$1\r\nc\r\n$1\r\nd\r\n");
    expect(f, recipe(HF_MERGE_CONCAT, 3, 3), false, "*3\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n");
}

static void any_takes_the_first_that_is_not_nil(void **state)
{
    fixture *f = *state;
    put_piece(f, 0, "$-1\r\n");
    put_piece(f, 1, "_\r\n");
    put_piece(f, 2, "$1\r\nx\r\n");
    expect(f, recipe(HF_MERGE_ANY, 3, UINT64_MAX), false, "$1\r\nx\r\n");
}

static void a_missing_piece_leaves_only_that_it_was_committed(void **state)
{
    fixture *f = *state;
    put_piece(f, 0, ":2\r\n");
    expect(f, recipe(HF_MERGE_SUM, 2, UINT64_MAX), false, "+OK\r\n");
}

static void a_reply_that_was_known_is_kept_as_it_was(void **state)
{
    fixture *f = *state;
    hf_recipe_encode_reply(HF_LIT("*1\r\n:7\r\n"), &f->encoded);
    hf_recipe_recover(hf_buf_view(&f->encoded), hf_bytes_of(NULL, 0), &f->scratch, &f->out);
    assert_true(hf_bytes_equal(hf_buf_view(&f->out), HF_LIT("*1\r\n:7\r\n")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(pieces_in_any_order_become_one_array, open_bufs,
                                        close_bufs),
        cmocka_unit_test_setup_teardown(counts_are_added_up, open_bufs, close_bufs),
        cmocka_unit_test_setup_teardown(an_error_among_the_pieces_is_the_reply, open_bufs,
                                        close_bufs),
        cmocka_unit_test_setup_teardown(lists_are_joined_up_to_the_limit, open_bufs, close_bufs),
        cmocka_unit_test_setup_teardown(any_takes_the_first_that_is_not_nil, open_bufs, close_bufs),
        cmocka_unit_test_setup_teardown(a_missing_piece_leaves_only_that_it_was_committed,
                                        open_bufs, close_bufs),
        cmocka_unit_test_setup_teardown(a_reply_that_was_known_is_kept_as_it_was, open_bufs,
                                        close_bufs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
