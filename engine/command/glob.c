/* Redis' glob, without recursion: only '*' has no fixed width, so going back to the last '*' alone
 * finds every match, in at most pattern x text steps. */
#include "engine/command/command_impl.h"

/* Matches the set that begins behind '[' at `at`; answers the index behind its ']' (a set without
 * one goes to the end of the pattern). */
static uint32_t match_set(hf_bytes pattern, uint32_t at, uint8_t c, bool *holds)
{
    const uint8_t *p = pattern.data;
    bool negate = at < pattern.size && p[at] == '^';
    bool found = false;
    at += negate ? 1 : 0;
    while (at < pattern.size && p[at] != ']') {
        if (p[at] == '\\' && pattern.size - at >= 2) {
            found = found || p[at + 1] == c;
            at += 2;
        } else if (pattern.size - at >= 3 && p[at + 1] == '-') {
            uint8_t low = p[at] < p[at + 2] ? p[at] : p[at + 2];
            uint8_t high = p[at] < p[at + 2] ? p[at + 2] : p[at];
            found = found || (c >= low && c <= high);
            at += 3;
        } else {
            found = found || p[at] == c;
            at++;
        }
    }
    *holds = found != negate;
    return at < pattern.size ? at + 1 : at;
}

/* Matches one element of the pattern (no '*') against `c`; answers the index behind it. */
static uint32_t match_one(hf_bytes pattern, uint32_t at, uint8_t c, bool *holds)
{
    switch (pattern.data[at]) {
    case '?':
        *holds = true;
        return at + 1;
    case '[':
        return match_set(pattern, at + 1, c, holds);
    case '\\':
        at += pattern.size - at >= 2 ? 1 : 0;
        break;
    default:
        break;
    }
    *holds = pattern.data[at] == c;
    return at + 1;
}

bool hf_glob_match(hf_bytes pattern, hf_bytes text)
{
    uint32_t p = 0;
    uint32_t t = 0;
    uint32_t star = UINT32_MAX; /* index behind the last '*' */
    uint32_t star_text = 0;     /* what it has swallowed ends here */
    while (t < text.size) {
        bool holds = false;
        if (p < pattern.size && pattern.data[p] == '*') {
            star = ++p;
            star_text = t;
            if (p == pattern.size) {
                return true;
            }
            continue;
        }
        uint32_t next = p < pattern.size ? match_one(pattern, p, text.data[t], &holds) : p;
        if (holds) {
            p = next;
            t++;
        } else if (star != UINT32_MAX) {
            p = star;
            t = ++star_text;
        } else {
            return false;
        }
    }
    while (p < pattern.size && pattern.data[p] == '*') {
        p++;
    }
    return p == pattern.size;
}

uint32_t hf_glob_prefix(hf_bytes pattern)
{
    uint32_t count = 0;
    while (count < pattern.size && memchr("*?[\\", pattern.data[count], 4) == NULL) {
        count++;
    }
    return count;
}
