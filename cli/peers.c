/* plexus id, plexus peers: who this node is, and whom it knows. */
#include "node.h"

#include <string.h>

static const char *field(json_t *row, const char *name)
{
    const char *s = json_string_value(json_object_get(row, name));
    return s ? s : "-";
}

int verb_id(struct cli *c)
{
    static const char *const fields[] = {"peer", "addrs", "protocols", "agent", NULL};
    int rc;
    size_t i;
    json_t *reply = node_ask(c, "id", json_object(), &rc), *a;
    if (!reply)
        return rc;
    if (opt_on(c, OPT_JSON))
        return node_print(c, reply, fields);
    printf("peer      %s\nagent     %s\n", field(reply, "peer"), field(reply, "agent"));
    json_array_foreach(json_object_get(reply, "addrs"), i, a)
        printf("address   %s\n", json_string_value(a));
    json_array_foreach(json_object_get(reply, "protocols"), i, a)
        printf("protocol  %s\n", json_string_value(a));
    json_decref(reply);
    return 0;
}

static void print_peer(json_t *row)
{
    json_t *rtt = json_object_get(row, "rtt_ms");
    json_t *first = json_array_get(json_object_get(row, "addrs"), 0);
    char ms[32] = "-";
    if (json_is_number(rtt))
        snprintf(ms, sizeof ms, "%.2f ms", json_number_value(rtt));
    printf("%-54s %-7s %10s  ", field(row, "peer"), field(row, "state"), ms);
    put_safe(stdout, field(row, "agent"), strlen(field(row, "agent")), 0);
    printf("  %s%s\n", first ? json_string_value(first) : "-",
           json_is_true(json_object_get(row, "limited")) ? " (relayed)" : "");
}

int verb_peers(struct cli *c)
{
    static const char *const fields[] = {"peers", NULL};
    int rc;
    size_t i;
    json_t *reply = node_ask(c, "peers", json_object(), &rc), *row;
    if (!reply)
        return rc;
    if (opt_on(c, OPT_JSON))
        return node_print(c, reply, fields);
    json_t *rows = json_object_get(reply, "peers");
    if (!json_array_size(rows))
        note(c, "no peers yet");
    else
        printf("%s%-54s %-7s %10s  %s%s\n", ink(1), "PEER", "STATE", "RTT", "AGENT  ADDRESS",
               ink(0));
    json_array_foreach(rows, i, row) print_peer(row);
    json_decref(reply);
    return 0;
}
