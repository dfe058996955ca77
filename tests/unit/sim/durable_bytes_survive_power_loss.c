/* A power loss takes what was not durable, sector by sector; never what was. A kill takes nothing.
 */
#include "tests/unit/sim/sim_test.h"

enum { SECTORS = 32, SIZE = SECTORS * HF_DISK_SECTOR };

typedef struct found {
    uint32_t fresh, old;
} found;

static found look(hf_world *world, const char *path, uint8_t fresh, uint8_t old)
{
    found f = { 0, 0 };
    uint8_t data[SIZE];
    memset(data, old, sizeof data);
    hf_disk_file *file = hf_disk_find(hf_world_disk(world), path);
    assert_non_null(file);
    (void)hf_disk_read(file, 0, data, sizeof data);
    for (int i = 0; i < SECTORS; i++) {
        uint8_t first = data[i * HF_DISK_SECTOR];
        for (int j = 0; j < HF_DISK_SECTOR; j++) { /* a sector is never torn */
            assert_int_equal(data[i * HF_DISK_SECTOR + j], first);
        }
        assert_true(first == fresh || first == old);
        f.fresh += first == fresh;
        f.old += first == old;
    }
    return f;
}

/* Old content durable, then fresh content by `how`: 0 durable write, 1 write and sync, 2 write
 * only, 3 durable write still in flight. */
static found crash_after(uint64_t seed, int how, hf_world_crash_kind kind)
{
    static uint8_t data[SIZE]; /* must outlive a write in flight */
    hf_world *world = test_world(seed, 1, NULL);
    test_node node;
    test_node_boot(&node, world, 1);
    int64_t file = test_open(&node, "log", HF_IO_CREATE | HF_IO_EXCLUSIVE);
    assert_true(file >= 0);
    assert_int_equal(test_name(&node, HF_IO_SYNC_DIR, ".", NULL), 0);
    memset(data, 'o', sizeof data);
    assert_int_equal(test_write(&node, file, 0, data, SIZE, 0), SIZE);
    assert_int_equal(test_file(&node, HF_IO_SYNC, file, 0), 0);
    memset(data, 'f', sizeof data);
    hf_io_op op = { .kind = HF_IO_WRITE, .file = (int32_t)file, .data = data, .size = SIZE };
    op.flags = HF_IO_DURABLE;
    if (how == 3) {
        op.done = (void (*)(hf_io_op *, int64_t))(uintptr_t)abort;
        hf_io_submit(node.cores[0].io, &op);
        (void)hf_world_run(world, hf_world_now(world) + 5 * TEST_US, UINT64_MAX);
    } else {
        assert_int_equal(test_write(&node, file, 0, data, SIZE, how == 0 ? HF_IO_DURABLE : 0),
                         SIZE);
    }
    if (how == 1) {
        assert_int_equal(test_file(&node, HF_IO_SYNC, file, 0), 0);
    }
    hf_world_crash(world, kind);
    found f = look(world, "log", 'f', 'o');
    if (kind ==
        HF_WORLD_POWER) { /* what was there after it stays: a second loss takes nothing more */
        hf_world_crash(world, kind);
        found again = look(world, "log", 'f', 'o');
        assert_int_equal(again.fresh, f.fresh);
    }
    hf_world_close(world);
    return f;
}

static void durable_survives(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 50; seed++) {
        assert_int_equal(crash_after(seed, 0, HF_WORLD_POWER).fresh, SECTORS);
        assert_int_equal(crash_after(seed, 1, HF_WORLD_POWER).fresh, SECTORS);
    }
}

static void undurable_may_be_lost_in_part(void **state)
{
    (void)state;
    for (int how = 2; how <= 3; how++) {
        int all = 0;
        int none = 0;
        int some = 0;
        for (uint64_t seed = 0; seed < 100; seed++) {
            found f = crash_after(seed, how, HF_WORLD_POWER);
            all += f.fresh == SECTORS;
            none += f.fresh == 0;
            some += f.fresh != 0 && f.old != 0;
        }
        assert_true(all > 2 && none > 2 && some > 2);
    }
}

static void kill_takes_nothing_that_was_written(void **state)
{
    (void)state;
    int all = 0;
    int none = 0;
    for (uint64_t seed = 0; seed < 50; seed++) {
        assert_int_equal(crash_after(seed, 2, HF_WORLD_KILL).fresh, SECTORS);
        found f = crash_after(seed, 3, HF_WORLD_KILL); /* in flight: whole or not at all */
        assert_true(f.fresh == 0 || f.old == 0);
        all += f.old == 0;
        none += f.fresh == 0;
    }
    assert_true(all > 5 && none > 5);
}

/* A page that survived the kill of its process is no more durable for it. */
static void kill_makes_nothing_durable(void **state)
{
    (void)state;
    int lost = 0;
    for (uint64_t seed = 0; seed < 40; seed++) {
        hf_world *world = test_world(seed, 1, NULL);
        test_node node;
        test_node_boot(&node, world, 1);
        int64_t file = test_open(&node, "x", HF_IO_CREATE);
        assert_int_equal(test_name(&node, HF_IO_SYNC_DIR, "", NULL), 0);
        assert_int_equal(test_write(&node, file, 0, "abc", 3, 0), 3);
        hf_world_crash(world, HF_WORLD_KILL);
        assert_int_equal(hf_disk_size(hf_disk_find(hf_world_disk(world), "x")), 3);
        hf_world_crash(world, HF_WORLD_POWER);
        char text[3] = "";
        (void)hf_disk_read(hf_disk_find(hf_world_disk(world), "x"), 0, text, 3);
        lost += memcmp(text, "abc", 3) != 0;
        hf_world_close(world);
    }
    assert_true(lost > 5 && lost < 40);
}

/* A sync covers what ended before it was asked for; not a write that was asked for afterwards. */
static void sync_covers_what_came_before(void **state)
{
    (void)state;
    int lost = 0;
    for (uint64_t seed = 0; seed < 60; seed++) {
        hf_world *world = test_world(seed, 1, NULL);
        test_node node;
        test_node_boot(&node, world, 1);
        int64_t file = test_open(&node, "x", HF_IO_CREATE);
        assert_int_equal(test_name(&node, HF_IO_SYNC_DIR, "", NULL), 0);
        uint8_t data[1024];
        memset(data, 'o', sizeof data);
        assert_int_equal(test_write(&node, file, 0, data, 1024, HF_IO_DURABLE), 1024);
        memset(data, 'f', sizeof data);
        assert_int_equal(test_write(&node, file, 0, data, 512, 0), 512);
        hf_disk *disk = hf_world_disk(world);
        uint64_t before = hf_disk_sequence(disk);
        assert_int_equal(test_write(&node, file, 512, data, 512, 0), 512);
        hf_disk_sync(disk, hf_disk_find(disk, "x"), before);
        hf_world_crash(world, HF_WORLD_POWER);
        (void)hf_disk_read(hf_disk_find(disk, "x"), 0, data, sizeof data);
        assert_int_equal(data[0], 'f');
        lost += data[512] == 'o';
        hf_world_close(world);
    }
    assert_true(lost > 5 && lost < 60);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(durable_survives),
        cmocka_unit_test(undurable_may_be_lost_in_part),
        cmocka_unit_test(kill_takes_nothing_that_was_written),
        cmocka_unit_test(kill_makes_nothing_durable),
        cmocka_unit_test(sync_covers_what_came_before),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
