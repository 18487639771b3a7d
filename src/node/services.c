/* What the options of a node turn on: transports, then protocols. */
#include "base/diag.h"
#include "base/mem.h"
#include "io/socket.h"
#include "crypto/hash.h"
#include "io/mdns.h"
#include "net/kad.h"
#include "net/ping.h"
#include "node/call.h"
#include "node/discovered.h"
#include "node/mustering.h"
#include "node/node_impl.h"
#include "node/peering.h"
#include "node/board.h"
#include "node/pipeline.h"
#include "node/pubsub.h"
#include "node/reachable.h"
#include "node/stored.h"
#include "swarm/heartbeat.h"

static px_err listen_at(px_node *n, px_view addr, px_diag *d)
{
    struct pxi_endpoint e;
    px_err err = pxi_endpoint_of(addr, &e);
    if (err == PX_ERR_OK && (e.via == PXI_VIA_TCP || e.via == PXI_VIA_WS) && !e.relayed)
        return pxi_tcp_listen(n->tcp, addr, d);
    if (err == PX_ERR_OK && e.via == PXI_VIA_QUIC && !e.relayed && n->quic)
        return pxi_quic_io_listen(n->quic, addr, d);
    if (err == PX_ERR_OK && e.relayed &&
        (err = pxi_reachable_listen(n->reachable, addr)) == PX_ERR_OK)
        return PX_ERR_OK;
    pxi_diag_field(d, "listen");
    return pxi_diag_set(d, PX_ERR_UNSUPPORTED, 0, "an ip with tcp, ws or quic-v1",
                        "another address");
}

static px_err listen_text(px_node *n, const char *text, px_diag *d)
{
    struct pxi_maddr a;
    px_err err = pxi_maddr_parse(px_view_str(text), &a, d);
    return err == PX_ERR_OK ? listen_at(n, pxi_maddr_view(&a), d) : err;
}

/* ---------------------------------------- where to listen when nobody said where */

struct lan {
    px_node *node;
    px_diag *diag;
    bool all;
    uint16_t port, chosen;
    px_err err;
    unsigned count;
};

/* The port of our newest address: the other addresses take the same one. */
static uint16_t newest_port(px_node *n)
{
    struct pxi_endpoint e = {0};
    px_view a, last = {0};
    for (unsigned i = 0; (a = pxi_host_addr(n->host, i)).n; i++)
        last = a;
    return last.n && pxi_endpoint_of(last, &e) == PX_ERR_OK ? e.port : 0;
}

static px_err listen_port(struct lan *l, struct pxi_endpoint e, uint16_t port)
{
    e.port = port;
    struct pxi_maddr a = pxi_endpoint_maddr(&e);
    return listen_at(l->node, pxi_maddr_view(&a), l->diag);
}

static void listen_lan(void *ctx, const struct pxi_endpoint *at)
{
    struct lan *l = ctx;
    enum pxi_ip_kind kind = pxi_ip_kind_of(at);
    static const int vias[] = {PXI_VIA_TCP, PXI_VIA_QUIC};
    if (kind != PXI_IP_LOOPBACK && kind != PXI_IP_PRIVATE && !l->all)
        return;
    for (size_t i = 0; i < (l->node->quic ? 2 : 1); i++) {
        struct pxi_endpoint e = *at;
        e.via = vias[i];
        px_err err = listen_port(l, e, l->port ? l->port : l->chosen);
        if (err != PX_ERR_OK && !l->port && l->chosen)
            err = listen_port(l, e, 0);
        if (err == PX_ERR_OK)
            l->count++;
        else
            l->err = err;
        if (!l->chosen)
            l->chosen = newest_port(l->node);
    }
}

static px_err listen_default(px_node *n, const px_node_options *o, px_diag *d)
{
    struct lan l = {
        .node = n, .diag = d, .all = o->public_, .port = o->port, .chosen = o->port_wish};
    struct pxi_endpoint any = {.family = 4};
    pxi_endpoint_expand(&any, listen_lan, &l);
    any.family = 6;
    pxi_endpoint_expand(&any, listen_lan, &l);
    if (l.count && l.err != PX_ERR_OK)
        pxi_node_note(n, "some addresses of this machine cannot be listened at: the others serve");
    return l.count ? PX_ERR_OK : l.err != PX_ERR_OK ? l.err : PX_ERR_NOT_FOUND;
}

/* ------------------------------------------------------------------- protocols */

static px_err start_dht(px_node *n, const px_node_options *o)
{
    if (!o->dht || strcmp(o->dht, "off") == 0)
        return PX_ERR_OK;
    struct pxi_kad_options ko = {
        .protocol = o->dht_protocol,
        .client = strcmp(o->dht, "client") == 0,
        .accept_all = o->interop,
    };
    n->kad = pxi_kad_new(n->host, &ko);
    return n->kad ? PX_ERR_OK : PX_ERR_NOMEM;
}

static px_err start_swarm(px_node *n, const px_node_options *o, px_diag *d)
{
    n->discovered = pxi_discovered_new(n->host, !o->interop);
    if (!n->discovered)
        return PX_ERR_NOMEM;
    if (o->heartbeat) {
        struct pxi_heartbeat_options ho = {.slow_ns = o->slow_ms * PXI_MS};
        n->heartbeat = pxi_heartbeat_new(n->host, &ho);
        if (!n->heartbeat)
            return PX_ERR_NOMEM;
    }
    px_err err = pxi_allow_new(n->host, o->allow, o->allow_count, &n->allow, d);
    if (err == PX_ERR_OK)
        err = pxi_bootstrap_new(n->host, o->bootstrap, o->bootstrap_count, &n->bootstrap, d);
    return err;
}

/* The name of a private swarm on the local network: the first half of the hash of its key. */
static px_err start_mdns(px_node *n, const px_node_options *o, px_diag *d)
{
    uint8_t digest[PXI_DIGEST];
    struct pxi_mdns_options mo = {.host = n->host, .interval_ms = o->mdns_interval_ms};
    if (!o->mdns)
        return PX_ERR_OK;
    if (o->psk_file) {
        pxi_sha256(px_view_of(n->psk, sizeof n->psk), digest);
        mo.fingerprint = px_view_of(digest, sizeof digest / 2);
    }
    px_err err = pxi_io_mdns_open(n->loop, &mo, &n->mdns);
    if (err == PX_ERR_IO && !o->interop) {
        pxi_node_note(n, "no socket for multicast DNS: peers of the local network are not found by "
                         "themselves, use --bootstrap");
        return PX_ERR_OK;
    }
    pxi_diag_field(d, "mdns");
    return err == PX_ERR_OK ? err : pxi_diag_set(d, err, 0, "a socket for multicast DNS", "none");
}

px_err pxi_services_start(px_node *n, const px_node_options *o, px_diag *d)
{
    n->tcp = pxi_tcp_new(n->loop, &n->upgrader);
    /* A private swarm has no QUIC: there is no place for the pre-shared key in it. */
    n->quic = o->psk_file ? NULL : pxi_quic_io_new(n->loop, n->host, n->shaker);
    n->dns = pxi_dns_io_new(n->loop, n->host);
    n->identify = n->tcp && n->dns ? pxi_identify_new(n->host) : NULL;
    if (!n->identify || (!n->quic && !o->psk_file))
        return PX_ERR_NOMEM;
    n->reachable = pxi_reachable_new(n->host, &n->upgrader, n->identify, o);
    if (o->gossipsub)
        n->pubsub = pxi_pubsub_new(n->host, o->gossipsub_nosign);
    if (!n->reachable || (o->gossipsub && !n->pubsub))
        return PX_ERR_NOMEM;
    px_err err = pxi_ping_serve(n->host);
    if (err == PX_ERR_OK && o->interop)
        err = pxi_serve_tests(n);
    if (err == PX_ERR_OK)
        err = start_dht(n, o);
    if (err == PX_ERR_OK)
        err = pxi_stored_open(n, o, d);
    if (err == PX_ERR_OK)
        err = start_swarm(n, o, d);
    for (unsigned i = 0; i < o->listen_count && err == PX_ERR_OK; i++)
        err = listen_text(n, o->listen[i], d);
    if (err == PX_ERR_OK && !o->listen_count && (o->lan || o->public_))
        err = listen_default(n, o, d);
    if (o->psk_file)
        pxi_node_note(n, "QUIC is off: it has no place for the pre-shared key, TCP serves");
    else if (!pxi_quic_io_offloads(n->quic))
        pxi_node_note(n, "no UDP segmentation or receive offload: QUIC moves datagrams one by one");
    if (err == PX_ERR_OK && o->portmap && !(n->portmap = pxi_portmap_new(n->loop, n->host)))
        err = PX_ERR_NOMEM;
    if (err == PX_ERR_OK && o->serve && !(n->pipeline = pxi_pipeline_new(n)))
        err = PX_ERR_NOMEM;
    if (err == PX_ERR_OK && n->pipeline && n->kad && !(n->board = pxi_board_new(n)))
        err = PX_ERR_NOMEM;
    if (err == PX_ERR_OK && !(n->mustering = pxi_mustering_new(n)))
        err = PX_ERR_NOMEM;
    return err == PX_ERR_OK ? start_mdns(n, o, d) : err;
}

void pxi_services_stop(px_node *n)
{
    pxi_mustering_free(n->mustering);
    n->mustering = NULL;
    pxi_board_free(n->board);
    n->board = NULL;
    pxi_pipeline_free(n->pipeline);
    pxi_stored_close(n);
    pxi_portmap_free(n->portmap);
    pxi_io_mdns_close(n->mdns);
    pxi_bootstrap_free(n->bootstrap);
    pxi_allow_free(n->allow);
    pxi_heartbeat_free(n->heartbeat);
    pxi_discovered_free(n->discovered);
    pxi_kad_free(n->kad);
    pxi_pubsub_free(n->pubsub);
    pxi_reachable_free(n->reachable);
    pxi_identify_free(n->identify);
}

void pxi_transports_free(px_node *n)
{
    pxi_tcp_free(n->tcp);
    pxi_quic_io_free(n->quic);
    pxi_dns_io_free(n->dns);
}

void pxi_nat_report(px_node *n, json_t *out)
{
    json_t *mapped = json_array();
    px_view a;
    for (unsigned i = 0; (a = pxi_portmap_addr(n->portmap, i)).n; i++)
        json_array_append_new(mapped, pxi_json_addr(a, NULL));
    json_object_set_new(out, "portmap", mapped);
    if (n->reachable)
        pxi_reachable_report(n->reachable, out);
}
