/* plexus explain [CODE] */
#include "json.h"

#include <stdlib.h>
#include <string.h>

static int matches(px_err e, const char *want)
{
    char *end;
    long number = strtol(want, &end, 10);
    const char *name = px_err_name(e);
    return strcasecmp(px_err_code(e), want) == 0 || strcasecmp(name, want) == 0 ||
           strcasecmp(name + strlen("PX_ERR_"), want) == 0 || (!*end && end != want && number == e);
}

static json_t *row(px_err e)
{
    json_t *o = json_object();
    json_object_set_new(o, "name", json_text(px_err_name(e)));
    json_object_set_new(o, "code", json_text(px_err_code(e)));
    json_object_set_new(o, "number", json_integer(e));
    json_object_set_new(o, "exit", json_integer(px_err_exit(e)));
    json_object_set_new(o, "retryable", json_boolean(px_err_retryable(e)));
    json_object_set_new(o, "text", json_text(px_err_text(e)));
    json_object_set_new(o, "hint", json_text(px_err_hint(e)));
    return o;
}

static void print_one(px_err e)
{
    printf("%s%s%s  %s, number %d\n", ink(1), px_err_code(e), ink(0), px_err_name(e), e);
    printf("  meaning    %s\n", px_err_text(e));
    if (*px_err_hint(e))
        printf("  what next  %s\n", px_err_hint(e));
    printf("  exit code  %d\n", px_err_exit(e));
    printf("  again      %s\n",
           px_err_retryable(e) ? "the same call may succeed later" : "the same call fails again");
}

static int unknown(const char *want)
{
    struct suggest s = {.want = want};
    int more;
    for (unsigned i = 0;; i++) {
        px_err e = px_err_at(i, &more);
        if (!more)
            break;
        suggest_try(&s, px_err_code(e));
        suggest_try(&s, px_err_name(e));
    }
    char hint[128] = "plexus explain lists all codes";
    if (s.best)
        snprintf(hint, sizeof hint, "did you mean %s?", s.best);
    return fail_text(PX_ERR_NOT_FOUND, want, hint, "no such error");
}

int verb_explain(struct cli *c)
{
    const char *want = c->args ? c->arg[0] : NULL;
    json_t *rows = json_array();
    int more, found = 0;
    for (unsigned i = 0;; i++) {
        px_err e = px_err_at(i, &more);
        if (!more)
            break;
        if (want ? !matches(e, want) : e == PX_ERR_OK)
            continue;
        found++;
        if (opt_on(c, OPT_JSON))
            json_array_append_new(rows, row(e));
        else if (want)
            print_one(e);
        else
            printf("%s%s%s  %-3d %s\n", ink(1), px_err_code(e), ink(0), px_err_exit(e),
                   px_err_text(e));
    }
    if (!found || !opt_on(c, OPT_JSON)) {
        json_decref(rows);
        return found ? 0 : unknown(want);
    }
    json_t *doc = doc_new(c);
    json_object_set_new(doc, "errors", rows);
    return doc_print(doc, 0);
}
