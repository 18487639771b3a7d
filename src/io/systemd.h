/*
 * What a service manager tells and wants to hear (sd_listen_fds and sd_notify protocols of
 * systemd): sockets that were opened before the program began, and that it is ready. Without a
 * manager nothing happens.
 */
#ifndef PXI_IO_SYSTEMD_H
#define PXI_IO_SYSTEMD_H

#include <stdbool.h>

enum pxi_activated_kind {
    PXI_ACTIVATED_NONE,
    PXI_ACTIVATED_TCP,
    PXI_ACTIVATED_UDP,
    PXI_ACTIVATED_LOCAL
};

/* The i-th descriptor that the manager passed to this process and its kind (listening TCP, UDP,
 * or a listening local stream socket; others are NONE); -1 past the end. Set non-blocking and
 * close-on-exec. */
int pxi_activated(unsigned i, enum pxi_activated_kind *kind);

/* Tell the manager: "READY=1", "STOPPING=1". */
void pxi_notify(const char *state);

#endif
