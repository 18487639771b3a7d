/*
 * Invites: what a newcomer needs to be in a private swarm (one address, who listens there, the
 * swarm key), as words that can be read aloud. docs/formats/invite.md.
 *
 *     kind (1)   ip (4 or 16)   port (2)   peer (32)   swarm key (16 or 32)   check (3)
 *
 * A word is five letters, consonants and vowels in turns: 12 bits, and a last letter that depends
 * on the others and on the place of the word. So any one wrong letter, and words that were
 * exchanged, left out or doubled, show at the word where they happened; the 24 bits at the end
 * check the whole.
 */
#ifndef PXI_CODEC_INVITE_H
#define PXI_CODEC_INVITE_H

#include "codec/maddr.h"

enum {
    PXI_INVITE_KEY = 32,   /* bytes of a swarm key */
    PXI_INVITE_WORDS = 58, /* most words: IPv6 and a long key */
    PXI_INVITE_TEXT = 6 * PXI_INVITE_WORDS + 1,
};

struct pxi_invite {
    uint8_t key[PXI_INVITE_KEY];
    struct pxi_endpoint at; /* an ip, a port of TCP, and the peer */
};

/* Words to an invite. Blanks, line feeds, commas, dashes, dots and digits before a word (as in a
 * numbered list) separate; capitals count as small letters. PX_ERR_CORRUPT or PX_ERR_TRUNCATED or
 * PX_ERR_VERSION: diag->field is the word, "word[7]", counted from 1. */
px_err pxi_invite_parse(px_view text, struct pxi_invite *out, px_diag *d);

/* The words with a blank between. PX_ERR_UNSUPPORTED: an address that is not ip and TCP, or an
 * identity that is neither Ed25519 nor hashed (RSA, ECDSA). */
px_err pxi_invite_text(const struct pxi_invite *v, char out[PXI_INVITE_TEXT]);

/* A swarm key out of 16 random bytes: an invite carries only these. */
void pxi_invite_key(const uint8_t seed[16], uint8_t out[PXI_INVITE_KEY]);

/* For `plexus check --format invite`. */
px_err pxi_invite_check(px_view text, px_diag *d);

#endif
