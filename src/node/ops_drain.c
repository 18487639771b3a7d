/* The operation "drain": this node hands over what it computes for others. */
#include "node/call.h"
#include "node/http_serve.h"
#include "node/pipeline.h"

enum { LOOK_MS = 20, TELL_MS = 500 };

static struct pxi_pipeline_work work_of(const struct pxi_call *c)
{
    struct pxi_pipeline_work w = {.sessions = 0};
    if (c->node->pipeline)
        w = pxi_pipeline_look(c->node->pipeline);
    w.answers += pxi_api_running_here(pxi_http_serve_api(c->node->http));
    return w;
}

static json_t *report(const struct pxi_call *c, struct pxi_pipeline_work w)
{
    return json_pack("{s:b, s:i, s:i, s:i, s:f}", "draining",
                     c->node->pipeline && pxi_pipeline_draining(c->node->pipeline), "sessions",
                     (int)w.sessions, "answers", (int)w.answers, "slices", (int)w.slices, "ms",
                     pxi_call_ms(c));
}

static void look(struct pxi_timer *t, uint64_t now_ns)
{
    struct pxi_call *c = PXI_OF(t, struct pxi_call, timer);
    struct pxi_pipeline_work w = work_of(c);
    json_t *out = report(c, w);
    json_object_set_new(out, "left", json_integer(w.sessions + w.answers));
    if (!(w.sessions + w.answers) || now_ns >= c->deadline_ns || !c->channel) {
        pxi_call_ok(c, out);
        return;
    }
    uint64_t since = (now_ns - c->started_ns) / PXI_MS;
    if (since / TELL_MS != (since - LOOK_MS) / TELL_MS)
        pxi_call_progress(c, out);
    else
        json_decref(out);
    pxi_timer_after(pxi_loop_timers(c->node->loop), t, LOOK_MS * PXI_MS);
}

/* Begin, and reply when nothing is left or after "timeout" ms; "left" tells which. "off": as
 * before. */
static void op_drain(struct pxi_call *c)
{
    bool off = pxi_call_true(c, "off");
    if (c->node->pipeline)
        pxi_pipeline_drain(c->node->pipeline, !off);
    if (off) {
        json_t *out = report(c, work_of(c));
        json_object_set_new(out, "left", json_integer(0));
        pxi_call_ok(c, out);
        return;
    }
    c->timer.fire = look;
    c->deadline_ns = c->started_ns + pxi_call_uint(c, "timeout", 30000) * PXI_MS;
    pxi_timer_after(pxi_loop_timers(c->node->loop), &c->timer, LOOK_MS * PXI_MS);
}

const struct pxi_op pxi_ops_drain[] = {
    {"drain", op_drain},
    {NULL, NULL},
};
