/* plexus ps, plexus plan: who computes which blocks of which model. */
#include "node.h"

static long long number(json_t *row, const char *name)
{
    return (long long)json_integer_value(json_object_get(row, name));
}

static const char *word(json_t *row, const char *name)
{
    const char *s = json_string_value(json_object_get(row, name));
    return s ? s : "-";
}

int verb_ps(struct cli *c)
{
    static const char *const fields[] = {"stages", NULL};
    int rc;
    size_t i;
    json_t *reply = node_ask(c, "stages", json_object(), &rc), *row;
    if (!reply)
        return rc;
    if (opt_on(c, OPT_JSON))
        return node_print(c, reply, fields);
    json_t *rows = json_object_get(reply, "stages");
    if (!json_array_size(rows))
        note(c, "no part of a model is served here");
    else
        printf("%s%-24s %-10s %-10s %10s %14s%s\n", ink(1), "MODEL", "BLOCKS", "SESSIONS", "TOKENS",
               "MS A TOKEN", ink(0));
    json_array_foreach(rows, i, row)
    {
        char blocks[32], sessions[32];
        double tokens = (double)number(row, "tokens");
        double ms = json_number_value(json_object_get(row, "compute_ms"));
        snprintf(blocks, sizeof blocks, "%lld-%lld", number(row, "first"), number(row, "last") - 1);
        snprintf(sessions, sizeof sessions, "%lld of %lld", number(row, "sessions"),
                 number(row, "slots"));
        printf("%-24s %-10s %-10s %10.0f %14.3f\n", word(row, "model"), blocks, sessions, tokens,
               tokens > 0 ? ms / tokens : 0.0);
    }
    json_decref(reply);
    return 0;
}

int verb_plan(struct cli *c)
{
    static const char *const fields[] = {"stages", NULL};
    int rc;
    size_t i;
    double slowest = 0;
    json_t *in = json_object(), *row;
    json_object_set_new(in, "model", json_text(c->arg[0]));
    json_object_set_new(in, "stages", json_u64(opt_uint(c, OPT_STAGES)));
    json_t *reply = node_ask(c, "plan", in, &rc);
    if (!reply)
        return rc;
    if (opt_on(c, OPT_JSON))
        return node_print(c, reply, fields);
    printf("%s%-54s %-10s %12s %12s %12s%s\n", ink(1), "PEER", "BLOCKS", "OFFERS", "READS", "TOKEN",
           ink(0));
    json_array_foreach(json_object_get(reply, "stages"), i, row)
    {
        char blocks[32];
        double s = json_number_value(json_object_get(row, "seconds"));
        snprintf(blocks, sizeof blocks, "%lld-%lld", number(row, "first"), number(row, "last") - 1);
        printf("%-54s %-10s %9.2f GB %7.2f GB/s %9.3f ms\n", word(row, "peer"), blocks,
               (double)number(row, "memory") / 1e9, (double)number(row, "rate") / 1e9, s * 1e3);
        slowest = s > slowest ? s : slowest;
    }
    if (slowest > 0)
        printf("the slowest stage allows %.1f tokens a second to all sessions together\n",
               1 / slowest);
    json_decref(reply);
    return 0;
}
