#include "crypto/tag.h"

#include <string.h>

_Static_assert(offsetof(struct px_gradient_head, tag) == PXI_TAG_AT, "the pad is of all before");
_Static_assert(PX_GRADIENT_HEAD == PXI_TAG_AT + 8, "the values come behind the tag");

/* Half of the secret is the key of the pads; word i of the rest is SipHash of i by the other. */
void pxi_tag_key_init(struct pxi_tag_key *k, const uint8_t secret[PXI_TAG_SECRET])
{
    uint64_t from[2], *words[] = {k->mix[0], k->nh};
    size_t counts[] = {sizeof k->mix / 8, sizeof k->nh / 8};
    memcpy(k->pad, secret, sizeof k->pad);
    memcpy(from, secret + sizeof k->pad, sizeof from);
    uint64_t n = 0;
    for (size_t part = 0; part < 2; part++)
        for (size_t i = 0; i < counts[part]; i++, n++)
            words[part][i] = pxi_tag_sip(from, (const uint8_t *)&n, 1);
}

uint64_t pxi_tag(const struct pxi_tag_key *k, pxi_tag_nh *nh, const uint8_t *packet, size_t n)
{
    struct pxi_tag_sum s = {{0}};
    size_t words = (n - PX_GRADIENT_HEAD) / 8;
    nh(&s, k->nh, packet + PX_GRADIENT_HEAD, words < PXI_TAG_WORDS ? words : PXI_TAG_WORDS);
    return pxi_tag_finish(k, packet, &s);
}

void pxi_tag_put(const struct pxi_tag_key *k, pxi_tag_nh *nh, uint8_t *packet, size_t n)
{
    uint64_t tag = pxi_tag(k, nh, packet, n);
    memcpy(packet + PXI_TAG_AT, &tag, sizeof tag);
}

bool pxi_tag_right(const struct pxi_tag_key *k, pxi_tag_nh *nh, const uint8_t *packet, size_t n)
{
    return pxi_tag_load(packet + PXI_TAG_AT) == pxi_tag(k, nh, packet, n);
}
