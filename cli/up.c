/* plexus up: a node in the foreground. */
#include "home.h"
#include "serve.h"

#include <string.h>

static void show_ready(const char *ready)
{
    json_t *doc = json_loads(ready ? ready : "{}", 0, NULL), *a;
    size_t i;
    const char *swarm = json_string_value(json_object_get(doc, "swarm"));
    printf("peer %s\n", json_string_value(json_object_get(doc, "peer")));
    if (swarm)
        printf("in the private swarm %s; plexus invite lets others in\n", swarm);
    json_array_foreach(json_object_get(doc, "addrs"), i, a)
        printf("listening at %s\n", json_string_value(a));
    json_decref(doc);
}

static void show(const struct cli *c, px_node *n, const px_node_options *o)
{
    char *ready = px_node_ready(n);
    if (opt_on(c, OPT_JSON) || opt_on(c, OPT_JSON_LINES))
        node_ready(c, ready);
    else {
        show_ready(ready);
        api_show(c, n, o);
        printf("ready; Ctrl-C ends it\n");
        fflush(stdout);
    }
    px_node_text_free(ready);
    show_notes(c, n);
}

/* The swarm of this home, unless --psk names another one: its key, whom to dial, and the port that
 * invites name. 0 or an exit code. */
static int enter_swarm(const struct cli *c, px_node_options *o)
{
    px_diag d = {0};
    unsigned n;
    if (o->psk_file && opt_on(c, OPT_PRIVATE))
        return usage("leave one of them away", "--psk names a swarm, --private makes one");
    if (o->psk_file)
        return 0;
    if (opt_on(c, OPT_PRIVATE) && !home_in_swarm()) {
        px_err err = home_key() ? px_swarm_key_write(home_key(), NULL, &d) : PX_ERR_IO;
        if (err != PX_ERR_OK)
            return fail(err, home_key(), &d);
    }
    if (!home_in_swarm())
        return 0;
    o->psk_file = home_key();
    const char **kept = home_read_peers(&n);
    const char **all = keep(calloc(n + o->bootstrap_count + 1, sizeof *all));
    for (unsigned i = 0; i < o->bootstrap_count; i++)
        all[i] = o->bootstrap[i];
    memcpy(all + o->bootstrap_count, kept, n * sizeof *all);
    o->bootstrap = all;
    o->bootstrap_count += n;
    o->port_wish = (uint16_t)home_read_port();
    return 0;
}

int verb_up(struct cli *c)
{
    px_node *n = NULL;
    px_model *m = NULL;
    px_diag d = {0};
    px_node_options o = node_options(c);
    o.mdns = !opt_on(c, OPT_NO_MDNS);
    o.dht_protocol = opt_text(c, OPT_DHT_PROTOCOL);
    o.lan = !o.listen_count;
    o.public_ = opt_on(c, OPT_PUBLIC);
    o.port = (uint16_t)opt_uint(c, OPT_PORT);
    o.portmap = opt_on(c, OPT_PORTMAP);
    o.slow_ms = (uint32_t)opt_uint(c, OPT_SLOW_MS);
    o.heartbeat = 1;
    o.serve = 1;
    o.activated = 1;
    o.control = node_socket();
    api_options(c, &o);
    if (opt_text(c, OPT_MODEL) && !o.http)
        return usage("leave --api off away", "--model is answered for over the HTTP API");
    static char *key, *store; /* kept to the end */
    o.store = store = data_path("store");
    o.store_quota = opt_uint(c, OPT_STORE_QUOTA);
    o.store_sha256 = opt_on(c, OPT_SHA256);
    if (!o.key_file)
        o.key_file = key = state_path("identity.key");
    int rc = enter_swarm(c, &o);
    if (rc)
        return rc;
    files_raise();
    px_err err = px_node_open(&o, &n, &d);
    if (err != PX_ERR_OK)
        return fail(err, NULL, &d);
    rc = opt_text(c, OPT_MODEL) ? api_serve(c, n, opt_text(c, OPT_MODEL), &m) : 0;
    if (rc == 0) {
        signals_catch(n);
        show(c, n, &o);
        px_node_run(n);
        signals_ignore();
    }
    px_node_close(n);
    px_model_close(m);
    return rc;
}
