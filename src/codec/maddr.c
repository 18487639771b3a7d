/* Multiaddrs in their binary form. */
#include "codec/maddr.h"

#include "base/diag.h"
#include "codec/maddr_table.h"
#include "codec/utf8.h"
#include "codec/varint.h"

static const struct pxi_maddr_protocol protocols[] = {
    {PXI_MA_IP4, 4, PXI_MADDR_IP4, "ip4"},
    {PXI_MA_TCP, 2, PXI_MADDR_NUMBER, "tcp"},
    {PXI_MA_UDP, 2, PXI_MADDR_NUMBER, "udp"},
    {PXI_MA_QUIC_V1, 0, PXI_MADDR_NONE, "quic-v1"},
    {PXI_MA_P2P, PXI_MADDR_VARIABLE, PXI_MADDR_PEER, "p2p"},
    {PXI_MA_IP6, 16, PXI_MADDR_IP6, "ip6"},
    {PXI_MA_P2P_CIRCUIT, 0, PXI_MADDR_NONE, "p2p-circuit"},
    {PXI_MA_WS, 0, PXI_MADDR_NONE, "ws"},
    {PXI_MA_WSS, 0, PXI_MADDR_NONE, "wss"},
    {PXI_MA_TLS, 0, PXI_MADDR_NONE, "tls"},
    {PXI_MA_DNS, PXI_MADDR_VARIABLE, PXI_MADDR_NAME, "dns"},
    {PXI_MA_DNS4, PXI_MADDR_VARIABLE, PXI_MADDR_NAME, "dns4"},
    {PXI_MA_DNS6, PXI_MADDR_VARIABLE, PXI_MADDR_NAME, "dns6"},
    {PXI_MA_DNSADDR, PXI_MADDR_VARIABLE, PXI_MADDR_NAME, "dnsaddr"},
    {PXI_MA_SNI, PXI_MADDR_VARIABLE, PXI_MADDR_NAME, "sni"},
    {PXI_MA_IP6ZONE, PXI_MADDR_VARIABLE, PXI_MADDR_NAME, "ip6zone"},
    {PXI_MA_MEMORY, 8, PXI_MADDR_NUMBER, "memory"},
    {43, 1, PXI_MADDR_NUMBER, "ipcidr"},
    {280, 0, PXI_MADDR_NONE, "webrtc-direct"},
    {281, 0, PXI_MADDR_NONE, "webrtc"},
    {454, 0, PXI_MADDR_NONE, "noise"},
    {460, 0, PXI_MADDR_NONE, "quic"},
    {465, 0, PXI_MADDR_NONE, "webtransport"},
    {466, PXI_MADDR_VARIABLE, PXI_MADDR_HASH, "certhash"},
    {400, PXI_MADDR_VARIABLE, PXI_MADDR_PATH, "unix"},
    {480, 0, PXI_MADDR_NONE, "http"},
    {443, 0, PXI_MADDR_NONE, "https"},
    {33, 2, PXI_MADDR_NUMBER, "dccp"},
    {132, 2, PXI_MADDR_NUMBER, "sctp"},
    {301, 0, PXI_MADDR_NONE, "udt"},
    {302, 0, PXI_MADDR_NONE, "utp"},
};

#define PROTOCOLS (sizeof protocols / sizeof *protocols)

const struct pxi_maddr_protocol *pxi_maddr_protocol_of(uint64_t code)
{
    for (size_t i = 0; i < PROTOCOLS; i++)
        if (protocols[i].code == code)
            return &protocols[i];
    return NULL;
}

const struct pxi_maddr_protocol *pxi_maddr_protocol_named(px_view name)
{
    if (px_view_is(name, "ipfs"))
        return pxi_maddr_protocol_of(PXI_MA_P2P);
    for (size_t i = 0; i < PROTOCOLS; i++)
        if (px_view_is(name, protocols[i].name))
            return &protocols[i];
    return NULL;
}

/* Text without control characters, and without a slash unless it is a path. */
static bool is_name(px_view v, bool path)
{
    if (!v.n || (path && v.p[0] != '/'))
        return false;
    for (size_t at = 0, n; at < v.n; at += n) {
        n = pxi_utf8_length(v.p + at, v.n - at);
        if (!n || v.p[at] <= ' ' || v.p[at] == 0x7f || (v.p[at] == '/' && !path))
            return false;
    }
    return true;
}

static bool is_multihash(px_view v)
{
    uint64_t code, n;
    int a = pxi_varint_get(v, &code);
    int b = a > 0 ? pxi_varint_get(px_view_of(v.p + a, v.n - (size_t)a), &n) : 0;
    return b > 0 && n == v.n - (size_t)a - (size_t)b && n >= 1 && v.n <= 128;
}

bool pxi_maddr_value_ok(const struct pxi_maddr_protocol *p, px_view value)
{
    struct pxi_peer peer;
    switch (p->form) {
    case PXI_MADDR_NAME: return is_name(value, false);
    case PXI_MADDR_PATH: return is_name(value, true);
    case PXI_MADDR_PEER: return pxi_peer_from_bytes(value, &peer, NULL) == PX_ERR_OK;
    case PXI_MADDR_HASH: return is_multihash(value);
    default: return value.n == p->size;
    }
}

/* Whether a part may stand here: its bytes have a text, and a path takes all that follows. */
static bool part_ok(const struct pxi_maddr_part *part, bool last)
{
    const struct pxi_maddr_protocol *p = pxi_maddr_protocol_of(part->code);
    return pxi_maddr_value_ok(p, part->value) && (last || p->form != PXI_MADDR_PATH);
}

/* The component at *at. Why it is none: the field of the fault, or NULL when all is well. */
static const char *step(px_view addr, size_t *at, struct pxi_maddr_part *part)
{
    uint64_t code, size;
    size_t here = *at;
    int n = pxi_varint_get(px_view_of(addr.p + here, addr.n - here), &code);
    const struct pxi_maddr_protocol *p = n > 0 ? pxi_maddr_protocol_of(code) : NULL;
    if (!p)
        return "protocol";
    here += (size_t)n;
    size = p->size;
    if (size == PXI_MADDR_VARIABLE) {
        n = pxi_varint_get(px_view_of(addr.p + here, addr.n - here), &size);
        if (n <= 0)
            return "length";
        here += (size_t)n;
    }
    if (size > addr.n - here)
        return "value";
    *part = (struct pxi_maddr_part){p->code, px_view_of(addr.p + here, (size_t)size), *at};
    *at = here + (size_t)size;
    return NULL;
}

bool pxi_maddr_next(px_view addr, size_t *at, struct pxi_maddr_part *part)
{
    return *at < addr.n && !step(addr, at, part);
}

px_err pxi_maddr_check(px_view addr, px_diag *d)
{
    struct pxi_maddr_part part;
    size_t at = 0;
    pxi_diag_field(d, "address");
    if (addr.n == 0 || addr.n > PXI_MADDR_MAX)
        return pxi_diag_set(d, PX_ERR_CORRUPT, 0, "1 to 512 bytes", "%zu", addr.n);
    for (unsigned i = 0; at < addr.n; i++) {
        size_t here = at;
        const char *field = step(addr, &at, &part);
        if (!field && i == PXI_MADDR_PARTS)
            field = "part";
        if (!field && !part_ok(&part, at == addr.n))
            field = "value";
        if (!field)
            continue;
        pxi_diag_field(d, "%s", field);
        return pxi_diag_set(d, PX_ERR_CORRUPT, here, "a component of an address", "byte 0x%02x",
                            addr.p[here]);
    }
    return PX_ERR_OK;
}

bool pxi_maddr_find(px_view addr, uint32_t code, struct pxi_maddr_part *part)
{
    for (size_t at = 0; pxi_maddr_next(addr, &at, part);)
        if (part->code == code)
            return true;
    return false;
}

bool pxi_maddr_add(struct pxi_maddr *a, uint32_t code, px_view value)
{
    const struct pxi_maddr_protocol *p = pxi_maddr_protocol_of(code);
    uint8_t head[2 * PXI_VARINT_MAX];
    if (!p || !pxi_maddr_value_ok(p, value))
        return false;
    size_t n = pxi_varint_put(head, code);
    if (p->size == PXI_MADDR_VARIABLE)
        n += pxi_varint_put(head + n, value.n);
    if (n + value.n > PXI_MADDR_MAX - (size_t)a->n)
        return false;
    memcpy(a->b + a->n, head, n);
    if (value.n)
        memcpy(a->b + a->n + n, value.p, value.n);
    a->n = (uint16_t)(a->n + n + value.n);
    return true;
}
