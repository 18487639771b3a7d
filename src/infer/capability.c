#include "infer/capability.h"

#include <stddef.h>

#include "base/limits.h"

enum { VERSION = 1, PEER_MAX = 44, ADDR_MAX = 256 };

static const struct pxi_pb_field served_fields[] = {
    PXI_PB_FIELD(pxi_msg_served, model, 1, STRING, .max = PXI_LIMIT_STAGE_MODEL_BYTES),
    PXI_PB_FIELD(pxi_msg_served, first, 2, UINT, .max = 0),
    PXI_PB_FIELD(pxi_msg_served, last, 3, UINT, .max = 0),
    PXI_PB_FIELD(pxi_msg_served, embed, 4, BOOL, .max = 0),
    PXI_PB_FIELD(pxi_msg_served, output, 5, BOOL, .max = 0),
    PXI_PB_FIELD(pxi_msg_served, positions, 6, UINT, .max = 0),
    PXI_PB_FIELD(pxi_msg_served, slots, 7, UINT, .max = 0),
    PXI_PB_FIELD(pxi_msg_served, sessions, 8, UINT, .max = 0),
};
const struct pxi_pb_message pxi_pb_served = {"served", served_fields, 8,
                                             sizeof(struct pxi_msg_served)};

static const struct pxi_pb_field link_fields[] = {
    PXI_PB_FIELD(pxi_msg_link, peer, 1, BYTES, .max = PEER_MAX),
    PXI_PB_FIELD(pxi_msg_link, rtt_us, 2, UINT, .max = 0),
};
const struct pxi_pb_message pxi_pb_link = {"link", link_fields, 2, sizeof(struct pxi_msg_link)};

static const struct pxi_pb_field capability_fields[] = {
    PXI_PB_FIELD(pxi_msg_capability, version, 1, UINT, .always = true),
    PXI_PB_FIELD(pxi_msg_capability, memory, 2, UINT, .max = 0),
    PXI_PB_FIELD(pxi_msg_capability, rate, 3, UINT, .max = 0),
    PXI_PB_FIELD(pxi_msg_capability, served, 4, MESSAGE, .repeated = true, .max = PXI_SERVED_MAX,
                 .sub = &pxi_pb_served),
    PXI_PB_FIELD(pxi_msg_capability, links, 5, MESSAGE, .repeated = true, .max = PXI_LINKS_MAX,
                 .sub = &pxi_pb_link),
    PXI_PB_FIELD(pxi_msg_capability, addrs, 6, BYTES, .repeated = true,
                 .max = PXI_CAPABILITY_ADDRS),
};
const struct pxi_pb_message pxi_pb_capability = {"capability", capability_fields, 6,
                                                 sizeof(struct pxi_msg_capability)};

px_err pxi_capability_encode(const struct pxi_msg_capability *m, struct pxi_buf *out)
{
    struct pxi_msg_capability v = *m;
    v.version = VERSION;
    return pxi_pb_encode(&pxi_pb_capability, &v, out);
}

px_err pxi_capability_decode(px_view in, struct pxi_arena *a, struct pxi_msg_capability *out)
{
    px_err err = pxi_pb_decode(&pxi_pb_capability, in, a, out, NULL);
    if (err != PX_ERR_OK)
        return err;
    if (out->version != VERSION)
        return PX_ERR_VERSION;
    for (size_t i = 0; i < out->served.n; i++) {
        const struct pxi_msg_served *s = (const struct pxi_msg_served *)out->served.p + i;
        if (s->first >= s->last || s->last > UINT32_MAX || !s->model.n)
            return PX_ERR_CORRUPT;
    }
    for (size_t i = 0; i < out->addrs.n; i++)
        if (((const px_view *)out->addrs.p)[i].n > ADDR_MAX)
            return PX_ERR_CORRUPT;
    return PX_ERR_OK;
}
