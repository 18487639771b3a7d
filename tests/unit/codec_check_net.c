/* The checks of network formats: what a file must be, and the field that a refusal names. */
#include "codec/check_net.h"

#include "base/limits.h"
#include "codec/messages.h"
#include "codec/multistream.h"
#include "codec/peer.h"
#include "codec/varint.h"
#include "codec/yamux.h"
#include "crypto_vectors.h"
#include "px_test.h"

static px_diag diag;
static struct pxi_buf buf = {.max = 1 << 22};

static px_view hex(const char *s)
{
    static uint8_t out[1024];
    size_t n = 0;
    for (unsigned v; sscanf(s, "%2x", &v) == 1; s += 2)
        out[n++] = (uint8_t)v;
    return px_view_of(out, n);
}

static void expect(px_err (*check)(px_view, px_diag *), const char *field)
{
    px_err err = check(px_view_of(buf.p, buf.n), &diag);
    if (!field) {
        if (err != PX_ERR_OK)
            PX_FAIL("refused: %s at %llu", diag.field, (unsigned long long)diag.offset);
    } else {
        CHECK(err != PX_ERR_OK);
        CHECK_EQ(px_err_exit(err), 7);
        CHECK_STR(diag.field, field);
        CHECK(diag.offset <= buf.n);
    }
    buf.n = 0;
}

/* ------------------------------------------------------------------- Kademlia */

static void kad(const struct pxi_msg_kad *m, const char *field)
{
    CHECK_EQ(pxi_pb_encode_framed(&pxi_pb_kad, m, &buf), PX_ERR_OK);
    expect(pxi_check_kad, field);
}

#define S(text) px_view_str(text)

TEST(kad_messages)
{
    static uint8_t big[PXI_LIMIT_PB_KAD_VALUE_BYTES + 1];
    struct pxi_msg_kad_record record = {.key = S("/pk/one"), .value = S("v")};
    kad(&(struct pxi_msg_kad){.type = PXI_KAD_FIND_NODE, .key = S("k")}, NULL);
    kad(&(struct pxi_msg_kad){.type = PXI_KAD_PING}, NULL);
    kad(&(struct pxi_msg_kad){.type = PXI_KAD_FIND_NODE}, "kad.key");
    kad(&(struct pxi_msg_kad){.type = 6, .key = S("k")}, "kad.type");
    kad(&(struct pxi_msg_kad){.type = PXI_KAD_ADD_PROVIDER, .key = S("k")}, "kad.providers");
    kad(&(struct pxi_msg_kad){.key = S("/pk/one")}, "kad.record");
    kad(&(struct pxi_msg_kad){.key = S("/pk/two"), .record = &record}, "kad.record.key");
    kad(&(struct pxi_msg_kad){.key = S("/pk/one"), .record = &record}, "kad.record.value");
    record.key = S("/evil/x");
    kad(&(struct pxi_msg_kad){.key = S("/evil/x"), .record = &record}, "kad.record.key");
    record = (struct pxi_msg_kad_record){S("/pk/one"), px_view_of(big, sizeof big), S("")};
    kad(&(struct pxi_msg_kad){.key = S("/pk/one"), .record = &record}, "kad.record.value");
}

TEST(kad_public_key_record)
{
    px_view key = hex(px_key_vectors[1][1]);
    struct pxi_peer id = pxi_peer_of_key(key);
    uint8_t name[64] = "/pk/";
    memcpy(name + 4, id.b, id.n);
    struct pxi_msg_kad_record record = {px_view_of(name, id.n + 4u), key, S("")};
    kad(&(struct pxi_msg_kad){.key = record.key, .record = &record}, NULL);
}

TEST(kad_frames)
{
    struct pxi_msg_kad m = {.type = PXI_KAD_PING};
    CHECK_EQ(pxi_pb_encode_framed(&pxi_pb_kad, &m, &buf), PX_ERR_OK);
    pxi_buf_add(&buf, "x", 1);
    expect(pxi_check_kad, "length");
    expect(pxi_check_kad, "length"); /* empty */
    pxi_buf_add(&buf, "\x80\x80\x80\x80\x08", 5);
    expect(pxi_check_kad, "length");
    pxi_buf_add(&buf, "\x82\x00\x08\x05", 4);
    expect(pxi_check_kad, "length");
    pxi_buf_add(&buf, "\x02\x12\x07", 3);
    expect(pxi_check_kad, "kad.key");
}

/* ------------------------------------------------------------------- Noise */

TEST(noise_payloads)
{
    static uint8_t sig[600];
    static const size_t lengths[][2] = {{64, 63}, {71, 73}, {70, 7}};
    for (unsigned i = 0; i < 3; i++) {
        struct pxi_msg_noise_payload m = {.identity_key = hex(px_key_vectors[i + 1][1])};
        m.identity_sig = px_view_of(sig, lengths[i][0]);
        CHECK_EQ(pxi_pb_encode(&pxi_pb_noise_payload, &m, &buf), PX_ERR_OK);
        expect(pxi_check_noise_payload, NULL);
        m.identity_sig.n = lengths[i][1];
        CHECK_EQ(pxi_pb_encode(&pxi_pb_noise_payload, &m, &buf), PX_ERR_OK);
        expect(pxi_check_noise_payload, "noise_payload.identity_sig");
    }
    struct pxi_msg_noise_payload none = {.identity_sig = px_view_of(sig, 64)};
    CHECK_EQ(pxi_pb_encode(&pxi_pb_noise_payload, &none, &buf), PX_ERR_OK);
    CHECK(pxi_check_noise_payload(px_view_of(buf.p, buf.n), &diag) != PX_ERR_OK);
    CHECK(pxi_check_noise_payload(px_view_of(NULL, 0), &diag) != PX_ERR_OK);
}

/* ------------------------------------------------------------------- multistream-select */

static void add_line(const char *s)
{
    CHECK(pxi_multistream_add(&buf, px_view_str(s)));
}

TEST(multistream_openings)
{
    add_line(PXI_MULTISTREAM_HEADER);
    add_line("/noise");
    add_line("/tls/1.0.0");
    expect(pxi_check_multistream, NULL);
    add_line("/noise");
    expect(pxi_check_multistream, "header");
    expect(pxi_check_multistream, "line");
    add_line(PXI_MULTISTREAM_HEADER);
    buf.n--;
    expect(pxi_check_multistream, "line");
    add_line(PXI_MULTISTREAM_HEADER);
    for (unsigned i = 0; i <= PXI_LIMIT_NET_NEGOTIATE_TRIES; i++)
        add_line("na");
    expect(pxi_check_multistream, "proposal");
}

/* ------------------------------------------------------------------- yamux */

static void frame(uint8_t type, uint16_t flags, uint32_t stream, uint32_t length, size_t body)
{
    static const uint8_t zeros[PXI_YAMUX_WINDOW];
    uint8_t head[PXI_YAMUX_HEADER];
    pxi_yamux_put(head, &(struct pxi_yamux_header){type, flags, stream, length});
    CHECK(pxi_buf_add(&buf, head, sizeof head) && pxi_buf_add(&buf, zeros, body));
}

TEST(yamux_sessions)
{
    enum { W = PXI_YAMUX_WINDOW };
    frame(PXI_YAMUX_DATA, PXI_YAMUX_SYN, 1, W, W);
    frame(PXI_YAMUX_DATA, PXI_YAMUX_FIN, 1, 0, 0);
    frame(PXI_YAMUX_PING, PXI_YAMUX_SYN, 0, 7, 0);
    frame(PXI_YAMUX_GO_AWAY, 0, 0, 0, 0);
    expect(pxi_check_yamux, NULL);
    frame(PXI_YAMUX_DATA, PXI_YAMUX_SYN, 1, W, W);
    frame(PXI_YAMUX_DATA, 0, 1, 1, 1);
    expect(pxi_check_yamux, "length");
    frame(PXI_YAMUX_DATA, PXI_YAMUX_SYN, 1, W + 1, 0);
    expect(pxi_check_yamux, "length");
    frame(PXI_YAMUX_DATA, PXI_YAMUX_SYN, 1, 9, 8);
    expect(pxi_check_yamux, "data");
    frame(PXI_YAMUX_UPDATE, PXI_YAMUX_SYN, 1, UINT32_MAX - W, 0);
    expect(pxi_check_yamux, NULL);
    frame(PXI_YAMUX_UPDATE, PXI_YAMUX_SYN, 1, UINT32_MAX - W + 1, 0);
    expect(pxi_check_yamux, "window");
    frame(PXI_YAMUX_UPDATE, PXI_YAMUX_SYN, 2, 0, 0);
    expect(pxi_check_yamux, "stream");
    frame(PXI_YAMUX_DATA, 0, 1, 0, 0);
    expect(pxi_check_yamux, "stream");
    frame(PXI_YAMUX_DATA, PXI_YAMUX_SYN, 1, 0, 0);
    frame(PXI_YAMUX_DATA, PXI_YAMUX_SYN, 1, 0, 0);
    expect(pxi_check_yamux, "stream");
    frame(PXI_YAMUX_DATA, PXI_YAMUX_SYN | PXI_YAMUX_FIN, 1, 0, 0);
    frame(PXI_YAMUX_DATA, 0, 1, 1, 1);
    expect(pxi_check_yamux, "length");
    frame(PXI_YAMUX_DATA, PXI_YAMUX_SYN | PXI_YAMUX_RST, 1, 0, 0);
    frame(PXI_YAMUX_DATA, 0, 1, 1, 1); /* it was under way */
    expect(pxi_check_yamux, NULL);
    for (unsigned i = 0; i <= PXI_LIMIT_YAMUX_BACKLOG; i++)
        frame(PXI_YAMUX_UPDATE, PXI_YAMUX_SYN, 2 * i + 1, 0, 0);
    expect(pxi_check_yamux, "stream");
    expect(pxi_check_yamux, "header");
}

TEST(text_formats)
{
    CHECK_EQ(pxi_check_cid(S("bafkqaaa"), &diag), PX_ERR_OK);
    CHECK_EQ(px_err_exit(pxi_check_cid(S("?"), &diag)), 7);
    CHECK_EQ(pxi_check_maddr(S("/ip4/1.2.3.4"), &diag), PX_ERR_OK);
    CHECK_EQ(px_err_exit(pxi_check_maddr(S("/ip4"), &diag)), 7);
    CHECK_EQ(pxi_check_maddr_bin(px_view_of("\x04\1\2\3\4", 5), &diag), PX_ERR_OK);
    CHECK_EQ(px_err_exit(pxi_check_maddr_bin(S("\x04"), &diag)), 7);
    CHECK_EQ(pxi_check_msgpack(S("\x93\x01\x02\xc0"), &diag), PX_ERR_OK);
    CHECK_EQ(px_err_exit(pxi_check_msgpack(S("\x93"), &diag)), 7);
}

TEST_MAIN()
