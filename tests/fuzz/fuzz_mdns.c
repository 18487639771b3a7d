/* Any datagrams into an mDNS machine: a length before each, pauses between some. */
#include "net/mdns.h"

#include "host_net.h"
#include "net/dns.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void take(void *ctx, unsigned link, px_view d)
{
    struct pxi_dns_reader r;
    struct pxi_dns_record rec;
    int got;
    CHECK(pxi_dns_open(&r, d)); /* what we say is well formed */
    while ((got = pxi_dns_question(&r, &rec)) == 1)
        ;
    while (got == 0 && (got = pxi_dns_record(&r, &rec)) == 1)
        got = 0;
    CHECK_EQ(got, 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct pxi_mdns_prefix prefixes[2] = {{4, 24, {10, 1, 2, 1}},
                                                       {6, 64, {0xfd, [15] = 1}}};
    static const uint8_t fingerprint[2] = {1, 2};
    static struct net n;
    struct pxi_endpoint from = {.family = 4, .ip = {10, 1, 2, 9}, .port = PXI_MDNS_PORT};
    struct pxi_maddr a;
    size_t at = 1;
    if (!size)
        return 0;
    net_init(&n, 1);
    CHECK_EQ(pxi_maddr_parse(px_view_str("/ip4/0.0.0.0/tcp/4001"), &a, NULL), PX_ERR_OK);
    pxi_host_addr_add(n.host[0], pxi_maddr_view(&a), PXI_ADDR_LISTEN);
    struct pxi_mdns_options o = {.host = n.host[0], .send = take, .interval_ms = 1000};
    o.fingerprint = px_view_of(fingerprint, data[0] & 1 ? 2 : 0);
    struct pxi_mdns *m = pxi_mdns_new(&o);
    CHECK(m && pxi_mdns_link(m, 1, prefixes, 2) == PX_ERR_OK);
    while (size - at >= 2) {
        size_t len = (size_t)data[at] << 8 | data[at + 1];
        at += 2;
        if (len & 0x8000)
            net_run(&n, 100);
        len &= 0x7fff;
        len = len < size - at ? len : size - at;
        uint8_t *exact = malloc(len + !len);
        memcpy(exact, data + at, len);
        pxi_mdns_input(m, 1, &from, px_view_of(exact, len));
        free(exact);
        at += len;
    }
    net_run(&n, 1500);
    pxi_mdns_free(m);
    net_deinit(&n);
    return 0;
}
