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

/* ------------------------------------------------------------------ the wheel */

enum { SLOT_BITS = 30 };

static unsigned slot_of(const struct pxi_timer *t)
{
    return (unsigned)(t->at_ns >> SLOT_BITS) % PXI_TIMER_SLOTS;
}

static void slot_add(struct pxi_timers *set, struct pxi_timer *t)
{
    struct pxi_timer **head = &set->slot[slot_of(t)];
    t->later = true;
    t->next = *head;
    if (*head)
        (*head)->prev = t;
    *head = t;
    set->used |= 1ull << slot_of(t);
}

static void slot_remove(struct pxi_timers *set, struct pxi_timer *t)
{
    if (t->prev)
        t->prev->next = t->next;
    else
        set->slot[slot_of(t)] = t->next;
    if (t->next)
        t->next->prev = t->prev;
    if (!set->slot[slot_of(t)])
        set->used &= ~(1ull << slot_of(t));
    t->later = false;
}

/* Put the timers of the first slot that holds any into the heap. */
static void slot_move(struct pxi_timers *set, unsigned slot)
{
    struct pxi_timer *t = set->slot[slot];
    set->slot[slot] = NULL;
    set->used &= ~(1ull << slot);
    while (t) {
        struct pxi_timer *next = t->next;
        t->next = t->prev = NULL;
        t->later = false;
        set->root = meld(set->root, t);
        t = next;
    }
}

/* Make the root the earliest of all: move what the slots hold that could be due before it. */
static void settle(struct pxi_timers *set)
{
    while (set->used) {
        unsigned shift = set->moved % PXI_TIMER_SLOTS;
        uint64_t turned =
            shift ? set->used >> shift | set->used << (PXI_TIMER_SLOTS - shift) : set->used;
        uint64_t first = set->moved + (unsigned)__builtin_ctzll(turned);
        if (set->root && set->root->at_ns < first << SLOT_BITS)
            return;
        slot_move(set, (unsigned)(first % PXI_TIMER_SLOTS));
        set->moved = first + 1;
    }
}

/* ---------------------------------------------------------------- the heap */

void pxi_timer_disarm(struct pxi_timers *set, struct pxi_timer *t)
{
    if (!t->armed)
        return;
    if (t->later) {
        slot_remove(set, t);
    } else if (t == set->root) {
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

/* Slots that have begun hold nothing any more: their timers are in the heap. */
static void settle_past(struct pxi_timers *set)
{
    uint64_t now = set->now_ns >> SLOT_BITS;
    for (; set->used && set->moved <= now; set->moved++)
        if (set->used >> set->moved % PXI_TIMER_SLOTS & 1)
            slot_move(set, (unsigned)(set->moved % PXI_TIMER_SLOTS));
    if (set->moved <= now)
        set->moved = now + 1;
}

void pxi_timer_arm(struct pxi_timers *set, struct pxi_timer *t, uint64_t at_ns)
{
    pxi_timer_disarm(set, t);
    t->at_ns = at_ns;
    t->order = set->armed_count++;
    t->child = t->next = t->prev = NULL;
    t->armed = true;
    if (set->moved <= set->now_ns >> SLOT_BITS)
        settle_past(set);
    uint64_t slot = at_ns >> SLOT_BITS;
    if (slot >= set->moved && slot - set->moved < PXI_TIMER_SLOTS)
        slot_add(set, t);
    else
        set->root = meld(set->root, t);
}

void pxi_timer_after(struct pxi_timers *set, struct pxi_timer *t, uint64_t delay_ns)
{
    uint64_t at = set->now_ns + delay_ns;
    pxi_timer_arm(set, t, at < delay_ns ? PXI_NEVER : at);
}

uint64_t pxi_timers_next(struct pxi_timers *set)
{
    settle(set);
    return set->root ? set->root->at_ns : PXI_NEVER;
}

void pxi_timers_run(struct pxi_timers *set, uint64_t now_ns)
{
    if (now_ns > set->now_ns)
        set->now_ns = now_ns;
    uint64_t newer = set->armed_count;
    settle_past(set);
    while (set->root && set->root->at_ns <= set->now_ns && set->root->at_ns != PXI_NEVER) {
        struct pxi_timer *t = set->root;
        if (t->order >= newer)
            break; /* armed by one that has just fired */
        pxi_timer_disarm(set, t);
        t->fire(t, set->now_ns);
    }
}
