/* The JSON reader and the check of training lines: what is JSON, what is not, and where it breaks.
 */
#include "codec/json.h"

#include "px_test.h"

static px_err check(const char *s)
{
    return pxi_json_check(px_view_str(s), NULL);
}

TEST(valid_values)
{
    static const char *const good[] = {
        "0",
        "-0",
        "1e9",
        "1E+2",
        "-1.50e-3",
        "true",
        "false",
        "null",
        "\"\"",
        "[]",
        "{}",
        "[[]]",
        " [ 1 , 2 ] ",
        "{\"a\":1,\"b\":{\"c\":[]}}",
        "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0000\"",
        "\"\\ud83d\\ude00\"",
        "\"\xf0\x9f\x98\x80\xc3\xa9\"",
        "\t\r\n1\n",
        "[\"\x7f\"]",
        "123456789012345678901234567890",
        "{\"a\":1,\"a\":2}",
    };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        if (check(good[i]) != PX_ERR_OK)
            PX_FAIL("refused %s", good[i]);
}

TEST(invalid_values)
{
    static const char *const bad[] = {
        "",
        " ",
        "01",
        "+1",
        "-",
        "1.",
        ".5",
        "1e",
        "1e+",
        "0x1",
        "NaN",
        "Infinity",
        "tru",
        "truex",
        "nul",
        "[1,]",
        "[,1]",
        "[1 2]",
        "[1",
        "]",
        "{",
        "{\"a\"}",
        "{\"a\":}",
        "{1:2}",
        "{\"a\":1,}",
        "{\"a\" 1}",
        "[}",
        "{]",
        "1 2",
        "'a'",
        "\"a",
        "\"\x01\"",
        "\"\n\"",
        "\"\\x\"",
        "\"\\u12\"",
        "\"\\u12g4\"",
        "\"\\ud800\"",
        "\"\\udc00\"",
        "\"\\ud800\\ud800\"",
        "\"\xc0\x80\"",
        "\"\xed\xa0\x80\"",
        "\"\xf4\x90\x80\x80\"",
        "\"\xe2\x82\"",
        "\"\x80\"",
        "\"\xff\"",
        ("\xef\xbb\xbf"
         "1"),
        "[1]]",
        "// 1",
        "{\"a\":1}}",
        "\"\\",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (check(bad[i]) == PX_ERR_OK)
            PX_FAIL("accepted %s", bad[i]);
    CHECK(pxi_json_check(px_view_of("1\0", 2), NULL) == PX_ERR_CORRUPT);
}

TEST(depth_is_limited)
{
    char s[2 * PXI_LIMIT_JSON_DEPTH + 3];
    int n = PXI_LIMIT_JSON_DEPTH;
    memset(s, '[', (size_t)n);
    memset(s + n, ']', (size_t)n);
    s[2 * n] = 0;
    CHECK_EQ(check(s), PX_ERR_OK);
    memset(s, '[', (size_t)n + 1);
    CHECK_EQ(check(s), PX_ERR_LIMIT);
}

/* Bytes at the end of readable memory, so that a read past them is seen. */
static px_view guarded(const char *s, size_t n)
{
    uint8_t *p = px_guarded(n ? n : 1, 0) + !n;
    memcpy(p, s, n);
    return px_view_of(p, n);
}

TEST(every_truncation_is_refused_in_place)
{
    static const char s[] =
        "{\"a\\u00e9\":[true,-1.5e+3,\"\\ud83d\\ude00\xe2\x82\xac\",null],\"b\":{}}";
    for (size_t n = 0; n < sizeof s - 1; n++) {
        px_diag diag;
        px_err err = pxi_json_check(guarded(s, n), &diag);
        CHECK(err == PX_ERR_TRUNCATED || err == PX_ERR_CORRUPT);
        CHECK(diag.offset <= n && diag.expected[0]);
    }
    CHECK_EQ(pxi_json_check(guarded(s, sizeof s - 1), NULL), PX_ERR_OK);
}

TEST(events_in_order)
{
    static const char s[] = "{\"k\":[1.5,\"x\\n\"],\"\\u0074ext\":false}";
    static const enum pxi_json_event want[] = {
        PXI_JSON_OBJECT,    PXI_JSON_KEY, PXI_JSON_ARRAY, PXI_JSON_NUMBER,     PXI_JSON_STRING,
        PXI_JSON_ARRAY_END, PXI_JSON_KEY, PXI_JSON_FALSE, PXI_JSON_OBJECT_END, PXI_JSON_END,
    };
    struct pxi_json j;
    enum pxi_json_event e;
    pxi_json_init(&j, px_view_str(s), NULL, 0);
    for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
        CHECK_EQ(pxi_json_next(&j, &e), PX_ERR_OK);
        CHECK_EQ(e, want[i]);
        if (i == 3)
            CHECK(px_view_is(j.text, "1.5"));
        if (i == 4)
            CHECK(px_view_is(j.text, "x\\n") && j.start == 10);
        if (i == 6)
            CHECK(pxi_json_text_is(j.text, "text") && !pxi_json_text_is(j.text, "tex"));
    }
}

static const char *lines(const char *s, px_err want)
{
    static px_diag diag;
    memset(&diag, 0, sizeof diag);
    px_err err = pxi_jsonl_check(guarded(s, strlen(s)), &diag);
    if (err != want)
        PX_FAIL("%s for %s", px_err_name(err), s);
    return diag.field;
}

TEST(training_lines)
{
    lines("", PX_ERR_OK);
    lines("{\"text\":\"a\"}", PX_ERR_OK);
    lines("{\"text\":\"\"}\r\n\r\n \t\n{\"tokens\":[0,2147483647]}\n", PX_ERR_OK);
    lines("{\"id\":{\"text\":1},\"te\\u0078t\":\"a\",\"x\":[1,[2]]}\n", PX_ERR_OK);
    lines("{\"tokens\":[]}\n", PX_ERR_OK);
}

TEST(bad_training_lines_are_told_by_number)
{
    static const char *const bad[] = {
        "42",
        "[]",
        "{}",
        "{\"other\":1}",
        "{\"text\":1}",
        "{\"text\":[\"a\"]}",
        "{\"tokens\":1}",
        "{\"tokens\":[-1]}",
        "{\"tokens\":[1.5]}",
        "{\"tokens\":[1e1]}",
        "{\"tokens\":[2147483648]}",
        "{\"tokens\":[99999999999999999999]}",
        "{\"tokens\":[\"1\"]}",
        "{\"tokens\":[[1]]}",
        "{\"text\":\"a\",\"text\":\"b\"}",
        "{\"text\":\"a\"} x",
        "{\"text\":\"a\"}{\"text\":\"a\"}",
        "{\"text\":\"a",
        "{\"text\":\"a\",}",
        "{\"text\":NaN}",
        "{\"nested\":{\"text\":\"a\"}}",
    };
    char s[200];
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        snprintf(s, sizeof s, "{\"text\":\"a\"}\n\n%s\n{\"text\":\"a\"}\n", bad[i]);
        CHECK_STR(lines(s, PX_ERR_CORRUPT), "line 3");
    }
    CHECK_STR(lines("{\"text\":\"a\"}\n{\"text\":", PX_ERR_TRUNCATED), "line 2");
}

TEST_MAIN()
