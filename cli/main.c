/* Entry of the command line: find the verb, read its arguments, run it, flush. */
#include "cli.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const char *topic(const char *name)
{
    for (unsigned i = 0; i < cli_topic_count; i++)
        if (strcmp(cli_topics[i].name, name) == 0)
            return cli_topics[i].text;
    return NULL;
}

/* Everything is on its way, or the reader has gone (quiet), or the disk is full. */
static int finish(int rc)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return rc;
    if (errno == EPIPE)
        return rc ? rc : 141;
    return fail_text(PX_ERR_IO, strerror(errno), NULL, "cannot write standard output");
}

static int is_help(const char *a)
{
    return strcmp(a, "--help") == 0 || strcmp(a, "-h") == 0;
}

static int is_family(const char *first)
{
    size_t n = strlen(first);
    for (unsigned i = 0; i < cli_verb_count; i++)
        if (strncmp(cli_verbs[i].name, first, n) == 0 && cli_verbs[i].name[n] == ' ')
            return 1;
    return 0;
}

/* The first word names a family of verbs; the second is missing or unknown. */
static int need_subverb(const char *first, const char *second)
{
    if (second && is_help(second)) {
        fputs(topic(first), stdout);
        return finish(0);
    }
    if (!second || second[0] == '-') {
        fputs(topic(first), stderr);
        return px_err_exit(PX_ERR_INVALID);
    }
    struct suggest s = {.want = second};
    size_t n = strlen(first);
    for (unsigned i = 0; i < cli_verb_count; i++)
        if (strncmp(cli_verbs[i].name, first, n) == 0 && cli_verbs[i].name[n] == ' ')
            suggest_try(&s, cli_verbs[i].name + n + 1);
    char hint[128];
    snprintf(hint, sizeof hint, s.best ? "did you mean plexus %s %s?" : "plexus help %s", first,
             s.best);
    return usage(hint, "unknown verb '%s %s'", first, second);
}

static int unknown_verb(const char *name)
{
    struct suggest s = {.want = name};
    for (unsigned i = 0; i < cli_verb_count; i++) {
        char first[64];
        int n = (int)strcspn(cli_verbs[i].name, " ");
        snprintf(first, sizeof first, "%.*s", n, cli_verbs[i].name);
        const char *before = s.best;
        suggest_try(&s, first);
        if (s.best != before)
            s.best = keep(strdup(first));
    }
    char hint[128] = "plexus help lists the verbs";
    if (s.best)
        snprintf(hint, sizeof hint, "did you mean plexus %s?", s.best);
    return usage(hint, "unknown verb '%s'", name);
}

static int run_verb(struct cli *c, int argc, char **argv)
{
    int rc = args_parse(c, argc, argv);
    if (rc)
        return rc;
    if (opt_on(c, OPT_HELP)) {
        fputs(c->verb->help, stdout);
        return finish(0);
    }
    term_color(opt_text(c, OPT_COLOR));
    return finish(c->verb->run(c));
}

/* Options may stand before the verb: move the verb to the front. */
static void verb_first(int argc, char **argv)
{
    int at = 1;
    while (at < argc && argv[at][0] == '-' && !is_help(argv[at]))
        at++;
    if (at == argc || is_help(argv[at]))
        return;
    char *verb = argv[at];
    memmove(argv + 2, argv + 1, (size_t)(at - 1) * sizeof *argv);
    argv[1] = verb;
}

int main(int argc, char **argv)
{
    static struct cli c;
    px_err guard = px_file_guard();
    term_init();
    interrupt_init();
    if (guard)
        return fail(guard, "SIGBUS handler", NULL);
    verb_first(argc, argv);
    if (argc < 2 || is_help(argv[1])) {
        fputs(topic(""), stdout);
        return finish(0);
    }
    if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0)
        argv[1] = "version";
    const char *first = argv[1];
    if (is_family(first)) {
        char name[64];
        snprintf(name, sizeof name, "%s %s", first, argc > 2 ? argv[2] : "");
        c.verb = verb_find(name);
        return c.verb ? run_verb(&c, argc - 3, argv + 3)
                      : need_subverb(first, argc > 2 ? argv[2] : NULL);
    }
    c.verb = verb_find(first);
    return c.verb ? run_verb(&c, argc - 2, argv + 2) : unknown_verb(first);
}
