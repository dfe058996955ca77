/* hf_list: a doubly linked list whose links live in its items; a head is a link of its own.
 *
 * Invariants: a link is on one list (both pointers set) or on none (both NULL).
 * Ownership:  the caller owns items and head; neither may move while linked.
 * Cost:       O(1) each.
 * Threads:    one core only.
 */
#ifndef HF_BASE_LIST_H
#define HF_BASE_LIST_H
#include "engine/base/assert.h"
#include <stdbool.h>
#include <stddef.h>

/* The struct around a member; through void *, so that alignment is not in doubt. */
#define HF_CONTAINER_OF(member_at, type, member)                                                   \
    ((type *)(void *)((char *)(void *)(member_at)-offsetof(type, member)))

typedef struct hf_list {
    struct hf_list *next;
    struct hf_list *prev;
} hf_list;

static inline void hf_list_open(hf_list *head)
{
    head->next = head;
    head->prev = head;
}
static inline bool hf_list_empty(const hf_list *head)
{
    return head->next == head;
}
/* For an item whose link was zeroed or removed before. */
static inline bool hf_list_linked(const hf_list *link)
{
    return link->next != NULL;
}
static inline void hf_list_insert_after(hf_list *at, hf_list *link)
{
    HF_PRE(link->next == NULL && link->prev == NULL);
    link->next = at->next;
    link->prev = at;
    at->next->prev = link;
    at->next = link;
}
static inline void hf_list_push_front(hf_list *head, hf_list *link)
{
    hf_list_insert_after(head, link);
}
static inline void hf_list_push_back(hf_list *head, hf_list *link)
{
    hf_list_insert_after(head->prev, link);
}
static inline void hf_list_remove(hf_list *link)
{
    HF_PRE(link->next != NULL && link->next->prev == link && link->prev->next == link);
    link->next->prev = link->prev;
    link->prev->next = link->next;
    link->next = NULL;
    link->prev = NULL;
}
/* NULL when empty. */
static inline hf_list *hf_list_first(const hf_list *head)
{
    return hf_list_empty(head) ? NULL : head->next;
}
static inline hf_list *hf_list_last(const hf_list *head)
{
    return hf_list_empty(head) ? NULL : head->prev;
}
static inline hf_list *hf_list_pop_front(hf_list *head)
{
    hf_list *link = hf_list_first(head);
    if (link != NULL) {
        hf_list_remove(link);
    }
    return link;
}
/* The link after this one; NULL at the end. */
static inline hf_list *hf_list_after(const hf_list *head, const hf_list *link)
{
    return link->next == head ? NULL : link->next;
}

/* `at` is a hf_list *; the body may remove `at` itself, and nothing else. */
#define HF_LIST_EACH(at, head)                                                                     \
    for (hf_list *at = (head)->next, *at##_next = at->next; at != (head);                          \
         at = at##_next, at##_next = at->next)

#endif
