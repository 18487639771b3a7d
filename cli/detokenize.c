/* plexus detokenize MODEL --tokens IDS */
#include "session.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int read_ids(const char *text, struct ids *out)
{
    const char *between = ", \t\r\n[]";
    for (const char *p = text + strspn(text, between); *p; p += strspn(p, between)) {
        char *end;
        errno = 0;
        long v = strtol(p, &end, 10);
        if (end == p || errno || v < 0 || v > INT32_MAX)
            return usage("write --tokens 1,2,3", "--tokens: '%.20s' is no token id", p);
        ids_add(out, (int32_t)v);
        p = end;
    }
    return 0;
}

static int show(struct session *s, const struct ids *ids)
{
    size_t n = 0, cap = ids->n * 16 + 64;
    char *out = must(malloc(cap));
    px_err e = px_detokenize(s->tok, ids->p, ids->n, 1, out, cap, &n);
    if (e == PX_ERR_OK && n > cap) {
        cap = n;
        out = must(realloc(out, cap));
        e = px_detokenize(s->tok, ids->p, ids->n, 1, out, cap, &n);
    }
    if (e)
        return session_fail(s, e);
    if (opt_on(s->c, OPT_JSON)) {
        json_t *doc = doc_new(s->c);
        json_object_set_new(doc, "text", json_bytes(out, n));
        json_object_set_new(doc, "bytes", json_u64(n));
        doc_print(doc, 0);
    } else
        put_text(out, n);
    free(out);
    return 0;
}

int verb_detokenize(struct cli *c)
{
    struct session s;
    struct text in = {0};
    struct ids ids = {0};
    const char *text = opt_text(c, OPT_TOKENS);
    int rc = 0;
    if (!text || strcmp(text, "-") == 0) {
        rc = text_read(c, -1, 1, "--tokens", &in);
        text = in.p;
    }
    if (rc == 0)
        rc = read_ids(text, &ids);
    if (rc == 0) {
        rc = session_open_words(c, c->arg[0], &s);
        if (rc == 0)
            rc = show(&s, &ids);
        session_close(&s);
    }
    free(ids.p);
    free(in.p);
    return rc;
}
