#include "bench_series.h"

#include <stdlib.h>
#include <string.h>

#include "cli.h"

void series_add(struct series *s, double v)
{
    s->v = must(realloc(s->v, (s->n + 1) * sizeof *s->v));
    s->v[s->n++] = v;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

double median(const struct series *s)
{
    if (!s->n)
        return 0;
    qsort(s->v, s->n, sizeof *s->v, by_value);
    return s->n % 2 ? s->v[s->n / 2] : (s->v[s->n / 2 - 1] + s->v[s->n / 2]) / 2;
}

static int has(const char *list, const char *word, size_t n)
{
    while (list && *list) {
        size_t k = strcspn(list, ",");
        if (k == n && strncmp(word, list, n) == 0)
            return 1;
        list += k + (list[k] == ',');
    }
    return 0;
}

int parts_have(const char *list, const char *word)
{
    return has(list, word, strlen(word));
}

int parts_check(const char *list, const char *known)
{
    char hint[128];
    snprintf(hint, sizeof hint, "write some of %s", known);
    for (const char *p = list; p && *p;) {
        size_t k = strcspn(p, ",");
        if (!has(known, p, k))
            return usage(hint, "--parts %s", list);
        p += k + (p[k] == ',');
    }
    return 0;
}
