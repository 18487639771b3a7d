/* plexus config list and plexus config get: the settings in effect and where they come from. */
#include "json.h"

#include <string.h>
#include <unistd.h>

/* "eval perplexity" and "ctx" make eval.perplexity.ctx. */
static void key_of(char out[128], const struct cli_verb *verb, const char *option)
{
    snprintf(out, 128, "%s.%s", verb->name, option);
    for (char *p = out; *p; p++)
        *p = *p == ' ' ? '.' : *p;
}

static json_t *value_json(const struct value *v, const struct cli_opt *o)
{
    if (o->type == TYPE_FLAG)
        return json_boolean(v->on);
    if (o->type == TYPE_LIST) {
        json_t *a = json_array();
        for (unsigned i = 0; i < v->n; i++)
            json_array_append_new(a, json_text(v->list[i]));
        return a;
    }
    if (!v->text)
        return json_null();
    if (o->type == TYPE_UINT)
        return json_u64(v->u);
    return o->type == TYPE_FLOAT ? json_number(v->f) : json_text(v->text);
}

static void put_value(const struct value *v, const struct cli_opt *o)
{
    if (o->type == TYPE_FLAG) {
        fputs(v->on ? "true" : "false", stdout);
        return;
    }
    for (unsigned i = 0; i < v->n; i++) {
        fputs(i ? ", \"" : "\"", stdout);
        put_safe(stdout, v->list[i], strlen(v->list[i]), 0);
        fputs("\"", stdout);
    }
    if (o->type != TYPE_LIST && v->text)
        put_safe(stdout, v->text, strlen(v->text), 0);
}

static void put_origin(const struct value *v)
{
    printf("  %s(%s%s", ink(2), origin_name(v->origin), v->origin == FROM_DEFAULT ? "" : ": ");
    if (v->origin != FROM_DEFAULT)
        put_safe(stdout, v->where, strlen(v->where), 0);
    printf(")%s", ink(0));
}

static json_t *setting_json(const char *key, const struct value *v, const struct cli_opt *o)
{
    json_t *row = json_object();
    json_object_set_new(row, "key", json_text(key));
    json_object_set_new(row, "value", value_json(v, o));
    json_object_set_new(row, "origin", json_text(origin_name(v->origin)));
    json_object_set_new(row, "where", json_text(v->where));
    return row;
}

static int list_verb(struct cli *c, const struct cli_verb *verb, json_t *rows)
{
    static struct value v[OPT_COUNT];
    memset(v, 0, sizeof v);
    int rc = layers_resolve(c, verb, v);
    for (unsigned i = 0; i < verb->opt_count && rc == 0; i++) {
        int id = verb->opts[i].id;
        const struct cli_opt *o = &cli_opts[id];
        char key[128];
        if (id == OPT_HELP)
            continue;
        key_of(key, verb, o->name);
        json_array_append_new(rows, setting_json(key, &v[id], o));
        if (opt_on(c, OPT_JSON))
            continue;
        printf("%s = ", key);
        put_value(&v[id], o);
        if (opt_on(c, OPT_ORIGIN))
            put_origin(&v[id]);
        fputc('\n', stdout);
    }
    return rc;
}

static json_t *files_json(void)
{
    json_t *files = json_array();
    for (enum origin layer = FROM_SYSTEM; layer <= FROM_USER; layer++) {
        const char *path = layers_path(layer);
        json_t *f = json_object();
        json_object_set_new(f, "path", json_text(path));
        json_object_set_new(f, "layer", json_text(origin_name(layer)));
        json_object_set_new(f, "present", json_boolean(path && access(path, R_OK) == 0));
        json_array_append_new(files, f);
    }
    return files;
}

int verb_config_list(struct cli *c)
{
    const char *want = text_join(c->arg, c->args);
    json_t *rows = json_array();
    int rc = 0, found = 0;
    size_t n = strlen(want);
    for (unsigned i = 0; i < cli_verb_count && rc == 0; i++) {
        const char *name = cli_verbs[i].name;
        if (n && (strncmp(name, want, n) != 0 || (name[n] && name[n] != ' ')))
            continue;
        found++;
        rc = list_verb(c, &cli_verbs[i], rows);
    }
    if (rc == 0 && !found)
        rc = usage("plexus help lists the verbs", "unknown verb '%s'", want);
    if (rc || !opt_on(c, OPT_JSON)) {
        json_decref(rows);
        return rc;
    }
    json_t *doc = doc_new(c);
    json_object_set_new(doc, "settings", rows);
    json_object_set_new(doc, "files", files_json());
    return doc_print(doc, 0);
}

static int show(struct cli *c, const char *key, const struct value *v, const struct cli_opt *o)
{
    if (!opt_on(c, OPT_JSON)) {
        put_value(v, o);
        if (opt_on(c, OPT_ORIGIN))
            put_origin(v);
        fputc('\n', stdout);
        return 0;
    }
    json_t *doc = doc_new(c), *row = setting_json(key, v, o);
    json_object_update(doc, row);
    json_decref(row);
    return doc_print(doc, 0);
}

int verb_config_get(struct cli *c)
{
    const char *want = c->arg[0];
    struct suggest near = {.want = want};
    static char best[128];
    for (unsigned i = 0; i < cli_verb_count; i++) {
        const struct cli_verb *verb = &cli_verbs[i];
        for (unsigned k = 0; k < verb->opt_count; k++) {
            int id = verb->opts[k].id;
            char key[128];
            key_of(key, verb, cli_opts[id].name);
            if (strcmp(key, want) == 0) {
                static struct value v[OPT_COUNT];
                int rc = layers_resolve(c, verb, v);
                return rc ? rc : show(c, key, &v[id], &cli_opts[id]);
            }
            suggest_try(&near, key);
            if (near.best == key) {
                memcpy(best, key, sizeof best);
                near.best = best;
            }
        }
    }
    char hint[200] = "plexus config list names the settings";
    if (near.best)
        snprintf(hint, sizeof hint, "did you mean %s?", near.best);
    return fail_text(PX_ERR_NOT_FOUND, want, hint, "no such setting");
}
