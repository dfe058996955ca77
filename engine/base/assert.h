/* Assertions: a bug of our own stops the process, in release builds too.
 *
 * HF_ASSERT states what must hold; HF_PRE and HF_POST the same at the two ends of a function;
 * HF_UNREACHABLE a place no path leads to. The simulator installs a hook to print the seed first.
 */
#ifndef HF_BASE_ASSERT_H
#define HF_BASE_ASSERT_H

typedef void hf_assert_hook(const char *file, int line, const char *what);

/* Called before the process aborts; NULL restores the default (a line on stderr). Process-wide. */
void hf_assert_set_hook(hf_assert_hook *hook);
_Noreturn void hf_assert_fail(const char *file, int line, const char *what);

#define HF_ASSERT(condition)                                                                       \
    do {                                                                                           \
        if (__builtin_expect(!(condition), 0)) {                                                   \
            hf_assert_fail(__FILE__, __LINE__, #condition);                                        \
        }                                                                                          \
    } while (0)
#define HF_PRE(condition) HF_ASSERT(condition)
#define HF_POST(condition) HF_ASSERT(condition)
#define HF_UNREACHABLE() hf_assert_fail(__FILE__, __LINE__, "unreachable")

#endif
