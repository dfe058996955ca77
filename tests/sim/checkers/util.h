/* hf_check_map, hf_check_text and growing arrays: the few containers that the checkers share.
 *
 * hf_check_map: (key, tag) -> number, open addressing; hashed by value only, so every run walks
 * alike. hf_check_text: a growing string with printf.
 *
 * Ownership:  libc malloc; when there is no memory the process stops (these are test tools).
 * Threads:    one only.
 */
#ifndef HF_CHECKERS_UTIL_H
#define HF_CHECKERS_UTIL_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

void *hf_check_alloc(size_t count, size_t size); /* zeroed; never NULL, also for count 0 */
/* Makes room for one more item; answers the (moved) array. */
void *hf_check_grow(void *items, uint32_t count, uint32_t *capacity, size_t size);

#define HF_CHECK_NONE UINT32_MAX

typedef struct hf_check_map_slot {
    int64_t key;
    int64_t tag;
    uint32_t value; /* HF_CHECK_NONE: an empty slot */
} hf_check_map_slot;

typedef struct hf_check_map {
    hf_check_map_slot *slots;
    uint32_t capacity; /* a power of two, or 0 */
    uint32_t count;
} hf_check_map;

void hf_check_map_close(hf_check_map *map);
uint32_t hf_check_map_get(const hf_check_map *map, int64_t key,
                          int64_t tag); /* HF_CHECK_NONE: not there */
/* Puts `value` unless the key is there; answers what the map holds now. */
uint32_t hf_check_map_add(hf_check_map *map, int64_t key, int64_t tag, uint32_t value);

typedef struct hf_check_text {
    char *data; /* ends in NUL; NULL while empty */
    uint32_t size;
    uint32_t capacity;
} hf_check_text;

void hf_check_text_close(hf_check_text *text);
void hf_check_text_add(hf_check_text *text, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
const char *hf_check_text_of(const hf_check_text *text); /* never NULL */

#endif
