/* Claim: a list keeps its order, an item leaves it from anywhere, and linking twice stops. */
#include "engine/base/list.h"
#include "tests/unit/base/base_test.h"

typedef struct item {
    int number;
    hf_list link;
} item;

static item items[5];
static hf_list head;

static int open_list(void **unused)
{
    (void)unused;
    hf_list_open(&head);
    for (int i = 0; i < 5; i++) {
        items[i] = (item){ .number = i };
    }
    return 0;
}

static int as_number(void)
{
    int number = 0;
    HF_LIST_EACH (at, &head) {
        number = number * 10 + HF_CONTAINER_OF(at, item, link)->number;
    }
    return number;
}

static void order_is_kept(void **unused)
{
    (void)unused;
    assert_true(hf_list_empty(&head));
    assert_null(hf_list_first(&head));
    assert_null(hf_list_last(&head));
    assert_null(hf_list_pop_front(&head));
    hf_list_push_back(&head, &items[2].link);
    hf_list_push_back(&head, &items[3].link);
    hf_list_push_front(&head, &items[1].link);
    hf_list_insert_after(&items[2].link, &items[4].link);
    assert_int_equal(as_number(), 1243);
    assert_ptr_equal(hf_list_first(&head), &items[1].link);
    assert_ptr_equal(hf_list_last(&head), &items[3].link);
    assert_ptr_equal(hf_list_after(&head, &items[1].link), &items[2].link);
    assert_null(hf_list_after(&head, &items[3].link));
    hf_list_remove(&items[2].link);
    assert_false(hf_list_linked(&items[2].link));
    assert_true(hf_list_linked(&items[4].link));
    assert_int_equal(as_number(), 143);
    assert_ptr_equal(hf_list_pop_front(&head), &items[1].link);
    hf_list_push_back(&head, &items[1].link);
    assert_int_equal(as_number(), 431);
}

static void each_may_remove_its_item(void **unused)
{
    (void)unused;
    for (int i = 0; i < 5; i++) {
        hf_list_push_back(&head, &items[i].link);
    }
    HF_LIST_EACH (at, &head) {
        if (HF_CONTAINER_OF(at, item, link)->number % 2 == 0) {
            hf_list_remove(at);
        }
    }
    assert_int_equal(as_number(), 13);
}

static void push(void *link)
{
    hf_list_push_back(&head, link);
}

static void drop(void *link)
{
    hf_list_remove(link);
}

static void wrong_use_stops(void **unused)
{
    (void)unused;
    hf_list_push_back(&head, &items[0].link);
    assert_true(test_stops(push, &items[0].link));
    assert_true(test_stops(drop, &items[1].link));
    assert_int_equal(as_number(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(order_is_kept, open_list),
        cmocka_unit_test_setup(each_may_remove_its_item, open_list),
        cmocka_unit_test_setup(wrong_use_stops, open_list),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
