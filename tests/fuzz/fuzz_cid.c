/* Any bytes as a content id and as a peer id, in text and in binary: what is accepted comes back.
 */
#include "codec/cid.h"
#include "codec/multibase.h"
#include "codec/peer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(cond)                                                                                 \
    do {                                                                                           \
        if (!(cond))                                                                               \
            __builtin_trap();                                                                      \
    } while (0)

static void same_cid(const struct pxi_cid *c)
{
    uint8_t bytes[PXI_CID_MAX];
    char text[PXI_CID_TEXT];
    struct pxi_cid back;
    px_diag diag;
    size_t n = pxi_cid_encode(c, bytes);
    MUST(pxi_cid_decode(px_view_of(bytes, n), &back, &diag) == PX_ERR_OK);
    MUST(memcmp(c, &back, sizeof back) == 0);
    MUST(pxi_cid_parse(px_view_str(pxi_cid_text(c, text)), &back, &diag) == PX_ERR_OK);
    MUST(memcmp(c, &back, sizeof back) == 0);
}

static void same_peer(const struct pxi_peer *p)
{
    char text[PXI_PEER_TEXT];
    struct pxi_peer back;
    MUST(pxi_peer_parse(px_view_str(pxi_peer_text(p, text)), &back, NULL) == PX_ERR_OK);
    MUST(pxi_peer_equal(p, &back));
    MUST(pxi_peer_key(p).n <= p->n);
}

static void bases(px_view in)
{
    uint8_t out[PXI_BASE_MAX], again[PXI_BASE_MAX];
    char text[PXI_BASE_TEXT_MAX];
    size_t n, back;
    if (pxi_multibase_get(in, out, sizeof out, &n, NULL) != PX_ERR_OK)
        return;
    size_t len = pxi_base_put((enum pxi_base)in.p[0], px_view_of(out, n), text, sizeof text);
    MUST(px_view_equal(px_view_of(text, len), px_view_of(in.p + 1, in.n - 1)));
    MUST(pxi_base_get((char)in.p[0], px_view_of(text, len), again, n, &back, NULL) == PX_ERR_OK);
    MUST(back == n && (n == 0 || memcmp(out, again, n) == 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    px_view in = px_view_of(data, size);
    px_diag diag = {.offset = 0};
    struct pxi_cid cid;
    struct pxi_peer peer;
    if (pxi_cid_parse(in, &cid, &diag) == PX_ERR_OK)
        same_cid(&cid);
    else
        MUST(diag.field[0]);
    if (pxi_cid_decode(in, &cid, &diag) == PX_ERR_OK)
        same_cid(&cid);
    if (pxi_peer_parse(in, &peer, &diag) == PX_ERR_OK)
        same_peer(&peer);
    if (pxi_peer_from_bytes(in, &peer, &diag) == PX_ERR_OK)
        same_peer(&peer);
    bases(in);
    return 0;
}
