/* Files that were pushed from here: a model that did not change is not hashed at every run. */
#include "home.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { KEPT = 64, LINE_BYTES = 4400, ASK_MS = 5000 };

/* "CID BYTES CHANGED-NS PATH": what stands for this state of a file. NULL: it is not remembered. */
static char *mark_of(const char *path)
{
    struct stat st;
    char *out = NULL;
    size_t n;
    if (stat(path, &st) != 0 || strchr(path, '\n') || strstr(path, "-of-")) /* one of a set */
        return NULL;
    FILE *f = must(open_memstream(&out, &n));
    fprintf(f, " %lld %lld%09ld %s\n", (long long)st.st_size, (long long)st.st_mtim.tv_sec,
            st.st_mtim.tv_nsec, path);
    fclose(f);
    return out;
}

/* Does the store of the node hold all of it? */
static int whole(const char *cid)
{
    char *text = NULL, line[256];
    snprintf(line, sizeof line, "{\"id\":1,\"op\":\"store-show\",\"cid\":\"%s\"}", cid);
    px_err err = px_control_ask(node_socket(), line, ASK_MS, &text);
    json_t *doc = err == PX_ERR_OK ? json_loads(text, 0, NULL) : NULL;
    json_t *all = json_object_get(doc, "shards");
    int yes = all && json_equal(all, json_object_get(doc, "shards_here"));
    px_node_text_free(text);
    json_decref(doc);
    return yes;
}

int pushed_find(const char *path, char *cid, size_t cap)
{
    char line[LINE_BYTES], *mark = mark_of(path), *file = state_path("pushed");
    FILE *f = mark && file ? fopen(file, "re") : NULL;
    int found = 0;
    while (f && !found && fgets(line, sizeof line, f)) {
        size_t n = strcspn(line, " ");
        if (n >= cap || strcmp(line + n, mark) != 0 ||
            strspn(line, "abcdefghijklmnopqrstuvwxyz234567") != n)
            continue;
        snprintf(cid, cap, "%.*s", (int)n, line);
        found = whole(cid);
    }
    if (f)
        fclose(f);
    free(mark);
    free(file);
    return found;
}

void pushed_note(const char *path, const char *cid)
{
    char line[LINE_BYTES], *mark = mark_of(path), *file = state_path("pushed"), *text = NULL;
    size_t n;
    if (mark && file) {
        FILE *old = fopen(file, "re"), *f = must(open_memstream(&text, &n));
        fprintf(f, "%s%s", cid, mark);
        for (int i = 1; old && i < KEPT && fgets(line, sizeof line, old);)
            i += fputs(line, f) >= 0;
        if (old)
            fclose(old);
        fclose(f);
        home_write(file, text);
    }
    free(text);
    free(mark);
    free(file);
}
