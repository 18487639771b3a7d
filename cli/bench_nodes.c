#include "bench_nodes.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "machine.h"

enum { ASK_MS = 20000, PULL_MS = 600000, LOOK_MS = 200, SILENCE_MS = 60000 };

/* --------------------------------------------------------------------------- processes */

int nodes_open(struct nodes *n, struct lab *l, unsigned threads)
{
    *n = (struct nodes){.lab = l, .threads = threads ? threads : 1};
    snprintf(n->home, sizeof n->home, "/tmp/plexus-bench-XXXXXX");
    if (mkdtemp(n->home))
        return 0;
    snprintf(n->why, sizeof n->why, "%s: %s", n->home, strerror(errno));
    n->home[0] = 0;
    return -1;
}

static int forget(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st;
    (void)type;
    (void)at;
    return remove(path);
}

void nodes_close(struct nodes *n)
{
    for (unsigned i = 0; i < LAB_HOSTS; i++)
        node_down(n, i, SIGTERM);
    if (n->home[0])
        nftw(n->home, forget, 16, FTW_DEPTH | FTW_PHYS);
    n->home[0] = 0;
}

/* Processors of its own for each node, as far as there are. */
static void pin(const struct nodes *n, unsigned i)
{
    unsigned all = (unsigned)machine_processors(), threads = n->threads < all ? n->threads : all;
    cpu_set_t old, set;
    CPU_ZERO(&set);
    if (sched_getaffinity(0, sizeof old, &old) != 0)
        return;
    for (unsigned k = 0; k < threads; k++) {
        unsigned want = (i * threads + k) % all;
        for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
            if (CPU_ISSET(cpu, &old) && want-- == 0)
                CPU_SET(cpu, &set);
    }
    sched_setaffinity(0, sizeof set, &set);
}

static void home_of(const struct nodes *n, unsigned i, const char *below, char *out, size_t cap)
{
    snprintf(out, cap, "%s/%c%s", n->home, (int)('a' + i), below);
}

static void child(const struct nodes *n, unsigned i, int out)
{
    const char *words[24];
    char self[4096], home[96];
    unsigned k = 0;
    ssize_t len = readlink("/proc/self/exe", self, sizeof self - 1);
    self[len > 0 ? len : 0] = 0;
    home_of(n, i, "", home, sizeof home);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    setenv("PLEXUS_HOME", home, 1);
    pin(n, i);
    if (n->lab->ns[i][0])
        words[k++] = "ip", words[k++] = "netns", words[k++] = "exec", words[k++] = n->lab->ns[i];
    words[k++] = self, words[k++] = "up", words[k++] = "--json-lines", words[k++] = "--quiet";
    words[k++] = "--no-mdns", words[k++] = "--api", words[k++] = "off";
    words[k] = NULL;
    int null = open("/dev/null", O_RDWR);
    dup2(null, STDIN_FILENO);
    dup2(out, STDOUT_FILENO);
    dup2(null, STDERR_FILENO);
    execvp(words[0], (char *const *)words);
    _exit(127);
}

int node_up(struct nodes *n, unsigned i)
{
    struct lab_node *o = &n->of[i];
    char *line = NULL;
    size_t cap = 0;
    int fd[2];
    if (pipe2(fd, O_CLOEXEC) != 0)
        return -1;
    o->pid = fork();
    if (o->pid == 0)
        child(n, i, fd[1]);
    close(fd[1]);
    o->out = o->pid > 0 ? fdopen(fd[0], "r") : NULL;
    if (o->out && getline(&line, &cap, o->out) > 0)
        o->ready = json_loads(line, 0, NULL);
    free(line);
    if (o->ready)
        return 0;
    snprintf(n->why, sizeof n->why, "node %c does not come up", (int)('a' + i));
    node_down(n, i, SIGKILL);
    return -1;
}

void node_down(struct nodes *n, unsigned i, int sig)
{
    struct lab_node *o = &n->of[i];
    if (o->pid > 0) {
        kill(o->pid, SIGCONT);
        kill(o->pid, sig);
        for (int k = 0; k < 100 && waitpid(o->pid, NULL, WNOHANG) == 0; k++) {
            if (k == 80)
                kill(o->pid, SIGKILL);
            poll(NULL, 0, 50);
        }
    }
    if (o->out)
        fclose(o->out);
    json_decref(o->ready);
    *o = (struct lab_node){0};
}

/* --------------------------------------------------------------------------- commands */

static void socket_of(const struct nodes *n, unsigned i, char *out, size_t cap)
{
    home_of(n, i, "/control.sock", out, cap);
}

static char *line_of(const char *op, json_t *in)
{
    json_object_set_new(in, "id", json_integer(1));
    json_object_set_new(in, "op", json_string(op));
    char *line = must(json_dumps(in, JSON_COMPACT));
    json_decref(in);
    return line;
}

json_t *nodes_ask(struct nodes *n, unsigned i, const char *op, json_t *in)
{
    char path[128], *text = NULL, *line = line_of(op, in);
    socket_of(n, i, path, sizeof path);
    px_err err = px_control_ask(path, line, ASK_MS, &text);
    free(line);
    json_t *reply = err == PX_ERR_OK ? json_loads(text, 0, NULL) : NULL;
    px_node_text_free(text);
    if (json_is_true(json_object_get(reply, "ok")))
        return reply;
    const char *why = json_string_value(json_object_get(reply, "error"));
    snprintf(n->why, sizeof n->why, "%s: %s", op, why ? why : px_err_text(err));
    json_decref(reply);
    return NULL;
}

const char *node_peer(const struct nodes *n, unsigned i)
{
    const char *s = json_string_value(json_object_get(n->of[i].ready, "peer"));
    return s ? s : "";
}

unsigned node_of(const struct nodes *n, const char *peer)
{
    unsigned i = 0;
    while (i < LAB_HOSTS && (!peer || strcmp(node_peer(n, i), peer) != 0))
        i++;
    return i;
}

/* The address at which node `at` listens on its line to node `from`. */
static const char *listening(const struct nodes *n, unsigned at, unsigned from)
{
    char host[LAB_ADDR], want[48];
    size_t i;
    json_t *a;
    lab_addr(n->lab, at, from, host);
    snprintf(want, sizeof want, "/ip4/%s/tcp/", host);
    json_array_foreach(json_object_get(n->of[at].ready, "addrs"), i, a)
    {
        const char *text = json_string_value(a);
        if (text && strncmp(text, want, strlen(want)) == 0)
            return text;
    }
    return "";
}

int nodes_meet(struct nodes *n, unsigned count)
{
    for (unsigned x = 0; x < count; x++)
        for (unsigned y = x + 1; y < count; y++) {
            json_t *reply = nodes_ask(
                n, x, "dial",
                json_pack("{s:s, s:s}", "peer", node_peer(n, y), "addr", listening(n, y, x)));
            if (!reply)
                return -1;
            json_decref(reply);
        }
    return 0;
}

/* --------------------------------------------------------------------------- the store */

/* Follow a push or a pull; its last report, or NULL with why. */
static json_t *follow(struct nodes *n, unsigned i, json_t *job)
{
    double until = now_s() + PULL_MS / 1e3;
    while (job) {
        const char *state = json_string_value(json_object_get(job, "state"));
        if (state && strcmp(state, "done") == 0)
            return job;
        if (!state || strcmp(state, "failed") == 0 || now_s() > until || interrupted()) {
            const char *why = json_string_value(json_object_get(job, "error"));
            snprintf(n->why, sizeof n->why, "the store: %s", why ? why : "it takes too long");
            json_decref(job);
            return NULL;
        }
        json_t *id = json_incref(json_object_get(job, "job"));
        json_decref(job);
        poll(NULL, 0, 2);
        job = nodes_ask(n, i, "store-job", json_pack("{s:o}", "job", id));
    }
    return NULL;
}

const char *nodes_push(struct nodes *n, unsigned i, const char *path)
{
    json_t *job = follow(
        n, i, nodes_ask(n, i, "store-push", json_pack("{s:s, s:b}", "path", path, "pin", 1)));
    const char *cid = json_string_value(json_object_get(job, "cid"));
    if (job && !cid)
        snprintf(n->why, sizeof n->why, "the store gives no name");
    char *out = cid ? keep(strdup(cid)) : NULL;
    json_decref(job);
    return out;
}

double nodes_pull(struct nodes *n, unsigned i, const char *cid)
{
    double start = now_s();
    json_t *job = follow(n, i, nodes_ask(n, i, "store-pull", json_pack("{s:s}", "cid", cid)));
    if (!job)
        return -1;
    json_decref(job);
    return now_s() - start;
}

/* --------------------------------------------------------------------------- answers */

/* Tokens of a text that means nothing; the speed does not depend on them. */
static json_t *words(const struct question *q)
{
    json_t *list = json_array();
    for (size_t i = 0; q->text && i < q->text->n; i++)
        json_array_append_new(list, json_integer(q->text->p[i]));
    for (size_t i = 0; !q->text && i < q->prompt; i++) {
        uint64_t x = (i + 1) * 0x9e3779b97f4a7c15u + q->salt * 0xbf58476d1ce4e5b9u;
        x = (x ^ x >> 31) * 0x94d049bb133111ebu;
        json_array_append_new(list, json_integer((json_int_t)((x ^ x >> 29) % q->vocab)));
    }
    return list;
}

int answer_begin(struct nodes *n, unsigned i, const struct question *q, struct answer *a)
{
    char path[128];
    json_t *in =
        json_pack("{s:s, s:o, s:I, s:i, s:i}", "model", q->model, "tokens", words(q), "max",
                  (json_int_t)q->gen, "positions", (int)q->positions, "stages", (int)q->stages);
    if (q->stages_max)
        json_object_set_new(in, "stages_max", json_integer(q->stages_max));
    json_object_set_new(in, "no_spares", json_boolean(q->no_spares));
    if (q->draft)
        json_object_set_new(in, "draft", json_string(q->draft));
    if (q->hidden)
        json_object_set_new(in, "hidden", json_string(q->hidden));
    if (q->draft_blocks)
        json_object_set_new(in, "draft_blocks", json_integer(q->draft_blocks));
    char *line = line_of("generate", in);
    *a = (struct answer){.began_s = now_s()};
    socket_of(n, i, path, sizeof path);
    px_err err = px_control_open(path, line, &a->control);
    free(line);
    if (err == PX_ERR_OK)
        return 0;
    snprintf(n->why, sizeof n->why, "generate: %s", px_err_text(err));
    return -1;
}

static double number(json_t *o, const char *name)
{
    return json_number_value(json_object_get(o, name));
}

static int heard(struct nodes *n, struct answer *a, json_t *r)
{
    json_t *ok = json_object_get(r, "ok"), *stages = json_object_get(r, "stages");
    double now = now_s();
    if (json_integer_value(json_object_get(r, "lost")) > 0 && a->lost_s == 0)
        a->lost_s = now;
    if (stages) {
        json_decref(a->stages);
        a->stages = json_incref(stages);
    }
    a->over = ok != NULL;
    if (json_is_true(ok)) {
        a->first_ms = number(r, "firstMs");
        a->decode_ms = number(r, "decodeMs");
        a->epochs = json_integer_value(json_object_get(r, "epochs"));
    } else if (ok) {
        const char *why = json_string_value(json_object_get(r, "error"));
        snprintf(n->why, sizeof n->why, "generate: %s", why ? why : "it failed");
        return -1;
    }
    if (!json_object_get(r, "token"))
        return 0;
    if (a->made++)
        series_add(&a->gaps, now - a->last_s);
    else
        a->first_s = now;
    a->last_s = now;
    return 1;
}

int answer_step(struct nodes *n, struct answer *a)
{
    char *line = NULL;
    double until = now_s() + SILENCE_MS / 1e3;
    px_err err;
    do
        err = px_control_next(a->control, LOOK_MS, &line);
    while ((err == PX_ERR_TIMEOUT || err == PX_ERR_INTERRUPTED) && now_s() < until &&
           !interrupted());
    if (err != PX_ERR_OK) {
        snprintf(n->why, sizeof n->why, "generate: %s", px_err_text(err));
        return -1;
    }
    json_t *r = json_loads(line, 0, NULL);
    px_node_text_free(line);
    int rc = heard(n, a, r);
    json_decref(r);
    return rc;
}

int answer_finish(struct nodes *n, struct answer *a)
{
    while (!a->over)
        if (answer_step(n, a) < 0)
            return -1;
    return 0;
}

void answer_free(struct answer *a)
{
    if (a->control)
        px_control_close(a->control);
    json_decref(a->stages);
    free(a->gaps.v);
    *a = (struct answer){0};
}

int answer_whole(struct nodes *n, unsigned i, const struct question *q, struct answer *a)
{
    return answer_begin(n, i, q, a) == 0 ? answer_finish(n, a) : -1;
}
