/* Answers of name servers to /dnsaddr: what is taken, what is passed over, what is refused. */
#include "base/rng.h"
#include "net/dns.h"
#include "net/dnsaddr.h"
#include "px_test.h"

#define PEER "12D3KooWEyoppNCUx8Yx66oV9fJnriXwCcXwDDUA2kj6vnc6iDEp"
#define ELSE "12D3KooWHHzSeKaY8xuZVzkLbKFfvNgPPeKhFBGrMbNzbm5akpqu"

static struct pxi_dns_writer w;
static struct pxi_dnsaddr found;
static const struct pxi_peer nobody;

static void begin(void)
{
    pxi_dns_begin(&w, true);
}

static void put_text(const char *text, size_t n)
{
    struct pxi_dns_name name = pxi_dns_name_of(px_view_str("_dnsaddr.example.org"));
    pxi_dns_put_record(&w, &name, PXI_DNS_TXT, PXI_DNS_IN, 60);
    for (size_t at = 0; at < n; at += 255) {
        uint8_t length = (uint8_t)(n - at < 255 ? n - at : 255);
        pxi_dns_put(&w, &length, 1);
        pxi_dns_put(&w, text + at, length);
    }
    CHECK(pxi_dns_end_record(&w, false));
}

static void put(const char *text)
{
    put_text(text, strlen(text));
}

static px_err read_all(const struct pxi_peer *want)
{
    return pxi_dnsaddr_read(px_view_of(w.b, w.n), want, &found);
}

TEST(names)
{
    char out[PXI_DNSADDR_NAME], longest[300];
    CHECK(pxi_dnsaddr_name(px_view_str("example.org"), out));
    CHECK(strcmp(out, "_dnsaddr.example.org") == 0);
    memset(longest, 'x', sizeof longest);
    for (size_t i = 50; i < sizeof longest; i += 51)
        longest[i] = '.';
    CHECK(pxi_dnsaddr_name(px_view_of(longest, 240), out));
    CHECK(!pxi_dnsaddr_name(px_view_of(longest, 248), out));
    CHECK(!pxi_dnsaddr_name(px_view_of(longest, 300), out));
    CHECK(!pxi_dnsaddr_name(px_view_str(""), out));
    CHECK(!pxi_dnsaddr_name(px_view_str("a..b"), out));
    CHECK(!pxi_dnsaddr_name(px_view_of("a\0b", 3), out));
}

TEST(addresses_are_taken_and_the_rest_is_passed_over)
{
    struct pxi_peer want;
    CHECK_EQ(pxi_peer_parse(px_view_str(PEER), &want, NULL), PX_ERR_OK);
    begin();
    put("dnsaddr=/ip4/192.0.2.1/tcp/4001/p2p/" PEER);
    put("v=spf1 -all");
    put("dnsaddr=");
    put("dnsaddr=/ip4/192.0.2.1/tcp");
    put("dnsaddr=/ip4/192.0.2.2/udp/4001/quic-v1/p2p/" ELSE);
    put("dnsaddr=/dnsaddr/b.example.org/p2p/" PEER);
    put("dnsaddr=/ip4/192.0.2.3/tcp/4001");
    CHECK_EQ(read_all(&nobody), PX_ERR_OK);
    CHECK_EQ(found.n, 4);
    CHECK_EQ(read_all(&want), PX_ERR_OK);
    CHECK_EQ(found.n, 2); /* who must answer is named by each */
    begin();
    CHECK_EQ(read_all(&nobody), PX_ERR_NOT_FOUND);
}

TEST(strings_of_a_record_are_one_text)
{
    char text[600] = "dnsaddr=";
    for (unsigned i = 0; i < 20; i++) {
        size_t n = strlen(text);
        snprintf(text + n, sizeof text - n, "/ip4/192.0.2.1/tcp/4001");
    }
    begin();
    put(text); /* no address of this shape, but well formed: it must not be read past its end */
    read_all(&nobody);
    memset(text, 'x', sizeof text);
    begin();
    put_text(text, 598);
    put_text(text, 599);
    CHECK_EQ(read_all(&nobody), PX_ERR_NOT_FOUND);
}

TEST(a_name_of_very_many_addresses_is_cut)
{
    begin();
    for (unsigned i = 0; i < PXI_LIMIT_DNSADDR_ADDRS + 3; i++)
        put("dnsaddr=/ip4/192.0.2.1/tcp/4001");
    CHECK_EQ(read_all(&nobody), PX_ERR_OK);
    CHECK_EQ(found.n, PXI_LIMIT_DNSADDR_ADDRS);
}

TEST(malformed_answers)
{
    struct pxi_rng r = {px_seed};
    begin();
    put("dnsaddr=/ip4/192.0.2.1/tcp/4001");
    size_t n = w.n;
    for (size_t cut = 0; cut < n; cut++) { /* of an exact length, so that a read beyond is seen */
        uint8_t *exact = malloc(cut + !cut);
        memcpy(exact, w.b, cut);
        CHECK_EQ(pxi_dnsaddr_read(px_view_of(exact, cut), &nobody, &found), PX_ERR_PROTOCOL);
        free(exact);
    }
    w.b[3] |= 3; /* NXDOMAIN */
    CHECK_EQ(read_all(&nobody), PX_ERR_PROTOCOL);
    w.b[3] = 0;
    w.b[2] &= 0x7f; /* a question */
    CHECK_EQ(read_all(&nobody), PX_ERR_PROTOCOL);
    for (unsigned i = 0; i < 20000; i++) {
        begin();
        put("dnsaddr=/ip4/192.0.2.1/tcp/4001");
        for (unsigned j = 0; j < 3; j++)
            w.b[pxi_rng_below(&r, w.n)] = (uint8_t)pxi_rng_u64(&r);
        read_all(&nobody);
        CHECK(found.n <= 1);
    }
}

TEST_MAIN()
