/* plexus dht put|get|provide|find|closest, by the running node. */
#include "node.h"

#include <string.h>

/* Peer ids are base58 of an identity or SHA-256 multihash, or a CID of codec libp2p-key. */
static int is_peer(const char *text)
{
    return strncmp(text, "12D3Koo", 7) == 0 || strncmp(text, "16Uiu2", 6) == 0 ||
           strncmp(text, "Qm", 2) == 0 || strncmp(text, "bafz", 4) == 0;
}

static void add(json_t *in, const char *name, const char *value)
{
    json_object_set_new(in, name, json_text(value));
}

int verb_dht_put(struct cli *c)
{
    static const char *const fields[] = {"stored", "requests", "hops", "ms", NULL};
    int rc;
    json_t *in = json_object();
    add(in, "key", c->arg[0]);
    add(in, "value", c->arg[1]);
    json_t *reply = node_ask(c, "kad-put", in, &rc);
    if (!reply)
        return rc;
    if (opt_on(c, OPT_JSON))
        return node_print(c, reply, fields);
    printf("stored by %lld peers\n",
           (long long)json_integer_value(json_object_get(reply, "stored")));
    json_decref(reply);
    return 0;
}

int verb_dht_get(struct cli *c)
{
    static const char *const fields[] = {"value", "from", "agreed", "hops", "ms", NULL};
    int rc;
    json_t *in = json_object();
    add(in, "key", c->arg[0]);
    json_t *reply = node_ask(c, "kad-get", in, &rc);
    if (!reply)
        return rc;
    if (opt_on(c, OPT_JSON))
        return node_print(c, reply, fields);
    const char *value = json_string_value(json_object_get(reply, "value"));
    put_text(value, strlen(value));
    printf("\n");
    json_decref(reply);
    return 0;
}

int verb_dht_provide(struct cli *c)
{
    static const char *const fields[] = {"cid", "queries", "hops", "ms", NULL};
    int rc;
    json_t *in = json_object();
    if (c->args == 1)
        add(in, "cid", c->arg[0]);
    else if (opt_text(c, OPT_DATA))
        add(in, "data", opt_text(c, OPT_DATA));
    else {
        json_decref(in);
        return usage("plexus help dht provide", "a CID or --data is needed");
    }
    add(in, "hash", opt_text(c, OPT_HASH));
    json_t *reply = node_ask(c, "provide", in, &rc);
    if (!reply)
        return rc;
    if (opt_on(c, OPT_JSON))
        return node_print(c, reply, fields);
    printf("%s\n", json_string_value(json_object_get(reply, "cid")));
    note(c, "announced to %lld peers",
         (long long)json_integer_value(json_object_get(reply, "queries")));
    json_decref(reply);
    return 0;
}

static void print_addrs(const char *peer, json_t *addrs)
{
    size_t i;
    json_t *a;
    printf("%s\n", peer);
    json_array_foreach(addrs, i, a) printf("    %s\n", json_string_value(a));
}

int verb_dht_find(struct cli *c)
{
    static const char *const fields[] = {"providers", "hops", "ms", NULL};
    int rc, peer = is_peer(c->arg[0]);
    json_t *in = json_object(), *addrs;
    const char *name;
    add(in, peer ? "peer" : "cid", c->arg[0]);
    json_t *reply = node_ask(c, peer ? "find-peer" : "find-providers", in, &rc);
    if (!reply)
        return rc;
    if (peer) {
        json_t *one = json_object();
        json_object_set(one, c->arg[0], json_object_get(reply, "addrs"));
        json_object_set_new(reply, "providers", one);
    }
    if (opt_on(c, OPT_JSON))
        return node_print(c, reply, fields);
    json_t *found = json_object_get(reply, "providers");
    json_object_foreach(found, name, addrs) print_addrs(name, addrs);
    if (!json_object_size(found))
        rc = fail_text(PX_ERR_NOT_FOUND, c->arg[0], NULL, "no provider is known");
    json_decref(reply);
    return rc;
}

int verb_dht_closest(struct cli *c)
{
    static const char *const fields[] = {"peers", "hops", "requests", "ms", NULL};
    int rc;
    size_t i;
    json_t *in = json_object(), *p;
    add(in, is_peer(c->arg[0]) ? "peer" : "key", c->arg[0]);
    json_t *reply = node_ask(c, "closest", in, &rc);
    if (!reply)
        return rc;
    if (opt_on(c, OPT_JSON))
        return node_print(c, reply, fields);
    json_array_foreach(json_object_get(reply, "peers"), i, p) printf("%s\n", json_string_value(p));
    json_decref(reply);
    return 0;
}
