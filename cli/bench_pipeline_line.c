/* Two stages over one line, beside one process: the part line of plexus bench pipeline. */
#include "bench_pipeline.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "machine.h"

enum { SESSIONS = 4 };

int pipeline_alone(struct pipeline *p)
{
    struct bench b = {.c = p->c, .prompt = p->prompt, .gen = p->gen, .threads = p->threads};
    int rc = bench_round(&b, &p->local, &p->alone);
    px_context_free(p->local.ctx);
    p->local.ctx = NULL;
    p->token_s = rc == 0 ? 1 / median(&p->alone.decode) : 0;
    pipeline_step(p);
    return rc;
}

/* One of two processes: on a processor of its own, told when to begin. */
static void one_apart(struct pipeline *p, unsigned i, int go, int out)
{
    struct bench b = {.c = p->c, .prompt = p->prompt, .gen = p->gen, .threads = p->threads};
    struct bench_model m = {.label = ""};
    double figures[2] = {0};
    char c;
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(i % (unsigned)machine_processors(), &set);
    if (p->threads == 1)
        sched_setaffinity(0, sizeof set, &set);
    if (read(go, &c, 1) == 1 && bench_speed(&b, &p->local, &m) == 0) {
        figures[0] = m.prefill.v[0];
        figures[1] = m.decode.v[0];
    }
    _exit(write(out, figures, sizeof figures) != sizeof figures);
}

int pipeline_apart(struct pipeline *p, struct series *prefill, struct series *decode)
{
    int go[2], out[2];
    pid_t pid[2];
    double got[2], sum[2] = {0};
    if (pipe(go) != 0)
        return 0;
    if (pipe(out) != 0) {
        close(go[0]);
        close(go[1]);
        return 0;
    }
    fflush(NULL);
    for (unsigned i = 0; i < 2; i++)
        if ((pid[i] = fork()) == 0)
            one_apart(p, i, go[0], out[1]);
    close(go[0]);
    close(out[1]);
    if (write(go[1], "gg", 2) == 2)
        while (read(out[0], got, sizeof got) == sizeof got) {
            sum[0] += got[0];
            sum[1] += got[1];
        }
    close(go[1]);
    close(out[0]);
    for (unsigned i = 0; i < 2; i++)
        if (pid[i] > 0)
            waitpid(pid[i], NULL, 0);
    series_add(prefill, sum[0]);
    series_add(decode, sum[1]);
    pipeline_step(p);
    return 0;
}

/* How hidden states go over the line, and the bytes of one with so many elements. */
static const struct code {
    const char *name;
    double bytes;
} codes[] = {{"f32", 4}, {"f16", 2}, {"q8", 1 + 4.0 / 64}};

enum { CODES = sizeof codes / sizeof *codes };

struct line {
    struct series prefill, together, two_prefill, two_decode;
    struct series decode[CODES], token_bytes[CODES];
    struct rpc_figures rpc;
};

/* One answer of `gen` tokens to `prompt` ones. */
static int answer(struct pipeline *p, struct nodes *n, const char *model, size_t prompt, size_t gen,
                  const char *hidden, struct answer *a)
{
    struct question q = pipeline_question(p, model, prompt, gen, 2);
    q.hidden = hidden;
    return answer_whole(n, 0, &q, a) == 0 ? 0 : pipeline_failed(n);
}

static int prefill(struct pipeline *p, struct nodes *n, const char *model, struct line *f)
{
    struct answer a;
    int rc = answer(p, n, model, p->prompt, 1, NULL, &a);
    if (rc == 0)
        series_add(&f->prefill, (double)p->prompt / a.first_ms * 1e3);
    answer_free(&a);
    return rc;
}

static int decode(struct pipeline *p, struct nodes *n, const char *model, unsigned code,
                  struct line *f)
{
    struct answer a;
    double before = lab_bytes(n->lab);
    int rc = answer(p, n, model, 1, p->gen + 1, codes[code].name, &a);
    if (rc == 0) {
        series_add(&f->decode[code], (double)p->gen / a.decode_ms * 1e3);
        series_add(&f->token_bytes[code], (lab_bytes(n->lab) - before) / (double)(p->gen + 1));
    }
    answer_free(&a);
    return rc;
}

/* Several sessions at once: all their tokens over the time from the first to the last one. */
static int together(struct pipeline *p, struct nodes *n, const char *model, struct line *f)
{
    struct answer a[SESSIONS] = {0};
    double first = 0, last = 0;
    int rc = 0;
    for (unsigned i = 0; i < SESSIONS && rc == 0; i++) {
        struct question q = pipeline_question(p, model, 1, p->gen + 1, 2);
        rc = answer_begin(n, 0, &q, &a[i]);
    }
    for (unsigned i = 0; i < SESSIONS && rc == 0; i++) {
        rc = answer_finish(n, &a[i]);
        first = i == 0 || a[i].began_s + a[i].first_ms / 1e3 < first
                    ? a[i].began_s + a[i].first_ms / 1e3
                    : first;
        double end = a[i].began_s + (a[i].first_ms + a[i].decode_ms) / 1e3;
        last = end > last ? end : last;
    }
    if (rc == 0)
        series_add(&f->together, (double)(SESSIONS * p->gen) / (last - first));
    for (unsigned i = 0; i < SESSIONS; i++)
        answer_free(&a[i]);
    return rc == 0 ? 0 : pipeline_failed(n);
}

static int one_round(struct pipeline *p, struct nodes *n, const char *model, struct line *f)
{
    char why[256];
    int rc = pipeline_alone(p);
    if (rc == 0)
        rc = prefill(p, n, model, f);
    for (unsigned i = 0; i < CODES && rc == 0; i++)
        rc = decode(p, n, model, i, f);
    if (rc == 0)
        rc = together(p, n, model, f);
    pipeline_step(p);
    if (rc == 0)
        rc = pipeline_apart(p, &f->two_prefill, &f->two_decode);
    if (rc == 0 && p->peers && n->lab->ns[0][0] &&
        rpc_round(p, n->lab, &f->rpc, why, sizeof why) != 0)
        rc = fail_text(PX_ERR_FAILED, p->peers,
                       "a folder with llama.cpp's rpc-server and llama-bench", "the peer %s", why);
    return rc;
}

static void put_rpc(struct pipeline *p, struct line *f)
{
    struct rpc_figures *r = &f->rpc;
    double ours = median(&f->decode[0]) / median(&p->alone.decode);
    double theirs = median(&r->decode) / median(&r->decode_alone);
    bench_row(p->rows, "decode, 1 session", median(&f->decode[0]), "tok/s", p->peers,
              median(&r->decode));
    bench_row(p->rows, "decode over that of one process", 100 * ours, "%", p->peers, 100 * theirs);
    bench_row(p->rows, "prefill", median(&f->prefill), "tok/s", p->peers, median(&r->prefill));
    bench_row(p->rows, "on the wire a token", median(&f->token_bytes[0]) / 1e3, "kB", p->peers,
              median(&r->token_bytes) / 1e3);
}

static void put_rows(struct pipeline *p, struct line *f)
{
    char name[96];
    double one = median(&p->alone.decode), prompt = median(&p->alone.prefill);
    const char *alone = "one process";
    bench_row(p->rows, "decode, 1 session, 2 stages", median(&f->decode[0]), "tok/s", alone, one);
    for (unsigned i = 1; i < CODES; i++) {
        snprintf(name, sizeof name, "the same, hidden states in %s", codes[i].name);
        bench_row(p->rows, name, median(&f->decode[i]), "tok/s", alone, one);
    }
    snprintf(name, sizeof name, "decode, %d sessions", SESSIONS);
    bench_row(p->rows, name, median(&f->together), "tok/s", alone, one);
    bench_row(p->rows, "decode, 2 processes apart", median(&f->two_decode), "tok/s", alone, one);
    snprintf(name, sizeof name, "prefill %zu, 2 stages", p->prompt);
    bench_row(p->rows, name, median(&f->prefill), "tok/s", alone, prompt);
    snprintf(name, sizeof name, "prefill %zu, 2 processes apart", p->prompt);
    bench_row(p->rows, name, median(&f->two_prefill), "tok/s", alone, prompt);
    for (unsigned i = 0; i < CODES && p->shaped; i++) {
        snprintf(name, sizeof name, "on the wire a token, %s", codes[i].name);
        bench_row(p->rows, name, median(&f->token_bytes[i]) / 1e3, "kB", "hidden state",
                  p->info.embd * codes[i].bytes / 1e3);
    }
    if (f->rpc.decode.n)
        put_rpc(p, f);
}

int pipeline_line(struct pipeline *p)
{
    struct lab l;
    struct nodes n;
    struct line f = {0};
    struct answer a;
    pipeline_lab(p, &l, p->peers ? 3 : 2, 0);
    const char *model = pipeline_nodes(p, &n, &l);
    int rc = model ? 0 : pipeline_failed(&n);
    if (rc == 0 && l.hosts > 2)
        node_down(&n, 2, SIGTERM);
    double before = lab_bytes(&l);
    if (rc == 0) { /* the second node fetches its shards */
        rc = answer(p, &n, model, 1, 1, NULL, &a);
        answer_free(&a);
    }
    double fetched = lab_bytes(&l) - before;
    for (unsigned i = 0; i < p->rounds && rc == 0; i++)
        rc = one_round(p, &n, model, &f);
    if (rc == 0)
        put_rows(p, &f);
    if (rc == 0 && p->shaped)
        bench_row(p->rows, "bytes of the first start", fetched / 1e6, "MB",
                  f.rpc.start_bytes.n ? p->peers : "weights",
                  f.rpc.start_bytes.n ? median(&f.rpc.start_bytes) / 1e6
                                      : (double)p->info.weight_bytes / 1e6);
    nodes_close(&n);
    lab_close(&l);
    return rc;
}
