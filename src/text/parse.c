/* A tokenizer from the bytes of a file, whichever of the known ones it is. */
#include "text/parse.h"

#include "base/diag.h"

/* What the arenas of files may take: each byte can be a token, or a node of the tree. */
enum { ROOM = 160, LEAST = 16 << 20 };

static px_err read_gguf(px_view file, px_tokenizer **out, px_diag *diag)
{
    px_gguf *g;
    px_err err = px_gguf_parse(file, &g, diag);
    if (!err)
        err = px_tokenizer_new(g, out, diag);
    px_gguf_free(g);
    return err;
}

static size_t skip_blanks(px_view file, size_t at)
{
    while (at < file.n && (file.p[at] == ' ' || (file.p[at] >= '\t' && file.p[at] <= '\r')))
        at++;
    return at;
}

/* An object with a key: a message could begin with the first of these bytes, too. */
static bool is_json(px_view file)
{
    size_t at = skip_blanks(file, 0);
    if (at == file.n || file.p[at] != '{')
        return false;
    at = skip_blanks(file, at + 1);
    return at < file.n && file.p[at] == '"';
}

px_err px_tokenizer_parse(px_view file, px_tokenizer **out, px_diag *diag)
{
    *out = NULL;
    if (file.n >= 4 && memcmp(file.p, "GGUF", 4) == 0)
        return read_gguf(file, out, diag);
    pxi_diag_field(diag, "the file");
    bool json = is_json(file);
    if (!json && (!file.n || file.p[0] != 0x0a)) /* field 1, a message */
        return pxi_diag_set(diag, PX_ERR_TOKENIZER, 0,
                            "a GGUF file, a tokenizer.json or a sentencepiece model",
                            "another file");
    px_tokenizer *t =
        pxi_tokenizer_alloc(file.n < SIZE_MAX / ROOM - LEAST ? file.n * ROOM + LEAST : SIZE_MAX);
    if (!t)
        return PX_ERR_NOMEM;
    px_err err = json ? pxi_hf_read(t, file, diag) : pxi_spm_read(t, file, diag);
    t->sources = pxi_arena_alloc(&t->arena, 1, sizeof *t->sources);
    if (!err && !t->sources)
        err = PX_ERR_NOMEM;
    if (err) {
        px_tokenizer_free(t);
        return err;
    }
    t->sources[t->source_count++] = file;
    *out = t;
    return PX_ERR_OK;
}
