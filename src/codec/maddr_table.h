/* The protocols that may stand in a multiaddr: one row each, for its binary form and its text. */
#ifndef PXI_CODEC_MADDR_TABLE_H
#define PXI_CODEC_MADDR_TABLE_H

#include "codec/maddr.h"

enum { PXI_MADDR_PARTS = 20 }; /* most components: their text then fits PXI_MADDR_TEXT */

enum pxi_maddr_form {
    PXI_MADDR_NONE,   /* no value */
    PXI_MADDR_IP4,    /* dotted decimal */
    PXI_MADDR_IP6,    /* RFC 5952 */
    PXI_MADDR_NUMBER, /* big-endian, decimal */
    PXI_MADDR_NAME,   /* text without a slash */
    PXI_MADDR_PATH,   /* the rest of the text, slashes included */
    PXI_MADDR_PEER,   /* a peer id */
    PXI_MADDR_HASH,   /* a multihash, in multibase */
};

enum { PXI_MADDR_VARIABLE = 255 }; /* size of a value behind its length */

struct pxi_maddr_protocol {
    uint16_t code;
    uint8_t size; /* bytes of the value */
    uint8_t form;
    const char *name;
};

/* Row of a code or of a name; NULL when there is none. "ipfs" is the old name of p2p. */
const struct pxi_maddr_protocol *pxi_maddr_protocol_of(uint64_t code);
const struct pxi_maddr_protocol *pxi_maddr_protocol_named(px_view name);

/* Whether the bytes of a value are such that they have a text. */
bool pxi_maddr_value_ok(const struct pxi_maddr_protocol *p, px_view value);

#endif
