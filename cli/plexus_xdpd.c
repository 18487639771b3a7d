/*
 * plexus-xdpd: the helper as a program of its own, so that its rights are not those of plexus.
 *
 *     plexus-xdpd [--socket PATH] [--group NAME] [--user NAME] [--device IFACE]...
 */
#include <getopt.h>
#include <signal.h>
#include <stdio.h>

#include "plexus/xdpd.h"

enum { DEVICES = 64 };

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

int main(int argc, char **argv)
{
    static const struct option names[] = {{"socket", 1, NULL, 's'},
                                          {"group", 1, NULL, 'g'},
                                          {"user", 1, NULL, 'u'},
                                          {"device", 1, NULL, 'd'},
                                          {0}};
    const char *devices[DEVICES];
    px_xdpd_options o = {.size = sizeof o, .activated = 1, .devices = devices};
    px_diag diag = {0};
    struct sigaction act = {.sa_handler = on_stop};
    for (int c; (c = getopt_long(argc, argv, "", names, NULL)) != -1;)
        switch (c) {
        case 's': o.socket = optarg; break;
        case 'g': o.group = optarg; break;
        case 'u': o.user = optarg; break;
        case 'd':
            if (o.device_count < DEVICES)
                devices[o.device_count++] = optarg;
            break;
        default: return 2;
        }
    if (optind < argc) {
        fprintf(stderr, "plexus-xdpd: no arguments are expected: man plexus-xdpd\n");
        return 2;
    }
    sigaction(SIGTERM, &act, NULL);
    sigaction(SIGINT, &act, NULL);
    px_err err = px_xdpd_serve(&o, on_ready, NULL, &stopped, &diag);
    if (err)
        fprintf(stderr, "plexus-xdpd: %s: expected %s, found %s\n", diag.field, diag.expected,
                diag.found);
    return px_err_exit(err);
}
