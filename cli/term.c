/* Terminals: colours, width, Ctrl-C, and output that no file can turn into escape sequences. */
#include "cli.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static int out_tty, err_tty, colored;
static volatile sig_atomic_t pending, polled;
static const char *volatile left_file, *volatile left_dir; /* removed when Ctrl-C ends us */

static int env_set(const char *name)
{
    const char *v = getenv(name);
    return v && *v;
}

void term_color(const char *choice)
{
    const char *force = getenv("CLICOLOR_FORCE"), *term = getenv("TERM");
    if (strcmp(choice, "always") == 0)
        colored = 1;
    else if (strcmp(choice, "never") == 0 || env_set("NO_COLOR"))
        colored = 0;
    else if (force && *force && strcmp(force, "0") != 0)
        colored = 1;
    else
        colored = out_tty && term && strcmp(term, "dumb") != 0;
}

void term_init(void)
{
    out_tty = isatty(STDOUT_FILENO);
    err_tty = isatty(STDERR_FILENO);
    term_color("auto");
}

int term_out(void)
{
    return out_tty;
}

int term_err(void)
{
    return err_tty;
}

int term_width(void)
{
    struct winsize w;
    int fd = err_tty ? STDERR_FILENO : STDOUT_FILENO;
    return ioctl(fd, TIOCGWINSZ, &w) == 0 && w.ws_col >= 20 ? w.ws_col : 80;
}

const char *ink(int sgr)
{
    static char ring[8][12];
    static unsigned next;
    if (!colored)
        return "";
    char *s = ring[next++ % 8];
    snprintf(s, sizeof ring[0], "\033[%dm", sgr);
    return s;
}

/* Length of the UTF-8 character at p, its code point in *cp; 0 when it is none. */
static size_t utf8(const unsigned char *p, size_t n, uint32_t *cp)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t len = p[0] < 0x80 ? 1 : p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : p[0] >= 0xc0 ? 2 : 0;
    if (len == 0 || len > n || p[0] > 0xf4)
        return 0;
    *cp = len == 1 ? p[0] : p[0] & (0x7fu >> len);
    for (size_t i = 1; i < len; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return 0;
        *cp = *cp << 6 | (p[i] & 0x3f);
    }
    if (*cp < least[len] || *cp > 0x10ffff || (*cp >= 0xd800 && *cp < 0xe000))
        return 0;
    return len;
}

/* Characters that steer a terminal or turn the order of text around. */
static int steers(uint32_t cp)
{
    return cp < 0x20 || (cp >= 0x7f && cp < 0xa0) || (cp >= 0x202a && cp <= 0x202e) ||
           (cp >= 0x2066 && cp <= 0x2069);
}

void put_safe(FILE *f, const void *bytes, size_t n, int lines)
{
    const unsigned char *p = bytes;
    for (size_t i = 0; i < n;) {
        uint32_t cp = 0;
        size_t len = utf8(p + i, n - i, &cp);
        if (len == 0)
            fprintf(f, "\\x%02x", p[i]);
        else if (lines && (cp == '\n' || cp == '\t'))
            fputc((int)cp, f);
        else if (cp == '\n' || cp == '\t')
            fputs(cp == '\n' ? "\\n" : "\\t", f);
        else if (steers(cp))
            fprintf(f, cp < 0x100 ? "\\x%02x" : "\\u%04x", (unsigned)cp);
        else
            fwrite(p + i, 1, len, f);
        i += len ? len : 1;
    }
}

void put_text(const void *p, size_t n)
{
    if (out_tty)
        put_safe(stdout, p, n, 1);
    else
        fwrite(p, 1, n, stdout);
}

void human_bytes(char out[32], double bytes)
{
    const char *units[] = {"B", "kB", "MB", "GB", "TB"};
    int u = 0;
    for (; bytes >= 1000 && u < 4; u++)
        bytes /= 1000;
    snprintf(out, 32,
             u == 0 || bytes >= 100 ? "%.0f %s"
             : bytes >= 10          ? "%.1f %s"
                                    : "%.2f %s",
             bytes, units[u]);
}

static void on_interrupt(int sig)
{
    static const char clear[] = "\r\033[K";
    (void)sig;
    if (polled && !pending) {
        pending = 1;
        return;
    }
    if (left_file)
        unlink(left_file);
    if (left_dir)
        rmdir(left_dir);
    if (err_tty && write(STDERR_FILENO, clear, sizeof clear - 1) < 0)
        _exit(130);
    _exit(130);
}

void interrupt_init(void)
{
    /* A write that waits goes on: cut short, it would lose its text and fail as on a full disk. */
    struct sigaction sa = {.sa_handler = on_interrupt, .sa_flags = SA_RESTART};
    sigemptyset(&sa.sa_mask);
    sigaction(SIGINT, &sa, NULL);
    signal(SIGPIPE, SIG_IGN); /* a closed pipe shows when output is flushed, and ends us quietly */
}

void interrupt_poll(int on)
{
    polled = on;
}

void interrupt_remove(const char *file, const char *dir)
{
    left_file = file;
    left_dir = dir;
}

int interrupted(void)
{
    return pending;
}

void interrupt_clear(void)
{
    pending = 0;
}
