/* A build without the header of libibverbs has no path through it. */
#include <stdio.h>

#include "io/path.h"

size_t pxi_path_verbs_room(unsigned n, size_t frame)
{
    (void)n, (void)frame;
    return 0;
}

px_err pxi_path_verbs_open(const struct pxi_path_options *o, struct pxi_path **out, char *why,
                           size_t cap)
{
    (void)o;
    *out = NULL;
    snprintf(why, cap, "this build has no verbs (libibverbs-dev)");
    return PX_ERR_UNSUPPORTED;
}
