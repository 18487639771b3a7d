/* The text that plexus inspect prints. Names and values come from the file: all are escaped. */
#include "inspect.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

typedef unsigned long long ull;

static void put_view(px_view v)
{
    put_safe(stdout, v.p, v.n, 0);
}

/* The view, escaped, padded to a width in bytes. */
static void put_cell(px_view v, int width)
{
    char *text = NULL;
    size_t n = 0;
    FILE *f = must(open_memstream(&text, &n));
    put_safe(f, v.p, v.n, 0);
    fclose(f);
    printf("%-*s", width, text);
    free(text);
}

static void head(const char *name)
{
    printf("%s%-10s%s", ink(1), name, ink(0));
}

static void put_parameters(uint64_t n)
{
    double v = (double)n;
    if (v >= 1e9)
        printf("%.2f billion parameters", v / 1e9);
    else if (v >= 1e6)
        printf("%.2f million parameters", v / 1e6);
    else
        printf("%" PRIu64 " parameters", n);
}

static void summary(const struct inspect *in)
{
    char size[32];
    human_bytes(size, (double)in->file_bytes);
    head("file");
    put_safe(stdout, in->path, strlen(in->path), 0);
    printf(", %s, GGUF version %u", size, px_gguf_version(in->g));
    if (in->files > 1)
        printf(", %u parts", in->files);
    fputc('\n', stdout);
    head("model");
    if (in->name.n) {
        put_view(in->name);
        fputs(", ", stdout);
    }
    if (in->arch.n)
        put_view(in->arch);
    else
        fputs("no architecture", stdout);
    fputs(", ", stdout);
    put_parameters(in->parameters);
    fputc('\n', stdout);
    head("shape");
    printf("%llu blocks, width %llu, ffn %llu, heads %llu (kv %llu) of %llu, vocabulary %llu, "
           "context %llu\n",
           (ull)in->blocks, (ull)in->embd, (ull)in->ffn, (ull)in->heads, (ull)in->kv_heads,
           (ull)in->head_dim, (ull)in->vocab, (ull)in->context);
}

static void type_lines(const struct inspect *in)
{
    const char *name = "types";
    for (uint32_t i = 0; i < PX_DTYPE_LIMIT; i++) {
        char size[32];
        if (!in->types[i].tensors)
            continue;
        human_bytes(size, (double)in->types[i].bytes);
        head(name);
        printf("%-8s %5llu tensors %10s%s\n", px_dtype_name(i), (ull)in->types[i].tensors, size,
               px_dtype_runnable(i) ? "" : "  (no kernels for this type)");
        name = "";
    }
}

static void run_lines(const struct inspect *in)
{
    char weights[32], kv[32];
    human_bytes(weights, (double)in->weight_bytes);
    human_bytes(kv, (double)in->kv_bytes);
    head("to run");
    printf("%s of weights, mapped and shared; KV cache %s for %llu tokens (f16)\n", weights, kv,
           (ull)in->positions);
    head("");
    if (in->runs)
        printf("%sruns here%s: plexus run FILE\n", ink(32), ink(0));
    else
        printf("%sdoes not run here%s:%s%s%s\n", ink(33), ink(0),
               in->arch_supported ? "" : " architecture without support;",
               in->types_runnable ? "" : " tensor types without kernels;",
               in->blocks ? "" : " no transformer blocks;");
}

static void put_dims(const px_gguf_tensor *t)
{
    char text[96];
    int n = 0;
    for (uint32_t i = 0; i < t->n_dims; i++)
        n += snprintf(text + n, sizeof text - (size_t)n, i ? " x %llu" : "%llu", (ull)t->dims[i]);
    printf("%-18s", t->n_dims ? text : "scalar");
}

/* The name without "blk.N." */
static px_view short_name(const px_gguf_tensor *t)
{
    px_view v = t->name;
    for (int dots = 0; t->role == PX_ROLE_BLOCK && dots < 2 && v.n;) {
        dots += *v.p == '.';
        v = px_view_of(v.p + 1, v.n - 1);
    }
    return v;
}

static void tensor_line(const struct inspect *in, const px_gguf_tensor *t)
{
    char size[32];
    human_bytes(size, (double)t->bytes);
    fputs("  ", stdout);
    put_cell(in->all ? t->name : short_name(t), in->all ? 30 : 24);
    printf(" %-8s ", px_dtype_name(t->type));
    put_dims(t);
    printf(" %10s", size);
    if (in->all)
        printf("  @%llu", (ull)t->offset);
    fputc('\n', stdout);
}

struct entry {
    const px_gguf_tensor *t;
    uint64_t order;
};

static int by_block(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    if (x->t->block != y->t->block)
        return x->t->block < y->t->block ? -1 : 1;
    return x->order < y->order ? -1 : x->order > y->order;
}

static int alike(const struct entry *a, const struct entry *b, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (a[i].t->type != b[i].t->type || a[i].t->bytes != b[i].t->bytes ||
            memcmp(a[i].t->dims, b[i].t->dims, sizeof a[i].t->dims) != 0 ||
            !px_view_equal(short_name(a[i].t), short_name(b[i].t)))
            return 0;
    return 1;
}

/* Tensors of the block that begins at e[i]. */
static size_t block_length(const struct entry *e, size_t i, size_t n)
{
    size_t k = i;
    while (k < n && e[k].t->block == e[i].t->block)
        k++;
    return k - i;
}

static void blocks(const struct inspect *in, struct entry *e, size_t n)
{
    for (size_t i = 0; i < n;) {
        size_t len = block_length(e, i, n), next = i + len;
        uint64_t bytes = 0;
        char size[32];
        for (size_t k = i; k < next; k++)
            bytes += e[k].t->bytes;
        while (!in->all && next < n && block_length(e, next, n) == len &&
               alike(e + i, e + next, len))
            next += len;
        human_bytes(size, (double)bytes);
        if (next == i + len)
            printf("%sblock %u%s, %s\n", ink(1), e[i].t->block, ink(0), size);
        else
            printf("%sblocks %u to %u%s, all alike, each %s\n", ink(1), e[i].t->block,
                   e[next - 1].t->block, ink(0), size);
        for (size_t k = i; k < i + len; k++)
            tensor_line(in, e[k].t);
        i = next;
    }
}

static void role_lines(const struct inspect *in, px_role role, const char *title)
{
    int seen = 0;
    for (uint64_t i = 0; i < px_gguf_tensor_count(in->g); i++) {
        const px_gguf_tensor *t = px_gguf_tensor_at(in->g, i);
        if (t->role != role)
            continue;
        if (!seen++)
            printf("%s%s%s\n", ink(1), title, ink(0));
        tensor_line(in, t);
    }
}

static void tensors(const struct inspect *in)
{
    uint64_t count = px_gguf_tensor_count(in->g), n = 0;
    struct entry *e = must(calloc(count + 1, sizeof *e));
    for (uint64_t i = 0; i < count; i++) {
        const px_gguf_tensor *t = px_gguf_tensor_at(in->g, i);
        if (t->role == PX_ROLE_BLOCK)
            e[n++] = (struct entry){t, i};
    }
    qsort(e, n, sizeof *e, by_block);
    role_lines(in, PX_ROLE_EMBED, "embedding");
    blocks(in, e, n);
    role_lines(in, PX_ROLE_OUTPUT, "output");
    role_lines(in, PX_ROLE_OTHER, "other");
    free(e);
}

static void put_string(px_view v, int all)
{
    size_t n = all || v.n <= 60 ? v.n : 60;
    put_safe(stdout, v.p, n, 0);
    if (n < v.n)
        printf("%s... (%zu bytes)%s", ink(2), v.n, ink(0));
}

static void put_element(const px_gguf_kv *kv, uint64_t i, uint64_t *pos)
{
    px_view s;
    if (kv->elem_type == PX_GGUF_STRING) {
        fputc('"', stdout);
        if (px_gguf_array_next_str(kv, pos, &s))
            put_safe(stdout, s.p, s.n, 0);
        fputc('"', stdout);
    } else if (kv->elem_type == PX_GGUF_F32 || kv->elem_type == PX_GGUF_F64)
        printf("%g", px_gguf_array_f64(kv, i));
    else if (kv->elem_type == PX_GGUF_BOOL)
        fputs(px_gguf_array_i64(kv, i) ? "true" : "false", stdout);
    else if (kv->elem_type != PX_GGUF_ARRAY)
        printf("%lld", (long long)px_gguf_array_i64(kv, i));
}

static void put_kv(const struct inspect *in, const px_gguf_kv *kv)
{
    uint64_t shown = in->all || kv->count < 6 ? kv->count : 6, pos = 0;
    fputs("  ", stdout);
    put_cell(kv->key, 40);
    fputc(' ', stdout);
    if (kv->type == PX_GGUF_STRING) {
        put_string(kv->value, in->all);
        fputc('\n', stdout);
        return;
    }
    for (uint64_t i = 0; i < shown; i++) {
        fputs(i ? ", " : "", stdout);
        put_element(kv, i, &pos);
    }
    if (kv->type == PX_GGUF_ARRAY && shown < kv->count)
        printf("%s... (%llu in all)%s", ink(2), (ull)kv->count, ink(0));
    fputc('\n', stdout);
}

int inspect_text(const struct inspect *in)
{
    summary(in);
    type_lines(in);
    run_lines(in);
    fputc('\n', stdout);
    tensors(in);
    printf("%smetadata%s\n", ink(1), ink(0));
    for (uint64_t i = 0; i < px_gguf_kv_count(in->g); i++)
        put_kv(in, px_gguf_kv_at(in->g, i));
    return 0;
}
