#include "codec/invite.h"

#include <string.h>

#include "base/diag.h"
#include "crypto/hash.h"

/* Letters that are told apart by ear. */
static const char consonants[] = "bdfgjklmnprstvwz", vowels[] = "aeio";

enum {
    LETTERS = 5,
    WORD_BITS = 12,
    VERSION = 1, /* the high half of the kind */
    LONG_KEY = 1,
    IP6 = 2,
    HASHED = 4, /* the id is a SHA-256 hash, not a key */
    CHECK = 3,
    BYTES_MAX = 1 + 16 + 2 + 32 + PXI_INVITE_KEY + CHECK,
};

static const uint8_t ed25519_head[] = {0x00, 0x24, 0x08, 0x01, 0x12, 0x20},
                     hashed_head[] = {0x12, 0x20};

/* ---------------------------------------------------------------------------- words */

/* Product in the field of 16 elements, x^4 + x + 1. */
static unsigned times(unsigned a, unsigned b)
{
    unsigned out = 0;
    for (; b; b >>= 1) {
        out ^= b & 1 ? a : 0;
        a = a << 1 ^ (a & 8 ? 0x13 : 0);
    }
    return out;
}

/* The last letter: each of the others counts with a factor of its own, so that no single change
 * and no exchange of two leaves it as it was; so does the place. */
static unsigned last_letter(unsigned bits, unsigned place)
{
    return times(2, bits >> 8) ^ times(3, bits >> 6 & 3) ^ times(4, bits >> 2 & 15) ^
           times(5, bits & 3) ^ times(7, place & 15) ^ times(6, place >> 4 & 15);
}

static void put_word(unsigned bits, unsigned place, char out[LETTERS])
{
    out[0] = consonants[bits >> 8 & 15];
    out[1] = vowels[bits >> 6 & 3];
    out[2] = consonants[bits >> 2 & 15];
    out[3] = vowels[bits & 3];
    out[4] = consonants[last_letter(bits, place)];
}

static int letter(char c, const char *of)
{
    const char *at = c ? strchr(of, c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c) : NULL;
    return at ? (int)(at - of) : -1;
}

/* The 12 bits of a word; -1: it has a letter that no word has there. *last is its last letter. */
static int word_bits(px_view w, unsigned *last)
{
    int l[LETTERS];
    if (w.n != LETTERS)
        return -1;
    for (unsigned i = 0; i < LETTERS; i++)
        if ((l[i] = letter((char)w.p[i], i % 2 ? vowels : consonants)) < 0)
            return -1;
    *last = (unsigned)l[4];
    return l[0] << 8 | l[1] << 6 | l[2] << 2 | l[3];
}

static bool is_letter(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c >= 0x80;
}

/* The next word of the text; empty at the end. */
static px_view next_word(px_view text, size_t *at)
{
    while (*at < text.n && !is_letter(text.p[*at]))
        ++*at;
    size_t begin = *at;
    while (*at < text.n && is_letter(text.p[*at]))
        ++*at;
    return px_view_of(text.p + begin, *at - begin);
}

/* ---------------------------------------------------------------------------- bytes */

static size_t length_of(uint8_t kind)
{
    return 1 + (kind & IP6 ? 16 : 4) + 2 + 32 + (kind & LONG_KEY ? 32 : 16) + CHECK;
}

static void check_of(const uint8_t *bytes, size_t n, uint8_t out[CHECK])
{
    static const char name[] = "plexus invite 1";
    uint8_t all[sizeof name + BYTES_MAX], digest[PXI_DIGEST];
    memcpy(all, name, sizeof name);
    memcpy(all + sizeof name, bytes, n);
    pxi_blake3(px_view_of(all, sizeof name + n), digest);
    memcpy(out, digest, CHECK);
}

void pxi_invite_key(const uint8_t seed[16], uint8_t out[PXI_INVITE_KEY])
{
    static const char name[] = "plexus swarm key 1";
    uint8_t all[sizeof name + 16], digest[PXI_DIGEST];
    memcpy(all, name, sizeof name);
    memcpy(all + sizeof name, seed, 16);
    pxi_blake3(px_view_of(all, sizeof all), digest);
    memcpy(out, seed, 16);
    memcpy(out + 16, digest, 16);
}

static bool short_key(const uint8_t key[PXI_INVITE_KEY])
{
    uint8_t again[PXI_INVITE_KEY];
    pxi_invite_key(key, again);
    return memcmp(key, again, sizeof again) == 0;
}

px_err pxi_invite_text(const struct pxi_invite *v, char out[PXI_INVITE_TEXT])
{
    const struct pxi_endpoint *e = &v->at;
    uint8_t b[BYTES_MAX + 2] = {0};
    size_t n = 1, ip = e->family == 6 ? 16 : 4;
    bool inlined = e->peer.n == sizeof ed25519_head + 32 &&
                   memcmp(e->peer.b, ed25519_head, sizeof ed25519_head) == 0;
    bool hashed = e->peer.n == sizeof hashed_head + 32 &&
                  memcmp(e->peer.b, hashed_head, sizeof hashed_head) == 0;
    if ((e->family != 4 && e->family != 6) || e->via != PXI_VIA_TCP || e->relayed || !e->port ||
        (!inlined && !hashed))
        return PX_ERR_UNSUPPORTED;
    bool brief = short_key(v->key);
    b[0] = (uint8_t)(VERSION << 4 | (brief ? 0 : LONG_KEY) | (ip == 16 ? IP6 : 0) |
                     (hashed ? HASHED : 0));
    memcpy(b + n, e->ip, ip);
    n += ip;
    b[n++] = (uint8_t)(e->port >> 8);
    b[n++] = (uint8_t)e->port;
    memcpy(b + n, e->peer.b + e->peer.n - 32, 32);
    n += 32;
    memcpy(b + n, v->key, brief ? 16 : 32);
    n += brief ? 16 : 32;
    check_of(b, n, b + n);
    n += CHECK;
    for (size_t bit = 0, place = 0; bit < n * 8; bit += WORD_BITS, place++) {
        unsigned shift = bit % 8; /* 0 or 4 */
        unsigned three = (unsigned)b[bit / 8] << 8 | b[bit / 8 + 1];
        put_word(shift ? three & 0xfff : three >> 4, (unsigned)place, out);
        out += LETTERS;
        *out++ = ' ';
    }
    out[-1] = 0;
    return PX_ERR_OK;
}

/* ---------------------------------------------------------------------------- reading */

struct reading {
    px_view text;
    size_t at;
    unsigned words, need; /* need: 0 before the first */
    uint8_t bytes[BYTES_MAX + 2];
    px_diag *diag;
};

static px_err bad(struct reading *r, px_err err, unsigned word, size_t at, const char *expected,
                  px_view found)
{
    char clean[48];
    pxi_escape(clean, sizeof clean, found.p, found.n < 24 ? found.n : 24);
    pxi_diag_field(r->diag, "word[%u]", word + 1);
    return pxi_diag_set(r->diag, err, at, expected, "%s", found.n ? clean : "the end");
}

static void put_bits(uint8_t *b, unsigned place, unsigned bits)
{
    size_t bit = (size_t)place * WORD_BITS;
    if (bit % 8) {
        b[bit / 8] |= (uint8_t)(bits >> 8);
        b[bit / 8 + 1] = (uint8_t)bits;
    } else {
        b[bit / 8] = (uint8_t)(bits >> 4);
        b[bit / 8 + 1] = (uint8_t)(bits << 4);
    }
}

/* What is wrong with a word of the right letters whose last letter is not the one of its place. */
static const char *explain(unsigned bits, unsigned last, unsigned place)
{
    if (last_letter(bits, place + 1) == last)
        return "another word: one is missing before it";
    if (place && last_letter(bits, place - 1) == last)
        return "another word: one is there twice, or too many";
    return "another word: a letter of it differs";
}

static px_err take_word(struct reading *r, px_view w, size_t at)
{
    unsigned last = 0;
    int bits = word_bits(w, &last);
    if (r->need && r->words == r->need)
        return bad(r, PX_ERR_CORRUPT, r->words, at, "the end: there is a word too many", w);
    if (bits < 0)
        return bad(r, PX_ERR_CORRUPT, r->words, at,
                   w.n == LETTERS ? "a word of other letters" : "a word of five letters", w);
    if (last_letter((unsigned)bits, r->words) != last)
        return bad(r, PX_ERR_CORRUPT, r->words, at, explain((unsigned)bits, last, r->words), w);
    put_bits(r->bytes, r->words, (unsigned)bits);
    if (!r->need) {
        uint8_t kind = r->bytes[0];
        if (kind >> 4 != VERSION || kind & ~(VERSION << 4 | LONG_KEY | IP6 | HASHED))
            return bad(r, PX_ERR_VERSION, 0, at, "an invite of this version", w);
        r->need = (unsigned)((length_of(kind) * 8 + WORD_BITS - 1) / WORD_BITS);
    }
    r->words++;
    return PX_ERR_OK;
}

static px_err unpack(struct reading *r, struct pxi_invite *out)
{
    const uint8_t *b = r->bytes;
    uint8_t kind = b[0], check[CHECK];
    size_t n = length_of(kind), ip = kind & IP6 ? 16 : 4;
    check_of(b, n - CHECK, check);
    bool padded = true;
    for (size_t i = n; i < (size_t)(r->need * WORD_BITS + 7) / 8; i++)
        padded = padded && !b[i];
    if (memcmp(check, b + n - CHECK, CHECK) != 0 || !padded) {
        pxi_diag_field(r->diag, "check");
        return pxi_diag_set(r->diag, PX_ERR_CORRUPT, r->text.n, "words that belong together",
                            "others, though each is a word");
    }
    out->at = (struct pxi_endpoint){.family = ip == 16 ? 6 : 4, .via = PXI_VIA_TCP};
    memcpy(out->at.ip, b + 1, ip);
    b += 1 + ip;
    out->at.port = (uint16_t)(b[0] << 8 | b[1]);
    b += 2;
    const uint8_t *head = kind & HASHED ? hashed_head : ed25519_head;
    size_t head_n = kind & HASHED ? sizeof hashed_head : sizeof ed25519_head;
    out->at.peer.n = (uint8_t)(head_n + 32);
    memcpy(out->at.peer.b, head, head_n);
    memcpy(out->at.peer.b + head_n, b, 32);
    b += 32;
    if (kind & LONG_KEY)
        memcpy(out->key, b, PXI_INVITE_KEY);
    else
        pxi_invite_key(b, out->key);
    if (out->at.port && short_key(out->key) == !(kind & LONG_KEY))
        return PX_ERR_OK;
    pxi_diag_field(r->diag, out->at.port ? "key" : "port");
    return pxi_diag_set(r->diag, PX_ERR_CORRUPT, 0, out->at.port ? "the short form" : "not 0",
                        out->at.port ? "the long form" : "0");
}

px_err pxi_invite_parse(px_view text, struct pxi_invite *out, px_diag *d)
{
    struct reading r = {.text = text, .diag = d};
    memset(out, 0, sizeof *out);
    for (;;) {
        px_view w = next_word(text, &r.at);
        if (!w.n)
            break;
        px_err err = take_word(&r, w, r.at - w.n);
        if (err != PX_ERR_OK)
            return err;
    }
    if (!r.words || r.words < r.need)
        return bad(&r, PX_ERR_TRUNCATED, r.words, text.n, "more words", px_view_of(NULL, 0));
    return unpack(&r, out);
}

px_err pxi_invite_check(px_view text, px_diag *d)
{
    struct pxi_invite v;
    return pxi_invite_parse(text, &v, d);
}
