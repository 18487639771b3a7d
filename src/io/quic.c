#include "io/quic.h"

#include <errno.h>
#include <unistd.h>

#include "base/diag.h"
#include "base/limits.h"
#include "base/mem.h"
#include "crypto/hash.h"
#include "crypto/key.h"
#include "io/pages.h"
#include "io/socket.h"
#include "io/udp.h"

enum { ROUNDS = 16 }; /* receives in a row before others get a turn */

/* One UDP socket with its endpoint. */
struct port {
    struct pxi_list place; /* in io->ports */
    struct pxi_quic_io *io;
    struct pxi_udp udp;
    struct pxi_quic *q;
    uv_poll_t poll;
    struct pxi_task flush;
    uint8_t *unsent; /* what the kernel did not take */
    struct pxi_udp_out rest;
    bool dial_only;
};

struct pxi_quic_io {
    struct pxi_quic_transport transport;
    struct pxi_loop *loop;
    struct pxi_host *host;
    struct pxi_shaker *shaker;
    struct pxi_list ports;
    uint8_t secret[PXI_DIGEST];
};

/* ------------------------------------------------------------------ sending */

static void on_poll(uv_poll_t *p, int status, int events);

static void watch(struct port *p)
{
    uv_poll_start(&p->poll, UV_READABLE | (p->unsent ? UV_WRITABLE : 0), on_poll);
}

/* Keep what the kernel has no room for. */
static void hold(struct port *p, const struct pxi_udp_out *o, size_t sent)
{
    p->unsent = pxi_realloc(NULL, o->n - sent, 1);
    if (!p->unsent) {
        p->udp.lost++;
        return;
    }
    memcpy(p->unsent, o->bytes + sent, o->n - sent);
    p->rest = *o;
    p->rest.bytes = p->unsent;
    p->rest.n = o->n - sent;
    watch(p);
}

/* false: the kernel is still full. */
static bool send_held(struct port *p)
{
    if (!p->unsent)
        return true;
    size_t n = pxi_udp_send(&p->udp, &p->rest);
    p->rest.bytes += n;
    p->rest.n -= n;
    if (p->rest.n)
        return false;
    pxi_free(p->unsent);
    p->unsent = NULL;
    watch(p);
    return true;
}

static void count_calls(struct port *p)
{
    struct pxi_loop_counts *n = pxi_loop_counts(p->io->loop);
    n->sends += p->udp.sends;
    n->receives += p->udp.receives;
    p->udp.sends = p->udp.receives = 0;
}

static void flush(struct port *p)
{
    struct pxi_udp_out o = {.bytes = pxi_loop_out(p->io->loop), .cap = PXI_UDP_BATCH};
    while (send_held(p) && pxi_quic_pull(p->q, &o)) {
        size_t n = pxi_udp_send(&p->udp, &o);
        if (n < o.n)
            hold(p, &o, n);
    }
    count_calls(p);
}

static void on_flush(struct pxi_task *t)
{
    flush(PXI_OF(t, struct port, flush));
}

/* ---------------------------------------------------------------- receiving */

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct port *p = PXI_OF(poll, struct port, poll);
    struct pxi_udp_in in[PXI_UDP_READ];
    unsigned n = PXI_UDP_READ;
    for (int round = 0; round < ROUNDS && n == PXI_UDP_READ && status == 0; round++) {
        n = pxi_udp_receive(&p->udp, pxi_loop_in(p->io->loop), in);
        pxi_loop_now(p->io->loop);
        for (unsigned i = 0; i < n; i++)
            pxi_quic_push(p->q, &in[i]);
        flush(p);
    }
    pxi_loop_now(p->io->loop);
    flush(p);
}

/* ------------------------------------------------------------------- ports */

static void on_wake(void *ctx)
{
    struct port *p = ctx;
    pxi_loop_soon(p->io->loop, &p->flush);
}

static px_err on_accepted(void *ctx, struct pxi_conn *c)
{
    return pxi_quic_transport_accepted(&((struct port *)ctx)->io->transport, c);
}

static void on_dialled(void *ctx, void *user, struct pxi_conn *c, px_err err)
{
    pxi_quic_transport_dialled(&((struct port *)ctx)->io->transport, user, c, err);
}

static const struct pxi_quic_events events = {on_wake, on_accepted, on_dialled};

static void port_gone(uv_handle_t *h)
{
    pxi_free(PXI_OF(h, struct port, poll));
}

/* Open a socket at an address, or (at NULL) take over one that is bound. */
static px_err port_open(struct pxi_quic_io *io, const struct pxi_udp_addr *at, int fd,
                        bool dial_only, struct port **out)
{
    struct port *p = pxi_calloc(1, sizeof *p);
    px_err err = !p ? PX_ERR_NOMEM : at ? pxi_udp_open(&p->udp, at) : pxi_udp_adopt(&p->udp, fd);
    *out = NULL;
    if (err) {
        if (!at)
            close(fd);
        pxi_free(p);
        return err;
    }
    struct pxi_quic_options o = {.shaker = io->shaker,
                                 .timers = pxi_loop_timers(io->loop),
                                 .random = pxi_host_random(io->host),
                                 .faults = pxi_host_faults(io->host),
                                 .wall_s = pxi_clock_wall_s,
                                 .on = &events,
                                 .ctx = p,
                                 .local = p->udp.local,
                                 .secret = io->secret,
                                 .dial_only = dial_only,
                                 .pages = &pxi_pages_system};
    p->io = io;
    p->dial_only = dial_only;
    p->flush.run = on_flush;
    err = pxi_quic_new(&o, &p->q);
    if (err || uv_poll_init(pxi_loop_uv(io->loop), &p->poll, p->udp.fd)) {
        pxi_quic_free(p->q);
        pxi_udp_close(&p->udp);
        pxi_free(p);
        return err ? err : PX_ERR_IO;
    }
    pxi_list_add(&io->ports, &p->place);
    watch(p);
    *out = p;
    return PX_ERR_OK;
}

static void port_close(struct port *p)
{
    pxi_quic_shutdown(p->q);
    flush(p);
    pxi_quic_free(p->q);
    pxi_list_remove(&p->place);
    pxi_loop_forget(&p->flush);
    pxi_free(p->unsent);
    uv_poll_stop(&p->poll);
    pxi_udp_close(&p->udp);
    uv_close((uv_handle_t *)&p->poll, port_gone);
}

/* --------------------------------------------------------------- transport */

/* Does what is bound here send from the address that leads there? */
static bool reaches(const struct port *p, const struct pxi_endpoint *source)
{
    struct pxi_endpoint near = {.family = p->udp.local.family};
    memcpy(near.ip, p->udp.local.ip, sizeof near.ip);
    return pxi_endpoint_sends(&near, source);
}

static struct port *port_for(struct pxi_quic_io *io, const struct pxi_udp_addr *to, bool fresh)
{
    struct pxi_endpoint far = {.family = to->family, .port = 1};
    memcpy(far.ip, to->ip, sizeof far.ip);
    struct pxi_endpoint source = pxi_socket_source(&far);
    for (struct pxi_list *l = io->ports.next; l != &io->ports; l = l->next) {
        struct port *p = PXI_OF(l, struct port, place);
        if ((p->dial_only || !fresh) && reaches(p, &source))
            return p;
    }
    return NULL;
}

static struct pxi_quic *pick(struct pxi_quic_transport *t, const struct pxi_udp_addr *to,
                             bool fresh)
{
    struct pxi_quic_io *io = PXI_OF(t, struct pxi_quic_io, transport);
    struct port *p = port_for(io, to, fresh);
    struct pxi_udp_addr any = {.family = to->family};
    if (!p)
        port_open(io, &any, -1, true, &p);
    return p ? p->q : NULL;
}

static void punch(struct pxi_transport *t, const struct pxi_endpoint *e)
{
    struct pxi_quic_transport *q = PXI_OF(t, struct pxi_quic_transport, transport);
    pxi_quic_io_poke(PXI_OF(q, struct pxi_quic_io, transport), e, 64);
}

struct pxi_quic_io *pxi_quic_io_new(struct pxi_loop *l, struct pxi_host *h,
                                    struct pxi_shaker *shaker)
{
    static const char purpose[] = "plexus quic stateless reset";
    uint8_t signature[PXI_SIGNATURE_MAX];
    struct pxi_quic_io *io = pxi_calloc(1, sizeof *io);
    if (!io)
        return NULL;
    io->loop = l;
    io->host = h;
    io->shaker = shaker;
    pxi_list_init(&io->ports);
    /* The same after a restart, so that peers of before learn at once that we forgot them. */
    size_t n = pxi_key_sign(pxi_host_key(h), px_view_str(purpose), signature);
    pxi_sha256(px_view_of(signature, n), io->secret);
    if (!n)
        pxi_random_fill(pxi_host_random(h), io->secret, sizeof io->secret);
    io->transport.pick = pick;
    pxi_quic_transport_init(&io->transport, h);
    io->transport.transport.punch = punch;
    return io;
}

void pxi_quic_io_free(struct pxi_quic_io *io)
{
    if (!io)
        return;
    while (!pxi_list_empty(&io->ports))
        port_close(PXI_OF(io->ports.next, struct port, place));
    pxi_quic_transport_deinit(&io->transport);
    pxi_free(io);
}

static void announce(void *ctx, const struct pxi_endpoint *e)
{
    struct pxi_maddr a = pxi_endpoint_maddr(e);
    px_err err = pxi_host_addr_add(ctx, pxi_maddr_view(&a), PXI_ADDR_LISTEN);
    (void)err;
}

px_err pxi_quic_io_listen(struct pxi_quic_io *io, px_view maddr, px_diag *d)
{
    struct pxi_endpoint e;
    struct pxi_udp_addr at;
    struct port *p;
    pxi_diag_field(d, "listen");
    if (pxi_endpoint_of(maddr, &e) != PX_ERR_OK || !pxi_udp_addr_of(&e, &at))
        return pxi_diag_set(d, PX_ERR_INVALID, 0, "/ip4 or /ip6 with /udp and /quic-v1",
                            "another address");
    px_err err = port_open(io, &at, -1, false, &p);
    if (err == PX_ERR_IO && errno == EADDRINUSE)
        return pxi_diag_set(d, err, 0, "a free port", "port %u is in use", at.port);
    if (err)
        return pxi_diag_set(d, err, 0, "an address of this machine", "error %d of the system",
                            errno);
    e.port = p->udp.local.port;
    pxi_endpoint_expand(&e, announce, io->host);
    return PX_ERR_OK;
}

px_err pxi_quic_io_adopt(struct pxi_quic_io *io, int fd)
{
    struct port *p;
    px_err err = port_open(io, NULL, fd, false, &p);
    if (err != PX_ERR_OK)
        return err;
    struct pxi_endpoint e = {
        .family = p->udp.local.family, .port = p->udp.local.port, .via = PXI_VIA_QUIC};
    memcpy(e.ip, p->udp.local.ip, sizeof e.ip);
    pxi_endpoint_expand(&e, announce, io->host);
    return PX_ERR_OK;
}

void pxi_quic_io_poke(struct pxi_quic_io *io, const struct pxi_endpoint *to, size_t n)
{
    struct pxi_udp_addr a;
    struct port *p = pxi_udp_addr_of(to, &a) ? port_for(io, &a, false) : NULL;
    if (p)
        pxi_quic_poke(p->q, &a, n);
}

bool pxi_quic_io_offloads(const struct pxi_quic_io *io)
{
    for (struct pxi_list *l = io->ports.next; l != &io->ports; l = l->next) {
        const struct port *p = PXI_OF(l, struct port, place);
        if (!p->udp.gso || !p->udp.gro)
            return false;
    }
    return true;
}

struct pxi_quic *pxi_quic_io_endpoint(struct pxi_quic_io *io, unsigned i)
{
    struct pxi_list *l = io->ports.next;
    while (i-- && l != &io->ports)
        l = l->next;
    return l == &io->ports ? NULL : PXI_OF(l, struct port, place)->q;
}
