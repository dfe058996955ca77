/* Files: each hf_io_op becomes one operation of the ring, or a few in a row. The op's `made` holds
 * how far it is; nothing else is kept, so there is no bound on the operations in flight. */
#include "engine/io/uring_impl.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

/* made: bits 0-47 bytes moved so far (READ, WRITE) or the directory's descriptor plus 1 (SYNC_DIR);
 * bit 48: buffered, as O_DIRECT was refused (OPEN); bits 56-63: tries. */
enum { FILE_MODE = 0640, DIR_MODE = 0750, MOVE_MAX = 1 << 30, TRIES_MAX = 200 };
#define MADE_MOVED ((UINT64_C(1) << 48) - 1)
#define MADE_BUFFERED (UINT64_C(1) << 48)
#define MADE_TRY (UINT64_C(1) << 56)

static const char *at_root(const char *path)
{
    return path[0] == '\0' ? "." : path;
}

static int open_flags(const hf_uring_core *core, const hf_io_op *op)
{
    int flags = O_CLOEXEC | ((op->flags & HF_IO_READONLY) != 0 ? O_RDONLY : O_RDWR);
    if ((op->flags & HF_IO_CREATE) != 0) {
        flags |= O_CREAT;
    }
    if ((op->flags & HF_IO_EXCLUSIVE) != 0) {
        flags |= O_EXCL;
    }
    if ((op->flags & HF_IO_DIRECT) != 0 && core->node->direct && (op->made & MADE_BUFFERED) == 0) {
        flags |= O_DIRECT;
    }
    return flags;
}

static void prepare_move(struct io_uring_sqe *sqe, const hf_io_op *op)
{
    uint64_t moved = op->made & MADE_MOVED;
    uint64_t left = op->size - moved;
    uint32_t size = left > MOVE_MAX ? MOVE_MAX : (uint32_t)left;
    uint8_t *at = (uint8_t *)op->data + moved;
    hf_uring__check_buffer(at, size);
    if (op->kind == HF_IO_READ) {
        io_uring_prep_read(sqe, op->file, at, size, op->offset + moved);
    } else {
        io_uring_prep_write(sqe, op->file, at, size, op->offset + moved);
        if ((op->flags & HF_IO_DURABLE) != 0) {
            sqe->rw_flags = RWF_DSYNC;
        }
    }
}

static void prepare_sync_dir(struct io_uring_sqe *sqe, const hf_uring_core *core,
                             const hf_io_op *op)
{
    int fd = (int)(op->made & MADE_MOVED) - 1;
    if (fd < 0) {
        io_uring_prep_openat(sqe, core->node->data_fd, at_root(op->path),
                             O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
    } else {
        io_uring_prep_fsync(sqe, fd, 0);
    }
}

static void start(hf_uring_core *core, hf_io_op *op)
{
    struct io_uring_sqe *sqe = hf_uring__sqe(core);
    int dir = core->node->data_fd;
    switch ((hf_io_kind)op->kind) {
    case HF_IO_OPEN:
        io_uring_prep_openat(sqe, dir, op->path, open_flags(core, op), FILE_MODE);
        break;
    case HF_IO_CLOSE:
        io_uring_prep_close(sqe, op->file);
        break;
    case HF_IO_READ:
    case HF_IO_WRITE:
        prepare_move(sqe, op);
        break;
    case HF_IO_SYNC:
        /* Also makes the size durable: a file cannot be read back without it. */
        io_uring_prep_fsync(sqe, op->file, IORING_FSYNC_DATASYNC);
        break;
    case HF_IO_ALLOCATE:
        io_uring_prep_fallocate(sqe, op->file, 0, 0, (off_t)op->size);
        break;
    case HF_IO_RENAME:
        io_uring_prep_renameat(sqe, dir, op->path, dir, op->path_to, 0);
        break;
    case HF_IO_UNLINK:
        io_uring_prep_unlinkat(sqe, dir, op->path, 0);
        break;
    case HF_IO_SYNC_DIR:
        prepare_sync_dir(sqe, core, op);
        break;
    case HF_IO_MKDIR:
        io_uring_prep_mkdirat(sqe, dir, op->path, DIR_MODE);
        break;
    default:
        HF_UNREACHABLE();
    }
    io_uring_sqe_set_data(sqe, op);
}

void hf_uring__submit(hf_io *io, hf_io_op *op)
{
    hf_uring_core *core = hf_uring__core(io);
    HF_PRE(op->kind <= HF_IO_MKDIR && op->done != NULL);
    HF_PRE(((uintptr_t)op & 7) == 0);
    HF_PRE((op->kind != HF_IO_READ && op->kind != HF_IO_WRITE) || op->size <= MADE_MOVED);
    op->made = 0;
    op->next = NULL;
    if (core->running) {
        start(core, op);
    } else if (core->early_first == NULL) {
        core->early_first = core->early_last = op;
    } else {
        core->early_last->next = op;
        core->early_last = op;
    }
}

void hf_uring__start_early(hf_uring_core *core)
{
    while (core->early_first != NULL) {
        hf_io_op *op = core->early_first;
        core->early_first = op->next;
        op->next = NULL;
        start(core, op);
    }
    core->early_last = NULL;
}

/* A read or write came back. True: it goes on; else *result is the whole operation's. */
static bool moved(hf_uring_core *core, hf_io_op *op, int64_t *result)
{
    uint64_t before = op->made & MADE_MOVED;
    if (*result < 0) {
        /* The read after a short one stands at the end of the file, where O_DIRECT may object to
         * the offset instead of answering 0. */
        if (op->kind == HF_IO_READ && before != 0 && *result == -EINVAL) {
            *result = (int64_t)before;
        }
        return false;
    }
    uint64_t after = before + (uint64_t)*result;
    HF_ASSERT(after <= op->size);
    if (after == op->size || (*result == 0 && op->kind == HF_IO_READ)) {
        *result = (int64_t)after;
        return false;
    }
    if (*result == 0) {
        *result = -EIO; /* a write that takes nothing and says nothing */
        return false;
    }
    if (op->kind == HF_IO_WRITE) {
        /* Goes on at an aligned place, in case the file is O_DIRECT: writing some bytes twice is
         * harmless. The error that stopped the first part meets the second. */
        uint64_t aligned = after & ~((uint64_t)core->io.file_align - 1);
        after = aligned > before ? aligned : after;
    }
    op->made = (op->made & ~MADE_MOVED) | after;
    return true;
}

/* The directory was opened, or synced. */
static bool dir_synced(hf_io_op *op, int64_t *result)
{
    int fd = (int)(op->made & MADE_MOVED) - 1;
    if (fd < 0) {
        if (*result < 0) {
            return false;
        }
        op->made = (uint64_t)*result + 1;
        return true;
    }
    /* Only read through: closing it cannot fail in a way that matters. */
    (void)close(fd);
    return false;
}

/* For a file system without fallocate: the length is there, the space is not reserved, so the zeros
 * that the caller writes next may meet a full disk; it must handle that anyhow. */
static int64_t allocate_otherwise(const hf_io_op *op)
{
    struct stat st;
    if (fstat(op->file, &st) != 0) {
        return -errno;
    }
    if ((uint64_t)st.st_size >= op->size) {
        return 0;
    }
    return ftruncate(op->file, (off_t)op->size) == 0 ? 0 : -errno;
}

/* One step of the operation ended. True: there is another one. */
static bool next_step(hf_uring_core *core, hf_io_op *op, int64_t *result)
{
    switch ((hf_io_kind)op->kind) {
    case HF_IO_READ:
    case HF_IO_WRITE:
        return moved(core, op, result);
    case HF_IO_SYNC_DIR:
        return dir_synced(op, result);
    case HF_IO_OPEN:
        if (*result == -EINVAL && (open_flags(core, op) & O_DIRECT) != 0) {
            op->made |= MADE_BUFFERED;
            return true;
        }
        return false;
    case HF_IO_MKDIR:
        *result = *result == -EEXIST ? 0 : *result;
        return false;
    case HF_IO_ALLOCATE:
        *result = *result == -EOPNOTSUPP ? allocate_otherwise(op) : *result;
        return false;
    case HF_IO_CLOSE:
    case HF_IO_SYNC:
    case HF_IO_RENAME:
    case HF_IO_UNLINK:
        return false;
    default:
        HF_UNREACHABLE();
    }
}

/* The run is over: nobody is told, but a descriptor that just came into being is not leaked. */
static void drained(hf_io_op *op, int32_t result)
{
    if (op->kind == HF_IO_OPEN && result >= 0) {
        (void)close(result);
    } else if (op->kind == HF_IO_SYNC_DIR) {
        int fd = (int)(op->made & MADE_MOVED) - 1;
        if (fd >= 0 || result >= 0) {
            (void)close(fd >= 0 ? fd : result);
        }
    }
}

void hf_uring__file_done(hf_uring_core *core, hf_io_op *op, int32_t result)
{
    if (core->draining) {
        drained(op, result);
        return;
    }
    int64_t whole = result;
    bool again = (result == -EINTR || result == -EAGAIN) && op->made / MADE_TRY < TRIES_MAX &&
                 op->kind != HF_IO_CLOSE; /* the descriptor of an interrupted close is gone */
    if (again) {
        op->made += MADE_TRY;
    } else {
        again = next_step(core, op, &whole);
    }
    if (again) {
        start(core, op);
    } else {
        op->done(op, whole);
    }
}
