/* The data directory: opening, locking, listing it, and finding out what its files can do. */
#include "engine/io/pages.h"
#include "engine/io/uring_impl.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { ALIGN_MIN = 512, ALIGN_MAX = 4096, LOCK_TRIES = 200, LOCK_PAUSE_NS = 10000000 };

/* A killed process lets go of its lock only when its last operation ended: wait up to two seconds.
 */
static hf_err lock(hf_uring_node *node, const char *name)
{
    for (uint32_t i = 0; flock(node->data_fd, LOCK_EX | LOCK_NB) != 0; i++) {
        if (errno != EWOULDBLOCK && errno != EINTR) {
            return hf_uring__fail(HF_E_IO, errno, "cannot lock the data directory %s", name);
        }
        if (i == LOCK_TRIES) {
            return hf_uring__fail(
                HF_E_LOCKED, 0, "another process holds the data directory %s; stop it first", name);
        }
        struct timespec pause = { .tv_nsec = LOCK_PAUSE_NS };
        (void)nanosleep(&pause, NULL);
    }
    return HF_OK;
}

/* A file without a name, or one that is unlinked at once where there is no such thing. */
static int open_probe(int dir)
{
    int fd = openat(dir, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd < 0) {
        fd = openat(dir, ".align-probe", O_CREAT | O_RDWR | O_CLOEXEC, 0600);
        if (fd >= 0) {
            (void)unlinkat(dir, ".align-probe", 0);
        }
    }
    return fd;
}

/* What the file system says; 0: it says that it has no O_DIRECT; ALIGN_MAX: it says nothing. */
static uint32_t declared_align(int fd)
{
#ifdef STATX_DIOALIGN
    struct statx st;
    if (statx(fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &st) == 0 &&
        (st.stx_mask & STATX_DIOALIGN) != 0) {
        uint32_t align = st.stx_dio_offset_align;
        align = st.stx_dio_mem_align > align ? st.stx_dio_mem_align : align;
        return align == 0 || align > ALIGN_MIN ? align : ALIGN_MIN;
    }
#else
    (void)fd;
#endif
    return ALIGN_MAX;
}

/* Believes a write, not a declaration: what happens with the smallest block that is said to do? */
static bool direct_write_works(int fd, uint32_t align)
{
    alignas(ALIGN_MAX) static const uint8_t zeros[ALIGN_MAX];
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_DIRECT) != 0) {
        return false;
    }
    return pwrite(fd, zeros, align, (off_t)align) == (ssize_t)align;
}

static hf_err probe(hf_uring_node *node, const char *name)
{
    int fd = open_probe(node->data_fd);
    if (fd < 0) {
        return hf_uring__fail(HF_E_IO, errno, "cannot create a file in the data directory %s",
                              name);
    }
    uint32_t align = declared_align(fd);
    node->file_align = ALIGN_MAX;
    node->direct = false;
    if (align != 0 && align <= ALIGN_MAX && (align & (align - 1)) == 0) {
        node->direct = direct_write_works(fd, align);
        node->file_align = node->direct ? align : ALIGN_MAX;
    }
    (void)close(fd);
    return HF_OK;
}

hf_err hf_uring__open_dir(hf_uring_node *node)
{
    const char *name = node->config.data_path;
    int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
    if (name != NULL) {
        node->data_fd = open(name, flags);
    } else {
        /* Opened again, not duplicated: the lock belongs to the open file. */
        name = "(given open)";
        node->data_fd = openat(node->config.data_fd, ".", flags);
    }
    if (node->data_fd < 0) {
        return hf_uring__fail(errno == ENOENT ? HF_E_NOTFOUND : HF_E_IO, errno,
                              "cannot open the data directory %s", name);
    }
    hf_err err = lock(node, name);
    return err != HF_OK ? err : probe(node, name);
}

/* ---- Listing: at boot only, in memory mapped for the call ----------------------------------- */

typedef struct listing {
    char *names; /* each with its zero */
    size_t size;
    size_t capacity;
    uint32_t count;
} listing;

enum { LISTING_FIRST = 64 * 1024 };

static bool listing_add(listing *all, const char *name)
{
    size_t size = strlen(name) + 1;
    if (all->capacity - all->size < size) {
        void *wider = mremap(all->names, all->capacity, all->capacity * 2, MREMAP_MAYMOVE);
        if (wider == MAP_FAILED) {
            return false;
        }
        all->names = wider;
        all->capacity *= 2;
    }
    memcpy(all->names + all->size, name, size);
    all->size += size;
    all->count++;
    return true;
}

static int name_order(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static hf_err listing_read(listing *all, int fd)
{
    alignas(struct dirent64) char block[16 * 1024];
    for (;;) {
        long size = syscall(SYS_getdents64, fd, block, sizeof block);
        if (size < 0 && errno == EINTR) {
            continue;
        }
        if (size <= 0) {
            return size == 0 ? HF_OK : hf_uring__fail(HF_E_IO, errno, "cannot list a directory");
        }
        for (long at = 0; at < size;) {
            const struct dirent64 *entry = (const void *)(block + at);
            at += entry->d_reclen;
            if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) {
                continue;
            }
            if (!listing_add(all, entry->d_name)) {
                return hf_uring__fail(HF_E_NOMEM, ENOMEM, "cannot list a directory");
            }
        }
    }
}

static hf_err listing_tell(const listing *all, hf_io_name *name, void *context)
{
    if (all->count == 0) {
        return HF_OK;
    }
    size_t size = all->count * sizeof(char *);
    const char **order = hf_pages_map(size, false);
    if (order == NULL) {
        return hf_uring__fail(HF_E_NOMEM, ENOMEM, "cannot sort a directory");
    }
    const char *at = all->names;
    for (uint32_t i = 0; i < all->count; i++) {
        order[i] = at;
        at += strlen(at) + 1;
    }
    qsort(order, all->count, sizeof *order, name_order); /* tidy: qsort at start only */
    for (uint32_t i = 0; i < all->count; i++) {
        name(context, order[i]);
    }
    hf_pages_unmap(order, size);
    return HF_OK;
}

hf_err hf_uring__list(hf_io *io, const char *path, hf_io_name *name, void *context)
{
    const hf_uring_core *core = hf_uring__core(io);
    int fd = openat(core->node->data_fd, path[0] == '\0' ? "." : path,
                    O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return hf_uring__fail(errno == ENOENT ? HF_E_NOTFOUND : HF_E_IO, errno, "cannot list %s",
                              path);
    }
    listing all = { .capacity = LISTING_FIRST };
    hf_err err;
    all.names =
        mmap(NULL, all.capacity, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (all.names == MAP_FAILED) {
        err = hf_uring__fail(HF_E_NOMEM, errno, "cannot list %s", path);
        goto closed;
    }
    err = listing_read(&all, fd);
    if (err == HF_OK) {
        err = listing_tell(&all, name, context);
    }
    (void)munmap(all.names, all.capacity);
closed:
    (void)close(fd);
    return err;
}
