/* The simulator of a build without the network: there is none. */
#include <stddef.h>

#include "plexus/sim.h"

const char *px_sim_name(unsigned i)
{
    return NULL;
}
px_err px_sim_run(const px_sim_options *o, px_sim_progress *progress, void *ctx,
                  px_sim_result **out)
{
    *out = NULL;
    return PX_ERR_UNSUPPORTED;
}
void px_sim_free(px_sim_result *r) {}
int px_sim_ok(const px_sim_result *r)
{
    return 0;
}
const char *px_sim_digest(const px_sim_result *r)
{
    return "";
}
const px_sim_figure *px_sim_figure_at(const px_sim_result *r, unsigned i)
{
    return NULL;
}
const px_sim_attack *px_sim_attack_at(const px_sim_result *r, unsigned i)
{
    return NULL;
}
const char *px_sim_failure_at(const px_sim_result *r, unsigned i)
{
    return NULL;
}
