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

enum { SIZES = 8 };

struct allreduce {
    struct cli *c;
    json_t *rows;
    struct star star;
    struct crew ours, gloo;
    const char *python;
    size_t floats[SIZES], longest;
    unsigned sizes, rounds, mbit;
    px_faults faults;
    int faulty; /* they are asked for */
    int wrong;
    struct progress progress;
    uint64_t done;
};

/* One size: seconds and processor seconds of both sides. */
struct figures {
    struct series s, cpu, gloo_s, gloo_cpu, sent, gloo_sent;
    unsigned *digests; /* of the rounds without faults */
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

static int one(struct allreduce *a, struct crew *crew, size_t n, unsigned round, struct series *s,
               struct series *cpu, struct series *bytes, unsigned *digest)
{
    struct crew_cost cost;
    double before = sent(a);
    if (crew_run(crew, n, round, &cost) != 0)
        return -1;
    progress_set(&a->progress, ++a->done);
    a->wrong += cost.wrong;
    *digest = cost.digest;
    if (!round)
        return 0; /* a warm-up */
    series_add(s, cost.seconds);
    series_add(cpu, cost.cpu_s);
    series_add(bytes, sent(a) - before);
    return 0;
}

static void rows_of(struct allreduce *a, size_t n, struct figures *f)
{
    char name[64];
    double mb = (double)n * 4 / 1e6, world = a->star.hosts;
    double bus = 2 * (world - 1) / world * mb / 1e3;
    const char *peer = a->python ? "gloo" : NULL;
    snprintf(name, sizeof name, "%.3g MB, %u workers, bus", mb, a->star.hosts);
    bench_row(a->rows, name, bus / median(&f->s), "GB/s", peer,
              peer ? bus / median(&f->gloo_s) : 0);
    snprintf(name, sizeof name, "%.3g MB, %u workers, time", mb, a->star.hosts);
    bench_row(a->rows, name, median(&f->s) * 1e3, "ms", peer, median(&f->gloo_s) * 1e3);
    snprintf(name, sizeof name, "%.3g MB, %u workers, cpu", mb, a->star.hosts);
    bench_row(a->rows, name, median(&f->cpu) / mb * 1e3, "s/GB", peer,
              median(&f->gloo_cpu) / mb * 1e3);
    if (a->star.hub[0]) {
        snprintf(name, sizeof name, "%.3g MB, %u workers, sent each", mb, a->star.hosts);
        bench_row(a->rows, name, median(&f->sent) / 1e6, "MB", peer, median(&f->gloo_sent) / 1e6);
    }
}

static int measure(struct allreduce *a, size_t n, struct figures *f)
{
    unsigned none;
    f->digests = must(calloc(a->rounds + 1, sizeof *f->digests));
    for (unsigned round = 0; round <= a->rounds; round++) {
        if (interrupted() ||
            one(a, &a->ours, n, round, &f->s, &f->cpu, &f->sent, &f->digests[round]) != 0)
            return failed("ours");
        if (a->python &&
            one(a, &a->gloo, n, round, &f->gloo_s, &f->gloo_cpu, &f->gloo_sent, &none) != 0)
            return failed("gloo");
    }
    rows_of(a, n, f);
    return 0;
}

/* The same rounds again with faults: the same bits, or they are wrong. */
static int measure_faulty(struct allreduce *a, size_t n, const struct figures *clean)
{
    struct series s = {0}, cpu = {0}, bytes = {0};
    char name[64];
    for (unsigned round = 0; round <= a->rounds; round++) {
        unsigned digest = 0;
        if (interrupted() || one(a, &a->ours, n, round, &s, &cpu, &bytes, &digest) != 0)
            return failed("ours");
        a->wrong += digest != clean->digests[round];
    }
    snprintf(name, sizeof name, "%.3g MB, %u workers, faults", (double)n * 4 / 1e6, a->star.hosts);
    bench_row(a->rows, name, median(&s) * 1e3, "ms", "without faults", median(&clean->s) * 1e3);
    return 0;
}

static int measure_all(struct allreduce *a)
{
    static struct figures f[SIZES];
    char why[256];
    int rc = 0;
    for (unsigned i = 0; i < a->sizes && rc == 0; i++)
        rc = measure(a, a->floats[i], &f[i]);
    if (rc || !a->faulty)
        return rc;
    if (star_faults(&a->star, &a->faults, why, sizeof why) != 0)
        return fail_text(PX_ERR_UNSUPPORTED, "bench allreduce", "run it as root, leave faults out",
                         "no faults: %s", why);
    for (unsigned i = 0; i < a->sizes && rc == 0; i++)
        rc = measure_faulty(a, a->floats[i], &f[i]);
    return rc;
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

static int run(struct allreduce *a)
{
    unsigned hosts = (unsigned)opt_uint(a->c, OPT_LOCAL);
    if (star_open(&a->star, hosts, a->mbit) != 0) {
        note(a->c, "no namespaces without root (CAP_NET_ADMIN, ip, tc): over loopback, unshaped");
        star_none(&a->star, hosts);
    }
    struct crew_options o = {.star = &a->star,
                             .format = format_of(opt_text(a->c, OPT_GRADIENT_FORMAT)),
                             .values = (unsigned)opt_uint(a->c, OPT_PACKET_VALUES),
                             .longest = a->longest,
                             .verify = 1};
    int rc = crew_ours(&a->ours, &o) != 0 ? failed("ours") : 0;
    if (rc == 0 && a->python && crew_gloo(&a->gloo, &o, a->python) != 0)
        rc = failed("gloo");
    unsigned kinds = 1u + (a->python != NULL) + (a->faulty != 0);
    progress_begin(&a->progress, a->c, "summing", "operations",
                   (uint64_t)a->sizes * (a->rounds + 1) * kinds);
    if (rc == 0)
        rc = measure_all(a);
    progress_end(&a->progress);
    crew_end(&a->ours);
    crew_end(&a->gloo);
    return rc;
}

static int show(struct allreduce *a)
{
    if (!opt_on(a->c, OPT_JSON)) {
        bench_table(a->rows, &a->python, 0, a->rounds);
        printf("results that are wrong or differ: %d\n", a->wrong);
        json_decref(a->rows);
        return a->wrong ? 1 : 0;
    }
    json_t *doc = doc_new(a->c);
    json_object_set_new(doc, "scenario", json_text("allreduce"));
    json_object_set_new(doc, "workers", json_integer(a->star.hosts));
    json_object_set_new(doc, "mbit", json_integer(a->mbit));
    json_object_set_new(doc, "repeat", json_integer(a->rounds));
    json_object_set_new(doc, "mismatches", json_integer(a->wrong));
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
        rc = run(&a);
    star_close(&a.star);
    if (rc == 0)
        return show(&a);
    json_decref(a.rows);
    return rc;
}
