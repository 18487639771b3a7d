#include "home.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PEERS_MAX = 32, LINE_MAX_BYTES = 256 };

const char *home_key(void)
{
    static char *path;
    return path ? path : (path = state_path("swarm.key"));
}

const char *home_peers(void)
{
    static char *path;
    return path ? path : (path = state_path("swarm.peers"));
}

const char *home_port(void)
{
    static char *path;
    return path ? path : (path = state_path("swarm.port"));
}

int home_in_swarm(void)
{
    return home_key() && access(home_key(), F_OK) == 0;
}

const char **home_read_peers(unsigned *n)
{
    const char **list = keep(calloc(PEERS_MAX, sizeof *list));
    char line[LINE_MAX_BYTES];
    FILE *f = home_peers() ? fopen(home_peers(), "re") : NULL;
    *n = 0;
    while (f && *n < PEERS_MAX && fgets(line, sizeof line, f)) {
        line[strcspn(line, "\r\n")] = 0;
        if (line[0] == '/')
            list[(*n)++] = keep(strdup(line));
    }
    if (f)
        fclose(f);
    return list;
}

int home_write(const char *path, const char *text)
{
    char part[4096];
    if (!path)
        return fail_text(PX_ERR_NOT_FOUND, NULL, "set PLEXUS_HOME", "there is no home directory");
    snprintf(part, sizeof part, "%s.part", path);
    FILE *f = fopen(part, "we");
    int ok = f && fputs(text, f) >= 0;
    ok = f && fclose(f) == 0 && ok;
    if (ok && rename(part, path) == 0)
        return 0;
    int why = errno;
    unlink(part);
    return fail_text(PX_ERR_IO, strerror(why), NULL, "cannot write %s", path);
}

int home_add_peer(const char *addr)
{
    unsigned n;
    const char **list = home_read_peers(&n);
    char *text = NULL;
    size_t bytes = 0;
    for (unsigned i = 0; i < n; i++)
        if (strcmp(list[i], addr) == 0)
            return 0;
    FILE *f = must(open_memstream(&text, &bytes));
    fprintf(f, "%s\n", addr); /* the newest first: the oldest falls out */
    for (unsigned i = 0; i < n && i + 1 < PEERS_MAX; i++)
        fprintf(f, "%s\n", list[i]);
    fclose(f);
    int rc = home_write(home_peers(), text);
    free(text);
    return rc;
}

unsigned home_read_port(void)
{
    char line[32] = "";
    FILE *f = home_port() ? fopen(home_port(), "re") : NULL;
    unsigned long port = f && fgets(line, sizeof line, f) ? strtoul(line, NULL, 10) : 0;
    if (f)
        fclose(f);
    return port <= 65535 ? (unsigned)port : 0;
}

int home_forget(void)
{
    const char *const paths[] = {home_key(), home_peers(), home_port()};
    for (unsigned i = 0; i < sizeof paths / sizeof *paths; i++)
        if (paths[i] && unlink(paths[i]) != 0 && errno != ENOENT)
            return fail_text(PX_ERR_IO, strerror(errno), NULL, "cannot remove %s", paths[i]);
    return 0;
}
