#include "engine/io/pages.h"
#include "engine/base/assert.h"
#include <errno.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

enum { HUGE_PAGE = 2 * 1024 * 1024 };

static size_t rounded(size_t size)
{
    size_t unit = size >= HUGE_PAGE ? HUGE_PAGE : (size_t)sysconf(_SC_PAGESIZE);
    return (size + unit - 1) / unit * unit;
}

/* Maps one huge page more than needed and gives the two ends back. */
static void *map_aligned(size_t size)
{
    size_t whole = size + HUGE_PAGE;
    uint8_t *at = mmap(NULL, whole, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (at == MAP_FAILED) {
        return NULL;
    }
    size_t before = (HUGE_PAGE - ((uintptr_t)at & (HUGE_PAGE - 1))) & (HUGE_PAGE - 1);
    size_t after = whole - before - size;
    if (before != 0) {
        HF_ASSERT(munmap(at, before) == 0);
    }
    if (after != 0) {
        HF_ASSERT(munmap(at + before + size, after) == 0);
    }
    return at + before;
}

static bool touch_all(uint8_t *at, size_t size)
{
#ifdef MADV_POPULATE_WRITE
    if (madvise(at, size, MADV_POPULATE_WRITE) == 0) {
        return true;
    }
    if (errno != EINVAL) {
        return false; /* ENOMEM; EINVAL is a kernel that does not know the advice */
    }
#endif
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    for (size_t i = 0; i < size; i += page) {
        ((volatile uint8_t *)at)[i] = 0;
    }
    return true;
}

void *hf_pages_map(size_t size, bool touch)
{
    HF_PRE(size != 0);
    void *at;
    size = rounded(size);
    if (size >= HUGE_PAGE) {
        at = map_aligned(size);
    } else {
        at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        at = at == MAP_FAILED ? NULL : at;
    }
    if (at == NULL) {
        return NULL;
    }
    /* A child of fork must not have it: a page that the kernel writes to or reads from for us would
     * be copied to one of the two. */
    HF_ASSERT(madvise(at, size, MADV_DONTFORK) == 0);
    if (size >= HUGE_PAGE) {
        /* A wish: a kernel without huge pages refuses it, and ordinary pages serve. */
        (void)madvise(at, size, MADV_HUGEPAGE);
    }
    if (touch && !touch_all(at, size)) {
        hf_pages_unmap(at, size);
        return NULL;
    }
    return at;
}

void hf_pages_unmap(void *at, size_t size)
{
    if (at != NULL) {
        HF_ASSERT(munmap(at, rounded(size)) == 0);
    }
}
