/* What the two files of the relay client share. */
#ifndef PXI_NET_RELAY_IMPL_H
#define PXI_NET_RELAY_IMPL_H

#include "base/limits.h"
#include "net/message.h"
#include "net/relay.h"

/* A reservation that we keep. */
struct pxi_relay_place {
    struct pxi_list link;
    struct pxi_relay_client *client;
    struct pxi_relay_standing now;
    struct pxi_reach reach;
    struct pxi_stream *stream; /* while asking */
    struct pxi_frame frame;
    struct pxi_timer timer; /* to try again, to renew, or to give an answer up */
    uint64_t expires_ns;
    struct pxi_maddr *own, *at; /* addresses that we got from it; where it is */
    unsigned own_n, at_n;
    bool reaching, asking;
};

struct pxi_relay_client {
    struct pxi_host *host;
    struct pxi_upgrader *upgrader;
    struct pxi_transport transport;
    struct pxi_watch watch;
    struct pxi_list places, dials, incoming;
    unsigned place_count, dial_count, incoming_count;
};

/* The reservation on a relay, or NULL. */
struct pxi_relay_place *pxi_relay_place_find(struct pxi_relay_client *c,
                                             const struct pxi_peer *relay);
/* Give all reservations up. */
void pxi_relay_places_free(struct pxi_relay_client *c);
/* A connection to a relay went away. */
void pxi_relay_places_disconnected(struct pxi_relay_client *c, const struct pxi_peer *relay);
/* ADDR/p2p/RELAY/p2p-circuit; false when it does not fit or addr is itself relayed. addr may end
 * in /p2p/RELAY already. */
bool pxi_relay_address(px_view addr, const struct pxi_peer *relay, struct pxi_maddr *out);

#endif
