/* hf_pages: a region of zeroed memory from the kernel, for what a core keeps for its whole life.
 *
 * Regions of 2 MiB and more begin at a multiple of 2 MiB and ask for huge pages, which makes random
 * access to a large table about 1.7 times as fast. Smaller ones begin at a page.
 *
 * Ownership:  the caller's; give it back with the same size.
 */
#ifndef HF_IO_PAGES_H
#define HF_IO_PAGES_H
#include "engine/base/error.h"
#include <stdbool.h>
#include <stddef.h>

/* NULL: the system has not so much. With `touch` every page is backed before it returns, so that no
 * page fault (about 2 us each) is left for the first use, and a machine without the memory says
 * so now and not under load. */
HF_MUST_USE void *hf_pages_map(size_t size, bool touch);
void hf_pages_unmap(void *at, size_t size); /* NULL is ignored */

#endif
