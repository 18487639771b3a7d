#include "node.h"

#include <stdlib.h>
#include <string.h>

/* Does the verb have this option? */
static int has(const struct cli *c, const char *name)
{
    return verb_opt_find(c->verb, name) != NULL;
}

static const char *text(const struct cli *c, const char *name, int id)
{
    return has(c, name) ? opt_text(c, id) : NULL;
}

static int on(const struct cli *c, const char *name, int id)
{
    return has(c, name) && opt_on(c, id);
}

static void list(const struct cli *c, const char *name, int id, const char *const **out,
                 unsigned *count)
{
    if (!has(c, name))
        return;
    *out = c->v[id].list;
    *count = c->v[id].n;
}

px_node_options node_options(const struct cli *c)
{
    px_node_options o = {
        .size = sizeof o,
        .key_seed = text(c, "seed", OPT_KEY_SEED),
        .key_type = text(c, "key-type", OPT_KEY_TYPE),
        .key_file = text(c, "key", OPT_KEY),
        .security = text(c, "security", OPT_SECURITY),
        .psk_file = text(c, "psk", OPT_PSK),
        .dht = text(c, "dht", OPT_DHT),
        .relay = text(c, "relay", OPT_RELAY),
        .gossipsub = on(c, "gossipsub", OPT_GOSSIPSUB),
        .gossipsub_nosign = on(c, "gossipsub-nosign", OPT_GOSSIPSUB_NOSIGN),
        .dcutr = on(c, "dcutr", OPT_DCUTR),
        .autonat = on(c, "autonat", OPT_AUTONAT),
        .mdns = on(c, "mdns", OPT_MDNS),
    };
    list(c, "listen", OPT_LISTEN, &o.listen, &o.listen_count);
    list(c, "announce", OPT_ANNOUNCE, &o.announce, &o.announce_count);
    if (has(c, "mdns-interval"))
        o.mdns_interval_ms = (uint32_t)opt_uint(c, OPT_MDNS_INTERVAL);
    return o;
}
