/* Runs a fuzz target over its corpus where libFuzzer is absent (gcc).
 *
 * Every file is given whole, cut short, and with bits turned: at every byte of a short file, at
 * evenly spread places of a long one. Always the same inputs, in the same order.
 */
#include "tests/fuzz/fuzz.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    PLACES_MAX = 1024,            /* cuts, and turned bits, per file */
    INPUT_MAX = 16 * 1024 * 1024, /* bytes of one corpus file */
};

static void must(int ok, const char *what, const char *path)
{
    if (!ok) {
        fprintf(stderr, "replay: cannot %s %s: %s\n", what, path, strerror(errno));
        exit(1);
    }
}

/* A block of exactly `size` bytes, and not one more: see fuzz.h. */
static void give(const uint8_t *data, size_t size)
{
    uint8_t *exact = malloc(size);
    must(exact != NULL || size == 0, "allocate", "an input");
    if (size != 0) {
        memcpy(exact, data, size);
    }
    if (LLVMFuzzerTestOneInput(exact, size) != 0) {
        fprintf(stderr, "replay: the target did not return 0\n");
        exit(1);
    }
    free(exact);
}

static void give_all(uint8_t *data, size_t size)
{
    give(data, size);
    size_t places = size < PLACES_MAX ? size : PLACES_MAX;
    for (size_t i = 0; i < places; i++) {
        size_t at = size * i / places;
        give(data, at);
        uint8_t bit = (uint8_t)(1U << (i % 8));
        data[at] ^= bit;
        give(data, size);
        data[at] ^= bit;
        uint8_t kept = data[at];
        data[at] = 0xff;
        give(data, size);
        data[at] = kept;
    }
}

static void replay_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    must(file != NULL, "open", path);
    uint8_t *data = malloc(INPUT_MAX);
    must(data != NULL, "allocate for", path);
    size_t size = fread(data, 1, INPUT_MAX, file);
    must(!ferror(file), "read", path);
    if (size == INPUT_MAX) {
        fprintf(stderr, "replay: %s is too large\n", path);
        exit(1);
    }
    fclose(file);
    printf("%s: %zu bytes\n", path, size);
    fflush(stdout); /* a target that dies is known by the last line */
    give_all(data, size);
    free(data);
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: %s CORPUS_FOLDER|FILE\n", argv[0]);
        return 2;
    }
    struct dirent **names = NULL;
    int count = scandir(argv[1], &names, NULL, alphasort);
    if (count < 0 && errno == ENOTDIR) {
        replay_file(argv[1]);
        return 0;
    }
    must(count >= 0, "list", argv[1]);
    int files = 0;
    for (int i = 0; i < count; i++) {
        if (names[i]->d_name[0] != '.') {
            char path[4096];
            int length = snprintf(path, sizeof path, "%s/%s", argv[1], names[i]->d_name);
            must(length > 0 && (size_t)length < sizeof path, "name", names[i]->d_name);
            replay_file(path);
            files++;
        }
        free(names[i]);
    }
    free(names);
    if (files == 0) {
        fprintf(stderr, "replay: no file in %s\n", argv[1]);
        return 1;
    }
    return 0;
}
