/* Did you mean: edit distance with transpositions. */
#include "cli.h"

#include <string.h>

enum { LONGEST = 40 };

static unsigned least(unsigned a, unsigned b, unsigned c)
{
    unsigned m = a < b ? a : b;
    return m < c ? m : c;
}

static unsigned distance(const char *a, const char *b)
{
    unsigned rows[3][LONGEST + 1] = {{0}};
    size_t n = strlen(a), m = strlen(b);
    if (n > LONGEST || m > LONGEST)
        return LONGEST;
    unsigned *older = rows[0], *old = rows[1], *row = rows[2];
    for (unsigned j = 0; j <= m; j++)
        old[j] = j;
    for (unsigned i = 1; i <= n; i++) {
        row[0] = i;
        for (unsigned j = 1; j <= m; j++) {
            row[j] = least(old[j] + 1, row[j - 1] + 1, old[j - 1] + (a[i - 1] != b[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                row[j] = least(row[j], older[j - 2] + 1, row[j]);
        }
        unsigned *t = older;
        older = old, old = row, row = t;
    }
    return old[m];
}

void suggest_try(struct suggest *s, const char *candidate)
{
    size_t n = strlen(s->want);
    unsigned d = distance(s->want, candidate);
    unsigned most = n < 3 ? 1 : 2;
    if (d && n >= 3 && strncmp(s->want, candidate, n) == 0)
        d = 1; /* the beginning of a longer name */
    if (d <= most && (!s->best || d < s->distance)) {
        s->best = candidate;
        s->distance = d;
    }
}
