/* plexus digest MODEL */
#include "session.h"

static json_t *document(const struct cli *c, const px_digest_options *o, const char *hex)
{
    json_t *doc = doc_new(c);
    json_object_set_new(doc, "digest", json_text(hex));
    json_object_set_new(doc, "cpu", json_text(o->cpu));
    json_object_set_new(doc, "threads", json_integer(o->threads));
    json_object_set_new(doc, "chunk", json_integer(o->chunk));
    json_object_set_new(doc, "beside", json_integer(o->beside));
    return doc;
}

int verb_digest(struct cli *c)
{
    struct session s;
    char hex[PX_DIGEST_HEX];
    px_diag d = {0};
    px_digest_options o = {
        .size = sizeof o,
        .threads = (uint32_t)opt_uint(c, OPT_THREADS),
        .chunk = (uint32_t)opt_uint(c, OPT_CHUNK),
        .beside = (uint32_t)opt_uint(c, OPT_BESIDE),
        .cpu = opt_text(c, OPT_CPU),
    };
    int rc = session_open(c, c->arg[0], &s);
    px_err e = rc ? PX_ERR_OK : px_model_digest(s.model, &o, hex, &d);
    if (e)
        rc = fail(e, s.path, &d);
    else if (rc == 0 && opt_on(c, OPT_JSON))
        doc_print(document(c, &o, hex), 0);
    else if (rc == 0)
        printf("%s\n", hex);
    session_close(&s);
    return rc;
}
