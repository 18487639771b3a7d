/* plexus demo: the life of a model, in acts. Later parts of plexus add or deepen their act. */
#include "demo_packets.h"
#include "demo_peers.h"
#include "demo_poison.h"
#include "demo_swarm.h"
#include "session.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct demo {
    struct cli *c;
    struct session s;
    json_t *acts;
    int number, ok;
};

static int plain(const struct demo *d)
{
    return !opt_on(d->c, OPT_JSON) && !opt_on(d->c, OPT_JSON_LINES);
}

static void title(struct demo *d, const char *text)
{
    d->number++;
    if (plain(d))
        printf("%s%s%d  %s%s\n\n", d->number > 1 ? "\n" : "", ink(1), d->number, text, ink(0));
    fflush(stdout);
}

/* Keep the figures of an act; in --json-lines, tell them at once. */
static void act(struct demo *d, const char *name, double seconds, json_t *figures)
{
    json_object_set_new(figures, "name", json_text(name));
    json_object_set_new(figures, "seconds", json_number(seconds));
    if (opt_on(d->c, OPT_JSON_LINES)) {
        json_t *line = json_object();
        json_object_set_new(line, "event", json_text("act"));
        json_object_update(line, figures);
        line_print(line);
    }
    json_array_append_new(d->acts, figures);
}

/* ------------------------------------------------------------------------ 1: a file */

static int act_file(struct demo *d)
{
    double start = now_s();
    title(d, "A model is a file");
    int rc = session_open(d->c, "tiny", &d->s);
    if (rc)
        return rc;
    const px_model_info *m = px_model_info_get(d->s.model);
    const px_gguf *g = px_model_gguf(d->s.model);
    double seconds = now_s() - start;
    char size[32];
    human_bytes(size, (double)m->weight_bytes);
    if (plain(d))
        printf("   This program carries a small one: %llu numbers in %llu tensors, %s.\n"
               "   It is a %s of %u blocks, %u wide, that knows %u tokens. Opened in %.1f ms.\n",
               (unsigned long long)m->parameters, (unsigned long long)px_gguf_tensor_count(g), size,
               m->arch, m->blocks, m->embd, m->vocab, seconds * 1e3);
    json_t *o = json_object();
    json_object_set_new(o, "parameters", json_u64(m->parameters));
    json_object_set_new(o, "weight_bytes", json_u64(m->weight_bytes));
    json_object_set_new(o, "blocks", json_integer(m->blocks));
    act(d, "file", seconds, o);
    return 0;
}

/* ---------------------------------------------------------------------- 2: tokens */

static void put_pieces(const struct demo *d, const struct ids *ids)
{
    fputs("   ", stdout);
    for (size_t i = 0; i < ids->n; i++) {
        char text[256];
        size_t n = 0;
        px_detok one = {.started = 1, .show_control = 1};
        if (px_detok_next(d->s.tok, &one, ids->p[i], text, sizeof text, &n) != PX_ERR_OK)
            n = 0;
        fputs(ink(i % 2 ? 36 : 33), stdout);
        put_safe(stdout, text, n, 0);
        fputs(ink(0), stdout);
        if (i + 1 < ids->n && !*ink(0))
            fputs("|", stdout);
    }
    fputs("\n   ", stdout);
    for (size_t i = 0; i < ids->n; i++)
        printf("%s%d", i ? " " : "", ids->p[i]);
    fputs("\n", stdout);
}

static int act_tokens(struct demo *d)
{
    static const char text[] = "Once upon a time there was a little fox who liked the rain.";
    struct ids ids = {0};
    double start = now_s();
    title(d, "Words become numbers");
    int rc = session_encode(&d->s, px_view_str(text), 0, &ids);
    double seconds = now_s() - start;
    size_t n = 0;
    char back[256];
    if (rc == 0 && px_detokenize(d->s.tok, ids.p, ids.n, 0, back, sizeof back, &n) != PX_ERR_OK)
        n = 0;
    int same = n >= sizeof text - 1 && memmem(back, n, text, sizeof text - 1) != NULL;
    if (rc == 0 && plain(d)) {
        put_pieces(d, &ids);
        printf("   %zu characters, %zu tokens; back again they are %s.\n", sizeof text - 1, ids.n,
               same ? "the same text" : "NOT the same text");
    }
    d->ok &= same;
    json_t *o = json_object();
    json_object_set_new(o, "tokens", json_ids(ids.p, ids.n));
    json_object_set_new(o, "round_trip", json_boolean(same));
    act(d, "tokens", seconds, o);
    free(ids.p);
    return rc;
}

/* ---------------------------------------------------------------------- 3: packets */

static int act_packets(struct demo *d)
{
    struct packets_act a = {.plain = plain(d), .tok = d->s.tok};
    px_diag diag = {0};
    double start = now_s();
    title(d, "Numbers travel as packets, and damage is caught");
    px_err e = demo_packets(&a, &diag);
    if (e != PX_ERR_OK)
        return fail(e, "packets", &diag);
    d->ok &= a.ok;
    act(d, "packets", now_s() - start, a.figures);
    return 0;
}

/* ---------------------------------------------------------------------- 4: stories */

struct wrap { /* words as they come, folded at the width of the terminal */
    int column, width;
    const struct demo *d;
};

static void put_wrapped(void *arg, int32_t token, const char *text, size_t n)
{
    struct wrap *w = arg;
    (void)token;
    if (!plain(w->d))
        return;
    for (size_t i = 0, len; i < n; i += len) {
        for (len = 1; i + len < n && (text[i + len] & 0xc0) == 0x80;)
            len++; /* one character */
        if (text[i] == '\n' || (text[i] == ' ' && w->column > w->width)) {
            fputc('\n', stdout);
            w->column = 0;
            continue;
        }
        if (w->column == 0)
            w->column = printf("   ");
        put_safe(stdout, text + i, len, 0);
        w->column++;
    }
    fflush(stdout);
}

static int one_story(struct demo *d, const char *prompt, double *tokens, json_t *stories)
{
    struct session *s = &d->s;
    struct ids ids = {0};
    struct wrap w = {.width = (term_width() < 100 ? term_width() : 100) - 12, .d = d};
    struct generation g = {.max = 280, .emit = put_wrapped, .arg = &w};
    if (plain(d))
        fputs(ink(1), stdout);
    put_wrapped(&w, 0, prompt, strlen(prompt));
    if (plain(d))
        fputs(ink(0), stdout);
    px_context_truncate(s->ctx, 0, 0);
    int rc = session_encode(s, px_view_str(prompt), PX_ENCODE_SPECIAL, &ids);
    if (rc == 0)
        rc = session_prefill(s, ids.p, ids.n);
    if (rc == 0)
        rc = session_generate(s, &g);
    if (plain(d))
        fputs("\n\n", stdout);
    *tokens += (double)g.tokens.n;
    json_array_append_new(stories, json_bytes(g.text.p ? g.text.p : "", g.text.n));
    d->ok &= rc == 0 && g.tokens.n > 0;
    if (g.stopped == STOP_INTERRUPTED)
        rc = px_err_exit(PX_ERR_INTERRUPTED);
    free(ids.p);
    generation_free(&g);
    return rc;
}

static int act_stories(struct demo *d)
{
    static const char *const prompts[] = {"Once upon a time", "One day", "There was a little"};
    uint64_t n = opt_uint(d->c, OPT_STORIES);
    double tokens = 0, start = now_s();
    json_t *stories = json_array();
    title(d, "Numbers become words");
    int rc = session_context(&d->s, 1, 0);
    if (rc == 0)
        rc = session_sampler(&d->s);
    for (uint64_t i = 0; i < n && rc == 0; i++)
        rc = one_story(d, prompts[i % 3], &tokens, stories);
    double tps = d->s.decode_s > 0 ? tokens / d->s.decode_s : 0;
    if (rc == 0 && plain(d))
        printf("   %.0f tokens, %.0f a second on %u thread%s.\n", tokens, tps,
               px_context_threads(d->s.ctx), px_context_threads(d->s.ctx) == 1 ? "" : "s");
    json_t *o = json_object();
    json_object_set_new(o, "stories", stories);
    json_object_set_new(o, "decode_tps", json_number(tps));
    act(d, "stories", now_s() - start, o);
    return rc;
}

/* ---------------------------------------------------------------------- 5: same bits */

static const struct {
    const char *label;
    px_digest_options way;
} ways[] = {
    {"best kernels, all at once", {.cpu = "auto"}},
    {"best kernels, one thread, 7 tokens at a time", {.cpu = "auto", .threads = 1, .chunk = 7}},
    {"best kernels, beside 3 other texts", {.cpu = "auto", .beside = 3}},
    {"scalar", {.cpu = "scalar"}},
    {"AVX2", {.cpu = "avx2"}},
    {"AVX-512", {.cpu = "avx512"}},
    {"AVX-512 VNNI", {.cpu = "avx512vnni"}},
    {"NEON", {.cpu = "neon"}},
    {"NEON dot product", {.cpu = "dotprod"}},
};

static int act_bits(struct demo *d)
{
    char first[PX_DIGEST_HEX] = "";
    json_t *rows = json_array();
    double start = now_s();
    int equal = 1;
    title(d, "Every way of computing gives the same bits");
    for (unsigned i = 0; i < sizeof ways / sizeof *ways; i++) {
        px_digest_options way = ways[i].way;
        char hex[PX_DIGEST_HEX];
        px_kernel_row row;
        px_diag diag = {0};
        if (px_kernel_at(way.cpu, 0, &row) == PX_ERR_INVALID)
            continue; /* not this processor */
        way.size = sizeof way;
        px_err e = px_model_digest(d->s.model, &way, hex, &diag);
        if (e)
            return fail(e, "tiny", &diag);
        if (!*first)
            memcpy(first, hex, sizeof first);
        int same = strcmp(first, hex) == 0;
        equal &= same;
        if (plain(d))
            printf("   %.16s  %s%s%s  %s\n", hex, ink(same ? 32 : 31), same ? "=" : "DIFFERS",
                   ink(0), ways[i].label);
        fflush(stdout);
        json_t *o = json_object();
        json_object_set_new(o, "way", json_text(ways[i].label));
        json_object_set_new(o, "digest", json_text(hex));
        json_array_append_new(rows, o);
    }
    if (plain(d) && equal)
        printf("\n   Peers can compare what they computed, and one can go on where another "
               "stopped.\n");
    d->ok &= equal;
    json_t *o = json_object();
    json_object_set_new(o, "ways", rows);
    json_object_set_new(o, "equal", json_boolean(equal));
    act(d, "bits", now_s() - start, o);
    return 0;
}

/* ---------------------------------------------------------------------- 6: peers */

static int act_peers(struct demo *d)
{
    struct peers_seen seen = {.how = ""};
    px_diag diag = {0};
    double start = now_s();
    title(d, "Peers find each other");
    px_err e = demo_peers(&seen, &diag);
    if (e == PX_ERR_UNSUPPORTED) {
        if (plain(d))
            printf("   This build has no network.\n");
        return 0;
    }
    if (e != PX_ERR_OK)
        return fail(e, NULL, &diag);
    d->ok &= seen.ok;
    if (plain(d) && seen.ok)
        printf("   %s found\n   %s by %s in %.0f ms%s,\n   knows by the handshake that it is "
               "the one (%s), and hears from it in %.2f ms.\n",
               seen.mine, seen.other, seen.how, seen.found_ms,
               strcmp(seen.how, "mDNS") == 0 ? "" : " (no multicast on this machine)",
               *seen.security ? seen.security : "QUIC, TLS 1.3", seen.ping_ms);
    json_t *o = json_object();
    json_object_set_new(o, "how", json_text(seen.how));
    json_object_set_new(o, "addr", json_text(seen.addr));
    json_object_set_new(o, "found_ms", json_number(seen.found_ms));
    json_object_set_new(o, "ping_ms", json_number(seen.ping_ms));
    act(d, "peers", now_s() - start, o);
    return 0;
}

/* ---------------------------------------------------------------------- 7: a swarm */

struct telling {
    struct demo *d;
    const char *prompt;
    int said;
    struct wrap wrap;
    px_detok detok;
};

static void tell_stages(void *arg, json_t *list)
{
    struct telling *t = arg;
    size_t i;
    json_t *row;
    if (!plain(t->d))
        return;
    fputs(t->wrap.column ? "\n" : "", stdout);
    t->wrap.column = 0;
    json_array_foreach(list, i, row)
    {
        const char *peer = json_string_value(json_object_get(row, "peer"));
        size_t n = peer ? strlen(peer) : 0;
        printf("   %s%s..%s blocks %lld-%lld%s", ink(36), i ? "-> " : "", n > 8 ? peer + n - 8 : "",
               (long long)json_integer_value(json_object_get(row, "first")),
               (long long)json_integer_value(json_object_get(row, "last")) - 1, ink(0));
    }
    fputs("\n", stdout);
    if (!t->said++)
        put_wrapped(&t->wrap, 0, t->prompt, strlen(t->prompt));
}

static void tell_token(void *arg, int32_t token)
{
    struct telling *t = arg;
    char text[256];
    size_t n = 0;
    if (px_detok_next(t->d->s.tok, &t->detok, token, text, sizeof text, &n) != PX_ERR_OK)
        return;
    size_t skip = n && t->wrap.column == 0 && text[0] == ' ';
    put_wrapped(&t->wrap, token, text + skip, n - skip);
}

static void tell_killed(void *arg, const char *peer, long long first, long long last)
{
    struct telling *t = arg;
    if (plain(t->d))
        printf("%s\n   %skill -9: ..%s with blocks %lld-%lld is gone, in the midst of a sentence%s",
               t->wrap.column ? "" : "  ", ink(31), peer + strlen(peer) - 8, first, last - 1,
               ink(0));
    t->wrap.column += t->wrap.column == 0;
    fflush(stdout);
}

/* What this process alone says after the same prompt, with the same seed. */
static int say_alone(struct demo *d, struct swarm_act *a, struct generation *g)
{
    struct session *s = &d->s;
    px_sampler_free(s->sampler);
    s->sampler = NULL;
    px_context_truncate(s->ctx, 0, 0);
    int rc = session_sampler(s);
    if (rc == 0)
        rc = session_prefill(s, a->prompt.p, a->prompt.n);
    a->seed = s->seed;
    return rc == 0 ? session_generate(s, g) : rc;
}

static void show_swarm(struct demo *d, const struct swarm_act *a, int same)
{
    if (!plain(d))
        return;
    printf("\n\n   The model was cut into %lld shards; the two others fetched theirs, each 64 KiB "
           "verified.\n",
           a->shards);
    printf("   %sThe words are %s%s%s;\n   the longest pause was %.0f ms.\n",
           a->lost ? "One was killed, another took over. " : "", ink(same ? 32 : 31),
           same ? "those of one machine" : "NOT those of one machine", ink(0), a->gap_ms);
}

static int act_swarm(struct demo *d)
{
    static const char prompt[] = "Once upon a time";
    struct telling t = {.d = d, .prompt = prompt, .detok = {.started = 1}};
    struct swarm_act a = {.max = 120,
                          .kill_at = 40,
                          .temp = opt_float(d->c, OPT_TEMP),
                          .ends = ends_of(&d->s),
                          .stages = tell_stages,
                          .token = tell_token,
                          .killed = tell_killed,
                          .arg = &t};
    struct generation g = {.max = a.max};
    const char *why = "";
    double start = now_s();
    title(d, "One model over three machines");
    t.wrap = (struct wrap){.width = (term_width() < 100 ? term_width() : 100) - 12, .d = d};
    int rc = session_encode(&d->s, px_view_str(prompt), PX_ENCODE_SPECIAL, &a.prompt);
    if (rc == 0)
        rc = say_alone(d, &a, &g);
    px_err err = rc == 0 ? demo_swarm(&a, &why) : PX_ERR_OK;
    int same = a.tokens.n == g.tokens.n &&
               memcmp(a.tokens.p, g.tokens.p, g.tokens.n * sizeof *g.tokens.p) == 0;
    if (rc == 0 && err == PX_ERR_UNSUPPORTED) {
        if (plain(d))
            printf("   This build has no network.\n");
    } else if (rc == 0 && err != PX_ERR_OK) {
        rc = err == PX_ERR_INTERRUPTED ? px_err_exit(err) : fail_text(err, NULL, NULL, "%s", why);
    } else if (rc == 0) {
        d->ok &= same;
        show_swarm(d, &a, same);
        act(d, "swarm", now_s() - start,
            json_pack("{s:s, s:I, s:i, s:f, s:f, s:i, s:b, s:O}", "cid", a.cid, "shards",
                      (json_int_t)a.shards, "tokens", (int)a.tokens.n, "ready_ms", a.ready_ms,
                      "pause_ms", a.gap_ms, "lost", a.lost, "same", same, "stages", a.plan));
    }
    json_decref(a.ends);
    json_decref(a.plan);
    free(a.prompt.p);
    free(a.tokens.p);
    generation_free(&g);
    return rc;
}

/* ---------------------------------------------------------------------- 8: poison */

static int act_poison(struct demo *d)
{
    struct poison_act a = {.plain = plain(d)};
    px_diag diag = {0};
    double start = now_s();
    title(d, "Models are trained together, and one of four lies");
    px_err e = demo_poison(&a, &diag);
    if (e == PX_ERR_OK) {
        d->ok &= a.ok;
        act(d, "poison", now_s() - start, a.figures);
        return 0;
    }
    json_decref(a.figures);
    if (e != PX_ERR_UNSUPPORTED)
        return fail(e, "training", &diag);
    if (plain(d))
        printf("   This build has no network.\n");
    return 0;
}

/* ---------------------------------------------------------------------- 9: where to go */

static void act_next(struct demo *d)
{
    title(d, "Where to go next");
    if (plain(d))
        printf("   plexus run tiny \"Once upon a time\"    let it write\n"
               "   plexus chat model.gguf                talk to a model of your own\n"
               "   plexus inspect model.gguf             look inside\n"
               "   plexus data convert t.txt t.qubgpu    text of your own as packets\n"
               "   plexus bench infer model.gguf         measure\n"
               "   plexus up                             a node of a swarm of your own\n"
               "   plexus run tiny \"Once\" --swarm         words from every node that it finds\n"
               "   plexus bench byzantine                more liars, more lies, more rules\n"
               "   plexus doctor                         what this machine offers\n"
               "   plexus help                           everything else\n");
}

int verb_demo(struct cli *c)
{
    struct demo d = {.c = c, .acts = json_array(), .ok = 1};
    int (*const acts[])(struct demo *) = {act_file, act_tokens, act_packets, act_stories,
                                          act_bits, act_peers,  act_swarm,   act_poison};
    int rc = 0;
    interrupt_poll(1);
    for (unsigned i = 0; i < sizeof acts / sizeof *acts && rc == 0; i++)
        rc = interrupted() ? px_err_exit(PX_ERR_INTERRUPTED) : acts[i](&d);
    if (rc == 0)
        act_next(&d);
    if (rc == 0 && !d.ok)
        rc = fail_text(PX_ERR_FAILED, NULL, "plexus doctor and plexus digest tiny tell more",
                       "an act did not do what it should");
    if (opt_on(c, OPT_JSON)) {
        json_t *doc = doc_new(c);
        json_object_set(doc, "acts", d.acts);
        json_object_set_new(doc, "ok", json_boolean(rc == 0 && d.ok));
        doc_print(doc, rc);
    }
    json_decref(d.acts);
    session_close(&d.s);
    return rc;
}
