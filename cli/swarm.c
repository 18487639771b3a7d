/* plexus swarm connect|disconnect, by the running node. */
#include "node.h"

int verb_swarm_connect(struct cli *c)
{
    static const char *const fields[] = {"peer",    "addr", "security", "muxer",
                                         "limited", "ms",   NULL};
    int rc;
    json_t *in = json_object();
    json_object_set_new(in, node_is_addr(c->arg[0]) ? "addr" : "peer", json_text(c->arg[0]));
    json_t *reply = node_ask(c, "dial", in, &rc);
    if (!reply)
        return rc;
    if (opt_on(c, OPT_JSON))
        return node_print(c, reply, fields);
    printf("connected to %s\n", json_string_value(json_object_get(reply, "addr")));
    json_decref(reply);
    return 0;
}

int verb_swarm_disconnect(struct cli *c)
{
    return node_order(c, "hangup", "peer");
}
