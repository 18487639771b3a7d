#include "demo_packets.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ROWS = 6, ROW = 16, HEAD = 6, TAIL = 2, VICTIM = 2, TOKEN = 3, BIT = 4, SEED = 1 };

static const char story[] = "{\"text\":\"Once upon a time there was a little fox.\"}\n"
                            "{\"text\":\"Every day the fox went to the river.\"}\n"
                            "{\"text\":\"One day it met a bird with a broken wing.\"}\n"
                            "{\"text\":\"The fox was kind and brought some food.\"}\n"
                            "{\"text\":\"After a week the bird could fly again.\"}\n"
                            "{\"text\":\"They were friends and happy ever after.\"}\n";

/* The folder that holds the text and its packets while the act lasts. */
struct place {
    char dir[512], text[544], packets[544];
};

static int place_make(struct place *p)
{
    const char *tmp = getenv("TMPDIR");
    int n = snprintf(p->dir, sizeof p->dir, "%s/plexus-demo-XXXXXX", tmp && *tmp ? tmp : "/tmp");
    if (n >= (int)sizeof p->dir || !mkdtemp(p->dir))
        return -1;
    snprintf(p->text, sizeof p->text, "%s/story.jsonl", p->dir);
    snprintf(p->packets, sizeof p->packets, "%s/story.qubgpu", p->dir);
    FILE *f = fopen(p->text, "w");
    if (!f)
        return -1;
    int rc = fputs(story, f) < 0 ? -1 : 0;
    return fclose(f) == 0 ? rc : -1;
}

static void place_remove(const struct place *p)
{
    unlink(p->text);
    unlink(p->packets);
    rmdir(p->dir);
}

/* ------------------------------------------------------------------- packets */

/* CRC-16/CCITT-FALSE by its definition: the program that checks has another way. */
static unsigned crc16(const uint8_t *p, size_t n)
{
    unsigned crc = 0xFFFF;
    for (size_t i = 0; i < n; i++) {
        crc ^= (unsigned)p[i] << 8;
        for (unsigned k = 0; k < 8; k++)
            crc = (crc & 0x8000 ? crc << 1 ^ 0x1021 : crc << 1) & 0xFFFF;
    }
    return crc;
}

/* A packet: its head lies before the bytes of the sample, its CRC behind them. */
struct packet {
    uint8_t *p; /* of a private mapping: the file stays as it is */
    size_t n;
};

static px_err packet_of(const px_data *data, struct packet *out, px_sample *s)
{
    px_err err = px_data_sample(data, VICTIM, s);
    *out = (struct packet){(uint8_t *)s->bytes.p - HEAD, HEAD + s->bytes.n + TAIL};
    return err;
}

static unsigned crc_in(const struct packet *k)
{
    return (unsigned)k->p[k->n - 2] << 8 | k->p[k->n - 1];
}

static void put_packet(const struct packet *k, size_t flipped)
{
    size_t shown = HEAD + 4 * (TOKEN + 3);
    printf("   ");
    for (size_t i = 0; i < k->n; i++) {
        int end = i >= k->n - TAIL;
        if (i >= shown && !end)
            continue;
        fputs(end && shown < k->n - TAIL && i == k->n - TAIL ? ".. " : "", stdout);
        fputs(ink(i == flipped ? 31 : i < HEAD ? 36 : end ? 33 : 0), stdout);
        printf("%02x%s%s", k->p[i], ink(0), (i >= HEAD - 1 && (i - HEAD) % 4 == 3) ? "  " : " ");
    }
    putchar('\n');
}

static void put_word(const struct packets_act *a, int32_t token)
{
    char text[64];
    size_t n = 0;
    px_detok one = {.started = 1, .show_control = 1};
    if (px_detok_next(a->tok, &one, token, text, sizeof text, &n) != PX_ERR_OK)
        n = 0;
    putchar('"');
    put_safe(stdout, text, n, 0);
    putchar('"');
}

/* ------------------------------------------------------------------- batches */

struct look {
    int32_t ids[ROWS][ROW];
    uint64_t numbers[ROWS];
    uint32_t rows;
    px_loader_counts counts;
};

/* The one batch of an epoch. */
static px_err take_batch(px_data *data, struct look *out, px_diag *d)
{
    px_loader_source source = {.data = data};
    px_loader_options o = {.size = sizeof o,
                           .sources = &source,
                           .source_count = 1,
                           .batch = ROWS,
                           .row_tokens = ROW,
                           .seed = SEED,
                           .epochs = 1};
    px_loader *loader;
    const px_batch *b;
    px_err err = px_loader_new(&o, &loader, d);
    if (err)
        return err;
    err = px_loader_next(loader, &b, d);
    if (!err && b) {
        out->rows = b->rows;
        memcpy(out->ids, b->ids, b->rows * sizeof out->ids[0]);
        memcpy(out->numbers, b->numbers, b->rows * sizeof out->numbers[0]);
        px_loader_give_back(loader, b);
    }
    px_loader_get_counts(loader, &out->counts);
    px_loader_free(loader);
    return err;
}

/* Which row holds another sample than before, ROWS when not exactly one: the rest is the same. */
static unsigned refilled_row(const struct look *before, const struct look *after)
{
    unsigned row = ROWS, differ = 0;
    for (unsigned i = 0; i < ROWS; i++)
        if (memcmp(before->ids[i], after->ids[i], sizeof after->ids[i]) != 0) {
            differ++;
            row = i;
        }
    int good = differ == 1 && before->numbers[row] == VICTIM && after->numbers[row] != VICTIM;
    return good && before->rows == ROWS && after->rows == ROWS ? row : ROWS;
}

static void put_numbers(const char *label, const struct look *l, unsigned red)
{
    printf("   %-22s", label);
    for (unsigned i = 0; i < l->rows; i++)
        printf("%s%llu%s ", ink(i == red ? 32 : 0), (unsigned long long)l->numbers[i], ink(0));
    putchar('\n');
}

/* ----------------------------------------------------------------------- act */

static void tell_flip(const struct packets_act *a, const struct packet *k, int32_t was,
                      const px_sample *s)
{
    int32_t is;
    px_sample_tokens(s, TOKEN, &is, 1);
    printf("\n   Now one bit in memory is flipped on purpose:\n\n");
    put_packet(k, HEAD + 4 * TOKEN + 3);
    printf("\n   Token %d, ", was);
    put_word(a, was);
    printf(", has become %d, ", is);
    put_word(a, is);
    printf(": nobody would notice. But the CRC of these bytes is\n   %s%04x%s, and %04x is there: "
           "the packet is dropped, and counted.\n\n",
           ink(31), crc16(k->p, k->n - TAIL), ink(0), crc_in(k));
    fflush(stdout);
}

static void tell_batches(const struct look *before, const struct look *after, unsigned row)
{
    put_numbers("samples of a batch:", before, ROWS);
    put_numbers("after the damage:", after, row);
    printf("   %llu damaged, %llu refilled from the same data; every other row is %sas it was%s.\n",
           (unsigned long long)after->counts.damaged, (unsigned long long)after->counts.refilled,
           ink(row < ROWS ? 32 : 31), ink(0));
}

static px_err flip(struct packets_act *a, px_data *data, px_diag *d)
{
    struct look before = {0}, after = {0};
    struct packet k;
    px_sample s;
    px_err err = take_batch(data, &before, d);
    if (!err)
        err = packet_of(data, &k, &s);
    if (err)
        return err;
    int right = crc16(k.p, k.n - TAIL) == crc_in(&k);
    int32_t was;
    px_sample_tokens(&s, TOKEN, &was, 1);
    if (a->plain) {
        printf("   Six sentences have become six packets: a head, tokens of four bytes, a CRC-16 "
               "of all."
               "\n   The third has %zu bytes:\n\n",
               k.n);
        put_packet(&k, k.n);
    }
    k.p[HEAD + 4 * TOKEN + 3] ^= 1 << BIT;
    if (a->plain)
        tell_flip(a, &k, was, &s);
    err = take_batch(data, &after, d);
    if (err)
        return err;
    unsigned row = refilled_row(&before, &after);
    if (a->plain)
        tell_batches(&before, &after, row);
    a->ok = right && row < ROWS && before.counts.damaged == 0 && after.counts.damaged == 1 &&
            after.counts.refilled == 1;
    a->figures = json_pack("{s:o,s:i,s:i,s:i,s:o,s:o,s:b}", "packets", json_u64(ROWS), "packet",
                           VICTIM, "crc", (int)crc_in(&k), "found", (int)crc16(k.p, k.n - TAIL),
                           "damaged", json_u64(after.counts.damaged), "refilled",
                           json_u64(after.counts.refilled), "caught", a->ok);
    return PX_ERR_OK;
}

px_err demo_packets(struct packets_act *a, px_diag *d)
{
    px_data_convert_options o = {.size = sizeof o, .tokenizer = a->tok};
    px_data_options open = {.size = sizeof open, .writable = 1};
    px_data_convert_report report;
    struct place p;
    px_data *data = NULL;
    px_err err = place_make(&p) == 0 ? PX_ERR_OK : PX_ERR_IO;
    if (!err)
        err = px_data_convert(p.text, p.packets, &o, &report, d);
    if (!err)
        err = px_data_open(p.packets, &open, &data, d);
    if (!err)
        err = flip(a, data, d);
    px_data_close(data);
    place_remove(&p);
    return err;
}
