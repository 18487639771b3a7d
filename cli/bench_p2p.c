/*
 * plexus bench p2p: the network between two processes. Rounds go in turns: plexus on both sides,
 * then each peer on both sides, then plexus again, so that a busy minute hurts all of them; the
 * figures are medians.
 */
#include "bench_p2p.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "machine.h"
#include "node.h"

static int part(const struct p2p *b, const char *word)
{
    return parts_have(opt_text(b->c, OPT_PARTS), word);
}

static int run_parts(struct p2p *b)
{
    int rc = 0;
    uint64_t pairs = 1 + b->peer_count * (opt_on(b->c, OPT_CROSS) ? 3u : 1u), total = 0;
    for (int i = 0; i < P2P_WAYS; i++)
        if (part(b, p2p_ways[i].key))
            total += (part(b, "speed") ? pairs * b->rounds : 0) +
                     (part(b, "idle") ? 1 + b->peer_count : 0);
    progress_begin(&b->progress, b->c, "measuring", "rounds", total);
    for (int i = 0; i < P2P_WAYS && rc == 0; i++)
        if (part(b, p2p_ways[i].key) && part(b, "speed"))
            rc = p2p_run(b, &p2p_ways[i]);
    for (int i = 0; i < P2P_WAYS && rc == 0; i++)
        if (part(b, p2p_ways[i].key) && part(b, "idle"))
            rc = p2p_idle(b, &p2p_ways[i]);
    progress_end(&b->progress);
    return rc == 0 && part(b, "lab") ? p2p_lab(b) : rc;
}

static void put_repeat(const struct p2p *b)
{
    printf("again: plexus bench p2p --parts %s --bytes %llu --idle %llu --repeat %u",
           opt_text(b->c, OPT_PARTS), (unsigned long long)b->bytes, (unsigned long long)b->idle,
           b->rounds);
    if (opt_on(b->c, OPT_CROSS))
        printf(" --cross");
    for (unsigned i = 0; i < b->peer_count; i++)
        printf(" --peer '%s'", b->peers[i]);
    fputc('\n', stdout);
}

static int show(const struct p2p *b)
{
    if (!opt_on(b->c, OPT_JSON)) {
        bench_table(b->rows, b->peers, b->peer_count, b->rounds);
        put_repeat(b);
        json_decref(b->rows);
        return 0;
    }
    json_t *doc = doc_new(b->c);
    json_object_set_new(doc, "scenario", json_text("p2p"));
    json_object_set_new(doc, "repeat", json_integer(b->rounds));
    json_object_set_new(doc, "bytes", json_u64(b->bytes));
    json_object_set_new(doc, "rows", b->rows);
    json_object_set_new(doc, "machine", machine_json());
    return doc_print(doc, 0);
}

int verb_bench_p2p(struct cli *c)
{
    struct p2p b = {.c = c,
                    .peers = c->v[OPT_PEER].list,
                    .peer_count = c->v[OPT_PEER].n,
                    .rounds = (unsigned)opt_uint(c, OPT_REPEAT),
                    .bytes = opt_uint(c, OPT_BYTES),
                    .idle = opt_uint(c, OPT_IDLE),
                    .rows = json_array()};
    int rc = parts_check(opt_text(c, OPT_PARTS), "noise,tls,quic,speed,idle,lab");
    if (rc == 0 && b.peer_count > BENCH_PEERS)
        rc = usage(NULL, "more than %d peers", BENCH_PEERS);
    signal(SIGPIPE, SIG_IGN);
    files_raise();
    if (rc == 0)
        rc = run_parts(&b);
    if (rc == 0)
        return show(&b);
    json_decref(b.rows);
    return rc;
}
