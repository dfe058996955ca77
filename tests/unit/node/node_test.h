/* What the tests of engine/node share: cmocka, and directories of their own. */
#ifndef HF_TEST_NODE_H
#define HF_TEST_NODE_H
#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
/* After the others: */
#include <cmocka.h>

/* A new directory; test_remove takes it away with everything in it. */
static inline void test_make(char path[64])
{
    (void)snprintf(path, 64, "%s", "/tmp/hf-unit-XXXXXX");
    assert_non_null(mkdtemp(path));
}

static inline void test_remove_at(int at, const char *name)
{
    if (unlinkat(at, name, 0) == 0) {
        return;
    }
    int fd = openat(at, name, O_RDONLY | O_DIRECTORY);
    assert_true(fd >= 0);
    DIR *all = fdopendir(fd);
    assert_non_null(all);
    for (struct dirent *e = readdir(all); e != NULL; e = readdir(all)) {
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0) {
            test_remove_at(fd, e->d_name);
        }
    }
    closedir(all);
    assert_int_equal(unlinkat(at, name, AT_REMOVEDIR), 0);
}

static inline void test_remove(const char *path)
{
    test_remove_at(AT_FDCWD, path);
}

/* dir/name into out; answers out. */
static inline char *test_path(char out[256], const char *dir, const char *name)
{
    assert_true(snprintf(out, 256, "%s/%s", dir, name) < 256);
    return out;
}

static inline void test_write(const char *path, const char *text, size_t size)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

/* The whole file as a string; answers its size. */
static inline size_t test_read(const char *path, char *out, size_t most)
{
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    size_t size = fread(out, 1, most - 1, file);
    assert_true(size < most - 1);
    out[size] = '\0';
    assert_int_equal(fclose(file), 0);
    return size;
}

#endif
