/* plexus ping PEER */
#include "node.h"

int verb_ping(struct cli *c)
{
    static const char *const fields[] = {"peer", "ms", NULL};
    const char *who = c->arg[0];
    int rc;
    size_t i;
    json_t *in = json_object(), *v;
    json_object_set_new(in, node_is_addr(who) ? "addr" : "peer", json_text(who));
    json_object_set_new(in, "count", json_integer((json_int_t)opt_uint(c, OPT_PING_COUNT)));
    json_t *reply = node_ask(c, "ping", in, &rc);
    if (!reply)
        return rc;
    if (opt_on(c, OPT_JSON))
        return node_print(c, reply, fields);
    double sum = 0, least = 1e300;
    json_array_foreach(json_object_get(reply, "ms"), i, v)
    {
        double ms = json_number_value(v);
        printf("%.3f ms\n", ms);
        sum += ms;
        least = ms < least ? ms : least;
    }
    if (i)
        printf("%zu answers, least %.3f ms, mean %.3f ms\n", i, least, sum / (double)i);
    json_decref(reply);
    return 0;
}
