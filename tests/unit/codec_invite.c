/* Invites: there and back, and what is said of each way to get the words wrong. */
#include "codec/invite.h"

#include <ctype.h>

#include "px_test.h"

static px_diag diag;

static struct pxi_invite sample(bool ip6, bool long_key, bool hashed)
{
    struct pxi_invite v = {.at = {.via = PXI_VIA_TCP, .family = ip6 ? 6 : 4, .port = 4001}};
    uint8_t seed[16];
    for (unsigned i = 0; i < 16; i++) {
        seed[i] = (uint8_t)(i * 31 + 7);
        v.at.ip[i] = (uint8_t)(ip6 ? 0x20 + i : i < 4 ? 10 + i : 0);
    }
    pxi_invite_key(seed, v.key);
    if (long_key)
        v.key[31] ^= 1;
    static const uint8_t head[] = {0x00, 0x24, 0x08, 0x01, 0x12, 0x20};
    v.at.peer.n = hashed ? 34 : 38;
    memcpy(v.at.peer.b, hashed ? head + 4 : head, hashed ? 2 : 6);
    for (unsigned i = 0; i < 32; i++)
        v.at.peer.b[v.at.peer.n - 32 + i] = (uint8_t)(i * 7 + 3);
    return v;
}

static void words_of(const struct pxi_invite *v, char out[PXI_INVITE_TEXT])
{
    CHECK_EQ(pxi_invite_text(v, out), PX_ERR_OK);
}

static px_err parse(const char *text)
{
    struct pxi_invite v;
    memset(&diag, 0, sizeof diag);
    return pxi_invite_parse(px_view_str(text), &v, &diag);
}

TEST(an_invite_comes_back)
{
    for (unsigned i = 0; i < 8; i++) {
        char text[PXI_INVITE_TEXT];
        struct pxi_invite v = sample(i & 1, i & 2, i & 4), back;
        words_of(&v, text);
        CHECK_EQ(pxi_invite_parse(px_view_str(text), &back, &diag), PX_ERR_OK);
        CHECK(memcmp(back.key, v.key, sizeof v.key) == 0);
        CHECK(pxi_peer_equal(&back.at.peer, &v.at.peer));
        CHECK_EQ(back.at.port, 4001);
        CHECK_EQ(back.at.family, v.at.family);
        CHECK(memcmp(back.at.ip, v.at.ip, sizeof v.at.ip) == 0);
    }
}

TEST(the_usual_invite_has_39_words_of_five_letters)
{
    char text[PXI_INVITE_TEXT];
    struct pxi_invite v = sample(false, false, false);
    words_of(&v, text);
    CHECK_EQ(strlen(text), 39 * 6 - 1);
    v = sample(true, true, false);
    words_of(&v, text);
    CHECK_EQ(strlen(text), sizeof text - 2);
}

TEST(case_lines_and_numbers_do_not_matter)
{
    char text[PXI_INVITE_TEXT], other[4 * PXI_INVITE_TEXT];
    struct pxi_invite v = sample(false, false, false);
    words_of(&v, text);
    size_t n = 0;
    unsigned word = 0;
    n += (size_t)snprintf(other, sizeof other, "\n 1. ");
    for (const char *p = text; *p; p++)
        if (*p == ' ')
            n += (size_t)snprintf(other + n, sizeof other - n, ",\r\n %u. ", ++word + 1);
        else
            other[n++] = (char)toupper((unsigned char)*p);
    other[n] = 0;
    CHECK_EQ(parse(other), PX_ERR_OK);
}

TEST(every_wrong_letter_is_found_in_its_word)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz";
    char text[PXI_INVITE_TEXT], name[32];
    struct pxi_invite v = sample(false, false, false);
    words_of(&v, text);
    for (size_t at = 0; text[at]; at++) {
        char was = text[at];
        if (was == ' ')
            continue;
        snprintf(name, sizeof name, "word[%zu]", at / 6 + 1);
        for (const char *l = letters; *l; l++) {
            if (*l == was)
                continue;
            text[at] = *l;
            CHECK_EQ(parse(text), PX_ERR_CORRUPT);
            CHECK_STR(diag.field, name);
        }
        text[at] = was;
    }
}

TEST(exchanged_letters_and_words_are_found)
{
    char text[PXI_INVITE_TEXT], other[PXI_INVITE_TEXT], name[32];
    struct pxi_invite v = sample(false, true, false);
    words_of(&v, text);
    for (size_t word = 0; 6 * (word + 1) < strlen(text); word++) {
        char *w = other + 6 * word;
        snprintf(name, sizeof name, "word[%zu]", word + 1);
        for (unsigned i = 0; i < 5; i++)
            for (unsigned k = i + 1; k < 5; k++) {
                memcpy(other, text, sizeof text);
                w[i] = text[6 * word + k];
                w[k] = text[6 * word + i];
                if (w[i] == w[k])
                    continue;
                CHECK_EQ(parse(other), PX_ERR_CORRUPT);
                CHECK_STR(diag.field, name);
            }
        memcpy(other, text, sizeof text);
        memcpy(w, text + 6 * word + 6, 5);
        memcpy(w + 6, text + 6 * word, 5);
        if (memcmp(w, w + 6, 5) == 0)
            continue;
        CHECK_EQ(parse(other), PX_ERR_CORRUPT);
        CHECK_STR(diag.field, name);
    }
}

TEST(words_left_out_doubled_and_at_the_end)
{
    char text[PXI_INVITE_TEXT], other[PXI_INVITE_TEXT + 8];
    struct pxi_invite v = sample(false, false, false);
    words_of(&v, text);
    snprintf(other, sizeof other, "%.*s%s", 6 * 9, text, text + 6 * 10); /* the tenth is gone */
    CHECK_EQ(parse(other), PX_ERR_CORRUPT);
    CHECK_STR(diag.field, "word[10]");
    CHECK(strstr(diag.expected, "missing") != NULL);
    snprintf(other, sizeof other, "%.*s%s", 6 * 10, text, text + 6 * 9); /* twice */
    CHECK_EQ(parse(other), PX_ERR_CORRUPT);
    CHECK_STR(diag.field, "word[11]");
    CHECK(strstr(diag.expected, "twice") != NULL);
    snprintf(other, sizeof other, "%.*s", 6 * 20, text);
    CHECK_EQ(parse(other), PX_ERR_TRUNCATED);
    CHECK_STR(diag.field, "word[21]");
    snprintf(other, sizeof other, "%s %.5s", text, text);
    CHECK_EQ(parse(other), PX_ERR_CORRUPT);
    CHECK_STR(diag.field, "word[40]");
    CHECK_EQ(parse(""), PX_ERR_TRUNCATED);
    CHECK_EQ(parse("hello"), PX_ERR_CORRUPT);
    CHECK_EQ(parse("ba"), PX_ERR_CORRUPT);
}

TEST(words_of_two_invites_do_not_mix)
{
    char a[PXI_INVITE_TEXT], b[PXI_INVITE_TEXT];
    struct pxi_invite v = sample(false, false, false);
    words_of(&v, a);
    v.at.port = 4002;
    v.key[3] ^= 9;
    pxi_invite_key(v.key, v.key);
    words_of(&v, b);
    memcpy(a + 6 * 20, b + 6 * 20, strlen(b) - 6 * 20);
    CHECK_EQ(parse(a), PX_ERR_CORRUPT);
    CHECK_STR(diag.field, "check");
}

TEST(another_version_is_refused)
{
    char text[PXI_INVITE_TEXT];
    struct pxi_invite v = sample(false, false, false);
    words_of(&v, text);
    /* The first word of version 2: found by trying, so that only the reader is used. */
    bool seen = false;
    for (const char *c = "bdfgjklmnprstvwz"; *c && !seen; c++)
        for (const char *e = "bdfgjklmnprstvwz"; *e && !seen; e++) {
            text[0] = *c;
            text[4] = *e;
            seen = parse(text) == PX_ERR_VERSION;
        }
    CHECK(seen);
}

TEST(what_cannot_be_an_invite)
{
    char text[PXI_INVITE_TEXT];
    struct pxi_invite v = sample(false, false, false);
    v.at.via = PXI_VIA_QUIC;
    CHECK_EQ(pxi_invite_text(&v, text), PX_ERR_UNSUPPORTED);
    v = sample(false, false, false);
    v.at.port = 0;
    CHECK_EQ(pxi_invite_text(&v, text), PX_ERR_UNSUPPORTED);
    v = sample(false, false, false);
    v.at.peer.n = 0;
    CHECK_EQ(pxi_invite_text(&v, text), PX_ERR_UNSUPPORTED);
}

TEST_MAIN()
