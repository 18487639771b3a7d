/*
 * Inside the template engine: tokens, syntax tree, values and the state of one rendering.
 *
 * A template is lexed and parsed once into a tree that never changes. Each rendering has its own
 * arena, output buffer and counters, so that one compiled template may be rendered by many threads.
 * Values imitate Python's, because templates are written against Python's Jinja2.
 */
#ifndef PXI_TEXT_TEMPLATE_IMPL_H
#define PXI_TEXT_TEMPLATE_IMPL_H

#include <stdbool.h>

#include "base/limits.h"
#include "base/mem.h"
#include "plexus/template.h"

/* ---- values ---- */

/* An immutable string. `rope` is set when the bytes end a buffer in which an append may continue.
 */
struct pxi_tstr {
    const char *p;
    size_t n;
    struct pxi_trope *rope;
};

enum pxi_ttype {
    PXI_T_UNDEF,
    PXI_T_NONE,
    PXI_T_BOOL,
    PXI_T_INT,
    PXI_T_FLOAT,
    PXI_T_STR,
    PXI_T_LIST,
    PXI_T_DICT,
    PXI_T_SPACE,
    PXI_T_LOOP,
    PXI_T_MACRO,
    PXI_T_FUNC,
    PXI_T_METHOD,
};

/* What a PXI_T_LIST imitates; they differ in printing, length, indexing and equality. */
enum pxi_tkind {
    PXI_TK_LIST,
    PXI_TK_TUPLE,
    PXI_TK_RANGE,
    PXI_TK_GENERATOR, /* may be walked once; has no length */
    PXI_TK_KEYS,
    PXI_TK_VALUES,
    PXI_TK_ITEMS,
};

struct pxi_tval {
    uint8_t type;
    uint8_t how; /* of PXI_T_UNDEF: enum pxi_tundef */
    union {
        bool b;
        int64_t i;
        double f;
        struct pxi_tstr *s; /* of PXI_T_UNDEF: the name that is missing */
        struct pxi_tlist *l;
        struct pxi_tdict *d; /* PXI_T_DICT and PXI_T_SPACE */
        struct pxi_tloop *loop;
        struct pxi_tmacro *macro;
        const struct pxi_tfunc *fn;
        struct pxi_tmethod *method;
    };
};

enum pxi_tundef { PXI_TU_NAME, PXI_TU_ATTR, PXI_TU_PARAM, PXI_TU_UNSAFE, PXI_TU_OTHER };

struct pxi_tlist {
    struct pxi_tval *v;
    size_t n, cap, at; /* at: how far a generator was walked */
    uint8_t kind;
    int64_t start, stop, step; /* of a range */
};

struct pxi_tdict {
    struct pxi_tval *kv; /* key, value, key, value... in order of insertion */
    size_t n, cap;
};

struct pxi_tloop {
    const struct pxi_tval *v;
    size_t n, i;
};

struct pxi_tmacro {
    const struct pxi_tnode *node;
    struct pxi_tenv *env; /* where the macro was defined: free names are looked up there */
};

struct pxi_tmethod {
    struct pxi_tval self;
    const struct pxi_tfunc *fn;
};

/* ---- the syntax tree ---- */

enum pxi_tnode_type {
    /* expressions */
    PXI_N_CONST,  /* k */
    PXI_N_NAME,   /* name */
    PXI_N_BODY,   /* the text that a block filter works on */
    PXI_N_LIST,   /* a: items */
    PXI_N_TUPLE,  /* a: items */
    PXI_N_DICT,   /* a: keys, each with its value in b */
    PXI_N_ATTR,   /* a.name */
    PXI_N_ITEM,   /* a[b] */
    PXI_N_SLICE,  /* a[b:c:d] */
    PXI_N_CALL,   /* a(b: PXI_N_ARG...) */
    PXI_N_FILTER, /* a|fn(b) */
    PXI_N_TEST,   /* a is fn(b) */
    PXI_N_ARG,    /* a, or name=a */
    PXI_N_NOT,
    PXI_N_NEG,
    PXI_N_POS,
    PXI_N_AND,
    PXI_N_OR,
    PXI_N_BINARY,  /* a op b */
    PXI_N_CONCAT,  /* a: items of ~ */
    PXI_N_COMPARE, /* a, then b: PXI_N_OPERAND... */
    PXI_N_OPERAND, /* op a */
    PXI_N_COND,    /* b if a else c; c may be NULL */
    /* statements */
    PXI_N_DATA,     /* k: text */
    PXI_N_OUTPUT,   /* a */
    PXI_N_IF,       /* a: PXI_N_BRANCH... */
    PXI_N_BRANCH,   /* a: condition or NULL, b: body */
    PXI_N_FOR,      /* for a in b if c: d; else: e */
    PXI_N_SET,      /* a = b */
    PXI_N_SETBODY,  /* a = filters b of body d */
    PXI_N_MACRO,    /* name(b: PXI_N_ARG...): d */
    PXI_N_FILTERED, /* filters b of body d */
    PXI_N_SCOPE,    /* with: b: PXI_N_ARG..., d: body */
    PXI_N_BREAK,
    PXI_N_CONTINUE,
};

struct pxi_tnode {
    uint8_t type;
    uint16_t op;
    uint32_t off; /* offset in the source */
    struct pxi_tnode *next;
    struct pxi_tnode *a, *b, *c, *d, *e;
    union {
        struct pxi_tval k;
        struct pxi_tstr *name;
        const struct pxi_tfunc *fn;
    };
};

/* Operators are named by their one or two characters. */
#define PXI_OP(x, y) ((x) | (y) << 8)
enum { PXI_OP_IN = PXI_OP('i', 'n'), PXI_OP_NOT_IN = PXI_OP('n', 'i') };

enum pxi_ttok_type {
    PXI_TOK_EOF,
    PXI_TOK_DATA,
    PXI_TOK_VAR_BEGIN,
    PXI_TOK_VAR_END,
    PXI_TOK_BLOCK_BEGIN,
    PXI_TOK_BLOCK_END,
    PXI_TOK_NAME,
    PXI_TOK_STRING, /* with its quotes */
    PXI_TOK_INT,
    PXI_TOK_FLOAT,
    PXI_TOK_OP,
};

struct pxi_ttok {
    uint8_t type;
    uint16_t op;
    uint32_t off, n;
};

struct pxi_ttoks {
    struct pxi_ttok *v;
    size_t n, cap;
};

/* src must have its line ends normalised. The caller frees toks->v with pxi_free, also on error. */
px_err pxi_tpl_lex(px_view src, struct pxi_ttoks *toks, px_diag *diag);

/* Nodes and strings are of the arena; src must live as long. *body is a list linked by next. */
px_err pxi_tpl_parse(px_view src, const struct pxi_ttoks *toks, struct pxi_arena *arena,
                     struct pxi_tnode **body, px_diag *diag);

/* State of the parser, shared by its two files. */
struct pxi_tparse {
    const char *src;
    const struct pxi_ttok *t; /* the current token; the last is PXI_TOK_EOF */
    struct pxi_arena *arena;
    px_diag *diag;
    px_err err;
    unsigned depth;
    unsigned loops; /* for loops around the current statement, for break and continue */
};

struct pxi_tnode *pxi_tpl_node(struct pxi_tparse *p, unsigned type);
void *pxi_tpl_parse_fail(struct pxi_tparse *p, const char *expected);
void *pxi_tpl_parse_nomem(struct pxi_tparse *p);
bool pxi_tpl_parse_enter(struct pxi_tparse *p);
bool pxi_tpl_tok_is(const struct pxi_tparse *p, const char *name);
bool pxi_tpl_tok_op(const struct pxi_tparse *p, unsigned op);
bool pxi_tpl_tok_expect(struct pxi_tparse *p, unsigned op, const char *text);
struct pxi_tstr *pxi_tpl_tok_name(struct pxi_tparse *p);
struct pxi_tnode *pxi_tpl_expr(struct pxi_tparse *p, bool conditional);
struct pxi_tnode *pxi_tpl_expr_tuple(struct pxi_tparse *p, bool conditional, bool parens);
struct pxi_tnode *pxi_tpl_expr_target(struct pxi_tparse *p, bool attributes);
struct pxi_tnode *pxi_tpl_expr_filters(struct pxi_tparse *p, struct pxi_tnode *a, bool first);
struct pxi_tnode *pxi_tpl_expr_or(struct pxi_tparse *p);
struct pxi_tnode *pxi_tpl_expr_unary(struct pxi_tparse *p, bool filters);
struct pxi_tnode *pxi_tpl_literal(struct pxi_tparse *p);

/* ---- rendering ---- */

struct pxi_tvar {
    const struct pxi_tstr *name;
    struct pxi_tval val;
};

struct pxi_tenv {
    struct pxi_tenv *parent;
    struct pxi_tvar *v;
    size_t n, cap;
    bool kept; /* a macro refers to it, so a loop must not reuse it */
};

struct pxi_trun {
    struct pxi_arena arena;
    struct pxi_buf out; /* output; text under construction lies behind it */
    uint64_t steps;
    unsigned depth;
    uint32_t off; /* offset of what is being evaluated */
    px_err err;
    px_diag *diag;
    int64_t now_unix;
    struct pxi_tenv *root;
    struct pxi_tval body; /* of PXI_N_BODY */
};

/* Positional and keyword arguments of a call. */
struct pxi_targs {
    struct pxi_tval *v;
    size_t n;
    const struct pxi_tstr **kw; /* names */
    struct pxi_tval *kwv;
    size_t nkw;
};

enum { PXI_T_PARAMS = 5 };

/* What a filter, test, method or global function is called with. */
struct pxi_tcall {
    struct pxi_trun *run;
    struct pxi_tval self;
    const struct pxi_tval *a[PXI_T_PARAMS]; /* bound to fn->params; NULL when not given */
    const struct pxi_targs *args;           /* as written; used where params is "*" */
    const struct pxi_tfunc *fn;
};

struct pxi_tfunc {
    const char *name;
    const char *params; /* names separated by blanks, "*" = any */
    unsigned required;
    bool (*call)(struct pxi_tcall *c, struct pxi_tval *out);
};

/* Tables. NULL when the name is unknown. */
const struct pxi_tfunc *pxi_tpl_filter_find(const char *name, size_t n);
const struct pxi_tfunc *pxi_tpl_test_find(const char *name, size_t n);
const struct pxi_tfunc *pxi_tpl_global_find(const char *name, size_t n);
/* Method of a value of type t (PXI_T_STR, PXI_T_DICT, PXI_T_LIST, ...). */
const struct pxi_tfunc *pxi_tpl_method_find(const struct pxi_tval *v, const struct pxi_tstr *name);
/* List filters, of template_seq.c, and the rest. */
extern const struct pxi_tfunc pxi_tpl_seq_filters[];
extern const struct pxi_tfunc pxi_tpl_str_methods[];
extern const struct pxi_tfunc pxi_tpl_dict_methods[];
extern const struct pxi_tfunc pxi_tpl_list_methods[];
const struct pxi_tfunc *pxi_tpl_func_find(const struct pxi_tfunc *table, const char *name,
                                          size_t n);

/* Call fn with arguments; false after an error. */
bool pxi_tpl_invoke(struct pxi_trun *r, const struct pxi_tfunc *fn, const struct pxi_tval *self,
                    const struct pxi_targs *args, struct pxi_tval *out);

/* All of these return false after recording an error in the run. */
__attribute__((format(printf, 2, 3))) bool pxi_tpl_fail(struct pxi_trun *r, const char *fmt, ...);
bool pxi_tpl_limit(struct pxi_trun *r, const char *what, uint64_t limit);
bool pxi_tpl_step(struct pxi_trun *r, uint64_t n);
bool pxi_tpl_enter(struct pxi_trun *r);
void pxi_tpl_leave(struct pxi_trun *r);
void *pxi_tpl_alloc(struct pxi_trun *r, size_t n, size_t size);

/* Text under construction: remember r->out.n, put, then take what was put as a string. */
bool pxi_tpl_put(struct pxi_trun *r, const void *p, size_t n);
bool pxi_tpl_puts(struct pxi_trun *r, const char *s);
bool pxi_tpl_take(struct pxi_trun *r, size_t mark, struct pxi_tval *out);
bool pxi_tpl_put_str(struct pxi_trun *r, const struct pxi_tval *v);  /* as str(v) */
bool pxi_tpl_put_repr(struct pxi_trun *r, const struct pxi_tval *v); /* as repr(v) */
bool pxi_tpl_put_float(struct pxi_trun *r, double f);

/* Constructors. */
struct pxi_tval pxi_tpl_bool(bool b);
struct pxi_tval pxi_tpl_int(int64_t i);
struct pxi_tval pxi_tpl_float(double f);
struct pxi_tval pxi_tpl_none(void);
struct pxi_tval pxi_tpl_undef(const struct pxi_tstr *name, enum pxi_tundef how);
bool pxi_tpl_str_copy(struct pxi_trun *r, const void *p, size_t n, struct pxi_tval *out);
bool pxi_tpl_str_ref(struct pxi_trun *r, const void *p, size_t n, struct pxi_tval *out);
bool pxi_tpl_str_of(struct pxi_trun *r, const struct pxi_tval *v, struct pxi_tval *out);
bool pxi_tpl_str_join2(struct pxi_trun *r, const struct pxi_tstr *a, const struct pxi_tstr *b,
                       struct pxi_tval *out);
bool pxi_tpl_list(struct pxi_trun *r, enum pxi_tkind kind, size_t cap, struct pxi_tval *out);
bool pxi_tpl_list_add(struct pxi_trun *r, struct pxi_tlist *l, const struct pxi_tval *v);
bool pxi_tpl_dict(struct pxi_trun *r, size_t cap, struct pxi_tval *out);
bool pxi_tpl_dict_put(struct pxi_trun *r, struct pxi_tdict *d, const struct pxi_tval *k,
                      const struct pxi_tval *v);
/* Append without looking for the key. */
bool pxi_tpl_dict_add(struct pxi_trun *r, struct pxi_tdict *d, const struct pxi_tval *k,
                      const struct pxi_tval *v);
/* *out is NULL when the key is absent. */
bool pxi_tpl_dict_get(struct pxi_trun *r, const struct pxi_tdict *d, const struct pxi_tval *k,
                      struct pxi_tval **out);
bool pxi_tpl_dict_view(struct pxi_trun *r, const struct pxi_tdict *d, enum pxi_tkind kind,
                       struct pxi_tval *out);

/* Operations with Python's meaning. */
bool pxi_tpl_truth(const struct pxi_tval *v);
const char *pxi_tpl_type_name(const struct pxi_tval *v);
bool pxi_tpl_equal(struct pxi_trun *r, const struct pxi_tval *a, const struct pxi_tval *b,
                   bool *out);
bool pxi_tpl_compare(struct pxi_trun *r, const struct pxi_tval *a, const struct pxi_tval *b,
                     const char *op, int *out);
bool pxi_tpl_contains(struct pxi_trun *r, const struct pxi_tval *item, const struct pxi_tval *in,
                      bool *out);
bool pxi_tpl_relation(struct pxi_trun *r, unsigned op, const struct pxi_tval *a,
                      const struct pxi_tval *b, bool *out);
bool pxi_tpl_binary(struct pxi_trun *r, unsigned op, const struct pxi_tval *a,
                    const struct pxi_tval *b, struct pxi_tval *out);
bool pxi_tpl_attr(struct pxi_trun *r, const struct pxi_tval *v, struct pxi_tstr *name,
                  struct pxi_tval *out);
bool pxi_tpl_item(struct pxi_trun *r, const struct pxi_tval *v, const struct pxi_tval *key,
                  struct pxi_tval *out);
/* Look up "a.b.0" (a string) or an integer, as map(attribute=) and its relatives do. */
bool pxi_tpl_path(struct pxi_trun *r, const struct pxi_tval *v, const struct pxi_tval *path,
                  struct pxi_tval *out);
bool pxi_tpl_slice(struct pxi_trun *r, const struct pxi_tval *v, const struct pxi_tval *start,
                   const struct pxi_tval *stop, const struct pxi_tval *step, struct pxi_tval *out);
bool pxi_tpl_length(struct pxi_trun *r, const struct pxi_tval *v, int64_t *out);
/* The elements of an iterable: a list that borrows or copies them; a generator is used up. */
bool pxi_tpl_iterate(struct pxi_trun *r, const struct pxi_tval *v, struct pxi_tlist *out);
bool pxi_tpl_iterable(const struct pxi_tval *v);
bool pxi_tpl_undefined(struct pxi_trun *r, const struct pxi_tval *v); /* fails: v is undefined */
bool pxi_tpl_number(const struct pxi_tval *v, double *out);           /* bool, int, float */
bool pxi_tpl_integer(const struct pxi_tval *v, int64_t *out);         /* bool, int */

/* Evaluation, template_eval.c; statements, template_exec.c. */
bool pxi_tpl_eval(struct pxi_trun *r, struct pxi_tenv *env, const struct pxi_tnode *n,
                  struct pxi_tval *out);
bool pxi_tpl_args(struct pxi_trun *r, struct pxi_tenv *env, const struct pxi_tnode *list,
                  struct pxi_targs *out);
bool pxi_tpl_exec(struct pxi_trun *r, struct pxi_tenv *env, const struct pxi_tnode *body);
bool pxi_tpl_macro_call(struct pxi_trun *r, const struct pxi_tmacro *m,
                        const struct pxi_targs *args, struct pxi_tval *out);
struct pxi_tenv *pxi_tpl_env(struct pxi_trun *r, struct pxi_tenv *parent);
bool pxi_tpl_env_set(struct pxi_trun *r, struct pxi_tenv *env, const struct pxi_tstr *name,
                     const struct pxi_tval *v);
bool pxi_tpl_env_get(struct pxi_trun *r, const struct pxi_tenv *env, const struct pxi_tstr *name,
                     struct pxi_tval *out);

/* JSON: template_json.c. */
bool pxi_tpl_json_put(struct pxi_tcall *c, struct pxi_tval *out); /* the filter tojson */
px_err pxi_tpl_json_load(struct pxi_trun *r, const char *text, struct pxi_tenv *env);

/* Dates: template_time.c. */
bool pxi_tpl_strftime(struct pxi_trun *r, const struct pxi_tstr *fmt, int64_t unix_s,
                      struct pxi_tval *out);

/* ---- text: template_text.c. Malformed UTF-8 counts as one character a byte. ---- */

/* Bytes of the character at p (n > 0 bytes remain) and, when cp is not NULL, its code point. */
size_t pxi_tpl_char(const char *p, size_t n, uint32_t *cp);
size_t pxi_tpl_char_count(const char *p, size_t n);
size_t pxi_tpl_char_offset(const char *p, size_t n, size_t chars); /* bytes of `chars` characters */
size_t pxi_tpl_char_encode(uint32_t cp, char *out);                /* up to 4 bytes */
bool pxi_tpl_is_space(uint32_t cp);
bool pxi_tpl_is_printable(uint32_t cp);
uint32_t pxi_tpl_upper(uint32_t cp);
uint32_t pxi_tpl_lower(uint32_t cp);
px_view pxi_tpl_strip(const char *p, size_t n, const struct pxi_tstr *chars, bool left, bool right);
/* Offset of needle in hay at or after `from`, or SIZE_MAX. */
size_t pxi_tpl_find(const struct pxi_tstr *hay, const struct pxi_tstr *needle, size_t from);
bool pxi_tpl_str_is(const struct pxi_tstr *s, const char *text);
bool pxi_tpl_str_equal(const struct pxi_tstr *a, const struct pxi_tstr *b);

#endif
