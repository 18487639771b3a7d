/* Doubly linked lists that live inside their elements: no allocation, removal without a search. */
#ifndef PXI_BASE_LIST_H
#define PXI_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

/* The head of a list, or the place of one element in it. A head points at itself when empty. */
struct pxi_list {
    struct pxi_list *prev, *next;
};

/* The structure of type T that holds the list place p as its member m. */
#define PXI_OF(p, T, m) ((T *)(void *)((char *)(p)-offsetof(T, m)))

static inline void pxi_list_init(struct pxi_list *l)
{
    l->prev = l->next = l;
}

static inline bool pxi_list_empty(const struct pxi_list *l)
{
    return l->next == l;
}

/* Append e, which is in no list. */
static inline void pxi_list_add(struct pxi_list *head, struct pxi_list *e)
{
    e->prev = head->prev;
    e->next = head;
    head->prev->next = e;
    head->prev = e;
}

/* Take e out of its list; e is then a list of its own, so doing it twice is harmless. */
static inline void pxi_list_remove(struct pxi_list *e)
{
    e->prev->next = e->next;
    e->next->prev = e->prev;
    pxi_list_init(e);
}

#endif
