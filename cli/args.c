/* The command line of one verb: options anywhere, then the weaker layers underneath. */
#include "cli.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

const struct cli_verb *verb_find(const char *name)
{
    for (unsigned i = 0; i < cli_verb_count; i++)
        if (strcmp(cli_verbs[i].name, name) == 0)
            return &cli_verbs[i];
    return NULL;
}

const struct cli_verb_opt *verb_opt_find(const struct cli_verb *v, const char *name)
{
    for (unsigned i = 0; i < v->opt_count; i++)
        if (strcmp(cli_opts[v->opts[i].id].name, name) == 0)
            return &v->opts[i];
    return NULL;
}

static int one_of(const char *text, const char *words)
{
    size_t n = strlen(text);
    for (const char *w = words; n && *w;) {
        size_t len = strcspn(w, " ");
        if (len == n && memcmp(w, text, n) == 0)
            return 1;
        w += len + (w[len] == ' ');
    }
    return 0;
}

static int set_uint(struct value *v, const struct cli_opt *o, const char *text, char *why,
                    size_t cap)
{
    char *end;
    errno = 0;
    unsigned long long u = strtoull(text, &end, 10);
    if (end == text || *end || text[0] == '-' || text[0] == '+' || text[0] == ' ') {
        snprintf(why, cap, "expected a whole number, found '%s'", text);
        return -1;
    }
    if (errno || u < o->umin || u > o->umax) {
        snprintf(why, cap, "expected %llu to %llu, found '%s'", (unsigned long long)o->umin,
                 (unsigned long long)o->umax, text);
        return -1;
    }
    v->u = u;
    return 0;
}

static int set_float(struct value *v, const struct cli_opt *o, const char *text, char *why,
                     size_t cap)
{
    char *end;
    double f = strtod(text, &end);
    if (end == text || *end || !(f >= o->min && f <= o->max)) {
        snprintf(why, cap, "expected a number from %g to %g, found '%s'", o->min, o->max, text);
        return -1;
    }
    v->f = f;
    return 0;
}

static int set_flag(struct value *v, const char *text, char *why, size_t cap)
{
    if (one_of(text, "1 true yes on"))
        v->on = 1;
    else if (!*text || one_of(text, "0 false no off"))
        v->on = 0;
    else {
        snprintf(why, cap, "expected true or false, found '%s'", text);
        return -1;
    }
    return 0;
}

int value_add(struct value *v, const char *text)
{
    const char **list = keep(malloc((v->n + 1) * sizeof *list));
    if (v->n)
        memcpy(list, v->list, v->n * sizeof *list);
    list[v->n++] = text;
    v->list = list;
    return 0;
}

int value_set(struct value *v, const struct cli_opt *o, const char *text, char *why, size_t cap)
{
    v->text = text;
    switch (o->type) {
    case TYPE_FLAG: return set_flag(v, text, why, cap);
    case TYPE_UINT: return set_uint(v, o, text, why, cap);
    case TYPE_FLOAT: return set_float(v, o, text, why, cap);
    case TYPE_LIST: return value_add(v, text);
    case TYPE_CHOICE:
        if (one_of(text, o->choices))
            return 0;
        snprintf(why, cap, "expected one of %s, found '%s'", o->choices, text);
        return -1;
    case TYPE_TEXT: break;
    }
    return 0;
}

static int unknown_option(const struct cli_verb *verb, const char *name, size_t n)
{
    char want[64], hint[160];
    snprintf(want, sizeof want, "%.*s", (int)(n < sizeof want - 1 ? n : sizeof want - 1), name);
    struct suggest s = {.want = want};
    for (unsigned i = 0; i < verb->opt_count; i++)
        suggest_try(&s, cli_opts[verb->opts[i].id].name);
    if (s.best)
        snprintf(hint, sizeof hint, "did you mean --%s?", s.best);
    else
        snprintf(hint, sizeof hint, "plexus help %s lists the options", verb->name);
    return usage(hint, "unknown option --%s", want);
}

static int give(struct cli *c, int id, const char *text)
{
    const struct cli_opt *o = &cli_opts[id];
    struct value *v = &c->v[id];
    char why[256];
    v->origin = FROM_FLAG;
    v->where = "command line";
    if (value_set(v, o, text, why, sizeof why) != 0)
        return usage("see plexus help", "--%s: %s", o->name, why);
    return 0;
}

/* One --name[=value] at argv[*i]; takes the next argument when it needs to. */
static int long_option(struct cli *c, int argc, char **argv, int *i)
{
    const char *name = argv[*i] + 2, *eq = strchr(name, '=');
    size_t n = eq ? (size_t)(eq - name) : strlen(name);
    for (unsigned k = 0; k < c->verb->opt_count; k++) {
        int id = c->verb->opts[k].id;
        const struct cli_opt *o = &cli_opts[id];
        if (strlen(o->name) != n || memcmp(o->name, name, n) != 0)
            continue;
        if (eq)
            return give(c, id, eq + 1);
        if (o->type == TYPE_FLAG || o->bare)
            return give(c, id, o->type == TYPE_FLAG ? "1" : o->bare);
        if (*i + 1 >= argc)
            return usage("write --name VALUE or --name=VALUE", "--%s needs a value", o->name);
        return give(c, id, argv[++*i]);
    }
    return unknown_option(c->verb, name, n);
}

/* -x, -xVALUE, -x VALUE, and flags together as in -qh. */
static int short_options(struct cli *c, int argc, char **argv, int *i)
{
    for (const char *p = argv[*i] + 1; *p; p++) {
        int id = -1;
        for (unsigned k = 0; k < c->verb->opt_count; k++)
            if (cli_opts[c->verb->opts[k].id].letter == *p)
                id = c->verb->opts[k].id;
        if (id < 0)
            return usage("plexus help lists the options of a verb", "unknown option -%c", *p);
        if (cli_opts[id].type == TYPE_FLAG) {
            int rc = give(c, id, "1");
            if (rc)
                return rc;
            continue;
        }
        if (p[1])
            return give(c, id, p + 1 + (p[1] == '='));
        if (*i + 1 >= argc)
            return usage("write -x VALUE", "-%c needs a value", *p);
        return give(c, id, argv[++*i]);
    }
    return 0;
}

static int count_arguments(const struct cli *c)
{
    if (c->args < c->verb->min)
        return usage(c->verb->usage, "plexus %s needs more arguments", c->verb->name);
    if (c->verb->max >= 0 && c->args > c->verb->max)
        return usage(c->verb->usage, "one argument too many: '%s'", c->arg[c->verb->max]);
    return 0;
}

int args_parse(struct cli *c, int argc, char **argv)
{
    int rc = 0, only_arguments = 0;
    c->arg = must(calloc((size_t)argc + 1, sizeof *c->arg));
    for (int i = 0; i < argc && rc == 0; i++) {
        const char *a = argv[i];
        if (only_arguments || a[0] != '-' || a[1] == 0)
            c->arg[c->args++] = a;
        else if (strcmp(a, "--") == 0)
            only_arguments = 1;
        else if (a[1] == '-')
            rc = long_option(c, argc, argv, &i);
        else
            rc = short_options(c, argc, argv, &i);
    }
    if (rc || opt_on(c, OPT_HELP))
        return rc;
    rc = layers_resolve(c, c->verb, c->v);
    return rc ? rc : count_arguments(c);
}
