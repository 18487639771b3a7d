/*
 * Faults on purpose: datagrams that an interface receives are lost, doubled or damaged by a plan
 * that can be repeated. For tests and benchmarks; needs CAP_BPF and CAP_NET_ADMIN.
 */
#ifndef PLEXUS_FAULTS_H
#define PLEXUS_FAULTS_H

#include "plexus/err.h"

PX_BEGIN_DECLS

/* Parts of all UDP datagrams over IPv4, from 0 to 1. */
typedef struct px_faults {
    size_t size; /* sizeof(px_faults) */
    uint32_t seed;
    double lose, twice, flip; /* flip: one bit of the payload */
} px_faults;

/*
 * Put the plan at the entry of an interface of this network namespace; it stays until the
 * interface is gone or its clsact is removed. PX_ERR_UNSUPPORTED: a build without libbpf.
 * PX_ERR_PERMISSION, PX_ERR_NOT_FOUND (no such interface), PX_ERR_INVALID, PX_ERR_IO.
 */
PX_API PX_NODISCARD px_err px_faults_attach(const char *interface, const px_faults *f,
                                            px_diag *diag);

PX_END_DECLS

#endif
