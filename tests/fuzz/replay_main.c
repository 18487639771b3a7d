/*
 * Runs a fuzz target over the files of a folder (or over single files), one TAP case a file. The
 * bytes end against an unreadable page, so that a read past their end is a crash.
 */
#include <dirent.h>

#include "px_test.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { FILES = 4096 };

static char *paths[FILES];
static unsigned path_count;
static const char *current;

static void replay(void)
{
    struct stat st;
    FILE *f = fopen(current, "rb");
    if (!f || fstat(fileno(f), &st) != 0)
        PX_FAIL("cannot open %s", current);
    size_t n = (size_t)st.st_size;
    uint8_t *bytes = px_guarded(n, 0);
    if (fread(bytes, 1, n, f) != n)
        PX_FAIL("cannot read %s", current);
    fclose(f);
    LLVMFuzzerTestOneInput(bytes, n);
}

static void add(const char *folder, const char *name)
{
    size_t n = strlen(folder) + strlen(name) + 2;
    char *path = malloc(n);
    if (!path || path_count == FILES) {
        free(path);
        return;
    }
    snprintf(path, n, "%s%s%s", folder, *name ? "/" : "", name);
    paths[path_count++] = path;
}

static void collect(const char *arg)
{
    struct dirent **names;
    int n = scandir(arg, &names, NULL, alphasort);
    if (n < 0) {
        add(arg, "");
        return;
    }
    for (int i = 0; i < n; i++) {
        if (names[i]->d_name[0] != '.')
            add(arg, names[i]->d_name);
        free(names[i]);
    }
    free(names);
}

int main(int argc, char **argv)
{
    unsigned failed = 0;
    for (int i = 1; i < argc; i++)
        collect(argv[i]);
    if (argc > 1 && !strcmp(argv[1], "--help"))
        return px_test_main(argc, argv);
    printf("TAP version 13\n1..%u\n", path_count);
    for (unsigned i = 0; i < path_count; i++) {
        const char *slash = strrchr(paths[i], '/');
        const struct px_case c = {slash ? slash + 1 : paths[i], replay};
        current = paths[i];
        int rc = px_run_case(&c, 1);
        failed += rc != 0;
        printf("%s %u - %s\n", rc ? "not ok" : "ok", i + 1, c.name);
        free(paths[i]);
    }
    return failed || !path_count;
}
