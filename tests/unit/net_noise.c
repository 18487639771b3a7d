/* Noise: published vectors of the handshake, then the libp2p channel in pairs, right and wrong. */
#include "net/noise.h"

#include "base/limits.h"
#include "base/mem.h"
#include "px_test.h"

static size_t from_hex(const char *hex, uint8_t *out)
{
    size_t n = strlen(hex) / 2;
    for (size_t i = 0; i < n; i++) {
        char two[3] = {hex[2 * i], hex[2 * i + 1], 0};
        out[i] = (uint8_t)strtoul(two, NULL, 16);
    }
    return n;
}

static void check_hex(const uint8_t *p, size_t n, const char *hex)
{
    uint8_t want[512];
    size_t m = from_hex(hex, want);
    CHECK_EQ(n, m);
    CHECK(memcmp(p, want, n) == 0);
}

/* A key pair whose secret counts up from `first`. */
static struct pxi_noise_pair counting(uint8_t first)
{
    struct pxi_noise_pair k;
    static const uint8_t base[PXI_X25519] = {9};
    for (unsigned i = 0; i < PXI_X25519; i++)
        k.secret[i] = (uint8_t)(first + i);
    CHECK(pxi_x25519(k.secret, base, k.pub));
    return k;
}

/* The common vectors for this pattern: no prologue, secrets 00.., 01.., 20.., 41.. */
static void vector(const char *const payloads[3], const char *const messages[3])
{
    struct pxi_noise_xx a, b;
    struct pxi_noise_pair as = counting(0), bs = counting(1), ae = counting(0x20),
                          be = counting(0x41);
    px_view none = px_view_of(NULL, 0), got;
    CHECK_EQ(pxi_noise_xx_init(&a, true, none, &as, &ae), PX_ERR_OK);
    CHECK_EQ(pxi_noise_xx_init(&b, false, none, &bs, &be), PX_ERR_OK);
    for (unsigned i = 0; i < 3; i++) {
        uint8_t message[512];
        size_t n = pxi_noise_xx_write(i & 1 ? &b : &a, px_view_str(payloads[i]), message);
        check_hex(message, n, messages[i]);
        CHECK_EQ(pxi_noise_xx_read(i & 1 ? &a : &b, message, n, &got), PX_ERR_OK);
        CHECK(px_view_is(got, payloads[i]));
    }
    struct pxi_aead *send, *receive;
    uint8_t out[64];
    CHECK_EQ(pxi_noise_xx_split(&a, &send, &receive), PX_ERR_OK);
    CHECK(pxi_aead_seal(send, 0, none, (const uint8_t *)"yellowsubmarine", 15, out));
    check_hex(out, 31, "a52ef02ba60e12696d1d6b9ef4245c88fca757b6134ad6e76b56e310a6adf6");
    from_hex("2445aa438ebd649281c636cc7269ca82f1d9023d72520943aeabf909cdf521", out);
    CHECK(pxi_aead_open(receive, 0, none, out, 31, out));
    CHECK(memcmp(out, "submarineyellow", 15) == 0);
    pxi_aead_free(send);
    pxi_aead_free(receive);
    pxi_noise_xx_deinit(&a);
    pxi_noise_xx_deinit(&b);
}

TEST(vectors)
{
    static const char *const none[3] = {"", "", ""}, *const text[3] = {"test_msg_0", "test_msg_1",
                                                                       "test_msg_2"};
    static const char *const plain[3] = {
        "358072d6365880d1aeea329adf9121383851ed21a28e3b75e965d0d2cd166254",
        ("64b101b1d0be5a8704bd078f9895001fc03e8e9f9522f188dd128d9846d484663414af878d3e46a2f58911a81"
         "6"
         "d6e8346d4ea17a6f2a0bb4ef4ed56c133cff4560a34e36ea82109f26cf2e5a5caf992b608d55c747f615e5a34"
         "2"
         "5a7a19eefb8f"),
        ("87f864c11ba449f46a0a4f4e2eacbb7b0457784f4fca1937f572c93603e9c4d97e5ea11b16f3968710b23a3be"
         "3"
         "202dc1b5e1ce3c963347491e74f5c0768a9b42")};
    static const char *const full[3] = {
        "358072d6365880d1aeea329adf9121383851ed21a28e3b75e965d0d2cd166254746573745f6d73675f30",
        ("64b101b1d0be5a8704bd078f9895001fc03e8e9f9522f188dd128d9846d484663414af878d3e46a2f58911a81"
         "6"
         "d6e8346d4ea17a6f2a0bb4ef4ed56c133cff4572e7a2ba5123ac30618b3d205f5c2d17f50cbca216483ac56bc"
         "c"
         "78e33bf520303278db641e5e731b2e3a"),
        ("87f864c11ba449f46a0a4f4e2eacbb7b0457784f4fca1937f572c93603e9c4d9f27e318e43ba630594c4d08ee"
         "b"
         "3b36d97c7377a2f4f9144b2f0c8095ad92140505b2ab53eff244b14138")};
    vector(none, plain);
    vector(text, full);
}

/* ------------------------------------------------ the channel */

static const char *const YAMUX[] = {"/yamux/1.0.0", NULL}, *const MPLEX[] = {"/mplex/6.7.0", NULL},
                         *const BOTH[] = {"/mplex/6.7.0", "/yamux/1.0.0", NULL};

struct side {
    struct pxi_random random;
    struct pxi_key *key;
    struct pxi_noise_id id;
    struct pxi_secure *s;
    unsigned ready;
    size_t to_send, got;
    px_err err;
};

static void on_ready(void *above)
{
    ((struct side *)above)->ready++;
}

static void on_plain(void *above, const uint8_t *bytes, size_t n)
{
    ((struct side *)above)->got += n;
}

static void on_wake(void *above)
{
    (void)above;
}

static size_t on_fill(void *above, uint8_t *out, size_t cap, struct pxi_gaps *gaps)
{
    struct side *x = above;
    size_t n = x->to_send < cap ? x->to_send : cap;
    memset(out, 'p', n);
    x->to_send -= n;
    return n;
}

static const struct pxi_secure_events events = {on_ready, on_plain, on_wake, on_fill};

static void side_key(struct side *x, uint64_t seed)
{
    *x = (struct side){.random = pxi_random_seeded(seed)};
    x->key = pxi_key_new(PXI_KEY_ED25519, &x->random);
    CHECK(x->key != NULL);
    CHECK_EQ(pxi_noise_id_make(&x->id, x->key, &x->random), PX_ERR_OK);
}

static void side_open(struct side *x, bool outbound, const char *const *muxers)
{
    struct pxi_secure_options o = {
        .on = &events, .above = x, .outbound = outbound, .key = x->key, .random = &x->random};
    x->s = pxi_noise_new(&o, &x->id, muxers);
    CHECK(x->s != NULL);
}

static void side_close(struct side *x)
{
    x->s->ops->free(x->s);
    pxi_key_free(x->key);
}

static uint8_t wire[1 << 20];

/* One pull, pushed in pieces of `step` (0: whole). */
static size_t move(struct side *from, struct side *to, size_t step)
{
    size_t n = from->s->ops->pull(from->s, wire, sizeof wire);
    for (size_t at = 0; at < n && to->err == PX_ERR_OK;) {
        size_t part = step && step < n - at ? step : n - at;
        to->err = to->s->ops->push(to->s, wire + at, part);
        at += part;
    }
    return n;
}

static void handshake(struct side *a, struct side *b, size_t step)
{
    for (unsigned i = 0; i < 3; i++)
        move(i & 1 ? b : a, i & 1 ? a : b, step);
}

static void open_pair(struct side *a, struct side *b, const char *const *am, const char *const *bm)
{
    side_key(a, 1);
    side_key(b, 2);
    side_open(a, true, am);
    side_open(b, false, bm);
}

TEST(pairs_in_pieces)
{
    for (size_t step = 0; step < 50; step++) {
        struct side a, b;
        open_pair(&a, &b, YAMUX, YAMUX);
        handshake(&a, &b, step);
        CHECK(a.ready == 1 && b.ready == 1);
        CHECK(px_view_equal(a.s->pubkey, pxi_key_public(b.key)));
        CHECK(px_view_equal(b.s->pubkey, pxi_key_public(a.key)));
        CHECK_STR(a.s->muxer, "/yamux/1.0.0");
        CHECK_STR(b.s->muxer, "/yamux/1.0.0");
        a.to_send = b.to_send = 200000;
        move(&a, &b, step);
        move(&b, &a, step * 100);
        CHECK(a.got == 200000 && b.got == 200000);
        while (a.s->ops->tidy(a.s)) {
        }
        side_close(&a);
        side_close(&b);
    }
}

TEST(muxers)
{
    static const struct {
        const char *const *a, *const *b;
        const char *agreed; /* NULL: by multistream, when nothing failed */
        px_err a_err, b_err;
    } rows[] = {
        {YAMUX, YAMUX, "/yamux/1.0.0", PX_ERR_OK, PX_ERR_OK},
        {BOTH, YAMUX, "/yamux/1.0.0", PX_ERR_OK, PX_ERR_OK},
        {YAMUX, NULL, NULL, PX_ERR_OK, PX_ERR_OK},
        {NULL, YAMUX, NULL, PX_ERR_OK, PX_ERR_OK},
        {NULL, NULL, NULL, PX_ERR_OK, PX_ERR_OK},
        {YAMUX, MPLEX, NULL, PX_ERR_NO_PROTOCOL, PX_ERR_OK},
        /* a responder with two offers only its first */
        {BOTH, BOTH, "/mplex/6.7.0", PX_ERR_OK, PX_ERR_OK},
    };
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct side a, b;
        open_pair(&a, &b, rows[i].a, rows[i].b);
        handshake(&a, &b, 0);
        CHECK_EQ(a.err, rows[i].a_err);
        CHECK_EQ(b.err, rows[i].b_err);
        if (rows[i].agreed) {
            CHECK_STR(a.s->muxer, rows[i].agreed);
            CHECK_STR(b.s->muxer, rows[i].agreed);
        } else {
            CHECK(!a.s->muxer && !b.s->muxer);
        }
        side_close(&a);
        side_close(&b);
    }
}

/* Every byte of every handshake message matters. */
TEST(damaged_handshakes)
{
    for (unsigned message = 0; message < 3; message++)
        for (size_t at = 0, n = 1; at < n; at++) {
            struct side a, b;
            open_pair(&a, &b, YAMUX, YAMUX);
            for (unsigned i = 0; i < message; i++)
                move(i & 1 ? &b : &a, i & 1 ? &a : &b, 0);
            struct side *from = message & 1 ? &b : &a, *to = message & 1 ? &a : &b;
            n = from->s->ops->pull(from->s, wire, sizeof wire);
            wire[at] ^= 0x40;
            to->err = to->s->ops->push(to->s, wire, n);
            if (message == 0 && to->err == PX_ERR_OK) /* plaintext: found out with the next one */
                move(&b, &a, 0);
            CHECK(a.err != PX_ERR_OK || b.err != PX_ERR_OK || at < 2);
            CHECK(!to->ready);
            side_close(&a);
            side_close(&b);
        }
}

TEST(signature_of_another_key)
{
    for (unsigned wrong = 0; wrong < 2; wrong++) {
        struct side a, b, c;
        side_key(&a, 1);
        side_key(&b, 2);
        side_key(&c, 3);
        struct side *x = wrong ? &b : &a;
        memcpy(x->id.signature, c.id.signature, sizeof c.id.signature);
        side_open(&a, true, YAMUX);
        side_open(&b, false, YAMUX);
        handshake(&a, &b, 0);
        CHECK_EQ(wrong ? a.err : b.err, PX_ERR_IDENTITY);
        CHECK_EQ((wrong ? &a : &b)->s->fault, PXI_FAULT_IDENTITY);
        side_close(&a);
        side_close(&b);
        pxi_key_free(c.key);
    }
}

TEST(small_order_points)
{
    static const char *const points[] = {
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
        "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    };
    for (unsigned i = 0; i < sizeof points / sizeof *points; i++) {
        struct side b;
        uint8_t first[34] = {0, 32};
        from_hex(points[i], first + 2);
        side_key(&b, 2);
        side_open(&b, false, YAMUX);
        CHECK_EQ(b.s->ops->push(b.s, first, sizeof first), PX_ERR_PROTOCOL);
        side_close(&b);
    }
}

TEST(replayed_and_forged_frames)
{
    static uint8_t copy[1000];
    for (unsigned kind = 0; kind < 3; kind++) {
        struct side a, b;
        open_pair(&a, &b, YAMUX, YAMUX);
        handshake(&a, &b, 0);
        a.to_send = 100;
        size_t n = a.s->ops->pull(a.s, wire, sizeof wire);
        CHECK_EQ(n, 118);
        memcpy(copy, wire, n);
        if (kind == 1)
            copy[50] ^= 1;
        if (kind == 2)
            copy[1] = 15, n = 17; /* shorter than its tag */
        px_err err = b.s->ops->push(b.s, copy, n);
        CHECK_EQ(err, kind ? PX_ERR_PROTOCOL : PX_ERR_OK);
        if (!kind) {
            memcpy(copy, wire, n);
            CHECK_EQ(b.s->ops->push(b.s, wire, n), PX_ERR_PROTOCOL);
        }
        CHECK_EQ(b.s->fault, PXI_FAULT_NOISE);
        side_close(&a);
        side_close(&b);
    }
}

TEST(counter_at_its_end)
{
    struct side a, b;
    open_pair(&a, &b, YAMUX, YAMUX);
    handshake(&a, &b, 0);
    pxi_noise_counters_set(a.s, UINT64_MAX - 1, 0);
    pxi_noise_counters_set(b.s, 0, UINT64_MAX - 1);
    a.to_send = 100;
    CHECK(move(&a, &b, 0) == 118 && b.got == 100 && b.err == PX_ERR_OK);
    a.to_send = 100;
    CHECK_EQ(move(&a, &b, 0), 0);
    CHECK_EQ(a.s->err, PX_ERR_PROTOCOL);
    pxi_noise_counters_set(a.s, 5, 0); /* a sender that goes on all the same */
    a.s->err = PX_ERR_OK;
    move(&a, &b, 0);
    a.to_send = 100;
    move(&a, &b, 0);
    CHECK_EQ(b.err, PX_ERR_PROTOCOL);
    side_close(&a);
    side_close(&b);
}

TEST(claims_of_length)
{
    struct side b;
    uint8_t big[2] = {0xff, 0xff};
    side_key(&b, 2);
    side_open(&b, false, YAMUX);
    CHECK_EQ(b.s->ops->push(b.s, big, 2), PX_ERR_PROTOCOL); /* nothing is kept for it */
    side_close(&b);
    uint8_t short_one[] = {0, 31, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1, 2, 3, 4, 5,
                           6, 7,  8, 9, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1};
    side_key(&b, 2);
    side_open(&b, false, YAMUX);
    CHECK_EQ(b.s->ops->push(b.s, short_one, sizeof short_one), PX_ERR_PROTOCOL);
    side_close(&b);
}

TEST_MAIN()
