/*
 * plexus bench infer [MODEL]. Rounds go in turns: plexus, then each peer, then plexus again, so
 * that a busy minute hurts all of them; the figures are medians. As in llama-bench, prefill and
 * decode each begin with an empty context.
 */
#include "bench.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "machine.h"
#include "shape.h"

enum { MODELS = 16 };

/* Weights that every decoded token reads: all but the embedding, unless it is the output too. */
static void measure_file(const struct session *s, struct bench_model *m)
{
    const px_gguf *g = px_model_gguf(s->model);
    int tied = px_gguf_tensor_find(g, "output.weight") == NULL;
    for (uint64_t i = 0; i < px_gguf_tensor_count(g); i++) {
        const px_gguf_tensor *t = px_gguf_tensor_at(g, i);
        m->file_bytes += t->bytes;
        if (t->role != PX_ROLE_EMBED || tied)
            m->read_bytes += t->bytes;
    }
}

static int read_sequences(struct bench *b, const char *list)
{
    for (const char *p = list; p && *p;) {
        char *end;
        unsigned long v = strtoul(p, &end, 10);
        if (end == p || v < 1 || v > 64 || b->sequence_count == BENCH_SEQUENCES ||
            (*end && *end != ','))
            return usage("write --sequences 2,4,8 (each 1 to 64)", "--sequences %s", list);
        b->sequences[b->sequence_count++] = (unsigned)v;
        p = end + (*end == ',');
    }
    return 0;
}

static int run_peers(const struct bench *b, struct bench_model *m)
{
    for (unsigned i = 0; i < b->peer_count; i++) {
        char why[128];
        double prefill, decode;
        if (peer_round(b, m, b->peers[i], &prefill, &decode, why, sizeof why) != 0)
            return fail_text(PX_ERR_FAILED, b->peers[i],
                             "a peer takes -m FILE -p P -n N -t T -r 1 -o json", "peer %s", why);
        series_add(&m->peer_prefill[i], prefill);
        series_add(&m->peer_decode[i], decode);
    }
    return 0;
}

static int run_model(const struct bench *b, struct bench_model *m)
{
    struct session s;
    struct progress p;
    machine_peak_reset();
    int rc = session_open(b->c, m->path, &s);
    if (rc == 0)
        measure_file(&s, m);
    progress_begin(&p, b->c, "measuring", "rounds", b->rounds);
    for (unsigned i = 0; i < b->rounds && rc == 0; i++) {
        rc = bench_round(b, &s, m);
        px_context_free(s.ctx); /* the peer gets the memory */
        s.ctx = NULL;
        if (rc == 0)
            rc = run_peers(b, m);
        progress_set(&p, i + 1);
    }
    progress_end(&p);
    session_close(&s);
    return rc;
}

/* ---------------------------------------------------------------------- generated models */

static const char *shape_name(const struct bench *b)
{
    const char *shape = opt_text(b->c, OPT_SHAPE);
    return shape ? shape : "llama-1.1b";
}

/* Path of a generated model, kept; NULL after the error was printed. */
static char *generate(const struct bench *b, const char *dir, const char *type)
{
    const char *shape = shape_name(b);
    char why[256];
    size_t n = strlen(dir) + strlen(shape) + strlen(type) + 16;
    char *path = keep(malloc(n));
    snprintf(path, n, "%s/%s.%s.gguf", dir, shape, type);
    if (access(path, R_OK) == 0)
        return path;
    note(b->c, "writing %s", path);
    interrupt_remove(path, opt_text(b->c, OPT_DIR) ? NULL : dir);
    interrupt_poll(0);
    int rc = px_shape_write(shape, type, path, (unsigned)b->threads, why, sizeof why);
    if (opt_text(b->c, OPT_DIR))
        interrupt_remove(NULL, NULL); /* whole now, and to be kept */
    interrupt_poll(1);
    if (rc == 0)
        return path;
    usage("plexus help bench infer", "--shape %s, --types %s: %s", shape, type, why);
    unlink(path);
    return NULL;
}

/* Generate and measure one type after the other, so that the disk holds one file at a time. */
static int run_shape(const struct bench *b, const char *dir, struct bench_model *m, unsigned *n)
{
    char *types = keep(strdup(opt_text(b->c, OPT_TYPES)));
    int rc = 0;
    for (char *type = types, *comma; type && *type && *n < MODELS && rc == 0; type = comma) {
        comma = strchr(type, ',');
        if (comma)
            *comma++ = 0;
        char *path = generate(b, dir, type);
        if (!path)
            return px_err_exit(PX_ERR_INVALID);
        m[*n] = (struct bench_model){.path = path, .label = type};
        rc = run_model(b, &m[(*n)++]);
        if (!opt_text(b->c, OPT_DIR))
            unlink(path);
        interrupt_remove(NULL, NULL);
    }
    return rc;
}

/* ---------------------------------------------------------------------------------- output */

static void put_repeat(const struct bench *b)
{
    const struct cli *c = b->c;
    printf("again: plexus bench infer");
    if (c->args)
        printf(" %s", c->arg[0]);
    else
        printf(" --shape %s --types %s", shape_name(b), opt_text(c, OPT_TYPES));
    printf(" --prompt-tokens %zu --gen-tokens %zu --threads %llu --repeat %u", b->prompt, b->gen,
           (unsigned long long)b->threads, b->rounds);
    if (opt_text(c, OPT_SEQUENCES))
        printf(" --sequences %s", opt_text(c, OPT_SEQUENCES));
    for (unsigned i = 0; i < b->peer_count; i++)
        printf(" --peer %s", b->peers[i]);
    fputc('\n', stdout);
}

static json_t *model_json(const struct bench_model *m)
{
    json_t *o = json_object();
    double bandwidth = median(&m->bandwidth), decode = median(&m->decode);
    double used = (double)m->read_bytes * decode / 1e9;
    json_object_set_new(o, "model", json_text(m->path));
    json_object_set_new(o, "threads", json_integer(m->threads));
    json_object_set_new(o, "prefill_tps", json_number(median(&m->prefill)));
    json_object_set_new(o, "decode_tps", json_number(decode));
    json_object_set_new(o, "read_bandwidth_gbs", json_number(bandwidth));
    json_object_set_new(o, "decode_bandwidth_fraction",
                        json_number(bandwidth > 0 ? used / bandwidth : 0));
    json_object_set_new(o, "read_bytes_per_token", json_u64(m->read_bytes));
    json_object_set_new(o, "weight_bytes", json_u64(m->file_bytes));
    json_object_set_new(o, "rss_bytes", json_u64(m->rss_bytes));
    return o;
}

static int show(const struct bench *b, const struct bench_model *m, unsigned n)
{
    json_t *rows = bench_rows(b, m, n);
    if (!opt_on(b->c, OPT_JSON)) {
        bench_table(rows, b->peers, b->peer_count, b->rounds);
        put_repeat(b);
        json_decref(rows);
        return 0;
    }
    json_t *doc = doc_new(b->c), *first = model_json(&m[0]), *models = json_array();
    json_object_update(doc, first);
    json_decref(first);
    for (unsigned i = 0; i < n; i++)
        json_array_append_new(models, model_json(&m[i]));
    json_object_set_new(doc, "scenario", json_text("infer"));
    json_object_set_new(doc, "prompt_tokens", json_u64(b->prompt));
    json_object_set_new(doc, "gen_tokens", json_u64(b->gen));
    json_object_set_new(doc, "repeat", json_integer(b->rounds));
    json_object_set_new(doc, "models", models);
    json_object_set_new(doc, "rows", rows);
    json_object_set_new(doc, "machine", machine_json());
    return doc_print(doc, 0);
}

static int run_all(const struct bench *b, const char *dir)
{
    static struct bench_model m[MODELS];
    unsigned n = 0;
    int rc = 0;
    if (b->c->args) {
        m[n++] = (struct bench_model){.path = b->c->arg[0], .label = ""};
        rc = run_model(b, &m[0]);
    } else
        rc = run_shape(b, dir, m, &n);
    return rc == 0 && n ? show(b, m, n) : rc;
}

int verb_bench_infer(struct cli *c)
{
    struct bench b = {.c = c,
                      .prompt = opt_uint(c, OPT_PROMPT_TOKENS),
                      .gen = opt_uint(c, OPT_GEN_TOKENS),
                      .threads = opt_uint(c, OPT_THREADS),
                      .rounds = (unsigned)opt_uint(c, OPT_REPEAT),
                      .peers = c->v[OPT_PEER].list,
                      .peer_count = c->v[OPT_PEER].n};
    char temp[] = "/tmp/plexus-bench-XXXXXX";
    const char *dir = opt_text(c, OPT_DIR);
    int rc = read_sequences(&b, opt_text(c, OPT_SEQUENCES));
    if (rc)
        return rc;
    if (c->args && opt_text(c, OPT_SHAPE))
        return usage("give one of them", "both MODEL and --shape");
    if (b.peer_count > BENCH_PEERS)
        return usage(NULL, "more than %d peers", BENCH_PEERS);
    if (!c->args && !dir && !(dir = mkdtemp(temp)))
        return fail_text(PX_ERR_IO, strerror(errno), NULL, "no temporary directory");
    interrupt_poll(1);
    rc = run_all(&b, dir);
    if (dir == temp)
        rmdir(temp);
    return rc;
}
