/* plexus chat MODEL: line editing, history, a context that keeps what it has already read. */
#include "session.h"

#include <histedit.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <wchar.h>

struct chat {
    struct session s;
    px_template *tmpl; /* NULL: the model just goes on with the text */
    px_message *m;
    size_t n;
    struct ids held; /* tokens that the context holds */
    json_t *turns;
    EditLine *el;
    History *hist;
    char *hist_path;
    int cancelled;
};

/* ------------------------------------------------------------------------------- the talk */

static void add_message(struct chat *h, const char *role, const char *content)
{
    h->m = must(realloc(h->m, (h->n + 1) * sizeof *h->m));
    h->m[h->n++] = (px_message){role, must(strdup(content))};
}

static void drop_messages(struct chat *h, size_t keep)
{
    while (h->n > keep)
        free((char *)h->m[--h->n].content);
}

static void reset(struct chat *h)
{
    const char *system = opt_text(h->s.c, OPT_SYSTEM);
    drop_messages(h, 0);
    if (system && h->tmpl)
        add_message(h, "system", system);
}

/* Without a template: all that was said, one after the other. */
static int plain_text(struct chat *h, struct text *out)
{
    FILE *f = must(open_memstream(&out->p, &out->n));
    for (size_t i = 0; i < h->n; i++)
        fprintf(f, "%s%s", i && strcmp(h->m[i].role, "user") == 0 ? "\n" : "", h->m[i].content);
    fclose(f);
    return 0;
}

static int encode(struct chat *h, struct ids *ids)
{
    struct text t = {0};
    int rc = h->tmpl ? chat_render(&h->s, h->tmpl, h->m, h->n, &t) : plain_text(h, &t);
    if (rc == 0)
        rc = chat_encode(&h->s, px_view_of(t.p, t.n), ids);
    if (h->tmpl)
        px_template_text_free(t.p);
    else
        free(t.p);
    if (rc == 0 && ids->n == 0)
        rc = usage("write something", "the message is empty");
    return rc;
}

static void hold(struct chat *h, const struct ids *ids, size_t from)
{
    h->held.n = from;
    for (size_t i = from; i < ids->n; i++)
        ids_add(&h->held, ids->p[i]);
}

/* Keep what the context and the conversation have in common, read the rest. */
static int read_prompt(struct chat *h, const struct ids *ids)
{
    if (opt_on(h->s.c, OPT_SWARM)) {
        int rc = swarm_turn(&h->s, &h->held, ids, opt_uint(h->s.c, OPT_MAX_TOKENS));
        hold(h, ids, 0);
        return rc;
    }
    size_t same = 0;
    while (same < h->held.n && same + 1 < ids->n && h->held.p[same] == ids->p[same])
        same++;
    px_context_truncate(h->s.ctx, 0, (uint32_t)same);
    int rc = session_prefill(&h->s, ids->p + same, ids->n - same);
    h->held.n = rc == 0 ? same : 0;
    if (rc)
        px_context_truncate(h->s.ctx, 0, 0);
    else
        hold(h, ids, same);
    return rc;
}

static void write_text(void *arg, int32_t token, const char *text, size_t n)
{
    struct chat *h = arg;
    (void)token;
    if (opt_on(h->s.c, OPT_JSON) || !n)
        return;
    if (opt_on(h->s.c, OPT_JSON_LINES)) {
        json_t *o = json_object();
        json_object_set_new(o, "event", json_text("text"));
        json_object_set_new(o, "text", json_bytes(text, n));
        line_print(o);
        return;
    }
    put_text(text, n);
    fflush(stdout);
}

static void end_turn(struct chat *h, const struct generation *g)
{
    const struct cli *c = h->s.c;
    for (size_t i = 0; i + 1 < g->tokens.n; i++)
        ids_add(&h->held, g->tokens.p[i]); /* the last one was not evaluated */
    add_message(h, "assistant", g->text.p ? g->text.p : "");
    if (opt_on(c, OPT_JSON_LINES)) {
        json_t *o = json_object();
        json_object_set_new(o, "event", json_text("turn"));
        json_object_set_new(o, "stopped", json_text(stopped_name(g->stopped)));
        json_object_set_new(o, "tokens", json_u64(g->tokens.n));
        line_print(o);
    } else if (!opt_on(c, OPT_JSON))
        fputs("\n", stdout);
    if (g->stopped == STOP_CONTEXT)
        note(c, "the context is full: /reset begins a new conversation");
}

static int answer(struct chat *h, const char *message)
{
    struct cli *c = h->s.c;
    struct ids ids = {0};
    size_t before = h->n;
    struct generation g = {.max = opt_uint(c, OPT_MAX_TOKENS),
                           .stops = c->v[OPT_STOP].list,
                           .stop_count = c->v[OPT_STOP].n,
                           .emit = write_text,
                           .arg = h};
    interrupt_clear();
    add_message(h, "user", message);
    int rc = encode(h, &ids);
    if (rc == 0)
        rc = read_prompt(h, &ids);
    if (rc == 0)
        rc = session_generate(&h->s, &g);
    if (rc == 0)
        end_turn(h, &g);
    else
        drop_messages(h, before);
    /* The stages know nothing of stop strings and Ctrl-C: they go on, so they are left. */
    if (rc || g.stopped == STOP_TEXT || g.stopped == STOP_INTERRUPTED)
        swarm_end(&h->s);
    interrupt_clear();
    free(ids.p);
    generation_free(&g);
    return rc;
}

/* ---------------------------------------------------------------------------------- lines */

static char *prompt_text(EditLine *el)
{
    static char text[] = "> ";
    (void)el;
    return text;
}

static unsigned char on_ctrl_c(EditLine *el, wint_t ch)
{
    struct chat *h;
    (void)ch;
    el_get(el, EL_CLIENTDATA, &h);
    h->cancelled = 1;
    return CC_EOF;
}

static void editor_open(struct chat *h)
{
    HistEvent ev;
    setlocale(LC_CTYPE, ""); /* characters of more than one byte can be typed and erased */
    h->el = el_init("plexus", stdin, stdout, stderr);
    h->hist = history_init();
    if (!h->el || !h->hist)
        return;
    history(h->hist, &ev, H_SETSIZE, 1000);
    history(h->hist, &ev, H_SETUNIQUE, 1);
    h->hist_path = state_path("history");
    if (h->hist_path)
        history(h->hist, &ev, H_LOAD, h->hist_path);
    el_set(h->el, EL_CLIENTDATA, h);
    el_set(h->el, EL_PROMPT, prompt_text);
    el_set(h->el, EL_EDITOR, "emacs");
    el_set(h->el, EL_HIST, history, h->hist);
    el_set(h->el, EL_SETTY, "-d", "-isig", NULL);
    el_wset(h->el, EL_ADDFN, L"px-cancel", L"leave the line", on_ctrl_c);
    el_set(h->el, EL_BIND, "^C", "px-cancel", NULL);
    el_source(h->el, NULL);
}

static void editor_close(struct chat *h)
{
    HistEvent ev;
    if (h->hist && h->hist_path)
        history(h->hist, &ev, H_SAVE, h->hist_path);
    if (h->hist)
        history_end(h->hist);
    if (h->el)
        el_end(h->el);
    free(h->hist_path);
}

/* One line without its line feed, for the caller to free; NULL at the end. */
static char *read_line(struct chat *h)
{
    if (!h->el) {
        char *line = NULL;
        size_t cap = 0;
        interrupt_poll(0); /* there is no answer to stop: Ctrl-C ends the program */
        ssize_t n = getline(&line, &cap, stdin);
        interrupt_poll(1);
        if (n >= 0) {
            line[strcspn(line, "\r\n")] = 0;
            return line;
        }
        free(line);
        return NULL;
    }
    int n = 0;
    HistEvent ev;
    h->cancelled = 0;
    el_set(h->el, EL_PREP_TERM, 1); /* before the prompt: what answers it must not meet ISIG */
    const char *got = el_gets(h->el, &n);
    if (h->cancelled) {
        fputs("^C  (/quit ends)\n", stdout);
        return must(strdup(""));
    }
    if (!got || n <= 0)
        return NULL;
    char *line = must(strdup(got));
    line[strcspn(line, "\r\n")] = 0;
    if (*line)
        history(h->hist, &ev, H_ENTER, line);
    return line;
}

/* A message: lines that end in a backslash go on. */
static char *read_message(struct chat *h)
{
    char *message = read_line(h);
    for (size_t n; message && (n = strlen(message)) && message[n - 1] == '\\';) {
        char *more = read_line(h);
        if (!more)
            break;
        message = must(realloc(message, n + strlen(more) + 1));
        message[n - 1] = '\n';
        memcpy(message + n, more, strlen(more) + 1);
        free(more);
    }
    return message;
}

/* 1 when the line was a command; *quit when it ends the program. */
static int command(struct chat *h, const char *line, int *quit)
{
    if (line[0] != '/')
        return 0;
    if (strcmp(line, "/quit") == 0 || strcmp(line, "/exit") == 0 || strcmp(line, "/bye") == 0)
        *quit = 1;
    else if (strcmp(line, "/reset") == 0) {
        reset(h);
        note(h->s.c, "a new conversation");
    } else if (strcmp(line, "/help") == 0)
        fputs("/reset  forget the conversation\n/quit   end (or Ctrl-D)\n/help   this list\n"
              "Ctrl-C  stop the answer\nA line that ends in \\ goes on in the next.\n",
              stderr);
    else
        note(h->s.c, "unknown command %s: /help lists them", line);
    return 1;
}

static int talk(struct chat *h)
{
    int rc = 0, quit = 0;
    char *line;
    if (isatty(STDIN_FILENO) && term_out()) {
        editor_open(h);
        note(h->s.c, "%s; /help lists commands, Ctrl-D ends",
             h->tmpl ? "talk to the model" : "the model goes on with what you write");
    }
    while (!quit && (line = read_message(h))) {
        if (*line && !command(h, line, &quit)) {
            int turn = answer(h, line);
            rc = h->el ? 0 : turn; /* people see the error and go on */
            quit = rc != 0;
        }
        free(line);
    }
    if (h->el)
        fputc('\n', stdout);
    editor_close(h);
    return rc;
}

static int show_document(struct chat *h)
{
    json_t *doc = doc_new(h->s.c), *turns = json_array();
    for (size_t i = 0; i < h->n; i++) {
        json_t *o = json_object();
        json_object_set_new(o, "role", json_text(h->m[i].role));
        json_object_set_new(o, "content", json_text(h->m[i].content));
        json_array_append_new(turns, o);
    }
    json_object_set_new(doc, "turns", turns);
    json_object_set_new(doc, "seed", json_u64(h->s.seed));
    json_object_set_new(doc, "timings", timings_json(&h->s));
    return doc_print(doc, 0);
}

int verb_chat(struct cli *c)
{
    struct chat h = {0};
    int rc = session_open(c, c->arg[0], &h.s);
    const char *which = opt_text(c, OPT_CHAT_TEMPLATE);
    interrupt_poll(1);
    if (rc == 0 && (which || px_model_info_get(h.s.model)->chat_template))
        rc = chat_open(&h.s, which ? which : "model", &h.tmpl);
    int swarm = opt_on(c, OPT_SWARM);
    if (rc == 0)
        rc = swarm ? swarm_model(&h.s) : session_context(&h.s, 1, opt_uint(c, OPT_CTX));
    if (rc == 0 && !swarm)
        rc = session_sampler(&h.s);
    if (rc == 0) {
        reset(&h);
        rc = talk(&h);
    }
    if (rc == 0 && opt_on(c, OPT_JSON))
        rc = show_document(&h);
    drop_messages(&h, 0);
    free(h.m);
    free(h.held.p);
    px_template_free(h.tmpl);
    session_close(&h.s);
    return rc;
}
