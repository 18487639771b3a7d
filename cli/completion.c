/* plexus completion SHELL */
#include "json.h"

#include <string.h>

int verb_completion(struct cli *c)
{
    for (unsigned i = 0; i < cli_completion_count; i++) {
        if (strcmp(cli_completions[i].name, c->arg[0]) != 0)
            continue;
        if (!opt_on(c, OPT_JSON)) {
            fputs(cli_completions[i].text, stdout);
            return 0;
        }
        json_t *doc = doc_new(c);
        json_object_set_new(doc, "shell", json_text(cli_completions[i].name));
        json_object_set_new(doc, "script", json_text(cli_completions[i].text));
        return doc_print(doc, 0);
    }
    return usage("known shells: bash, zsh, fish", "unknown shell '%s'", c->arg[0]);
}
