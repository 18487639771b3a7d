/*
 * The frame of the command line: tables made by tools/gen.py, parsed arguments, errors, output.
 * Every verb is one function verb_<name>(struct cli *) in a file of its own; it returns the exit
 * code. Memory of the frame lives as long as the process.
 */
#ifndef CLI_H
#define CLI_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "options.gen.h"
#include "plexus/plexus.h"

enum opt_type { TYPE_FLAG, TYPE_UINT, TYPE_FLOAT, TYPE_TEXT, TYPE_CHOICE, TYPE_LIST };

struct cli_opt {
    const char *name, *env;
    char letter; /* 0 = none */
    enum opt_type type;
    const char *def;     /* default as text, NULL = none */
    const char *bare;    /* value when given without one; NULL = a value is needed */
    const char *choices; /* separated by blanks */
    double min, max;
    uint64_t umin, umax;
};

struct cli_verb_opt {
    int id;
    const char *def;
};

struct cli_verb {
    const char *name, *summary, *usage, *help;
    const struct cli_verb_opt *opts;
    unsigned opt_count;
    int min, max; /* positional arguments; max -1 = any number */
    int (*run)(struct cli *c);
};

struct cli_topic {
    const char *name, *text;
};

extern const struct cli_opt cli_opts[OPT_COUNT];
extern const struct cli_verb cli_verbs[];
extern const unsigned cli_verb_count;
extern const struct cli_topic cli_topics[]; /* help topics; "" is the short help */
extern const unsigned cli_topic_count;
extern const struct cli_topic cli_completions[];
extern const unsigned cli_completion_count;

/* Layers from weakest to strongest. */
enum origin { FROM_DEFAULT, FROM_SYSTEM, FROM_USER, FROM_ENV, FROM_FLAG };

struct value {
    enum origin origin;
    const char *where; /* file:line or the name of the variable */
    const char *text;  /* as given; NULL when the option has no value */
    uint64_t u;
    double f;
    int on;
    const char **list;
    unsigned n;
};

struct cli {
    const struct cli_verb *verb;
    struct value v[OPT_COUNT];
    const char **arg; /* positional arguments */
    int args;
};

/* Values of options; the verb must have the option. */
static inline int opt_on(const struct cli *c, int id)
{
    return c->v[id].on;
}
static inline uint64_t opt_uint(const struct cli *c, int id)
{
    return c->v[id].u;
}
static inline double opt_float(const struct cli *c, int id)
{
    return c->v[id].f;
}
static inline const char *opt_text(const struct cli *c, int id)
{
    return c->v[id].text;
}
static inline int opt_given(const struct cli *c, int id)
{
    return c->v[id].origin != FROM_DEFAULT;
}

/* args.c: read the command line of c->verb, then fill in the weaker layers. 0 or an exit code. */
int args_parse(struct cli *c, int argc, char **argv);
const struct cli_verb *verb_find(const char *name);
const struct cli_verb_opt *verb_opt_find(const struct cli_verb *v, const char *name);
/* Convert text for the option; 0, or -1 with the complaint in why. */
int value_set(struct value *v, const struct cli_opt *o, const char *text, char *why, size_t cap);
int value_add(struct value *v, const char *text);

/* layers.c: default, files, environment. */
int layers_resolve(struct cli *c, const struct cli_verb *verb, struct value out[OPT_COUNT]);
const char *layers_path(enum origin layer); /* path of the system or user file, NULL = none */
const char *origin_name(enum origin o);
/* A file in the state directory (created), such as the history of chat; NULL when there is none. */
char *state_path(const char *name);
/* The same in the data directory: the store of models. */
char *data_path(const char *name);

/* suggest.c: the nearest name within two edits of a candidate list, or NULL. */
struct suggest {
    const char *want, *best;
    unsigned distance;
};
void suggest_try(struct suggest *s, const char *candidate);

/* fail.c: errors are one line on standard error; the result is the exit code. */
int fail(px_err e, const char *where, const px_diag *d);
int fail_text(px_err e, const char *where, const char *hint, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
int usage(const char *hint, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void note(const struct cli *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void *must(void *p); /* p, or the end of the program when memory is out */
void *keep(void *p); /* must(p), remembered to the end of the process */
char *text_join(const char *const *words, int n); /* kept */

/* term.c: what the terminals can do, colours, safe output. */
void term_init(void);
void term_color(const char *choice); /* auto, always, never */
int term_out(void);                  /* standard output is a terminal */
int term_err(void);
int term_width(void);
const char *ink(int sgr); /* escape sequence for standard output, or "" */
/* Write bytes of unknown origin: control characters are escaped, \n and \t kept when `lines`. */
void put_safe(FILE *f, const void *p, size_t n, int lines);
void put_text(const void *p, size_t n); /* generated text: as it is, but safe on a terminal */
void human_bytes(char out[32], double bytes);

/* Ctrl-C: by default the program ends with 130; a verb that cleans up polls instead. */
void interrupt_init(void);
void interrupt_poll(int on);
/* Paths to remove should Ctrl-C end the program at once; NULL for none. */
void interrupt_remove(const char *file, const char *dir);
int interrupted(void); /* and forget it: interrupt_clear */
void interrupt_clear(void);

/* progress.c: a bar on a terminal, a line every five seconds otherwise; nothing in the first. */
struct progress {
    const char *what, *unit;
    uint64_t total;
    double start, last;
    int drawn, quiet;
};
void progress_begin(struct progress *p, const struct cli *c, const char *what, const char *unit,
                    uint64_t total);
void progress_set(struct progress *p, uint64_t done);
void progress_end(struct progress *p);
double now_s(void);

/* input.c: text of --file, of the arguments from `first` on, or of standard input. */
struct text {
    char *p;
    size_t n;
};
int text_read_file(const char *path, struct text *out); /* "-" is standard input; 0 or exit code */
int text_read(struct cli *c, int file_option, int first, const char *what, struct text *out);

#endif
