/* Expressions of a template to a tree, with the precedence of Jinja2. */
#include "text/template_impl.h"

static struct pxi_tnode *unary_node(struct pxi_tparse *p, unsigned type, struct pxi_tnode *a)
{
    struct pxi_tnode *n = pxi_tpl_node(p, type);
    if (n)
        n->a = a;
    return n;
}

static struct pxi_tnode *binary_node(struct pxi_tparse *p, unsigned type, unsigned op,
                                     struct pxi_tnode *a, struct pxi_tnode *b)
{
    struct pxi_tnode *n = a && b ? unary_node(p, type, a) : NULL;
    if (n) {
        n->op = (uint16_t)op;
        n->b = b;
    }
    return n;
}

/* Items separated by commas up to the bracket `close`, which is consumed. */
static bool items(struct pxi_tparse *p, unsigned close, const char *text, struct pxi_tnode **tail)
{
    bool first = true;
    while (!pxi_tpl_tok_op(p, close)) {
        if (!first && !pxi_tpl_tok_expect(p, ',', text))
            return false;
        if (!first && pxi_tpl_tok_op(p, close))
            break;
        first = false;
        if (!(*tail = pxi_tpl_expr(p, true)))
            return false;
        tail = &(*tail)->next;
    }
    p->t++;
    return true;
}

static struct pxi_tnode *list(struct pxi_tparse *p)
{
    struct pxi_tnode *n = pxi_tpl_node(p, PXI_N_LIST);
    p->t++;
    return n && items(p, ']', ", or ]", &n->a) ? n : NULL;
}

/* A dict is a list of PXI_N_ARG: key in a, value in b. */
static struct pxi_tnode *dict(struct pxi_tparse *p)
{
    struct pxi_tnode *n = pxi_tpl_node(p, PXI_N_DICT), **tail = n ? &n->a : NULL;
    p->t++;
    while (tail && !pxi_tpl_tok_op(p, '}')) {
        if (n->a && !pxi_tpl_tok_expect(p, ',', ", or }"))
            return NULL;
        if (pxi_tpl_tok_op(p, '}'))
            break;
        struct pxi_tnode *pair = pxi_tpl_node(p, PXI_N_ARG);
        if (!pair || !(pair->a = pxi_tpl_expr(p, true)) || !pxi_tpl_tok_expect(p, ':', ":") ||
            !(pair->b = pxi_tpl_expr(p, true)))
            return NULL;
        *tail = pair;
        tail = &pair->next;
    }
    p->t++;
    return n;
}

static struct pxi_tnode *constant(struct pxi_tparse *p, struct pxi_tval k)
{
    struct pxi_tnode *n = pxi_tpl_node(p, PXI_N_CONST);
    if (n)
        n->k = k;
    p->t++;
    return n;
}

static struct pxi_tnode *name(struct pxi_tparse *p)
{
    if (pxi_tpl_tok_is(p, "true") || pxi_tpl_tok_is(p, "True"))
        return constant(p, (struct pxi_tval){.type = PXI_T_BOOL, .b = true});
    if (pxi_tpl_tok_is(p, "false") || pxi_tpl_tok_is(p, "False"))
        return constant(p, (struct pxi_tval){.type = PXI_T_BOOL, .b = false});
    if (pxi_tpl_tok_is(p, "none") || pxi_tpl_tok_is(p, "None"))
        return constant(p, (struct pxi_tval){.type = PXI_T_NONE});
    struct pxi_tnode *n = pxi_tpl_node(p, PXI_N_NAME);
    return n && (n->name = pxi_tpl_tok_name(p)) ? n : NULL;
}

static struct pxi_tnode *primary(struct pxi_tparse *p)
{
    if (p->t->type == PXI_TOK_NAME)
        return name(p);
    if (p->t->type == PXI_TOK_STRING || p->t->type == PXI_TOK_INT || p->t->type == PXI_TOK_FLOAT)
        return pxi_tpl_literal(p);
    if (pxi_tpl_tok_op(p, '[') || pxi_tpl_tok_op(p, '{'))
        return pxi_tpl_tok_op(p, '[') ? list(p) : dict(p);
    if (!pxi_tpl_tok_op(p, '('))
        return pxi_tpl_parse_fail(p, "an expression");
    p->t++;
    struct pxi_tnode *n = pxi_tpl_expr_tuple(p, true, true);
    return n && pxi_tpl_tok_expect(p, ')', ")") ? n : NULL;
}

static struct pxi_tnode *argument(struct pxi_tparse *p)
{
    struct pxi_tnode *n = pxi_tpl_node(p, PXI_N_ARG);
    if (!n)
        return NULL;
    if (pxi_tpl_tok_op(p, '*') || pxi_tpl_tok_op(p, PXI_OP('*', '*')))
        return pxi_tpl_parse_fail(p, "an argument that is not unpacked");
    if (p->t->type == PXI_TOK_NAME && p->t[1].type == PXI_TOK_OP && p->t[1].op == '=') {
        if (!(n->name = pxi_tpl_tok_name(p)))
            return NULL;
        p->t++;
    }
    return (n->a = pxi_tpl_expr(p, true)) ? n : NULL;
}

static bool arguments(struct pxi_tparse *p, struct pxi_tnode **tail)
{
    bool named = false;
    p->t++;
    while (!pxi_tpl_tok_op(p, ')')) {
        struct pxi_tnode *n = argument(p);
        if (!n)
            return false;
        if (named && !n->name)
            return pxi_tpl_parse_fail(p, "a named argument") != NULL;
        named = n->name != NULL;
        *tail = n;
        tail = &n->next;
        if (!pxi_tpl_tok_op(p, ')') && !pxi_tpl_tok_expect(p, ',', ", or )"))
            return false;
    }
    p->t++;
    return true;
}

/* [a], [a:b], [a:b:c] with any part missing; the bracket is the current token. */
static struct pxi_tnode *subscript(struct pxi_tparse *p, struct pxi_tnode *a)
{
    struct pxi_tnode *n = unary_node(p, PXI_N_ITEM, a), **part[3];
    if (!n)
        return NULL;
    part[0] = &n->b, part[1] = &n->c, part[2] = &n->d;
    p->t++;
    for (int i = 0; i < 3 && !pxi_tpl_tok_op(p, ']'); i++) {
        if (!pxi_tpl_tok_op(p, ':') && !(*part[i] = pxi_tpl_expr(p, true)))
            return NULL;
        if (pxi_tpl_tok_op(p, ']') || i == 2)
            break;
        if (!pxi_tpl_tok_expect(p, ':', ": or ]"))
            return NULL;
        n->type = PXI_N_SLICE;
    }
    if (n->type == PXI_N_ITEM && !n->b)
        return pxi_tpl_parse_fail(p, "an index");
    return pxi_tpl_tok_expect(p, ']', "]") ? n : NULL;
}

static struct pxi_tnode *attribute(struct pxi_tparse *p, struct pxi_tnode *a)
{
    struct pxi_tnode *n = unary_node(p, PXI_N_ATTR, a);
    p->t++;
    if (n && p->t->type == PXI_TOK_INT) {
        n->type = PXI_N_ITEM;
        return (n->b = pxi_tpl_literal(p)) ? n : NULL;
    }
    return n && (n->name = pxi_tpl_tok_name(p)) ? n : NULL;
}

static struct pxi_tnode *call(struct pxi_tparse *p, struct pxi_tnode *a)
{
    struct pxi_tnode *n = unary_node(p, PXI_N_CALL, a);
    return n && arguments(p, &n->b) ? n : NULL;
}

static struct pxi_tnode *postfix(struct pxi_tparse *p, struct pxi_tnode *n)
{
    while (n) {
        if (pxi_tpl_tok_op(p, '.'))
            n = attribute(p, n);
        else if (pxi_tpl_tok_op(p, '['))
            n = subscript(p, n);
        else if (pxi_tpl_tok_op(p, '('))
            n = call(p, n);
        else
            break;
    }
    return n;
}

struct pxi_tnode *pxi_tpl_expr_filters(struct pxi_tparse *p, struct pxi_tnode *a, bool first)
{
    while (a && (first || pxi_tpl_tok_op(p, '|'))) {
        if (!first)
            p->t++;
        first = false;
        struct pxi_tnode *n = unary_node(p, PXI_N_FILTER, a);
        if (!n)
            return NULL;
        if (p->t->type != PXI_TOK_NAME ||
            !(n->fn = pxi_tpl_filter_find(p->src + p->t->off, p->t->n)))
            return pxi_tpl_parse_fail(p, "a filter that chat templates use");
        p->t++;
        if (pxi_tpl_tok_op(p, '(') && !arguments(p, &n->b))
            return NULL;
        a = n;
    }
    return a;
}

/* The argument of a test that is written without parentheses: x is divisibleby 3. */
static bool bare_argument(struct pxi_tparse *p, struct pxi_tnode *n)
{
    bool operand = (p->t->type >= PXI_TOK_NAME && p->t->type <= PXI_TOK_FLOAT) ||
                   pxi_tpl_tok_op(p, '[') || pxi_tpl_tok_op(p, '{');
    if (!operand || pxi_tpl_tok_is(p, "else") || pxi_tpl_tok_is(p, "or") ||
        pxi_tpl_tok_is(p, "and"))
        return true;
    if (pxi_tpl_tok_is(p, "is"))
        return pxi_tpl_parse_fail(p, "one test") != NULL;
    struct pxi_tnode *arg = pxi_tpl_node(p, PXI_N_ARG);
    if (!arg || !(arg->a = primary(p)) || !(arg->a = postfix(p, arg->a)))
        return false;
    n->b = arg;
    return true;
}

static struct pxi_tnode *test(struct pxi_tparse *p, struct pxi_tnode *a)
{
    struct pxi_tnode *n = unary_node(p, PXI_N_TEST, a);
    p->t++;
    bool negated = pxi_tpl_tok_is(p, "not");
    p->t += negated;
    if (!n)
        return NULL;
    if (p->t->type != PXI_TOK_NAME || !(n->fn = pxi_tpl_test_find(p->src + p->t->off, p->t->n)))
        return pxi_tpl_parse_fail(p, "a test that chat templates use");
    p->t++;
    if (pxi_tpl_tok_op(p, '(') ? !arguments(p, &n->b) : !bare_argument(p, n))
        return NULL;
    return negated ? unary_node(p, PXI_N_NOT, n) : n;
}

struct pxi_tnode *pxi_tpl_expr_unary(struct pxi_tparse *p, bool filters)
{
    struct pxi_tnode *n;
    if (!pxi_tpl_parse_enter(p))
        return NULL;
    if (pxi_tpl_tok_op(p, '-') || pxi_tpl_tok_op(p, '+')) {
        n = pxi_tpl_node(p, pxi_tpl_tok_op(p, '-') ? PXI_N_NEG : PXI_N_POS);
        p->t++;
        if (n && !(n->a = pxi_tpl_expr_unary(p, false)))
            n = NULL;
    } else {
        n = primary(p);
    }
    n = postfix(p, n);
    while (n && filters) {
        if (pxi_tpl_tok_op(p, '|'))
            n = pxi_tpl_expr_filters(p, n, false);
        else if (pxi_tpl_tok_is(p, "is"))
            n = test(p, n);
        else if (pxi_tpl_tok_op(p, '('))
            n = call(p, n);
        else
            break;
    }
    p->depth--;
    return n;
}

/* Left-associative operators: level 0 is + -, level 1 is ~, level 2 is * / // %, level 3 is **. */
static struct pxi_tnode *arithmetic(struct pxi_tparse *p, int level)
{
    static const uint16_t ops[4][4] = {
        {'+', '-'}, {'~'}, {'*', '/', PXI_OP('/', '/'), '%'}, {PXI_OP('*', '*')}};
    if (level == 4)
        return pxi_tpl_expr_unary(p, true);
    struct pxi_tnode *n = arithmetic(p, level + 1), **tail = NULL;
    for (int i = 0; n && i < 4 && ops[level][i]; i++) {
        unsigned op = ops[level][i];
        if (!pxi_tpl_tok_op(p, op))
            continue;
        p->t++;
        struct pxi_tnode *b = arithmetic(p, level + 1);
        if (op != '~') {
            n = binary_node(p, PXI_N_BINARY, op, n, b);
        } else if (b && tail) {
            *tail = b;
        } else {
            n->next = b;
            n = b ? unary_node(p, PXI_N_CONCAT, n) : NULL;
        }
        if (!b)
            return NULL;
        tail = &b->next;
        i = -1;
    }
    return n;
}

/* The comparison operator at the current token, consumed, or 0. */
static unsigned comparison(struct pxi_tparse *p)
{
    static const uint16_t ops[] = {
        PXI_OP('=', '='), PXI_OP('!', '='), PXI_OP('<', '='), PXI_OP('>', '='), '<', '>'};
    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++)
        if (pxi_tpl_tok_op(p, ops[i])) {
            p->t++;
            return ops[i];
        }
    if (pxi_tpl_tok_is(p, "in")) {
        p->t++;
        return PXI_OP_IN;
    }
    struct pxi_tparse next = *p;
    next.t++;
    if (!pxi_tpl_tok_is(p, "not") || !pxi_tpl_tok_is(&next, "in"))
        return 0;
    p->t += 2;
    return PXI_OP_NOT_IN;
}

static struct pxi_tnode *compare(struct pxi_tparse *p)
{
    struct pxi_tnode *n = arithmetic(p, 0), **tail = NULL;
    unsigned op;
    while (n && (op = comparison(p)) != 0) {
        struct pxi_tnode *operand = unary_node(p, PXI_N_OPERAND, arithmetic(p, 0));
        if (!operand || !operand->a)
            return NULL;
        operand->op = (uint16_t)op;
        if (!tail)
            n = binary_node(p, PXI_N_COMPARE, 0, n, operand);
        else
            *tail = operand;
        tail = &operand->next;
    }
    return n;
}

static struct pxi_tnode *negation(struct pxi_tparse *p)
{
    if (!pxi_tpl_tok_is(p, "not"))
        return compare(p);
    if (!pxi_tpl_parse_enter(p))
        return NULL;
    struct pxi_tnode *n = pxi_tpl_node(p, PXI_N_NOT);
    p->t++;
    if (n && !(n->a = negation(p)))
        n = NULL;
    p->depth--;
    return n;
}

static struct pxi_tnode *conjunction(struct pxi_tparse *p)
{
    struct pxi_tnode *n = negation(p);
    while (n && pxi_tpl_tok_is(p, "and")) {
        p->t++;
        n = binary_node(p, PXI_N_AND, 0, n, negation(p));
    }
    return n;
}

struct pxi_tnode *pxi_tpl_expr_or(struct pxi_tparse *p)
{
    struct pxi_tnode *n = conjunction(p);
    while (n && pxi_tpl_tok_is(p, "or")) {
        p->t++;
        n = binary_node(p, PXI_N_OR, 0, n, conjunction(p));
    }
    return n;
}

struct pxi_tnode *pxi_tpl_expr(struct pxi_tparse *p, bool conditional)
{
    if (!pxi_tpl_parse_enter(p))
        return NULL;
    struct pxi_tnode *n = pxi_tpl_expr_or(p);
    while (n && conditional && pxi_tpl_tok_is(p, "if")) {
        p->t++;
        n = binary_node(p, PXI_N_COND, 0, pxi_tpl_expr_or(p), n);
        if (n && pxi_tpl_tok_is(p, "else")) {
            p->t++;
            if (!(n->c = pxi_tpl_expr(p, true)))
                n = NULL;
        }
    }
    p->depth--;
    return n;
}

static bool tuple_end(const struct pxi_tparse *p)
{
    return p->t->type == PXI_TOK_VAR_END || p->t->type == PXI_TOK_BLOCK_END ||
           pxi_tpl_tok_op(p, ')');
}

struct pxi_tnode *pxi_tpl_expr_tuple(struct pxi_tparse *p, bool conditional, bool parens)
{
    struct pxi_tnode *first = NULL, **tail = &first;
    bool tuple = false;
    while (!tuple_end(p)) {
        if (!(*tail = pxi_tpl_expr(p, conditional)))
            return NULL;
        tail = &(*tail)->next;
        if (!pxi_tpl_tok_op(p, ','))
            break;
        tuple = true;
        p->t++;
    }
    if (!tuple && (first || !parens))
        return first ? first : pxi_tpl_parse_fail(p, "an expression");
    return unary_node(p, PXI_N_TUPLE, first);
}

static struct pxi_tnode *one_target(struct pxi_tparse *p, bool attributes)
{
    if (pxi_tpl_tok_op(p, '(')) {
        if (!pxi_tpl_parse_enter(p))
            return NULL;
        p->t++;
        struct pxi_tnode *n = pxi_tpl_expr_target(p, false);
        p->depth--;
        return n && pxi_tpl_tok_expect(p, ')', ")") ? n : NULL;
    }
    if (p->t->type != PXI_TOK_NAME)
        return pxi_tpl_parse_fail(p, "a name to assign to");
    struct pxi_tnode *n = name(p);
    if (n && n->type != PXI_N_NAME)
        return pxi_tpl_parse_fail(p, "a name that is not a constant");
    return n && attributes && pxi_tpl_tok_op(p, '.') ? attribute(p, n) : n;
}

/* What is assigned to: a name, a tuple of targets, or (with `attributes`) namespace.name. */
struct pxi_tnode *pxi_tpl_expr_target(struct pxi_tparse *p, bool attributes)
{
    struct pxi_tnode *first = one_target(p, attributes), **tail;
    if (!first || !pxi_tpl_tok_op(p, ','))
        return first;
    for (tail = &first->next; pxi_tpl_tok_op(p, ','); tail = &(*tail)->next) {
        p->t++;
        if (pxi_tpl_tok_op(p, '=') || pxi_tpl_tok_op(p, ')') || pxi_tpl_tok_is(p, "in"))
            break;
        if (!(*tail = one_target(p, attributes)))
            return NULL;
    }
    return unary_node(p, PXI_N_TUPLE, first);
}
