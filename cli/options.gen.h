/* Made by tools/gen.py from gen/options.toml: edit that, then ./dev docs. Option ids and verbs. */

#ifndef CLI_OPTIONS_GEN_H
#define CLI_OPTIONS_GEN_H

struct cli;

enum {
    OPT_HELP,
    OPT_JSON,
    OPT_JSON_LINES,
    OPT_COLOR,
    OPT_QUIET,
    OPT_MAX_TOKENS,
    OPT_TEMP,
    OPT_TOP_K,
    OPT_TOP_P,
    OPT_MIN_P,
    OPT_REPEAT_PENALTY,
    OPT_PRESENCE_PENALTY,
    OPT_FREQUENCY_PENALTY,
    OPT_SEED,
    OPT_BIAS,
    OPT_STOP,
    OPT_IGNORE_EOS,
    OPT_CTX,
    OPT_THREADS,
    OPT_KV_TYPE,
    OPT_CPU,
    OPT_NO_BOS,
    OPT_NO_SPECIAL,
    OPT_RAW,
    OPT_CHAT_TEMPLATE,
    OPT_SYSTEM,
    OPT_FILE,
    OPT_PROMPT,
    OPT_TOP,
    OPT_TOKENS,
    OPT_FORMAT,
    OPT_LIST,
    OPT_ALL,
    OPT_CHUNK,
    OPT_BESIDE,
    OPT_PROMPT_TOKENS,
    OPT_GEN_TOKENS,
    OPT_REPEAT,
    OPT_SEQUENCES,
    OPT_PEER,
    OPT_SHAPE,
    OPT_TYPES,
    OPT_DIR,
    OPT_ORIGIN,
    OPT_STORIES,
    OPT_COUNT
};

int verb_run(struct cli *c);
int verb_chat(struct cli *c);
int verb_tokenize(struct cli *c);
int verb_detokenize(struct cli *c);
int verb_inspect(struct cli *c);
int verb_check(struct cli *c);
int verb_eval_perplexity(struct cli *c);
int verb_eval_logits(struct cli *c);
int verb_digest(struct cli *c);
int verb_bench_infer(struct cli *c);
int verb_demo(struct cli *c);
int verb_doctor(struct cli *c);
int verb_kernels(struct cli *c);
int verb_limits(struct cli *c);
int verb_explain(struct cli *c);
int verb_config_list(struct cli *c);
int verb_config_get(struct cli *c);
int verb_completion(struct cli *c);
int verb_version(struct cli *c);
int verb_help(struct cli *c);

#endif
