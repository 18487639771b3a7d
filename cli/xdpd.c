/* plexus xdpd: the helper that attaches XDP programs for processes without rights. */
#include "cli.h"

#include <signal.h>

#include "plexus/xdpd.h"

static volatile int stopped;

static void on_stop(int sig)
{
    (void)sig;
    stopped = 1;
}

static void on_ready(void *ctx)
{
    (void)ctx;
    fprintf(stderr, "xdpd: listens\n");
}

int verb_xdpd(struct cli *c)
{
    px_diag diag = {0};
    struct sigaction act = {.sa_handler = on_stop};
    px_xdpd_options o = {.size = sizeof o,
                         .socket = opt_text(c, OPT_AGG_HELPER),
                         .activated = 1,
                         .group = opt_text(c, OPT_XDPD_GROUP),
                         .user = opt_text(c, OPT_XDPD_USER),
                         .devices = c->v[OPT_XDPD_DEVICE].list,
                         .device_count = c->v[OPT_XDPD_DEVICE].n};
    sigaction(SIGTERM, &act, NULL);
    sigaction(SIGINT, &act, NULL);
    px_err err = px_xdpd_serve(&o, on_ready, NULL, &stopped, &diag);
    return err ? fail(err, "xdpd", &diag) : 0;
}
