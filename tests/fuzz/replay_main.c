/*
 * Runs a fuzz target over the files of a folder (or over single files), one TAP case a file. The
 * bytes end against an unreadable page, so that a read past their end is a crash. Files run many to
 * a process; when one fails, those of its process run again, each in its own.
 */
#include <dirent.h>

#include "px_test.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { FILES = 4096, TOGETHER = 64 };

static char *paths[FILES];
static unsigned path_count;
static unsigned first, count; /* those that run in one process */

static void replay_one(const char *path)
{
    struct stat st;
    FILE *f = fopen(path, "rb");
    if (!f || fstat(fileno(f), &st) != 0)
        PX_FAIL("cannot open %s", path);
    size_t n = (size_t)st.st_size;
    uint8_t *bytes = px_guarded(n, 0);
    if (fread(bytes, 1, n, f) != n)
        PX_FAIL("cannot read %s", path);
    fclose(f);
    LLVMFuzzerTestOneInput(bytes, n);
}

static void replay(void)
{
    for (unsigned i = 0; i < count; i++)
        replay_one(paths[first + i]);
}

/* How many of n files from i on failed; a line for each. */
static unsigned run(unsigned i, unsigned n)
{
    const char *slash = strrchr(paths[i], '/');
    const struct px_case c = {slash ? slash + 1 : paths[i], replay};
    unsigned failed = 0;
    first = i;
    count = n;
    int rc = px_run_case(&c, 1);
    for (unsigned k = 0; rc && n > 1 && k < n; k++)
        failed += run(i + k, 1);
    if (rc && n > 1) {
        if (!failed)
            printf("# files %u to %u fail only together\n", i + 1, i + n);
        return failed ? failed : 1;
    }
    for (unsigned k = 0; k < n; k++) {
        slash = strrchr(paths[i + k], '/');
        printf("%s %u - %s\n", rc ? "not ok" : "ok", i + k + 1, slash ? slash + 1 : paths[i + k]);
    }
    return rc != 0;
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
    for (unsigned i = 0; i < path_count; i += TOGETHER)
        failed += run(i, path_count - i < TOGETHER ? path_count - i : TOGETHER);
    for (unsigned i = 0; i < path_count; i++)
        free(paths[i]);
    return failed || !path_count;
}
