/* The public interface of the node in a build without the network: everything says so. */
#include "base/diag.h"
#include "plexus/agg.h"
#include "plexus/hub.h"
#include "plexus/node.h"
#include "plexus/poison.h"
#include "plexus/reduce.h"
#include "plexus/store.h"
#include "plexus/swarm.h"
#include "plexus/topology.h"

px_err px_node_open(const px_node_options *o, px_node **out, px_diag *diag)
{
    *out = NULL;
    pxi_diag_field(diag, "node");
    return pxi_diag_set(diag, PX_ERR_UNSUPPORTED, 0, "a build with the network", "-Dnet=false");
}

void px_node_close(px_node *n) {}
char *px_node_ready(px_node *n)
{
    return NULL;
}
px_err px_node_speak(px_node *n, int in, int out)
{
    return PX_ERR_UNSUPPORTED;
}
px_err px_node_do(px_node *n, const char *command, void (*reply)(void *ctx, const char *text),
                  void *ctx)
{
    return PX_ERR_UNSUPPORTED;
}
px_err px_node_serve_swarm(px_node *n, const px_model *m, const char *name, px_diag *diag)
{
    return PX_ERR_UNSUPPORTED;
}
px_err px_node_serve(px_node *n, const px_model *m, const char *name,
                     const px_context_options *context, uint64_t file_bytes, px_diag *diag)
{
    return PX_ERR_UNSUPPORTED;
}
const char *px_node_http(const px_node *n)
{
    return NULL;
}
void px_node_run(px_node *n) {}
void px_node_stop(px_node *n) {}

px_err px_control_ask(const char *path, const char *command, uint64_t timeout_ms, char **reply)
{
    *reply = NULL;
    return PX_ERR_UNSUPPORTED;
}

px_err px_control_open(const char *path, const char *command, px_control **out)
{
    *out = NULL;
    return PX_ERR_UNSUPPORTED;
}
px_err px_control_say(px_control *c, const char *command)
{
    return PX_ERR_UNSUPPORTED;
}
px_err px_control_next(px_control *c, uint64_t timeout_ms, char **line)
{
    *line = NULL;
    return PX_ERR_UNSUPPORTED;
}
void px_control_close(px_control *c) {}

void px_node_text_free(char *text) {}

px_err px_store_do(const px_store_options *o, const char *command,
                   void (*reply)(void *ctx, const char *text), void *ctx)
{
    return PX_ERR_UNSUPPORTED;
}
px_err px_store_model_path(const char *root, const char *model, char **path)
{
    *path = NULL;
    return PX_ERR_UNSUPPORTED;
}

px_err px_store_words_path(const char *root, const char *model, char **path)
{
    *path = NULL;
    return PX_ERR_UNSUPPORTED;
}

px_err px_invite_read(const char *text, size_t n, px_invite *out, px_diag *diag)
{
    return PX_ERR_UNSUPPORTED;
}
px_err px_swarm_key_read(const char *path, unsigned char key[32], px_diag *diag)
{
    return PX_ERR_UNSUPPORTED;
}
px_err px_swarm_key_write(const char *path, const unsigned char *key, px_diag *diag)
{
    return PX_ERR_UNSUPPORTED;
}
void px_swarm_name(const unsigned char key[32], char out[17])
{
    out[0] = 0;
}

px_err px_reduce_open(const px_reduce_options *o, px_reduce **out, px_diag *diag)
{
    *out = NULL;
    pxi_diag_field(diag, "reduce");
    return pxi_diag_set(diag, PX_ERR_UNSUPPORTED, 0, "a build with the network", "-Dnet=false");
}

void px_reduce_close(px_reduce *r) {}

px_err px_reduce_sum(px_reduce *r, float *x, float *residual, size_t n, int mean,
                     px_reduce_report *report)
{
    return PX_ERR_UNSUPPORTED;
}

px_err px_reduce_sum_bf16(px_reduce *r, uint16_t *x, float *residual, size_t n, int mean,
                          px_reduce_report *report)
{
    return PX_ERR_UNSUPPORTED;
}

px_err px_hub_open(const px_hub_options *o, px_hub **out, px_diag *diag)
{
    *out = NULL;
    pxi_diag_field(diag, "hub");
    return pxi_diag_set(diag, PX_ERR_UNSUPPORTED, 0, "a build with the network", "-Dnet=false");
}

void px_hub_close(px_hub *h) {}
void px_hub_look(px_hub *h, px_hub_report *out) {}
const char *px_hub_rule(unsigned i)
{
    return NULL;
}

px_err px_topology_plan_job(const px_topology_job *job, px_topology_plan *out)
{
    return PX_ERR_UNSUPPORTED;
}

px_err px_topology_look(const char *address, uint64_t *line, unsigned *packet_ns)
{
    return PX_ERR_UNSUPPORTED;
}

px_err px_poison_live(const px_poison_live_options *o, const px_poison_data *d,
                      px_poison_look *last, px_diag *diag)
{
    pxi_diag_field(diag, "training");
    return pxi_diag_set(diag, PX_ERR_UNSUPPORTED, 0, "a build with the network", "-Dnet=false");
}
px_err px_agg_serve(const px_agg_options *o, const char *path,
                    void (*ready)(void *ctx, const char *json), void *ctx, const volatile int *stop,
                    px_diag *diag)
{
    pxi_diag_field(diag, "agg");
    return pxi_diag_set(diag, PX_ERR_UNSUPPORTED, 0, "a build with the network", "-Dnet=false");
}
px_err px_agg_sweep(const char *device, unsigned *swept, px_diag *diag)
{
    *swept = 0;
    pxi_diag_field(diag, "agg");
    return pxi_diag_set(diag, PX_ERR_UNSUPPORTED, 0, "a build with the network", "-Dnet=false");
}
px_err px_agg_verify(uint64_t packets, uint64_t seed, const char *sentry, const char *helper,
                     px_agg_report *out, px_diag *diag)
{
    pxi_diag_field(diag, "agg");
    return pxi_diag_set(diag, PX_ERR_UNSUPPORTED, 0, "a build with the network", "-Dnet=false");
}
