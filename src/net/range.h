/*
 * Ranges of a file on a web server, as a machine without I/O: one pxi_range is one connection,
 * which is asked for one range after the other. Bytes of bodies are read to their place at once.
 * All connections share what is known of the file: a size, and a tag that must not change.
 *
 * The driver looks at `state`: with DIAL it connects and says opened, or closed; with ASK it sends
 * what pxi_range_out gives; with HEAD and BODY it reads to where pxi_range_in says; in every state
 * it calls tick at `deadline_ns`. When the state is DONE, `err` and `diag` say how it went.
 */
#ifndef PXI_NET_RANGE_H
#define PXI_NET_RANGE_H

#include "net/url.h"

enum { PXI_RANGE_HEAD = 16384, PXI_RANGE_TAG = 128, PXI_RANGE_TRIES = 6 };

/* The head of an answer. */
struct pxi_range_head {
    unsigned status;
    bool keep, has_length, has_range, coded; /* coded: by other than identity, or in chunks */
    uint64_t length, first, last, total;     /* Content-Length; Content-Range */
    char tag[PXI_RANGE_TAG];                 /* ETag, else Last-Modified, else "" */
    px_view location;                        /* in the text */
};

/*
 * Read a head from the beginning of `in`; *used is its bytes, 0 when it is not all there.
 * PX_ERR_PROTOCOL with the diagnosis.
 */
px_err pxi_range_head_read(px_view in, size_t *used, struct pxi_range_head *out, px_diag *d);

/* A file, and what is known of it. */
struct pxi_range_file {
    struct pxi_url origin, target; /* target: where redirections led */
    unsigned moves;                /* how often the target changed: connections follow */
    bool known;                    /* the first answer came: */
    bool whole;                    /* the server has no ranges; it can only be asked for all */
    uint64_t bytes;
    char tag[PXI_RANGE_TAG];
    uint64_t timeout_ns;
    uint64_t requests, retries; /* counted */
};

enum pxi_range_state {
    PXI_RANGE_IDLE,
    PXI_RANGE_DIAL,  /* connect to file->target */
    PXI_RANGE_ASK,   /* a request is to be sent */
    PXI_RANGE_HEAD_, /* an answer is to be read */
    PXI_RANGE_BODY,
    PXI_RANGE_PAUSE, /* until the deadline */
    PXI_RANGE_DONE,
};

struct pxi_range {
    struct pxi_range_file *file;
    enum pxi_range_state state;
    bool open, used; /* connected; and something was answered on it */
    unsigned moves;  /* the file's, when it was dialled */
    uint64_t at, n, got;
    uint8_t *to;
    unsigned tries, hops;
    uint64_t deadline_ns, limit_ns; /* of the next step; of the whole answer */
    bool keep;
    uint8_t text[PXI_RANGE_HEAD]; /* a request, then the head of its answer */
    size_t text_n, sent;
    px_err err;
    px_diag diag;
};

void pxi_range_init(struct pxi_range *r, struct pxi_range_file *f);

/*
 * Ask for n bytes at `at`, n > 0, to be put at `to`; of a file that is not known yet, for up to n
 * bytes (`got` says how many came). From IDLE and DONE.
 */
void pxi_range_begin(struct pxi_range *r, uint64_t at, uint64_t n, uint8_t *to, uint64_t now_ns);

/* The connection is there. */
void pxi_range_opened(struct pxi_range *r, uint64_t now_ns);
/* It could not be had, or is gone: `err` and `why` are told if this was the last try. With HEAD and
 * BODY the driver has closed it when this returns; it also closes it when `open` is false. */
void pxi_range_closed(struct pxi_range *r, px_err err, const char *why, uint64_t now_ns);
/* What answers there is not what was meant, and will not be the next time. */
void pxi_range_stranger(struct pxi_range *r, px_err err, const char *expected, const char *found);
/* What is to be sent, and how much of it was. */
px_view pxi_range_out(const struct pxi_range *r);
void pxi_range_sent(struct pxi_range *r, size_t n, uint64_t now_ns);
/* Where bytes that come are to be put, *n of them at most; and that so many came. */
uint8_t *pxi_range_in(struct pxi_range *r, size_t *n);
void pxi_range_got(struct pxi_range *r, size_t n, uint64_t now_ns);
/* The time. */
void pxi_range_tick(struct pxi_range *r, uint64_t now_ns);

#endif
