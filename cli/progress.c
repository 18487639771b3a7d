/* Progress on standard error: a bar on a terminal, else a plain line every five seconds. */
#include "cli.h"

#include <string.h>
#include <time.h>

double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

void progress_begin(struct progress *p, const struct cli *c, const char *what, const char *unit,
                    uint64_t total)
{
    double now = now_s();
    *p = (struct progress){.what = what, .unit = unit, .total = total, .start = now, .last = now};
    p->quiet = opt_on(c, OPT_QUIET);
}

static void draw_bar(const struct progress *p, uint64_t done, double share, double rate)
{
    int width = term_width() - 48 - (int)strlen(p->what) - (int)strlen(p->unit);
    fprintf(stderr, "\r\033[K%s %3.0f%% ", p->what, share * 100);
    for (int i = 0; i < width; i++)
        fputs((i + 0.5) / width < share ? "█" : "░", stderr);
    fprintf(stderr, " %llu/%llu %.3g %s/s", (unsigned long long)done, (unsigned long long)p->total,
            rate, p->unit);
    if (rate > 0)
        fprintf(stderr, " %.0fs left", (double)(p->total - done) / rate);
    fflush(stderr);
}

void progress_set(struct progress *p, uint64_t done)
{
    double now = now_s(), passed = now - p->start;
    double gap = term_err() ? 0.1 : 5;
    if (p->quiet || !p->total || passed < (term_err() ? 1 : 5) || now - p->last < gap)
        return;
    done = done > p->total ? p->total : done;
    double share = (double)done / (double)p->total, rate = (double)done / passed;
    p->last = now;
    p->drawn = 1;
    if (term_err())
        draw_bar(p, done, share, rate);
    else
        fprintf(stderr, "plexus: %s %.0f%% (%llu of %llu %s, %.3g a second)\n", p->what,
                share * 100, (unsigned long long)done, (unsigned long long)p->total, p->unit, rate);
}

void progress_end(struct progress *p)
{
    if (p->drawn && term_err())
        fputs("\r\033[K", stderr);
    p->drawn = 0;
}
