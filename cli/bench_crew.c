#include "bench_allreduce.h"

#include <jansson.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "plexus/hub.h"

enum { PORT = 4870, HASH = 16777619, PATIENT_MS = 30000 };

/* ------------------------------------------------------------ a worker of ours */

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double cpu(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

/* Gradients of a worker: small, of both signs, some large. */
static float gradient(unsigned rank, unsigned round, size_t i)
{
    uint32_t x = (uint32_t)i * 2654435761u + rank * 0x9e3779b9u + round * 0x85ebca6bu;
    x ^= x >> 15;
    x *= 0x2c1b3c6du;
    x ^= x >> 13;
    float v = ((float)(x & 0xffff) / 32768.0f - 1.0f) * 0.01f;
    return x >> 24 == 0 ? 20 * v : v;
}

/* Largest error of the first and last values, as a part of the largest value of a chunk. */
static double error(const float *x, size_t n, unsigned world, unsigned round)
{
    double worst = 0;
    for (size_t i = 0; i < n; i += i == 9999 && n > 20000 ? n - 19999 : 1) {
        double want = 0;
        for (unsigned k = 0; k < world; k++)
            want += gradient(k, round, i);
        worst = fmax(worst, fabs(x[i] - want));
    }
    return worst / 0.2;
}

static uint32_t digest(const float *x, size_t n)
{
    uint32_t h = 2166136261u;
    for (size_t i = 0; i < n; i++) {
        uint32_t bits;
        memcpy(&bits, &x[i], sizeof bits);
        h = (h ^ bits) * HASH;
    }
    return h;
}

/* Half a step of the fixed point for each worker, and as much again where the result is rounded to
 * 8 bits; the scale is a power of two, which may be a quarter above the largest value. */
static double allowed(unsigned format, unsigned world)
{
    static const double bits[] = {15, 7, 3};
    if (format == PX_REDUCE_I16)
        return pow(2, -floor(log2(32768.0 / world))) * world * 0.65;
    return pow(2, -bits[format]) * world * 1.3;
}

/* What the operation cost, and which path was taken: as JSON, the rest of the line. */
static void say_paths(const px_reduce_report *before, const px_reduce_report *after)
{
    json_t *o = json_object(), *figures = json_object();
    for (unsigned i = 0; i < PX_REDUCE_PATHS; i++)
        if (after->paths[i].cpu_ns)
            json_object_set_new(figures, after->paths[i].name,
                                json_pack("{s:i,s:i}", "cpu_ns", (int)after->paths[i].cpu_ns, "ns",
                                          (int)after->paths[i].ns));
    json_object_set_new(o, "chosen", json_string(after->path));
    json_object_set_new(o, "why", json_string(after->why));
    json_object_set_new(o, "changes", json_integer(after->path_changes));
    json_object_set_new(o, "figures", figures);
    char *text = json_dumps(o, JSON_COMPACT);
    printf(" %llu %llu %llu %llu %llu %s\n", (unsigned long long)(after->packets - before->packets),
           (unsigned long long)(after->syscalls - before->syscalls),
           (unsigned long long)(after->wakeups - before->wakeups),
           (unsigned long long)(after->wakes - before->wakes),
           (unsigned long long)(after->copied - before->copied), text ? text : "{}");
    free(text);
    json_decref(o);
}

/* Whether what comes out is the sum of what goes in. */
static int is_sum(const char *rule)
{
    return !rule || strcmp(rule, "mean") == 0;
}

static int serve(px_reduce *r, const struct crew_options *o, unsigned rank)
{
    unsigned long long n;
    unsigned round, world = o->star->hosts;
    float *x = must(calloc(o->longest, sizeof *x));
    px_reduce_report before = {.size = sizeof before}, after = {.size = sizeof after};
    while (scanf("%llu %u", &n, &round) == 2 && n <= o->longest) {
        for (size_t i = 0; i < n; i++)
            x[i] = gradient(rank, round, i);
        printf("ready\n");
        fflush(stdout);
        if (scanf("%*s") != 0)
            break;
        double t0 = now(), c0 = cpu();
        if (px_reduce_sum(r, x, NULL, n, 0, &after) != PX_ERR_OK)
            break;
        double t = now() - t0, c = cpu() - c0;
        int bad =
            after.lost || after.least != world ||
            (o->verify && is_sum(o->rule) && error(x, n, world, round) > allowed(o->format, world));
        printf("%.9f %.9f %llu %llu %d %u", t, c, (unsigned long long)(after.again - before.again),
               (unsigned long long)(after.dropped - before.dropped), bad,
               o->verify ? digest(x, n) : 0);
        say_paths(&before, &after);
        fflush(stdout);
        before = after;
    }
    px_reduce_close(r);
    return 0;
}

static const uint8_t secret[32] = "a benchmark has no secrets, ever";

/* -------------------------------------------------------- who adds for others */

/* Where everybody is: workers, then aggregators: the one above, or alone, and the leaves. */
struct places {
    char text[2 * CREW_MOST + 1][64];
    const char *at[2 * CREW_MOST + 1];
};

static unsigned aggregators(const struct crew_options *o)
{
    return o->leaves ? o->leaves + 1 : o->central != 0;
}

/* The first rank of a leaf. */
static unsigned first_of(const struct crew_options *o, unsigned leaf)
{
    return o->star->hosts * leaf / o->leaves;
}

static unsigned leaf_of(const struct crew_options *o, unsigned rank)
{
    unsigned leaf = 0;
    while (leaf + 1 < o->leaves && first_of(o, leaf + 1) <= rank)
        leaf++;
    return leaf;
}

/* The host of an aggregator. */
static unsigned host_of(const struct crew_options *o, unsigned i)
{
    if (o->star->hubs)
        return o->star->hosts + i % o->star->hubs;
    return i ? first_of(o, i - 1) : 0;
}

static void find_places(const struct crew_options *o, struct places *p)
{
    unsigned n = o->star->hosts;
    for (unsigned i = 0; i < n + aggregators(o); i++) {
        char addr[STAR_ADDR];
        star_addr(o->star, i < n ? i : host_of(o, i - n), addr);
        snprintf(p->text[i], sizeof p->text[i], "/ip4/%s/udp/%u", addr, PORT + i);
        p->at[i] = p->text[i];
    }
}

static int open_hub(const struct crew_options *o, const struct places *p, unsigned i)
{
    unsigned n = o->star->hosts, each[CREW_MOST];
    px_diag d = {0};
    px_hub *hub; /* as long as the process */
    px_hub_options h = {.size = sizeof h,
                        .address = p->at[n + i],
                        .workers = p->at,
                        .world = n,
                        .secret = secret,
                        .job = 1,
                        .format = (px_reduce_format)o->format,
                        .values = o->values,
                        .deadline_ms = 2 * PATIENT_MS,
                        .slack_ms = 2 * PATIENT_MS,
                        .longest = o->longest,
                        .rule = o->rule};
    for (unsigned k = 0; k < o->leaves; k++)
        each[k] = first_of(o, k + 1) - first_of(o, k);
    if (o->leaves && i == 0) {
        h.workers = p->at + n + 1;
        h.world = o->leaves;
        h.leaves = each;
    } else if (o->leaves) {
        h.leaf = i - 1;
        h.first = first_of(o, i - 1);
        h.workers = p->at + h.first;
        h.world = each[i - 1];
        h.total = n;
        h.above = p->at[n];
    }
    return px_hub_open(&h, &hub, &d) == PX_ERR_OK ? 0 : -1;
}

/* Those of a host, in its process. */
static int open_hubs(const struct crew_options *o, const struct places *p, unsigned host)
{
    int bad = 0;
    for (unsigned i = 0; i < aggregators(o) && !bad; i++)
        bad = host_of(o, i) == host && open_hub(o, p, i) != 0;
    return bad;
}

/* A host of hubs, until it is killed, or its parent is. */
static int hold_hubs(const struct crew_options *o, unsigned host)
{
    static struct places p;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    find_places(o, &p);
    if (star_enter(o->star, host) != 0 || open_hubs(o, &p, host) != 0)
        return 1;
    for (;;)
        pause();
}

/* Until the parent is gone, or says no more. */
static int work(const struct crew_options *o, unsigned rank)
{
    static struct places p;
    unsigned n = o->star->hosts;
    px_diag d = {0};
    px_reduce *r;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    find_places(o, &p);
    px_reduce_options ro = {.size = sizeof ro,
                            .rank = rank,
                            .world = o->star->hosts,
                            .addresses = p.at,
                            .aggregator = o->leaves    ? p.at[n + 1 + leaf_of(o, rank)]
                                          : o->central ? p.at[n]
                                                       : NULL,
                            .secret = secret,
                            .job = 1,
                            .format = (px_reduce_format)o->format,
                            .values = o->values,
                            .path = o->path,
                            .deadline_ms =
                                PATIENT_MS, /* its peers leave nobody out, neither does it */
                            .slack_ms = PATIENT_MS,
                            .silence_ms = 4 * PATIENT_MS,
                            .longest = o->longest};
    if (star_enter(o->star, rank) != 0 || open_hubs(o, &p, rank) != 0 ||
        px_reduce_open(&ro, &r, &d) != PX_ERR_OK)
        return 1;
    return serve(r, o, rank);
}

/* ------------------------------------------------------------------ all workers */

/* A child with its standard input and output in pipes: 0 in the child, its id in the parent. */
static pid_t hire(struct crew *c, unsigned i)
{
    int in[2], out[2];
    if (pipe(in) != 0 || pipe(out) != 0)
        return -1;
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        signal(SIGINT, SIG_IGN);
        dup2(in[0], STDIN_FILENO);
        dup2(out[1], STDOUT_FILENO);
    } else {
        c->to[i] = fdopen(in[1], "w");
        c->from[i] = fdopen(out[0], "r");
        c->pid[i] = pid;
        c->n = i + 1;
    }
    close(in[0]);
    close(out[1]);
    if (pid == 0) {
        close(in[1]);
        close(out[0]);
        for (unsigned k = 0; k < i; k++) {
            fclose(c->to[k]);
            fclose(c->from[k]);
        }
    }
    return pid;
}

int crew_ours(struct crew *c, const struct crew_options *o)
{
    *c = (struct crew){0};
    for (unsigned i = 0; i < o->star->hosts; i++) {
        pid_t pid = hire(c, i);
        if (pid < 0)
            return -1;
        if (pid == 0)
            _exit(work(o, i));
    }
    for (unsigned i = 0; i < o->star->hubs && i < aggregators(o); i++) {
        c->hubs[i] = fork();
        if (c->hubs[i] == 0)
            _exit(hold_hubs(o, o->star->hosts + i));
    }
    return 0;
}

/* The same lines, spoken by torch.distributed. */
static const char gloo[] = "import os, resource, sys, time\n"
                           "import torch, torch.distributed as dist\n"
                           "torch.set_num_threads(1)\n"
                           "def cpu():\n"
                           "    u = resource.getrusage(resource.RUSAGE_SELF)\n"
                           "    return u.ru_utime + u.ru_stime\n"
                           "dist.init_process_group('gloo')\n"
                           "while True:\n"
                           "    line = sys.stdin.readline().split()\n"
                           "    if len(line) != 2:\n"
                           "        break\n"
                           "    x = torch.rand(int(line[0]))\n"
                           "    print('ready', flush=True)\n"
                           "    sys.stdin.readline()\n"
                           "    t, c = time.perf_counter(), cpu()\n"
                           "    dist.all_reduce(x)\n"
                           "    print(time.perf_counter() - t, cpu() - c, 0, 0, 0, 0, flush=True)\n"
                           "os._exit(0)\n";

int crew_gloo(struct crew *c, const struct crew_options *o, const char *python)
{
    char rank[16], world[16], addr[STAR_ADDR];
    *c = (struct crew){0};
    star_addr(o->star, 0, addr);
    snprintf(world, sizeof world, "%u", o->star->hosts);
    for (unsigned i = 0; i < o->star->hosts; i++) {
        pid_t pid = hire(c, i);
        if (pid < 0)
            return -1;
        if (pid > 0)
            continue;
        snprintf(rank, sizeof rank, "%u", i);
        setenv("RANK", rank, 1);
        setenv("WORLD_SIZE", world, 1);
        setenv("MASTER_ADDR", addr, 1);
        setenv("MASTER_PORT", "4869", 1);
        setenv("GLOO_SOCKET_IFNAME", o->star->ns[i][0] ? "eth0" : "lo", 1);
        if (star_enter(o->star, i) == 0)
            execlp(python, python, "-c", gloo, (char *)NULL);
        _exit(127);
    }
    return 0;
}

/* The same lines, spoken by the first rank for all. */
static const char mpi[] = "import resource, sys, time\n"
                          "from mpi4py import MPI\n"
                          "import numpy as np\n"
                          "w = MPI.COMM_WORLD\n"
                          "def cpu():\n"
                          "    u = resource.getrusage(resource.RUSAGE_SELF)\n"
                          "    return u.ru_utime + u.ru_stime\n"
                          "def told():\n"
                          "    line = sys.stdin.readline().split() if w.rank == 0 else None\n"
                          "    return w.bcast(line)\n"
                          "while True:\n"
                          "    line = told()\n"
                          "    if len(line) != 2:\n"
                          "        break\n"
                          "    x = np.random.rand(int(line[0])).astype(np.float32)\n"
                          "    y = np.empty_like(x)\n"
                          "    if w.rank == 0:\n"
                          "        print('ready', flush=True)\n"
                          "    told()\n"
                          "    t, c = time.perf_counter(), cpu()\n"
                          "    w.Allreduce(x, y)\n"
                          "    t, c = time.perf_counter() - t, cpu() - c\n"
                          "    t, c = w.reduce(t, op=MPI.MAX), w.reduce(c)\n"
                          "    if w.rank == 0:\n"
                          "        print(t, c, 0, 0, 0, 0, flush=True)\n";

/* How mpirun reaches a host: by its namespace. */
static int write_agent(struct crew *c, const struct star *s)
{
    snprintf(c->agent, sizeof c->agent, "/tmp/plexus-agent-XXXXXX");
    int fd = mkstemp(c->agent);
    FILE *f = fd < 0 ? NULL : fdopen(fd, "w");
    if (!f)
        return -1;
    fprintf(f, "#!/bin/sh\ncase $1 in\n");
    for (unsigned i = 0; i < s->hosts; i++) {
        char addr[STAR_ADDR];
        star_addr(s, i, addr);
        fprintf(f, "%s) ns=%s ;;\n", addr, s->ns[i]);
    }
    fprintf(f, "esac\nshift\nexec ip netns exec \"$ns\" sh -c \"$*\"\n");
    int bad = fchmod(fd, 0700) != 0;
    return fclose(f) != 0 || bad ? -1 : 0;
}

int crew_mpi(struct crew *c, const struct crew_options *o, const char *python)
{
    char hosts[CREW_MOST * (STAR_ADDR + 4)] = "", np[16];
    *c = (struct crew){0};
    if (!o->star->hub[0] || write_agent(c, o->star) != 0)
        return -1;
    for (unsigned i = 0; i < o->star->hosts; i++) {
        char addr[STAR_ADDR];
        size_t at = strlen(hosts);
        star_addr(o->star, i, addr);
        snprintf(hosts + at, sizeof hosts - at, "%s%s:1", i ? "," : "", addr);
    }
    snprintf(np, sizeof np, "%u", o->star->hosts);
    pid_t pid = hire(c, 0);
    if (pid == 0) {
        if (star_enter(o->star, 0) == 0)
            execlp("mpirun", "mpirun", "--allow-run-as-root", "-np", np, "-H", hosts, "-mca",
                   "plm_rsh_agent", c->agent, "-mca", "btl", "tcp,self", "-mca",
                   "btl_tcp_if_include", "eth0", "-mca", "oob_tcp_if_include", "eth0", python, "-c",
                   mpi, (char *)NULL);
        _exit(127);
    }
    return pid < 0 ? -1 : 0;
}

int crew_can(const char *python, const char *module)
{
    char line[64];
    int status = -1;
    snprintf(line, sizeof line, "import %s", module);
    pid_t pid = fork();
    if (pid == 0) {
        if (!freopen("/dev/null", "w", stderr))
            _exit(127);
        execlp(python, python, "-c", line, (char *)NULL);
        _exit(127);
    }
    return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0;
}

static int ask(struct crew *c, const char *text)
{
    for (unsigned i = 0; i < c->n; i++)
        if (fputs(text, c->to[i]) < 0 || fflush(c->to[i]) != 0)
            return -1;
    return 0;
}

/* The numbers at which a line of the first six goes on. */
static void read_costs(struct crew_cost *cost, const char *line, int first)
{
    double packets, syscalls, wakeups, wakes, copied;
    int at = 0;
    if (sscanf(line, "%*f %*f %*f %*f %*d %*u %lf %lf %lf %lf %lf %n", &packets, &syscalls,
               &wakeups, &wakes, &copied, &at) != 5)
        return;
    cost->packets += packets;
    cost->syscalls += syscalls;
    cost->wakeups += wakeups;
    cost->wakes += wakes;
    cost->copied += copied;
    if (first)
        snprintf(cost->path, sizeof cost->path, "%s", line + at);
}

int crew_run(struct crew *c, size_t n, unsigned round, struct crew_cost *cost)
{
    char line[1024];
    unsigned first = 0;
    *cost = (struct crew_cost){0};
    snprintf(line, sizeof line, "%zu %u\n", n, round);
    if (ask(c, line) != 0)
        return -1;
    for (unsigned i = 0; i < c->n; i++)
        if (!fgets(line, sizeof line, c->from[i]) || strcmp(line, "ready\n") != 0)
            return -1;
    if (ask(c, "go\n") != 0)
        return -1;
    for (unsigned i = 0; i < c->n; i++) {
        double t, s, again, dropped;
        unsigned h;
        int bad;
        if (!fgets(line, sizeof line, c->from[i]) ||
            sscanf(line, "%lf %lf %lf %lf %d %u", &t, &s, &again, &dropped, &bad, &h) != 6)
            return -1;
        first = i ? first : h;
        cost->seconds = t > cost->seconds ? t : cost->seconds;
        cost->cpu_s += s;
        cost->again += again;
        cost->dropped += dropped;
        cost->wrong += bad || h != first;
        read_costs(cost, line, i == 0);
    }
    cost->digest = first;
    return 0;
}

void crew_end(struct crew *c)
{
    for (unsigned i = 0; i < c->n; i++) {
        if (c->to[i])
            fclose(c->to[i]);
        if (c->from[i])
            fclose(c->from[i]);
    }
    for (unsigned i = 0; i < c->n; i++) {
        if (c->pid[i] > 0) {
            kill(c->pid[i], SIGKILL);
            waitpid(c->pid[i], NULL, 0);
        }
    }
    for (unsigned i = 0; i < STAR_HUBS; i++)
        if (c->hubs[i] > 0) {
            kill(c->hubs[i], SIGKILL);
            waitpid(c->hubs[i], NULL, 0);
        }
    if (c->agent[0])
        unlink(c->agent);
    *c = (struct crew){0};
}
