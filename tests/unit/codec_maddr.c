/* Multiaddrs: text and bytes as others write them, what is refused, endpoints, kinds of ip. */
#include "codec/maddr.h"

#include "codec/maddr_table.h"
#include "px_test.h"

#define ED "12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA"
#define QM "QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N"

static px_diag diag;

static struct pxi_maddr parse(const char *text)
{
    struct pxi_maddr a;
    if (pxi_maddr_parse(px_view_str(text), &a, &diag) != PX_ERR_OK)
        PX_FAIL("refused %s: %s, offset %llu", text, diag.field, (unsigned long long)diag.offset);
    return a;
}

TEST(as_others_write_them)
{
    static const char *const rows[][2] = {
        {"/ip4/127.0.0.1/tcp/4001", "047f000001060fa1"},
        {"/ip6/2001:db8::1/udp/4001/quic-v1", "2920010db800000000000000000000000191020fa1cd03"},
        {"/ip6/::1/tcp/80/ws", "2900000000000000000000000000000001060050dd03"},
        {"/dns4/example.com/tcp/443/wss", "360b6578616d706c652e636f6d0601bbde03"},
        {"/dnsaddr/bootstrap.libp2p.io/p2p/" QM,
         "3813626f6f7473747261702e6c69627032702e696fa5032212209dff3b17d74cf4d38a50d8b6383e92d181a1"
         "0395a5e73a726dcccbd21bf6f0b9"},
        {"/ip4/10.0.0.1/tcp/4001/p2p/" ED "/p2p-circuit",
         "040a000001060fa1a503260024080112202ffa35a99d3a3cfbb17bb7c1dc5561b18a8dcca4df38dc613ea859"
         "c37eb1336ba202"},
        {"/ip6zone/eth0/ip6/fe80::1/tcp/1", "2a046574683029fe800000000000000000000000000001060001"},
        {"/ip4/1.2.3.4/udp/9/quic-v1/webtransport/certhash/"
         "uEiAkH5a4DPGKUuOBjYw0CgwjvcJCJMD2K_1aluKR_tpevQ",
         "040102030491020009cd03d103d203221220241f96b80cf18a52e3818d8c340a0c23bdc24224c0f62bfd5a96"
         "e291feda5ebd"},
        {"/dns/a.b/tcp/1/tls/sni/c.d/ws", "3503612e62060001c003c10303632e64dd03"},
        {"/ip4/1.2.3.4/udp/1/webrtc-direct", "0401020304910200019802"},
        {"/ip4/1.2.3.4/ipcidr/24", "04010203042b18"},
        {"/ip6/1:0:0:2::3/tcp/1", "2900010000000000020000000000000003060001"},
        {"/memory/18446744073709551615", "8906ffffffffffffffff"},
        {"/unix/tmp/a.sock", "90030b2f746d702f612e736f636b"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct pxi_maddr a = parse(rows[i][0]);
        char hex[2 * PXI_MADDR_MAX + 1], text[PXI_MADDR_TEXT];
        for (size_t k = 0; k < a.n; k++)
            snprintf(hex + 2 * k, 3, "%02x", a.b[k]);
        CHECK_STR(hex, rows[i][1]);
        CHECK_STR(pxi_maddr_text(pxi_maddr_view(&a), text), rows[i][0]);
        CHECK_EQ(pxi_maddr_check(pxi_maddr_view(&a), &diag), PX_ERR_OK);
        for (size_t n = 0; n < a.n; n++) { /* a cut is refused or ends between two parts */
            uint8_t *p = px_guarded(n, 0);
            memcpy(p, a.b, n);
            struct pxi_maddr again;
            if (pxi_maddr_check(px_view_of(p, n), &diag) == PX_ERR_OK)
                CHECK_EQ(pxi_maddr_parse(px_view_str(pxi_maddr_text(px_view_of(p, n), text)),
                                         &again, &diag),
                         PX_ERR_OK);
        }
    }
}

TEST(other_spellings)
{
    char text[PXI_MADDR_TEXT];
    struct pxi_maddr a = parse("/ip6/0:0:0:0:0:0:0:1/tcp/1/ipfs/" QM);
    CHECK_STR(pxi_maddr_text(pxi_maddr_view(&a), text), "/ip6/::1/tcp/1/p2p/" QM);
    a = parse("/p2p/bafzbeie5745rpv2m6tjyuugywy4d5ewrqgqqhfnf445he3omzpjbx5xqxe");
    CHECK_STR(pxi_maddr_text(pxi_maddr_view(&a), text), "/p2p/" QM);
}

TEST(refused_text)
{
    static const char *const bad[] = {"",
                                      "/",
                                      "//",
                                      "ip4/1.2.3.4",
                                      "//ip4/1.2.3.4",
                                      "/ip4",
                                      "/ip4/",
                                      "/ip4/1.2.3.4/",
                                      "/ip4/256.1.1.1",
                                      "/ip4/1.2.3",
                                      "/ip4/1.2.3.04",
                                      "/ip4/1.2.3.4.5",
                                      "/ip4/ 1.2.3.4",
                                      "/ip4/0x1.2.3.4",
                                      "/ip6/1:2:3:4:5:6:7:8:9",
                                      "/ip6/::1::2",
                                      "/ip6/fe80::1%eth0",
                                      "/ip6/12345::",
                                      "/ip4/1.2.3.4/tcp",
                                      "/ip4/1.2.3.4/tcp/",
                                      "/ip4/1.2.3.4/tcp/+80",
                                      "/ip4/1.2.3.4/tcp/-1",
                                      "/ip4/1.2.3.4/tcp/65536",
                                      "/ip4/1.2.3.4/tcp/080",
                                      "/ip4/1.2.3.4/tcp/99999999999999999999999",
                                      "/ip4/1.2.3.4/tcp/8 0",
                                      "/memory/18446744073709551616",
                                      "/nosuch/1",
                                      "/IP4/1.2.3.4",
                                      "/dns4//tcp/1",
                                      "/dns4/a b/tcp/1",
                                      "/dns4/a\x01/tcp/1",
                                      "/dns4/\xff/tcp/1",
                                      "/p2p/",
                                      "/p2p/12D3Koo",
                                      "/certhash/zzz",
                                      "/unix",
                                      "/quic-v1/1"};
    struct pxi_maddr a;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (pxi_maddr_parse(px_view_str(bad[i]), &a, &diag) == PX_ERR_OK)
            PX_FAIL("accepted %s", bad[i]);
    CHECK(pxi_maddr_parse(px_view_of("/ip4/1.2.3.4\0/tcp/1", 19), &a, &diag) != PX_ERR_OK);
    CHECK_EQ(pxi_maddr_parse(px_view_str("/ip4/1.2.3.4/tcp/70000"), &a, &diag), PX_ERR_CORRUPT);
    CHECK_STR(diag.field, "tcp");
    CHECK_EQ(diag.offset, 17);
}

static bool ok(const char *bytes, size_t n)
{
    uint8_t *p = px_guarded(n, 0);
    memcpy(p, bytes, n);
    return pxi_maddr_check(px_view_of(p, n), &diag) == PX_ERR_OK;
}
#define OK(s) ok(s, sizeof(s) - 1)

TEST(refused_bytes)
{
    CHECK(OK("\x04\x7f\x00\x00\x01\x06\x0f\xa1"));
    CHECK(!OK(""));
    CHECK(!OK("\x00\x01"));
    CHECK(!OK("\x04\x7f\x00\x00"));
    CHECK(!OK("\x04\x7f\x00\x00\x01\x06\x0f"));
    CHECK_EQ(diag.offset, 5);
    CHECK(!OK("\x84\x00\x7f\x00\x00\x01"));
    CHECK(!OK("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"));
    CHECK(!OK("\x36\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"
              "ab"));
    CHECK(!OK("\x36\x00"));
    CHECK(!OK("\x36\x03"
              "a/b"));
    CHECK(!OK("\xa5\x03\x22"
              "ab"));
    CHECK(!OK("\xa5\x03\x02"
              "ab")); /* not a multihash */
    CHECK(!OK("\x90\x03\x02"
              "ab")); /* a path begins with a slash */
    CHECK(OK("\x90\x03\x02/b"));
    CHECK(!OK("\x90\x03\x02/b\xc0\x03")); /* and ends an address */
}

TEST(bounded)
{
    char many[600] = "", out[PXI_MADDR_TEXT];
    struct pxi_maddr a = {0};
    for (unsigned i = 0; i <= PXI_MADDR_PARTS; i++)
        memcpy(many + 4 * i, "/tls", 5);
    CHECK_EQ(pxi_maddr_parse(px_view_str(many), &a, &diag), PX_ERR_CORRUPT);
    many[4 * PXI_MADDR_PARTS] = 0;
    CHECK_EQ(pxi_maddr_parse(px_view_str(many), &a, &diag), PX_ERR_OK);
    CHECK(pxi_maddr_add(&a, PXI_MA_TLS, px_view_of(NULL, 0)));
    CHECK(pxi_maddr_check(pxi_maddr_view(&a), &diag) != PX_ERR_OK);
    /* the longest text of all: as many ip6 as fit, the rest a name */
    uint8_t ip[16], name[200];
    memset(ip, 0xff, sizeof ip);
    memset(name, 'x', sizeof name);
    a.n = 0;
    for (unsigned i = 0; i < PXI_MADDR_PARTS - 1; i++)
        CHECK(pxi_maddr_add(&a, PXI_MA_IP6, px_view_of(ip, 16)));
    CHECK(pxi_maddr_add(&a, PXI_MA_DNS4, px_view_of(name, PXI_MADDR_MAX - a.n - 3)));
    CHECK_EQ(a.n, PXI_MADDR_MAX);
    CHECK_EQ(pxi_maddr_check(pxi_maddr_view(&a), &diag), PX_ERR_OK);
    struct pxi_maddr b = parse(pxi_maddr_text(pxi_maddr_view(&a), out));
    CHECK(px_view_equal(pxi_maddr_view(&a), pxi_maddr_view(&b)));
    CHECK(!pxi_maddr_add(&a, PXI_MA_TLS, px_view_of(NULL, 0)));
}

TEST(steps_and_finds)
{
    struct pxi_maddr a = parse("/ip4/1.2.3.4/udp/5/quic-v1/p2p/" ED);
    struct pxi_maddr_part part;
    size_t at = 0, n = 0;
    while (pxi_maddr_next(pxi_maddr_view(&a), &at, &part))
        n++;
    CHECK(n == 4 && at == a.n && part.code == PXI_MA_P2P && part.offset == 11);
    CHECK(pxi_maddr_find(pxi_maddr_view(&a), PXI_MA_UDP, &part) && part.offset == 5);
    CHECK(!pxi_maddr_find(pxi_maddr_view(&a), PXI_MA_TCP, &part));
    at = 0;
    CHECK(pxi_maddr_next(px_view_of("\x04\x01\x02\x03\x04\x07", 6), &at, &part));
    CHECK(!pxi_maddr_next(px_view_of("\x04\x01\x02\x03\x04\x07", 6), &at, &part));
    CHECK_EQ(at, 5);
}

static struct pxi_endpoint endpoint(const char *text, px_err expected)
{
    static struct pxi_maddr a; /* the endpoint borrows a name from it */
    struct pxi_endpoint e;
    a = parse(text);
    if (pxi_endpoint_of(pxi_maddr_view(&a), &e) != expected)
        PX_FAIL("%s: not %s", text, px_err_name(expected));
    return e;
}

TEST(endpoints)
{
    struct pxi_endpoint e = endpoint("/ip4/1.2.3.4/tcp/5", PX_ERR_OK);
    CHECK(e.family == 4 && memcmp(e.ip, "\1\2\3\4", 4) == 0 && e.port == 5);
    CHECK(e.via == PXI_VIA_TCP && !e.relayed && !e.peer.n);
    e = endpoint("/ip6/::1/udp/700/quic-v1/p2p/" ED, PX_ERR_OK);
    CHECK(e.family == 6 && e.port == 700 && e.via == PXI_VIA_QUIC && e.peer.n == 38);
    e = endpoint("/dns4/a.b/tcp/443/ws", PX_ERR_OK);
    CHECK(e.family == 0 && px_view_is(e.dns, "a.b") && e.dns_code == PXI_MA_DNS4);
    CHECK(e.via == PXI_VIA_WS && e.port == 443);
    e = endpoint("/dnsaddr/a.b/p2p/" QM, PX_ERR_OK);
    CHECK(e.via == PXI_VIA_NONE && e.dns_code == PXI_MA_DNSADDR && e.peer.n == 34);
    e = endpoint("/ip4/1.2.3.4/tcp/5/p2p/" QM "/p2p-circuit/p2p/" ED, PX_ERR_OK);
    CHECK(e.relayed && e.relay.n == 34 && e.peer.n == 38 && e.via == PXI_VIA_TCP);
    e = endpoint("/p2p/" QM "/p2p-circuit", PX_ERR_OK);
    CHECK(e.relayed && e.relay.n == 34 && e.peer.n == 0 && e.via == PXI_VIA_NONE);
    e = endpoint("/memory/77", PX_ERR_OK);
    CHECK(e.via == PXI_VIA_MEMORY && e.port == 77 && e.family == 0);
    static const char *const no[] = {"/ip4/1.2.3.4",
                                     "/ip4/1.2.3.4/udp/5",
                                     "/ip4/1.2.3.4/udp/5/quic",
                                     "/ip4/1.2.3.4/tcp/5/wss",
                                     "/ip4/1.2.3.4/tcp/5/tls/ws",
                                     "/ip4/1.2.3.4/tcp/5/quic-v1",
                                     "/ip4/1.2.3.4/tcp/5/tcp/6",
                                     "/ip4/1.2.3.4/ip4/1.2.3.4/tcp/5",
                                     "/ip4/1.2.3.4/udp/1/quic-v1/webtransport",
                                     "/ip4/1.2.3.4/udp/1/webrtc-direct",
                                     "/tcp/1",
                                     "/dns4/a.b",
                                     "/dnsaddr/a.b/udp/0",
                                     "/memory/65536",
                                     "/unix/a",
                                     "/p2p/" QM "/p2p/" QM,
                                     "/p2p/" QM "/p2p-circuit/p2p-circuit",
                                     "/p2p/" QM "/p2p-circuit/p2p/" QM "/p2p-circuit"};
    for (size_t i = 0; i < sizeof no / sizeof *no; i++)
        endpoint(no[i], PX_ERR_UNSUPPORTED);
}

TEST(endpoints_back_to_addresses)
{
    static const char *const rows[] = {"/ip4/1.2.3.4/tcp/5", "/ip6/::1/udp/65535/quic-v1",
                                       "/ip4/1.2.3.4/tcp/80/ws", "/memory/9", "/dns6/x.y/tcp/1"};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char text[PXI_MADDR_TEXT];
        struct pxi_endpoint e = endpoint(rows[i], PX_ERR_OK);
        struct pxi_maddr a = pxi_endpoint_maddr(&e);
        CHECK_STR(pxi_maddr_text(pxi_maddr_view(&a), text), rows[i]);
    }
}

TEST(kinds_of_ip)
{
    static const struct {
        const char *ip;
        enum pxi_ip_kind kind;
    } rows[] = {
        {"/ip4/127.0.0.1", PXI_IP_LOOPBACK},
        {"/ip4/127.255.0.9", PXI_IP_LOOPBACK},
        {"/ip4/10.1.2.3", PXI_IP_PRIVATE},
        {"/ip4/172.16.0.1", PXI_IP_PRIVATE},
        {"/ip4/172.32.0.1", PXI_IP_PUBLIC},
        {"/ip4/192.168.1.1", PXI_IP_PRIVATE},
        {"/ip4/192.169.1.1", PXI_IP_PUBLIC},
        {"/ip4/100.64.0.1", PXI_IP_PRIVATE},
        {"/ip4/100.128.0.1", PXI_IP_PUBLIC},
        {"/ip4/169.254.169.254", PXI_IP_LINK},
        {"/ip4/0.0.0.0", PXI_IP_NONE},
        {"/ip4/224.0.0.251", PXI_IP_NONE},
        {"/ip4/255.255.255.255", PXI_IP_NONE},
        {"/ip4/8.8.8.8", PXI_IP_PUBLIC},
        {"/ip6/::1", PXI_IP_LOOPBACK},
        {"/ip6/::", PXI_IP_NONE},
        {"/ip6/fe80::1", PXI_IP_LINK},
        {"/ip6/fd00::1", PXI_IP_PRIVATE},
        {"/ip6/fc00::1", PXI_IP_PRIVATE},
        {"/ip6/ff02::1", PXI_IP_NONE},
        {"/ip6/2001:db8::1", PXI_IP_PUBLIC},
        {"/ip6/::ffff:127.0.0.1", PXI_IP_LOOPBACK},
        {"/ip6/::ffff:10.0.0.1", PXI_IP_PRIVATE},
        {"/ip6/64:ff9b::127.0.0.1", PXI_IP_LOOPBACK},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char text[80];
        snprintf(text, sizeof text, "%s/tcp/1", rows[i].ip);
        struct pxi_endpoint e = endpoint(text, PX_ERR_OK);
        if (pxi_ip_kind_of(&e) != rows[i].kind)
            PX_FAIL("%s is not of kind %d", text, rows[i].kind);
    }
    struct pxi_endpoint e = endpoint("/dns/a.b/tcp/1", PX_ERR_OK);
    CHECK_EQ(pxi_ip_kind_of(&e), PXI_IP_NONE);
}

TEST_MAIN()
