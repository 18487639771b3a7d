/*
 * Choosing the next token from logits. Deterministic: the same options, seed, history and logits
 * give the same token on every machine. State is plain data and can travel with a session.
 */
#ifndef PLEXUS_SAMPLER_H
#define PLEXUS_SAMPLER_H

#include "plexus/err.h"

PX_BEGIN_DECLS

typedef struct px_logit_bias {
    int32_t token;
    float bias; /* added to the logit; -INFINITY forbids the token */
} px_logit_bias;

/* All-zero (with size set) is greedy decoding without penalties. */
typedef struct px_sampler_options {
    size_t size;             /* sizeof(px_sampler_options) */
    float temperature;       /* 0 = greedy */
    uint32_t top_k;          /* 0 = off */
    float top_p;             /* 0 or 1 = off */
    float min_p;             /* 0 = off */
    float repeat_penalty;    /* 0 or 1 = off; divides positive and multiplies negative logits */
    float presence_penalty;  /* subtracted once from tokens seen in the window */
    float frequency_penalty; /* subtracted for each occurrence in the window */
    uint32_t penalty_window; /* tokens looked back; 0 = 64 */
    uint64_t seed;
    const px_logit_bias *bias; /* borrowed while the sampler is created */
    size_t bias_count;
} px_sampler_options;

typedef struct px_sampler px_sampler;

/* PX_ERR_INVALID when an option is out of range or not finite. */
PX_API PX_NODISCARD px_err px_sampler_new(const px_sampler_options *o, uint32_t vocab_size,
                                          px_sampler **out);
PX_API void px_sampler_free(px_sampler *s);

/* Tell the sampler of a token that is already in the text (prompt or chosen elsewhere). */
PX_API void px_sampler_accept(px_sampler *s, int32_t token);

/* Tell a sampler of a token that another one with the same options and history chose: afterwards
 * its state is that of the other one. */
PX_API void px_sampler_replay(px_sampler *s, int32_t token);

/* Choose from vocab_size logits (unchanged) and accept the choice. Ties go to the lower id. */
PX_API int32_t px_sampler_next(px_sampler *s, const float *logits);

PX_END_DECLS

#endif
