/* plexus limits [NAME] */
#include "json.h"

#include <string.h>

static json_t *row(const px_limit *l)
{
    json_t *o = json_object();
    json_object_set_new(o, "name", json_text(l->name));
    json_object_set_new(o, "value", json_u64(l->value));
    json_object_set_new(o, "unit", json_text(l->unit));
    json_object_set_new(o, "stops", json_text(l->stops));
    return o;
}

static int unknown(const char *want)
{
    struct suggest s = {.want = want};
    for (unsigned i = 0; px_limit_at(i); i++)
        suggest_try(&s, px_limit_at(i)->name);
    char hint[160] = "plexus limits lists all";
    if (s.best)
        snprintf(hint, sizeof hint, "did you mean %s?", s.best);
    return fail_text(PX_ERR_NOT_FOUND, want, hint, "no such limit");
}

int verb_limits(struct cli *c)
{
    const char *want = c->args ? c->arg[0] : "";
    json_t *rows = json_array();
    const px_limit *l;
    int found = 0;
    for (unsigned i = 0; (l = px_limit_at(i)); i++) {
        if (strncmp(l->name, want, strlen(want)) != 0)
            continue;
        found++;
        if (opt_on(c, OPT_JSON))
            json_array_append_new(rows, row(l));
        else
            printf("%-28s %12llu %-12s %s%s%s\n", l->name, (unsigned long long)l->value, l->unit,
                   ink(2), l->stops, ink(0));
    }
    if (!found || !opt_on(c, OPT_JSON)) {
        json_decref(rows);
        return found ? 0 : unknown(want);
    }
    json_t *doc = doc_new(c);
    json_object_set_new(doc, "limits", rows);
    return doc_print(doc, 0);
}
