/*
 * The privileged helper, and how a process without rights asks it. It loads the program, attaches
 * it, passes the descriptors of the program and its maps over a local socket (SCM_RIGHTS), keeps
 * the link, and waits: when the client or the helper is gone, so is the link. It parses no packet.
 *
 * A request is one datagram of a fixed size, an answer another with the descriptors. Both come from
 * the same build or are refused.
 */
#ifndef PXI_IO_XDPD_H
#define PXI_IO_XDPD_H

#include "io/xdp.h"
#include "plexus/view.h"

#define PXI_XDPD_SOCKET "/run/plexus/xdpd.sock"

enum {
    PXI_XDPD_MAGIC = 0x64647870, /* "pxdd" */
    PXI_XDPD_VERSION = 1,
    PXI_XDPD_DEVICE = 16, /* IFNAMSIZ */
    PXI_XDPD_TEXT = 160,
    PXI_XDPD_LEAST_PORT = 1024,
};

/* What a client may choose; every byte that is not a field is 0. */
struct pxi_xdpd_request {
    uint32_t magic, version;
    char device[PXI_XDPD_DEVICE]; /* filled up with zeros; empty: attach nowhere */
    uint32_t address;             /* as in pxi_xdp_options, and so are the next */
    uint16_t port, values;
    uint32_t jobs, slots, chunks;
    uint8_t generic, steered, sentry, k, clip, unused[3];
};

/* With err 0 the descriptors of the program and of the maps, in the order of pxi_xdp_map, come with
 * it. Texts end with a zero. */
struct pxi_xdpd_answer {
    uint32_t magic, version;
    int32_t err; /* px_err */
    uint8_t rung, shared, unused[2];
    char said[PXI_XDPD_TEXT]; /* or what was found wrong */
    char expected[PXI_XDPD_TEXT];
};

/* Whether the sizes of options can be. */
bool pxi_xdp_sane(const struct pxi_xdp_options *o);
/* Bytes of the lanes of a version, and of all maps that options ask for. */
size_t pxi_xdp_lane_bytes(const struct pxi_xdp_options *o);
uint64_t pxi_xdp_map_bytes(const struct pxi_xdp_options *o);

/* Bytes that claim to be a request: false, or options that are sane, within what a client may have,
 * and whose device is NULL or r->device. */
bool pxi_xdpd_read(px_view bytes, struct pxi_xdpd_request *r, struct pxi_xdp_options *out);
/* False: it has no place for these options. */
bool pxi_xdpd_write(const struct pxi_xdp_options *o, struct pxi_xdpd_request *out);
/* Bytes that claim to be an answer. */
bool pxi_xdpd_heard(px_view bytes, struct pxi_xdpd_answer *out);

struct pxi_xdp_loaded;

/* Ask the helper at a socket. PX_ERR_UNREACHABLE: nobody is there; PX_ERR_PERMISSION: we are not
 * one whom it serves; else what it said. */
px_err pxi_xdpd_ask(const char *path, const struct pxi_xdp_options *o, struct pxi_xdp_loaded *out,
                    px_diag *diag);

#endif
