/* plexus kernels */
#include "json.h"

#include <string.h>

static int bad_mask(const char *mask)
{
    static const char *const names[] = {"auto",       "scalar", "avx2", "avx512",
                                        "avx512vnni", "bf16",   "neon", "dotprod"};
    struct suggest s = {.want = mask};
    char hint[128], has[128];
    px_cpu_describe(has, sizeof has);
    for (unsigned i = 0; i < sizeof names / sizeof *names; i++)
        suggest_try(&s, names[i]);
    if (s.best && s.distance)
        snprintf(hint, sizeof hint, "did you mean %s?", s.best);
    else
        snprintf(hint, sizeof hint, "this processor has: %.100s", has);
    return usage(hint, "--cpu %s", mask);
}

int verb_kernels(struct cli *c)
{
    const char *mask = opt_text(c, OPT_CPU);
    char has[256];
    px_kernel_row row;
    json_t *rows = json_array();
    px_cpu_describe(has, sizeof has);
    px_err e = px_kernel_at(mask, 0, &row);
    if (!opt_on(c, OPT_JSON) && e == PX_ERR_OK)
        printf("processor: %s\nmask:      %s\n\n", has, mask);
    for (unsigned i = 0; e == PX_ERR_OK; e = px_kernel_at(mask, ++i, &row)) {
        json_t *o = json_object();
        json_object_set_new(o, "kernel", json_text(row.kernel));
        json_object_set_new(o, "isa", json_text(row.isa));
        json_array_append_new(rows, o);
        if (!opt_on(c, OPT_JSON))
            printf("%-20s %s%s%s\n", row.kernel, ink(strcmp(row.isa, "scalar") ? 32 : 2), row.isa,
                   ink(0));
    }
    if (e == PX_ERR_NOT_FOUND && !opt_on(c, OPT_JSON))
        printf("\nEach is the fastest version that the processor has and the mask allows; all "
               "versions\ngive the same bits%s.\n",
               strcmp(mask, "bf16") ? "" : ", those of bf16 excepted, which only its name chooses");
    if (e != PX_ERR_NOT_FOUND || !opt_on(c, OPT_JSON)) {
        json_decref(rows);
        return e == PX_ERR_NOT_FOUND ? 0 : bad_mask(mask);
    }
    json_t *doc = doc_new(c);
    json_object_set_new(doc, "cpu", json_text(has));
    json_object_set_new(doc, "mask", json_text(mask));
    json_object_set_new(doc, "chosen", rows);
    return doc_print(doc, 0);
}
