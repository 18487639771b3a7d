/* The error table turned into functions, and the diagnosis helpers that parsers use. */
#include "base/diag.h"

#include <stdarg.h>
#include <stdio.h>

struct row {
    px_err err;
    int exit_code, retry;
    const char *name, *code, *text, *hint;
};

static const struct row rows[] = {
#define X(name, number, exit, retry, code, text, hint)                                             \
    {PX_ERR_##name, exit, retry, "PX_ERR_" #name, code, text, hint},
    PX_ERR_TABLE(X)
#undef X
};

static const struct row unknown = {PX_ERR_FAILED,   1, 0, "PX_ERR_?", "PX-GEN-000",
                                   "unknown error", ""};

static const struct row *find(px_err err)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (rows[i].err == err)
            return &rows[i];
    return &unknown;
}

const char *px_err_name(px_err err)
{
    return find(err)->name;
}
const char *px_err_text(px_err err)
{
    return find(err)->text;
}
const char *px_err_hint(px_err err)
{
    return find(err)->hint;
}
const char *px_err_code(px_err err)
{
    return find(err)->code;
}
int px_err_exit(px_err err)
{
    return find(err)->exit_code;
}
int px_err_retryable(px_err err)
{
    return find(err)->retry;
}

px_err px_err_at(unsigned i, int *found)
{
    *found = i < sizeof rows / sizeof *rows;
    return *found ? rows[i].err : PX_ERR_OK;
}

void pxi_escape(char *out, size_t cap, const void *bytes, size_t n)
{
    const unsigned char *p = bytes;
    size_t o = 0;
    for (size_t i = 0; i < n; i++) {
        int plain = p[i] >= 0x20 && p[i] < 0x7f && p[i] != '\\';
        if (o + (plain ? 1 : 4) + 1 > cap)
            break;
        if (plain)
            out[o++] = (char)p[i];
        else
            o += (size_t)snprintf(out + o, cap - o, "\\x%02x", p[i]);
    }
    if (cap)
        out[o] = 0;
}

static void vset(char *dst, size_t cap, const char *fmt, va_list ap)
{
    char text[256];
    int n = vsnprintf(text, sizeof text, fmt, ap);
    pxi_escape(dst, cap, text, n < 0 ? 0 : (size_t)n < sizeof text ? (size_t)n : sizeof text - 1);
}

void pxi_diag_field(px_diag *d, const char *fmt, ...)
{
    va_list ap;
    if (!d)
        return;
    va_start(ap, fmt);
    vset(d->field, sizeof d->field, fmt, ap);
    va_end(ap);
}

px_err pxi_diag_set(px_diag *d, px_err err, uint64_t offset, const char *expected,
                    const char *found_fmt, ...)
{
    va_list ap;
    if (!d)
        return err;
    d->offset = offset;
    snprintf(d->expected, sizeof d->expected, "%s", expected);
    va_start(ap, found_fmt);
    vset(d->found, sizeof d->found, found_fmt, ap);
    va_end(ap);
    return err;
}
