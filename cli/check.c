/* plexus check --format F FILE */
#include "json.h"

#include <stdlib.h>
#include <string.h>

enum { INVALID_DATA = 7 }; /* exit code of a file that is not valid, for whatever reason */

static int known(const char *format)
{
    for (unsigned i = 0; px_check_format(i); i++)
        if (strcmp(px_check_format(i), format) == 0)
            return 1;
    return 0;
}

static int unknown(const char *format)
{
    struct suggest s = {.want = format};
    for (unsigned i = 0; px_check_format(i); i++)
        suggest_try(&s, px_check_format(i));
    char hint[128] = "plexus check --list names them";
    if (s.best)
        snprintf(hint, sizeof hint, "did you mean %s?", s.best);
    return usage(hint, "unknown format '%s'", format);
}

static int list(struct cli *c)
{
    json_t *names = json_array();
    for (unsigned i = 0; px_check_format(i); i++) {
        json_array_append_new(names, json_text(px_check_format(i)));
        if (!opt_on(c, OPT_JSON))
            printf("%s\n", px_check_format(i));
    }
    if (!opt_on(c, OPT_JSON)) {
        json_decref(names);
        return 0;
    }
    json_t *doc = doc_new(c);
    json_object_set_new(doc, "formats", names);
    return doc_print(doc, 0);
}

static int report(struct cli *c, const char *format, const char *path, px_view bytes, px_err e,
                  const px_diag *d)
{
    int rc = e == PX_ERR_OK ? 0 : e == PX_ERR_NOMEM ? px_err_exit(e) : INVALID_DATA;
    if (e)
        fail(e, path, d);
    if (!opt_on(c, OPT_JSON))
        return rc;
    json_t *doc = doc_new(c);
    json_object_set_new(doc, "valid", json_boolean(e == PX_ERR_OK));
    json_object_set_new(doc, "format", json_text(format));
    json_object_set_new(doc, "bytes", json_u64(bytes.n));
    json_object_set_new(doc, "error", error_json(e, d));
    return doc_print(doc, rc);
}

int verb_check(struct cli *c)
{
    const char *format = opt_text(c, OPT_FORMAT), *path = c->args ? c->arg[0] : NULL;
    px_file *f = NULL;
    px_diag d = {0};
    struct text in = {0};
    if (opt_on(c, OPT_LIST))
        return list(c);
    if (!format || !path)
        return usage(c->verb->usage, "%s is missing", format ? "FILE" : "--format");
    if (!known(format))
        return unknown(format);
    px_view bytes = {0};
    px_err e = PX_ERR_OK;
    if (strcmp(path, "-") == 0) {
        int rc = text_read_file(path, &in);
        if (rc)
            return rc;
        bytes = px_view_of(in.p, in.n);
    } else if ((e = px_file_open(path, &f, &d)) == PX_ERR_OK)
        bytes = px_file_bytes(f);
    else if (e != PX_ERR_TRUNCATED) /* an empty file is for the format to judge */
        return fail(e, path, &d);
    d = (px_diag){0};
    e = px_check(format, bytes, &d);
    if (f && px_file_changed(f))
        e = PX_ERR_CHANGED;
    int rc = report(c, format, path, bytes, e, &d);
    px_file_close(f);
    free(in.p);
    return rc;
}
