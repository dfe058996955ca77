#include "engine/base/assert.h"

#include <stdio.h>
#include <stdlib.h>

static hf_assert_hook *assert_hook;

void hf_assert_set_hook(hf_assert_hook *hook)
{
    assert_hook = hook;
}

_Noreturn void hf_assert_fail(const char *file, int line, const char *what)
{
    if (assert_hook != NULL) {
        assert_hook(file, line, what);
    }
    fprintf(stderr, "holdfast: assertion failed at %s:%d: %s\n", file, line, what);
    abort();
}
