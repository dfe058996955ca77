/* Each fault of the disk, alone: it happens, it does what its name says, and nothing besides. */
#include "tests/unit/sim/sim_test.h"

#include <errno.h>

enum { SIZE = 8192 };

static hf_world_faults quiet;

static void fill(uint8_t *data, uint8_t value)
{
    memset(data, value, SIZE);
}

static hf_world *booted_from(uint64_t seed, test_node *node, const hf_world_faults *faults,
                             int64_t *file)
{
    hf_world *world = test_world(seed, 1, &quiet);
    test_node_boot(node, world, 1);
    *file = test_open(node, "x", HF_IO_CREATE);
    assert_true(*file >= 0);
    assert_int_equal(test_name(node, HF_IO_SYNC_DIR, "", NULL), 0);
    hf_world_set_faults(world, faults);
    return world;
}

static hf_world *booted(test_node *node, const hf_world_faults *faults, int64_t *file)
{
    return booted_from(7, node, faults, file);
}

static void read_error_is_transient(void **state)
{
    (void)state;
    hf_world_faults faults = quiet;
    faults.read_error = (hf_world_rate){ 1000000, 3 };
    test_node node;
    int64_t file;
    hf_world *world = booted(&node, &faults, &file);
    uint8_t data[SIZE];
    fill(data, 'a');
    assert_int_equal(test_write(&node, file, 0, data, SIZE, HF_IO_DURABLE), SIZE);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(test_read(&node, file, 0, data, SIZE), -EIO);
    }
    assert_int_equal(test_read(&node, file, 0, data, SIZE), SIZE); /* the budget is used */
    assert_int_equal(data[0], 'a');
    assert_int_equal(hf_world_stats_get(world).read_error, 3);
    hf_world_close(world);
}

static void write_error_leaves_any_sectors(void **state)
{
    (void)state;
    hf_world_faults faults = quiet;
    faults.write_error = (hf_world_rate){ 1000000, HF_WORLD_ALWAYS };
    test_node node;
    int64_t file;
    hf_world *world = booted(&node, &quiet, &file);
    uint8_t data[SIZE];
    int mixed = 0;
    for (int i = 0; i < 20; i++) {
        hf_world_set_faults(world, &quiet);
        fill(data, 'a');
        assert_int_equal(test_write(&node, file, 0, data, SIZE, HF_IO_DURABLE), SIZE);
        hf_world_set_faults(world, &faults);
        fill(data, 'b');
        assert_int_equal(test_write(&node, file, 0, data, SIZE, 0), -EIO);
        assert_int_equal(test_read(&node, file, 0, data, SIZE), SIZE);
        bool all = true;
        bool none = true;
        for (int at = 0; at < SIZE; at += HF_DISK_SECTOR) {
            all = all && data[at] == 'b';
            none = none && data[at] == 'a';
        }
        mixed += !all && !none;
    }
    assert_true(mixed > 3);
    assert_int_equal(hf_world_stats_get(world).write_error, 20);
    hf_world_close(world);
}

/* After a failed sync the cache shows the data, the next sync succeeds, and the data is not
 * durable. */
static void fail_a_sync(uint64_t seed)
{
    hf_world_faults faults = quiet;
    faults.sync_error = (hf_world_rate){ 1000000, 1 };
    test_node node;
    int64_t file;
    hf_world *world = booted_from(seed, &node, &quiet, &file);
    uint8_t data[SIZE];
    fill(data, 'a');
    assert_int_equal(test_write(&node, file, 0, data, SIZE, HF_IO_DURABLE), SIZE);
    hf_world_set_faults(world, &faults);
    fill(data, 'b');
    assert_int_equal(test_write(&node, file, 0, data, SIZE, 0), SIZE);
    assert_int_equal(test_file(&node, HF_IO_SYNC, file, 0), -EIO);
    assert_int_equal(test_file(&node, HF_IO_SYNC, file, 0), 0);
    assert_int_equal(test_read(&node, file, 0, data, SIZE), SIZE);
    assert_int_equal(data[0], 'b');
    fill(data, 'c'); /* written anew, it can be made durable */
    assert_int_equal(test_write(&node, file, 4096, data, 4096, 0), 4096);
    assert_int_equal(test_file(&node, HF_IO_SYNC, file, 0), 0);
    hf_world_crash(world, HF_WORLD_POWER);
    hf_disk_file *found = hf_disk_find(hf_world_disk(world), "x");
    assert_int_equal(hf_disk_read(found, 0, data, SIZE), SIZE);
    assert_int_equal(data[0], 'a');
    assert_int_equal(data[4095], 'a');
    assert_int_equal(data[4096], 'c');
    hf_world_close(world);
}

static void failed_sync_is_not_mended_by_the_next(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 20; seed++) {
        fail_a_sync(seed);
    }
}

static void failed_directory_sync_is_not_mended_either(void **state)
{
    (void)state;
    hf_world_faults faults = quiet;
    faults.sync_error = (hf_world_rate){ 1000000, 1 };
    int lost = 0;
    for (int i = 0; i < 30; i++) {
        test_node node;
        hf_world *world = test_world((uint64_t)i, 1, &faults);
        test_node_boot(&node, world, 1);
        assert_true(test_open(&node, "a", HF_IO_CREATE) >= 0);
        assert_int_equal(test_name(&node, HF_IO_SYNC_DIR, "", NULL), -EIO);
        assert_int_equal(test_name(&node, HF_IO_SYNC_DIR, "", NULL), -EIO);
        hf_world_crash(world, HF_WORLD_KILL); /* a new process finds it so */
        test_node_boot(&node, world, 1);
        assert_int_equal(test_name(&node, HF_IO_SYNC_DIR, "", NULL), -EIO);
        assert_true(hf_disk_stuck(hf_world_disk(world)));
        hf_world_crash(world, HF_WORLD_POWER);
        assert_false(hf_disk_stuck(hf_world_disk(world)));
        lost += !test_exists(world, "a");
        hf_world_close(world);
    }
    assert_true(lost > 3);
}

static void name_error_does_nothing(void **state)
{
    (void)state;
    hf_world_faults faults = quiet;
    faults.name_error = (hf_world_rate){ 1000000, 1 };
    test_node node;
    int64_t file;
    hf_world *world = booted(&node, &faults, &file);
    assert_int_equal(test_name(&node, HF_IO_RENAME, "x", "y"), -EIO);
    assert_true(test_exists(world, "x") && !test_exists(world, "y"));
    assert_int_equal(hf_world_stats_get(world).name_error, 1);
    hf_world_close(world);
}

static void full_disk_refuses_growth_only(void **state)
{
    (void)state;
    test_node node;
    int64_t file;
    hf_world *world = booted(&node, &quiet, &file);
    hf_disk *disk = hf_world_disk(world);
    static uint8_t data[SIZE];
    assert_int_equal(test_file(&node, HF_IO_ALLOCATE, file, SIZE), 0);
    hf_disk_limit(disk, SIZE + 1000); /* space goes in blocks of 4 KiB */
    assert_int_equal(test_write(&node, file, 0, data, SIZE, HF_IO_DURABLE), SIZE);
    assert_int_equal(test_write(&node, file, SIZE, data, 512, 0), -ENOSPC);
    assert_int_equal(test_file(&node, HF_IO_ALLOCATE, file, SIZE + 1), -ENOSPC);
    assert_int_equal(hf_disk_size(hf_disk_find(disk, "x")), SIZE);
    assert_int_equal(hf_world_stats_get(world).no_space, 2);
    hf_disk_limit(disk, 0);
    assert_int_equal(test_write(&node, file, SIZE, data, 512, 0), 512);
    hf_world_close(world);
}

static void allocated_is_long_and_may_be_junk(void **state)
{
    (void)state;
    hf_world_faults faults = quiet;
    faults.allocate_junk = true;
    test_node node;
    int64_t file;
    hf_world *world = booted(&node, &faults, &file);
    uint8_t data[SIZE];
    assert_int_equal(test_file(&node, HF_IO_ALLOCATE, file, SIZE), 0);
    assert_int_equal(test_read(&node, file, 0, data, SIZE), SIZE);
    int zeros = 0;
    for (int i = 0; i < SIZE; i++) {
        zeros += data[i] == 0;
    }
    assert_true(zeros < SIZE / 4);
    hf_world_close(world);
}

static void rot_flips_one_durable_bit(void **state)
{
    (void)state;
    hf_world_faults faults = quiet;
    faults.rot = (hf_world_recurring){ 10 * TEST_MS, 1 };
    test_node node;
    int64_t file;
    hf_world *world = booted(&node, &quiet, &file);
    uint8_t data[SIZE];
    fill(data, 'a');
    assert_int_equal(test_write(&node, file, 0, data, SIZE, HF_IO_DURABLE), SIZE);
    hf_world_set_faults(world, &faults);
    (void)hf_world_run(world, hf_world_now(world) + TEST_S, UINT64_MAX);
    assert_int_equal(hf_world_stats_get(world).rot, 1);
    for (int crash = 0; crash < 2; crash++) { /* on the platter, not only in the cache */
        int bits = 0;
        (void)hf_disk_read(hf_disk_find(hf_world_disk(world), "x"), 0, data, SIZE);
        for (int i = 0; i < SIZE; i++) {
            bits += __builtin_popcount(data[i] ^ 'a');
        }
        assert_int_equal(bits, 1);
        hf_world_crash(world, HF_WORLD_POWER);
    }
    hf_world_close(world);
}

static void damage_keeps_to_its_files(void **state)
{
    (void)state;
    hf_world_faults faults = quiet;
    faults.rot = (hf_world_recurring){ 1 * TEST_MS, HF_WORLD_ALWAYS };
    faults.damage_only = "log";
    test_node node;
    int64_t file;
    hf_world *world = booted(&node, &quiet, &file);
    uint8_t data[SIZE];
    fill(data, 'a');
    assert_int_equal(test_write(&node, file, 0, data, SIZE, HF_IO_DURABLE), SIZE);
    hf_world_set_faults(world, &faults);
    (void)hf_world_run(world, hf_world_now(world) + TEST_S, UINT64_MAX);
    assert_int_equal(hf_world_stats_get(world).rot, 0); /* "x" is not such a file */
    hf_world_close(world);
}

/* Writes blocks 0, 1, 2, ... and answers how many of them had come by the time the first was
 * damaged. */
static int writes_until_damage(const hf_world_faults *faults, bool *stray)
{
    test_node node;
    int64_t file;
    hf_world *world = booted(&node, &quiet, &file);
    uint8_t data[SIZE];
    fill(data, 'z');
    for (int i = 0; i < 32; i++) {
        assert_int_equal(test_write(&node, file, (uint64_t)i * 512, data, 512, HF_IO_DURABLE), 512);
    }
    hf_world_set_faults(world, faults);
    int count = 0;
    uint8_t now[512];
    do {
        fill(data, 'a');
        assert_int_equal(test_write(&node, file, (uint64_t)count * 512, data, 512, HF_IO_DURABLE),
                         512);
        count++;
        assert_int_equal(test_read(&node, file, 0, now, 512), 512);
    } while (now[0] == 'a' && count < 31);
    *stray = false;
    for (int i = count; i < 32; i++) {
        assert_int_equal(test_read(&node, file, (uint64_t)i * 512, now, 512), 512);
        *stray = *stray || now[0] == 'a';
    }
    hf_world_stats stats = hf_world_stats_get(world);
    assert_int_equal(stats.lost_write + stats.misdirected_write, count < 31);
    hf_world_close(world);
    return count;
}

static void lost_write_shows_when_confined(void **state)
{
    (void)state;
    bool stray;
    hf_world_faults faults = quiet;
    faults.lost_write = (hf_world_rate){ 1000000, 1 };
    faults.confined = false;
    assert_int_equal(writes_until_damage(&faults, &stray), 1);
    faults.confined = true;
    faults.confined_after = 5;
    assert_int_equal(writes_until_damage(&faults, &stray), 6);
    assert_false(stray);
}

static void misdirected_write_lands_elsewhere(void **state)
{
    (void)state;
    bool stray;
    hf_world_faults faults = quiet;
    faults.misdirected_write = (hf_world_rate){ 1000000, 1 };
    faults.confined = false;
    assert_int_equal(writes_until_damage(&faults, &stray), 1);
    assert_true(stray);
}

typedef struct timed {
    hf_io_op op;
    hf_world *world;
    uint64_t at;
    int *order;
    int number, place;
} timed;

static void timed_done(hf_io_op *op, int64_t result)
{
    timed *t = op->context;
    assert_int_equal(result, 512);
    t->at = hf_world_now(t->world);
    t->place = (*t->order)++;
}

/* Sixty-four writes at once: the longest time, and how many completed before one asked for earlier.
 */
static uint64_t burst(const hf_world_faults *faults, int *overtakes, uint64_t wait_ns)
{
    static uint8_t data[512];
    static timed ops[64];
    test_node node;
    int64_t file;
    int order = 0;
    hf_world *world = booted(&node, faults, &file);
    (void)hf_world_run(world, hf_world_now(world) + wait_ns, UINT64_MAX);
    uint64_t start = hf_world_now(world);
    for (int i = 0; i < 64; i++) {
        ops[i] = (timed){ .world = world, .order = &order, .number = i };
        ops[i].op = (hf_io_op){ .kind = HF_IO_WRITE, .file = (int32_t)file, .size = 512 };
        ops[i].op.data = data;
        ops[i].op.offset = (uint64_t)i * 512;
        ops[i].op.context = &ops[i];
        ops[i].op.done = timed_done;
        hf_io_submit(node.cores[0].io, &ops[i].op);
    }
    while (order < 64) {
        assert_true(hf_world_step(world));
    }
    uint64_t longest = 0;
    *overtakes = 0;
    for (int i = 0; i < 64; i++) {
        longest = ops[i].at - start > longest ? ops[i].at - start : longest;
        *overtakes += ops[i].place != i;
    }
    hf_world_close(world);
    return longest;
}

static void completions_are_reordered_and_late(void **state)
{
    (void)state;
    int overtakes;
    hf_world_faults faults = quiet;
    assert_true(burst(&faults, &overtakes, 0) < 5 * TEST_MS);
    assert_true(overtakes > 10);
    faults.disk_in_order = true;
    assert_true(burst(&faults, &overtakes, 0) < 5 * TEST_MS);
    assert_int_equal(overtakes, 0);
    faults = quiet;
    faults.disk_tail = (hf_world_rate){ 200000, HF_WORLD_ALWAYS };
    faults.disk_tail_ns_max = 400 * TEST_MS;
    assert_true(burst(&faults, &overtakes, 0) > 100 * TEST_MS);
    faults = quiet;
    faults.disk_slow = (hf_world_recurring){ TEST_MS, 1 };
    faults.disk_slow_ns_max = 1000ull * TEST_S;
    faults.disk_slow_factor_max = 50;
    assert_true(burst(&faults, &overtakes, 100 * TEST_MS) > 2 * TEST_MS);
}

int main(void)
{
    quiet = hf_world_faults_none();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(read_error_is_transient),
        cmocka_unit_test(write_error_leaves_any_sectors),
        cmocka_unit_test(failed_sync_is_not_mended_by_the_next),
        cmocka_unit_test(failed_directory_sync_is_not_mended_either),
        cmocka_unit_test(name_error_does_nothing),
        cmocka_unit_test(full_disk_refuses_growth_only),
        cmocka_unit_test(allocated_is_long_and_may_be_junk),
        cmocka_unit_test(rot_flips_one_durable_bit),
        cmocka_unit_test(damage_keeps_to_its_files),
        cmocka_unit_test(lost_write_shows_when_confined),
        cmocka_unit_test(misdirected_write_lands_elsewhere),
        cmocka_unit_test(completions_are_reordered_and_late),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
