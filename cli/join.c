/* plexus invite, join, leave: private swarms. */
#include "home.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { WORDS_MAX = 4096 };

/* ------------------------------------------------------------------------------ invite */

static const char *text_of(json_t *doc, const char *name)
{
    const char *s = json_string_value(json_object_get(doc, name));
    return s ? s : "";
}

/* Eight words a line. */
static void print_words(const char *words)
{
    unsigned n = 0;
    for (const char *p = words; *p; p++) {
        int end = *p == ' ' && ++n % 8 == 0;
        fputc(end ? '\n' : *p, stdout);
    }
    fputc('\n', stdout);
}

/* Invites name the port: the next plexus up takes it again. */
static int keep_port(const char *addr)
{
    const char *at = strstr(addr, "/tcp/");
    char line[16];
    snprintf(line, sizeof line, "%.5s", at ? at + 5 : "");
    line[strspn(line, "0123456789")] = 0;
    return home_in_swarm() ? home_write(home_port(), line) : 0;
}

int verb_invite(struct cli *c)
{
    static const char *const fields[] = {"invite", "swarm", "peer", "addr", NULL};
    int rc;
    json_t *in = json_object();
    if (c->args)
        json_object_set_new(in, "addr", json_text(c->arg[0]));
    json_t *reply =
        node_ask_hint(c, "invite", in, &rc, "plexus stop, then plexus up --private makes one");
    if (!reply)
        return rc;
    rc = c->args ? 0 : keep_port(text_of(reply, "addr"));
    if (rc == 0 && opt_on(c, OPT_JSON))
        return node_print(c, reply, fields);
    if (rc == 0) {
        print_words(text_of(reply, "invite"));
        note(c, "on the other machine: plexus join, with these words; then plexus up");
        note(c, "who has them is in swarm %s: they are as secret as a key",
             text_of(reply, "swarm"));
        if (json_is_true(json_object_get(reply, "loopback")))
            note(c, "the address is %s: only this machine reaches it", text_of(reply, "addr"));
    }
    json_decref(reply);
    return rc;
}

/* ------------------------------------------------------------------------------ join */

/* "word[7]" is the seventh word. */
static int fail_words(px_err err, const px_diag *d)
{
    unsigned long n = strncmp(d->field, "word[", 5) == 0 ? strtoul(d->field + 5, NULL, 10) : 0;
    if (!n)
        return fail_text(err, NULL, "type it again, or ask for a new one",
                         "the words do not belong together: %s", d->found);
    if (err == PX_ERR_TRUNCATED)
        return fail_text(err, NULL, "give all of them", "the invite ends before word %lu", n);
    return fail_text(err, NULL, "compare it with the invite", "word %lu, %s: expected %s", n,
                     d->found, d->expected);
}

/* 0: the home is in the swarm of this invite now. *before: it was already. */
static int enter(const px_invite *v, int *before)
{
    unsigned char key[32];
    px_diag d = {0};
    px_err err = home_key() ? px_swarm_key_read(home_key(), key, &d) : PX_ERR_IO;
    *before = err == PX_ERR_OK;
    if (err == PX_ERR_NOT_FOUND)
        err = px_swarm_key_write(home_key(), v->key, &d);
    if (err != PX_ERR_OK)
        return fail(err, home_key(), &d);
    if (*before && memcmp(key, v->key, sizeof key) != 0) {
        char name[17];
        px_swarm_name(key, name);
        return fail_text(PX_ERR_REFUSED, NULL, "plexus leave forgets that one",
                         "this home is in another swarm, %s", name);
    }
    return home_add_peer(v->address);
}

static int node_runs(void)
{
    char *text = NULL;
    px_err err = px_control_ask(node_socket(), "{\"id\":1,\"op\":\"addrs\"}", 2000, &text);
    px_node_text_free(text);
    return err == PX_ERR_OK;
}

/* The arguments, or standard input, of which no more than an invite is read. */
static int read_words(struct cli *c, char *out, size_t cap)
{
    size_t n = 0;
    if (!c->args && isatty(STDIN_FILENO))
        note(c, "type or paste the words; Ctrl-D ends them");
    if (c->args)
        n = (size_t)snprintf(out, cap, "%s", text_join(c->arg, c->args));
    else
        n = fread(out, 1, cap, stdin);
    if (n >= cap)
        return fail_text(PX_ERR_LIMIT, NULL, "give its words alone",
                         "this is more than an invite: %zu bytes and no end", cap);
    out[n] = 0;
    return 0;
}

int verb_join(struct cli *c)
{
    char words[WORDS_MAX];
    px_invite v;
    px_diag d = {0};
    int before = 0, rc = read_words(c, words, sizeof words);
    if (rc)
        return rc;
    px_err err = px_invite_read(words, strlen(words), &v, &d);
    rc = err == PX_ERR_OK ? enter(&v, &before) : fail_words(err, &d);
    if (rc)
        return rc;
    int runs = node_runs();
    if (opt_on(c, OPT_JSON)) {
        json_t *doc = doc_new(c);
        json_object_set_new(doc, "swarm", json_text(v.swarm));
        json_object_set_new(doc, "peer", json_text(v.peer));
        json_object_set_new(doc, "addr", json_text(v.address));
        json_object_set_new(doc, "new", json_boolean(!before));
        json_object_set_new(doc, "restart", json_boolean(runs));
        return doc_print(doc, 0);
    }
    note(c,
         before ? "this home is in swarm %s already; it knows one more address"
                : "this home is in swarm %s now",
         v.swarm);
    note(c, runs ? "the node that runs here is not: plexus stop, then plexus up"
                 : "plexus up starts its node");
    return 0;
}

/* ------------------------------------------------------------------------------ leave */

int verb_leave(struct cli *c)
{
    unsigned char key[32];
    char name[17] = "";
    int rc = 0, was = home_in_swarm(), runs;
    uint64_t left = 0;
    if (!was)
        return fail_text(PX_ERR_NOT_FOUND, NULL, "plexus join puts it into one",
                         "this home is in no private swarm");
    if (px_swarm_key_read(home_key(), key, NULL) == PX_ERR_OK)
        px_swarm_name(key, name);
    json_t *drained = opt_on(c, OPT_NOW) ? NULL : node_drain(c, 0, 1, &rc);
    runs = opt_on(c, OPT_NOW) ? node_runs() : drained != NULL;
    left = (uint64_t)json_integer_value(json_object_get(drained, "left"));
    json_decref(drained);
    if (rc == 0 && runs)
        rc = node_quit(c);
    if (rc == 0)
        rc = home_forget();
    if (rc)
        return rc;
    if (opt_on(c, OPT_JSON)) {
        json_t *doc = doc_new(c);
        json_object_set_new(doc, "swarm", json_text(name));
        json_object_set_new(doc, "stopped", json_boolean(runs));
        json_object_set_new(doc, "left", json_u64(left));
        return doc_print(doc, 0);
    }
    note(c, "swarm %s is forgotten%s", name, runs ? "; its node was stopped" : "");
    return 0;
}
