/*
 * Multiaddrs: self-describing addresses such as /ip4/192.0.2.1/udp/4001/quic-v1/p2p/12D3Koo...
 * The binary form is the one that travels and the one that the code passes around, as a px_view;
 * text is for people. A view is only trusted after pxi_maddr_check or when we made it.
 */
#ifndef PXI_CODEC_MADDR_H
#define PXI_CODEC_MADDR_H

#include "base/mem.h"
#include "codec/peer.h"

enum {
    PXI_MADDR_MAX = 512,   /* longest binary form that we accept */
    PXI_MADDR_TEXT = 1200, /* room for the text of any of them, with its NUL */
};

/* Protocol codes of the multicodec table. */
enum pxi_maddr_code {
    PXI_MA_IP4 = 4,
    PXI_MA_TCP = 6,
    PXI_MA_IP6 = 41,
    PXI_MA_IP6ZONE = 42,
    PXI_MA_DNS = 53,
    PXI_MA_DNS4 = 54,
    PXI_MA_DNS6 = 55,
    PXI_MA_DNSADDR = 56,
    PXI_MA_UDP = 273,
    PXI_MA_P2P_CIRCUIT = 290,
    PXI_MA_P2P = 421,
    PXI_MA_TLS = 448,
    PXI_MA_SNI = 449,
    PXI_MA_QUIC_V1 = 461,
    PXI_MA_WS = 477,
    PXI_MA_WSS = 478,
    PXI_MA_MEMORY = 777,
};

/* One component of an address; value is borrowed (without its length prefix). */
struct pxi_maddr_part {
    uint32_t code;
    px_view value;
    size_t offset; /* of the component in the address */
};

/* Owned by value. */
struct pxi_maddr {
    uint16_t n;
    uint8_t b[PXI_MADDR_MAX];
};

static inline px_view pxi_maddr_view(const struct pxi_maddr *a)
{
    return px_view_of(a->b, a->n);
}

/* Step through an address: *at starts at 0. true while there is a part; false at the end and at a
 * fault (then *at is the offset of the fault, before the end). */
bool pxi_maddr_next(px_view addr, size_t *at, struct pxi_maddr_part *part);

/* Check a binary address from outside: known codes, lengths, no trailing bytes, not empty. */
px_err pxi_maddr_check(px_view addr, px_diag *d);

/* Text to binary. */
px_err pxi_maddr_parse(px_view text, struct pxi_maddr *out, px_diag *d);

/* Binary to NUL-terminated text; returns out. addr must have passed a check. */
char *pxi_maddr_text(px_view addr, char out[PXI_MADDR_TEXT]);

/* First part with this code; false when there is none. */
bool pxi_maddr_find(px_view addr, uint32_t code, struct pxi_maddr_part *part);

/* Append a part; false when it does not fit. Value as in the binary form, without its length. */
bool pxi_maddr_add(struct pxi_maddr *a, uint32_t code, px_view value);

/* What an address is about, for dialling and for limits. */
struct pxi_endpoint {
    uint8_t family; /* 4, 6, or 0 when there is no ip (dns, memory, a bare p2p) */
    uint8_t ip[16]; /* network order; the first 4 bytes for family 4 */
    uint16_t port;  /* of tcp or udp */
    enum { PXI_VIA_NONE, PXI_VIA_TCP, PXI_VIA_WS, PXI_VIA_QUIC, PXI_VIA_MEMORY } via;
    bool relayed;          /* has /p2p-circuit */
    px_view dns;           /* host name of dns, dns4, dns6, dnsaddr; else empty */
    uint32_t dns_code;     /* which of them */
    struct pxi_peer peer;  /* the last /p2p, after any /p2p-circuit; n == 0 when there is none */
    struct pxi_peer relay; /* the /p2p before /p2p-circuit */
};

/* Take an address apart. PX_ERR_UNSUPPORTED: well formed, but nothing that plexus can dial. */
px_err pxi_endpoint_of(px_view addr, struct pxi_endpoint *out);

/* /ip4 or /ip6 + /tcp or /udp/../quic-v1 (+ /ws) from an endpoint; without the peer. */
struct pxi_maddr pxi_endpoint_maddr(const struct pxi_endpoint *e);

/* Where an ip belongs: loopback, link-local, private (LAN), or public. */
enum pxi_ip_kind { PXI_IP_NONE, PXI_IP_LOOPBACK, PXI_IP_LINK, PXI_IP_PRIVATE, PXI_IP_PUBLIC };
enum pxi_ip_kind pxi_ip_kind_of(const struct pxi_endpoint *e);

#endif
