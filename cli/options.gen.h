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
    OPT_DATA_TOKENIZER,
    OPT_DATA_FROM,
    OPT_DATA_TO,
    OPT_DATA_CACHE,
    OPT_DATA_TIMEOUT,
    OPT_DATA_COLUMN,
    OPT_DATA_TOKEN_BYTES,
    OPT_DATA_MAX_TOKENS,
    OPT_DATA_BAD,
    OPT_DATA_COMMIT,
    OPT_DATA_EOT,
    OPT_DATA_CRC,
    OPT_CAPTURE_FORMAT,
    OPT_CAPTURE_PORT,
    OPT_CAPTURE_CRC,
    OPT_CAPTURE_COVER,
    OPT_CAPTURE_TOKENS,
    OPT_DATA_AGAIN,
    OPT_DATA_SAMPLES,
    OPT_DATA_OUT,
    OPT_CRC_DROP_DIR,
    OPT_CRC_DROP_RESULTS,
    OPT_CRC_DROP_STEPS,
    OPT_CRC_DROP_BATCH,
    OPT_CRC_DROP_ROW,
    OPT_CRC_DROP_SEEDS,
    OPT_DATA_BATCH,
    OPT_DATA_ROW_TOKENS,
    OPT_DATA_PACKING,
    OPT_DATA_RANKS,
    OPT_DATA_STEPS,
    OPT_LISTEN,
    OPT_ANNOUNCE,
    OPT_KEY,
    OPT_KEY_SEED,
    OPT_KEY_TYPE,
    OPT_SECURITY,
    OPT_MUXERS,
    OPT_PSK,
    OPT_DHT,
    OPT_DHT_PROTOCOL,
    OPT_GOSSIPSUB,
    OPT_GOSSIPSUB_NOSIGN,
    OPT_RELAY,
    OPT_DCUTR,
    OPT_AUTONAT,
    OPT_MDNS,
    OPT_MDNS_INTERVAL,
    OPT_BOOTSTRAP,
    OPT_ALLOW,
    OPT_PORT,
    OPT_PUBLIC,
    OPT_PRIVATE,
    OPT_NOW,
    OPT_NO_MDNS,
    OPT_PORTMAP,
    OPT_SLOW_MS,
    OPT_SPIN_US,
    OPT_API,
    OPT_API_TOKEN,
    OPT_API_HOST,
    OPT_MODEL,
    OPT_PARALLEL,
    OPT_PING_COUNT,
    OPT_TIMEOUT,
    OPT_NAME,
    OPT_NO_PIN,
    OPT_PIN,
    OPT_OFF,
    OPT_SHA256,
    OPT_STORE_QUOTA,
    OPT_BLOCKS,
    OPT_DATA,
    OPT_HASH,
    OPT_RUN_SERVER,
    OPT_SERVER_ADDRESS,
    OPT_TRANSPORT,
    OPT_UPLOAD_BYTES,
    OPT_DOWNLOAD_BYTES,
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
    OPT_SWARM,
    OPT_STAGES,
    OPT_DRAFT,
    OPT_DRAFT_MAX,
    OPT_DRAFT_BLOCKS,
    OPT_WATCH,
    OPT_HIDDEN,
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
    OPT_SECONDS,
    OPT_REPEAT,
    OPT_SEQUENCES,
    OPT_PEER,
    OPT_BYTES,
    OPT_IDLE,
    OPT_PARTS,
    OPT_PIPELINE_PARTS,
    OPT_BENCH_MODEL,
    OPT_PEER_DIR,
    OPT_DELAY_MS,
    OPT_LOCAL,
    OPT_BYTES_LIST,
    OPT_VALUES_LIST,
    OPT_WIRE_PACKETS,
    OPT_GRADIENT_FORMAT,
    OPT_GRADIENT_PATH,
    OPT_PACKET_VALUES,
    OPT_RATE_MBIT,
    OPT_LOSS,
    OPT_DUP,
    OPT_CORRUPT,
    OPT_PYTHON,
    OPT_DDP_PYTHON,
    OPT_TRAIN_STEPS,
    OPT_MEGATRON_DIR,
    OPT_DATA_BENCH_PYTHON,
    OPT_DATA_BENCH_SAMPLES,
    OPT_DATA_BENCH_PARTS,
    OPT_CROSS,
    OPT_SHAPE,
    OPT_TYPES,
    OPT_DIR,
    OPT_ORIGIN,
    OPT_WORKERS,
    OPT_LIARS,
    OPT_SEEDS,
    OPT_ROUNDS,
    OPT_NODES,
    OPT_CHURN,
    OPT_LOOKUPS,
    OPT_SYBILS,
    OPT_STORIES,
    OPT_AGG_GENERIC,
    OPT_AGG_ADDRESS,
    OPT_AGG_PORT,
    OPT_AGG_JOB,
    OPT_AGG_WORKER,
    OPT_AGG_SECRET,
    OPT_AGG_GROUP,
    OPT_AGG_MODE,
    OPT_AGG_HELPER,
    OPT_JOB_WORLD,
    OPT_JOB_LEAST,
    OPT_JOB_WAIT,
    OPT_JOB_ALLOW,
    OPT_JOB_CENTRAL,
    OPT_JOB_AGGREGATOR,
    OPT_AGG_SLOTS,
    OPT_AGG_DEADLINE,
    OPT_AGG_CHUNKS,
    OPT_AGG_NAME,
    OPT_AGG_HOST,
    OPT_AGG_JOBS,
    OPT_AGG_STEERED,
    OPT_TOPOLOGY,
    OPT_HUBS,
    OPT_HUB_RATE,
    OPT_RULE,
    OPT_AGG_SENTRY,
    OPT_AGG_SENTRY_K,
    OPT_AGG_SENTRY_POLICY,
    OPT_AGG_FOREGROUND,
    OPT_AGG_INTERVAL,
    OPT_SETUP_ROOT,
    OPT_SETUP_GROUP,
    OPT_SETUP_DRY_RUN,
    OPT_SETUP_REMOVE,
    OPT_XDPD_GROUP,
    OPT_XDPD_USER,
    OPT_XDPD_DEVICE,
    OPT_AGG_LIMIT,
    OPT_AGG_PACKETS,
    OPT_COUNT
};

int verb_ps(struct cli *c);
int verb_plan(struct cli *c);
int verb_run(struct cli *c);
int verb_chat(struct cli *c);
int verb_serve(struct cli *c);
int verb_tokenize(struct cli *c);
int verb_detokenize(struct cli *c);
int verb_push(struct cli *c);
int verb_pull(struct cli *c);
int verb_list(struct cli *c);
int verb_show(struct cli *c);
int verb_pin(struct cli *c);
int verb_rm(struct cli *c);
int verb_inspect(struct cli *c);
int verb_check(struct cli *c);
int verb_data_convert(struct cli *c);
int verb_data_inspect(struct cli *c);
int verb_data_verify(struct cli *c);
int verb_data_stats(struct cli *c);
int verb_data_order(struct cli *c);
int verb_capture_encode(struct cli *c);
int verb_capture_decode(struct cli *c);
int verb_data_mix(struct cli *c);
int verb_eval_perplexity(struct cli *c);
int verb_eval_logits(struct cli *c);
int verb_digest(struct cli *c);
int verb_bench_infer(struct cli *c);
int verb_bench_data(struct cli *c);
int verb_bench_http(struct cli *c);
int verb_bench_p2p(struct cli *c);
int verb_bench_pipeline(struct cli *c);
int verb_bench_allreduce(struct cli *c);
int verb_bench_ddp(struct cli *c);
int verb_bench_agg(struct cli *c);
int verb_bench_byzantine(struct cli *c);
int verb_bench_crc_drop(struct cli *c);
int verb_sim_dht(struct cli *c);
int verb_demo(struct cli *c);
int verb_doctor(struct cli *c);
int verb_kernels(struct cli *c);
int verb_limits(struct cli *c);
int verb_explain(struct cli *c);
int verb_config_list(struct cli *c);
int verb_config_get(struct cli *c);
int verb_up(struct cli *c);
int verb_id(struct cli *c);
int verb_peers(struct cli *c);
int verb_invite(struct cli *c);
int verb_join(struct cli *c);
int verb_drain(struct cli *c);
int verb_stop(struct cli *c);
int verb_leave(struct cli *c);
int verb_ping(struct cli *c);
int verb_agg_attach(struct cli *c);
int verb_agg_detach(struct cli *c);
int verb_agg_stat(struct cli *c);
int verb_agg_trace(struct cli *c);
int verb_agg_offer(struct cli *c);
int verb_agg_jobs(struct cli *c);
int verb_agg_withdraw(struct cli *c);
int verb_agg_verify(struct cli *c);
int verb_setup_xdp(struct cli *c);
int verb_xdpd(struct cli *c);
int verb_net(struct cli *c);
int verb_dht_put(struct cli *c);
int verb_dht_get(struct cli *c);
int verb_dht_provide(struct cli *c);
int verb_dht_find(struct cli *c);
int verb_dht_closest(struct cli *c);
int verb_swarm_connect(struct cli *c);
int verb_swarm_disconnect(struct cli *c);
int verb_perf(struct cli *c);
int verb_interop_peer(struct cli *c);
int verb_completion(struct cli *c);
int verb_version(struct cli *c);
int verb_help(struct cli *c);

#endif
