/* Claim: the memory of the machine is the lowest limit of the control groups that we are in. */
#include "engine/node/machine.h"
#include "tests/unit/node/node_test.h"

static char root[64];
static char path[256];

static void put(const char *name, const char *text)
{
    test_write(test_path(path, root, name), text, strlen(text));
}

static void lowest_of_all_above(void **unused)
{
    (void)unused;
    test_make(root);
    assert_int_equal(mkdir(test_path(path, root, "a"), 0700), 0);
    assert_int_equal(mkdir(test_path(path, root, "a/b"), 0700), 0);
    put("a/b/memory.max", "max\n");
    assert_true(hf_machine_group_memory(root, "0::/a/b\n") == UINT64_MAX);
    put("a/memory.max", "1073741824\n");
    assert_true(hf_machine_group_memory(root, "0::/a/b\n") == 1073741824);
    put("a/b/memory.max", "4096\n");
    assert_true(hf_machine_group_memory(root, "3:cpu:/x\n0::/a/b\n") == 4096);
    assert_true(hf_machine_group_memory(root, "0::/a\n") == 1073741824);
    put("memory.max", "512\n"); /* what a container sees of its own group */
    assert_true(hf_machine_group_memory(root, "0::/\n") == 512);
    assert_true(hf_machine_group_memory(root, "0::/a/b\n") == 512);
    assert_true(hf_machine_group_memory(root, "3:memory:/a\n") == UINT64_MAX);
    assert_true(hf_machine_group_memory(root, "") == UINT64_MAX);
    put("a/memory.max", "nonsense");
    put("memory.max", "");
    assert_true(hf_machine_group_memory(root, "0::/a\n") == UINT64_MAX);
    test_remove(root);
}

static void something_there_is(void **unused)
{
    (void)unused;
    assert_true(hf_machine_memory() > UINT64_C(16) << 20);
    uint64_t files = hf_machine_raise_files();
    assert_true(files >= 64);
    assert_true(hf_machine_raise_files() == files);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lowest_of_all_above),
        cmocka_unit_test(something_there_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
