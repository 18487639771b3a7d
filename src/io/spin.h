/*
 * When to look for events again and again instead of sleeping. Sleeping and being woken costs more
 * than a short message: both ends of a ping-pong pay it for every turn. So a loop whose last events
 * came fast looks for the next one for some microseconds before it sleeps. It stops when that was
 * in vain, and when others want the processor. A machine without I/O: times in, decisions out.
 */
#ifndef PXI_IO_SPIN_H
#define PXI_IO_SPIN_H

#include <stdbool.h>
#include <stdint.h>

struct pxi_spin_counts {
    uint64_t waits;  /* times that there was nothing to do */
    uint64_t spins;  /* of these, begun by looking */
    uint64_t hits;   /* of these, ended by an event before sleeping */
    uint64_t misses; /* looked in vain */
    uint64_t taken;  /* the processor was given to somebody else meanwhile */
};

/* Zeroed, with most_ns set, it has seen nothing yet. */
struct pxi_spin {
    uint64_t most_ns;                /* longest time to look; 0: never */
    uint64_t began_ns;               /* of the wait in hand */
    uint64_t looked_ns;              /* last time that nothing was there */
    uint64_t rest_ns, rest_until_ns; /* pause since the processor was taken */
    unsigned streak;                 /* short waits in a row */
    unsigned wanted;                 /* so many begin it, beyond the least */
    unsigned credit;                 /* of hits, to pay misses with */
    bool spinning;
    struct pxi_spin_counts n;
};

/* What came at event_ns is dealt with, and a wait begins at now_ns: look (true) or sleep? */
bool pxi_spin_wait(struct pxi_spin *s, uint64_t event_ns, uint64_t now_ns);

/* Nothing is there at now_ns: look again (true) or sleep? */
bool pxi_spin_look(struct pxi_spin *s, uint64_t now_ns);

#endif
