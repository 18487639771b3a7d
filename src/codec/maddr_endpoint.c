/* What a multiaddr is about: where to, by which transport, to whom, through which relay. */
#include "codec/maddr.h"

/* A walk over the components, one ahead. */
struct walk {
    px_view addr;
    size_t at;
    struct pxi_maddr_part part; /* the one to look at; code 0 at the end */
    bool ok;
};

static void advance(struct walk *w)
{
    if (!pxi_maddr_next(w->addr, &w->at, &w->part)) {
        w->ok = w->at == w->addr.n;
        w->part = (struct pxi_maddr_part){0};
    }
}

static bool accept(struct walk *w, uint32_t code)
{
    if (w->part.code != code)
        return false;
    advance(w);
    return true;
}

static bool take_place(struct walk *w, struct pxi_endpoint *e)
{
    uint32_t code = w->part.code;
    px_view v = w->part.value;
    switch (code) {
    case PXI_MA_IP4:
    case PXI_MA_IP6:
        e->family = code == PXI_MA_IP4 ? 4 : 6;
        memcpy(e->ip, v.p, v.n);
        break;
    case PXI_MA_DNS:
    case PXI_MA_DNS4:
    case PXI_MA_DNS6:
    case PXI_MA_DNSADDR:
        e->dns = v;
        e->dns_code = code;
        break;
    default: return false;
    }
    advance(w);
    return true;
}

/* The transport behind a place. */
static bool take_transport(struct walk *w, struct pxi_endpoint *e)
{
    uint32_t code = w->part.code;
    if (code != PXI_MA_TCP && code != PXI_MA_UDP)
        return false;
    e->port = (uint16_t)(w->part.value.p[0] << 8 | w->part.value.p[1]);
    advance(w);
    if (code == PXI_MA_UDP) {
        e->via = PXI_VIA_QUIC;
        return accept(w, PXI_MA_QUIC_V1);
    }
    e->via = accept(w, PXI_MA_WS) ? PXI_VIA_WS : PXI_VIA_TCP;
    return true;
}

/* /memory/N, for N that fit a port. */
static bool take_memory(struct walk *w, struct pxi_endpoint *e)
{
    static const uint8_t zeros[6];
    px_view v = w->part.value;
    if (memcmp(v.p, zeros, sizeof zeros) != 0)
        return false;
    e->via = PXI_VIA_MEMORY;
    e->port = (uint16_t)(v.p[6] << 8 | v.p[7]);
    advance(w);
    return true;
}

static bool take_peer(struct walk *w, struct pxi_peer *out)
{
    if (w->part.code != PXI_MA_P2P)
        return true;
    if (pxi_peer_from_bytes(w->part.value, out, NULL) != PX_ERR_OK)
        return false;
    advance(w);
    return true;
}

static bool take_all(struct walk *w, struct pxi_endpoint *e)
{
    if (w->part.code == PXI_MA_MEMORY) {
        if (!take_memory(w, e))
            return false;
    } else if (take_place(w, e)) {
        bool bare = e->dns_code == PXI_MA_DNSADDR && w->part.code != PXI_MA_TCP &&
                    w->part.code != PXI_MA_UDP;
        if (!bare && !take_transport(w, e))
            return false;
    }
    if (!take_peer(w, &e->peer))
        return false;
    if (!accept(w, PXI_MA_P2P_CIRCUIT))
        return true;
    e->relayed = true;
    e->relay = e->peer;
    e->peer = (struct pxi_peer){0};
    return take_peer(w, &e->peer);
}

px_err pxi_endpoint_of(px_view addr, struct pxi_endpoint *out)
{
    struct walk w = {.addr = addr, .ok = true};
    *out = (struct pxi_endpoint){0};
    advance(&w);
    if (addr.n && take_all(&w, out) && w.ok && w.part.code == 0)
        return PX_ERR_OK;
    *out = (struct pxi_endpoint){0};
    return PX_ERR_UNSUPPORTED;
}

struct pxi_maddr pxi_endpoint_maddr(const struct pxi_endpoint *e)
{
    struct pxi_maddr a = {0};
    uint8_t port[8] = {0, 0, 0, 0, 0, 0, (uint8_t)(e->port >> 8), (uint8_t)e->port};
    px_view none = px_view_of(NULL, 0);
    if (e->via == PXI_VIA_MEMORY) {
        pxi_maddr_add(&a, PXI_MA_MEMORY, px_view_of(port, 8));
        return a;
    }
    if (e->family == 4)
        pxi_maddr_add(&a, PXI_MA_IP4, px_view_of(e->ip, 4));
    else if (e->family == 6)
        pxi_maddr_add(&a, PXI_MA_IP6, px_view_of(e->ip, 16));
    else if (e->dns_code)
        pxi_maddr_add(&a, e->dns_code, e->dns);
    if (e->via == PXI_VIA_NONE)
        return a;
    bool quic = e->via == PXI_VIA_QUIC;
    pxi_maddr_add(&a, quic ? PXI_MA_UDP : PXI_MA_TCP, px_view_of(port + 6, 2));
    if (quic)
        pxi_maddr_add(&a, PXI_MA_QUIC_V1, none);
    else if (e->via == PXI_VIA_WS)
        pxi_maddr_add(&a, PXI_MA_WS, none);
    return a;
}

/* ---------------------------------------------------------------------------- kinds of ip */

/* RFC 1122, 1918, 3927, 6598. Networks for documentation count as public: laboratories use them. */
static enum pxi_ip_kind kind4(const uint8_t ip[4])
{
    if (ip[0] == 127)
        return PXI_IP_LOOPBACK;
    if (ip[0] == 169 && ip[1] == 254)
        return PXI_IP_LINK;
    if (ip[0] == 10 || (ip[0] == 172 && (ip[1] & 0xf0) == 16) || (ip[0] == 192 && ip[1] == 168) ||
        (ip[0] == 100 && (ip[1] & 0xc0) == 64))
        return PXI_IP_PRIVATE;
    return ip[0] == 0 || ip[0] >= 224 ? PXI_IP_NONE : PXI_IP_PUBLIC;
}

/* RFC 4291, 4193, 6052. */
static enum pxi_ip_kind kind6(const uint8_t ip[16])
{
    static const uint8_t zeros[16], mapped[12] = {[10] = 0xff, 0xff},
                                    nat64[12] = {0x00, 0x64, 0xff, 0x9b};
    if (memcmp(ip, mapped, 12) == 0 || memcmp(ip, nat64, 12) == 0)
        return kind4(ip + 12);
    if (memcmp(ip, zeros, 15) == 0 && ip[15] == 1)
        return PXI_IP_LOOPBACK;
    if (memcmp(ip, zeros, 12) == 0 || ip[0] == 0xff)
        return PXI_IP_NONE;
    if (ip[0] == 0xfe && (ip[1] & 0xc0) == 0x80)
        return PXI_IP_LINK;
    return (ip[0] & 0xfe) == 0xfc ? PXI_IP_PRIVATE : PXI_IP_PUBLIC;
}

enum pxi_ip_kind pxi_ip_kind_of(const struct pxi_endpoint *e)
{
    return e->family == 4 ? kind4(e->ip) : e->family == 6 ? kind6(e->ip) : PXI_IP_NONE;
}
