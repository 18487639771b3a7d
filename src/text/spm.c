/*
 * Models of sentencepiece: a protocol buffer (sentencepiece_model.proto) of pieces, what trained
 * them, and a normaliser. Of the fields that are known here all count; others say nothing about
 * tokens.
 */
#include <math.h>

#include "base/diag.h"
#include "base/limits.h"
#include "codec/pb.h"
#include "text/parse.h"

struct piece {
    px_view piece;
    uint64_t score, type;
};

struct trainer {
    uint64_t model_type, suffix, byte_fallback, bos, eos;
    bool has_bos, has_eos;
};

struct normalizer {
    px_view charsmap;
    uint64_t dummy_prefix, squeeze, escape;
    bool has_prefix, has_squeeze, has_escape;
};

struct model {
    struct pxi_pb_list pieces;
    struct trainer *trainer;
    struct normalizer *normalizer;
};

#define HAS(s, m) .has = offsetof(struct s, m)

static const struct pxi_pb_field piece_fields[] = {
    PXI_PB_FIELD(piece, piece, 1, STRING, .max = PXI_LIMIT_TOKENIZER_TOKEN_BYTES),
    PXI_PB_FIELD(piece, score, 2, FIXED32, .max = 0),
    PXI_PB_FIELD(piece, type, 3, UINT, .max = 0),
};
static const struct pxi_pb_field trainer_fields[] = {
    PXI_PB_FIELD(trainer, model_type, 3, UINT, .max = 0),
    PXI_PB_FIELD(trainer, suffix, 24, BOOL, .max = 0),
    PXI_PB_FIELD(trainer, byte_fallback, 35, BOOL, .max = 0),
    PXI_PB_FIELD(trainer, bos, 41, UINT, HAS(trainer, has_bos)),
    PXI_PB_FIELD(trainer, eos, 42, UINT, HAS(trainer, has_eos)),
};
static const struct pxi_pb_field normalizer_fields[] = {
    PXI_PB_FIELD(normalizer, charsmap, 2, BYTES, .max = 0),
    PXI_PB_FIELD(normalizer, dummy_prefix, 3, BOOL, HAS(normalizer, has_prefix)),
    PXI_PB_FIELD(normalizer, squeeze, 4, BOOL, HAS(normalizer, has_squeeze)),
    PXI_PB_FIELD(normalizer, escape, 5, BOOL, HAS(normalizer, has_escape)),
};
static const struct pxi_pb_message piece_table = {"piece", piece_fields, 3, sizeof(struct piece)};
static const struct pxi_pb_message trainer_table = {"trainer_spec", trainer_fields, 5,
                                                    sizeof(struct trainer)};
static const struct pxi_pb_message normalizer_table = {"normalizer_spec", normalizer_fields, 4,
                                                       sizeof(struct normalizer)};
static const struct pxi_pb_field model_fields[] = {
    PXI_PB_FIELD(model, pieces, 1, MESSAGE, .repeated = true, .sub = &piece_table,
                 .max = PXI_LIMIT_TOKENIZER_TOKENS),
    PXI_PB_FIELD(model, trainer, 2, MESSAGE, .sub = &trainer_table),
    PXI_PB_FIELD(model, normalizer, 3, MESSAGE, .sub = &normalizer_table),
};
static const struct pxi_pb_message model_table = {"sentencepiece", model_fields, 3,
                                                  sizeof(struct model)};

enum { UNIGRAM = 1, BPE = 2 };

struct reader {
    px_tokenizer *t;
    px_view file;
    struct model m;
    double least, most; /* scores of normal pieces */
    px_diag *d;
};

static px_err refuse(struct reader *r, const char *field, px_err err, const char *expected,
                     uint64_t found)
{
    pxi_diag_field(r->d, "%s", field);
    return pxi_diag_set(r->d, err, 0, expected, "%llu", (unsigned long long)found);
}

static px_err read_piece(struct reader *r, uint32_t i, const struct piece *p)
{
    px_tokenizer *t = r->t;
    uint64_t offset = (uint64_t)(p->piece.p ? p->piece.p - r->file.p : 0);
    uint32_t bits = (uint32_t)p->score;
    float score;
    memcpy(&score, &bits, sizeof score);
    pxi_diag_field(r->d, "piece[%u]", (unsigned)i);
    if (!p->piece.n)
        return pxi_diag_set(r->d, PX_ERR_CORRUPT, offset, "a piece of text", "none");
    if (p->type > PXI_TOKEN_BYTE)
        return pxi_diag_set(r->d, PX_ERR_CORRUPT, offset, "a type from 1 to 6", "%llu",
                            (unsigned long long)p->type);
    if (!isfinite(score))
        return pxi_diag_set(r->d, PX_ERR_CORRUPT, offset, "a number as score", "none");
    t->vocab.type[i] = p->type ? (uint8_t)p->type : PXI_TOKEN_NORMAL;
    if (t->vocab.type[i] == PXI_TOKEN_UNUSED && t->merging != PXI_UNIGRAM)
        return pxi_diag_set(r->d, PX_ERR_TOKENIZER, offset, "BPE pieces that are all used",
                            "one that is not");
    if (t->vocab.type[i] == PXI_TOKEN_UNKNOWN) {
        if (t->unknown >= 0)
            return pxi_diag_set(r->d, PX_ERR_CORRUPT, offset, "one unknown piece", "another");
        t->unknown = (int32_t)i;
    }
    if (t->vocab.type[i] == PXI_TOKEN_NORMAL) {
        r->least = score < r->least ? score : r->least;
        r->most = score > r->most ? score : r->most;
    }
    if (t->vocab.weight)
        t->vocab.weight[i] = score;
    else
        t->vocab.score[i] = score;
    return pxi_vocab_set(t, i, p->piece, offset, r->d);
}

static px_err read_pieces(struct reader *r)
{
    px_tokenizer *t = r->t;
    const struct piece *list = r->m.pieces.p;
    uint32_t n = (uint32_t)r->m.pieces.n;
    t->vocab.origin = "piece";
    if (!n)
        return refuse(r, "piece", PX_ERR_CORRUPT, "pieces", 0);
    px_err err = pxi_vocab_room(t, n);
    if (t->merging == PXI_UNIGRAM)
        t->vocab.weight = pxi_arena_alloc(&t->arena, n, sizeof *t->vocab.weight);
    else
        t->vocab.score = pxi_arena_alloc(&t->arena, n, sizeof *t->vocab.score);
    if (!t->vocab.weight && !t->vocab.score)
        err = PX_ERR_NOMEM;
    for (uint32_t i = 0; !err && i < n; i++)
        err = read_piece(r, i, &list[i]);
    if (!err && t->unknown < 0)
        return refuse(r, "piece", PX_ERR_CORRUPT, "an unknown piece", n);
    if (!err)
        err = pxi_vocab_index(t, 0, r->d);
    return err ? err : pxi_vocab_bytes(t, 0, r->d);
}

/* A control piece by its number in the trainer's record. */
static int32_t control(const px_tokenizer *t, uint64_t id)
{
    return id < t->vocab.count && pxi_token_type(t, (int32_t)id) == PXI_TOKEN_CONTROL
               ? (int32_t)id
               : PX_TOKEN_NONE;
}

static px_err read_trainer(struct reader *r)
{
    static const struct trainer none = {.model_type = 0};
    const struct trainer *s = r->m.trainer ? r->m.trainer : &none;
    px_tokenizer *t = r->t;
    uint64_t type = s->model_type ? s->model_type : UNIGRAM;
    if (type != UNIGRAM && type != BPE)
        return refuse(r, "trainer_spec.model_type", PX_ERR_TOKENIZER, "1 (Unigram) or 2 (BPE)",
                      type);
    t->merging = type == UNIGRAM ? PXI_UNIGRAM : PXI_BY_SCORE;
    t->single_precision = t->inner_user = t->char_unknown = 1;
    px_err err = read_pieces(r);
    if (err)
        return err;
    t->bos = control(t, s->has_bos ? s->bos : 1);
    t->eos = control(t, s->has_eos ? s->eos : 2);
    t->fuse_unknown = !s->byte_fallback;
    for (unsigned b = 0; b < 256; b++) {
        if (s->byte_fallback && t->byte_id[b] < 0)
            return refuse(r, "trainer_spec.byte_fallback", PX_ERR_CORRUPT, "a piece for every byte",
                          b);
        t->byte_id[b] = s->byte_fallback ? t->byte_id[b] : PX_TOKEN_NONE;
    }
    return PX_ERR_OK;
}

static px_err read_normalizer(struct reader *r)
{
    static const struct normalizer none = {.has_prefix = false};
    const struct normalizer *s = r->m.normalizer ? r->m.normalizer : &none;
    px_tokenizer *t = r->t;
    struct pxi_normal *z = t->normal = pxi_arena_alloc(&t->arena, 1, sizeof *z);
    if (!z)
        return PX_ERR_NOMEM;
    bool prefix = !s->has_prefix || s->dummy_prefix;
    bool suffix = r->m.trainer && r->m.trainer->suffix;
    z->steps[z->count++].kind = PXI_STEP_PIECES;
    z->dummy_prefix = prefix && !suffix;
    z->dummy_suffix = prefix && suffix;
    z->squeeze = !s->has_squeeze || s->squeeze;
    z->escape = !s->has_escape || s->escape;
    t->drop_first = z->dummy_prefix;
    pxi_diag_field(r->d, "normalizer_spec.precompiled_charsmap");
    uint64_t offset = s->charsmap.n ? (uint64_t)(s->charsmap.p - r->file.p) : 0;
    return pxi_charsmap_open(&z->charsmap, s->charsmap, offset, r->d);
}

px_err pxi_unigram_ready(px_tokenizer *t, double least, double most, px_diag *diag)
{
    const double unknown = 10; /* how much less than the least */
    t->unknown_weight =
        t->single_precision ? (double)((float)least - (float)unknown) : least - unknown;
    t->user_weight = most;
    if (t->vocab.longest > PXI_LIMIT_TOKENIZER_SPECIAL_BYTES) {
        pxi_diag_field(diag, "%s", t->vocab.origin);
        return pxi_diag_set(diag, PX_ERR_LIMIT, 0, "pieces of at most 1024 bytes", "%llu",
                            (unsigned long long)t->vocab.longest);
    }
    return pxi_trie_build(t, diag);
}

px_err pxi_spm_read(px_tokenizer *t, px_view file, px_diag *diag)
{
    struct reader r = {.t = t, .file = file, .least = 3.402823466e38, .most = 1.175494351e-38};
    r.d = diag;
    struct pxi_arena arena; /* of the message: what is kept of it are views of the file */
    pxi_arena_init(&arena, 64 * file.n + 4096);
    px_err err = pxi_pb_decode(&model_table, file, &arena, &r.m, diag);
    if (!err)
        err = read_trainer(&r);
    if (!err)
        err = read_normalizer(&r);
    pxi_arena_deinit(&arena);
    if (!err)
        err = pxi_specials_init(t, diag);
    if (!err && t->merging == PXI_UNIGRAM)
        err = pxi_unigram_ready(t, r.least, r.most, diag);
    if (err)
        return err;
    t->words = pxi_words_apart(t) ? PXI_WORDS_RUNS : PXI_WORDS_NONE;
    pxi_normal_ready(t);
    pxi_mark_ends(t, PX_TOKEN_NONE, PX_TOKEN_NONE);
    return PX_ERR_OK;
}
