/* plexus tokenize MODEL [TEXT...] */
#include "session.h"

#include <stdlib.h>

static int show(struct session *s, const struct text *in, const struct ids *ids)
{
    if (opt_on(s->c, OPT_JSON)) {
        json_t *doc = doc_new(s->c);
        json_object_set_new(doc, "tokens", json_ids(ids->p, ids->n));
        json_object_set_new(doc, "count", json_u64(ids->n));
        json_object_set_new(doc, "bytes", json_u64(in->n));
        return doc_print(doc, 0);
    }
    for (size_t i = 0; i < ids->n; i++) {
        px_view v = px_tokenizer_text(s->tok, ids->p[i]);
        printf("%7d  ", ids->p[i]);
        put_safe(stdout, v.p, v.n, 0);
        fputc('\n', stdout);
    }
    return 0;
}

int verb_tokenize(struct cli *c)
{
    struct session s;
    struct text in = {0};
    struct ids ids = {0};
    unsigned flags = (opt_on(c, OPT_NO_BOS) ? 0u : PX_ENCODE_SPECIAL) |
                     (opt_on(c, OPT_NO_SPECIAL) ? 0u : PX_ENCODE_CONTROL);
    int rc = text_read(c, OPT_FILE, 1, "TEXT", &in);
    if (rc)
        return rc;
    rc = session_open_words(c, c->arg[0], &s);
    if (rc == 0)
        rc = session_encode(&s, px_view_of(in.p, in.n), flags, &ids);
    if (rc == 0)
        rc = show(&s, &in, &ids);
    session_close(&s);
    free(in.p);
    free(ids.p);
    return rc;
}
