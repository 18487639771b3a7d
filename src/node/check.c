/* plexus check: a table of formats and the parser of each. */
#include "plexus/check.h"

#include "base/diag.h"
#include "codec/check_net.h"
#include "codec/json.h"
#include "codec/pcap.h"
#include "crypto/check.h"
#include "data/check.h"
#include "model/check.h"
#include "plexus/gguf.h"
#ifdef PXI_NET
#include "codec/invite.h"
#include "store/manifest.h"
#endif

static px_err check_gguf(px_view bytes, px_diag *diag)
{
    px_gguf *g;
    px_err err = px_gguf_parse(bytes, &g, diag);
    px_gguf_free(g);
    return err;
}

static px_err check_pcap(px_view bytes, px_diag *diag)
{
    struct pxi_pcap p;
    struct pxi_pcap_record r;
    px_err err = pxi_pcap_open(&p, bytes, diag);
    while (!err && pxi_pcap_next(&p, &r, &err, diag))
        ;
    return err;
}

static const struct {
    const char *name;
    px_err (*fn)(px_view bytes, px_diag *diag);
} formats[] = {
    /* clang-format off */
    {"gguf", check_gguf},
    {"gguf-model", pxi_model_check},
    {"json", pxi_json_check},
    {"jsonl", pxi_jsonl_check},
    {"ndp", pxi_check_ndp},
    {"ndp3", pxi_check_ndp3},
    {"pcap", check_pcap},
#ifdef PXI_NET
    {"cid", pxi_check_cid},
    {"invite", pxi_invite_check},
    {"kad", pxi_check_kad},
    {"manifest", pxi_manifest_check},
    {"msgpack", pxi_check_msgpack},
    {"multiaddr", pxi_check_maddr},
    {"multiaddr-bin", pxi_check_maddr_bin},
    {"multistream", pxi_check_multistream},
    {"noise-payload", pxi_check_noise_payload},
    {"yamux", pxi_check_yamux},
    {"pubkey", pxi_pubkey_check},
    {"x25519", pxi_x25519_check},
#endif
    /* clang-format on */
};

#define FORMATS (sizeof formats / sizeof *formats)

const char *px_check_format(unsigned i)
{
    return i < FORMATS ? formats[i].name : NULL;
}

px_err px_check(const char *format, px_view bytes, px_diag *diag)
{
    for (size_t i = 0; i < FORMATS; i++)
        if (strcmp(formats[i].name, format) == 0)
            return formats[i].fn(bytes, diag);
    pxi_diag_field(diag, "format");
    return pxi_diag_set(diag, PX_ERR_INVALID, 0, "a format that plexus check --list names", "%s",
                        format);
}
