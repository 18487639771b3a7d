/* Tests: what may stand behind "is". */
#include "text/template_impl.h"

#define TEST(name, expr)                                                                           \
    static bool name(struct pxi_tcall *c, struct pxi_tval *out)                                    \
    {                                                                                              \
        const struct pxi_tval *v = &c->self;                                                       \
        *out = pxi_tpl_bool(expr);                                                                 \
        return true;                                                                               \
    }

TEST(t_defined, v->type != PXI_T_UNDEF)
TEST(t_undefined, v->type == PXI_T_UNDEF)
TEST(t_none, v->type == PXI_T_NONE)
TEST(t_boolean, v->type == PXI_T_BOOL)
TEST(t_true, v->type == PXI_T_BOOL && v->b)
TEST(t_false, v->type == PXI_T_BOOL && !v->b)
TEST(t_integer, v->type == PXI_T_INT)
TEST(t_float, v->type == PXI_T_FLOAT)
TEST(t_number, v->type == PXI_T_INT || v->type == PXI_T_FLOAT || v->type == PXI_T_BOOL)
TEST(t_string, v->type == PXI_T_STR)
TEST(t_mapping, v->type == PXI_T_DICT)
TEST(t_iterable, pxi_tpl_iterable(v))
TEST(t_sequence, v->type == PXI_T_STR || v->type == PXI_T_DICT || v->type == PXI_T_UNDEF ||
                     (v->type == PXI_T_LIST && v->l->kind <= PXI_TK_RANGE))
TEST(t_callable, v->type >= PXI_T_MACRO || v->type == PXI_T_UNDEF)
TEST(t_escaped, v->type == 0xff) /* nothing is marked as safe: text is never escaped */

static bool remainder_of(struct pxi_tcall *c, int64_t by, int64_t wanted, struct pxi_tval *out)
{
    const struct pxi_tval divisor = pxi_tpl_int(by);
    struct pxi_tval rest;
    double f;
    if (!pxi_tpl_binary(c->run, '%', &c->self, &divisor, &rest))
        return false;
    *out = pxi_tpl_bool(pxi_tpl_number(&rest, &f) && f == (double)wanted);
    return true;
}

static bool t_odd(struct pxi_tcall *c, struct pxi_tval *out)
{
    return remainder_of(c, 2, 1, out);
}
static bool t_even(struct pxi_tcall *c, struct pxi_tval *out)
{
    return remainder_of(c, 2, 0, out);
}

static bool t_divisibleby(struct pxi_tcall *c, struct pxi_tval *out)
{
    int64_t by;
    if (!pxi_tpl_integer(c->a[0], &by))
        return pxi_tpl_fail(c->run, "divisibleby needs an integer");
    return remainder_of(c, by, 0, out);
}

static bool by_method(struct pxi_tcall *c, const char *name, struct pxi_tval *out)
{
    struct pxi_tcall m = *c;
    return pxi_tpl_str_of(c->run, &c->self, &m.self) &&
           pxi_tpl_func_find(pxi_tpl_str_methods, name, strlen(name))->call(&m, out);
}

static bool t_upper(struct pxi_tcall *c, struct pxi_tval *out)
{
    return by_method(c, "isupper", out);
}
static bool t_lower(struct pxi_tcall *c, struct pxi_tval *out)
{
    return by_method(c, "islower", out);
}

static bool relation(struct pxi_tcall *c, unsigned op, struct pxi_tval *out)
{
    bool holds;
    if (!pxi_tpl_relation(c->run, op, &c->self, c->a[0], &holds))
        return false;
    *out = pxi_tpl_bool(holds);
    return true;
}

#define RELATION(name, op)                                                                         \
    static bool name(struct pxi_tcall *c, struct pxi_tval *out)                                    \
    {                                                                                              \
        return relation(c, op, out);                                                               \
    }

RELATION(t_eq, PXI_OP('=', '='))
RELATION(t_ne, PXI_OP('!', '='))
RELATION(t_lt, '<')
RELATION(t_le, PXI_OP('<', '='))
RELATION(t_gt, '>')
RELATION(t_ge, PXI_OP('>', '='))
RELATION(t_in, PXI_OP_IN)

/* Identity: of none and the booleans their value, of lists and dicts the object. */
static bool t_sameas(struct pxi_tcall *c, struct pxi_tval *out)
{
    bool same = c->self.type == c->a[0]->type;
    if (same && (c->self.type == PXI_T_LIST || c->self.type == PXI_T_DICT))
        same = c->self.l == c->a[0]->l;
    else if (same && !pxi_tpl_equal(c->run, &c->self, c->a[0], &same))
        return false;
    *out = pxi_tpl_bool(same);
    return true;
}

static bool t_filter(struct pxi_tcall *c, struct pxi_tval *out)
{
    *out =
        pxi_tpl_bool(c->self.type == PXI_T_STR && pxi_tpl_filter_find(c->self.s->p, c->self.s->n));
    return true;
}

static bool t_test(struct pxi_tcall *c, struct pxi_tval *out)
{
    *out = pxi_tpl_bool(c->self.type == PXI_T_STR && pxi_tpl_test_find(c->self.s->p, c->self.s->n));
    return true;
}

static const struct pxi_tfunc tests[] = {
    {"defined", "", 0, t_defined},     {"undefined", "", 0, t_undefined},
    {"none", "", 0, t_none},           {"boolean", "", 0, t_boolean},
    {"true", "", 0, t_true},           {"false", "", 0, t_false},
    {"integer", "", 0, t_integer},     {"float", "", 0, t_float},
    {"number", "", 0, t_number},       {"string", "", 0, t_string},
    {"mapping", "", 0, t_mapping},     {"iterable", "", 0, t_iterable},
    {"sequence", "", 0, t_sequence},   {"callable", "", 0, t_callable},
    {"escaped", "", 0, t_escaped},     {"odd", "", 0, t_odd},
    {"even", "", 0, t_even},           {"divisibleby", "num", 1, t_divisibleby},
    {"upper", "", 0, t_upper},         {"lower", "", 0, t_lower},
    {"sameas", "other", 1, t_sameas},  {"filter", "", 0, t_filter},
    {"test", "", 0, t_test},           {"in", "seq", 1, t_in},
    {"==", "other", 1, t_eq},          {"eq", "other", 1, t_eq},
    {"equalto", "other", 1, t_eq},     {"!=", "other", 1, t_ne},
    {"ne", "other", 1, t_ne},          {"<", "other", 1, t_lt},
    {"lt", "other", 1, t_lt},          {"lessthan", "other", 1, t_lt},
    {"<=", "other", 1, t_le},          {"le", "other", 1, t_le},
    {">", "other", 1, t_gt},           {"gt", "other", 1, t_gt},
    {"greaterthan", "other", 1, t_gt}, {">=", "other", 1, t_ge},
    {"ge", "other", 1, t_ge},          {NULL, NULL, 0, NULL},
};

const struct pxi_tfunc *pxi_tpl_test_find(const char *name, size_t n)
{
    return pxi_tpl_func_find(tests, name, n);
}
