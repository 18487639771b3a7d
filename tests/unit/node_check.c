/* The table of formats: every name is found, and the hostile files of the reference data get their
 * verdicts. */
#include "plexus/check.h"

#include "plexus/file.h"
#include "px_test.h"

TEST(formats_are_listed)
{
    unsigned n = 0;
    for (; px_check_format(n); n++)
        CHECK(px_check(px_check_format(n), px_view_str("?"), NULL) != PX_ERR_INVALID);
    CHECK(n >= 3);
    CHECK(px_check_format(n + 1) == NULL);
}

TEST(an_unknown_format_is_told)
{
    px_diag diag;
    CHECK_EQ(px_check("nonsense", px_view_str("x"), &diag), PX_ERR_INVALID);
    CHECK_STR(diag.found, "nonsense");
}

static px_err check_file(const char *format, const char *path, px_diag *diag)
{
    px_file *f;
    px_err err = px_file_open(path, &f, diag);
    if (err)
        return err;
    err = px_check(format, px_file_bytes(f), diag);
    px_file_close(f);
    return err;
}

static int is_format(const char *name)
{
    for (unsigned i = 0; px_check_format(i); i++)
        if (strcmp(px_check_format(i), name) == 0)
            return 1;
    return 0;
}

TEST(hostile_files_get_their_verdicts)
{
    char dir[1024], line[1024], file[256], format[64], verdict[64], path[1400];
    unsigned checked = 0;
    snprintf(dir, sizeof dir, "%s", PX_SHARED("data/hostile/dev"));
    snprintf(path, sizeof path, "%s/manifest.tsv", dir);
    FILE *manifest = fopen(path, "r");
    CHECK(manifest);
    while (fgets(line, sizeof line, manifest)) {
        px_diag diag = {0};
        if (sscanf(line, "%255s %63s %63s", file, format, verdict) != 3 || !is_format(format))
            continue;
        snprintf(path, sizeof path, "%s/%s", dir, file);
        if (access(path, R_OK) != 0)
            continue;
        px_err err = check_file(format, path, &diag);
        if (strcmp(verdict, "accept") == 0 && err)
            PX_FAIL("%s refused: %s: expected %s, found %s", file, diag.field, diag.expected,
                    diag.found);
        if (strcmp(verdict, "reject") == 0 && !err)
            PX_FAIL("%s accepted", file);
        if (err && !(diag.field[0] && diag.expected[0]))
            PX_FAIL("%s: %s without field or expectation", file, px_err_name(err));
        checked++;
    }
    fclose(manifest);
    printf("# %u files\n", checked);
    CHECK(checked > 100);
}

TEST_MAIN()
