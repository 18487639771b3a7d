/* The worker: the gateway's address from the kernel, NAT-PMP over a UDP socket. */
#include <arpa/inet.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "io/portmap_impl.h"
#include "net/natpmp.h"

enum { TRIES = 3, FIRST_WAIT_MS = 250 };

/* The IPv4 default gateway, in network order; 0: none. */
static uint32_t gateway(void)
{
    char line[256];
    unsigned to, via, flags;
    uint32_t found = 0;
    FILE *f = fopen("/proc/net/route", "re");
    while (f && !found && fgets(line, sizeof line, f))
        if (sscanf(line, "%*s %x %x %x", &to, &via, &flags) == 3 && to == 0 && (flags & 2))
            found = via; /* the kernel prints it as it lies in memory */
    if (f)
        fclose(f);
    return found;
}

/* One request, repeated with longer waits as the RFC says. */
static bool exchange(int fd, enum pxi_natpmp_op op, uint16_t port, struct pxi_natpmp_answer *a)
{
    uint8_t out[PXI_NATPMP_REQUEST], in[64];
    size_t n = pxi_natpmp_request(out, op, port, port, PXI_PORTMAP_LEASE_S);
    for (int i = 0; i < TRIES; i++) {
        struct timeval wait = {.tv_usec = (FIRST_WAIT_MS << i) * 1000 % 1000000,
                               .tv_sec = (FIRST_WAIT_MS << i) / 1000};
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
        if (send(fd, out, n, 0) < 0)
            return false;
        ssize_t got = recv(fd, in, sizeof in, 0);
        if (got > 0 && pxi_natpmp_read(px_view_of(in, (size_t)got), a) == PX_ERR_OK &&
            a->op == op && (op == PXI_NATPMP_ADDRESS || a->result || a->inside == port))
            return a->result == 0;
    }
    return false;
}

static void ask_natpmp(struct pxi_portmap_job *job)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(PXI_NATPMP_PORT)};
    struct pxi_natpmp_answer outside, a;
    to.sin_addr.s_addr = gateway();
    if (!to.sin_addr.s_addr)
        return;
    int fd =
        socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0); /* connected: only the gateway is heard */
    if (fd < 0)
        return;
    if (connect(fd, (struct sockaddr *)&to, sizeof to) == 0 &&
        exchange(fd, PXI_NATPMP_ADDRESS, 0, &outside)) {
        for (unsigned i = 0; i < job->n; i++) {
            struct pxi_portmap_want *w = &job->want[i];
            enum pxi_natpmp_op op = w->inside.via == PXI_VIA_QUIC ? PXI_NATPMP_UDP : PXI_NATPMP_TCP;
            if (!exchange(fd, op, w->inside.port, &a) || !a.lifetime_s)
                continue;
            w->outside = w->inside;
            memcpy(w->outside.ip, outside.ip, 4);
            w->outside.port = a.outside;
        }
    }
    close(fd);
}

void pxi_portmap_ask(struct pxi_portmap_job *job)
{
    bool missing = false;
    ask_natpmp(job);
    for (unsigned i = 0; i < job->n; i++)
        missing = missing || !job->want[i].outside.family;
    if (missing)
        pxi_portmap_ask_upnp(job);
}
