/* Errors and notes: one line each on standard error. */
#include "cli.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static void put_str(const char *s)
{
    put_safe(stderr, s, strlen(s), 0);
}

/* The parts of a diagnosis that say something: "(offset N, field F, expected E, found X)". */
static void put_diag(const char *where, const px_diag *d)
{
    const char *open = " (";
    size_t n = strlen(d->field); /* the field may be the path again, cut to 90 bytes */
    int about_file = n && strncmp(d->field, where, n) == 0 && (where[n] == 0 || n >= 90);
    if (!d->field[0] && !d->expected[0] && !d->found[0])
        return;
    if (!about_file) {
        fprintf(stderr, "%soffset %llu", open, (unsigned long long)d->offset);
        open = ", ";
    }
    const char *names[] = {"field", "expected", "found"};
    const char *texts[] = {about_file ? "" : d->field, d->expected, d->found};
    for (int i = 0; i < 3; i++)
        if (texts[i][0]) {
            fprintf(stderr, "%s%s ", open, names[i]);
            put_str(texts[i]);
            open = ", ";
        }
    if (open[0] == ',')
        fputc(')', stderr);
}

static void put_line(px_err e, const char *what, const char *where, const px_diag *d,
                     const char *hint)
{
    fflush(stdout);
    fputs("plexus: ", stderr);
    put_str(what);
    if (where && *where) {
        fputs(": ", stderr);
        put_str(where);
    }
    if (d)
        put_diag(where ? where : "", d);
    if (hint && *hint) {
        fputs(": ", stderr);
        put_str(hint);
    }
    fprintf(stderr, " [%s]\n", px_err_code(e));
}

int fail(px_err e, const char *where, const px_diag *d)
{
    put_line(e, px_err_text(e), where, d, px_err_hint(e));
    return px_err_exit(e);
}

int fail_text(px_err e, const char *where, const char *hint, const char *fmt, ...)
{
    char what[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(what, sizeof what, fmt, ap);
    va_end(ap);
    put_line(e, what, where, NULL, hint ? hint : px_err_hint(e));
    return px_err_exit(e);
}

int usage(const char *hint, const char *fmt, ...)
{
    char where[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(where, sizeof where, fmt, ap);
    va_end(ap);
    put_line(PX_ERR_INVALID, px_err_text(PX_ERR_INVALID), where, NULL, hint);
    return px_err_exit(PX_ERR_INVALID);
}

void note(const struct cli *c, const char *fmt, ...)
{
    char text[1024];
    va_list ap;
    if (opt_on(c, OPT_QUIET))
        return;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    fflush(stdout);
    put_str("plexus: ");
    put_str(text);
    fputc('\n', stderr);
}

void *must(void *p)
{
    if (!p)
        exit(fail(PX_ERR_NOMEM, NULL, NULL));
    return p;
}

void *keep(void *p)
{
    static struct kept {
        void *p;
        struct kept *next;
    } * all;
    struct kept *k = must(malloc(sizeof *k));
    *k = (struct kept){must(p), all};
    all = k;
    return p;
}

char *text_join(const char *const *words, int n)
{
    size_t bytes = 1;
    for (int i = 0; i < n; i++)
        bytes += strlen(words[i]) + 1;
    char *out = keep(malloc(bytes)), *p = out;
    for (int i = 0; i < n; i++) {
        size_t len = strlen(words[i]);
        if (i)
            *p++ = ' ';
        memcpy(p, words[i], len);
        p += len;
    }
    *p = 0;
    return out;
}
