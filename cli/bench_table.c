/* Rows of a benchmark: name, value, unit, peer, peer value, ratio; as JSON and as a table. */
#include "bench.h"

#include <string.h>

void bench_row(json_t *rows, const char *name, double value, const char *unit, const char *peer,
               double peer_value)
{
    json_t *o = json_object();
    json_object_set_new(o, "name", json_text(name));
    json_object_set_new(o, "value", json_number(value));
    json_object_set_new(o, "unit", json_text(unit));
    json_object_set_new(o, "peer", json_text(peer));
    json_object_set_new(o, "peer_value", peer ? json_number(peer_value) : json_null());
    json_object_set_new(o, "ratio",
                        peer && peer_value > 0 ? json_number(value / peer_value) : json_null());
    json_array_append_new(rows, o);
}

/* A row for each peer, or one without. */
static void add_all(const struct bench *b, json_t *rows, const char *name, double value,
                    const struct series *peers)
{
    if (!b->peer_count)
        bench_row(rows, name, value, "tok/s", NULL, 0);
    for (unsigned i = 0; i < b->peer_count; i++)
        bench_row(rows, name, value, "tok/s", b->peers[i], median(&peers[i]));
}

static void model_rows(const struct bench *b, const struct bench_model *m, json_t *rows)
{
    char name[96];
    const char *gap = *m->label ? " " : "";
    double bandwidth = median(&m->bandwidth), decode = median(&m->decode);
    snprintf(name, sizeof name, "%s%sprefill %zu", m->label, gap, b->prompt);
    add_all(b, rows, name, median(&m->prefill), m->peer_prefill);
    snprintf(name, sizeof name, "%s%sdecode %zu", m->label, gap, b->gen);
    add_all(b, rows, name, decode, m->peer_decode);
    for (unsigned i = 0; i < b->sequence_count; i++) {
        snprintf(name, sizeof name, "%s%sdecode of %u sequences", m->label, gap, b->sequences[i]);
        bench_row(rows, name, median(&m->together[i]), "tok/s", "one sequence", decode);
    }
    snprintf(name, sizeof name, "%s%sdecode reads", m->label, gap);
    bench_row(rows, name, (double)m->read_bytes * decode / 1e9, "GB/s", "read bandwidth",
              bandwidth);
    snprintf(name, sizeof name, "%s%speak memory", m->label, gap);
    bench_row(rows, name, (double)m->rss_bytes / 1e6, "MB", "weights", (double)m->file_bytes / 1e6);
}

json_t *bench_rows(const struct bench *b, const struct bench_model *m, unsigned n)
{
    json_t *rows = json_array();
    for (unsigned i = 0; i < n; i++)
        model_rows(b, &m[i], rows);
    return rows;
}

/* A peer is a path or a command, which is long: its number stands for it. */
static void put_peer(const char *const *peers, unsigned count, const char *peer)
{
    for (unsigned i = 0; i < count; i++)
        if (strcmp(peers[i], peer) == 0) {
            printf("peer %u\n", i + 1);
            return;
        }
    printf("%s\n", peer);
}

/* Small figures keep three decimals. */
static void put_value(double v)
{
    printf(" %10.*f", v < 10 && v > -10 ? 3 : 1, v);
}

void bench_table(json_t *rows, const char *const *peers, unsigned count, unsigned rounds)
{
    size_t i;
    json_t *row;
    printf("%s%-30s %10s %-6s %10s %8s  %s%s\n", ink(1), "", "plexus", "", "other", "ratio",
           "other is", ink(0));
    json_array_foreach(rows, i, row)
    {
        const char *peer = json_string_value(json_object_get(row, "peer"));
        printf("%-30s", json_string_value(json_object_get(row, "name")));
        put_value(json_number_value(json_object_get(row, "value")));
        printf(" %-6s", json_string_value(json_object_get(row, "unit")));
        if (!peer) {
            fputc('\n', stdout);
            continue;
        }
        put_value(json_number_value(json_object_get(row, "peer_value")));
        printf(" %7.2fx  ", json_number_value(json_object_get(row, "ratio")));
        put_peer(peers, count, peer);
    }
    printf("\nmedians of %u rounds in turns\n", rounds);
    for (unsigned k = 0; k < count; k++) {
        printf("peer %u is ", k + 1);
        put_safe(stdout, peers[k], strlen(peers[k]), 0);
        fputc('\n', stdout);
    }
}
