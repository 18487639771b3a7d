/* plexus agg offer|jobs|withdraw: jobs that workers join by name, at the running node. */
#include "node.h"

#include <string.h>

static json_t *list_of(const struct cli *c, int option)
{
    json_t *list = json_array();
    for (unsigned i = 0; i < c->v[option].n; i++)
        json_array_append_new(list, json_text(c->v[option].list[i]));
    return list;
}

/* A group is an IPv4 address on the command line, a multiaddr for the node. */
static void put_group(const struct cli *c, json_t *in)
{
    char text[64];
    const char *group = opt_text(c, OPT_AGG_GROUP);
    if (!group)
        return;
    snprintf(text, sizeof text, "/ip4/%s", group);
    json_object_set_new(in, "group", json_text(text));
}

int verb_agg_offer(struct cli *c)
{
    static const char *const fields[] = {"name", NULL};
    int rc;
    json_t *in = json_object();
    json_object_set_new(in, "name", json_text(c->arg[0]));
    json_object_set_new(in, "world", json_u64(opt_uint(c, OPT_JOB_WORLD)));
    json_object_set_new(in, "least", json_u64(opt_uint(c, OPT_JOB_LEAST)));
    json_object_set_new(in, "wait_ms", json_u64(opt_uint(c, OPT_JOB_WAIT)));
    json_object_set_new(in, "slots", json_u64(opt_uint(c, OPT_AGG_SLOTS)));
    json_object_set_new(in, "values", json_u64(opt_uint(c, OPT_PACKET_VALUES)));
    json_object_set_new(in, "format", json_text(opt_text(c, OPT_GRADIENT_FORMAT)));
    json_object_set_new(in, "allow", list_of(c, OPT_JOB_ALLOW));
    json_object_set_new(in, "central", json_boolean(opt_on(c, OPT_JOB_CENTRAL)));
    if (opt_text(c, OPT_JOB_AGGREGATOR))
        json_object_set_new(in, "aggregator", json_text(opt_text(c, OPT_JOB_AGGREGATOR)));
    put_group(c, in);
    json_t *reply = node_ask(c, "reduce-offer", in, &rc);
    if (!reply)
        return rc;
    if (opt_on(c, OPT_JSON))
        return node_print(c, reply, fields);
    printf("%s is offered\n", c->arg[0]);
    json_decref(reply);
    return 0;
}

static long long number(const json_t *o, const char *name)
{
    return json_integer_value(json_object_get(o, name));
}

int verb_agg_jobs(struct cli *c)
{
    static const char *const fields[] = {"jobs", NULL};
    int rc;
    json_t *reply = node_ask(c, "reduce-jobs", json_object(), &rc), *row;
    size_t i;
    if (!reply)
        return rc;
    if (opt_on(c, OPT_JSON))
        return node_print(c, reply, fields);
    json_array_foreach(json_object_get(reply, "jobs"), i, row)
    {
        const char *why = json_string_value(json_object_get(row, "why"));
        printf("%-20s %lld wait, %lld have a key, of %lld; key %lld, job %lld; aggregators: %lld\n",
               json_string_value(json_object_get(row, "name")), number(row, "waiting"),
               number(row, "granted"), number(row, "world"), number(row, "epoch"),
               number(row, "job"), number(row, "aggregators"));
        if (why && why[0])
            printf("%-20s %s\n", "", why);
    }
    json_decref(reply);
    return 0;
}

int verb_agg_withdraw(struct cli *c)
{
    return node_order(c, "reduce-withdraw", "name");
}
