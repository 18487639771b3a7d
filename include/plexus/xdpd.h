/*
 * The helper that attaches the kernel's aggregator for processes without rights
 * (docs/internals/reduce.md). It has CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON and nothing else, reads
 * requests of one size from a local socket, and parses no packet.
 */
#ifndef PLEXUS_XDPD_H
#define PLEXUS_XDPD_H

#include "plexus/err.h"

PX_BEGIN_DECLS

typedef struct px_xdpd_options {
    size_t size;                /* sizeof(px_xdpd_options) */
    const char *socket;         /* made with mode 0660; NULL: /run/plexus/xdpd.sock */
    int activated;              /* take descriptor 3 of the service manager instead, when there */
    const char *group;          /* whose members may ask, besides our own uid; NULL: nobody */
    const char *user;           /* whom to become; NULL: whoever we are */
    const char *const *devices; /* that may be attached to; none: all */
    unsigned device_count;
} px_xdpd_options;

/*
 * Serve until *stop is not 0; a signal that sets it ends the wait. ready hears once that the socket
 * listens. PX_ERR_PERMISSION: the rights are missing, or another helper has the socket;
 * PX_ERR_NOT_FOUND: no such user or group; PX_ERR_UNSUPPORTED: a build without BPF.
 */
PX_API PX_NODISCARD px_err px_xdpd_serve(const px_xdpd_options *o, void (*ready)(void *ctx),
                                         void *ctx, const volatile int *stop, px_diag *diag);

PX_END_DECLS

#endif
