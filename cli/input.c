/* Text that a verb works on: a file, the arguments, or standard input. */
#include "cli.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static px_err slurp(int fd, struct text *out)
{
    size_t cap = 65536;
    out->p = must(malloc(cap));
    for (out->n = 0;;) {
        ssize_t got = read(fd, out->p + out->n, cap - out->n);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return errno == EISDIR ? PX_ERR_NOT_A_FILE : PX_ERR_IO;
        out->n += (size_t)got;
        if (got == 0)
            break;
        if (out->n == cap)
            out->p = must(realloc(out->p, cap *= 2));
    }
    if (out->n == cap)
        out->p = must(realloc(out->p, cap + 1));
    out->p[out->n] = 0;
    return PX_ERR_OK;
}

int text_read_file(const char *path, struct text *out)
{
    if (strcmp(path, "-") == 0) {
        px_err e = slurp(STDIN_FILENO, out);
        return e ? fail(e, "standard input", NULL) : 0;
    }
    FILE *f = fopen(path, "rb");
    px_err e = f                                     ? slurp(fileno(f), out)
               : errno == ENOENT || errno == ENOTDIR ? PX_ERR_NOT_FOUND
               : errno == EACCES                     ? PX_ERR_PERMISSION
                                                     : PX_ERR_IO;
    if (f)
        fclose(f);
    return e ? fail(e, path, NULL) : 0;
}

int text_read(struct cli *c, int file_option, int first, const char *what, struct text *out)
{
    const char *path = file_option >= 0 ? opt_text(c, file_option) : NULL;
    if (c->args > first) {
        if (path)
            return usage("give one of them", "both --file and %s", what);
        out->p = must(strdup(text_join(c->arg + first, c->args - first)));
        out->n = strlen(out->p);
        return 0;
    }
    if (!path && isatty(STDIN_FILENO))
        return usage(c->verb->usage, "%s is missing", what);
    return text_read_file(path ? path : "-", out);
}
