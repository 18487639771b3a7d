#include "node/reachable.h"

#include "base/mem.h"
#include "net/autonat.h"
#include "net/autonat2.h"
#include "net/dcutr.h"
#include "net/observed.h"
#include "net/trim.h"

struct pxi_reachable {
    struct pxi_host *host;
    struct pxi_observed observed;
    struct pxi_trim trim;
    struct pxi_relay_client *client;
    struct pxi_relay_hop *hop;
    struct pxi_dcutr *dcutr;
    struct pxi_autonat *autonat;
    struct pxi_autonat2 *autonat2;
    enum pxi_reachability verdict; /* public as soon as one address is */
};

/* Nobody gets through to an address that others merely saw: it is not one of ours. */
static void on_verdict(void *ctx, px_view addr, enum pxi_reachability v)
{
    struct pxi_reachable *r = ctx;
    if (v == PXI_REACH_PRIVATE && addr.n && !r->dcutr)
        pxi_observed_refute(&r->observed, addr);
    if (v == PXI_REACH_PUBLIC || r->verdict == PXI_REACH_UNKNOWN || !addr.n)
        r->verdict = v;
}

static px_err start_relay(struct pxi_reachable *r, struct pxi_upgrader *u, const px_node_options *o)
{
    bool server = o->relay && strcmp(o->relay, "server") == 0;
    struct pxi_relay_options ro = {0};
    if (!o->relay || strcmp(o->relay, "off") == 0)
        return PX_ERR_OK;
    if (o->interop) /* tests lean on one relay from one address */
        ro = (struct pxi_relay_options){
            .reservations = 64, .reservations_ip = 64, .circuits_peer = 64, .data = 16 << 20};
    r->client = pxi_relay_client_new(r->host, u);
    r->hop = server ? pxi_relay_hop_new(r->host, &ro) : NULL;
    return r->client && (r->hop || !server) ? PX_ERR_OK : PX_ERR_NOMEM;
}

static px_err start_rest(struct pxi_reachable *r, const px_node_options *o)
{
    struct pxi_dcutr_options dopt = {.allow_private = o->interop};
    struct pxi_autonat_options a1 = {true, true, o->interop, on_verdict, r};
    struct pxi_autonat2_options a2 = {true, true, o->interop, on_verdict, r};
    if (o->dcutr)
        r->dcutr = pxi_dcutr_new(r->host, &dopt);
    if (o->autonat) {
        r->autonat = pxi_autonat_new(r->host, &a1);
        r->autonat2 = pxi_autonat2_new(r->host, &a2);
    }
    return (r->dcutr || !o->dcutr) && ((r->autonat && r->autonat2) || !o->autonat) ? PX_ERR_OK
                                                                                   : PX_ERR_NOMEM;
}

px_err pxi_reachable_new(struct pxi_host *h, struct pxi_identify *i, struct pxi_upgrader *u,
                         const px_node_options *o, struct pxi_reachable **out)
{
    struct pxi_reachable *r = *out = pxi_calloc(1, sizeof *r);
    if (!r)
        return PX_ERR_NOMEM;
    r->host = h;
    pxi_observed_start(&r->observed, h, i);
    pxi_trim_start(&r->trim, h);
    px_err err = start_relay(r, u, o);
    return err == PX_ERR_OK ? start_rest(r, o) : err;
}

void pxi_reachable_free(struct pxi_reachable *r)
{
    if (!r)
        return;
    pxi_autonat2_free(r->autonat2);
    pxi_autonat_free(r->autonat);
    pxi_dcutr_free(r->dcutr);
    pxi_relay_client_free(r->client);
    pxi_relay_hop_free(r->hop);
    pxi_trim_stop(&r->trim);
    pxi_free(r);
}

px_err pxi_reachable_listen(struct pxi_reachable *r, px_view addr)
{
    struct pxi_maddr_part circuit, id;
    struct pxi_peer relay;
    if (!r || !r->client || !pxi_maddr_find(addr, PXI_MA_P2P_CIRCUIT, &circuit))
        return PX_ERR_UNSUPPORTED;
    px_view at = px_view_of(addr.p, circuit.offset);
    if (!pxi_maddr_find(at, PXI_MA_P2P, &id) || pxi_peer_from_bytes(id.value, &relay, NULL))
        return PX_ERR_INVALID;
    return pxi_relay_reserve(r->client, &relay, &at, 1);
}

/* -------------------------------------------------------------------- report */

static void report_addrs(struct pxi_reachable *r, json_t *out)
{
    json_t *observed = json_array(), *relays = json_array();
    char text[PXI_MADDR_TEXT], peer[PXI_PEER_TEXT];
    struct pxi_relay_standing s;
    for (unsigned i = 0; i < PXI_LIMIT_OBSERVED_CLAIMS; i++)
        if (r->observed.claims[i].addr.n)
            json_array_append_new(
                observed,
                json_string(pxi_maddr_text(pxi_maddr_view(&r->observed.claims[i].addr), text)));
    for (unsigned i = 0; r->client && pxi_relay_standing(r->client, i, &s); i++)
        if (s.held)
            json_array_append_new(relays, json_string(pxi_peer_text(&s.relay, peer)));
    json_object_set_new(out, "observed", observed);
    json_object_set_new(out, "relays", relays);
}

void pxi_reachable_report(struct pxi_reachable *r, json_t *out)
{
    static const char *const words[] = {"unknown", "public", "private"};
    if (!r)
        return;
    report_addrs(r, out);
    enum pxi_nat_kind udp = pxi_nat_kind_of(&r->observed.nat, PXI_VIA_QUIC);
    enum pxi_nat_kind tcp = pxi_nat_kind_of(&r->observed.nat, PXI_VIA_TCP);
    json_object_set_new(out, "nat", json_string(pxi_nat_kind_name(udp ? udp : tcp)));
    json_object_set_new(out, "reachable", json_string(words[r->verdict]));
}
