/*
 * Names that stand for addresses (libp2p "addressing", dnsaddr): /dnsaddr/NAME is asked for as the
 * TXT records of _dnsaddr.NAME, each "dnsaddr=ADDRESS". Only the question's name and the answer's
 * bytes here; io/dnsaddr asks.
 */
#ifndef PXI_NET_DNSADDR_H
#define PXI_NET_DNSADDR_H

#include "base/limits.h"
#include "codec/maddr.h"

enum { PXI_DNSADDR_NAME = 256 };

/* The name to ask for, with a zero at its end; false when NAME is too long or no name. */
bool pxi_dnsaddr_name(px_view name, char out[PXI_DNSADDR_NAME]);

struct pxi_dnsaddr {
    unsigned n;
    struct pxi_maddr addr[PXI_LIMIT_DNSADDR_ADDRS];
};

/* Take the addresses out of an answer. want: only those that end with this peer (want->n == 0:
 * all). What is no address is passed over, as other records of the name may have other uses.
 * PX_ERR_PROTOCOL: no well-formed answer; PX_ERR_NOT_FOUND: no address in it. */
px_err pxi_dnsaddr_read(px_view message, const struct pxi_peer *want, struct pxi_dnsaddr *out);

#endif
