/*
 * From a pipe of bytes to a connection: (pre-shared key,) multistream-select for a secure channel,
 * Noise or TLS, the multiplexer by early negotiation or multistream, yamux. The result is a struct
 * pxi_conn that lives on the link until either end closes.
 */
#ifndef PXI_NET_UPGRADE_H
#define PXI_NET_UPGRADE_H

#include "net/conn.h"
#include "net/host.h"
#include "net/link.h"
#include "net/noise.h"

struct pxi_shaker; /* crypto/shake.h: the libp2p TLS certificate of this host, and of its peers */

enum pxi_security { PXI_SECURITY_NONE, PXI_SECURITY_NOISE, PXI_SECURITY_TLS };

/* Shared by all upgrades of a host; lives longer than they and their connections. */
struct pxi_upgrader {
    struct pxi_host *host;
    struct pxi_shaker *shaker;     /* NULL: TLS is not offered */
    enum pxi_security security[2]; /* offered, in order of preference; NONE ends the list */
    const uint8_t *psk;            /* 32 bytes of a private swarm, or NULL */
    uint64_t timeout_ns;           /* for the whole upgrade; 0: the limit NET_UPGRADE_MS */
    struct pxi_noise_id noise;     /* made by the first handshake; zero before */
};

struct pxi_upgrade_options {
    struct pxi_upgrader *upgrader;
    bool outbound;        /* who speaks first: the initiator of every layer */
    struct pxi_peer peer; /* who must answer; n == 0: anybody */
    struct pxi_maddr local, remote;
    bool limited; /* a relayed link */
    /* Comes once, later: a ready connection, or why there is none (the link was closed). */
    void (*done)(void *ctx, struct pxi_conn *c, px_err err);
    void *ctx;
};

/* Take over a link (sets l->on and l->user). Inbound ones are counted in the limiter of the host
 * (conn->scope) before anything else; a full one is PX_ERR_LIMIT by `done`. NULL when memory is
 * out; then the caller closes. */
struct pxi_upgrade *pxi_upgrade_start(const struct pxi_upgrade_options *o, struct pxi_link *l);
/* Give up before `done`: closes the link; `done` does not follow. */
void pxi_upgrade_cancel(struct pxi_upgrade *u);

#endif
