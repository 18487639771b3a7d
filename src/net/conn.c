#include "net/conn.h"

#include "net/host_impl.h"
#include "net/limits.h"
#include "net/negotiate.h"

void pxi_conn_init(struct pxi_conn *c, const struct pxi_conn_ops *ops, bool outbound)
{
    c->ops = ops;
    c->outbound = outbound;
    c->security = c->muxer = "";
    pxi_list_init(&c->link);
    pxi_list_init(&c->peer_link);
    pxi_list_init(&c->streams);
}

void pxi_conn_on_stream(struct pxi_conn *c, struct pxi_stream *s)
{
    if (!c->host || c->closing || !pxi_negotiate_inbound(s))
        pxi_stream_reset(s);
}

void pxi_conn_on_closed(struct pxi_conn *c, px_err why)
{
    c->closing = true;
    while (
        !pxi_list_empty(&c->streams)) /* a carrier closes them itself; what it forgot ends here */
        pxi_stream_on_closed(PXI_OF(c->streams.next, struct pxi_stream, link),
                             why ? why : PX_ERR_RESET);
    if (c->host)
        pxi_host_drop_conn(c->host, c);
    c->host = NULL;
    if (c->scope)
        pxi_scope_conn_close(c->scope);
    c->scope = NULL;
}
