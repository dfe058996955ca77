/* Every pattern of up to five of these bytes, against every text of up to three. */
#include "tests/unit/command/fake.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static const char letters[] = "ab*?[]^-\\";
enum { LETTERS = sizeof letters - 1, PATTERN_MAX = 5, TEXTS = 1 + 3 + 9 + 27 };

/* One set: whether `c` is in it; `*p` moves behind it. */
static bool in_set(const char **p, const char *end, char c)
{
    bool negate = *p < end && **p == '^';
    bool found = false;
    *p += negate ? 1 : 0;
    for (; *p < end && **p != ']'; *p += 1) {
        if (**p == '\\' && end - *p >= 2) {
            *p += 1;
            found = found || **p == c;
        } else if (end - *p >= 3 && (*p)[1] == '-') {
            char low = (*p)[0] < (*p)[2] ? (*p)[0] : (*p)[2];
            char high = (*p)[0] < (*p)[2] ? (*p)[2] : (*p)[0];
            found = found || (c >= low && c <= high);
            *p += 2;
        } else {
            found = found || **p == c;
        }
    }
    *p += *p < end ? 1 : 0;
    return found != negate;
}

static bool plain(const char *p, const char *end, const char *text)
{
    if (p == end) {
        return *text == 0;
    }
    if (*p == '*') {
        return plain(p + 1, end, text) || (*text != 0 && plain(p, end, text + 1));
    }
    if (*text == 0) {
        return false;
    }
    if (*p == '?') {
        return plain(p + 1, end, text + 1);
    }
    if (*p == '[') {
        p++;
        bool holds = in_set(&p, end, *text);
        return holds && plain(p, end, text + 1);
    }
    p += *p == '\\' && end - p >= 2 ? 1 : 0;
    return *p == *text && plain(p + 1, end, text + 1);
}

static void all_small_patterns(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",   "a",  "b",  "-",   "]",   "\\",  "*",   "ab",  "ba",
        "aa", "a]", "^a", "a-b", "aab", "aba", "bbb", "a*b", "[a]"
    };
    for (uint32_t size = 0; size <= PATTERN_MAX; size++) {
        uint64_t many = 1;
        for (uint32_t i = 0; i < size; i++) {
            many *= LETTERS;
        }
        for (uint64_t n = 0; n < many; n++) {
            char pattern[PATTERN_MAX + 1] = { 0 };
            uint64_t rest = n;
            for (uint32_t i = 0; i < size; i++, rest /= LETTERS) {
                pattern[i] = letters[rest % LETTERS];
            }
            for (size_t t = 0; t < sizeof texts / sizeof texts[0]; t++) {
                bool ours = hf_glob_match(hf_bytes_of(pattern, size),
                                          hf_bytes_of(texts[t], strlen(texts[t])));
                if (ours != plain(pattern, pattern + size, texts[t])) {
                    fail_msg("%s on %s: %d", pattern, texts[t], ours);
                }
            }
        }
    }
}

static void stars_cost_no_more_than_text_times_pattern(void **state)
{
    (void)state;
    /* Tried one way after the other this would take longer than the universe has. */
    enum { STARS = 64, TEXT = 4096 };
    char pattern[STARS * 2 + 1];
    static char text[TEXT];
    for (int i = 0; i < STARS; i++) {
        memcpy(pattern + 2 * i, "*a", 2);
    }
    pattern[STARS * 2] = 'b';
    memset(text, 'a', sizeof text);
    assert_false(
        hf_glob_match(hf_bytes_of(pattern, sizeof pattern), hf_bytes_of(text, sizeof text)));
}

static void prefix_ends_before_the_first_special(void **state)
{
    (void)state;
    assert_int_equal(hf_glob_prefix(HF_LIT("user:*")), 5);
    assert_int_equal(hf_glob_prefix(HF_LIT("a?")), 1);
    assert_int_equal(hf_glob_prefix(HF_LIT("[a]")), 0);
    assert_int_equal(hf_glob_prefix(HF_LIT("a\\*")), 1);
    assert_int_equal(hf_glob_prefix(HF_LIT("abc")), 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_small_patterns),
        cmocka_unit_test(stars_cost_no_more_than_text_times_pattern),
        cmocka_unit_test(prefix_ends_before_the_first_special),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
