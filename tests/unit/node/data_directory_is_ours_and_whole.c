/* Claim: a data directory is opened as what it was made; damage, a newer format, missing parts and
 * somebody else's files are told apart and left as they are. */
#include "engine/base/crc32c.h"
#include "engine/node/datadir.h"
#include "tests/unit/node/node_test.h"

static hf_problem problem;
static char path[64];
static char file[256];
static char name[256];

static hf_exit open_close(uint16_t shards, hf_identity *identity, bool *made)
{
    hf_datadir dir;
    hf_exit code = hf_datadir_open(&dir, path, shards, false, &problem);
    if (code == HF_EXIT_OK) {
        if (identity != NULL) {
            *identity = dir.identity;
        }
        if (made != NULL) {
            *made = dir.made;
        }
        hf_datadir_close(&dir);
    }
    return code;
}

static void made_once(void **unused)
{
    (void)unused;
    hf_identity first;
    hf_identity again;
    bool made;
    struct stat st;
    assert_int_equal(open_close(3, &first, &made), HF_EXIT_OK);
    assert_true(made);
    assert_int_equal(first.shards, 3);
    assert_true(first.node_id != 0);
    assert_int_equal(strlen(first.created), 20);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    assert_int_equal(stat(test_path(name, path, "core-02"), &st), 0);
    assert_true(S_ISDIR(st.st_mode));
    assert_int_equal(st.st_mode & 0777, 0700);
    assert_int_not_equal(access(test_path(name, path, "core-03"), F_OK), 0);
    assert_int_not_equal(access(test_path(name, path, "HOLDFAST.new"), F_OK), 0);

    assert_int_equal(open_close(8, &again, &made), HF_EXIT_OK); /* the number of shards stays */
    assert_false(made);
    assert_memory_equal(&again, &first, sizeof first);
}

static void every_turned_bit_is_seen(void **unused)
{
    (void)unused;
    char whole[HF_DATADIR_IDENTITY];
    char damaged[HF_DATADIR_IDENTITY];
    assert_int_equal(open_close(2, NULL, NULL), HF_EXIT_OK);
    size_t size = test_read(file, whole, sizeof whole);
    for (size_t bit = 0; bit < size * 8; bit++) {
        memcpy(damaged, whole, size);
        damaged[bit / 8] = (char)(damaged[bit / 8] ^ (1 << bit % 8));
        hf_identity identity;
        assert_int_equal(hf_identity_parse(&identity, damaged, size), HF_E_CORRUPT);
    }
    for (size_t cut = 0; cut < size; cut++) {
        hf_identity identity;
        assert_int_equal(hf_identity_parse(&identity, whole, cut), HF_E_CORRUPT);
    }
    whole[9] = '9'; /* "holdfast 9": a newer version, were it not for the checksum */
    test_write(file, whole, size);
    assert_int_equal(open_close(2, NULL, NULL), HF_EXIT_CORRUPT);
    assert_non_null(strstr(problem.text, "/HOLDFAST is damaged"));
    size_t after = test_read(file, damaged, sizeof damaged);
    assert_int_equal(after, size);
    assert_memory_equal(damaged, whole, size); /* nothing was changed */
}

static void put_with_sum(const char *text)
{
    char all[HF_DATADIR_IDENTITY];
    int size = snprintf(all, sizeof all, "%scrc32c %08x\n", text,
                        (unsigned)hf_crc32c(0, text, strlen(text)));
    test_write(file, all, (size_t)size);
}

static void newer_format(void **unused)
{
    (void)unused;
    assert_int_equal(open_close(2, NULL, NULL), HF_EXIT_OK);
    put_with_sum("holdfast 7\nnobody knows what stands here\n");
    assert_int_equal(open_close(2, NULL, NULL), HF_EXIT_VERSION);
    assert_non_null(strstr(problem.text, "has format 7, this binary reads up to 1;"));
}

static void nonsense_with_a_right_sum(void **unused)
{
    (void)unused;
    static const char *const wrong[] = {
        "holdfast 0\nnode 0123456789abcdef\nshards 2\nlog-per core\ncreated x\n",
        "holdfast 1\nnode 0000000000000000\nshards 2\nlog-per core\ncreated x\n",
        "holdfast 1\nnode 0123456789abcde\nshards 2\nlog-per core\ncreated x\n",
        "holdfast 1\nnode 0123456789abcdeg\nshards 2\nlog-per core\ncreated x\n",
        "holdfast 1\nnode 0123456789abcdef\nshards 0\nlog-per core\ncreated x\n",
        "holdfast 1\nnode 0123456789abcdef\nshards 65\nlog-per core\ncreated x\n",
        "holdfast 1\nnode 0123456789abcdef\ncreated x\n",
        "holdfast 1\nnode 0123456789abcdef\nshards 2\ncreated x\n",
        "holdfast 1\nnode 0123456789abcdef\nshards 2\nlog-per disk\ncreated x\n",
        ("holdfast 1\nnode 0123456789abcdef\nshards 2\nlog-per core\ncreated "
         "2026-11-21T13:45:00Z-and-too-long\n"),
        "holdfast 1\nnode 0123456789abcdef\nshards 2\nlog-per core\ncreated x\nmore y\n",
        "holdfast 1\nnode 0123456789abcdef\nshards 2\nlog-per core\ncreated x\nlogs none\n",
        "",
    };
    assert_int_equal(open_close(2, NULL, NULL), HF_EXIT_OK);
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        put_with_sum(wrong[i]);
        assert_int_equal(open_close(2, NULL, NULL), HF_EXIT_CORRUPT);
    }
    put_with_sum("holdfast 1\nnode 0123456789abcdef\nshards 2\nlog-per core\ncreated x\n");
    assert_int_equal(open_close(2, NULL, NULL), HF_EXIT_OK);
}

static void a_shard_is_missing(void **unused)
{
    (void)unused;
    assert_int_equal(open_close(2, NULL, NULL), HF_EXIT_OK);
    assert_int_equal(rmdir(test_path(name, path, "core-01")), 0);
    assert_int_equal(open_close(2, NULL, NULL), HF_EXIT_CORRUPT);
    assert_non_null(strstr(problem.text, "/core-01 is missing, with the data of a shard"));
    assert_int_not_equal(access(name, F_OK), 0);
}

/* A directory whose node was never ready may have empty logs; later they are missed. */
static void a_log_is_missing(void **unused)
{
    (void)unused;
    hf_datadir dir;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(hf_datadir_open(&dir, path, 1, false, &problem), HF_EXIT_OK);
        assert_false(dir.identity.begun);
        hf_datadir_close(&dir);
    }
    for (int i = 0; i < 2; i++) {
        assert_int_equal(hf_datadir_open(&dir, path, 1, false, &problem), HF_EXIT_OK);
        assert_int_equal(dir.identity.begun, i == 1);
        assert_int_equal(hf_datadir_begun(&dir, &problem), HF_EXIT_OK);
        hf_datadir_close(&dir);
        test_write(test_path(name, path, "core-00/log-1"), "x", 1);
    }
    assert_int_equal(unlink(test_path(name, path, "core-00/log-1")), 0);
    assert_int_equal(hf_datadir_open(&dir, path, 1, false, &problem), HF_EXIT_CORRUPT);
    assert_non_null(strstr(problem.text, "/core-00 is empty, but its log has begun"));
}

/* Whether the shards share a log is fixed when the directory is made, and their log is missed. */
static void the_common_log_is_missing(void **unused)
{
    (void)unused;
    hf_datadir dir;
    for (int shared = 1; shared >= 0; shared--) {
        assert_int_equal(hf_datadir_open(&dir, path, 2, shared != 0, &problem), HF_EXIT_OK);
        assert_true(dir.identity.log_shared);
        assert_int_equal(dir.made, shared != 0);
        hf_datadir_close(&dir);
    }
    assert_int_equal(rmdir(test_path(name, path, "device-00")), 0);
    assert_int_equal(hf_datadir_open(&dir, path, 2, true, &problem), HF_EXIT_CORRUPT);
    assert_non_null(strstr(problem.text, "/device-00 is missing, with the log of all shards"));
    assert_int_not_equal(access(name, F_OK), 0);
}

static void the_identity_is_missing(void **unused)
{
    (void)unused;
    assert_int_equal(open_close(2, NULL, NULL), HF_EXIT_OK);
    assert_int_equal(unlink(file), 0);
    test_write(test_path(name, path, "core-01/log-00000001"), "x", 1);
    assert_int_equal(open_close(2, NULL, NULL), HF_EXIT_CORRUPT);
    assert_non_null(strstr(problem.text, "/HOLDFAST is missing but core-01 holds data"));
    assert_int_not_equal(access(file, F_OK), 0);
}

/* A crash while it was made: all names but the last, with anything in the new file. */
static void half_made_is_made_again(void **unused)
{
    (void)unused;
    bool made;
    hf_identity identity;
    assert_int_equal(mkdir(test_path(name, path, "core-00"), 0700), 0);
    assert_int_equal(mkdir(test_path(name, path, "lost+found"), 0700), 0);
    test_write(test_path(name, path, "HOLDFAST.new"), "hold", 4);
    test_write(test_path(name, path, "LOCK"), "", 0);
    assert_int_equal(open_close(2, &identity, &made), HF_EXIT_OK);
    assert_true(made);
    assert_int_equal(identity.shards, 2);
}

static void somebody_elses(void **unused)
{
    (void)unused;
    test_write(test_path(name, path, "diary.txt"), "dear", 4);
    assert_int_equal(open_close(2, NULL, NULL), HF_EXIT_CONFIG);
    assert_non_null(strstr(problem.text, "is not empty and not a data directory (it has "
                                         "\"diary.txt\")"));
    assert_int_not_equal(access(file, F_OK), 0);
    assert_int_equal(unlink(name), 0);
    assert_int_equal(mkdir(test_path(name, path, "src"), 0700), 0);
    assert_int_equal(open_close(2, NULL, NULL), HF_EXIT_CONFIG);
}

static void no_place_for_it(void **unused)
{
    (void)unused;
    hf_datadir dir;
    assert_int_equal(hf_datadir_open(&dir, "/does/not/exist", 2, false, &problem), HF_EXIT_CREATE);
    assert_string_equal(problem.text, "cannot create the data directory /does/not/exist: make the "
                                      "directory above it first");
    test_write(test_path(name, path, "file"), "", 0);
    assert_int_equal(hf_datadir_open(&dir, name, 2, false, &problem), HF_EXIT_CREATE);
    assert_non_null(strstr(problem.text, "Not a directory"));
    mode_t before = umask(0);
    assert_int_equal(hf_datadir_open(&dir, test_path(name, path, "new"), 1, false, &problem),
                     HF_EXIT_OK);
    (void)umask(before);
    hf_datadir_close(&dir);
    struct stat st;
    assert_int_equal(stat(name, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700); /* nobody else reads the data */
}

static int set_up(void **unused)
{
    (void)unused;
    test_make(path);
    (void)test_path(file, path, "HOLDFAST");
    return 0;
}

static int tear_down(void **unused)
{
    (void)unused;
    test_remove(path);
    return 0;
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(made_once),
        CASE(every_turned_bit_is_seen),
        CASE(newer_format),
        CASE(nonsense_with_a_right_sum),
        CASE(the_common_log_is_missing),
        CASE(a_shard_is_missing),
        CASE(a_log_is_missing),
        CASE(the_identity_is_missing),
        CASE(half_made_is_made_again),
        CASE(somebody_elses),
        CASE(no_place_for_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
