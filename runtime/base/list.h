/*
 * list: an intrusive, circular, doubly linked list. The head is a bare `struct list`.
 *
 *     struct list idle; list_init(&idle);
 *     list_push(&idle, &conn->link);
 *     struct conn *c = LIST_ENTRY(list_first(&idle), struct conn, link);
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct list {
    struct list *prev, *next;
};

#define LIST_ENTRY(node, type, member) ((type *)((char *)(node) - offsetof(type, member)))

/* Safe against removal of `it` in the body. */
#define LIST_EACH(it, head)                                                                        \
    for (struct list *it = (head)->next, *it##_next = it->next; it != (head);                      \
         it = it##_next, it##_next = it->next)

static inline void list_init(struct list *l)
{
    l->prev = l->next = l;
}

static inline bool list_is_empty(const struct list *l)
{
    return l->next == l;
}

/* At the end: lists are read oldest first. */
static inline void list_push(struct list *head, struct list *node)
{
    node->prev = head->prev;
    node->next = head;
    head->prev->next = node;
    head->prev = node;
}

/* Removing a node twice does nothing the second time. */
static inline void list_remove(struct list *node)
{
    node->prev->next = node->next;
    node->next->prev = node->prev;
    list_init(node);
}

static inline struct list *list_first(struct list *head)
{
    return list_is_empty(head) ? NULL : head->next;
}

static inline struct list *list_last(struct list *head)
{
    return list_is_empty(head) ? NULL : head->prev;
}
