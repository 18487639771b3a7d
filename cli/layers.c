/* Where settings come from, weakest first: default, system file, user file, environment. */
#include "cli.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* One line of a configuration file: key = value, in a section. */
struct setting {
    char section[64], key[64];
    const char **list; /* the values: one, or those of an array */
    unsigned n;
    const char *where; /* path:line */
};

struct file {
    enum origin layer;
    struct setting *rows;
    unsigned n;
};

static struct file files[2];
static unsigned file_count;

const char *origin_name(enum origin o)
{
    static const char *const names[] = {"default", "system", "user", "environment", "flag"};
    return names[o];
}

static char *path_join(const char *a, const char *b)
{
    size_t n = strlen(a) + strlen(b) + 2;
    char *out = must(malloc(n));
    snprintf(out, n, "%s/%s", a, b);
    return out;
}

/* $PLEXUS_HOME, or the plexus folder of an XDG directory; NULL when there is no home. */
static char *home_dir(const char *xdg, const char *fallback)
{
    const char *own = getenv("PLEXUS_HOME"), *dir = getenv(xdg), *home = getenv("HOME");
    if (own && *own)
        return must(strdup(own));
    if (dir && dir[0] == '/')
        return path_join(dir, "plexus");
    if (!home || !*home)
        return NULL;
    char *base = path_join(home, fallback), *out = path_join(base, "plexus");
    free(base);
    return out;
}

const char *layers_path(enum origin layer)
{
    static char *user;
    if (layer == FROM_SYSTEM) {
        const char *p = getenv("PLEXUS_SYSTEM_CONFIG");
        return p && *p ? p : "/etc/plexus/config.toml";
    }
    if (!user) {
        char *dir = home_dir("XDG_CONFIG_HOME", ".config");
        user = dir ? path_join(dir, "config.toml") : NULL;
        free(dir);
    }
    return user;
}

/* A name in a folder that is made, with those above it. */
static char *made_path(char *dir, const char *name)
{
    if (!dir)
        return NULL;
    for (char *p = dir + 1; *p; p++)
        if (*p == '/') {
            *p = 0;
            mkdir(dir, 0700);
            *p = '/';
        }
    mkdir(dir, 0700);
    char *out = path_join(dir, name);
    free(dir);
    return out;
}

char *state_path(const char *name)
{
    return made_path(home_dir("XDG_STATE_HOME", ".local/state"), name);
}

char *data_path(const char *name)
{
    return made_path(home_dir("XDG_DATA_HOME", ".local/share"), name);
}

static const char *blanks(const char *p)
{
    return p + strspn(p, " \t");
}

static void add(struct setting *s, const char *text)
{
    struct value v = {.list = s->list, .n = s->n};
    value_add(&v, text);
    s->list = v.list;
    s->n = v.n;
}

/* A quoted string at *pp into the list; 0 or -1. */
static int read_string(const char **pp, struct setting *s)
{
    const char *p = *pp;
    char quote = *p++, *out = keep(malloc(strlen(p) + 1));
    size_t n = 0;
    for (; *p && *p != quote; p++) {
        if (*p == '\\' && quote == '"') {
            const char *from = "nt\"\\r", *to = "\n\t\"\\\r";
            const char *at = p[1] ? strchr(from, *++p) : NULL;
            if (!at)
                break;
            out[n++] = to[at - from];
        } else {
            out[n++] = *p;
        }
    }
    out[n] = 0;
    add(s, out);
    *pp = p + 1;
    return *p == quote ? 0 : -1;
}

static int read_bare(const char **pp, struct setting *s)
{
    const char *p = *pp;
    size_t n = strcspn(p, " \t#,]");
    add(s, keep(strndup(p, n)));
    *pp = p + n;
    return n ? 0 : -1;
}

/* true, a number, a string, or an array of those on one line. */
static int read_value(const char *p, struct setting *s)
{
    int array = *p == '[', rc = 0;
    p += array;
    for (;;) {
        p = blanks(p);
        if (array && *p == ']')
            break;
        rc = *p == '"' || *p == '\'' ? read_string(&p, s) : read_bare(&p, s);
        p = blanks(p);
        if (rc || !array || *p != ',')
            break;
        p++;
    }
    if (array && (rc || *p++ != ']'))
        return -1;
    p = blanks(p);
    return rc || (*p && *p != '#') ? -1 : 0;
}

static int known_section(const char *name)
{
    size_t n = strlen(name);
    for (unsigned i = 0; i < cli_verb_count; i++) {
        const char *v = cli_verbs[i].name;
        char dotted[64];
        snprintf(dotted, sizeof dotted, "%s", v);
        for (char *p = dotted; *p; p++)
            *p = *p == ' ' ? '.' : *p;
        if (strcmp(dotted, name) == 0 || (strncmp(v, name, n) == 0 && v[n] == ' '))
            return 1;
    }
    return 0;
}

static int section_is_for(const char *section, const char *verb)
{
    size_t n = strlen(section);
    for (size_t i = 0; i < n; i++)
        if (verb[i] != (section[i] == '.' ? ' ' : section[i]))
            return 0;
    return verb[n] == 0 || verb[n] == ' ';
}

/* Is the key an option of some verb that the section is for? */
static int check_key(const struct setting *s)
{
    struct suggest near = {.want = s->key};
    for (unsigned i = 0; i < cli_verb_count; i++) {
        if (!section_is_for(s->section, cli_verbs[i].name) && s->section[0])
            continue;
        for (unsigned k = 0; k < cli_verbs[i].opt_count; k++) {
            const char *name = cli_opts[cli_verbs[i].opts[k].id].name;
            if (strcmp(name, s->key) == 0)
                return 0;
            suggest_try(&near, name);
        }
    }
    char hint[128] = "plexus config list shows the options";
    if (near.best)
        snprintf(hint, sizeof hint, "did you mean %s?", near.best);
    return usage(hint, "%s: unknown option '%s'", s->where, s->key);
}

static int read_section(const char *p, char section[64], const char *where)
{
    size_t n = strcspn(p + 1, "]");
    snprintf(section, 64, "%.*s", (int)(n < 63 ? n : 63), p + 1);
    if (p[n + 1] == ']' && known_section(section))
        return 0;
    struct suggest near = {.want = section};
    for (unsigned i = 0; i < cli_verb_count; i++)
        suggest_try(&near, cli_verbs[i].name);
    char hint[128] = "a heading is a verb, such as [run]";
    if (near.best)
        snprintf(hint, sizeof hint, "did you mean [%s]?", near.best);
    return usage(hint, "%s: unknown heading '[%s]'", where, section);
}

static int read_line(struct file *f, char *line, char section[64], const char *where)
{
    const char *p = blanks(line);
    size_t n = strcspn(p, " \t=");
    struct setting s = {.where = where};
    if (*p == 0 || *p == '#')
        return 0;
    if (*p == '[')
        return read_section(p, section, where);
    snprintf(s.key, sizeof s.key, "%.*s", (int)(n < 63 ? n : 63), p);
    for (char *k = s.key; *k; k++)
        *k = *k == '_' ? '-' : *k;
    snprintf(s.section, sizeof s.section, "%s", section);
    p = blanks(p + n);
    if (*p != '=' || read_value(blanks(p + 1), &s) != 0)
        return usage("a line is: option = value", "%s: not understood", where);
    int rc = check_key(&s);
    if (rc == 0) {
        f->rows = must(realloc(f->rows, (f->n + 1) * sizeof *f->rows));
        f->rows[f->n++] = s;
    }
    return rc;
}

static int read_file(struct file *f)
{
    const char *path = layers_path(f->layer);
    char section[64] = "", line[4096];
    FILE *in = path ? fopen(path, "r") : NULL;
    int rc = 0, number = 0;
    if (!in)
        return path && errno != ENOENT && errno != ENOTDIR ? fail(PX_ERR_PERMISSION, path, NULL)
                                                           : 0;
    while (rc == 0 && fgets(line, sizeof line, in)) {
        size_t n = strlen(path) + 16;
        char *where = keep(malloc(n));
        snprintf(where, n, "%s:%d", path, ++number);
        line[strcspn(line, "\r\n")] = 0;
        rc = read_line(f, line, section, where);
    }
    fclose(in);
    return rc;
}

static int read_files(void)
{
    static const enum origin layers[] = {FROM_SYSTEM, FROM_USER};
    for (; file_count < 2; file_count++) {
        files[file_count].layer = layers[file_count];
        int rc = read_file(&files[file_count]);
        if (rc)
            return rc;
    }
    return 0;
}

/* The value of one option in one file: the closest heading wins, then the later line. */
static const struct setting *lookup(const struct file *f, const struct cli_verb *verb,
                                    const char *key)
{
    const struct setting *best = NULL;
    for (unsigned i = 0; i < f->n; i++) {
        const struct setting *s = &f->rows[i];
        if (strcmp(s->key, key) != 0 || (s->section[0] && !section_is_for(s->section, verb->name)))
            continue;
        if (!best || strlen(s->section) >= strlen(best->section))
            best = s;
    }
    return best;
}

static int put(struct value *v, const struct cli_opt *o, const char *const *list, unsigned n,
               enum origin origin, const char *where)
{
    char why[256];
    *v = (struct value){.origin = origin, .where = where};
    for (unsigned i = 0; i < n; i++)
        if ((i && o->type != TYPE_LIST) || value_set(v, o, list[i], why, sizeof why) != 0)
            return usage(NULL, "%s: %s: %s", where, o->name,
                         i && o->type != TYPE_LIST ? "expected one value" : why);
    return 0;
}

static int resolve_one(const struct cli_verb *verb, const struct cli_verb_opt *vo, struct value *v)
{
    const struct cli_opt *o = &cli_opts[vo->id];
    const char *env = getenv(o->env);
    int rc = put(v, o, &vo->def, vo->def != NULL, FROM_DEFAULT, "built in");
    for (unsigned i = 0; i < file_count && rc == 0; i++) {
        const struct setting *s = lookup(&files[i], verb, o->name);
        if (s)
            rc = put(v, o, s->list, s->n, files[i].layer, s->where);
    }
    if (rc == 0 && env && vo->id != OPT_HELP)
        rc = put(v, o, &env, 1, FROM_ENV, o->env);
    return rc;
}

int layers_resolve(struct cli *c, const struct cli_verb *verb, struct value out[OPT_COUNT])
{
    int rc = read_files();
    for (unsigned i = 0; i < verb->opt_count && rc == 0; i++) {
        int id = verb->opts[i].id;
        if (out[id].origin != FROM_FLAG)
            rc = resolve_one(verb, &verb->opts[i], &out[id]);
    }
    return rc;
}
