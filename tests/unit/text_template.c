/*
 * Chat templates: rendering, diagnoses, limits against hostile templates, and failing allocations.
 * What the language means is compared with Jinja2 itself in tests/reference/template_check.py.
 */
#include "px_test.h"

#include "base/limits.h"
#include "base/mem.h"
#include "plexus/template.h"

static const px_message chat[] = {
    {"system", "Be brief."}, {"user", "Hi"}, {"assistant", "Hello"}, {"user", "Bye"}};

static const char chatml[] =
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\\n' + m['content'] + "
    "'<|im_end|>\\n' }}{% endfor %}{% if add_generation_prompt %}"
    "{{ '<|im_start|>assistant\\n' }}{% endif %}";

/* Everything at once, for the tests in which allocations fail. */
static const char busy[] =
    "{% macro f(a, b=2) %}[{{ a }}{{ b }}]{% endmacro %}{% set ns = namespace(n=0) %}"
    "{% for m in messages if m.role != 'system' %}{% set ns.n = ns.n + m.content|length %}"
    "{{ loop.index }}{{ f(m.role, b=m.content|upper) }}{% set q %}{{ m.content }}{% endset %}"
    "{{ q ~ '!' * 70 }}{{ {'a': [1, 2.5, q]}|tojson(indent=2) }}{% endfor %}{{ ns.n }}"
    "{{ tools|map(attribute='name')|list|sort(reverse=true)|join(', ') }}"
    "{{ 'a,b'.split(',')[::-1] }}{{ 'x'.replace('x', 'yy') }}{{ range(9)|select('odd')|list }}"
    "{{ strftime_now('%Y') }}{{ 'abc'|list|unique|list }}{{ 'a\nb'|indent }}";

static const char tools[] = "{\"tools\": [{\"name\": \"b\"}, {\"name\": \"a\", \"x\": [1, {}]}]}";

struct result {
    px_err err;
    char *text;
    size_t n;
    px_diag diag;
};

static px_template_input input_of(const char *json)
{
    return (px_template_input){.size = sizeof(px_template_input),
                               .messages = chat,
                               .message_count = 4,
                               .add_generation_prompt = 1,
                               .bos_token = "<s>",
                               .context_json = json,
                               .now_unix = 86400};
}

static struct result render_n(const char *src, size_t n, const char *json)
{
    struct result r = {0};
    const px_template_input in = input_of(json);
    px_template *t;
    r.err = px_template_new(px_view_of(src, n), &t, &r.diag);
    CHECK((r.err == PX_ERR_OK) == (t != NULL));
    if (t)
        r.err = px_template_render(t, &in, &r.text, &r.n, &r.diag);
    CHECK((r.err == PX_ERR_OK) == (r.text != NULL));
    CHECK(!r.text || strlen(r.text) == r.n);
    px_template_free(t);
    return r;
}

static struct result render(const char *src)
{
    return render_n(src, strlen(src), NULL);
}

static void expect(const char *src, const char *text)
{
    struct result r = render(src);
    if (r.err != PX_ERR_OK)
        PX_FAIL("%s: %s at %d: %s", src, px_err_name(r.err), (int)r.diag.offset, r.diag.found);
    CHECK_STR(r.text, text);
    px_template_text_free(r.text);
}

static void refuse(const char *src, px_err err, int offset, const char *found)
{
    struct result r = render(src);
    if (r.err != err)
        PX_FAIL("%.60s: %s, not %s", src, px_err_name(r.err), px_err_name(err));
    if (offset >= 0)
        CHECK_EQ(r.diag.offset, offset);
    if (found)
        CHECK_STR(r.diag.found, found);
    px_template_text_free(r.text);
}

/* `times` copies of `unit` between `before` and `after`. The caller frees. */
static char *repeated(const char *before, const char *unit, size_t times, const char *after)
{
    size_t b = strlen(before), u = strlen(unit), a = strlen(after);
    char *s = malloc(b + u * times + a + 1);
    CHECK(s != NULL);
    memcpy(s, before, b);
    for (size_t i = 0; i < times; i++)
        memcpy(s + b + i * u, unit, u);
    memcpy(s + b + u * times, after, a + 1);
    return s;
}

TEST(chatml)
{
    expect(chatml, "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n"
                   "<|im_start|>assistant\nHello<|im_end|>\n<|im_start|>user\nBye<|im_end|>\n"
                   "<|im_start|>assistant\n");
}

TEST(everything_at_once)
{
    struct result r = render_n(busy, sizeof busy - 1, tools);
    CHECK_EQ(r.err, PX_ERR_OK);
    CHECK(strstr(r.text, "1[userHI]Hi!!!") == r.text);
    CHECK(strstr(r.text, "10b, a['b', 'a']yy[1, 3, 5, 7]1970['a', 'b', 'c']a\n    b"));
    px_template_text_free(r.text);
}

TEST(one_template_many_renderings)
{
    px_template *t;
    char *a, *b;
    size_t na, nb;
    const px_template_input in = input_of(tools);
    CHECK_EQ(px_template_new(px_view_str(busy), &t, NULL), PX_ERR_OK);
    CHECK_EQ(px_template_render(t, &in, &a, &na, NULL), PX_ERR_OK);
    CHECK_EQ(px_template_render(t, &in, &b, &nb, NULL), PX_ERR_OK);
    CHECK_STR(a, b);
    px_template_text_free(a);
    px_template_text_free(b);
    px_template_free(t);
}

TEST(source_may_vanish_after_compiling)
{
    px_template *t;
    char *src = strdup("{{ 'kept' }}"), *text;
    size_t n;
    const px_template_input in = input_of(NULL);
    CHECK_EQ(px_template_new(px_view_str(src), &t, NULL), PX_ERR_OK);
    memset(src, 'x', strlen(src));
    free(src);
    CHECK_EQ(px_template_render(t, &in, &text, &n, NULL), PX_ERR_OK);
    CHECK_STR(text, "kept");
    px_template_text_free(text);
    px_template_free(t);
}

TEST(variables)
{
    expect("{{ bos_token }}{{ eos_token }}{{ tools is none }}{{ messages[-1].content }}",
           "<s>TrueBye");
    struct result r = render_n("{{ bos_token }}{{ n }}{{ messages|length }}", 43,
                               "{\"bos_token\": \"B\", \"n\": -5, \"messages\": []}");
    CHECK_EQ(r.err, PX_ERR_OK);
    CHECK_STR(r.text, "B-50");
    px_template_text_free(r.text);
}

TEST(time_is_given)
{
    px_template *t;
    char *text;
    size_t n;
    px_template_input in = input_of(NULL);
    const char *src = "{{ strftime_now('%d %b %Y') if strftime_now is defined else 'no time' }}";
    in.now_unix = 0;
    CHECK_EQ(px_template_new(px_view_str(src), &t, NULL), PX_ERR_OK);
    CHECK_EQ(px_template_render(t, &in, &text, &n, NULL), PX_ERR_OK);
    CHECK_STR(text, "no time");
    px_template_text_free(text);
    in.now_unix = 951782400; /* a leap day */
    CHECK_EQ(px_template_render(t, &in, &text, &n, NULL), PX_ERR_OK);
    CHECK_STR(text, "29 Feb 2000");
    px_template_text_free(text);
    px_template_free(t);
}

TEST(input_of_an_older_caller)
{
    px_template *t;
    char *text;
    size_t n;
    px_template_input in = input_of(NULL);
    CHECK_EQ(px_template_new(px_view_str("{{ strftime_now is defined }}"), &t, NULL), PX_ERR_OK);
    in.size = offsetof(px_template_input, now_unix);
    CHECK_EQ(px_template_render(t, &in, &text, &n, NULL), PX_ERR_OK);
    CHECK_STR(text, "False");
    px_template_text_free(text);
    in.size = 8;
    CHECK_EQ(px_template_render(t, &in, &text, &n, NULL), PX_ERR_INVALID);
    px_template_free(t);
}

TEST(diagnoses_of_compiling)
{
    refuse("ab{% nonsense %}", PX_ERR_TEMPLATE, 5, "nonsense");
    refuse("{{ x|nofilter }}", PX_ERR_TEMPLATE, 5, "nofilter");
    refuse("{{ x is notest }}", PX_ERR_TEMPLATE, 8, "notest");
    refuse("{% if x %}", PX_ERR_TEMPLATE, 10, "the end of the template");
    refuse("{{ 'open }}", PX_ERR_TEMPLATE, 3, NULL);
    refuse("{# open", PX_ERR_TEMPLATE, 0, NULL);
    refuse("{{ (1 ]}}", PX_ERR_TEMPLATE, 6, NULL);
    refuse("{% break %}", PX_ERR_TEMPLATE, 3, "break");
    refuse("{{ 99999999999999999999 }}", PX_ERR_TEMPLATE, 3, NULL);
    refuse("{{ '\\ud800' }}", PX_ERR_TEMPLATE, 3, NULL);
    refuse("{% endif %}", PX_ERR_TEMPLATE, 3, "endif");
    refuse("{%", PX_ERR_TEMPLATE, 2, NULL);
}

TEST(diagnoses_of_rendering)
{
    refuse("{{ raise_exception('roles must \\n alternate') }}", PX_ERR_TEMPLATE, -1,
           "roles must \\x0a alternate");
    refuse("ab{{ nothing.x }}", PX_ERR_TEMPLATE, 12, "'nothing' is undefined");
    refuse("{{ 1 / 0 }}", PX_ERR_TEMPLATE, -1, "division by zero");
    refuse("{{ 'a' + 1 }}", PX_ERR_TEMPLATE, -1, "'+' not supported between str and int");
    refuse("{{ 'a'.encode() }}", PX_ERR_TEMPLATE, -1, "'encode' is not allowed here");
    refuse("{{ 9223372036854775807 + 1 }}", PX_ERR_TEMPLATE, -1, NULL);
    refuse("{{ strftime_now('%Q') }}", PX_ERR_TEMPLATE, -1, "strftime_now does not know %Q");
}

TEST(bad_context)
{
    static const char *const bad[] = {"", "[]", "{", "{\"a\": 1e999}", "nope", "{\"a\": \"\xff\"}"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct result r = render_n("x", 1, bad[i]);
        CHECK_EQ(r.err, PX_ERR_INVALID);
        CHECK_STR(r.diag.field, "context_json");
    }
}

TEST(limit_of_source)
{
    char *s = repeated("", "x", PXI_LIMIT_TEMPLATE_SOURCE_BYTES + 1, "");
    refuse(s, PX_ERR_LIMIT, -1, NULL);
    s[PXI_LIMIT_TEMPLATE_SOURCE_BYTES] = 0;
    expect(s, s);
    free(s);
}

/* Each is as large a template as is allowed; all must be parsed or refused with room to spare. */
TEST(large_sources)
{
    static const char *const unit[] = {"{{1}}", "{{a}}{%set a=1%}", "{##}", "{{[],[],[]}}"};
    for (size_t i = 0; i < sizeof unit / sizeof *unit; i++) {
        char *s = repeated("", unit[i], PXI_LIMIT_TEMPLATE_SOURCE_BYTES / strlen(unit[i]), "");
        struct result r = render(s);
        CHECK_EQ(r.err, PX_ERR_OK);
        px_template_text_free(r.text);
        free(s);
    }
    char *s = repeated("{{ [", "1,", 130000, "]|length }}");
    expect(s, "130000");
    free(s);
}

TEST(limit_of_nesting)
{
    static const char *const unit[] = {"(", "[", "-", "not ", "1 if x else ", "{1:", "a[", "f("};
    for (size_t i = 0; i < sizeof unit / sizeof *unit; i++) {
        char *s = repeated("{{ ", unit[i], 20000, "1 }}");
        struct result r = render(s);
        CHECK(r.err == PX_ERR_LIMIT || (r.err == PX_ERR_TEMPLATE && unit[i][0] == '-'));
        free(s);
    }
    char *s = repeated("", "{% if 1 %}", 20000, "");
    refuse(s, PX_ERR_LIMIT, -1, NULL);
    free(s);
    s = repeated("{% set ", "(", 20000, "x = 1 %}");
    refuse(s, PX_ERR_LIMIT, -1, NULL);
    free(s);
}

TEST(limit_of_depth)
{
    char *s = repeated("{{ 1", "+1", 100000, " }}");
    refuse(s, PX_ERR_LIMIT, -1, NULL);
    free(s);
    s = repeated("{{ 'x'", "~'x'", 1000, " }}"); /* a flat list: no depth */
    struct result r = render(s);
    CHECK_EQ(r.n, 1001);
    px_template_text_free(r.text);
    free(s);
    s = repeated("{{ x", ".x", 100000, " }}");
    refuse(s, PX_ERR_LIMIT, -1, NULL);
    free(s);
    refuse("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", PX_ERR_LIMIT, -1, NULL);
    refuse("{% macro f(a) %}{{ f(a + [a]) }}{% endmacro %}{{ f([]) }}", PX_ERR_LIMIT, -1, NULL);
    expect("{% macro f(n) %}{% if n %}{{ n % 10 }}{{ f(n - 1) }}{% endif %}{% endmacro %}"
           "{{ f(60)|length }}",
           "60");
}

TEST(limit_of_cycles)
{
    refuse("{% set l = [] %}{% set _ = l.append(l) %}{{ l }}", PX_ERR_LIMIT, -1, NULL);
    refuse("{% set l = [] %}{% set _ = l.append(l) %}{{ l|tojson }}", PX_ERR_LIMIT, -1, NULL);
    refuse("{% set l = [] %}{% set _ = l.append(l) %}{% set k = [] %}{% set _ = k.append(k) %}"
           "{{ l == k }}",
           PX_ERR_LIMIT, -1, NULL);
    refuse("{% set n = namespace() %}{% set n.x = n %}{{ n }}", PX_ERR_LIMIT, -1, NULL);
}

TEST(limit_of_steps)
{
    refuse("{% for a in range(100000) %}{% for b in range(100000) %}{% for c in range(100000) %}"
           "{% endfor %}{% endfor %}{% endfor %}",
           PX_ERR_LIMIT, -1, NULL);
    refuse("{% for a in range(99999) if range(99999)|list|length < 0 %}{% endfor %}", PX_ERR_LIMIT,
           -1, NULL);
    refuse("{% for a in range(99999) %}{{ 99998 in range(99999) and '' }}{% endfor %}",
           PX_ERR_LIMIT, -1, NULL);
    refuse("{% macro f(n) %}{% if n %}{{ f(n - 1) }}{{ f(n - 1) }}{% endif %}{% endmacro %}"
           "{{ f(60) }}",
           PX_ERR_LIMIT, -1, NULL);
    refuse("{{ range(100001) }}", PX_ERR_LIMIT, -1, NULL);
    refuse("{{ range(-9223372036854775807, 9223372036854775807) }}", PX_ERR_LIMIT, -1, NULL);
}

TEST(limit_of_growth)
{
    refuse("{% set n = namespace(s='x') %}{% for i in range(99) %}{% set n.s = n.s + n.s %}"
           "{% endfor %}",
           PX_ERR_LIMIT, -1, NULL);
    refuse("{% set n = namespace(s='x') %}{% for i in range(99) %}{% set n.s = n.s ~ n.s %}"
           "{% endfor %}{{ n.s }}",
           PX_ERR_LIMIT, -1, NULL);
    refuse("{% set n = namespace(s=[1]) %}{% for i in range(99) %}{% set n.s = n.s + n.s %}"
           "{% endfor %}",
           PX_ERR_LIMIT, -1, NULL);
    refuse("{{ 'x' * 1000000000000 }}", PX_ERR_LIMIT, -1, NULL);
    refuse("{{ [1] * 1000000000000 }}", PX_ERR_LIMIT, -1, NULL);
    refuse("{{ ('x' * 4000)|replace('', 'y' * 9000) }}", PX_ERR_LIMIT, -1, NULL);
    refuse("{{ ('x' * 9000)|list|join('y' * 9000) }}", PX_ERR_LIMIT, -1, NULL);
    refuse("{{ ('\n' * 9000)|indent('y' * 9000, blank=true) }}", PX_ERR_LIMIT, -1, NULL);
    refuse("{% for a in range(9999) %}{{ 'x' * 9999 }}{% endfor %}", PX_ERR_LIMIT, -1, NULL);
    refuse("{% set n = namespace(s=[]) %}{% for i in range(40) %}{% set n.s = [n.s, n.s] %}"
           "{% endfor %}{{ n.s }}",
           PX_ERR_LIMIT, -1, NULL);
}

/* Building text piece by piece must not cost the square of its length. */
TEST(long_text_in_pieces)
{
    struct result r = render("{% set n = namespace(s='') %}{% for i in range(60000) %}"
                             "{% set n.s = n.s ~ 'twenty bytes of text' %}{% endfor %}{{ n.s }}");
    CHECK_EQ(r.err, PX_ERR_OK);
    CHECK_EQ(r.n, 1200000);
    px_template_text_free(r.text);
}

TEST(appending_keeps_older_strings)
{
    expect("{% set a = 'x' * 70 %}{% set b = a ~ '1' %}{% set c = b ~ '2' %}{% set d = b ~ '3' %}"
           "{{ a[-2:] }} {{ b[-2:] }} {{ c[-3:] }} {{ d[-3:] }}",
           "xx x1 x12 x13");
}

TEST(long_chat)
{
    enum { COUNT = 20000 };
    px_message *m = calloc(COUNT, sizeof *m);
    CHECK(m != NULL);
    for (int i = 0; i < COUNT; i++)
        m[i] = (px_message){i % 2 ? "assistant" : "user", "Some words of one turn of the chat."};
    px_template_input in = input_of(NULL);
    in.messages = m;
    in.message_count = COUNT;
    px_template *t;
    char *text;
    size_t n;
    CHECK_EQ(px_template_new(px_view_str(chatml), &t, NULL), PX_ERR_OK);
    CHECK_EQ(px_template_render(t, &in, &text, &n, NULL), PX_ERR_OK);
    CHECK(n > COUNT * 60);
    px_template_text_free(text);
    px_template_free(t);
    free(m);
}

TEST(malformed_text)
{
    static const char *const bad[] = {"\xff",     "\xc3",      "\xe2\x82",     "\xf0\x9f\x98",
                                      "\x80\x80", "a\xc0\x80", "\xed\xa0\x80", "\xf5\x80\x80\x80"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        const px_message m = {"user", bad[i]};
        px_template_input in = input_of(NULL);
        px_template *t;
        char *text;
        size_t n;
        in.messages = &m;
        in.message_count = 1;
        const char *src =
            "{% set c = messages[0].content %}{{ c }}{{ c[0] }}{{ c|trim }}{{ c[::-1] "
            "}}{{ c|upper|length }}{{ c|tojson }}{{ [c] }}{{ c|title }}{{ c|list }}";
        CHECK_EQ(px_template_new(px_view_str(src), &t, NULL), PX_ERR_OK);
        CHECK_EQ(px_template_render(t, &in, &text, &n, NULL), PX_ERR_OK);
        CHECK(memcmp(text, bad[i], strlen(bad[i])) == 0);
        px_template_text_free(text);
        px_template_free(t);
    }
}

TEST(every_prefix_and_every_changed_byte)
{
    const size_t n = sizeof busy - 1;
    for (size_t i = 0; i <= n; i++) {
        uint8_t *end = px_guarded(i, 0);
        memcpy(end, busy, i);
        px_template_text_free(render_n((char *)end, i, tools).text);
        munmap((void *)((uintptr_t)end & ~(uintptr_t)4095), 4096);
    }
    char copy[sizeof busy];
    for (size_t i = 0; i < n; i++) {
        memcpy(copy, busy, n);
        copy[i] = "{}%|('\" \\-"[(i + px_seed) % 10];
        px_template_text_free(render_n(copy, n, tools).text);
    }
}

TEST(failing_allocations)
{
    uint64_t before = pxi_mem_count(), total;
    px_template_text_free(render_n(busy, sizeof busy - 1, tools).text);
    total = pxi_mem_count() - before;
    CHECK(total > 4);
    for (uint64_t i = 1; i <= total; i++) {
        pxi_mem_fail_after(i);
        struct result r = render_n(busy, sizeof busy - 1, tools);
        pxi_mem_fail_after(0);
        CHECK_EQ(r.err, PX_ERR_NOMEM);
    }
}

TEST_MAIN()
