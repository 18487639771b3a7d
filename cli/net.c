/* plexus net: how the node stands in the network. */
#include "node.h"

static const char *word(json_t *doc, const char *name)
{
    const char *s = json_string_value(json_object_get(doc, name));
    return s ? s : "unknown";
}

static void print_list(const char *title, json_t *list)
{
    size_t i;
    json_t *a;
    json_array_foreach(list, i, a) printf("%-12s %s\n", i ? "" : title, json_string_value(a));
    if (!json_array_size(list))
        printf("%-12s none\n", title);
}

static void print_use(json_t *use)
{
    const char *name;
    json_t *v;
    printf("%-12s", "in use");
    json_object_foreach(use, name, v) printf(" %s %lld", name, (long long)json_integer_value(v));
    printf("\n");
}

static void print_faults(json_t *faults)
{
    const char *name;
    json_t *v;
    int any = 0;
    json_object_foreach(faults, name, v) if (json_integer_value(v))
        printf("%-12s %s %lld\n", any++ ? "" : "faults", name, (long long)json_integer_value(v));
}

int verb_net(struct cli *c)
{
    static const char *const fields[] = {"addrs",  "observed", "nat",   "reachable",
                                         "relays", "portmap",  "notes", "peers",
                                         "use",    "faults",   NULL};
    int rc;
    size_t i;
    json_t *reply = node_ask(c, "net", json_object(), &rc), *p;
    if (!reply)
        return rc;
    if (opt_on(c, OPT_JSON))
        return node_print(c, reply, fields);
    print_list("addresses", json_object_get(reply, "addrs"));
    print_list("seen at", json_object_get(reply, "observed"));
    printf("%-12s %s\n%-12s %s\n", "NAT", word(reply, "nat"), "reachable",
           word(reply, "reachable"));
    print_list("relays", json_object_get(reply, "relays"));
    print_list("port mapping", json_object_get(reply, "portmap"));
    print_list("fallbacks", json_object_get(reply, "notes"));
    json_array_foreach(json_object_get(reply, "peers"), i, p)
        printf("%-12s %s %.2f ms\n", i ? "" : "latency", word(p, "peer"),
               json_number_value(json_object_get(p, "rtt_ms")));
    print_use(json_object_get(reply, "use"));
    print_faults(json_object_get(reply, "faults"));
    json_decref(reply);
    return 0;
}
