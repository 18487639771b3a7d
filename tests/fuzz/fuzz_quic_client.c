/*
 * A QUIC client that dials whom the input plays. Initial packets are sealed with the keys that both
 * ends derive from the client's first packet, so that frames of the input reach the client, its
 * handshake included; Retry gets a right tag, Version Negotiation the right connection ids. The
 * first byte says whether a real server answers too. Then commands, see play().
 */
#include "quic_pair.h"

#include <openssl/evp.h>

#include "crypto/hash.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
    const uint8_t *p;
    size_t n;
};

/* What the client said in its first packet, and the keys of the server that follow from it. */
struct client {
    bool known;
    uint8_t dcid[20], scid[20], dcid_n, scid_n;
    uint8_t key[16], iv[12], hp[16];
    uint32_t number, crypto; /* of the next packet; bytes of CRYPTO frames so far */
};

static int (*const unused)(int, char **) __attribute__((unused)) = px_test_main;
static struct sim sim;
static struct client client;

static uint8_t byte(struct input *in)
{
    if (!in->n)
        return 0;
    in->n--;
    return *in->p++;
}

/* Up to `most` bytes of the input, as many as its next two bytes say. */
static px_view take(struct input *in, size_t most)
{
    size_t n = byte(in);
    n |= (size_t)(byte(in) & 7) << 8;
    n = n < in->n ? n : in->n;
    n = n < most ? n : most;
    px_view v = {in->p, n};
    in->p += n;
    in->n -= n;
    return v;
}

/* HKDF-Expand-Label of TLS 1.3 (RFC 8446 section 7.1), one block. */
static void expand(const uint8_t secret[32], const char *label, size_t n, uint8_t *out)
{
    uint8_t info[64] = {0, (uint8_t)n, (uint8_t)(6 + strlen(label))}, block[32];
    size_t at = 3;
    memcpy(info + at, "tls13 ", 6);
    at += 6;
    memcpy(info + at, label, strlen(label));
    at += strlen(label);
    info[at++] = 0; /* no context */
    info[at++] = 1; /* the first block */
    pxi_hmac_sha256(px_view_of(secret, 32), px_view_of(info, at), block);
    memcpy(out, block, n);
}

/* Keys of the server's Initial packets (RFC 9001 section 5.2). */
static void derive(px_view dcid)
{
    static const uint8_t salt[20] = {0x38, 0x76, 0x2c, 0xf7, 0xf5, 0x59, 0x34, 0xb3, 0x4d, 0x17,
                                     0x9a, 0xe6, 0xa4, 0xc8, 0x0c, 0xad, 0xcc, 0xbb, 0x7f, 0x0a};
    uint8_t prk[32], secret[32];
    pxi_hmac_sha256(px_view_of(salt, sizeof salt), dcid, prk);
    expand(prk, "server in", 32, secret);
    expand(secret, "quic key", 16, client.key);
    expand(secret, "quic iv", 12, client.iv);
    expand(secret, "quic hp", 16, client.hp);
}

/* Look at what the client sends. */
static bool overhear(struct sim *s, struct sim_packet *p)
{
    if (client.known || s->pulling != 0 || p->n < 100 || (p->bytes[0] & 0xf0) != 0xc0 ||
        p->bytes[5] > 20 || p->bytes[6 + p->bytes[5]] > 20)
        return true;
    client.known = true;
    client.dcid_n = p->bytes[5];
    memcpy(client.dcid, p->bytes + 6, client.dcid_n);
    client.scid_n = p->bytes[6 + client.dcid_n];
    memcpy(client.scid, p->bytes + 7 + client.dcid_n, client.scid_n);
    derive(px_view_of(client.dcid, client.dcid_n));
    return true;
}

/* AES-128-GCM; the tag after the n bytes at out. */
static void seal(const uint8_t key[16], const uint8_t iv[12], px_view ad, px_view in, uint8_t *out)
{
    EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
    int n = 0;
    CHECK(c && EVP_EncryptInit_ex(c, EVP_aes_128_gcm(), NULL, key, iv) == 1);
    CHECK(EVP_EncryptUpdate(c, NULL, &n, (const uint8_t *)ad.p, (int)ad.n) == 1);
    CHECK(!in.n || EVP_EncryptUpdate(c, out, &n, (const uint8_t *)in.p, (int)in.n) == 1);
    CHECK(EVP_EncryptFinal_ex(c, out + in.n, &n) == 1);
    CHECK(EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_GET_TAG, 16, out + in.n) == 1);
    EVP_CIPHER_CTX_free(c);
}

static void mask_of(const uint8_t sample[16], uint8_t mask[16])
{
    EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
    int n = 0;
    CHECK(c && EVP_EncryptInit_ex(c, EVP_aes_128_ecb(), NULL, client.hp, NULL) == 1);
    CHECK(EVP_EncryptUpdate(c, mask, &n, sample, 16) == 1);
    EVP_CIPHER_CTX_free(c);
}

static void deliver(uint8_t *bytes, size_t n)
{
    struct pxi_udp_in d = {bytes, n, 0, sim.h[0].addr, sim.h[1].addr, 0};
    pxi_quic_push(sim.h[0].q, &d);
}

/* First byte, version and both connection ids of a long header. */
static size_t head(uint8_t *out, uint8_t first, uint32_t version, px_view from)
{
    size_t n = 0;
    out[n++] = first;
    for (int shift = 24; shift >= 0; shift -= 8)
        out[n++] = (uint8_t)(version >> shift);
    out[n++] = client.scid_n;
    memcpy(out + n, client.scid, client.scid_n);
    n += client.scid_n;
    out[n++] = (uint8_t)from.n;
    memcpy(out + n, from.p, from.n);
    return n + from.n;
}

/* An Initial packet with these frames; `odd` goes into the bits that must be zero. */
static void initial(px_view frames, uint8_t odd)
{
    uint8_t out[2048] = {0}, iv[12], mask[16], plain[1500] = {0};
    static const uint8_t self[8] = "inputsid";
    size_t n = head(out, 0xc3 | (odd & 0x0c), 1, px_view_of(self, 8));
    size_t body = frames.n < 16 ? 16 : frames.n;
    memcpy(plain, frames.p, frames.n);
    out[n++] = 0; /* no token */
    out[n++] = (uint8_t)(0x40 | (body + 20) >> 8);
    out[n++] = (uint8_t)(body + 20);
    size_t at = n; /* packet number, 4 bytes */
    memcpy(iv, client.iv, 12);
    for (int i = 0; i < 4; i++) {
        out[n++] = (uint8_t)(client.number >> (24 - 8 * i));
        iv[8 + i] ^= (uint8_t)(client.number >> (24 - 8 * i));
    }
    client.number++;
    seal(client.key, iv, px_view_of(out, n), px_view_of(plain, body), out + n);
    mask_of(out + at + 4, mask);
    out[0] ^= mask[0] & 0x0f;
    for (int i = 0; i < 4; i++)
        out[at + i] ^= mask[1 + i];
    deliver(out, n + body + 16);
}

/* The next bytes of the server's handshake, in a CRYPTO frame. */
static void crypto(px_view bytes)
{
    uint8_t frame[1400] = {0x06};
    size_t n = 1;
    frame[n++] = (uint8_t)(0x80 | client.crypto >> 24);
    frame[n++] = (uint8_t)(client.crypto >> 16);
    frame[n++] = (uint8_t)(client.crypto >> 8);
    frame[n++] = (uint8_t)client.crypto;
    frame[n++] = (uint8_t)(0x40 | bytes.n >> 8);
    frame[n++] = (uint8_t)bytes.n;
    memcpy(frame + n, bytes.p, bytes.n);
    client.crypto += (uint32_t)bytes.n;
    initial(px_view_of(frame, n + bytes.n), 0);
}

/* A Retry with this token (RFC 9001 section 5.8); the client begins anew with other keys. */
static void retry(px_view token, bool forged)
{
    static const uint8_t key[16] = {0xbe, 0x0c, 0x69, 0x0b, 0x9f, 0x66, 0x57, 0x5a,
                                    0x1d, 0x76, 0x6b, 0x54, 0xe3, 0x68, 0xc8, 0x4e};
    static const uint8_t iv[12] = {0x46, 0x15, 0x99, 0xd3, 0x5d, 0x63,
                                   0x2b, 0xf2, 0x23, 0x98, 0x25, 0xbb};
    uint8_t out[1700], whole[1721];
    size_t n = head(out, 0xf0, 1, px_view_of("retrysid", 8));
    memcpy(out + n, token.p, token.n);
    n += token.n;
    whole[0] = client.dcid_n;
    memcpy(whole + 1, client.dcid, client.dcid_n);
    memcpy(whole + 1 + client.dcid_n, out, n);
    seal(key, iv, px_view_of(whole, 1 + client.dcid_n + n), px_view_of("", 0), out + n);
    out[n] ^= forged;
    deliver(out, n + 16);
    if (!forged && token.n)
        derive(px_view_of("retrysid", 8));
}

static void versions(px_view list)
{
    uint8_t out[1600];
    size_t n = head(out, 0x80, 0, px_view_of(client.dcid, client.dcid_n));
    memcpy(out + n, list.p, list.n);
    deliver(out, n + list.n);
}

static void command(struct input *in)
{
    uint8_t what = byte(in), raw[2048];
    px_view v = (what & 7) == 7 ? px_view_of("", 0) : take(in, 1200);
    memcpy(raw, v.p, v.n);
    switch (what & 7) {
    case 0: deliver(raw, v.n); break;
    case 1:
    case 2: initial(v, what >> 3); break;
    case 3:
    case 4: crypto(v); break;
    case 5: retry(v, what >> 7); break;
    case 6: versions(v); break;
    default: sim_run(&sim, (1ull << (what >> 3) % 25) * 1000, NULL); /* up to 17 s */
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = {data, size};
    struct sim_reach r = {0};
    memset(&client, 0, sizeof client);
    sim_init(&sim, 1);
    sim_add(&sim, NULL);
    sim_add(&sim, NULL);
    sim.h[1].deaf = !(byte(&in) & 1);
    sim.filter = overhear;
    sim_dial(&r, &sim.h[0], &sim.h[1], pxi_host_self(sim.h[1].host));
    sim_run(&sim, 1000, NULL); /* the first packet is on its way */
    for (unsigned i = 0; i < 40 && in.n && client.known; i++)
        command(&in);
    sim.filter = NULL;
    sim_run(&sim, 60 * PXI_SECOND, NULL);
    sim_free(&sim);
    return 0;
}
