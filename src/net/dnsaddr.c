#include "net/dnsaddr.h"

#include "net/dns.h"

static const char PREFIX[] = "dnsaddr=", LABEL[] = "_dnsaddr.";
enum { RCODE = 15, TEXT = 1024 };

bool pxi_dnsaddr_name(px_view name, char out[PXI_DNSADDR_NAME])
{
    size_t at = sizeof LABEL - 1;
    if (!pxi_dns_name_of(name).n || at + name.n >= PXI_DNSADDR_NAME || memchr(name.p, 0, name.n))
        return false;
    memcpy(out, LABEL, at);
    memcpy(out + at, name.p, name.n);
    out[at + name.n] = 0;
    return true;
}

static void take(px_view text, const struct pxi_peer *want, struct pxi_dnsaddr *out)
{
    struct pxi_maddr *a = &out->addr[out->n];
    struct pxi_endpoint e;
    size_t skip = sizeof PREFIX - 1;
    if (out->n == PXI_LIMIT_DNSADDR_ADDRS || text.n < skip || memcmp(text.p, PREFIX, skip) != 0 ||
        pxi_maddr_parse(px_view_of(text.p + skip, text.n - skip), a, NULL) != PX_ERR_OK ||
        pxi_endpoint_of(pxi_maddr_view(a), &e) != PX_ERR_OK)
        return;
    if (!want->n || pxi_peer_equal(&e.peer, want))
        out->n++;
}

/* The strings of a record are one text. */
static void read_text(px_view data, const struct pxi_peer *want, struct pxi_dnsaddr *out)
{
    uint8_t text[TEXT];
    size_t n = 0, at = 0;
    for (px_view part; pxi_dns_string(data, &at, &part); n += part.n) {
        if (part.n > sizeof text - n)
            return;
        memcpy(text + n, part.p, part.n);
    }
    take(px_view_of(text, n), want, out);
}

px_err pxi_dnsaddr_read(px_view message, const struct pxi_peer *want, struct pxi_dnsaddr *out)
{
    struct pxi_dns_reader r;
    struct pxi_dns_record rec;
    int got;
    out->n = 0;
    if (!pxi_dns_open(&r, message) || !r.response || (r.flags & RCODE))
        return PX_ERR_PROTOCOL;
    while ((got = pxi_dns_question(&r, &rec)) == 1)
        ;
    while (got == 0 && r.answers && (got = pxi_dns_record(&r, &rec)) == 1) {
        if (rec.type == PXI_DNS_TXT && rec.class == PXI_DNS_IN)
            read_text(rec.data, want, out);
        got = 0;
    }
    if (got < 0)
        return PX_ERR_PROTOCOL;
    return out->n ? PX_ERR_OK : PX_ERR_NOT_FOUND;
}
