/* plexus version */
#include "json.h"

#include <dlfcn.h>

#ifdef PXI_NET
#define QUIC ""
#else
#define QUIC NULL
#endif

#ifdef PXI_XDP
#define XDP ""
#else
#define XDP NULL
#endif

#ifdef PXI_VERBS
#define VERBS "libibverbs.so.1"
#else
#define VERBS NULL
#endif

/* Optional parts: what is in this build, or found on this machine when it is loaded at run time. */
static const struct {
    const char *name, *library; /* NULL = not in this version */
} features[] = {
    {"cpu", ""}, {"xdp", XDP}, {"quic", QUIC}, {"cuda", NULL}, {"verbs", VERBS}, {"swarm", QUIC},
};

static int has(const char *library)
{
    if (!library || !*library)
        return library != NULL;
    void *h = dlopen(library, RTLD_LAZY | RTLD_LOCAL);
    if (h)
        dlclose(h);
    return h != NULL;
}

int verb_version(struct cli *c)
{
    if (!opt_on(c, OPT_JSON)) {
        printf("plexus %s (%s)\n", px_version(), px_version_commit());
        return 0;
    }
    json_t *doc = doc_new(c), *f = json_object();
    json_object_set_new(doc, "version", json_text(px_version()));
    json_object_set_new(doc, "commit", json_text(px_version_commit()));
    for (unsigned i = 0; i < sizeof features / sizeof *features; i++)
        json_object_set_new(f, features[i].name, json_boolean(has(features[i].library)));
    json_object_set_new(doc, "features", f);
    return doc_print(doc, 0);
}
