#include "base/timer.h"

#include <stddef.h>

static bool before(const struct pxi_timer *a, const struct pxi_timer *b)
{
    return a->at_ns != b->at_ns ? a->at_ns < b->at_ns : a->order < b->order;
}

/* Join two heaps, either of which may be NULL; the roots have no siblings. */
static struct pxi_timer *meld(struct pxi_timer *a, struct pxi_timer *b)
{
    if (!a || !b)
        return a ? a : b;
    if (before(b, a)) {
        struct pxi_timer *t = a;
        a = b;
        b = t;
    }
    b->next = a->child;
    b->prev = a;
    if (a->child)
        a->child->prev = b;
    a->child = b;
    return a;
}

/* Join a row of siblings: pairs from the left, then the pairs from the right. */
static struct pxi_timer *meld_row(struct pxi_timer *first)
{
    struct pxi_timer *pairs = NULL;
    while (first) {
        struct pxi_timer *a = first, *b = a->next;
        first = b ? b->next : NULL;
        a->next = a->prev = NULL;
        if (b)
            b->next = b->prev = NULL;
        a = meld(a, b);
        a->next = pairs;
        pairs = a;
    }
    struct pxi_timer *root = NULL;
    while (pairs) {
        struct pxi_timer *rest = pairs->next;
        pairs->next = NULL;
        root = meld(root, pairs);
        pairs = rest;
    }
    return root;
}

void pxi_timer_disarm(struct pxi_timers *set, struct pxi_timer *t)
{
    if (!t->armed)
        return;
    if (t == set->root) {
        set->root = meld_row(t->child);
    } else {
        if (t->prev->child == t)
            t->prev->child = t->next;
        else
            t->prev->next = t->next;
        if (t->next)
            t->next->prev = t->prev;
        set->root = meld(set->root, meld_row(t->child));
    }
    t->child = t->next = t->prev = NULL;
    t->armed = false;
}

void pxi_timer_arm(struct pxi_timers *set, struct pxi_timer *t, uint64_t at_ns)
{
    pxi_timer_disarm(set, t);
    t->at_ns = at_ns;
    t->order = set->armed_count++;
    t->child = t->next = t->prev = NULL;
    t->armed = true;
    set->root = meld(set->root, t);
}

void pxi_timer_after(struct pxi_timers *set, struct pxi_timer *t, uint64_t delay_ns)
{
    uint64_t at = set->now_ns + delay_ns;
    pxi_timer_arm(set, t, at < delay_ns ? PXI_NEVER : at);
}

uint64_t pxi_timers_next(const struct pxi_timers *set)
{
    return set->root ? set->root->at_ns : PXI_NEVER;
}

void pxi_timers_run(struct pxi_timers *set, uint64_t now_ns)
{
    if (now_ns > set->now_ns)
        set->now_ns = now_ns;
    uint64_t newer = set->armed_count;
    while (set->root && set->root->at_ns <= set->now_ns && set->root->at_ns != PXI_NEVER) {
        struct pxi_timer *t = set->root;
        if (t->order >= newer)
            break; /* armed by one that has just fired */
        pxi_timer_disarm(set, t);
        t->fire(t, set->now_ns);
    }
}
