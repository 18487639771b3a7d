/* Channels: who speaks to the node in lines. */
#include <unistd.h>

#include "base/diag.h"
#include "base/mem.h"
#include "node/call.h"

static void close_channel(struct pxi_channel *c)
{
    px_node *n = c->node;
    for (struct pxi_list *l = n->calls.next, *next; l != &n->calls; l = next) {
        struct pxi_call *call = PXI_OF(l, struct pxi_call, link);
        next = l->next;
        if (call->channel == c)
            call->channel = NULL;
        if (!call->channel && call->ends_with_channel)
            pxi_call_end(call);
    }
    pxi_list_remove(&c->link);
    if (c->lines)
        pxi_lines_close(c->lines);
    if (c->ends_node)
        px_node_stop(n);
    pxi_free(c);
}

static void on_line(struct pxi_lines *l, const char *text, size_t length)
{
    struct pxi_channel *c = pxi_lines_user(l);
    pxi_call_line(c->node, c, text, length);
}

static void on_ended(struct pxi_lines *l)
{
    close_channel(pxi_lines_user(l));
}

static bool open_channel(px_node *n, int in, int out, bool main_one)
{
    static const struct pxi_lines_events on = {on_line, on_ended};
    struct pxi_channel *c = pxi_calloc(1, sizeof *c);
    if (c)
        c->lines = pxi_lines_open(n->loop, in, out, !main_one, &on, c);
    if (!c || !c->lines) {
        pxi_free(c);
        return false;
    }
    c->node = n;
    c->ends_node = main_one;
    pxi_list_add(&n->channels, &c->link);
    return true;
}

px_err px_node_speak(px_node *n, int in, int out)
{
    return open_channel(n, in, out, true) ? PX_ERR_OK : PX_ERR_NOMEM;
}

static void on_client(void *ctx, int fd)
{
    if (!open_channel(ctx, fd, fd, false))
        close(fd);
}

px_err pxi_channel_listen(px_node *n, const char *path, px_diag *d)
{
    px_err err = pxi_lines_listen(n->loop, path, on_client, n, &n->server);
    pxi_diag_field(d, "control socket");
    if (err == PX_ERR_PERMISSION)
        return pxi_diag_set(d, err, 0, "no other node in this home", "one that runs at %s", path);
    if (err != PX_ERR_OK)
        return pxi_diag_set(d, err, 0, "a folder that can be written", "%s", path);
    return PX_ERR_OK;
}

px_err px_node_do(px_node *n, const char *command, void (*reply)(void *ctx, const char *text),
                  void *ctx)
{
    struct pxi_channel *c = pxi_calloc(1, sizeof *c);
    if (!c)
        return PX_ERR_NOMEM;
    c->node = n;
    c->reply = reply;
    c->ctx = ctx;
    pxi_list_add(&n->channels, &c->link);
    pxi_call_line(n, c, command, strlen(command));
    return PX_ERR_OK;
}

px_err pxi_channel_adopt(px_node *n, int fd)
{
    return pxi_lines_adopt(n->loop, fd, on_client, n, &n->server);
}

void pxi_channel_send(struct pxi_channel *c, const char *text, size_t n)
{
    if (c->lines)
        pxi_lines_send(c->lines, text, n);
    else
        c->reply(c->ctx, text);
}

void pxi_channels_close(px_node *n)
{
    while (!pxi_list_empty(&n->channels))
        close_channel(PXI_OF(n->channels.next, struct pxi_channel, link));
    pxi_lines_server_close(n->server);
    n->server = NULL;
}

px_err px_control_ask(const char *path, const char *command, uint64_t timeout_ms, char **reply)
{
    return pxi_lines_ask(path, command, timeout_ms, reply);
}

px_err px_control_open(const char *path, const char *command, px_control **out)
{
    struct pxi_lines_client *c;
    px_err err = pxi_lines_dial(path, command, &c);
    *out = (px_control *)c;
    return err;
}

px_err px_control_say(px_control *c, const char *command)
{
    return pxi_lines_say((struct pxi_lines_client *)c, command);
}

px_err px_control_next(px_control *c, uint64_t timeout_ms, char **line)
{
    return pxi_lines_next((struct pxi_lines_client *)c, timeout_ms, line);
}

void px_control_close(px_control *c)
{
    pxi_lines_hangup((struct pxi_lines_client *)c);
}

void px_node_text_free(char *text)
{
    pxi_free(text);
}
