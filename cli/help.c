/* plexus help [VERB|TOPIC] */
#include "json.h"

#include <string.h>

static const char *find(const char *name)
{
    const struct cli_verb *v = verb_find(name);
    if (v)
        return v->help;
    for (unsigned i = 0; i < cli_topic_count; i++)
        if (strcmp(cli_topics[i].name, name) == 0)
            return cli_topics[i].text;
    return NULL;
}

static int unknown(const char *name)
{
    struct suggest s = {.want = name};
    for (unsigned i = 0; i < cli_verb_count; i++)
        suggest_try(&s, cli_verbs[i].name);
    for (unsigned i = 0; i < cli_topic_count; i++)
        suggest_try(&s, cli_topics[i].name);
    char hint[128] = "plexus help lists the verbs";
    if (s.best)
        snprintf(hint, sizeof hint, "did you mean plexus help %s?", s.best);
    return usage(hint, "no help on '%s'", name);
}

static int print_verbs(void)
{
    for (unsigned i = 0; i < cli_verb_count; i++)
        printf("%s\n", cli_verbs[i].name);
    return 0;
}

int verb_help(struct cli *c)
{
    const char *name = c->args ? text_join(c->arg, c->args) : "";
    int list = strcmp(name, "verbs") == 0;
    const char *text = list ? "" : find(name);
    if (!text)
        return unknown(name);
    if (!opt_on(c, OPT_JSON)) {
        fputs(text, stdout);
        return list ? print_verbs() : 0;
    }
    json_t *doc = doc_new(c), *verbs = json_array();
    for (unsigned i = 0; i < cli_verb_count; i++) {
        json_t *o = json_object();
        json_object_set_new(o, "name", json_text(cli_verbs[i].name));
        json_object_set_new(o, "summary", json_text(cli_verbs[i].summary));
        json_array_append_new(verbs, o);
    }
    json_object_set_new(doc, "topic", json_text(name));
    json_object_set_new(doc, "text", json_text(text));
    json_object_set_new(doc, "verbs", verbs);
    return doc_print(doc, 0);
}
