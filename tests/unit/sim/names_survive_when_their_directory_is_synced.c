/* Names live in their directory: lost or kept from the end backwards until it is synced. */
#include "tests/unit/sim/sim_test.h"

#include <errno.h>
#include <stdio.h>

static hf_world *booted(test_node *node, uint64_t seed)
{
    hf_world *world = test_world(seed, 1, NULL);
    test_node_boot(node, world, 1);
    test_dir(node);
    return world;
}

static void touch(test_node *node, const char *path)
{
    int64_t file = test_open(node, path, HF_IO_CREATE | HF_IO_EXCLUSIVE);
    assert_true(file >= 0);
    assert_int_equal(test_write(node, file, 0, path, strlen(path), HF_IO_DURABLE), strlen(path));
    assert_int_equal(test_file(node, HF_IO_CLOSE, file, 0), 0);
}

static void synced_names_stay(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 40; seed++) {
        test_node node;
        hf_world *world = booted(&node, seed);
        touch(&node, "core-00/a");
        touch(&node, "core-00/b");
        assert_int_equal(test_name(&node, HF_IO_RENAME, "core-00/b", "core-00/c"), 0);
        assert_int_equal(test_name(&node, HF_IO_UNLINK, "core-00/a", NULL), 0);
        assert_int_equal(test_name(&node, HF_IO_SYNC_DIR, "core-00/", NULL), 0);
        hf_world_crash(world, HF_WORLD_POWER);
        assert_false(test_exists(world, "core-00/a"));
        assert_false(test_exists(world, "core-00/b"));
        assert_true(test_exists(world, "core-00/c"));
        hf_world_close(world);
    }
}

/* Durable content does not make a name durable. A later change never survives an earlier one. */
static void unsynced_names_go_from_the_end(void **state)
{
    (void)state;
    int seen[4] = { 0, 0, 0, 0 };
    for (uint64_t seed = 0; seed < 80; seed++) {
        test_node node;
        hf_world *world = booted(&node, seed);
        touch(&node, "core-00/a");
        touch(&node, "core-00/b");
        touch(&node, "core-00/c");
        hf_world_crash(world, HF_WORLD_POWER);
        bool a = test_exists(world, "core-00/a");
        bool b = test_exists(world, "core-00/b");
        bool c = test_exists(world, "core-00/c");
        assert_true((a || !b) && (b || !c));
        seen[a + b + c]++;
        hf_world_close(world);
    }
    for (int i = 0; i < 4; i++) {
        assert_true(seen[i] > 2);
    }
}

/* Over an existing name: the old file or the new one, whole. */
static void rename_is_atomic(void **state)
{
    (void)state;
    int fresh = 0;
    for (uint64_t seed = 0; seed < 60; seed++) {
        test_node node;
        hf_world *world = booted(&node, seed);
        touch(&node, "core-00/manifest");
        assert_int_equal(test_name(&node, HF_IO_SYNC_DIR, "core-00", NULL), 0);
        touch(&node, "core-00/manifest.new");
        assert_int_equal(test_name(&node, HF_IO_RENAME, "core-00/manifest.new", "core-00/manifest"),
                         0);
        hf_world_crash(world, HF_WORLD_POWER);
        hf_disk_file *file = hf_disk_find(hf_world_disk(world), "core-00/manifest");
        assert_non_null(file);
        bool is_fresh = hf_disk_size(file) == strlen("core-00/manifest.new");
        assert_true(is_fresh || hf_disk_size(file) == strlen("core-00/manifest"));
        assert_true(!is_fresh || !test_exists(world, "core-00/manifest.new"));
        fresh += is_fresh;
        hf_world_close(world);
    }
    assert_true(fresh > 5 && fresh < 55);
}

static void unlinked_may_come_back(void **state)
{
    (void)state;
    int back = 0;
    for (uint64_t seed = 0; seed < 40; seed++) {
        test_node node;
        hf_world *world = booted(&node, seed);
        touch(&node, "core-00/a");
        assert_int_equal(test_name(&node, HF_IO_SYNC_DIR, "core-00", NULL), 0);
        assert_int_equal(test_name(&node, HF_IO_UNLINK, "core-00/a", NULL), 0);
        assert_int_equal(hf_disk_used(hf_world_disk(world)), 0);
        assert_false(test_exists(world, "core-00/a"));
        hf_world_crash(world, HF_WORLD_POWER);
        if (test_exists(world, "core-00/a")) {
            back++;
            assert_int_equal(hf_disk_used(hf_world_disk(world)), 4096);
            assert_int_equal(hf_disk_size(hf_disk_find(hf_world_disk(world), "core-00/a")), 9);
        }
        hf_world_close(world);
    }
    assert_true(back > 5 && back < 35);
}

static void lost_directory_takes_its_files(void **state)
{
    (void)state;
    int lost = 0;
    for (uint64_t seed = 0; seed < 40; seed++) {
        hf_world *world = test_world(seed, 1, NULL);
        test_node node;
        test_node_boot(&node, world, 1);
        assert_int_equal(test_name(&node, HF_IO_MKDIR, "d", NULL), 0);
        touch(&node, "d/a");
        assert_int_equal(test_name(&node, HF_IO_SYNC_DIR, "d", NULL), 0);
        hf_world_crash(world, HF_WORLD_POWER);
        lost += !test_exists(world, "d/a");
        hf_world_close(world);
    }
    assert_true(lost > 5 && lost < 35);
}

static void names_and_errors(void **state)
{
    (void)state;
    test_node node;
    hf_world *world = booted(&node, 1);
    assert_int_equal(test_name(&node, HF_IO_MKDIR, "core-00", NULL), 0); /* there already */
    assert_int_equal(test_open(&node, "core-00/a", 0), -ENOENT);
    assert_int_equal(test_open(&node, "core-01/a", HF_IO_CREATE), -ENOENT);
    assert_int_equal(test_open(&node, "core-00", HF_IO_CREATE), -EISDIR);
    touch(&node, "core-00/a");
    assert_int_equal(test_open(&node, "core-00/a", HF_IO_CREATE | HF_IO_EXCLUSIVE), -EEXIST);
    assert_int_equal(test_name(&node, HF_IO_RENAME, "core-00/b", "core-00/c"), -ENOENT);
    assert_int_equal(test_name(&node, HF_IO_UNLINK, "core-00/b", NULL), -ENOENT);
    assert_int_equal(test_name(&node, HF_IO_SYNC_DIR, "core-01", NULL), -ENOENT);
    hf_world_close(world);
}

static void collect(void *context, const char *name)
{
    char *names = context;
    size_t used = strlen(names);
    snprintf(names + used, 64 - used, "%s ", name);
}

static void lists_are_sorted(void **state)
{
    (void)state;
    test_node node;
    hf_world *world = booted(&node, 1);
    touch(&node, "core-00/c");
    touch(&node, "core-00/a");
    touch(&node, "core-00/b");
    touch(&node, "z");
    hf_io *io = node.cores[0].io;
    char names[64] = "";
    assert_int_equal(io->ops->list(io, "core-00", collect, names), HF_OK);
    assert_string_equal(names, "a b c ");
    names[0] = '\0';
    assert_int_equal(io->ops->list(io, ".", collect, names), HF_OK);
    assert_string_equal(names, "core-00 z ");
    assert_int_equal(io->ops->list(io, "core-01", collect, names), HF_E_NOTFOUND);
    hf_world_close(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(synced_names_stay),
        cmocka_unit_test(unsynced_names_go_from_the_end),
        cmocka_unit_test(rename_is_atomic),
        cmocka_unit_test(unlinked_may_come_back),
        cmocka_unit_test(lost_directory_takes_its_files),
        cmocka_unit_test(names_and_errors),
        cmocka_unit_test(lists_are_sorted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
