/*
 * plexus bench allreduce: workers in network namespaces sum arrays, beside torch's gloo on the same
 * lines, one operation of each in turns.
 */
#include "bench_allreduce.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "machine.h"
#include "plexus/hub.h"
#include "plexus/topology.h"

enum { SIZES = 8, OURS = 0, GLOO = 1, OPENMPI = 2, SIDES = 3 };

static const struct side {
    const char *name, *module; /* what a python must have */
    int (*hire)(struct crew *c, const struct crew_options *o, const char *python);
} sides[SIDES] = {
    {"ours", NULL, NULL}, {"gloo", "torch", crew_gloo}, {"OpenMPI", "mpi4py", crew_mpi}};

struct allreduce {
    struct cli *c;
    json_t *rows;
    struct star star;
    struct crew crews[SIDES]; /* n 0: not there */
    const char *python;
    size_t floats[SIZES], longest;
    unsigned sizes, rounds, mbit;
    px_faults faults;
    int faulty; /* they are asked for */
    int wrong;
    struct crew_cost last; /* of ours */
    px_topology_job job;
    px_topology_plan plan;
    struct progress progress;
    uint64_t done;
};

/* One size: what each side needed. */
struct figures {
    struct series s[SIDES], cpu[SIDES], sent[SIDES];
    unsigned *digests; /* of our rounds without faults */
};

static int failed(const char *who)
{
    if (interrupted())
        return px_err_exit(PX_ERR_INTERRUPTED);
    return fail_text(PX_ERR_FAILED, "bench allreduce", NULL, "a worker of %s is gone", who);
}

static double sent(const struct allreduce *a)
{
    return star_sent(&a->star, 0);
}

/* Start a peer, or say why it is not there. */
static int hire(struct allreduce *a, unsigned side, const struct crew_options *o)
{
    const struct side *s = &sides[side];
    if (crew_can(a->python, s->module) && s->hire(&a->crews[side], o, a->python) == 0)
        return 1;
    note(a->c, "no %s beside: %s has no %s, or it does not run here", s->name, a->python,
         s->module);
    return 0;
}

/* One operation of a side; round 0 is a warm-up. */
static int one(struct allreduce *a, unsigned side, size_t n, unsigned round, struct figures *f,
               unsigned *digest)
{
    struct crew_cost cost;
    double before = sent(a);
    if (interrupted() || crew_run(&a->crews[side], n, round, &cost) != 0)
        return failed(sides[side].name);
    progress_set(&a->progress, ++a->done);
    a->wrong += cost.wrong;
    *digest = cost.digest;
    if (side == OURS)
        a->last = cost;
    if (!round)
        return 0;
    series_add(&f->s[side], cost.seconds);
    series_add(&f->cpu[side], cost.cpu_s);
    series_add(&f->sent[side], sent(a) - before);
    return 0;
}

/* A row for each peer, or one without. */
static void compare(struct allreduce *a, const char *name, const char *unit, const double v[SIDES])
{
    unsigned peers = 0;
    for (unsigned i = 1; i < SIDES; i++) {
        if (v[i] <= 0)
            continue;
        bench_row(a->rows, name, v[OURS], unit, sides[i].name, v[i]);
        peers++;
    }
    if (!peers)
        bench_row(a->rows, name, v[OURS], unit, NULL, 0);
}

static void rows_of(struct allreduce *a, size_t n, struct figures *f)
{
    char name[64];
    double mb = (double)n * 4 / 1e6, world = a->star.hosts;
    double ms[SIDES], bus[SIDES], cpu[SIDES], bytes[SIDES];
    for (unsigned i = 0; i < SIDES; i++) {
        ms[i] = median(&f->s[i]) * 1e3;
        bus[i] = ms[i] > 0 ? 2 * (world - 1) / world * mb / ms[i] : 0;
        cpu[i] = median(&f->cpu[i]) / mb * 1e3;
        bytes[i] = median(&f->sent[i]) / 1e6;
    }
    snprintf(name, sizeof name, "%.3g MB, %u workers, bus", mb, a->star.hosts);
    compare(a, name, "GB/s", bus);
    snprintf(name, sizeof name, "%.3g MB, %u workers, time", mb, a->star.hosts);
    compare(a, name, "ms", ms);
    snprintf(name, sizeof name, "%.3g MB, %u workers, cpu", mb, a->star.hosts);
    compare(a, name, "s/GB", cpu);
    snprintf(name, sizeof name, "%.3g MB, %u workers, sent each", mb, a->star.hosts);
    if (a->star.hub[0])
        compare(a, name, "MB", bytes);
}

static int measure(struct allreduce *a, size_t n, struct figures *f)
{
    unsigned none;
    int rc = 0;
    f->digests = must(calloc(a->rounds + 1, sizeof *f->digests));
    for (unsigned round = 0; round <= a->rounds && rc == 0; round++)
        for (unsigned i = 0; i < SIDES && rc == 0; i++)
            if (a->crews[i].n)
                rc = one(a, i, n, round, f, i == OURS ? &f->digests[round] : &none);
    return rc;
}

/* The same rounds again with faults: the same bits, or they are wrong. */
static int measure_faulty(struct allreduce *a, size_t n, const struct figures *clean)
{
    struct figures f = {0};
    char name[64];
    int rc = 0;
    for (unsigned round = 0; round <= a->rounds && rc == 0; round++) {
        unsigned digest = 0;
        rc = one(a, OURS, n, round, &f, &digest);
        a->wrong += rc == 0 && digest != clean->digests[round];
    }
    snprintf(name, sizeof name, "%.3g MB, %u workers, faults", (double)n * 4 / 1e6, a->star.hosts);
    bench_row(a->rows, name, median(&f.s[OURS]) * 1e3, "ms", "without faults",
              median(&clean->s[OURS]) * 1e3);
    return rc;
}

/* A peer that keeps its processors busy while it waits: after the others, alone. */
static int measure_alone(struct allreduce *a, unsigned side, const struct crew_options *o,
                         struct figures *f)
{
    unsigned none;
    int rc = 0;
    if (!hire(a, side, o))
        return 0;
    for (unsigned i = 0; i < a->sizes && rc == 0; i++)
        for (unsigned round = 0; round <= a->rounds && rc == 0; round++)
            rc = one(a, side, a->floats[i], round, &f[i], &none);
    return rc;
}

static int measure_faults(struct allreduce *a, struct figures *f)
{
    char why[256];
    int rc = 0;
    if (star_faults(&a->star, &a->faults, why, sizeof why) != 0)
        return fail_text(PX_ERR_UNSUPPORTED, "bench allreduce", "run it as root, leave faults out",
                         "no faults: %s", why);
    for (unsigned i = 0; i < a->sizes && rc == 0; i++)
        rc = measure_faulty(a, a->floats[i], &f[i]);
    return rc;
}

static int measure_all(struct allreduce *a, const struct crew_options *o)
{
    static struct figures f[SIZES];
    int rc = 0;
    if (a->python)
        hire(a, GLOO, o);
    for (unsigned i = 0; i < a->sizes && rc == 0; i++)
        rc = measure(a, a->floats[i], &f[i]);
    if (rc == 0 && a->python)
        rc = measure_alone(a, OPENMPI, o, f);
    for (unsigned i = 0; i < a->sizes && rc == 0; i++)
        rows_of(a, a->floats[i], &f[i]);
    for (unsigned i = 1; i < SIDES; i++)
        crew_end(&a->crews[i]);
    return rc == 0 && a->faulty ? measure_faults(a, f) : rc;
}

static int sizes(struct allreduce *a)
{
    const char *list = opt_text(a->c, OPT_BYTES_LIST);
    for (const char *p = list; *p;) {
        char *end;
        unsigned long long bytes = strtoull(p, &end, 10);
        if (end == p || (*end && *end != ',') || bytes < 64 || bytes % 4 || bytes > 4000000000u ||
            a->sizes == SIZES)
            return usage("up to 8 numbers of bytes, multiples of 4 from 64 to 4000000000",
                         "--size %s", list);
        a->floats[a->sizes++] = (size_t)bytes / 4;
        a->longest = bytes / 4 > a->longest ? (size_t)bytes / 4 : a->longest;
        p = end + (*end == ',');
    }
    return 0;
}

static unsigned format_of(const char *name)
{
    return strcmp(name, "i16") == 0  ? PX_REDUCE_I16
           : strcmp(name, "i8") == 0 ? PX_REDUCE_I8
                                     : PX_REDUCE_I4;
}

/* Shaped lines and faults stand for a network: memory that is shared has neither. */
static const char *path_of(const struct allreduce *a)
{
    const char *path = opt_text(a->c, OPT_GRADIENT_PATH);
    return (a->mbit || a->faulty) && strcmp(path, "auto") == 0 ? "udp" : path;
}

/* A rule needs one that adds. */
static const char *asked_of(const struct allreduce *a)
{
    const char *asked = opt_text(a->c, OPT_TOPOLOGY);
    return opt_text(a->c, OPT_RULE) && strcmp(asked, "auto") == 0 ? "central" : asked;
}

/* The rule is one, and fits what is asked. Rules that remember give other bits when they have seen
 * other packets. */
static int check_rule(const struct allreduce *a)
{
    static const char *const remember[] = {"clip1", "welford", "cclip"};
    const char *rule = opt_text(a->c, OPT_RULE);
    unsigned at = 0;
    while (rule && px_hub_rule(at) && strcmp(px_hub_rule(at), rule) != 0)
        at++;
    if (rule && !px_hub_rule(at))
        return usage("plexus help bench allreduce", "--rule %s: there is none of that name", rule);
    if (rule && strcmp(rule, "mean") != 0 && strcmp(asked_of(a), "central") != 0)
        return usage("--topology central, or --rule mean",
                     "--rule %s: only one who adds for all sees all contributions", rule);
    if (rule && strcmp(rule, "mean") != 0 && opt_uint(a->c, OPT_LOCAL) < 4)
        return usage("write --local 4", "--rule %s needs 4 workers at least", rule);
    for (unsigned i = 0; rule && a->faulty && i < sizeof remember / sizeof *remember; i++)
        if (strcmp(rule, remember[i]) == 0)
            return usage("another rule, or no faults",
                         "--rule %s remembers: with faults its bits are others", rule);
    return 0;
}

/* ----------------------------------------------------------------- topology */

/* What lines carry, measured: of each worker to the next, and into a hub from all at once. */
static void measure_lines(struct allreduce *a)
{
    unsigned n = a->star.hosts;
    note(a->c, "measuring the lines");
    for (unsigned i = 0; i < n; i++) {
        uint64_t rate = (uint64_t)star_rate(&a->star, i, 1, (i + 1) % n);
        a->job.slowest = i && a->job.slowest < rate ? a->job.slowest : rate;
    }
    for (unsigned i = 0; i < a->star.hubs; i++) {
        uint64_t rate = (uint64_t)star_rate(&a->star, 0, n, n + i);
        a->job.their_rate = i && a->job.their_rate < rate ? a->job.their_rate : rate;
    }
}

/* Both ends of a packet are on this machine, whoever sends it. */
static void measure_packets(struct allreduce *a)
{
    uint64_t line;
    if (px_topology_look("/ip4/127.0.0.1/udp/0", &line, &a->job.packet_ns) == PX_ERR_OK)
        a->job.their_packet_ns = a->job.packet_ns;
}

/* Hosts that could add: hubs; without them those of workers, for what is asked for. */
static unsigned adders_of(const struct allreduce *a)
{
    unsigned n = a->star.hosts, leaves = n / 4 > 2 ? n / 4 : 2;
    if (a->star.hubs || strcmp(asked_of(a), "auto") == 0)
        return a->star.hubs;
    return 1 + leaves;
}

static int choose(struct allreduce *a)
{
    static const unsigned bits[] = {16, 8, 4};
    const char *asked = asked_of(a);
    a->job = (px_topology_job){.size = sizeof a->job,
                               .workers = a->star.hosts,
                               .aggregators = adders_of(a),
                               .bits = bits[format_of(opt_text(a->c, OPT_GRADIENT_FORMAT))],
                               .values = (unsigned)opt_uint(a->c, OPT_PACKET_VALUES),
                               .asked = asked};
    a->plan = (px_topology_plan){.size = sizeof a->plan};
    if (a->star.hubs && strcmp(asked, "auto") == 0) {
        measure_lines(a);
        measure_packets(a);
    }
    px_err err = px_topology_plan_job(&a->job, &a->plan);
    if (err)
        return fail(err, "bench allreduce", NULL);
    if (strcmp(asked, "auto") != 0 && strcmp(a->plan.topology, asked) != 0)
        return usage("more workers, or more --hubs", "--topology %s cannot be: %s", asked,
                     a->plan.why);
    return 0;
}

static int run(struct allreduce *a)
{
    unsigned hosts = (unsigned)opt_uint(a->c, OPT_LOCAL), hubs = (unsigned)opt_uint(a->c, OPT_HUBS);
    unsigned hub_mbit = (unsigned)opt_uint(a->c, OPT_HUB_RATE);
    if (star_open(&a->star, hosts, a->mbit, hubs, hub_mbit ? hub_mbit : a->mbit) != 0) {
        note(a->c, "no namespaces without root (CAP_NET_ADMIN, ip, tc): over loopback, unshaped");
        star_none(&a->star, hosts, hubs);
    }
    int chosen = choose(a);
    if (chosen)
        return chosen;
    struct crew_options o = {.star = &a->star,
                             .format = format_of(opt_text(a->c, OPT_GRADIENT_FORMAT)),
                             .values = (unsigned)opt_uint(a->c, OPT_PACKET_VALUES),
                             .path = path_of(a),
                             .rule = opt_text(a->c, OPT_RULE),
                             .leaves = a->plan.leaves,
                             .central = strcmp(a->plan.topology, "central") == 0,
                             .longest = a->longest,
                             .verify = 1};
    unsigned kinds = 1u + (a->python ? 2 : 0) + (a->faulty != 0);
    int rc = crew_ours(&a->crews[OURS], &o) != 0 ? failed(sides[OURS].name) : 0;
    progress_begin(&a->progress, a->c, "summing", "operations",
                   (uint64_t)a->sizes * (a->rounds + 1) * kinds);
    if (rc == 0)
        rc = measure_all(a, &o);
    progress_end(&a->progress);
    for (unsigned i = 0; i < SIDES; i++)
        crew_end(&a->crews[i]);
    return rc;
}

static json_t *topology_of(const struct allreduce *a)
{
    json_t *o = json_object();
    json_object_set_new(o, "chosen", json_text(a->plan.topology));
    json_object_set_new(o, "why", json_text(a->plan.why));
    json_object_set_new(o, "leaves", json_integer(a->plan.leaves));
    json_object_set_new(o, "workers_rate", json_u64(a->job.slowest));
    json_object_set_new(o, "hubs_rate", json_u64(a->job.their_rate));
    json_object_set_new(o, "sharded_s", json_number(a->plan.sharded_s));
    json_object_set_new(o, "central_s", json_number(a->plan.central_s));
    json_object_set_new(o, "tree_s", json_number(a->plan.tree_s));
    return o;
}

static json_t *counts_of(const struct crew_cost *c)
{
    json_t *o = json_object();
    json_object_set_new(o, "packets", json_real(c->packets));
    json_object_set_new(o, "syscalls", json_real(c->syscalls));
    json_object_set_new(o, "wakeups", json_real(c->wakeups));
    json_object_set_new(o, "wakes", json_real(c->wakes));
    json_object_set_new(o, "copied", json_real(c->copied));
    return o;
}

static void show_path(const struct allreduce *a, json_t *path)
{
    const struct crew_cost *c = &a->last;
    double thousands = c->packets > 0 ? c->packets / 1000 : 1;
    printf("topology: %s\n", a->plan.why);
    printf("path: %s (%s)\n", json_string_value(json_object_get(path, "chosen")),
           json_string_value(json_object_get(path, "why")));
    printf("a thousand contributions: %.1f system calls, %.1f wake-ups, %.0f bytes copied\n",
           c->syscalls / thousands, c->wakeups / thousands, c->copied / thousands);
}

static int show(struct allreduce *a)
{
    json_t *path = json_loads(a->last.path, 0, NULL);
    if (!opt_on(a->c, OPT_JSON)) {
        bench_table(a->rows, NULL, 0, a->rounds);
        show_path(a, path);
        printf("results that are wrong or differ: %d\n", a->wrong);
        json_decref(path);
        json_decref(a->rows);
        return a->wrong ? 1 : 0;
    }
    json_t *doc = doc_new(a->c);
    json_object_set_new(doc, "scenario", json_text("allreduce"));
    json_object_set_new(doc, "workers", json_integer(a->star.hosts));
    json_object_set_new(doc, "mbit", json_integer(a->mbit));
    json_object_set_new(doc, "repeat", json_integer(a->rounds));
    json_object_set_new(doc, "mismatches", json_integer(a->wrong));
    json_object_set_new(doc, "path", path ? path : json_null());
    json_object_set_new(doc, "topology", topology_of(a));
    json_object_set_new(doc, "digest", json_integer(a->last.digest));
    json_object_set_new(doc, "counts", counts_of(&a->last));
    json_object_set_new(doc, "rows", a->rows);
    json_object_set_new(doc, "machine", machine_json());
    return doc_print(doc, a->wrong ? 1 : 0);
}

int verb_bench_allreduce(struct cli *c)
{
    struct allreduce a = {.c = c,
                          .rows = json_array(),
                          .python = opt_text(c, OPT_PYTHON),
                          .mbit = (unsigned)opt_uint(c, OPT_RATE_MBIT),
                          .rounds = (unsigned)opt_uint(c, OPT_REPEAT),
                          .faults = {.size = sizeof(px_faults),
                                     .seed = (uint32_t)opt_uint(c, OPT_SEED),
                                     .lose = opt_float(c, OPT_LOSS) / 100,
                                     .twice = opt_float(c, OPT_DUP) / 100,
                                     .flip = opt_float(c, OPT_CORRUPT) / 100}};
    a.faulty = a.faults.lose > 0 || a.faults.twice > 0 || a.faults.flip > 0;
    signal(SIGPIPE, SIG_IGN);
    interrupt_poll(1);
    int rc = sizes(&a);
    if (rc == 0)
        rc = check_rule(&a);
    if (rc == 0)
        rc = run(&a);
    star_close(&a.star);
    if (rc == 0)
        return show(&a);
    json_decref(a.rows);
    return rc;
}
