/* What the options of a node turn on: transports, then protocols. */
#include "base/diag.h"
#include "net/ping.h"
#include "node/node_impl.h"

static px_err listen_one(px_node *n, const char *text, px_diag *d)
{
    struct pxi_maddr a;
    struct pxi_endpoint e;
    px_err err = pxi_maddr_parse(px_view_str(text), &a, d);
    if (err == PX_ERR_OK)
        err = pxi_endpoint_of(pxi_maddr_view(&a), &e);
    if (err != PX_ERR_OK) {
        pxi_diag_field(d, "listen");
        return pxi_diag_set(d, PX_ERR_INVALID, 0, "a multiaddr that plexus can listen at", "%s", text);
    }
    if (e.via == PXI_VIA_TCP || e.via == PXI_VIA_WS)
        return pxi_tcp_listen(n->tcp, pxi_maddr_view(&a), d);
    pxi_diag_field(d, "listen");
    return pxi_diag_set(d, PX_ERR_UNSUPPORTED, 0, "tcp, ws or quic-v1", "%s", text);
}

px_err pxi_services_start(px_node *n, const px_node_options *o, px_diag *d)
{
    px_err err = PX_ERR_OK;
    n->tcp = pxi_tcp_new(n->loop, &n->upgrader);
    n->identify = n->tcp ? pxi_identify_new(n->host) : NULL;
    if (!n->identify)
        return PX_ERR_NOMEM;
    err = pxi_ping_serve(n->host);
    if (err == PX_ERR_OK && o->interop)
        err = pxi_serve_tests(n);
    for (unsigned i = 0; i < o->listen_count && err == PX_ERR_OK; i++)
        err = listen_one(n, o->listen[i], d);
    return err;
}

void pxi_services_stop(px_node *n)
{
    pxi_identify_free(n->identify);
    n->identify = NULL;
}

void pxi_transports_free(px_node *n)
{
    pxi_tcp_free(n->tcp);
    n->tcp = NULL;
}
