#include "tests/unit/log/fake_io.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

uint64_t fake_draw(fake *f)
{
    f->seed += UINT64_C(0x9e3779b97f4a7c15);
    uint64_t z = f->seed;
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static void path_set(char to[FAKE_PATH], const char *from)
{
    size_t size = strlen(from) + 1;
    assert_true(size <= FAKE_PATH);
    memmove(to, from, size);
}

fake_file *fake_find(fake *f, const char *path)
{
    for (uint32_t i = 0; i < FAKE_FILES; i++) {
        if (f->files[i].used && strcmp(f->files[i].path, path) == 0) {
            return &f->files[i];
        }
    }
    return NULL;
}

static void grow(fake_file *file, uint64_t size, uint8_t fill)
{
    if (size > file->capacity) {
        uint64_t capacity = (size + 65535) & ~UINT64_C(65535);
        file->now = realloc(file->now, capacity);
        file->disk = realloc(file->disk, capacity);
        assert_non_null(file->now);
        assert_non_null(file->disk);
        memset(file->disk + file->capacity, fill, capacity - file->capacity);
        file->capacity = capacity;
    }
    if (size > file->size) {
        memset(file->now + file->size, fill, size - file->size);
        file->size = size;
    }
}

static bool fits(const fake *f, uint64_t more)
{
    uint64_t used = 0;
    for (uint32_t i = 0; i < FAKE_FILES; i++) {
        if (f->files[i].used && f->files[i].path[0] != '\0') {
            used += f->files[i].size;
        }
    }
    return f->space == 0 || used + more <= f->space;
}

static int64_t do_open(fake *f, const hf_io_op *op)
{
    fake_file *file = fake_find(f, op->path);
    if (file != NULL && (op->flags & HF_IO_EXCLUSIVE) != 0) {
        return -EEXIST;
    }
    if (file == NULL) {
        if ((op->flags & HF_IO_CREATE) == 0) {
            return -ENOENT;
        }
        for (uint32_t i = 0; i < FAKE_FILES && file == NULL; i++) {
            if (!f->files[i].used) {
                file = &f->files[i];
            }
        }
        assert_non_null(file);
        memset(file, 0, sizeof *file);
        file->used = true;
        path_set(file->path, op->path);
    }
    file->opened++;
    return file - f->files;
}

static void check_aligned(const fake *f, const hf_io_op *op)
{
    assert_int_equal((uintptr_t)op->data % f->io.file_align, 0);
    assert_int_equal(op->offset % f->io.file_align, 0);
    assert_int_equal(op->size % f->io.file_align, 0);
}

static int64_t do_read(fake *f, const hf_io_op *op)
{
    check_aligned(f, op);
    fake_file *file = &f->files[op->file];
    if (op->offset >= file->size) {
        return 0;
    }
    uint64_t size = file->size - op->offset < op->size ? file->size - op->offset : op->size;
    memcpy(op->data, file->now + op->offset, size);
    return (int64_t)size;
}

static int64_t do_write(fake *f, const hf_io_op *op)
{
    check_aligned(f, op);
    fake_file *file = &f->files[op->file];
    uint64_t end = op->offset + op->size;
    if (end > file->size) {
        if (!fits(f, end - file->size)) {
            return -ENOSPC;
        }
        grow(file, end, 0);
    }
    memcpy(file->now + op->offset, op->data, op->size);
    if ((op->flags & HF_IO_DURABLE) != 0) {
        f->writes_durable++;
        memcpy(file->disk + op->offset, op->data, op->size);
        file->size_disk = file->size_disk < end ? end : file->size_disk;
    }
    return (int64_t)op->size;
}

static int64_t do_allocate(fake *f, const hf_io_op *op)
{
    fake_file *file = &f->files[op->file];
    if (op->size > file->size) {
        if (!fits(f, op->size - file->size)) {
            return -ENOSPC;
        }
        grow(file, op->size, 0xa5); /* contents undefined */
    }
    return 0;
}

static bool in_dir(const char *path, const char *dir)
{
    size_t size = strlen(dir);
    return strncmp(path, dir, size) == 0 && path[size] == '/';
}

static void free_file(fake_file *file)
{
    free(file->now);
    free(file->disk);
    memset(file, 0, sizeof *file);
}

static void drop_unused(fake_file *file)
{
    if (file->used && file->opened == 0 && file->path[0] == '\0' && file->durable[0] == '\0') {
        free_file(file);
    }
}

static void do_sync_dir(fake *f, const char *dir)
{
    for (uint32_t i = 0; i < FAKE_FILES; i++) {
        fake_file *file = &f->files[i];
        if (file->used && (in_dir(file->path, dir) || in_dir(file->durable, dir))) {
            path_set(file->durable, file->path);
            drop_unused(file);
        }
    }
}

static int64_t do_rename(fake *f, const hf_io_op *op)
{
    fake_file *file = fake_find(f, op->path);
    if (file == NULL) {
        return -ENOENT;
    }
    fake_file *over = fake_find(f, op->path_to);
    if (over != NULL) {
        over->path[0] = '\0';
        drop_unused(over);
    }
    path_set(file->path, op->path_to);
    return 0;
}

static int64_t do_op(fake *f, const hf_io_op *op)
{
    fake_file *file = NULL;
    switch ((hf_io_kind)op->kind) {
    case HF_IO_OPEN:
        return do_open(f, op);
    case HF_IO_CLOSE:
        f->files[op->file].opened--;
        drop_unused(&f->files[op->file]);
        return 0;
    case HF_IO_READ:
        return do_read(f, op);
    case HF_IO_WRITE:
        return do_write(f, op);
    case HF_IO_SYNC:
        file = &f->files[op->file];
        if (file->size != 0) {
            memcpy(file->disk, file->now, file->size);
        }
        file->size_disk = file->size;
        return 0;
    case HF_IO_ALLOCATE:
        return do_allocate(f, op);
    case HF_IO_RENAME:
        return do_rename(f, op);
    case HF_IO_UNLINK:
        file = fake_find(f, op->path);
        if (file == NULL) {
            return -ENOENT;
        }
        file->path[0] = '\0';
        drop_unused(file);
        return 0;
    case HF_IO_SYNC_DIR:
        do_sync_dir(f, op->path);
        return 0;
    case HF_IO_MKDIR:
        return 0;
    }
    fail();
    return 0;
}

bool fake_step(fake *f)
{
    if (f->pending_count == 0) {
        return false;
    }
    uint32_t at = 0;
    if (f->order == FAKE_NEWEST) {
        at = f->pending_count - 1;
    } else if (f->order == FAKE_RANDOM) {
        at = (uint32_t)(fake_draw(f) % f->pending_count);
    }
    hf_io_op *op = f->pending[at];
    f->pending_count--;
    memmove(f->pending + at, f->pending + at + 1, (f->pending_count - at) * sizeof f->pending[0]);
    f->done++;
    f->io.now_ns += 100000;
    int64_t result;
    if (f->fail_result != 0 && op->kind == f->fail_kind && ++f->fail_seen == f->fail_at) {
        result = f->fail_result;
    } else {
        result = do_op(f, op);
    }
    op->done(op, result);
    return true;
}

/* ---- Crash ---- */

static bool keep(fake *f, fake_torn torn, uint64_t index, uint64_t count)
{
    switch (torn) {
    case FAKE_NONE:
        return false;
    case FAKE_ALL:
        return true;
    case FAKE_EVEN:
        return index % 2 == 0;
    case FAKE_ODD:
        return index % 2 == 1;
    case FAKE_FIRST:
        return index < (count + 1) / 2;
    case FAKE_LAST:
        return index >= (count + 1) / 2;
    case FAKE_DRAWN:
    case FAKE_TORN_COUNT:
        break;
    }
    return fake_draw(f) % 2 == 0;
}

static void crash_write(fake *f, const hf_io_op *op, fake_torn torn)
{
    fake_file *file = &f->files[op->file];
    for (uint64_t i = 0; i < op->size / FAKE_SECTOR; i++) {
        uint64_t to = op->offset + (i + 1) * FAKE_SECTOR;
        if (keep(f, torn, i, op->size / FAKE_SECTOR)) {
            grow(file, to, 0);
            memcpy(file->now + to - FAKE_SECTOR, (uint8_t *)op->data + i * FAKE_SECTOR,
                   FAKE_SECTOR);
        }
    }
}

static void crash_file(fake *f, fake_file *file, fake_torn torn)
{
    uint64_t sectors = (file->size + FAKE_SECTOR - 1) / FAKE_SECTOR;
    for (uint64_t i = 0; i < sectors; i++) {
        uint64_t at = i * FAKE_SECTOR;
        uint64_t size = file->size - at < FAKE_SECTOR ? file->size - at : FAKE_SECTOR;
        if (memcmp(file->now + at, file->disk + at, size) != 0 && keep(f, torn, i, sectors)) {
            memcpy(file->disk + at, file->now + at, size);
            uint64_t end = at + size;
            file->size_disk = file->size_disk < end ? end : file->size_disk;
        }
    }
    file->size = file->size_disk;
    if (file->size != 0) {
        memcpy(file->now, file->disk, file->size);
    }
}

void fake_crash(fake *f, fake_torn torn)
{
    for (uint32_t i = 0; i < f->pending_count; i++) {
        if (f->pending[i]->kind == HF_IO_WRITE) {
            crash_write(f, f->pending[i], torn);
        }
    }
    f->pending_count = 0;
    bool names = torn == FAKE_ALL || (torn == FAKE_DRAWN && fake_draw(f) % 2 == 0);
    for (uint32_t i = 0; i < FAKE_FILES; i++) {
        fake_file *file = &f->files[i];
        if (!file->used) {
            continue;
        }
        file->opened = 0;
        if (names) {
            path_set(file->durable, file->path);
        } else {
            path_set(file->path, file->durable);
        }
        if (file->path[0] == '\0') {
            free_file(file);
        } else {
            crash_file(f, file, torn);
        }
    }
}

void fake_kill(fake *f)
{
    for (uint32_t i = 0; i < f->pending_count; i++) {
        if (f->pending[i]->kind == HF_IO_WRITE) {
            crash_write(f, f->pending[i], FAKE_ALL);
        }
    }
    f->pending_count = 0;
    for (uint32_t i = 0; i < FAKE_FILES; i++) {
        f->files[i].opened = 0;
    }
}

/* ---- By hand ---- */

void fake_poke(fake *f, const char *path, uint64_t offset, const void *data, uint64_t size)
{
    fake_file *file = fake_find(f, path);
    assert_non_null(file);
    assert_true(offset + size <= file->size);
    memcpy(file->now + offset, data, size);
    memcpy(file->disk + offset, data, size);
}

void fake_flip(fake *f, const char *path, uint64_t offset)
{
    fake_file *file = fake_find(f, path);
    assert_non_null(file);
    uint8_t byte = (uint8_t)(file->now[offset] ^ 0x40);
    fake_poke(f, path, offset, &byte, 1);
}

void fake_remove(fake *f, const char *path)
{
    fake_file *file = fake_find(f, path);
    assert_non_null(file);
    free_file(file);
}

uint32_t fake_count(const fake *f, const char *prefix)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < FAKE_FILES; i++) {
        count += f->files[i].used && strncmp(f->files[i].path, prefix, strlen(prefix)) == 0;
    }
    return count;
}

static void submit(hf_io *io, hf_io_op *op)
{
    fake *f = (fake *)io->context;
    assert_true(f->pending_count < FAKE_PENDING);
    for (uint32_t i = 0; i < f->pending_count; i++) {
        assert_ptr_not_equal(f->pending[i], op);
    }
    f->pending[f->pending_count++] = op;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static hf_err list(hf_io *io, const char *path, hf_io_name *name, void *context)
{
    fake *f = (fake *)io->context;
    const char *names[FAKE_FILES];
    uint32_t count = 0;
    for (uint32_t i = 0; i < FAKE_FILES; i++) {
        if (f->files[i].used && in_dir(f->files[i].path, path)) {
            names[count++] = f->files[i].path + strlen(path) + 1;
        }
    }
    qsort(names, count, sizeof names[0], by_name);
    for (uint32_t i = 0; i < count; i++) {
        name(context, names[i]);
    }
    return HF_OK;
}

static void fatal(hf_io *io, int code, const char *message)
{
    (void)code;
    (void)message;
    ((fake *)io->context)->fatal = true;
}

static const hf_io_ops fake_ops = { .submit = submit, .list = list, .fatal = fatal };

void fake_open(fake *f, uint32_t align, uint64_t seed)
{
    memset(f, 0, sizeof *f);
    f->io.ops = &fake_ops;
    f->io.context = f;
    f->io.file_align = align;
    f->io.now_ns = 1000000000;
    f->seed = seed;
}

void fake_close(fake *f)
{
    for (uint32_t i = 0; i < FAKE_FILES; i++) {
        if (f->files[i].used) {
            free_file(&f->files[i]);
        }
    }
}

void fake_copy(fake *to, const fake *from)
{
    fake_open(to, from->io.file_align, from->seed);
    to->io.now_ns = from->io.now_ns;
    for (uint32_t i = 0; i < FAKE_FILES; i++) {
        const fake_file *file = &from->files[i];
        if (!file->used || file->path[0] == '\0') {
            continue;
        }
        fake_file *copy = &to->files[i];
        *copy = *file;
        copy->opened = 0;
        copy->now = malloc(file->capacity);
        copy->disk = malloc(file->capacity);
        assert_true(copy->now != NULL && copy->disk != NULL);
        memcpy(copy->now, file->now, file->size);
        memcpy(copy->disk, file->disk, file->capacity);
    }
}
