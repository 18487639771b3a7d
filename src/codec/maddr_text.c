/* Multiaddrs as text: /ip4/192.0.2.1/tcp/4001, component by component. */
#include <arpa/inet.h>
#include <stdio.h>

#include "base/diag.h"
#include "codec/maddr_table.h"
#include "codec/multibase.h"

/* ---------------------------------------------------------------------------- reading */

struct value {
    uint8_t n, b[PXI_BASE_MAX];
};

/* Decimal without signs, blanks and leading zeros, big-endian into size bytes. */
static bool read_number(px_view text, unsigned size, struct value *out)
{
    uint64_t v = 0, max = size == 8 ? UINT64_MAX : ((uint64_t)1 << (8 * size)) - 1;
    if (!text.n || text.n > 20 || (text.p[0] == '0' && text.n > 1))
        return false;
    for (size_t i = 0; i < text.n; i++) {
        unsigned digit = text.p[i] - (unsigned)'0';
        if (digit > 9 || v > (max - digit) / 10)
            return false;
        v = v * 10 + digit;
    }
    out->n = (uint8_t)size;
    for (unsigned i = size; i > 0; i--, v >>= 8)
        out->b[i - 1] = (uint8_t)v;
    return true;
}

static bool read_ip(px_view text, bool six, struct value *out)
{
    char s[INET6_ADDRSTRLEN];
    if (text.n >= sizeof s || memchr(text.p, 0, text.n))
        return false;
    memcpy(s, text.p, text.n);
    s[text.n] = 0;
    out->n = six ? 16 : 4;
    return inet_pton(six ? AF_INET6 : AF_INET, s, out->b) == 1;
}

static bool read_peer(px_view text, struct value *out)
{
    struct pxi_peer peer;
    if (pxi_peer_parse(text, &peer, NULL) != PX_ERR_OK)
        return false;
    out->n = peer.n;
    memcpy(out->b, peer.b, peer.n);
    return true;
}

/* Text of a value to its bytes. Names and paths are their own bytes. */
static bool read_value(const struct pxi_maddr_protocol *p, px_view text, struct value *buf,
                       px_view *value)
{
    size_t n = 0;
    bool ok = true;
    *value = text;
    switch (p->form) {
    case PXI_MADDR_IP4: ok = read_ip(text, false, buf); break;
    case PXI_MADDR_IP6: ok = read_ip(text, true, buf); break;
    case PXI_MADDR_NUMBER: ok = read_number(text, p->size, buf); break;
    case PXI_MADDR_PEER: ok = read_peer(text, buf); break;
    case PXI_MADDR_HASH:
        ok = pxi_multibase_get(text, buf->b, sizeof buf->b, &n, NULL) == PX_ERR_OK;
        buf->n = (uint8_t)n;
        break;
    default: return true;
    }
    *value = px_view_of(buf->b, buf->n);
    return ok;
}

/* The text between the slash at *at and the next one; *at moves to that one. */
static px_view next_word(px_view text, size_t *at)
{
    size_t from = *at + 1, to = from;
    while (to < text.n && text.p[to] != '/')
        to++;
    *at = to;
    return px_view_of(text.p + from, to - from);
}

static px_err wrong(px_diag *d, size_t at, const char *field, const char *expected, px_view found)
{
    char text[48];
    pxi_escape(text, sizeof text, found.p, found.n < 40 ? found.n : 40);
    pxi_diag_field(d, "%s", field);
    return pxi_diag_set(d, PX_ERR_CORRUPT, at, expected, "%s", found.n ? text : "nothing");
}

/* One component, which begins with the slash at *at. */
static px_err read_part(px_view text, size_t *at, struct pxi_maddr *out, px_diag *d)
{
    struct value buf;
    px_view value = px_view_of(NULL, 0);
    size_t start = *at + 1;
    px_view name = next_word(text, at);
    const struct pxi_maddr_protocol *p = pxi_maddr_protocol_named(name);
    if (!p)
        return wrong(d, start, "protocol", "a protocol of multiaddrs", name);
    if (p->form != PXI_MADDR_NONE) {
        if (*at >= text.n)
            return wrong(d, text.n, p->name, "a value", px_view_of(NULL, 0));
        start = *at + 1;
        px_view word = p->form == PXI_MADDR_PATH ? px_view_of(text.p + *at, text.n - *at)
                                                 : next_word(text, at);
        if (p->form == PXI_MADDR_PATH)
            *at = text.n;
        if (!read_value(p, word, &buf, &value) || !pxi_maddr_value_ok(p, value))
            return wrong(d, start, p->name, "a value of this protocol", word);
    }
    if (!pxi_maddr_add(out, p->code, value))
        return wrong(d, start, "address", "at most 512 bytes", name);
    return PX_ERR_OK;
}

px_err pxi_maddr_parse(px_view text, struct pxi_maddr *out, px_diag *d)
{
    struct pxi_maddr a = {0};
    size_t at = 0;
    *out = a;
    if (!text.n || text.p[0] != '/')
        return wrong(d, 0, "address", "a slash", text);
    for (unsigned parts = 0; at < text.n; parts++) {
        if (parts == PXI_MADDR_PARTS)
            return wrong(d, at, "address", "at most 20 components", px_view_str("more"));
        px_err err = read_part(text, &at, &a, d);
        if (err != PX_ERR_OK)
            return err;
    }
    *out = a;
    return PX_ERR_OK;
}

/* ---------------------------------------------------------------------------- writing */

/* Text of a value into out (cap bytes, at least 1); characters written, without a NUL. */
static size_t write_value(const struct pxi_maddr_protocol *p, px_view v, char *out, size_t cap)
{
    char text[INET6_ADDRSTRLEN + 1] = "";
    uint64_t number = 0;
    switch (p->form) {
    case PXI_MADDR_IP4: inet_ntop(AF_INET, v.p, text, sizeof text); break;
    case PXI_MADDR_IP6: inet_ntop(AF_INET6, v.p, text, sizeof text); break;
    case PXI_MADDR_NUMBER:
        for (size_t i = 0; i < v.n; i++)
            number = number << 8 | v.p[i];
        snprintf(text, sizeof text, "%llu", (unsigned long long)number);
        break;
    case PXI_MADDR_PEER: return pxi_base_put(PXI_BASE58, v, out, cap);
    case PXI_MADDR_HASH:
        *out = PXI_BASE64URL;
        return 1 + pxi_base_put(PXI_BASE64URL, v, out + 1, cap - 1);
    default:
        if (v.n > cap)
            return 0;
        memcpy(out, v.p, v.n);
        return v.n;
    }
    size_t n = strlen(text);
    memcpy(out, text, n < cap ? n : 0);
    return n < cap ? n : 0;
}

char *pxi_maddr_text(px_view addr, char out[PXI_MADDR_TEXT])
{
    struct pxi_maddr_part part;
    size_t n = 0, at = 0;
    while (pxi_maddr_next(addr, &at, &part)) {
        const struct pxi_maddr_protocol *p = pxi_maddr_protocol_of(part.code);
        size_t name = strlen(p->name);
        if (n + name + 3 > PXI_MADDR_TEXT)
            break;
        out[n++] = '/';
        memcpy(out + n, p->name, name);
        n += name;
        if (p->form == PXI_MADDR_NONE)
            continue;
        if (p->form != PXI_MADDR_PATH)
            out[n++] = '/';
        n += write_value(p, part.value, out + n, PXI_MADDR_TEXT - 1 - n);
    }
    out[n] = 0;
    return out;
}
