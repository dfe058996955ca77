/* Every kind of file operation, one after the other in one reactor, on a disk and in memory. */
#include "tests/unit/io/world.h"
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

enum { BLOCK = 8192, MANY = 3000, TMPFS_MAGIC_NUMBER = 0x01021994 };

/* A row: what to ask, and what must come back. file: the handle kept in that place. */
typedef struct step {
    uint8_t kind;
    uint8_t flags;
    uint8_t file;
    const char *path;
    const char *path_to;
    uint64_t size;
    uint64_t offset;
    int64_t result; /* OPEN: 0 means a handle */
} step;

typedef struct script {
    hf_io *io;
    hf_uring_node *node;
    const step *steps;
    uint32_t count;
    uint32_t at;
    hf_io_op op;
    int32_t files[4];
    uint8_t *out;
    uint8_t *in;
} script;

static void next(script *s);

static void step_done(hf_io_op *op, int64_t result)
{
    script *s = op->context;
    const step *done = &s->steps[s->at];
    bool good =
        done->kind == HF_IO_OPEN && done->result == 0 ? result >= 0 : result == done->result;
    if (!good) {
        (void)fprintf(stderr, "step %u: %lld\n", (unsigned)s->at, (long long)result);
    }
    HF_ASSERT(good);
    if (done->kind == HF_IO_OPEN && result >= 0) {
        s->files[done->file] = (int32_t)result;
    }
    if (done->kind == HF_IO_READ && result > 0) {
        HF_ASSERT(memcmp(s->in, s->out + done->offset, (size_t)result) == 0);
    }
    s->at++;
    next(s); /* submitted again from inside done */
}

static void next(script *s)
{
    if (s->at == s->count) {
        hf_uring_stop(s->node);
        return;
    }
    const step *now = &s->steps[s->at];
    s->op = (hf_io_op){ .done = step_done,
                        .context = s,
                        .data = now->kind == HF_IO_READ ? s->in : s->out + now->offset,
                        .offset = now->offset,
                        .size = now->size,
                        .path = now->path,
                        .path_to = now->path_to,
                        .file = s->files[now->file],
                        .kind = now->kind,
                        .flags = now->flags };
    memset(s->in, 0xee, BLOCK * 2);
    hf_io_submit(s->io, &s->op);
}

static void play(const char *parent, const step *steps, uint32_t count)
{
    world w;
    world_open(&w, (hf_uring_config){ 0 }, parent);
    script s = { .io = world_io(&w, 0),
                 .node = w.node,
                 .steps = steps,
                 .count = count,
                 .out = aligned_alloc(4096, BLOCK * 4),
                 .in = aligned_alloc(4096, BLOCK * 4) };
    assert_non_null(s.out);
    assert_non_null(s.in);
    for (uint32_t i = 0; i < BLOCK * 4; i++) {
        s.out[i] = (uint8_t)(i * 7 + i / 256);
    }
    next(&s); /* before the run: starts with it */
    world_start(&w, 0, &world_handler, &s);
    world_join(&w);
    assert_int_equal(s.at, count);
    free(s.out);
    free(s.in);
    world_close(&w);
}

static const step all_steps[] = {
    { .kind = HF_IO_MKDIR, .path = "core-00" },
    { .kind = HF_IO_MKDIR, .path = "core-00" }, /* existing already is success */
    { .kind = HF_IO_MKDIR, .path = "no/such", .result = -ENOENT },
    { .kind = HF_IO_OPEN, .path = "core-00/log", .result = -ENOENT },
    { .kind = HF_IO_OPEN, .path = "core-00/log", .flags = HF_IO_CREATE | HF_IO_DIRECT, .file = 1 },
    { .kind = HF_IO_OPEN,
      .path = "core-00/log",
      .flags = HF_IO_CREATE | HF_IO_EXCLUSIVE,
      .result = -EEXIST },
    { .kind = HF_IO_ALLOCATE, .file = 1, .size = BLOCK * 2 },
    { .kind = HF_IO_READ, .file = 1, .size = BLOCK, .offset = BLOCK * 2 }, /* at the end: 0 */
    { .kind = HF_IO_WRITE, .file = 1, .size = BLOCK, .flags = HF_IO_DURABLE, .result = BLOCK },
    { .kind = HF_IO_WRITE, .file = 1, .size = BLOCK, .offset = BLOCK, .result = BLOCK },
    { .kind = HF_IO_SYNC, .file = 1 },
    { .kind = HF_IO_READ, .file = 1, .size = BLOCK * 2, .result = BLOCK * 2 },
    /* Past the end: less, only there. */
    { .kind = HF_IO_READ, .file = 1, .size = BLOCK * 2, .offset = BLOCK, .result = BLOCK },
    { .kind = HF_IO_CLOSE, .file = 1 },
    { .kind = HF_IO_RENAME, .path = "core-00/log", .path_to = "core-00/old" },
    { .kind = HF_IO_RENAME, .path = "core-00/log", .path_to = "core-00/old", .result = -ENOENT },
    { .kind = HF_IO_SYNC_DIR, .path = "core-00" },
    { .kind = HF_IO_SYNC_DIR, .path = "" }, /* the data directory itself */
    { .kind = HF_IO_SYNC_DIR, .path = "nowhere", .result = -ENOENT },
    { .kind = HF_IO_OPEN, .path = "core-00/old", .flags = HF_IO_READONLY, .file = 2 },
    { .kind = HF_IO_WRITE, .file = 2, .size = 10, .result = -EBADF },
    { .kind = HF_IO_READ, .file = 2, .size = 100, .offset = 77, .result = 100 }, /* buffered */
    { .kind = HF_IO_CLOSE, .file = 2 },
    /* A buffered file of odd length. */
    { .kind = HF_IO_OPEN, .path = "odd", .flags = HF_IO_CREATE, .file = 3 },
    { .kind = HF_IO_WRITE, .file = 3, .size = 1001, .flags = HF_IO_DURABLE, .result = 1001 },
    { .kind = HF_IO_CLOSE, .file = 3 },
    /* Read directly: the end is not at a block. */
    { .kind = HF_IO_OPEN, .path = "odd", .flags = HF_IO_DIRECT, .file = 3 },
    { .kind = HF_IO_READ, .file = 3, .size = BLOCK, .result = 1001 },
    { .kind = HF_IO_CLOSE, .file = 3 },
    { .kind = HF_IO_UNLINK, .path = "odd" },
    { .kind = HF_IO_UNLINK, .path = "odd", .result = -ENOENT },
    { .kind = HF_IO_CLOSE, .file = 3, .result = -EBADF },
};

static void on_a_disk(void **state)
{
    (void)state;
    play(NULL, all_steps, sizeof all_steps / sizeof all_steps[0]);
}

static void in_memory(void **state)
{
    (void)state;
    struct statfs fs;
    if (statfs("/dev/shm", &fs) != 0 || fs.f_type != TMPFS_MAGIC_NUMBER) {
        skip();
    }
    play("/dev/shm", all_steps, sizeof all_steps / sizeof all_steps[0]);
}

/* ---- More operations in one turn than the submission queue holds ---------------------------- */

typedef struct crowd {
    hf_io *io;
    hf_uring_node *node;
    hf_io_op open;
    hf_io_op *ops;
    uint32_t *cells;
    uint32_t done;
    bool reading;
} crowd;

static void cell_done(hf_io_op *op, int64_t result);

static void all_cells(crowd *c, int32_t file, uint8_t kind)
{
    c->done = 0;
    for (uint32_t i = 0; i < MANY; i++) {
        c->ops[i] = (hf_io_op){ .done = cell_done,
                                .context = c,
                                .data = &c->cells[i],
                                .size = sizeof c->cells[i],
                                .offset = i * sizeof c->cells[i],
                                .file = file,
                                .kind = kind };
        hf_io_submit(c->io, &c->ops[i]);
    }
}

static void cell_done(hf_io_op *op, int64_t result)
{
    crowd *c = op->context;
    HF_ASSERT(result == (int64_t)sizeof(uint32_t));
    if (++c->done < MANY) {
        return;
    }
    if (!c->reading) {
        c->reading = true;
        memset(c->cells, 0, MANY * sizeof *c->cells);
        all_cells(c, op->file, HF_IO_READ);
    } else {
        hf_uring_stop(c->node);
    }
}

static void crowd_opened(hf_io_op *op, int64_t result)
{
    crowd *c = op->context;
    HF_ASSERT(result >= 0);
    for (uint32_t i = 0; i < MANY; i++) {
        c->cells[i] = i * i;
    }
    all_cells(c, (int32_t)result, HF_IO_WRITE);
}

static void a_full_queue_loses_nothing(void **state)
{
    (void)state;
    world w;
    world_open(&w, (hf_uring_config){ 0 }, NULL);
    crowd c = { .io = world_io(&w, 0),
                .node = w.node,
                .ops = calloc(MANY, sizeof(hf_io_op)),
                .cells = calloc(MANY, sizeof(uint32_t)) };
    c.open = (hf_io_op){ .done = crowd_opened,
                         .context = &c,
                         .path = "cells",
                         .kind = HF_IO_OPEN,
                         .flags = HF_IO_CREATE };
    hf_io_submit(c.io, &c.open);
    world_start(&w, 0, &world_handler, &c);
    world_join(&w);
    for (uint32_t i = 0; i < MANY; i++) {
        assert_int_equal(c.cells[i], i * i);
    }
    assert_true(hf_uring_stats(c.io)->sq_full > 0);
    free(c.ops);
    free(c.cells);
    world_close(&w);
}

/* ---- The directory -------------------------------------------------------------------------- */

typedef struct names {
    char all[1024];
} names;

static void add_name(void *context, const char *name)
{
    names *n = context;
    size_t used = strlen(n->all);
    (void)snprintf(n->all + used, sizeof n->all - used, "%s ", name);
}

static void list_is_in_byte_order(void **state)
{
    (void)state;
    static const char *const made[] = { "b", "a", "B", "log-2", "log-10", "zz" };
    world w;
    names n = { "" };
    world_open(&w, (hf_uring_config){ 0 }, NULL);
    hf_io *io = world_io(&w, 0);
    assert_int_equal(io->ops->list(io, "", add_name, &n), HF_OK);
    assert_string_equal(n.all, ""); /* opening left nothing behind */
    for (uint32_t i = 0; i < sizeof made / sizeof made[0]; i++) {
        char path[300];
        (void)snprintf(path, sizeof path, "%s/%s", w.path, made[i]);
        assert_int_equal(mkdir(path, 0700), 0);
    }
    assert_int_equal(io->ops->list(io, "", add_name, &n), HF_OK);
    assert_string_equal(n.all, "B a b log-10 log-2 zz ");
    assert_int_equal(io->ops->list(io, "none", add_name, &n), HF_E_NOTFOUND);
    world_close(&w);
}

typedef struct counted {
    uint32_t count;
    char last[300];
} counted;

static void count_name(void *context, const char *name)
{
    counted *c = context;
    assert_true(strcmp(c->last, name) < 0);
    (void)snprintf(c->last, sizeof c->last, "%s", name);
    c->count++;
}

/* More names than the listing's first piece of memory holds. */
static void a_long_list_is_whole(void **state)
{
    (void)state;
    world w;
    counted c = { 0 };
    world_open(&w, (hf_uring_config){ 0 }, NULL);
    hf_io *io = world_io(&w, 0);
    for (uint32_t i = 0; i < 800; i++) {
        char path[600];
        (void)snprintf(path, sizeof path, "%s/%0200u", w.path, (unsigned)(i * 7919 % 800));
        assert_int_equal(mkdir(path, 0700), 0);
    }
    assert_int_equal(io->ops->list(io, "", count_name, &c), HF_OK);
    assert_int_equal(c.count, 800);
    world_close(&w);
}

static void alignment_is_sane(void **state)
{
    (void)state;
    world w;
    world_open(&w, (hf_uring_config){ 0 }, NULL);
    uint32_t align = world_io(&w, 0)->file_align;
    assert_true(align >= 512 && align <= 4096 && (align & (align - 1)) == 0);
    assert_true(world_io(&w, 0)->ops->random(world_io(&w, 0)) !=
                world_io(&w, 0)->ops->random(world_io(&w, 0)));
    print_message("file_align %u, direct %d\n", (unsigned)align, hf_uring_has_direct(w.node));
    world_close(&w);
}

static void a_directory_has_one_holder(void **state)
{
    (void)state;
    world w;
    world_open(&w, (hf_uring_config){ 0 }, NULL);
    hf_uring_config same = { .data_path = w.path };
    assert_null(hf_uring_open(&same));
    assert_int_equal(hf_uring_problem_code(), HF_E_LOCKED);
    assert_non_null(strstr(hf_uring_problem(), w.path));
    hf_uring_config none = { .data_path = "/nonexistent/holdfast" };
    assert_null(hf_uring_open(&none));
    assert_int_equal(hf_uring_problem_code(), HF_E_NOTFOUND);
    world_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(on_a_disk),
        cmocka_unit_test(in_memory),
        cmocka_unit_test(a_full_queue_loses_nothing),
        cmocka_unit_test(list_is_in_byte_order),
        cmocka_unit_test(a_long_list_is_whole),
        cmocka_unit_test(alignment_is_sane),
        cmocka_unit_test(a_directory_has_one_holder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
