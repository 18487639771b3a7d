/*
 * Lines of text over a pair of descriptors or a local socket: the control channel of a node. A
 * line is at most LINES_MAX bytes; a longer one ends the channel.
 */
#ifndef PXI_IO_LINES_H
#define PXI_IO_LINES_H

#include "io/loop.h"

enum { PXI_LINES_MAX = 1 << 20 };

struct pxi_lines;

struct pxi_lines_events {
    /* A line without its newline, NUL-terminated. */
    void (*line)(struct pxi_lines *l, const char *text, size_t n);
    /* The other side ended or broke; nothing more comes. The owner closes the channel. */
    void (*ended)(struct pxi_lines *l);
};

/* Read lines of `in`, write lines to `out` (may be the same). Descriptors that are closed with the
 * channel: both when `owned`. NULL: no memory. */
struct pxi_lines *pxi_lines_open(struct pxi_loop *l, int in, int out, bool owned,
                                 const struct pxi_lines_events *on, void *user);
void *pxi_lines_user(struct pxi_lines *l);
void pxi_lines_set_user(struct pxi_lines *l, void *user);
/* Send a line; the newline is added. Lines that a reader leaves lying are kept up to 16 MiB. */
void pxi_lines_send(struct pxi_lines *l, const char *text, size_t n);
/* Close; no event follows. */
void pxi_lines_close(struct pxi_lines *l);

struct pxi_lines_server;
/* Listen at a local socket with mode 0600. A socket that a dead process left is replaced; one that
 * answers is PX_ERR_PERMISSION. `accept` hears of each client, and opens its events. */
px_err pxi_lines_listen(struct pxi_loop *l, const char *path, void (*accept)(void *ctx, int fd),
                        void *ctx, struct pxi_lines_server **out);
/* The same with a local socket that listens already; its path stays when the server closes. */
px_err pxi_lines_adopt(struct pxi_loop *l, int fd, void (*accept)(void *ctx, int fd), void *ctx,
                       struct pxi_lines_server **out);
void pxi_lines_server_close(struct pxi_lines_server *s);

/* A client that reads as many lines as come. */
struct pxi_lines_client;
/* Connect and send one line. PX_ERR_UNREACHABLE: nobody listens. */
px_err pxi_lines_dial(const char *path, const char *line, struct pxi_lines_client **out);
/* Send one more line. PX_ERR_RESET. */
px_err pxi_lines_say(struct pxi_lines_client *c, const char *line);
/* The next line, freed by the caller with pxi_free. timeout_ms 0: one that is there.
 * PX_ERR_TIMEOUT, PX_ERR_RESET. */
px_err pxi_lines_next(struct pxi_lines_client *c, uint64_t timeout_ms, char **line);
/* Readable when the other side has said something, or is gone. */
int pxi_lines_descriptor(const struct pxi_lines_client *c);
void pxi_lines_hangup(struct pxi_lines_client *c);

/* Ask a server one line and wait for one line, which the caller frees with pxi_free.
 * PX_ERR_UNREACHABLE: nobody listens. PX_ERR_TIMEOUT. */
px_err pxi_lines_ask(const char *path, const char *line, uint64_t timeout_ms, char **reply);

#endif
