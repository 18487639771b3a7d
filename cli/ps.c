/* plexus ps, plexus plan: who computes which blocks of which model. */
#include "node.h"

#include <poll.h>
#include <string.h>

static long long number(json_t *row, const char *name)
{
    return (long long)json_integer_value(json_object_get(row, name));
}

static const char *word(json_t *row, const char *name)
{
    const char *s = json_string_value(json_object_get(row, name));
    return s ? s : "-";
}

enum { BAR = 24, WATCH_MS = 1000 };

/* The blocks of a stage within its model, as a strip. */
static void print_bar(json_t *row)
{
    long long first = number(row, "first"), last = number(row, "last"), all = number(row, "blocks");
    long long cells = all < BAR ? all : BAR;
    for (long long i = 0; i < cells; i++) {
        long long from = i * all / cells, to = (i + 1) * all / cells;
        fputs(first < to && last > from ? "█" : "░", stdout);
    }
    for (long long i = cells; i < 8; i++)
        fputc(' ', stdout);
}

/* Ids of one kind begin alike: their ends tell them apart. */
static const char *tail(const char *id)
{
    size_t n = strlen(id);
    return n > 8 ? id + n - 8 : id;
}

static void print_stage(json_t *row)
{
    char blocks[48], sessions[48], memory[32], rtt[32] = "-";
    json_t *ms = json_object_get(row, "rtt_ms");
    snprintf(blocks, sizeof blocks, "%lld-%lld", number(row, "first"), number(row, "last") - 1);
    snprintf(sessions, sizeof sessions, "%lld of %lld", number(row, "sessions"),
             number(row, "slots"));
    human_bytes(memory, (double)number(row, "mem_bytes"));
    if (json_is_number(ms))
        snprintf(rtt, sizeof rtt, "%.2f ms", json_number_value(ms));
    fputs("  ", stdout);
    print_bar(row);
    printf("  %-7s ..%-9s %-9s %-8s %-6s %10s %8.1f %10s\n", blocks, tail(word(row, "peer")),
           word(row, "state"), sessions, word(row, "hidden"), memory,
           json_number_value(json_object_get(row, "tps")),
           json_is_true(json_object_get(row, "self")) ? "here" : rtt);
}

/* Stages of one model, from the first block on. */
static void print_model(json_t *rows, const char *model)
{
    size_t i;
    json_t *row;
    long long at = -1, next, blocks = 0;
    unsigned stages = 0;
    json_array_foreach(rows, i, row) if (strcmp(word(row, "model"), model) == 0)
    {
        blocks = number(row, "blocks");
        stages++;
    }
    printf("%s%s%s  %lld blocks, %u stages\n", ink(1), model, ink(0), blocks, stages);
    do {
        next = -1;
        json_array_foreach(rows, i, row)
        {
            long long first = number(row, "first");
            if (strcmp(word(row, "model"), model) == 0 && first > at && (next < 0 || first < next))
                next = first;
        }
        json_array_foreach(rows, i, row) if (strcmp(word(row, "model"), model) == 0 &&
                                             number(row, "first") == next) print_stage(row);
        at = next;
    } while (next >= 0);
}

static void print_stages(const struct cli *c, json_t *reply)
{
    size_t i, k;
    json_t *rows = json_object_get(reply, "stages"), *row;
    if (!json_array_size(rows))
        note(c,
             "no part of a model is served by this node and its peers: plexus run MODEL --swarm");
    else
        printf("%s  %-8s  %-7s %-11s %-9s %-8s %-6s %10s %8s %10s%s\n", ink(1), "", "BLOCKS",
               "PEER", "STATE", "SESSIONS", "HIDDEN", "MEMORY", "TOK/S", "RTT", ink(0));
    json_array_foreach(rows, i, row)
    {
        for (k = 0; k < i; k++)
            if (strcmp(word(json_array_get(rows, k), "model"), word(row, "model")) == 0)
                break;
        if (k == i)
            print_model(rows, word(row, "model"));
    }
}

/* One look; takes the reply. */
static int show(const struct cli *c, json_t *reply)
{
    static const char *const fields[] = {"stages", "peers", NULL};
    if (opt_on(c, OPT_JSON))
        return node_print(c, reply, fields);
    if (opt_on(c, OPT_JSON_LINES)) {
        line_print(json_pack("{s:s, s:O, s:O}", "event", "ps", "stages",
                             json_object_get(reply, "stages"), "peers",
                             json_object_get(reply, "peers")));
    } else {
        if (opt_on(c, OPT_WATCH) && term_out())
            fputs("\033[H\033[J", stdout);
        print_stages(c, reply);
    }
    fflush(stdout);
    json_decref(reply);
    return 0;
}

int verb_ps(struct cli *c)
{
    int rc = 0, watch = opt_on(c, OPT_WATCH);
    if (watch && opt_on(c, OPT_JSON))
        return usage("plexus ps --watch --json-lines", "--json is one document");
    interrupt_poll(watch);
    do {
        json_t *reply = node_ask(c, "ps", json_object(), &rc);
        rc = reply ? show(c, reply) : rc;
    } while (watch && rc == 0 && !ferror(stdout) && poll(NULL, 0, WATCH_MS) == 0 && !interrupted());
    return rc;
}

static double real_of(json_t *o, const char *name)
{
    return json_number_value(json_object_get(o, name));
}

/* A peer of the plan: what it has, and its blocks or why it has none. */
static void print_peer(json_t *reply, json_t *row)
{
    json_t *place = json_object_get(row, "place");
    json_t *stage = json_is_integer(place) ? json_array_get(json_object_get(reply, "stages"),
                                                            (size_t)json_integer_value(place))
                                           : NULL;
    char blocks[32], why[64];
    snprintf(blocks, sizeof blocks, "-");
    snprintf(why, sizeof why, "%s", word(row, "why"));
    if (stage) {
        snprintf(blocks, sizeof blocks, "%lld-%lld", number(stage, "first"),
                 number(stage, "last") - 1);
        snprintf(why, sizeof why, "%.3f ms a token", real_of(stage, "seconds") * 1e3);
    } else if (real_of(row, "with_ms") > 0) {
        snprintf(why, sizeof why, "%.40s: %.3f ms with it", word(row, "why"),
                 real_of(row, "with_ms"));
    }
    printf("%-54s %-8s %7.2f GB %6.1f GB/s %8.2f ms  %s%s\n", word(row, "peer"), blocks,
           (double)number(row, "memory") / 1e9, (double)number(row, "rate") / 1e9,
           real_of(row, "rtt_ms"), why,
           json_is_true(json_object_get(row, "connected")) ? "" : ", not connected");
}

static void print_plan(json_t *reply)
{
    json_t *times = json_object_get(reply, "times"), *row;
    size_t i;
    double slowest = real_of(times, "slowest_ms");
    printf("%s%-54s %-8s %10s %11s %11s  %s%s\n", ink(1), "PEER", "BLOCKS", "OFFERS", "READS",
           "AWAY", "WHY", ink(0));
    json_array_foreach(json_object_get(reply, "peers"), i, row) print_peer(reply, row);
    printf("one token takes %.3f ms, of which %.3f ms on the way%s\n", real_of(times, "token_ms"),
           real_of(times, "hops_ms"),
           json_is_true(json_object_get(times, "reused")) ? "; all slices are loaded" : "");
    json_t *hidden = json_object_get(reply, "hidden");
    printf("hidden states travel in %s: %s", word(hidden, "codec"), word(hidden, "why"));
    if (real_of(hidden, "loss_rms") > 0)
        printf(" (error about %.3f %%)", 100 * real_of(hidden, "loss_rms"));
    printf("; links are taken for %.0f %% of a token\n", 100 * real_of(hidden, "share"));
    if (slowest > 0)
        printf("the slowest stage allows %.1f tokens a second to all sessions together\n",
               1e3 / slowest);
}

int verb_plan(struct cli *c)
{
    static const char *const fields[] = {"stages", "peers", "times", "hidden", NULL};
    int rc;
    json_t *in = json_object();
    json_object_set_new(in, "model", json_text(c->arg[0]));
    json_object_set_new(in, "stages", json_u64(opt_uint(c, OPT_STAGES)));
    json_object_set_new(in, "hidden", json_text(opt_text(c, OPT_HIDDEN)));
    json_t *reply = node_ask(c, "plan", in, &rc);
    if (!reply)
        return rc;
    if (opt_on(c, OPT_JSON))
        return node_print(c, reply, fields);
    print_plan(reply);
    json_decref(reply);
    return 0;
}
