/* llama.cpp's RPC over the same lines: two workers of one thread, and llama-bench as their client.
 */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench_pipeline.h"

enum { PORT = 50052, WORKERS = 2, SETTLE_MS = 700 };

/* One of these names in the folder. */
static int program(const struct pipeline *p, const char *a, const char *b, char *out, size_t cap)
{
    snprintf(out, cap, "%s/%s", p->peers, a);
    if (access(out, X_OK) != 0)
        snprintf(out, cap, "%s/%s", p->peers, b);
    return access(out, X_OK);
}

static pid_t worker(const struct pipeline *p, const struct lab *l, unsigned host)
{
    char path[4096], addr[LAB_ADDR], port[16], threads[16];
    if (program(p, "rpc-server", "ggml-rpc-server", path, sizeof path) != 0)
        return -1;
    lab_addr(l, host, 0, addr);
    snprintf(port, sizeof port, "%d", PORT);
    snprintf(threads, sizeof threads, "%u", p->threads);
    pid_t pid = fork();
    if (pid != 0)
        return pid;
    int null = open("/dev/null", O_RDWR);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (int fd = 0; fd < 3; fd++)
        dup2(null, fd);
    execlp("ip", "ip", "netns", "exec", l->ns[host], path, "-H", addr, "-p", port, "-t", threads,
           (char *)NULL);
    _exit(127);
}

struct speeds {
    double prefill, decode;
};

/* One run of llama-bench in host 0, with the workers or alone. 0, or -1. */
static int client(const struct pipeline *p, const struct lab *l, int workers, size_t prompt,
                  size_t gen, struct speeds *out)
{
    char path[4096], command[10000], a[LAB_ADDR], b[LAB_ADDR], rpc[96] = "";
    lab_addr(l, 1, 0, a);
    lab_addr(l, 2, 0, b);
    if (program(p, "llama-bench", "llama-bench", path, sizeof path) != 0)
        return -1;
    if (workers)
        snprintf(rpc, sizeof rpc, "--rpc %s:%d,%s:%d -ngl 99", a, PORT, b, PORT);
    snprintf(command, sizeof command,
             "exec ip netns exec %s '%s' -m '%s' %s -p %zu -n %zu -t %u -r 1 -o json 2>/dev/null",
             l->ns[0], path, p->model, rpc, prompt, gen, p->threads);
    FILE *f = popen(command, "r");
    json_error_t err;
    char *text = must(calloc(1, 1 << 18));
    size_t n = f ? fread(text, 1, (1 << 18) - 1, f) : 0, i;
    int status = f ? pclose(f) : -1;
    char *from = n ? memchr(text, '[', n) : NULL;
    json_t *doc = from ? json_loads(from, JSON_DISABLE_EOF_CHECK, &err) : NULL, *row;
    *out = (struct speeds){0};
    json_array_foreach(doc, i, row)
    {
        double tps = json_number_value(json_object_get(row, "avg_ts"));
        if (json_integer_value(json_object_get(row, "n_gen")) > 0)
            out->decode = tps;
        else
            out->prefill = tps;
    }
    json_decref(doc);
    free(text);
    return status == 0 && (out->decode > 0 || out->prefill > 0) ? 0 : -1;
}

/* A run with one token sends the weights; the difference to one with more of them is the tokens'.
 */
static int measure(const struct pipeline *p, const struct lab *l, struct rpc_figures *f)
{
    struct speeds alone, one, all, prompt;
    double a = lab_bytes(l);
    int rc = client(p, l, 1, 0, 1, &one);
    double b = lab_bytes(l);
    if (rc == 0)
        rc = client(p, l, 1, 0, p->gen + 1, &all);
    double c = lab_bytes(l);
    if (rc == 0)
        rc = client(p, l, 1, p->prompt, 0, &prompt);
    if (rc == 0)
        rc = client(p, l, 0, 0, p->gen, &alone);
    if (rc != 0)
        return rc;
    series_add(&f->decode, all.decode);
    series_add(&f->prefill, prompt.prefill);
    series_add(&f->decode_alone, alone.decode);
    series_add(&f->start_bytes, b - a);
    series_add(&f->token_bytes, (c - b - (b - a)) / (double)p->gen);
    return 0;
}

int rpc_round(const struct pipeline *p, const struct lab *l, struct rpc_figures *f, char *why,
              size_t cap)
{
    pid_t pid[WORKERS];
    for (unsigned i = 0; i < WORKERS; i++)
        pid[i] = worker(p, l, i + 1);
    poll(NULL, 0, SETTLE_MS);
    int rc = measure(p, l, f);
    for (unsigned i = 0; i < WORKERS; i++)
        if (pid[i] > 0) {
            kill(pid[i], SIGKILL);
            waitpid(pid[i], NULL, 0);
        }
    if (rc != 0)
        snprintf(why, cap, "gives no figures");
    return rc;
}
