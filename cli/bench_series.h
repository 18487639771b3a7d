/* Figures that are measured once a round, and the words of --parts. */
#ifndef CLI_BENCH_SERIES_H
#define CLI_BENCH_SERIES_H

struct series { /* one figure, once a round; zeroed at first */
    double *v;
    unsigned n;
};

void series_add(struct series *s, double v);
double median(const struct series *s); /* 0 when there is nothing */

/* Is the word in the list, whose words have commas between them? NULL is an empty list. */
int parts_have(const char *list, const char *word);
/* 0 when every word of the list is a known one, or the exit code of a usage error. */
int parts_check(const char *list, const char *known);

#endif
