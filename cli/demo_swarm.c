#include "demo_swarm.h"

#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { NODES = 3, ASK_MS = 5000, MEET_S = 10, ANSWER_S = 60 };

struct place {
    char dir[64], home[NODES][80], socket[NODES][100], addr[256];
    char peer[NODES][80];
    pid_t pid[NODES];
    int out[NODES];
};

/* ------------------------------------------------------------------------ processes */

static _Noreturn void become_node(const struct place *p, unsigned i, int out)
{
    int nothing = open("/dev/null", O_RDWR);
    const char *args[] = {"plexus", "up",  "--no-mdns", "--listen",     "/ip4/127.0.0.1/tcp/0",
                          "--api",  "off", "--quiet",   "--json-lines", i ? "--bootstrap" : NULL,
                          p->addr,  NULL};
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    setpgid(0, 0); /* Ctrl-C is for the demo, which ends its nodes */
    dup2(nothing, STDIN_FILENO);
    dup2(out, STDOUT_FILENO);
    dup2(nothing, STDERR_FILENO);
    setenv("PLEXUS_HOME", p->home[i], 1);
    execv("/proc/self/exe", (char *const *)args);
    _exit(127);
}

/* Start node i and read its first line. */
static px_err start(struct place *p, unsigned i)
{
    char line[8192] = "";
    size_t n = 0;
    int pipes[2];
    snprintf(p->home[i], sizeof p->home[i], "%s/%u", p->dir, i);
    snprintf(p->socket[i], sizeof p->socket[i], "%s/control.sock", p->home[i]);
    if (pipe2(pipes, O_CLOEXEC))
        return PX_ERR_IO;
    fflush(NULL);
    p->pid[i] = fork();
    if (p->pid[i] == 0)
        become_node(p, i, pipes[1]);
    close(pipes[1]);
    p->out[i] = pipes[0];
    while (n + 1 < sizeof line && read(pipes[0], line + n, 1) == 1 && line[n] != '\n')
        n++;
    json_t *ready = json_loads(line, 0, NULL);
    const char *peer = json_string_value(json_object_get(ready, "peer"));
    const char *addr = json_string_value(json_array_get(json_object_get(ready, "addrs"), 0));
    snprintf(p->peer[i], sizeof p->peer[i], "%s", peer ? peer : "");
    if (i == 0)
        snprintf(p->addr, sizeof p->addr, "%s", addr ? addr : "");
    json_decref(ready);
    return peer && addr ? PX_ERR_OK : PX_ERR_FAILED;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *f)
{
    (void)st;
    (void)type;
    (void)f;
    return remove(path);
}

static void end_all(struct place *p)
{
    for (unsigned i = 0; i < NODES; i++) {
        if (p->pid[i] > 0) {
            kill(p->pid[i], SIGKILL);
            waitpid(p->pid[i], NULL, 0);
        }
        if (p->out[i] >= 0)
            close(p->out[i]);
    }
    nftw(p->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* ------------------------------------------------------------------------ asking */

static json_t *ask(const struct place *p, json_t *in)
{
    char *text = NULL, *line = must(json_dumps(in, JSON_COMPACT));
    json_decref(in);
    px_err err = px_control_ask(p->socket[0], line, ASK_MS, &text);
    free(line);
    json_t *reply = err == PX_ERR_OK ? json_loads(text, 0, NULL) : NULL;
    px_node_text_free(text);
    return reply;
}

static void nap(void)
{
    struct timespec t = {0, 5000000};
    nanosleep(&t, NULL);
}

/* The first node has heard a heartbeat of all others. */
static px_err meet(const struct place *p)
{
    for (double end = now_s() + MEET_S; now_s() < end && !interrupted(); nap()) {
        json_t *reply = ask(p, json_pack("{s:s}", "op", "peers")), *row;
        unsigned good = 0;
        size_t i;
        json_array_foreach(json_object_get(reply, "peers"), i, row)
        {
            const char *state = json_string_value(json_object_get(row, "state"));
            good += state && strcmp(state, "good") == 0;
        }
        json_decref(reply);
        if (good + 1 == NODES)
            return PX_ERR_OK;
    }
    return PX_ERR_TIMEOUT;
}

/* Cut the model inside into shards, in the store of the first node. */
static px_err push(const struct place *p, struct swarm_act *s)
{
    json_t *job = ask(p, json_pack("{s:s, s:s}", "op", "store-push", "path", "tiny"));
    for (double end = now_s() + MEET_S; now_s() < end && !interrupted(); nap()) {
        const char *state = json_string_value(json_object_get(job, "state"));
        if (!state || strcmp(state, "running") != 0)
            break;
        json_t *id = json_incref(json_object_get(job, "job"));
        json_decref(job);
        job = ask(p, json_pack("{s:s, s:o}", "op", "store-job", "job", id));
    }
    const char *cid = json_string_value(json_object_get(job, "cid"));
    snprintf(s->cid, sizeof s->cid, "%s", cid ? cid : "");
    json_decref(job);
    json_t *model = ask(p, json_pack("{s:s, s:s}", "op", "store-show", "cid", s->cid));
    s->shards = (long long)json_integer_value(json_object_get(model, "shards"));
    json_decref(model);
    return *s->cid ? PX_ERR_OK : PX_ERR_FAILED;
}

/* ------------------------------------------------------------------------ speaking */

/* Kill a process that computes, but not the one that we speak to: the middle stage, if it can be.
 */
static void kill_one(struct place *p, struct swarm_act *s)
{
    static const unsigned order[] = {1, 2, 0};
    for (unsigned k = 0; k < NODES; k++) {
        json_t *row = json_array_get(s->plan, order[k]);
        const char *peer = json_string_value(json_object_get(row, "peer"));
        for (unsigned i = 1; peer && i < NODES; i++) {
            if (strcmp(peer, p->peer[i]) != 0 || p->pid[i] <= 0)
                continue;
            kill(p->pid[i], SIGKILL);
            waitpid(p->pid[i], NULL, 0);
            p->pid[i] = 0;
            s->killed(s->arg, peer, (long long)json_integer_value(json_object_get(row, "first")),
                      (long long)json_integer_value(json_object_get(row, "last")));
            return;
        }
    }
}

static json_t *question(const struct swarm_act *s)
{
    char seed[24];
    snprintf(seed, sizeof seed, "%llu", (unsigned long long)s->seed);
    return json_pack("{s:i, s:s, s:s, s:o, s:I, s:O, s:f, s:s}", "id", 1, "op", "generate", "model",
                     s->cid, "tokens", json_ids(s->prompt.p, s->prompt.n), "max",
                     (json_int_t)s->max, "ends", s->ends, "temp", s->temp, "seed", seed);
}

/* One line of the node; 1 at the end. */
static int take(struct place *p, struct swarm_act *s, json_t *r, double *last)
{
    json_t *t = json_object_get(r, "token"), *stages = json_object_get(r, "stages");
    if (json_object_get(r, "ok"))
        return 1;
    if (stages) {
        json_decref(s->plan);
        s->plan = json_incref(stages);
        s->lost = (int)json_integer_value(json_object_get(r, "lost"));
        s->stages(s->arg, stages);
    }
    if (!t)
        return 0;
    double now = now_s();
    if (*last > 0 && (now - *last) * 1e3 > s->gap_ms)
        s->gap_ms = (now - *last) * 1e3;
    *last = now;
    ids_add(&s->tokens, (int32_t)json_integer_value(t));
    s->token(s->arg, (int32_t)json_integer_value(t));
    if (s->tokens.n == s->kill_at)
        kill_one(p, s);
    return 0;
}

static px_err speak(struct place *p, struct swarm_act *s)
{
    px_control *k;
    double last = 0, end = now_s() + ANSWER_S;
    json_t *q = question(s);
    char *line = must(json_dumps(q, JSON_COMPACT));
    json_decref(q);
    px_err err = px_control_open(p->socket[0], line, &k);
    int over = err != PX_ERR_OK;
    free(line);
    while (!over && now_s() < end && !interrupted()) {
        char *text = NULL;
        err = px_control_next(k, 200, &text);
        if (err == PX_ERR_TIMEOUT || err == PX_ERR_INTERRUPTED)
            continue;
        json_t *r = err == PX_ERR_OK ? json_loads(text, 0, NULL) : NULL;
        px_node_text_free(text);
        over = !r || take(p, s, r, &last);
        if (r && over && !json_is_true(json_object_get(r, "ok")))
            err = PX_ERR_FAILED;
        json_decref(r);
    }
    px_control_close(k);
    return over ? err : PX_ERR_TIMEOUT;
}

px_err demo_swarm(struct swarm_act *s, const char **why)
{
    struct place p = {.out = {-1, -1, -1}};
    const char *tmp = getenv("TMPDIR");
    double began = now_s();
    char *probe = NULL;
    px_err err = px_control_ask("/nowhere", "{}", 1, &probe);
    px_node_text_free(probe);
    if (err == PX_ERR_UNSUPPORTED)
        return err;
    int n = snprintf(p.dir, sizeof p.dir, "%s/plexus-demo-XXXXXX", tmp && *tmp ? tmp : "/tmp");
    *why = "a folder for the nodes";
    if (n >= (int)sizeof p.dir || !mkdtemp(p.dir))
        return PX_ERR_IO;
    err = PX_ERR_OK;
    *why = "a node does not start";
    for (unsigned i = 0; i < NODES && err == PX_ERR_OK; i++)
        err = start(&p, i);
    if (err == PX_ERR_OK) {
        *why = "the model inside cannot be cut into shards";
        err = push(&p, s);
    }
    if (err == PX_ERR_OK) {
        *why = "the nodes do not meet";
        err = meet(&p);
        s->ready_ms = (now_s() - began) * 1e3;
    }
    if (err == PX_ERR_OK) {
        *why = "the answer ends early";
        err = speak(&p, s);
    }
    end_all(&p);
    return interrupted() ? PX_ERR_INTERRUPTED : err;
}
