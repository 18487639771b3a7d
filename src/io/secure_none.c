/* A build without libssl: no TLS for clients. */
#include "io/secure.h"

struct pxi_secure *pxi_secure_new(int fd, const char *host)
{
    (void)fd, (void)host;
    return NULL;
}

void pxi_secure_free(struct pxi_secure *s)
{
    (void)s;
}

ssize_t pxi_secure_shake(struct pxi_secure *s, short *events)
{
    (void)s, (void)events;
    return PXI_SECURE_FAILED;
}

ssize_t pxi_secure_read(struct pxi_secure *s, void *p, size_t n, short *events)
{
    (void)s, (void)p, (void)n, (void)events;
    return PXI_SECURE_FAILED;
}

ssize_t pxi_secure_write(struct pxi_secure *s, const void *p, size_t n, short *events)
{
    (void)s, (void)p, (void)n, (void)events;
    return PXI_SECURE_FAILED;
}

const char *pxi_secure_why(const struct pxi_secure *s)
{
    (void)s;
    return "this build has no libssl";
}
