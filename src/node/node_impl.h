/* What the files of the node share: its parts, and the channels that speak to it. */
#ifndef PXI_NODE_NODE_IMPL_H
#define PXI_NODE_NODE_IMPL_H

#include <jansson.h>

#include "crypto/shake.h"
#include "io/dns.h"
#include "io/lines.h"
#include "io/loop.h"
#include "io/portmap.h"
#include "io/quic.h"
#include "io/tcp.h"
#include "net/identify.h"
#include "plexus/node.h"

/* A client: standard input and output, a connection to the control socket, or a caller in this
 * process. */
struct pxi_channel {
    struct pxi_list link;
    struct px_node *node;
    struct pxi_lines *lines; /* NULL: a caller */
    void (*reply)(void *ctx, const char *text);
    void *ctx;
    bool ends_node;
};

struct px_node {
    struct pxi_loop *loop;
    struct pxi_key *key;
    struct pxi_cert *cert;
    struct pxi_shaker *shaker; /* of TLS over TCP and of QUIC */
    struct pxi_host *host;
    struct pxi_upgrader upgrader;
    struct pxi_tcp *tcp;
    struct pxi_quic_io *quic;
    struct pxi_dns_io *dns;
    struct pxi_identify *identify;
    struct pxi_heartbeat *heartbeat;
    struct pxi_discovered *discovered;
    struct pxi_kad *kad;
    struct pxi_reaching *bootstrap; /* peers that are kept connected */
    struct pxi_allow *allow;
    struct pxi_reachable *reachable;
    struct pxi_portmap *portmap;
    struct pxi_pubsub *pubsub;
    struct pxi_pipeline *pipeline; /* NULL: this node computes nothing for others */
    struct pxi_stored *stored;     /* NULL: no store */
    struct pxi_mustering *mustering;
    struct pxi_board *board; /* NULL: no DHT, or no pipeline */
    struct pxi_io_mdns *mdns;
    struct pxi_lines_server *server;
    struct pxi_http_serve *http; /* NULL: no HTTP API */
    struct pxi_list channels, calls;
    uv_async_t stop;
    char *agent, *control;
    uint8_t psk[32];
    json_t *notes; /* what is missing here and what serves instead, a sentence each */
    bool stopping, activated;
};

/* identity.c: the key of the options: a file (made when missing), a seed, or a new one. */
px_err pxi_identity_load(const px_node_options *o, struct pxi_key **out, px_diag *d);
/* The 32-byte key of a private swarm, from its file. */
px_err pxi_psk_load(const char *path, uint8_t out[32], px_diag *d);

/* serve.c: the test protocols of the interop peer. */
px_err pxi_serve_tests(px_node *n);

/* services.c: transports and protocols, as the options ask. Protocols stop before the host goes,
 * transports after it. */
px_err pxi_services_start(px_node *n, const px_node_options *o, px_diag *d);
void pxi_services_stop(px_node *n);
void pxi_transports_free(px_node *n);

/* Add to the report of `plexus net` what is known of NAT, relays and port mapping. */
void pxi_nat_report(px_node *n, json_t *out);

/* Remember a fallback: it stands in the ready line and in `plexus net`. */
void pxi_node_note(px_node *n, const char *text);

/* channel.c */
px_err pxi_channel_listen(px_node *n, const char *path, px_diag *d);
/* The control socket that the service manager opened. */
px_err pxi_channel_adopt(px_node *n, int fd);
void pxi_channel_send(struct pxi_channel *c, const char *text, size_t n);
void pxi_channels_close(px_node *n);

#endif
