/*
 * A model file opened for computing, and contexts in which sequences of tokens are evaluated.
 * A px_model is immutable and may be shared by threads; a px_context belongs to one thread.
 */
#ifndef PLEXUS_MODEL_H
#define PLEXUS_MODEL_H

#include "plexus/gguf.h"
#include "plexus/tokenizer.h"

PX_BEGIN_DECLS

typedef struct px_model px_model;
typedef struct px_context px_context;

typedef struct px_model_info {
    const char *arch; /* "llama", "qwen2", "qwen3" */
    const char *name; /* general.name or "" */
    uint32_t blocks, embd, ffn, heads, kv_heads, head_dim, vocab;
    uint32_t context_train; /* positions the model was trained for */
    uint64_t parameters;
    uint64_t weight_bytes;
    const char *chat_template; /* NUL-terminated copy, or NULL */
} px_model_info;

/* Name of the i-th architecture that runs, NULL past the end. Static storage. */
PX_API const char *px_arch_name(unsigned i);

/*
 * Open a GGUF file (read-only map; for split models any part's path) or the embedded model, whose
 * name is "tiny". Errors: those of px_gguf_parse and px_tokenizer_new, PX_ERR_ARCH,
 * PX_ERR_TENSOR_TYPE, PX_ERR_NOT_FOUND, PX_ERR_NOT_A_FILE, PX_ERR_PERMISSION, PX_ERR_IO.
 */
PX_API PX_NODISCARD px_err px_model_open(const char *path, px_model **out, px_diag *diag);

/* The same from bytes that outlive the model. */
PX_API PX_NODISCARD px_err px_model_open_memory(px_view file, px_model **out, px_diag *diag);
/* Only metadata and tokenizer, of a file that need not hold more (a shard of px_store_words_path).
 * No context can be made of it. Errors as px_model_open. */
PX_API PX_NODISCARD px_err px_model_open_words(const char *path, px_model **out, px_diag *diag);
PX_API void px_model_close(px_model *m);

PX_API const px_model_info *px_model_info_get(const px_model *m); /* borrowed */
PX_API const px_gguf *px_model_gguf(const px_model *m);           /* borrowed */
PX_API const px_tokenizer *px_model_tokenizer(const px_model *m); /* borrowed */

typedef enum px_kv_type { PX_KV_F16, PX_KV_F32, PX_KV_I8 } px_kv_type;

typedef struct px_context_options {
    size_t size;        /* sizeof(px_context_options) */
    uint32_t positions; /* KV cache length of each sequence; 0 = min(context_train, 4096) */
    uint32_t sequences; /* 0 = 1 */
    uint32_t batch;     /* tokens evaluated together at most; 0 = 512 */
    uint32_t threads;   /* 0 = all processors of the affinity mask */
    px_kv_type kv_type;
    const char *cpu; /* kernel mask as PLEXUS_CPU; NULL = the environment, then auto */
} px_context_options;

/* Memory the context would take, without taking it. */
PX_API uint64_t px_context_bytes(const px_model *m, const px_context_options *o);

/* Errors: PX_ERR_INVALID, PX_ERR_NOMEM, PX_ERR_LIMIT. The model must outlive the context. */
PX_API PX_NODISCARD px_err px_context_new(const px_model *m, const px_context_options *o,
                                          px_context **out, px_diag *diag);
PX_API void px_context_free(px_context *c);

typedef struct px_batch_token {
    int32_t token;
    uint32_t seq;  /* below options.sequences */
    uint32_t want; /* 1 = logits of this token are wanted */
} px_batch_token;

/*
 * Evaluate n tokens; each is appended to its sequence, in order. Larger n than the batch is cut.
 * On an error nothing is appended. PX_ERR_CONTEXT_FULL, PX_ERR_INVALID (token or seq out of range),
 * PX_ERR_CHANGED (the model file shrank under the map).
 * Results do not depend, bit for bit, on how tokens are split over calls, on threads, on the CPU
 * mask, or on what else is in the batch.
 */
PX_API PX_NODISCARD px_err px_context_eval(px_context *c, const px_batch_token *tokens, size_t n);

/* Logits (vocab floats, borrowed until the next eval) of the i-th token of the last eval for which
 * they were wanted, counted among the wanted ones; NULL when out of range. */
PX_API const float *px_context_logits(const px_context *c, size_t i);

/*
 * Evaluate n tokens, at most a batch, of one sequence, and add to sum[embd] the state of each after
 * the last norm, from which logits are made: the sum over a text, divided, is its embedding. Errors
 * as px_context_eval, and PX_ERR_INVALID for n larger than the batch.
 */
PX_API PX_NODISCARD px_err px_context_embed(px_context *c, uint32_t seq, const int32_t *tokens,
                                            size_t n, float *sum);

/* Tokens that sequence seq holds. */
PX_API uint32_t px_context_length(const px_context *c, uint32_t seq);

/* Forget all tokens of seq from position `length` on. */
PX_API void px_context_truncate(px_context *c, uint32_t seq, uint32_t length);

/* Make dst an exact copy of the first `length` tokens of src. PX_ERR_INVALID when out of range. */
PX_API px_err px_context_copy(px_context *c, uint32_t dst, uint32_t src, uint32_t length);

/* 1 or more: the number of threads the context computes with. */
PX_API uint32_t px_context_threads(const px_context *c);

typedef struct px_digest_options {
    size_t size;      /* sizeof(px_digest_options) */
    uint32_t threads; /* as in px_context_options */
    uint32_t chunk;   /* tokens of the prompt evaluated together; 0 = all */
    uint32_t beside;  /* other sequences evaluated in the same batches */
    const char *cpu;  /* as in px_context_options */
} px_digest_options;

#define PX_DIGEST_HEX 65 /* characters with the final NUL */

/*
 * Fingerprint of the bits of the logits at every position of a fixed prompt, in hexadecimal: equal
 * for every choice of options, and on every machine. Options may be NULL. Not for security.
 * Errors: those of px_context_new and px_context_eval.
 */
PX_API PX_NODISCARD px_err px_model_digest(const px_model *m, const px_digest_options *o,
                                           char out[PX_DIGEST_HEX], px_diag *diag);

typedef struct px_perplexity_options {
    size_t size;      /* sizeof(px_perplexity_options) */
    uint32_t window;  /* tokens; 0 = min(context_train, 512) */
    uint32_t threads; /* as in px_context_options */
    px_kv_type kv_type;
    const char *cpu; /* as in px_context_options */
    /* Called now and then; non-zero stops with PX_ERR_INTERRUPTED. May be NULL. */
    int (*progress)(void *progress_arg, uint64_t done, uint64_t total);
    void *progress_arg;
} px_perplexity_options;

typedef struct px_perplexity {
    uint64_t tokens, predictions;
    double nll;        /* mean negative log-likelihood of the predicted tokens, in nats */
    double perplexity; /* e^nll */
} px_perplexity;

/*
 * How well the model predicts a text: tokenised whole without BOS, cut in windows, BOS put before
 * each window if the model wants one; every token of a window but the first thing in it is
 * predicted. PX_ERR_INVALID when nothing is left to predict; else as px_model_digest.
 */
PX_API PX_NODISCARD px_err px_model_perplexity(const px_model *m, px_view text,
                                               const px_perplexity_options *o, px_perplexity *out,
                                               px_diag *diag);

PX_END_DECLS

#endif
