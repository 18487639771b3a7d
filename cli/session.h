/* A model that is open, a context, and the loop that generates text: what several verbs share. */
#ifndef CLI_SESSION_H
#define CLI_SESSION_H

#include "json.h"

struct ids {
    int32_t *p;
    size_t n, cap;
};

struct session {
    struct cli *c;
    const char *path;
    px_model *model;
    const px_tokenizer *tok;
    px_tokenizer *words; /* a tokenizer without a model, and its file */
    px_file *words_file;
    px_context *ctx;
    px_sampler *sampler;
    struct swarm_answer *swarm; /* tokens come from the peers of a node */
    uint64_t seed;
    double load_s, prefill_s, decode_s, first_s;
    size_t prefilled, decoded;
};

/* Why generation ended. */
enum stopped { STOP_LENGTH, STOP_END, STOP_TEXT, STOP_CONTEXT, STOP_INTERRUPTED };
const char *stopped_name(enum stopped s);

/* Receives generated text as it becomes certain; may be NULL. */
typedef void emit_fn(void *arg, int32_t token, const char *text, size_t n);

struct generation {
    size_t max;
    const char *const *stops;
    unsigned stop_count;
    int ignore_end;
    emit_fn *emit;
    void *arg;
    struct ids tokens; /* generated */
    struct text text;  /* generated */
    enum stopped stopped;
};

/* All return 0 or an exit code after the error was printed. */
int session_open(struct cli *c, const char *path, struct session *s);
/* Only s->tok: of a model, or of a tokenizer.json or sentencepiece model. */
int session_open_words(struct cli *c, const char *path, struct session *s);
int session_context(struct session *s, uint32_t sequences, uint64_t positions);
int session_sampler(struct session *s);
int session_encode(struct session *s, px_view text, unsigned flags, struct ids *out);
/* Evaluate in sequence 0; the logits of the last token are wanted. */
int session_prefill(struct session *s, const int32_t *ids, size_t n);
int session_generate(struct session *s, struct generation *g);
void session_close(struct session *s);
int session_fail(struct session *s, px_err e);

void generation_free(struct generation *g);
void ids_add(struct ids *a, int32_t id);
json_t *timings_json(const struct session *s);
uint64_t random_seed(void);
/* --bias TOKEN=B rows. 0 or an exit code. */
int read_biases(const struct value *v, px_logit_bias *out);
px_kv_type session_kv_type(const struct cli *c);
int has_option(const struct cli *c, int id);

/* swarm_run.c: the answer of a model over the peers of the running node. Begin with the prompt;
 * take one token after the other: *token is PX_TOKEN_NONE at the end. */
int swarm_begin(struct session *s, const struct ids *prompt, uint64_t max);
int swarm_next(struct session *s, int32_t *token);
/* Tokens that end an answer, a few at most: the node stops there by itself. */
json_t *ends_of(const struct session *s);
/* A model that is a file goes into the node's store first; s->path becomes its CID. */
int swarm_model(struct session *s);
/* The next turn of a conversation: `ids` is all of it, `held` what the stages hold of the turns
 * before, which is not read again when it is the beginning of `ids`. */
int swarm_turn(struct session *s, const struct ids *held, const struct ids *ids, uint64_t max);
void swarm_end(struct session *s);
/* Who computed what, as the node told (borrowed); and how often the chain was opened. */
json_t *swarm_stages(const struct session *s);
int64_t swarm_epochs(const struct session *s);
int64_t swarm_lost(const struct session *s);       /* how often a peer was lost */
const char *swarm_hidden(const struct session *s); /* the code of hidden states; may be NULL */
struct swarm_counts {
    int64_t trips, drafted,
        accepted;      /* passes through the stages; tokens guessed, and guessed right */
    double rms, worst; /* relative errors of hidden states that were coded */
};
struct swarm_counts swarm_counts(const struct session *s);

/* template.c: the text of a conversation through the model's template or that of a file. */
int chat_open(struct session *s, const char *which, px_template **out);
int chat_render(struct session *s, const px_template *t, const px_message *m, size_t n,
                struct text *out);
/* Tokens of a rendered conversation: control tokens are read, a BOS is added only when missing. */
int chat_encode(struct session *s, px_view text, struct ids *out);

#endif
