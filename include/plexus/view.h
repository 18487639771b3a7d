/* Borrowed bytes: the one type in which plexus passes memory that it does not own. */
#ifndef PLEXUS_VIEW_H
#define PLEXUS_VIEW_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* n bytes at p, owned by somebody else. p may be NULL when n is 0. Not NUL-terminated. */
typedef struct px_view {
    const uint8_t *p;
    size_t n;
} px_view;

/* View of n bytes at p. */
static inline px_view px_view_of(const void *p, size_t n)
{
    px_view v = {(const uint8_t *)p, n};
    return v;
}

/* View of a NUL-terminated string, without the NUL. s must not be NULL. */
static inline px_view px_view_str(const char *s)
{
    return px_view_of(s, strlen(s));
}

/* 1 when a and b hold the same bytes, else 0. */
static inline int px_view_equal(px_view a, px_view b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

/* 1 when v holds exactly the characters of the NUL-terminated string s, else 0. */
static inline int px_view_is(px_view v, const char *s)
{
    return px_view_equal(v, px_view_str(s));
}

#endif
