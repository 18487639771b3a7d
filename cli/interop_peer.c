/* plexus interop-peer: a node that speaks lines of JSON on standard input and output. */
#include "json.h"

#include <unistd.h>

#include "node.h"

int verb_interop_peer(struct cli *c)
{
    px_node *n = NULL;
    px_diag d = {0};
    px_node_options o = node_options(c);
    o.interop = 1;
    o.dht_protocol = opt_text(c, OPT_DHT_PROTOCOL);
    files_raise();
    px_err err = px_node_open(&o, &n, &d);
    if (err == PX_ERR_OK)
        err = px_node_speak(n, STDIN_FILENO, STDOUT_FILENO);
    if (err != PX_ERR_OK) {
        px_node_close(n);
        return fail(err, NULL, &d);
    }
    char *ready = px_node_ready(n);
    node_ready(c, ready);
    px_node_text_free(ready);
    px_node_run(n);
    px_node_close(n);
    return 0;
}
