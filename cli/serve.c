/* plexus serve MODEL: the HTTP API of one model, without a swarm. */
#include "serve.h"

#include <stdlib.h>

static void show_ready(const struct cli *c, const px_node *n, const px_node_options *o)
{
    if (opt_on(c, OPT_JSON) || opt_on(c, OPT_JSON_LINES)) {
        json_t *doc = doc_new(c);
        json_object_set_new(doc, "event", json_text("ready"));
        json_object_set_new(doc, "http", json_text(px_node_http(n)));
        json_object_set_new(doc, "model", json_text(c->arg[0]));
        line_print(doc);
        fflush(stdout);
        return;
    }
    api_show(c, n, o);
    printf("ready; Ctrl-C ends it\n");
    fflush(stdout);
}

int verb_serve(struct cli *c)
{
    px_node *n = NULL;
    px_model *m = NULL;
    px_diag d = {0};
    px_node_options o = {.size = sizeof o};
    api_options(c, &o);
    if (!o.http)
        return usage("plexus serve needs an address", "--api off");
    files_raise();
    px_err err = px_node_open(&o, &n, &d);
    if (err != PX_ERR_OK)
        return fail(err, NULL, &d);
    int rc = api_serve(c, n, c->arg[0], &m);
    if (rc == 0) {
        signals_catch(n);
        show_notes(c, n);
        show_ready(c, n, &o);
        px_node_run(n);
        signals_ignore();
    }
    px_node_close(n);
    px_model_close(m);
    return rc;
}
