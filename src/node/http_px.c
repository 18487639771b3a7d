/* Our own routes: reports of the node, and events for those who watch. */
#include <stdio.h>
#include <string.h>

#include "node/call.h"
#include "node/http_impl.h"
#include "plexus/version.h"

#define BEAT_NS (15 * PXI_SECOND)

/* ---------------------------------------------------------------------------- reports */

static json_t *generators(const struct pxi_api *a)
{
    json_t *list = json_array();
    for (unsigned i = 0; i < a->model_count; i++) {
        const struct pxi_generator_info *g = a->models[i]->info(a->models[i]);
        struct pxi_generator_stats s = a->models[i]->stats(a->models[i]);
        json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:i, s:i, s:i, s:i, s:i, s:i}",
                                              "name", g->name, "arch", g->model->arch, "backend",
                                              g->backend, "context", (int)g->positions, "running",
                                              (int)s.running, "waiting", (int)s.waiting, "slots",
                                              (int)s.slots, "positions_used", (int)s.positions_used,
                                              "positions", (int)s.positions_all));
    }
    return list;
}

static json_t *known(struct pxi_ask *q, const char *what)
{
    const struct pxi_api_source *s = &q->api->o.source;
    json_t *doc = s->report ? s->report(s->ctx, what) : NULL;
    return doc ? doc : json_object();
}

void pxi_px_report(struct pxi_ask *q)
{
    static const char *const whats[] = {"status", "peers", "topology", "plan"};
    const size_t skip = sizeof "/px/v1/" - 1;
    const char *what = whats[0];
    for (size_t i = 0; i < sizeof whats / sizeof *whats; i++)
        if (q->r->path.n == skip + strlen(whats[i]) &&
            memcmp(q->r->path.p + skip, whats[i], strlen(whats[i])) == 0)
            what = whats[i];
    json_t *doc = known(q, what);
    char schema[40];
    snprintf(schema, sizeof schema, "plexus.%s/1", what);
    json_object_set_new(doc, "schema", json_string(schema));
    if (strcmp(what, "status") == 0) {
        json_object_set_new(doc, "version", json_string(px_version()));
        json_object_set_new(doc, "models", generators(q->api));
        json_object_set_new(doc, "watchers", json_integer(q->api->watcher_count));
    } else if (strcmp(what, "peers") == 0 && !json_object_get(doc, "peers"))
        json_object_set_new(doc, "peers", json_array());
    else if (strcmp(what, "topology") == 0) {
        if (!json_object_get(doc, "nodes"))
            json_object_set_new(doc, "nodes", json_array());
        if (!json_object_get(doc, "links"))
            json_object_set_new(doc, "links", json_array());
    } else if (!json_object_get(doc, "stages") && strcmp(what, "plan") == 0)
        json_object_set_new(doc, "stages", json_array());
    pxi_reply_json(q, 200, doc);
}

/* ----------------------------------------------------------------------------- events */

struct watcher {
    struct pxi_list link;
    struct pxi_api *api;
    struct pxi_http_exchange *x;
};

static void forget(struct watcher *w)
{
    pxi_list_remove(&w->link);
    w->api->watcher_count--;
    if (!w->api->watcher_count)
        pxi_timer_disarm(w->api->o.timers, &w->api->beat);
    pxi_free(w);
}

static void on_closed(struct pxi_http_exchange *x)
{
    forget(x->user);
}

/* To every watcher; those who do not read are dropped. */
static void tell_all(struct pxi_api *a, px_view text)
{
    for (struct pxi_list *l = a->watchers.next, *next; l != &a->watchers; l = next) {
        struct watcher *w = PXI_OF(l, struct watcher, link);
        next = l->next;
        if (pxi_stream_piece(w->x, text))
            continue;
        a->counts.watchers_dropped++;
        pxi_stream_drop(w->x);
        forget(w);
    }
}

void pxi_watchers_beat(struct pxi_timer *t, uint64_t now_ns)
{
    struct pxi_api *a = PXI_OF(t, struct pxi_api, beat);
    tell_all(a, px_view_str(": still here\n\n"));
    if (a->watcher_count)
        pxi_timer_arm(a->o.timers, t, now_ns + BEAT_NS);
}

void pxi_watchers_drop(struct pxi_api *a)
{
    while (!pxi_list_empty(&a->watchers)) {
        struct watcher *w = PXI_OF(a->watchers.next, struct watcher, link);
        pxi_stream_drop(w->x);
        forget(w);
    }
}

void pxi_api_event(struct pxi_api *a, const char *type, json_t *data)
{
    char *text = data ? pxi_json_dump(data) : NULL;
    json_decref(data);
    size_t cap = text ? strlen(text) + 128 : 0;
    char *event = text ? pxi_calloc(1, cap) : NULL;
    if (event) {
        struct pxi_api_past *p = &a->past[++a->events % PXI_LIMIT_HTTP_EVENTS];
        pxi_free(p->text);
        p->id = a->events;
        p->n = (size_t)snprintf(event, cap, "id: %llu\nevent: %s\ndata: %s\n\n",
                                (unsigned long long)a->events, type, text);
        p->text = event;
        a->counts.sse_events++;
        tell_all(a, px_view_of(event, p->n));
    }
    pxi_free(text);
}

/* The number of the last event that the client has; UINT64_MAX when it says none. */
static uint64_t last_seen(px_view id)
{
    uint64_t n = 0;
    for (size_t i = 0; i < id.n; i++) {
        if (id.p[i] < '0' || id.p[i] > '9' || n > UINT64_MAX / 100)
            return UINT64_MAX;
        n = n * 10 + (id.p[i] - '0');
    }
    return id.n ? n : UINT64_MAX;
}

static bool tell_past(struct pxi_api *a, struct pxi_http_exchange *x, uint64_t after)
{
    bool ok = true;
    uint64_t first = a->events >= PXI_LIMIT_HTTP_EVENTS ? a->events - PXI_LIMIT_HTTP_EVENTS + 1 : 1;
    for (uint64_t id = first; ok && id <= a->events; id++) {
        const struct pxi_api_past *p = &a->past[id % PXI_LIMIT_HTTP_EVENTS];
        if (p->id == id && id > after)
            ok = pxi_stream_piece(x, px_view_of(p->text, p->n));
    }
    return ok;
}

void pxi_px_events(struct pxi_ask *q)
{
    struct pxi_api *a = q->api;
    if (q->x->head) {
        pxi_reply(q, 200, "text/event-stream", px_view_str(""));
        return;
    }
    if (a->watcher_count >= PXI_LIMIT_HTTP_WATCHERS) {
        pxi_reply_error(q, 503, NULL, NULL, "too many watchers");
        return;
    }
    struct watcher *w = pxi_calloc(1, sizeof *w);
    if (!w) {
        pxi_reply_error(q, 503, NULL, NULL, "out of memory");
        return;
    }
    w->api = a;
    w->x = q->x;
    a->counts.requests[2]++;
    uint64_t after = last_seen(q->r->last_event_id);
    if (!pxi_stream_begin(q->x, "text/event-stream") ||
        !pxi_stream_piece(q->x, px_view_str("retry: 1000\n: watching\n\n")) ||
        !tell_past(a, q->x, after)) {
        pxi_stream_drop(q->x);
        pxi_free(w);
        return;
    }
    q->x->user = w;
    q->x->closed = on_closed;
    pxi_list_add(&a->watchers, &w->link);
    if (!a->watcher_count++)
        pxi_timer_after(a->o.timers, &a->beat, BEAT_NS);
}
