/* plexus setup xdp: installs the helper of plexus agg, or takes it away again. */
#include "json.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "setup_units.h" /* generated from packaging/ */

#define HELPER  "/usr/local/libexec/plexus-xdpd"
#define UNITS   "/etc/systemd/system/plexus-xdpd"
#define PACKAGE "/usr/libexec/plexus-xdpd" /* where packages have it: what the units name */

enum { PATH = 4096, ARGS = 6 };

struct setup {
    const struct cli *c;
    const char *root, *group;
    int dry, remove, systemd;
    json_t *steps;
    int rc;
};

/* -------------------------------------------------------------- telling */

static void tell(struct setup *s, const char *what, const char *on, const char *state)
{
    json_t *step = json_object();
    json_object_set_new(step, "do", json_text(what));
    json_object_set_new(step, "on", json_text(on));
    json_object_set_new(step, "state", json_text(state));
    json_array_append_new(s->steps, step);
    if (!opt_on(s->c, OPT_JSON))
        printf("%-8s %s %s\n", state, what, on);
}

/* A step: told, and with --dry-run no more. True: it is to be done. */
static int begins(struct setup *s, const char *what, const char *on)
{
    if (s->rc == 0 && s->dry)
        tell(s, what, on, "would");
    return s->rc == 0 && !s->dry;
}

static void ends(struct setup *s, const char *what, const char *on, int ok)
{
    int error = errno;
    tell(s, what, on, ok ? "done" : "failed");
    if (!ok)
        s->rc = fail_text(error == EACCES || error == EPERM ? PX_ERR_PERMISSION : PX_ERR_IO, on,
                          "be root; --dry-run shows what is done", "%s", strerror(error));
}

static const char *full(const struct setup *s, const char *path, char out[PATH])
{
    snprintf(out, PATH, "%s%s", s->root, path);
    return out;
}

/* ---------------------------------------------------------------- steps */

static int make_folders(const char *path)
{
    char part[PATH];
    snprintf(part, sizeof part, "%s", path);
    for (char *p = part + 1; *p; p++)
        if (*p == '/') {
            *p = 0;
            if (mkdir(part, 0755) != 0 && errno != EEXIST)
                return 0;
            *p = '/';
        }
    return 1;
}

static int write_all(int fd, const char *p, size_t n)
{
    while (n) {
        ssize_t k = write(fd, p, n);
        if (k <= 0)
            return 0;
        p += k;
        n -= (size_t)k;
    }
    return 1;
}

/* A whole file under its name, or none: it is written beside it and moved. */
static int put_file(const char *path, const char *bytes, size_t n, mode_t mode, gid_t group)
{
    char beside[PATH];
    if (snprintf(beside, sizeof beside, "%s.new", path) >= (int)sizeof beside ||
        !make_folders(path))
        return 0;
    unlink(beside);
    int fd = open(beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    int ok = fd >= 0 && write_all(fd, bytes, n) &&
             (group == (gid_t)-1 || fchown(fd, 0, group) == 0) && fchmod(fd, mode) == 0 &&
             fsync(fd) == 0;
    int error = errno;
    if (fd >= 0)
        close(fd);
    if (ok && rename(beside, path) == 0)
        return 1;
    errno = ok ? errno : error;
    return 0;
}

static void write_step(struct setup *s, const char *path, const char *text)
{
    char at[PATH];
    if (begins(s, "write", full(s, path, at)))
        ends(s, "write", at, put_file(at, text, strlen(text), 0644, (gid_t)-1));
}

/* The program beside ours, or where packages put it. */
static int open_program(void)
{
    char path[PATH];
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 32);
    if (n > 0) {
        path[n] = 0;
        char *slash = strrchr(path, '/');
        snprintf(slash, 32, "/plexus-xdpd");
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd >= 0)
            return fd;
    }
    return open(PACKAGE, O_RDONLY | O_CLOEXEC);
}

static int copy_program(const char *to, gid_t group)
{
    struct stat st;
    int fd = open_program();
    char *bytes = fd >= 0 && fstat(fd, &st) == 0 ? malloc((size_t)st.st_size) : NULL;
    int ok = bytes && read(fd, bytes, (size_t)st.st_size) == st.st_size &&
             put_file(to, bytes, (size_t)st.st_size, 0750, group);
    int error = errno;
    free(bytes);
    if (fd >= 0)
        close(fd);
    errno = error;
    return ok;
}

/* -1: there is none of that name (yet). */
static gid_t group_of(const struct setup *s)
{
    const struct group *g = getgrnam(s->group);
    return g ? g->gr_gid : (gid_t)-1;
}

static void install_step(struct setup *s)
{
    char at[PATH];
    gid_t group = group_of(s);
    if (!begins(s, "install", full(s, HELPER, at)))
        return;
    if (group == (gid_t)-1) {
        s->rc = fail_text(PX_ERR_NOT_FOUND, s->group, "groupadd --system NAME", "no such group");
        return;
    }
    ends(s, "install", at, copy_program(at, geteuid() ? (gid_t)-1 : group));
}

/* CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN, permitted and effective (vfs_cap_data, revision 2). */
static void rights_step(struct setup *s)
{
    static const uint32_t data[5] = {0x02000001, 1u << 12, 0, 1u << (38 - 32) | 1u << (39 - 32), 0};
    char at[PATH];
    if (begins(s, "rights cap_bpf,cap_perfmon,cap_net_admin", full(s, HELPER, at)))
        ends(s, "rights cap_bpf,cap_perfmon,cap_net_admin", at,
             setxattr(at, "security.capability", data, sizeof data, 0) == 0);
}

/* Run a program of the system; in another root there is none. */
static void run_step(struct setup *s, const char *const args[ARGS])
{
    char line[256] = "";
    int status = 0;
    for (size_t i = 0; i < ARGS && args[i]; i++)
        snprintf(line + strlen(line), sizeof line - strlen(line), "%s%s", i ? " " : "", args[i]);
    if (*s->root && s->rc == 0) {
        tell(s, "run", line, "skipped");
        return;
    }
    if (!begins(s, "run", line))
        return;
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        execvp(args[0], (char *const *)(uintptr_t)args);
        _exit(127);
    }
    int ok = pid > 0 && waitpid(pid, &status, 0) == pid && status == 0;
    errno = geteuid() ? EPERM : EIO;
    ends(s, "run", line, ok);
}

static void remove_step(struct setup *s, const char *path)
{
    char at[PATH];
    if (access(full(s, path, at), F_OK) != 0) {
        if (s->rc == 0)
            tell(s, "remove", at, "absent");
    } else if (begins(s, "remove", at)) {
        ends(s, "remove", at, unlink(at) == 0);
    }
}

/* The text of a unit with the path of what was installed, and the group. */
static char *unit_of(const struct setup *s, const char *text)
{
    static const char group[] = "plexus\n", flag[] = "--group ", field[] = "SocketGroup=";
    char *out = must(calloc(1, strlen(text) + 4096)), *to = out;
    for (const char *p = text; *p;) {
        size_t named = strncmp(p, flag, sizeof flag - 1) == 0     ? sizeof flag - 1
                       : strncmp(p, field, sizeof field - 1) == 0 ? sizeof field - 1
                                                                  : 0;
        if (strncmp(p, PACKAGE, sizeof PACKAGE - 1) == 0) {
            to += snprintf(to, 256, "%s", HELPER);
            p += sizeof PACKAGE - 1;
        } else if (named && strncmp(p + named, group, sizeof group - 1) == 0) {
            to += snprintf(to, 256, "%.*s%.64s\n", (int)named, p, s->group);
            p += named + sizeof group - 1;
        } else {
            *to++ = *p++;
        }
    }
    return out;
}

/* ----------------------------------------------------------- in order */

static void install_all(struct setup *s)
{
    static const char *const reload[ARGS] = {"systemctl", "daemon-reload"},
                             *const on[ARGS] = {"systemctl", "enable", "--now",
                                                "plexus-xdpd.socket"};
    const char *const add[ARGS] = {"groupadd", "--system", s->group};
    if (group_of(s) == (gid_t)-1)
        run_step(s, add);
    install_step(s);
    if (!s->systemd) {
        rights_step(s);
        return;
    }
    char *service = unit_of(s, SETUP_SERVICE), *socket = unit_of(s, SETUP_SOCKET);
    write_step(s, UNITS ".service", service);
    write_step(s, UNITS ".socket", socket);
    free(service);
    free(socket);
    run_step(s, reload);
    run_step(s, on);
}

static void remove_all(struct setup *s)
{
    static const char *const off[ARGS] = {"systemctl", "disable", "--now", "plexus-xdpd.socket",
                                          "plexus-xdpd.service"},
                             *const reload[ARGS] = {"systemctl", "daemon-reload"};
    char at[PATH];
    int units = access(full(s, UNITS ".socket", at), F_OK) == 0;
    if (units)
        run_step(s, off);
    remove_step(s, UNITS ".socket");
    remove_step(s, UNITS ".service");
    remove_step(s, HELPER);
    if (units)
        run_step(s, reload);
}

static void say_next(const struct setup *s)
{
    if (s->dry || s->remove || opt_on(s->c, OPT_JSON))
        return;
    if (s->systemd)
        printf("Members of the group %s can attach now: plexus agg attach IFACE\n", s->group);
    else
        printf("There is no systemd here: a member of the group %s starts the helper with\n"
               "  " HELPER
               " --socket PATH\nand attaches with plexus agg attach IFACE --helper PATH\n",
               s->group);
}

int verb_setup_xdp(struct cli *c)
{
    char at[PATH];
    struct setup s = {.c = c,
                      .root = opt_text(c, OPT_SETUP_ROOT) ? opt_text(c, OPT_SETUP_ROOT) : "",
                      .group = opt_text(c, OPT_SETUP_GROUP),
                      .dry = opt_on(c, OPT_SETUP_DRY_RUN),
                      .remove = opt_on(c, OPT_SETUP_REMOVE),
                      .steps = json_array()};
    s.systemd = access(full(&s, "/run/systemd/system", at), F_OK) == 0;
    if (s.remove)
        remove_all(&s);
    else
        install_all(&s);
    if (s.rc == 0)
        say_next(&s);
    if (!opt_on(c, OPT_JSON) || s.rc) {
        json_decref(s.steps);
        return s.rc;
    }
    json_t *doc = doc_new(c);
    json_object_set_new(doc, "manager", json_text(s.systemd ? "systemd" : "none"));
    json_object_set_new(doc, "helper", json_text(full(&s, HELPER, at)));
    json_object_set_new(doc, "group", json_text(s.group));
    json_object_set_new(doc, "steps", s.steps);
    return doc_print(doc, 0);
}
