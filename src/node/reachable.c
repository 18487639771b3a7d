#include "node/reachable.h"

#include "base/mem.h"
#include "net/autonat.h"
#include "net/autonat2.h"
#include "net/dcutr.h"
#include "net/observed.h"
#include "net/relay.h"
#include "net/trim.h"
#include "node/call.h"

enum { RELAYS = 2 };

struct pxi_reachable {
    struct pxi_host *host;
    struct pxi_relay_hop *hop;
    struct pxi_relay_client *client;
    struct pxi_dcutr *dcutr;
    struct pxi_autonat *autonat;
    struct pxi_autonat2 *autonat2;
    struct pxi_observed observed;
    struct pxi_trim trim;
    struct pxi_watch watch;
    bool looks_for_relays;
};

static void on_verdict(void *ctx, px_view addr, enum pxi_reachability verdict)
{
    struct pxi_reachable *r = ctx;
    if (addr.n && verdict == PXI_REACH_PRIVATE && !r->dcutr) /* nobody gets through to it */
        pxi_observed_refute(&r->observed, addr);
    if (!addr.n || verdict == PXI_REACH_PUBLIC)
        r->observed.nat.reachability = verdict;
}

/* ------------------------------------------------------------------ relays */

/* A peer that relays: keep a place there unless everybody can reach us anyway. */
static void on_identified(struct pxi_watch *w, const struct pxi_peer *p, struct pxi_conn *c)
{
    struct pxi_reachable *r = PXI_OF(w, struct pxi_reachable, watch);
    struct pxi_relay_standing s;
    unsigned held = 0;
    if (!r->looks_for_relays || c->limited || r->observed.nat.reachability == PXI_REACH_PUBLIC ||
        pxi_peer_supports(r->host, p, PXI_RELAY_HOP) != 1)
        return;
    while (pxi_relay_standing(r->client, held, &s))
        held++;
    if (held >= RELAYS)
        return;
    px_err err = pxi_relay_reserve(r->client, p, NULL, 0);
    (void)err; /* the next one will do */
}

px_err pxi_reachable_listen(struct pxi_reachable *r, px_view addr)
{
    struct pxi_endpoint e;
    px_err err = pxi_endpoint_of(addr, &e);
    if (!r->client || err != PX_ERR_OK || !e.relay.n)
        return PX_ERR_UNSUPPORTED;
    struct pxi_maddr_part part;
    size_t at = 0, end = addr.n;
    while (pxi_maddr_next(addr, &at, &part))
        if (part.code == PXI_MA_P2P_CIRCUIT)
            end = part.offset;
    px_view relay_addr = px_view_of(addr.p, end);
    return pxi_relay_reserve(r->client, &e.relay, &relay_addr, 1);
}

static bool is(const char *value, const char *word)
{
    return value && strcmp(value, word) == 0;
}

static bool start(struct pxi_reachable *r, struct pxi_upgrader *u, const px_node_options *o)
{
    struct pxi_relay_options hop = {0};
    struct pxi_dcutr_options punch = {.allow_private = o->interop};
    struct pxi_autonat_options nat1 = {.server = true, .client = true, .allow_private = o->interop};
    struct pxi_autonat2_options nat2 = {.server = true, .client = true};
    nat2.allow_private = o->interop;
    nat1.ctx = nat2.ctx = r;
    nat1.verdict = nat2.verdict = on_verdict;
    if (o->interop) {
        hop.reservations = hop.reservations_ip = 64;
        hop.data = 1 << 24;
    }
    if (is(o->relay, "server") && !(r->hop = pxi_relay_hop_new(r->host, &hop)))
        return false;
    if (!is(o->relay, "off") && o->relay && !(r->client = pxi_relay_client_new(r->host, u)))
        return false;
    if (o->dcutr && !(r->dcutr = pxi_dcutr_new(r->host, &punch)))
        return false;
    return !o->autonat || ((r->autonat = pxi_autonat_new(r->host, &nat1)) &&
                           (r->autonat2 = pxi_autonat2_new(r->host, &nat2)));
}

struct pxi_reachable *pxi_reachable_new(struct pxi_host *h, struct pxi_upgrader *u,
                                        struct pxi_identify *id, const px_node_options *o)
{
    struct pxi_reachable *r = pxi_calloc(1, sizeof *r);
    if (!r)
        return NULL;
    r->host = h;
    r->looks_for_relays = is(o->relay, "client") && !o->interop;
    r->watch.identified = on_identified;
    pxi_host_watch(h, &r->watch);
    pxi_observed_start(&r->observed, h, id);
    pxi_trim_start(&r->trim, h);
    if (start(r, u, o))
        return r;
    pxi_reachable_free(r);
    return NULL;
}

void pxi_reachable_free(struct pxi_reachable *r)
{
    if (!r)
        return;
    pxi_host_unwatch(&r->watch);
    pxi_trim_stop(&r->trim);
    pxi_autonat2_free(r->autonat2);
    pxi_autonat_free(r->autonat);
    pxi_dcutr_free(r->dcutr);
    pxi_relay_client_free(r->client);
    pxi_relay_hop_free(r->hop);
    pxi_free(r);
}

/* ------------------------------------------------------------------ the report */

static json_t *relay_list(const struct pxi_reachable *r)
{
    struct pxi_relay_standing s;
    json_t *list = json_array();
    for (unsigned i = 0; r->client && pxi_relay_standing(r->client, i, &s); i++)
        if (s.held)
            json_array_append_new(list, pxi_json_peer(&s.relay));
    return list;
}

void pxi_reachable_report(const struct pxi_reachable *r, json_t *out)
{
    static const char *const words[] = {"unknown", "public", "private"};
    json_t *seen = json_array();
    for (unsigned i = 0; i < PXI_LIMIT_OBSERVED_CLAIMS; i++)
        if (r->observed.claims[i].addr.n)
            json_array_append_new(seen,
                                  pxi_json_addr(pxi_maddr_view(&r->observed.claims[i].addr), NULL));
    enum pxi_nat_kind kind = pxi_nat_kind_of(&r->observed.nat, PXI_VIA_QUIC);
    if (kind == PXI_NAT_UNKNOWN)
        kind = pxi_nat_kind_of(&r->observed.nat, PXI_VIA_TCP);
    json_object_set_new(out, "observed", seen);
    json_object_set_new(out, "nat", json_string(pxi_nat_kind_name(kind)));
    json_object_set_new(out, "reachable", json_string(words[r->observed.nat.reachability]));
    json_object_set_new(out, "relays", relay_list(r));
}
