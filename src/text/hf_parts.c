/* Normalisers, pre-tokenizers and post-processors of a tokenizer.json. */
#include "base/diag.h"
#include "text/hf.h"

#define SPELT_SPACE "\xe2\x96\x81" /* U+2581 */

enum { NESTED = 8 }; /* sequences within sequences */

/* Each part of a section: its type is known, and its members are read by name. */
typedef px_err part_fn(struct pxi_hf *h, struct pxi_hf_value v, px_view type);

/* Read the parts of a section: one of a type, or a list of them below a key. */
static px_err each_part(struct pxi_hf *h, struct pxi_hf_value v, const char *list, unsigned depth,
                        part_fn *fn)
{
    const char *keys[] = {"type", list};
    struct pxi_hf_value m[2];
    struct pxi_hf_walk w;
    px_view type;
    bool more;
    if (v.kind == PXI_JSON_END || v.kind == PXI_JSON_NULL)
        return PX_ERR_OK;
    px_err err = pxi_hf_members(h, v, keys, 2, m);
    if (!err)
        err = pxi_hf_string(h, m[0], "", &type);
    if (err || !px_view_is(type, "Sequence"))
        return err ? err : fn(h, v, type);
    if (depth == NESTED)
        return pxi_hf_fault(h, v, PX_ERR_LIMIT, "at most 8 sequences in sequences", type);
    m[1].name = v.name;
    err = pxi_hf_walk(h, m[1], &w);
    while (!err && !(err = pxi_hf_next(h, &w, &more)) && more)
        err = each_part(h, w.value, list, depth + 1, fn);
    return err;
}

/* ------------------------------------------------------------- normalisers */

static px_err add_step(struct pxi_hf *h, struct pxi_hf_value v, struct pxi_step step)
{
    struct pxi_normal *z = h->t->normal;
    if (z->count == PXI_STEPS)
        return pxi_hf_fault(h, v, PX_ERR_LIMIT, "at most 8 steps", px_view_str("more"));
    z->steps[z->count++] = step;
    return PX_ERR_OK;
}

/* {"String": ...} or {"Regex": ...} */
static px_err read_pattern(struct pxi_hf *h, struct pxi_hf_value v, px_view *text, bool *regex)
{
    static const char *const keys[] = {"String", "Regex"};
    struct pxi_hf_value m[2];
    px_err err = pxi_hf_members(h, v, keys, 2, m);
    *regex = !err && m[1].kind != PXI_JSON_END;
    if (!err)
        err = pxi_hf_string(h, m[*regex], "", text);
    if (!err && !text->n)
        err = pxi_hf_fault(h, v, PX_ERR_CORRUPT, "a String or a Regex", v.raw);
    return err;
}

static px_err read_replace(struct pxi_hf *h, struct pxi_hf_value v)
{
    static const char *const keys[] = {"pattern", "content"};
    struct pxi_hf_value m[2];
    struct pxi_step s = {.kind = PXI_STEP_REPLACE};
    bool regex = false;
    px_err err = pxi_hf_members(h, v, keys, 2, m);
    if (!err)
        err = read_pattern(h, m[0], &s.from, &regex);
    if (!err)
        err = pxi_hf_string(h, m[1], "", &s.to);
    if (!err && regex) {
        if (!px_view_is(s.from, " {2,}") && !px_view_is(s.from, " +"))
            return pxi_hf_fault(h, m[0], PX_ERR_TOKENIZER, "an expression that is known", s.from);
        s.kind = PXI_STEP_RUNS;
        s.least = s.from.n > 2 ? 2 : 1;
        s.from = px_view_str(" ");
    }
    h->spaces_spelt |=
        !regex && px_view_is(s.from, " ") && !(s.to.n && memchr(s.to.p, ' ', s.to.n));
    return err ? err : add_step(h, v, s);
}

static px_err read_prepend(struct pxi_hf *h, struct pxi_hf_value v)
{
    static const char *const keys[] = {"prepend"};
    struct pxi_hf_value m[1];
    struct pxi_step s = {.kind = PXI_STEP_PREPEND};
    px_err err = pxi_hf_members(h, v, keys, 1, m);
    if (!err)
        err = pxi_hf_string(h, m[0], "", &s.to);
    h->t->drop_first |= !err && px_view_is(s.to, SPELT_SPACE);
    return err ? err : add_step(h, v, s);
}

static px_err read_strip(struct pxi_hf *h, struct pxi_hf_value v)
{
    static const char *const keys[] = {"strip_left", "strip_right"};
    struct pxi_hf_value m[2];
    bool left = false, right = false;
    px_err err = pxi_hf_members(h, v, keys, 2, m);
    if (!err)
        err = pxi_hf_bool(h, m[0], true, &left);
    if (!err)
        err = pxi_hf_bool(h, m[1], true, &right);
    return err ? err
               : add_step(h, v,
                          (struct pxi_step){.kind = PXI_STEP_STRIP,
                                            .least = (left ? 1u : 0) | (right ? 2u : 0)});
}

static int digit_of(uint8_t c)
{
    return c >= 'A' && c <= 'Z'   ? c - 'A'
           : c >= 'a' && c <= 'z' ? c - 'a' + 26
           : c >= '0' && c <= '9' ? c - '0' + 52
           : c == '+'             ? 62
           : c == '/'             ? 63
                                  : -1;
}

/* Base 64 with padding, into out, which has room for 3 of 4; false when it is none. */
static bool from_base64(px_view in, uint8_t *out, size_t *n)
{
    uint32_t bits = 0;
    *n = 0;
    for (size_t i = 0; i < in.n && in.p[i] != '='; i++) {
        int d = digit_of(in.p[i]);
        if (d < 0)
            return false;
        bits = bits << 6 | (uint32_t)d;
        if (i % 4)
            out[(*n)++] = (uint8_t)(bits >> (6 - 2 * (i % 4)));
    }
    return in.n % 4 == 0;
}

static px_err read_charsmap(struct pxi_hf *h, struct pxi_hf_value v)
{
    static const char *const keys[] = {"precompiled_charsmap"};
    struct pxi_hf_value m[1];
    px_view text;
    px_err err = pxi_hf_members(h, v, keys, 1, m);
    if (!err)
        err = pxi_hf_string(h, m[0], "", &text);
    if (err)
        return err;
    size_t n = 0;
    uint8_t *bytes = pxi_arena_alloc(&h->t->arena, text.n / 4 * 3 + 4, 1);
    if (!bytes)
        return PX_ERR_NOMEM;
    if (h->t->normal->charsmap.unit_count || !from_base64(text, bytes, &n))
        return pxi_hf_fault(h, m[0], PX_ERR_CORRUPT, "one charsmap in base 64", text);
    uint64_t offset = text.n ? (uint64_t)(v.raw.p - h->file.p) : 0;
    pxi_diag_field(h->d, "%s", keys[0]);
    err = pxi_charsmap_open(&h->t->normal->charsmap, px_view_of(bytes, n), offset, h->d);
    return err ? err : add_step(h, v, (struct pxi_step){.kind = PXI_STEP_CHARSMAP});
}

static px_err read_normalizer(struct pxi_hf *h, struct pxi_hf_value v, px_view type)
{
    if (px_view_is(type, "Prepend"))
        return read_prepend(h, v);
    if (px_view_is(type, "Replace"))
        return read_replace(h, v);
    if (px_view_is(type, "Strip"))
        return read_strip(h, v);
    if (px_view_is(type, "Precompiled"))
        return read_charsmap(h, v);
    if (px_view_is(type, "NFC"))
        return add_step(h, v, (struct pxi_step){.kind = PXI_STEP_COMPOSE});
    return pxi_hf_fault(h, v, PX_ERR_TOKENIZER, "Prepend, Replace, Strip, Precompiled or NFC",
                        type);
}

px_err pxi_hf_normalizer(struct pxi_hf *h, struct pxi_hf_value v)
{
    struct pxi_normal *z = pxi_arena_alloc(&h->t->arena, 1, sizeof *z);
    if (!z)
        return PX_ERR_NOMEM;
    h->t->normal = z;
    px_err err = each_part(h, v, "normalizers", 0, read_normalizer);
    if (!z->count)
        h->t->normal = NULL;
    return err;
}

/* --------------------------------------------------------- pre-tokenizers */

static px_err add_stage(struct pxi_hf *h, struct pxi_hf_value v, pxi_match_fn *match, px_view type)
{
    if (h->byte_level || h->metaspace || h->trims)
        return pxi_hf_fault(h, v, PX_ERR_TOKENIZER, "ByteLevel or Metaspace as the last one", type);
    if (h->stages == PXI_PRE_STAGES)
        return pxi_hf_fault(h, v, PX_ERR_LIMIT, "at most 6 stages", type);
    h->pre->stages[h->stages++] = match;
    return PX_ERR_OK;
}

static px_err read_byte_level(struct pxi_hf *h, struct pxi_hf_value v, px_view type)
{
    static const char *const keys[] = {"add_prefix_space", "use_regex"};
    struct pxi_hf_value m[2];
    bool prefix = false, regex = false;
    px_err err = pxi_hf_members(h, v, keys, 2, m);
    if (!err)
        err = pxi_hf_bool(h, m[0], true, &prefix);
    if (!err)
        err = pxi_hf_bool(h, m[1], true, &regex);
    if (!err && prefix && h->stages)
        return pxi_hf_fault(h, m[0], PX_ERR_TOKENIZER, "a prefix only of the first pre-tokenizer",
                            px_view_str("one behind another"));
    if (!err && regex)
        err = add_stage(h, v, pxi_match_gpt2, type);
    if (!err && (h->byte_level || h->metaspace || h->trims))
        return pxi_hf_fault(h, v, PX_ERR_TOKENIZER, "ByteLevel once", type);
    h->byte_level = true;
    if (!err && prefix) {
        h->t->blank_prefix = h->t->lazy_prefix = h->t->drop_first = 1;
        h->t->prefix = PXI_PREFIX_ALWAYS;
    }
    return err;
}

static px_err read_metaspace(struct pxi_hf *h, struct pxi_hf_value v, px_view type)
{
    static const char *const keys[] = {"replacement", "prepend_scheme", "add_prefix_space",
                                       "split"};
    struct pxi_hf_value m[4];
    px_tokenizer *t = h->t;
    px_view mark, scheme;
    bool prefix = false, split = false;
    px_err err = pxi_hf_members(h, v, keys, 4, m);
    if (!err)
        err = pxi_hf_string(h, m[0], SPELT_SPACE, &mark);
    if (!err)
        err = pxi_hf_bool(h, m[2], true, &prefix);
    if (!err)
        err = pxi_hf_string(h, m[1], prefix ? "always" : "never", &scheme);
    if (!err)
        err = pxi_hf_bool(h, m[3], true, &split);
    if (err)
        return err;
    if (!px_view_is(mark, SPELT_SPACE))
        return pxi_hf_fault(h, m[0], PX_ERR_TOKENIZER, "U+2581", mark);
    t->prefix = px_view_is(scheme, "always")  ? PXI_PREFIX_ALWAYS
                : px_view_is(scheme, "first") ? PXI_PREFIX_FIRST
                                              : PXI_PREFIX_NEVER;
    if (!t->prefix && !px_view_is(scheme, "never"))
        return pxi_hf_fault(h, m[1], PX_ERR_TOKENIZER, "always, first or never", scheme);
    if (h->trims && t->prefix != PXI_PREFIX_ALWAYS)
        return pxi_hf_fault(h, m[1], PX_ERR_TOKENIZER, "always, behind WhitespaceSplit", scheme);
    if (h->stages || h->byte_level || h->metaspace)
        return pxi_hf_fault(h, v, PX_ERR_TOKENIZER, "Metaspace alone or behind WhitespaceSplit",
                            type);
    h->metaspace = true;
    t->spell = t->lazy_prefix = 1;
    t->trim_words = h->trims;
    t->drop_first = t->prefix != PXI_PREFIX_NEVER;
    t->words = split || h->trims ? PXI_WORDS_EACH : PXI_WORDS_NONE;
    return PX_ERR_OK;
}

/* Matches by themselves; or all but the matches dropped, of expressions that match everything. */
static px_err read_split(struct pxi_hf *h, struct pxi_hf_value v, px_view type)
{
    static const char *const keys[] = {"pattern", "behavior", "invert"};
    struct pxi_hf_value m[3];
    px_view pattern, behavior;
    bool regex = false, invert = false;
    px_err err = pxi_hf_members(h, v, keys, 3, m);
    if (!err)
        err = read_pattern(h, m[0], &pattern, &regex);
    if (!err)
        err = pxi_hf_string(h, m[1], "", &behavior);
    if (!err)
        err = pxi_hf_bool(h, m[2], false, &invert);
    if (err || (!regex && px_view_is(pattern, " ") && h->spaces_spelt))
        return err; /* the normaliser left none */
    pxi_match_fn *match = regex ? pxi_expression_find(pattern) : NULL;
    if (!match)
        return pxi_hf_fault(h, m[0], PX_ERR_TOKENIZER, "an expression that is known", pattern);
    bool all = match == pxi_match_gpt2 || match == pxi_match_llama3 || match == pxi_match_qwen2 ||
               match == pxi_match_gpt4o || match == pxi_match_tekken;
    if (!(px_view_is(behavior, "Isolated") && !invert) &&
        !(px_view_is(behavior, "Removed") && invert && all))
        return pxi_hf_fault(h, m[1], PX_ERR_TOKENIZER, "Isolated, not inverted", behavior);
    return add_stage(h, v, match, type);
}

static px_err read_digits(struct pxi_hf *h, struct pxi_hf_value v, px_view type)
{
    static const char *const keys[] = {"individual_digits"};
    struct pxi_hf_value m[1];
    bool single = false;
    px_err err = pxi_hf_members(h, v, keys, 1, m);
    if (!err)
        err = pxi_hf_bool(h, m[0], false, &single);
    return err ? err : add_stage(h, v, single ? pxi_match_digit : pxi_match_digits, type);
}

static px_err read_punctuation(struct pxi_hf *h, struct pxi_hf_value v, px_view type)
{
    static const char *const keys[] = {"behavior"};
    struct pxi_hf_value m[1];
    px_view behavior;
    px_err err = pxi_hf_members(h, v, keys, 1, m);
    if (!err)
        err = pxi_hf_string(h, m[0], "Isolated", &behavior);
    if (!err && !px_view_is(behavior, "Contiguous"))
        return pxi_hf_fault(h, m[0], PX_ERR_TOKENIZER, "Contiguous", behavior);
    return err ? err : add_stage(h, v, pxi_match_punct_falcon, type);
}

static px_err read_pre(struct pxi_hf *h, struct pxi_hf_value v, px_view type)
{
    if (px_view_is(type, "ByteLevel"))
        return read_byte_level(h, v, type);
    if (px_view_is(type, "Metaspace"))
        return read_metaspace(h, v, type);
    if (px_view_is(type, "Split"))
        return read_split(h, v, type);
    if (px_view_is(type, "Digits"))
        return read_digits(h, v, type);
    if (px_view_is(type, "Punctuation"))
        return read_punctuation(h, v, type);
    if (px_view_is(type, "WhitespaceSplit") && !h->stages && !h->byte_level && !h->metaspace) {
        h->trims = true;
        return PX_ERR_OK;
    }
    return pxi_hf_fault(h, v, PX_ERR_TOKENIZER,
                        "ByteLevel, Metaspace, Split, Digits, Punctuation or WhitespaceSplit",
                        type);
}

px_err pxi_hf_pre_tokenizer(struct pxi_hf *h, struct pxi_hf_value v)
{
    h->pre = pxi_arena_alloc(&h->t->arena, 1, sizeof *h->pre);
    if (!h->pre)
        return PX_ERR_NOMEM;
    px_err err = each_part(h, v, "pretokenizers", 0, read_pre);
    if (!err && (h->stages || h->trims) && !h->byte_level && !h->metaspace)
        return pxi_hf_fault(h, v, PX_ERR_TOKENIZER, "ByteLevel or Metaspace as the last one",
                            px_view_str("another"));
    h->t->pre = h->byte_level ? h->pre : NULL;
    return err;
}

/* -------------------------------------------------------- post-processors */

/* A token that every text begins or ends with. */
static px_err add_around(struct pxi_hf *h, struct pxi_hf_value v, px_view text, bool behind)
{
    px_tokenizer *t = h->t;
    int32_t id = pxi_vocab_find(&t->vocab, text);
    if (id < 0)
        return pxi_hf_fault(h, v, PX_ERR_CORRUPT, "a token of the vocabulary", text);
    if (behind ? t->add_eos : t->add_bos)
        return pxi_hf_fault(h, v, PX_ERR_TOKENIZER, "one token before the text and one behind",
                            text);
    *(behind ? &t->eos : &t->bos) = id;
    *(behind ? &t->add_eos : &t->add_bos) = 1;
    return PX_ERR_OK;
}

static px_err read_template(struct pxi_hf *h, struct pxi_hf_value v)
{
    static const char *const keys[] = {"single"}, *const kinds[] = {"SpecialToken", "Sequence"},
                             *const id[] = {"id"};
    struct pxi_hf_value m[1], kind[2], name[1];
    struct pxi_hf_walk w;
    bool more, behind = false;
    px_err err = pxi_hf_members(h, v, keys, 1, m);
    if (!err)
        err = pxi_hf_walk(h, m[0], &w);
    while (!err && !(err = pxi_hf_next(h, &w, &more)) && more) {
        px_view text;
        err = pxi_hf_members(h, w.value, kinds, 2, kind);
        bool sequence = !err && kind[1].kind != PXI_JSON_END;
        if (!err && sequence && behind)
            return pxi_hf_fault(h, w.value, PX_ERR_TOKENIZER, "the text once", w.value.raw);
        behind |= sequence;
        if (err || sequence)
            continue;
        err = pxi_hf_members(h, kind[0], id, 1, name);
        if (!err)
            err = pxi_hf_string(h, name[0], "", &text);
        if (!err)
            err = add_around(h, w.value, text, behind);
    }
    return err;
}

/* cls and sep, each a spelling and an id. */
static px_err read_bert(struct pxi_hf *h, struct pxi_hf_value v)
{
    static const char *const keys[] = {"cls", "sep"};
    struct pxi_hf_value m[2];
    px_err err = pxi_hf_members(h, v, keys, 2, m);
    for (unsigned i = 0; !err && i < 2; i++) {
        struct pxi_hf_walk w;
        px_view text = {NULL, 0};
        bool more = false;
        err = pxi_hf_walk(h, m[i], &w);
        if (!err)
            err = pxi_hf_next(h, &w, &more);
        if (!err && more)
            err = pxi_hf_string(h, w.value, "", &text);
        if (!err)
            err = add_around(h, m[i], text, i == 1);
    }
    return err;
}

static px_err read_post(struct pxi_hf *h, struct pxi_hf_value v, px_view type)
{
    if (px_view_is(type, "ByteLevel"))
        return PX_ERR_OK; /* it only moves offsets */
    if (px_view_is(type, "TemplateProcessing"))
        return read_template(h, v);
    if (px_view_is(type, "RobertaProcessing") || px_view_is(type, "BertProcessing"))
        return read_bert(h, v);
    return pxi_hf_fault(h, v, PX_ERR_TOKENIZER,
                        "TemplateProcessing, RobertaProcessing, BertProcessing or ByteLevel", type);
}

px_err pxi_hf_post_processor(struct pxi_hf *h, struct pxi_hf_value v)
{
    return each_part(h, v, "processors", 0, read_post);
}
