#include "io/dns.h"

#include <netdb.h>

#include "base/mem.h"
#include "io/dnsaddr.h"
#include "io/socket.h"

struct pxi_dns_io {
    struct pxi_transport transport;
    struct pxi_loop *loop;
    struct sockaddr_in server; /* of TXT records; family 0: the system's */
};

/* One question on its way through the resolver's thread. */
struct question {
    uv_getaddrinfo_t request;
    struct pxi_dial *dial; /* NULL: nobody waits any more */
    struct pxi_loop *loop;
};

static bool can_dial(struct pxi_transport *t, const struct pxi_endpoint *e)
{
    return e->dns.n && !e->relayed;
}

/* The address with the ip in the place of the name. */
static bool with_ip(px_view addr, const struct pxi_endpoint *ip, struct pxi_maddr *out)
{
    struct pxi_maddr_part part;
    size_t at = 0;
    out->n = 0;
    while (pxi_maddr_next(addr, &at, &part)) {
        bool name = part.code == PXI_MA_DNS || part.code == PXI_MA_DNS4 || part.code == PXI_MA_DNS6;
        px_view value = name ? px_view_of(ip->ip, ip->family == 4 ? 4 : 16) : part.value;
        uint32_t code = !name ? part.code : ip->family == 4 ? PXI_MA_IP4 : PXI_MA_IP6;
        if (!pxi_maddr_add(out, code, value))
            return false;
    }
    return out->n > 0;
}

static void resolved(uv_getaddrinfo_t *r, int status, struct addrinfo *list)
{
    struct question *q = PXI_OF(r, struct question, request);
    struct pxi_dial *d = q->dial;
    struct pxi_maddr addr;
    pxi_loop_now(q->loop);
    pxi_free(q);
    if (d) {
        d->transport_data = NULL;
        struct pxi_endpoint ip = {0};
        if (status == 0 && list)
            ip = pxi_endpoint_of_sockaddr(list->ai_addr);
        if (!ip.family || !with_ip(pxi_maddr_view(&d->addr), &ip, &addr) ||
            !pxi_dial_pass(d, pxi_maddr_view(&addr)))
            pxi_dial_done(d, NULL, PX_ERR_UNREACHABLE);
    }
    uv_freeaddrinfo(list);
}

static bool names_addresses(const struct pxi_dial *d)
{
    struct pxi_endpoint e;
    return pxi_endpoint_of(pxi_maddr_view(&d->addr), &e) == PX_ERR_OK &&
           e.dns_code == PXI_MA_DNSADDR;
}

static void dial(struct pxi_transport *t, struct pxi_dial *d)
{
    struct pxi_dns_io *io = PXI_OF(t, struct pxi_dns_io, transport);
    if (names_addresses(d)) {
        pxi_dnsaddr_ask(io->loop, d, &io->server); /* else the dial times out */
        return;
    }
    struct pxi_endpoint e;
    struct question *q = pxi_calloc(1, sizeof *q);
    char *name = NULL;
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    if (q && pxi_endpoint_of(pxi_maddr_view(&d->addr), &e) == PX_ERR_OK) {
        name = pxi_strdup_view(e.dns);
        hints.ai_family = e.dns_code == PXI_MA_DNS4   ? AF_INET
                          : e.dns_code == PXI_MA_DNS6 ? AF_INET6
                                                      : AF_UNSPEC;
        q->dial = d;
        q->loop = io->loop;
    }
    if (name &&
        uv_getaddrinfo(pxi_loop_uv(io->loop), &q->request, resolved, name, NULL, &hints) == 0)
        d->transport_data = q;
    else
        pxi_free(q); /* the dial times out */
    pxi_free(name);
}

static void cancel(struct pxi_transport *t, struct pxi_dial *d)
{
    struct question *q = d->transport_data;
    if (!q)
        return;
    if (names_addresses(d)) {
        pxi_dnsaddr_cancel(d);
        return;
    }
    q->dial = NULL;
    d->transport_data = NULL;
    uv_cancel((uv_req_t *)&q->request);
}

struct pxi_dns_io *pxi_dns_io_new(struct pxi_loop *l, struct pxi_host *h)
{
    struct pxi_dns_io *io = pxi_calloc(1, sizeof *io);
    if (!io)
        return NULL;
    io->transport =
        (struct pxi_transport){.name = "dns", .can_dial = can_dial, .dial = dial, .cancel = cancel};
    io->loop = l;
    pxi_host_transport(h, &io->transport);
    return io;
}

void pxi_dns_io_server(struct pxi_dns_io *io, uint32_t ip, uint16_t port)
{
    io->server =
        (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = ip, .sin_port = htons(port)};
}

void pxi_dns_io_free(struct pxi_dns_io *io)
{
    pxi_free(io);
}
