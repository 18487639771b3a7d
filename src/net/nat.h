/*
 * What kind of NAT we are behind, from what peers tell: the addresses that they see us at
 * (identify), what AutoNAT found, whether a relay or a port mapping is in use. For `plexus status`
 * and doctor.
 */
#ifndef PXI_NET_NAT_H
#define PXI_NET_NAT_H

#include "net/reachability.h"

enum pxi_nat_kind {
    PXI_NAT_UNKNOWN,  /* too few have told */
    PXI_NAT_NONE,     /* we are seen at our own address */
    PXI_NAT_CONE,     /* one port outside for every remote: punching works */
    PXI_NAT_SYMMETRIC /* another port for each remote: stay on the relay */
};

/* Where one remote saw a socket of ours. */
struct pxi_nat_sight {
    struct pxi_endpoint local, seen; /* family, ip, port, via */
    uint8_t remote[16];              /* ip of who told */
    uint8_t remote_n;
};

/* Zeroed is empty. */
struct pxi_nat {
    struct pxi_nat_sight sights[PXI_LIMIT_NAT_SIGHTS]; /* the last ones, a ring */
    unsigned n, next;
    enum pxi_reachability reachability;
    bool relayed, mapped;
};

/* A peer that we dialled (c) says that it sees us at addr. Others tell nothing about a mapping. */
void pxi_nat_observed(struct pxi_nat *n, px_view addr, const struct pxi_conn *c);
/* What the sights of one transport tell (PXI_VIA_TCP or PXI_VIA_QUIC). */
enum pxi_nat_kind pxi_nat_kind_of(const struct pxi_nat *n, int via);
/* A word for people: "none", "cone", "symmetric", "unknown". */
const char *pxi_nat_kind_name(enum pxi_nat_kind k);

#endif
