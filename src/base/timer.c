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

/* ----------------------------------------------------------------- the wheels */

/* Slots of the first wheel are 2^24 ns long (17 ms), those of the next as long as all of them. */
enum { SLOT_BITS = 24, SLOTS_BITS = 6 };

static unsigned bits_of(unsigned wheel)
{
    return SLOT_BITS + SLOTS_BITS * wheel;
}

static void slot_add(struct pxi_timers *set, unsigned wheel, struct pxi_timer *t)
{
    struct pxi_timer_wheel *w = &set->wheel[wheel];
    unsigned at = (unsigned)(t->at_ns >> bits_of(wheel)) % PXI_TIMER_SLOTS;
    t->wheel = (uint8_t)(wheel + 1);
    t->next = w->slot[at];
    if (t->next)
        t->next->prev = t;
    w->slot[at] = t;
    w->used |= 1ull << at;
}

static void slot_remove(struct pxi_timers *set, struct pxi_timer *t)
{
    struct pxi_timer_wheel *w = &set->wheel[t->wheel - 1];
    unsigned at = (unsigned)(t->at_ns >> bits_of(t->wheel - 1u)) % PXI_TIMER_SLOTS;
    if (t->prev)
        t->prev->next = t->next;
    else
        w->slot[at] = t->next;
    if (t->next)
        t->next->prev = t->prev;
    if (!w->slot[at])
        w->used &= ~(1ull << at);
    t->wheel = 0;
}

/* Where a timer without a place waits: the first wheel that it is not too far for, or the heap. */
static void place(struct pxi_timers *set, struct pxi_timer *t)
{
    for (unsigned i = 0; i < PXI_TIMER_WHEELS; i++) {
        uint64_t slot = t->at_ns >> bits_of(i), moved = set->wheel[i].moved;
        if (slot < moved)
            break;
        if (slot - moved < PXI_TIMER_SLOTS) {
            slot_add(set, i, t);
            return;
        }
    }
    set->root = meld(set->root, t);
}

/* Move the timers of a slot, the first of its wheel that holds any, nearer: to a finer wheel or
 * the heap. */
static void slot_move(struct pxi_timers *set, unsigned wheel, uint64_t slot)
{
    struct pxi_timer_wheel *w = &set->wheel[wheel], *finer = wheel ? w - 1 : NULL;
    unsigned at = (unsigned)(slot % PXI_TIMER_SLOTS);
    struct pxi_timer *t = w->slot[at];
    w->slot[at] = NULL;
    w->used &= ~(1ull << at);
    w->moved = slot + 1;
    if (finer && !finer->used && finer->moved < slot << SLOTS_BITS)
        finer->moved = slot << SLOTS_BITS;
    while (t) {
        struct pxi_timer *next = t->next;
        t->next = t->prev = NULL;
        t->wheel = 0;
        place(set, t);
        t = next;
    }
}

/* The first slot of a wheel that holds any (there is one). */
static uint64_t slot_first(const struct pxi_timer_wheel *w)
{
    unsigned by = w->moved % PXI_TIMER_SLOTS;
    uint64_t turned = by ? w->used >> by | w->used << (PXI_TIMER_SLOTS - by) : w->used;
    return w->moved + (unsigned)__builtin_ctzll(turned);
}

/* Make the root the earliest of all: move what the slots hold that could be due before it. */
static void settle(struct pxi_timers *set)
{
    for (;;) {
        uint64_t begin = PXI_NEVER;
        unsigned wheel = 0;
        for (unsigned i = 0; i < PXI_TIMER_WHEELS; i++) {
            const struct pxi_timer_wheel *w = &set->wheel[i];
            uint64_t at = w->used ? slot_first(w) << bits_of(i) : PXI_NEVER;
            if (at < begin) {
                begin = at;
                wheel = i;
            }
        }
        if (begin == PXI_NEVER || (set->root && set->root->at_ns < begin))
            return;
        slot_move(set, wheel, slot_first(&set->wheel[wheel]));
    }
}

/* Slots that have begun hold nothing any more. */
static void settle_past(struct pxi_timers *set)
{
    for (unsigned i = 0; i < PXI_TIMER_WHEELS; i++) {
        struct pxi_timer_wheel *w = &set->wheel[i];
        uint64_t now = set->now_ns >> bits_of(i), first;
        if (w->moved > now)
            return; /* nor has a slot of a coarser wheel begun since */
        while (w->used && (first = slot_first(w)) <= now)
            slot_move(set, i, first);
        if (w->moved <= now)
            w->moved = now + 1;
    }
}

/* ---------------------------------------------------------------- the heap */

void pxi_timer_disarm(struct pxi_timers *set, struct pxi_timer *t)
{
    if (!t->armed)
        return;
    if (t->wheel) {
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

void pxi_timer_arm(struct pxi_timers *set, struct pxi_timer *t, uint64_t at_ns)
{
    pxi_timer_disarm(set, t);
    t->at_ns = at_ns;
    t->order = set->armed_count++;
    t->child = t->next = t->prev = NULL;
    t->armed = true;
    settle_past(set);
    place(set, t);
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
        if (set->root) { /* the owner of the next one, while this one works */
            __builtin_prefetch((const char *)set->root - 192);
            __builtin_prefetch((const char *)set->root - 128);
            __builtin_prefetch((const char *)set->root - 64);
        }
        t->fire(t, set->now_ns);
    }
}
