/* The path that is always there: a UDP socket, trains of datagrams in one call both ways. */
#include <arpa/inet.h>
#include <string.h>

#include "base/mem.h"
#include "io/path.h"
#include "io/udp.h"

enum { TRAIN_BYTES = 65000 };

struct udp {
    struct pxi_path path;
    struct pxi_udp socket;
    const struct pxi_udp_addr *peers;
    unsigned n;
    uint8_t *buf; /* PXI_UDP_READ trains */
};

static struct udp *of(struct pxi_path *p)
{
    return (struct udp *)p;
}

static bool same(const struct pxi_udp_addr *a, const struct pxi_udp_addr *b)
{
    return a->family == b->family && a->port == b->port &&
           memcmp(a->ip, b->ip, a->family == 4 ? 4 : 16) == 0;
}

static uint64_t pieces(const struct pxi_udp_in *in)
{
    return in->segment && in->n ? (in->n + in->segment - 1) / in->segment : 1;
}

static unsigned udp_receive(struct pxi_path *p, struct pxi_path_in *in)
{
    struct udp *u = of(p);
    struct pxi_udp_in got[PXI_UDP_READ];
    unsigned n = pxi_udp_receive(&u->socket, u->buf, got), known = 0;
    for (unsigned i = 0; i < n; i++) {
        unsigned from = 0;
        while (from < u->n && !same(&u->peers[from], &got[i].remote))
            from++;
        if (from == u->n) {
            p->counts.strangers += pieces(&got[i]);
            continue;
        }
        p->counts.received += pieces(&got[i]);
        in[known++] = (struct pxi_path_in){
            .from = from, .bytes = px_view_of(got[i].bytes, got[i].n), .step = got[i].segment};
    }
    p->counts.receives = u->socket.receives;
    p->drained = n < PXI_UDP_READ;
    return known;
}

static unsigned udp_send(struct pxi_path *p, unsigned to, const px_view *frames, unsigned n)
{
    struct udp *u = of(p);
    unsigned done = pxi_udp_send_parts(&u->socket, &u->peers[to], frames, n, frames[0].n);
    p->counts.sent += done;
    p->counts.sends = u->socket.sends;
    p->counts.lost = u->socket.lost;
    return done;
}

static void udp_close(struct pxi_path *p)
{
    struct udp *u = of(p);
    pxi_udp_close(&u->socket);
    pxi_free_aligned(u->buf);
    pxi_free(u);
}

static const struct pxi_path_ops ops = {
    .send = udp_send, .receive = udp_receive, .close = udp_close};

px_err pxi_path_udp_open(const struct pxi_path_options *o, struct pxi_path **out)
{
    struct udp *u = pxi_calloc(1, sizeof *u);
    *out = NULL;
    if (!u)
        return PX_ERR_NOMEM;
    u->buf = pxi_calloc_aligned((size_t)PXI_UDP_READ * PXI_UDP_BATCH, 64);
    px_err err = u->buf ? pxi_udp_open(&u->socket, &o->local) : PX_ERR_NOMEM;
    if (err) {
        pxi_free_aligned(u->buf);
        pxi_free(u);
        return err;
    }
    u->peers = o->peers;
    u->n = o->n;
    u->socket.gso &= !o->singly;
    u->path = (struct pxi_path){.ops = &ops,
                                .kind = PXI_PATH_UDP,
                                .parts = PXI_UDP_SEGMENTS,
                                .bytes = TRAIN_BYTES,
                                .equal = true,
                                .fd = u->socket.fd,
                                .peers = UINT64_MAX};
    *out = &u->path;
    return PX_ERR_OK;
}

struct pxi_udp_addr pxi_path_udp_local(const struct pxi_path *p)
{
    return ((const struct udp *)p)->socket.local;
}

px_err pxi_path_udp_join(struct pxi_path *p, const char *group)
{
    struct udp *u = of(p);
    struct ip_mreq join = {0};
    if (inet_pton(AF_INET, group, &join.imr_multiaddr) != 1)
        return PX_ERR_INVALID;
    memcpy(&join.imr_interface, u->socket.local.ip, u->socket.any ? 0 : 4);
    return setsockopt(u->socket.fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &join, sizeof join) == 0
               ? PX_ERR_OK
               : PX_ERR_IO;
}
