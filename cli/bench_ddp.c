/*
 * plexus bench ddp: torch trains a small transformer on several ranks, its gradients summed by gloo
 * and by plexus, one step of each in turns. The program of a rank is bench_ddp.py; torchrun starts
 * it, in a network namespace a rank when lines are shaped.
 */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"
#include "bench_allreduce.h"
#include "bench_ddp_program.h"
#include "machine.h"

enum { MARKS = 8, PORT_OF_TORCH = 29517, LOOK_MS = 200 };

static const struct way {
    const char *key, *name;
    double wire; /* of gloo's bytes, at most */
} ways[] = {{"plexus 16 bits", "16 bits", 0.55}, {"plexus 8 bits", "8 bits", 0.30}};

struct mark {
    char name[64];
    double value, bound;
};

struct ddp {
    struct cli *c;
    struct star star;
    pid_t pid[STAR_HOSTS];
    unsigned started, ranks, mbit, steps;
    const char *python, *path;
    char dir[32]; /* program, logs, result */
    json_t *rows, *result;
    struct mark marks[MARKS];
    unsigned mark_count;
    double load; /* of the machine, when it began */
    int wrong;   /* ways whose ranks do not have the same parameters */
};

/* --------------------------------------------------------------------- processes */

static void file_of(const struct ddp *d, const char *name, char *out, size_t cap)
{
    snprintf(out, cap, "%s/%s", d->dir, name);
}

static int forget(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st;
    (void)type;
    (void)at;
    return remove(path);
}

/* A folder with the program. 0, or an exit code. */
static int prepare(struct ddp *d)
{
    char path[64];
    snprintf(d->dir, sizeof d->dir, "/tmp/plexus-ddp-XXXXXX");
    if (!mkdtemp(d->dir)) {
        d->dir[0] = 0;
        return fail_text(PX_ERR_IO, "bench ddp", NULL, "no folder in /tmp: %s", strerror(errno));
    }
    file_of(d, "ddp.py", path, sizeof path);
    FILE *f = fopen(path, "w");
    int bad = !f || fputs(BENCH_DDP_PROGRAM, f) < 0;
    bad |= f && fclose(f) != 0;
    return bad ? fail_text(PX_ERR_IO, path, NULL, "%s", strerror(errno)) : 0;
}

/* The package of the build directory, where this program lies in one, before those installed. */
static void find_package(void)
{
    char self[3000], path[8000];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    self[n > 0 ? n : 0] = 0;
    char *slash = strrchr(self, '/');
    if (slash)
        *slash = 0;
    const char *old = getenv("PYTHONPATH");
    snprintf(path, sizeof path, "%s/bindings/python%s%s", self, old && *old ? ":" : "",
             old ? old : "");
    setenv("PYTHONPATH", path, 1);
}

/* torchrun of a host, with one rank or, without namespaces, all. -r and -t: that of Debian's torch
 * 1.13 does not start without them under Python 3.11. */
static void child(const struct ddp *d, unsigned host, unsigned hosts)
{
    char program[64], out[64], log[64], nodes[16], node[16], ranks[16], steps[16], port[16];
    char addr[STAR_ADDR] = "127.0.0.1";
    file_of(d, "ddp.py", program, sizeof program);
    file_of(d, "out.json", out, sizeof out);
    file_of(d, "log", log, sizeof log);
    snprintf(nodes, sizeof nodes, "%u", hosts);
    snprintf(node, sizeof node, "%u", host);
    snprintf(ranks, sizeof ranks, "%u", d->ranks / hosts);
    snprintf(steps, sizeof steps, "%u", d->steps);
    snprintf(port, sizeof port, "%u", PORT_OF_TORCH);
    if (hosts > 1)
        star_addr(&d->star, 0, addr);
    else
        snprintf(port, sizeof port, "%u", 20000 + (unsigned)getpid() % 10000);
    setenv("GLOO_SOCKET_IFNAME", hosts > 1 ? "eth0" : "lo", 1);
    setenv("OMP_NUM_THREADS", "1", 1);
    setenv("PYTHONDONTWRITEBYTECODE", "1", 1);
    find_package();
    int fd = open(log, O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0600);
    dup2(fd, STDOUT_FILENO);
    dup2(fd, STDERR_FILENO);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (star_enter(&d->star, host) == 0)
        execlp(d->python, d->python, "-m", "torch.distributed.run", "--nnodes", nodes,
               "--node_rank", node, "--nproc_per_node", ranks, "--master_addr", addr,
               "--master_port", port, "-r", "1", "-t", "1", "--log_dir", d->dir, program, out,
               steps, d->path, (char *)NULL);
    _exit(127);
}

static int start(struct ddp *d)
{
    unsigned hosts = d->mbit ? d->ranks : 1;
    for (unsigned i = 0; i < hosts; i++) {
        fflush(stdout);
        pid_t pid = fork();
        if (pid == 0)
            child(d, i, hosts);
        if (pid < 0)
            return -1;
        d->pid[d->started++] = pid;
    }
    return 0;
}

static void stop(struct ddp *d)
{
    for (unsigned i = 0; i < d->started; i++)
        if (d->pid[i] > 0)
            kill(d->pid[i], SIGTERM);
    for (unsigned i = 0; i < d->started; i++)
        if (d->pid[i] > 0)
            waitpid(d->pid[i], NULL, 0);
    d->started = 0;
}

/* The last line that the ranks said. */
static int failed(struct ddp *d)
{
    char path[64], line[512], last[512] = "they said nothing";
    file_of(d, "log", path, sizeof path);
    FILE *f = fopen(path, "r");
    while (f && fgets(line, sizeof line, f)) {
        line[strcspn(line, "\n")] = 0;
        if (strstr(line, "Error"))
            snprintf(last, sizeof last, "%s", line);
    }
    if (f)
        fclose(f);
    return fail_text(PX_ERR_FAILED, "bench ddp", "build the Python package: ./dev build",
                     "a rank ended: %s", last);
}

/* Until all have ended. */
static int wait_all(struct ddp *d)
{
    unsigned left = d->started;
    int rc = 0;
    while (left && rc == 0) {
        for (unsigned i = 0; i < d->started && rc == 0; i++) {
            int status;
            if (d->pid[i] <= 0 || waitpid(d->pid[i], &status, WNOHANG) != d->pid[i])
                continue;
            d->pid[i] = 0;
            left--;
            rc = status ? failed(d) : 0;
        }
        if (rc == 0 && interrupted())
            rc = px_err_exit(PX_ERR_INTERRUPTED);
        if (left && rc == 0)
            poll(NULL, 0, LOOK_MS);
    }
    return rc;
}

/* ----------------------------------------------------------------------- figures */

static double figure(const struct ddp *d, const char *way, const char *name)
{
    return json_number_value(
        json_object_get(json_object_get(json_object_get(d->result, "ways"), way), name));
}

static void mark(struct ddp *d, double value, double bound, const char *what, const char *way)
{
    struct mark *m = &d->marks[d->mark_count++];
    m->value = value;
    m->bound = bound;
    snprintf(m->name, sizeof m->name, "%s, %s", what, way);
}

static void row(struct ddp *d, const char *what, const struct way *w, const char *field,
                const char *unit, double scale)
{
    char name[96];
    snprintf(name, sizeof name, "%u ranks, %s, %s", d->ranks, what, w->name);
    bench_row(d->rows, name, figure(d, w->key, field) * scale, unit, "gloo",
              figure(d, "gloo", field) * scale);
}

static void count(struct ddp *d, const struct way *w)
{
    double step = figure(d, w->key, "step_s") / figure(d, "gloo", "step_s");
    double loss = figure(d, w->key, "loss") / figure(d, "gloo", "loss");
    row(d, "step", w, "step_s", "ms", 1e3);
    row(d, "final loss", w, "loss", "nats", 1);
    mark(d, step, d->mbit ? 0.6 : 1, "step of gloo's", w->name);
    mark(d, loss > 1 ? loss - 1 : 1 - loss, 0.01, "final loss off gloo's", w->name);
    if (d->mbit) {
        row(d, "sent a step", w, "sent", "MB", 1e-6);
        mark(d, figure(d, w->key, "sent") / figure(d, "gloo", "sent"), w->wire, "bytes of gloo's",
             w->name);
    }
    json_t *ways_ = json_object_get(d->result, "ways");
    d->wrong += !json_is_true(json_object_get(json_object_get(ways_, w->key), "same"));
}

static int run(struct ddp *d)
{
    char path[64];
    json_error_t e;
    star_none(&d->star, d->ranks, 0);
    if (d->mbit && star_open(&d->star, d->ranks, d->mbit, 0, 0) != 0)
        return fail_text(PX_ERR_PERMISSION, "bench ddp", "run it as root, or without --rate",
                         "no namespaces (CAP_NET_ADMIN, ip, tc)");
    if (!crew_can(d->python, "torch"))
        return fail_text(PX_ERR_UNSUPPORTED, "bench ddp", "apt-get install python3-torch",
                         "%s has no torch", d->python);
    int rc = prepare(d);
    if (rc == 0 && start(d) != 0)
        rc = fail_text(PX_ERR_FAILED, "bench ddp", NULL, "no process: %s", strerror(errno));
    if (rc == 0)
        rc = wait_all(d);
    stop(d);
    file_of(d, "out.json", path, sizeof path);
    if (rc == 0 && !(d->result = json_load_file(path, 0, &e)))
        rc = failed(d);
    for (unsigned i = 0; i < sizeof ways / sizeof *ways && rc == 0; i++)
        count(d, &ways[i]);
    return rc;
}

static void show_marks(const struct ddp *d)
{
    printf("\n%s%-40s %8s %8s%s\n", ink(1), "", "", "at most", ink(0));
    for (unsigned i = 0; i < d->mark_count; i++) {
        const struct mark *m = &d->marks[i];
        printf("%-40s %8.3f %8.2f  %s\n", m->name, m->value, m->bound,
               m->value <= m->bound ? "kept" : "missed");
    }
    json_t *first = json_object_get(json_object_get(d->result, "ways"), ways[0].key);
    printf("\n%.1f million parameters, %u steps, path: %s, torch %s, load %.1f\n",
           json_number_value(json_object_get(d->result, "parameters")) / 1e6, d->steps,
           json_string_value(json_object_get(first, "path")),
           json_string_value(json_object_get(d->result, "torch")), d->load);
    printf("ways whose ranks ended with other parameters: %d\n", d->wrong);
    printf("again: plexus bench ddp --local %u --rate %u --steps %u\n", d->ranks, d->mbit,
           d->steps);
}

static int show(struct ddp *d)
{
    json_t *marks = json_array();
    if (!opt_on(d->c, OPT_JSON)) {
        bench_table(d->rows, NULL, 0, d->steps);
        show_marks(d);
        return d->wrong ? 1 : 0;
    }
    for (unsigned i = 0; i < d->mark_count; i++) {
        const struct mark *m = &d->marks[i];
        json_array_append_new(marks,
                              json_pack("{s:s,s:f,s:f,s:b}", "name", m->name, "value", m->value,
                                        "bound", m->bound, "pass", m->value <= m->bound));
    }
    json_t *doc = doc_new(d->c);
    json_object_set_new(doc, "scenario", json_text("ddp"));
    json_object_set_new(doc, "workers", json_integer(d->ranks));
    json_object_set_new(doc, "mbit", json_integer(d->mbit));
    json_object_set_new(doc, "steps", json_integer(d->steps));
    json_object_set_new(doc, "mismatches", json_integer(d->wrong));
    json_object_set(doc, "ways", json_object_get(d->result, "ways"));
    json_object_set(doc, "parameters", json_object_get(d->result, "parameters"));
    json_object_set(doc, "torch", json_object_get(d->result, "torch"));
    json_object_set_new(doc, "load", json_number(d->load));
    json_object_set(doc, "rows", d->rows);
    json_object_set_new(doc, "marks", marks);
    json_object_set_new(doc, "machine", machine_json());
    return doc_print(doc, d->wrong ? 1 : 0);
}

int verb_bench_ddp(struct cli *c)
{
    struct ddp d = {.c = c,
                    .rows = json_array(),
                    .python = opt_text(c, OPT_DDP_PYTHON),
                    .ranks = (unsigned)opt_uint(c, OPT_LOCAL),
                    .mbit = (unsigned)opt_uint(c, OPT_RATE_MBIT),
                    .steps = (unsigned)opt_uint(c, OPT_TRAIN_STEPS),
                    .path = opt_text(c, OPT_GRADIENT_PATH)};
    /* Shaped lines stand for a network: memory that is shared has none. */
    if (d.mbit && strcmp(d.path, "auto") == 0)
        d.path = "udp";
    if (d.ranks < 2)
        return usage("write --local 2", "--local %u: one rank has nothing to sum", d.ranks);
    interrupt_poll(1);
    if (getloadavg(&d.load, 1) != 1)
        d.load = 0;
    int rc = run(&d);
    star_close(&d.star);
    if (d.dir[0])
        nftw(d.dir, forget, 16, FTW_DEPTH | FTW_PHYS);
    if (rc == 0)
        rc = show(&d);
    json_decref(d.rows);
    json_decref(d.result);
    return rc;
}
