/* Keys and addresses of Kademlia peers. */
#include "base/limits.h"
#include "crypto/hash.h"
#include "net/kad_table.h"

struct pxi_kad_key pxi_kad_key_of(px_view bytes)
{
    struct pxi_kad_key k;
    pxi_sha256(bytes, k.b);
    return k;
}

struct pxi_kad_key pxi_kad_xor(const struct pxi_kad_key *a, const struct pxi_kad_key *b)
{
    struct pxi_kad_key k;
    for (unsigned i = 0; i < PXI_KAD_KEY; i++)
        k.b[i] = a->b[i] ^ b->b[i];
    return k;
}

unsigned pxi_kad_prefix(const struct pxi_kad_key *a, const struct pxi_kad_key *b)
{
    for (unsigned i = 0; i < PXI_KAD_KEY; i++)
        if (a->b[i] != b->b[i])
            return i * 8 + (unsigned)__builtin_clz((unsigned)(a->b[i] ^ b->b[i])) - 24;
    return 8 * PXI_KAD_KEY;
}

int pxi_kad_nearer(const struct pxi_kad_key *target, const struct pxi_kad_key *a,
                   const struct pxi_kad_key *b)
{
    uint64_t t = pxi_kad_front(target), x = pxi_kad_front(a), y = pxi_kad_front(b);
    if (x != y)
        return (x ^ t) < (y ^ t) ? -1 : 1;
    for (unsigned i = 8; i < PXI_KAD_KEY; i++)
        if (a->b[i] != b->b[i])
            return (a->b[i] ^ target->b[i]) < (b->b[i] ^ target->b[i]) ? -1 : 1;
    return 0;
}

/* ------------------------------------------------------------- addresses */

static bool holds(const px_view *list, unsigned n, px_view v)
{
    for (unsigned i = 0; i < n; i++)
        if (list[i].n == v.n && memcmp(list[i].p, v.p, v.n) == 0)
            return true;
    return false;
}

/* Pick what is kept of `from`, after the n already in `keep`. */
static unsigned pick(px_view *keep, unsigned n, const px_view *from, unsigned count)
{
    size_t bytes = 0;
    for (unsigned i = 0; i < n; i++)
        bytes += keep[i].n + 2;
    for (unsigned i = 0; i < count && n < PXI_LIMIT_KAD_ADDRS; i++) {
        bytes += from[i].n + 2;
        if (!from[i].n || bytes > PXI_LIMIT_KAD_ADDRS_BYTES || holds(keep, n, from[i]))
            bytes -= from[i].n + 2;
        else
            keep[n++] = from[i];
    }
    return n;
}

/* Where an address leads, as far as pxi_kad_addr_fit asks: it is stored with the address. */
enum class { NOWHERE, IN_MEMORY, LOOPBACK, PRIVATE, ANYWHERE };

static enum class class_of(px_view addr) {
    struct pxi_endpoint e; if (pxi_endpoint_of(addr, &e) != PX_ERR_OK) return NOWHERE;
    if (!e.family) return e.dns.n ? ANYWHERE
    : e.via == PXI_VIA_MEMORY     ? IN_MEMORY
                                  : NOWHERE;
    switch (pxi_ip_kind_of(&e)){
        case PXI_IP_PUBLIC : return ANYWHERE; case PXI_IP_PRIVATE : return PRIVATE;
        case PXI_IP_LOOPBACK : return LOOPBACK;
        default : return NOWHERE;
    }
}

static bool class_fit(enum class c, enum pxi_ip_kind teller)
{
    switch (c) {
    case ANYWHERE: return true;
    case PRIVATE: return teller != PXI_IP_PUBLIC;
    case LOOPBACK: return teller == PXI_IP_LOOPBACK || teller == PXI_IP_NONE;
    case IN_MEMORY: return teller == PXI_IP_NONE;
    default: return false;
    }
}

bool pxi_kad_addr_fit(px_view addr, enum pxi_ip_kind teller)
{
    return class_fit(class_of(addr), teller);
}

enum { LENGTH = 0x0fff, CLASS_SHIFT = 12 }; /* of the two bytes before an address */

static const uint8_t *bytes_of(const struct pxi_kad_addrs *a)
{
    return a->n > PXI_KAD_ADDRS_INLINE ? a->far : a->here;
}

/* The address at *at, which then is at the next. */
static px_view step(const uint8_t *p, size_t *at, enum class *c)
{
    unsigned head = p[*at] | (unsigned)p[*at + 1] << 8;
    px_view v = px_view_of(p + *at + 2, head & LENGTH);
    *c = (enum class)(head >> CLASS_SHIFT);
    *at += v.n + 2;
    return v;
}

/* keep may lie in a. */
static bool pack(struct pxi_kad_addrs *a, const px_view *keep, unsigned n)
{
    struct pxi_kad_addrs to = {.n = 0};
    size_t bytes = 0, at = 0;
    for (unsigned i = 0; i < n; i++)
        bytes += keep[i].n + 2;
    uint8_t *p = to.here;
    if (bytes > PXI_KAD_ADDRS_INLINE && !(to.far = p = pxi_realloc(NULL, bytes, 1)))
        return false;
    for (unsigned i = 0; i < n; i++) {
        unsigned head = (unsigned)keep[i].n | (unsigned)class_of(keep[i]) << CLASS_SHIFT;
        p[at] = (uint8_t)head;
        p[at + 1] = (uint8_t)(head >> 8);
        memcpy(p + at + 2, keep[i].p, keep[i].n);
        at += keep[i].n + 2;
    }
    to.n = (uint16_t)bytes;
    pxi_kad_addrs_free(a);
    *a = to;
    return true;
}

bool pxi_kad_addrs_set(struct pxi_kad_addrs *a, const px_view *addrs, unsigned count)
{
    px_view keep[PXI_LIMIT_KAD_ADDRS];
    return pack(a, keep, pick(keep, 0, addrs, count));
}

bool pxi_kad_addrs_merge(struct pxi_kad_addrs *a, const px_view *addrs, unsigned count)
{
    px_view keep[PXI_LIMIT_KAD_ADDRS];
    unsigned had = pxi_kad_addrs_get(a, keep, PXI_LIMIT_KAD_ADDRS);
    unsigned n = pick(keep, had, addrs, count);
    return n == had || pack(a, keep, n);
}

unsigned pxi_kad_addrs_get(const struct pxi_kad_addrs *a, px_view *out, unsigned cap)
{
    const uint8_t *p = bytes_of(a);
    enum class c;
    unsigned n = 0;
    for (size_t at = 0; at < a->n && n < cap;)
        out[n++] = step(p, &at, &c);
    return n;
}

unsigned pxi_kad_addrs_fit(const struct pxi_kad_addrs *a, enum pxi_ip_kind asker, px_view *out,
                           unsigned cap)
{
    const uint8_t *p = bytes_of(a);
    enum class c;
    unsigned n = 0;
    for (size_t at = 0; at < a->n && n < cap;) {
        px_view v = step(p, &at, &c);
        if (class_fit(c, asker))
            out[n++] = v;
    }
    return n;
}

bool pxi_kad_addrs_hold(const struct pxi_kad_addrs *a, px_view addr)
{
    const uint8_t *p = bytes_of(a);
    enum class c;
    for (size_t at = 0; at < a->n;)
        if (px_view_equal(step(p, &at, &c), addr))
            return true;
    return false;
}

void pxi_kad_addrs_free(struct pxi_kad_addrs *a)
{
    if (a->n > PXI_KAD_ADDRS_INLINE)
        pxi_free(a->far);
    *a = (struct pxi_kad_addrs){.n = 0};
}

uint32_t pxi_kad_group(px_view addr, bool strict)
{
    struct pxi_endpoint e;
    if (pxi_endpoint_of(addr, &e) != PX_ERR_OK || !e.family)
        return 0;
    if (pxi_ip_kind_of(&e) != PXI_IP_PUBLIC && !strict)
        return 0;
    if (e.family == 4)
        return 1u << 31 | (uint32_t)e.ip[0] << 8 | e.ip[1];
    uint32_t top = (uint32_t)e.ip[0] << 24 | (uint32_t)e.ip[1] << 16 | (uint32_t)e.ip[2] << 8;
    return (top | e.ip[3]) & ~(1u << 31) ? (top | e.ip[3]) & ~(1u << 31) : 1;
}
