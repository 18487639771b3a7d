/*
 * A file on a web server as a window of addresses (base/far.h): its blocks come when they are held,
 * or ahead of that, and go again when others need their room, the least recently used first. Any
 * number of threads may hold. After a fork the child has what was here, and fetches for itself.
 */
#ifndef PXI_IO_PAGER_H
#define PXI_IO_PAGER_H

#include "base/far.h"
#include "net/url.h"

enum { PXI_PAGER_BLOCK = 65536, PXI_PAGER_JOIN = 1 << 20 };

struct pxi_pager;

struct pxi_pager_options {
    uint64_t cache_bytes; /* 0: 1 GiB */
    uint32_t timeout_ms;  /* 0: 10,000 */
};

/* Ask the server for the beginning of the file, and so for its size. What pxi_range may end with;
 * PX_ERR_NOMEM; PX_ERR_LIMIT: a server without ranges, and a file larger than the cache. */
px_err pxi_pager_open(const struct pxi_url *url, const struct pxi_pager_options *o,
                      struct pxi_pager **out, px_diag *d);
/* Nothing is held any more. NULL is allowed. */
void pxi_pager_close(struct pxi_pager *p);

/* The interface, and the addresses: those that are not held may not be read. */
struct pxi_far *pxi_pager_far(struct pxi_pager *p);
px_view pxi_pager_window(const struct pxi_pager *p);
uint64_t pxi_pager_cache(const struct pxi_pager *p);
/* Cut the file like this from now on (at first: in 64 KiB, unchecked). Nothing is held now. */
void pxi_pager_cut(struct pxi_pager *p, const struct pxi_far_cut *cut);

struct pxi_pager_counts {
    uint64_t hits, misses;   /* blocks that were here when they were held; that were not */
    uint64_t ahead, evicted; /* blocks that were asked for ahead; that went again */
    uint64_t bytes, here;    /* that came; that are here */
    uint64_t requests, retries;
    uint64_t wrong, damaged; /* blocks that came wrong; that were so every time */
    uint64_t first_damaged;  /* where the first of those begins */
};
void pxi_pager_counts(struct pxi_pager *p, struct pxi_pager_counts *out);
/* What the last failure was. */
void pxi_pager_why(struct pxi_pager *p, px_diag *d);

#endif
