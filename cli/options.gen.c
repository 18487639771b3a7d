/* Made by tools/gen.py from gen/options.toml: edit that, then ./dev docs. Tables and help texts. */

#include "cli.h"

const struct cli_opt cli_opts[OPT_COUNT] = {
    {"help", "PLEXUS_HELP", 'h', TYPE_FLAG, NULL, NULL, NULL, .umin = 0u, .umax = 0u},
    {"json", "PLEXUS_JSON", 0, TYPE_FLAG, NULL, NULL, NULL, .umin = 0u, .umax = 0u},
    {"json-lines", "PLEXUS_JSON_LINES", 0, TYPE_FLAG, NULL, NULL, NULL, .umin = 0u, .umax = 0u},
    {"color", "PLEXUS_COLOR", 0, TYPE_CHOICE, "auto", NULL, "auto always never", .umin = 0u, .umax = 0u},
    {"quiet", "PLEXUS_QUIET", 'q', TYPE_FLAG, NULL, NULL, NULL, .umin = 0u, .umax = 0u},
    {"tokenizer", "PLEXUS_DATA_TOKENIZER", 0, TYPE_TEXT, NULL, NULL, NULL, .umin = 0u, .umax = 0u},
    {"from", "PLEXUS_DATA_FROM", 0, TYPE_TEXT, "auto", NULL, NULL, .umin = 0u, .umax = 0u},
    {"to", "PLEXUS_DATA_TO", 0, TYPE_CHOICE, "auto", NULL, "auto ndp ndp3 jsonl megatron llmc", .umin = 0u, .umax = 0u},
    {"cache", "PLEXUS_DATA_CACHE", 0, TYPE_UINT, "1024", NULL, NULL, .umin = 1u, .umax = 16777216u},
    {"timeout", "PLEXUS_DATA_TIMEOUT", 0, TYPE_UINT, "10000", NULL, NULL, .umin = 1u, .umax = 3600000u},
    {"column", "PLEXUS_DATA_COLUMN", 0, TYPE_TEXT, NULL, NULL, NULL, .umin = 0u, .umax = 0u},
    {"token-bytes", "PLEXUS_DATA_TOKEN_BYTES", 0, TYPE_CHOICE, "auto", NULL, "auto 2 4", .umin = 0u, .umax = 0u},
    {"max-tokens", "PLEXUS_DATA_MAX_TOKENS", 0, TYPE_UINT, "512", NULL, NULL, .umin = 1u, .umax = 4194303u},
    {"bad", "PLEXUS_DATA_BAD", 0, TYPE_TEXT, NULL, NULL, NULL, .umin = 0u, .umax = 0u},
    {"commit", "PLEXUS_DATA_COMMIT", 0, TYPE_UINT, "33554432", NULL, NULL, .umin = 1u, .umax = 1099511627776u},
    {"eot", "PLEXUS_DATA_EOT", 0, TYPE_TEXT, NULL, NULL, NULL, .umin = 0u, .umax = 0u},
    {"crc", "PLEXUS_DATA_CRC", 0, TYPE_CHOICE, "auto", NULL, "auto ccitt_false xmodem aug kermit x25", .umin = 0u, .umax = 0u},
    {"format", "PLEXUS_CAPTURE_FORMAT", 0, TYPE_CHOICE, "auto", NULL, "auto ndp gradient", .umin = 0u, .umax = 0u},
    {"port", "PLEXUS_CAPTURE_PORT", 0, TYPE_UINT, "0", NULL, NULL, .umin = 0u, .umax = 65535u},
    {"crc", "PLEXUS_CAPTURE_CRC", 0, TYPE_CHOICE, "ccitt_false", NULL, "ccitt_false xmodem aug kermit x25", .umin = 0u, .umax = 0u},
    {"cover", "PLEXUS_CAPTURE_COVER", 0, TYPE_CHOICE, "all", NULL, "all payload body", .umin = 0u, .umax = 0u},
    {"tokens", "PLEXUS_CAPTURE_TOKENS", 0, TYPE_UINT, "8", NULL, NULL, .umin = 0u, .umax = 16383u},
    {"again", "PLEXUS_DATA_AGAIN", 0, TYPE_FLAG, NULL, NULL, NULL, .umin = 0u, .umax = 0u},
    {"samples", "PLEXUS_DATA_SAMPLES", 0, TYPE_UINT, "0", NULL, NULL, .umin = 0u, .umax = 1000000000000u},
    {"out", "PLEXUS_DATA_OUT", 'o', TYPE_TEXT, NULL, NULL, NULL, .umin = 0u, .umax = 0u},
    {"dir", "PLEXUS_CRC_DROP_DIR", 0, TYPE_TEXT, NULL, NULL, NULL, .umin = 0u, .umax = 0u},
    {"results", "PLEXUS_CRC_DROP_RESULTS", 0, TYPE_TEXT, NULL, NULL, NULL, .umin = 0u, .umax = 0u},
    {"steps", "PLEXUS_CRC_DROP_STEPS", 0, TYPE_UINT, "240", NULL, NULL, .umin = 1u, .umax = 1000000u},
    {"batch", "PLEXUS_CRC_DROP_BATCH", 0, TYPE_UINT, "16", NULL, NULL, .umin = 1u, .umax = 65536u},
    {"row-tokens", "PLEXUS_CRC_DROP_ROW", 0, TYPE_UINT, "128", NULL, NULL, .umin = 2u, .umax = 65536u},
    {"seeds", "PLEXUS_CRC_DROP_SEEDS", 0, TYPE_UINT, "10", NULL, NULL, .umin = 1u, .umax = 1000u},
    {"batch", "PLEXUS_DATA_BATCH", 0, TYPE_UINT, "64", NULL, NULL, .umin = 1u, .umax = 1048576u},
    {"row-tokens", "PLEXUS_DATA_ROW_TOKENS", 0, TYPE_UINT, "512", NULL, NULL, .umin = 1u, .umax = 16777216u},
    {"packing", "PLEXUS_DATA_PACKING", 0, TYPE_CHOICE, "pad", NULL, "pad chunk first-fit best-fit", .umin = 0u, .umax = 0u},
    {"ranks", "PLEXUS_DATA_RANKS", 0, TYPE_UINT, "1", NULL, NULL, .umin = 1u, .umax = 65536u},
    {"steps", "PLEXUS_DATA_STEPS", 0, TYPE_UINT, "0", NULL, NULL, .umin = 0u, .umax = 1000000000000u},
    {"listen", "PLEXUS_LISTEN", 0, TYPE_LIST, NULL, NULL, NULL, .umin = 0u, .umax = 0u},
    {"announce", "PLEXUS_ANNOUNCE", 0, TYPE_LIST, NULL, NULL, NULL, .umin = 0u, .umax = 0u},
    {"key", "PLEXUS_KEY", 0, TYPE_TEXT, NULL, NULL, NULL, .umin = 0u, .umax = 0u},
    {"seed", "PLEXUS_KEY_SEED", 0, TYPE_TEXT, NULL, NULL, NULL, .umin = 0u, .umax = 0u},
    {"key-type", "PLEXUS_KEY_TYPE", 0, TYPE_CHOICE, "Ed25519", NULL, "Ed25519 secp256k1 RSA ECDSA", .umin = 0u, .umax = 0u},
    {"security", "PLEXUS_SECURITY", 0, TYPE_TEXT, "tls,noise", NULL, NULL, .umin = 0u, .umax = 0u},
    {"muxers", "PLEXUS_MUXERS", 0, TYPE_TEXT, "yamux", NULL, NULL, .umin = 0u, .umax = 0u},
    {"psk", "PLEXUS_PSK", 0, TYPE_TEXT, NULL, NULL, NULL, .umin = 0u, .umax = 0u},
    {"dht", "PLEXUS_DHT", 0, TYPE_CHOICE, "off", NULL, "off server client", .umin = 0u, .umax = 0u},
    {"dht-protocol", "PLEXUS_DHT_PROTOCOL", 0, TYPE_TEXT, "/ipfs/kad/1.0.0", NULL, NULL, .umin = 0u, .umax = 0u},
    {"gossipsub", "PLEXUS_GOSSIPSUB", 0, TYPE_FLAG, NULL, NULL, NULL, .umin = 0u, .umax = 0u},
    {"gossipsub-nosign", "PLEXUS_GOSSIPSUB_NOSIGN", 0, TYPE_FLAG, NULL, NULL, NULL, .umin = 0u, .umax = 0u},
    {"relay", "PLEXUS_RELAY", 0, TYPE_CHOICE, "off", NULL, "off server client", .umin = 0u, .umax = 0u},
    {"dcutr", "PLEXUS_DCUTR", 0, TYPE_FLAG, NULL, NULL, NULL, .umin = 0u, .umax = 0u},
    {"autonat", "PLEXUS_AUTONAT", 0, TYPE_FLAG, NULL, NULL, NULL, .umin = 0u, .umax = 0u},
    {"mdns", "PLEXUS_MDNS", 0, TYPE_FLAG, NULL, NULL, NULL, .umin = 0u, .umax = 0u},
    {"mdns-interval", "PLEXUS_MDNS_INTERVAL", 0, TYPE_UINT, "10000", NULL, NULL, .umin = 100u, .umax = 3600000u},
    {"bootstrap", "PLEXUS_BOOTSTRAP", 0, TYPE_LIST, NULL, NULL, NULL, .umin = 0u, .umax = 0u},
    {"allow", "PLEXUS_ALLOW", 0, TYPE_LIST, NULL, NULL, NULL, .umin = 0u, .umax = 0u},
    {"port", "PLEXUS_PORT", 0, TYPE_UINT, "0", NULL, NULL, .umin = 0u, .umax = 65535u},
    {"public", "PLEXUS_PUBLIC", 0, TYPE_FLAG, NULL, NULL, NULL, .umin = 0u, .umax = 0u},
    {"private", "PLEXUS_PRIVATE", 0, TYPE_FLAG, NULL, NULL, NULL, .umin = 0u, .umax = 0u},
    {"now", "PLEXUS_NOW", 0, TYPE_FLAG, NULL, NULL, NULL, .umin = 0u, .umax = 0u},
    {"no-mdns", "PLEXUS_NO_MDNS", 0, TYPE_FLAG, NULL, NULL, NULL, .umin = 0u, .umax = 0u},
    {"portmap", "PLEXUS_PORTMAP", 0, TYPE_FLAG, NULL, NULL, NULL, .umin = 0u, .umax = 0u},
    {"slow-ms", "PLEXUS_SLOW_MS", 0, TYPE_UINT, "500", NULL, NULL, .umin = 1u, .umax = 60000u},
    {"spin-us", "PLEXUS_SPIN_US", 0, TYPE_UINT, "50", NULL, NULL, .umin = 0u, .umax = 1000u},
    {"api", "PLEXUS_API", 0, TYPE_TEXT, "127.0.0.1:7878", NULL, NULL, .umin = 0u, .umax = 0u},
    {"api-token", "PLEXUS_API_TOKEN", 0, TYPE_TEXT, NULL, NULL, NULL, .umin = 0u, .umax = 0u},
    {"api-host", "PLEXUS_API_HOST", 0, TYPE_LIST, NULL, NULL, NULL, .umin = 0u, .umax = 0u},
    {"model", "PLEXUS_MODEL", 0, TYPE_TEXT, NULL, NULL, NULL, .umin = 0u, .umax = 0u},
    {"parallel", "PLEXUS_PARALLEL", 0, TYPE_UINT, "4", NULL, NULL, .umin = 1u, .umax = 64u},
    {"count", "PLEXUS_PING_COUNT", 0, TYPE_UINT, "3", NULL, NULL, .umin = 1u, .umax = 1000000u},
    {"timeout", "PLEXUS_TIMEOUT", 0, TYPE_UINT, "20000", NULL, NULL, .umin = 1u, .umax = 3600000u},
    {"name", "PLEXUS_NAME", 0, TYPE_TEXT, NULL, NULL, NULL, .umin = 0u, .umax = 0u},
    {"no-pin", "PLEXUS_NO_PIN", 0, TYPE_FLAG, NULL, NULL, NULL, .umin = 0u, .umax = 0u},
    {"pin", "PLEXUS_PIN", 0, TYPE_FLAG, NULL, NULL, NULL, .umin = 0u, .umax = 0u},
    {"off", "PLEXUS_OFF", 0, TYPE_FLAG, NULL, NULL, NULL, .umin = 0u, .umax = 0u},
    {"sha256", "PLEXUS_SHA256", 0, TYPE_FLAG, NULL, NULL, NULL, .umin = 0u, .umax = 0u},
    {"store-quota", "PLEXUS_STORE_QUOTA", 0, TYPE_UINT, "0", NULL, NULL, .umin = 0u, .umax = 9007199254740992u},
    {"blocks", "PLEXUS_BLOCKS", 0, TYPE_TEXT, NULL, NULL, NULL, .umin = 0u, .umax = 0u},
    {"data", "PLEXUS_DATA", 0, TYPE_TEXT, NULL, NULL, NULL, .umin = 0u, .umax = 0u},
    {"hash", "PLEXUS_HASH", 0, TYPE_CHOICE, "blake3", NULL, "sha256 blake3", .umin = 0u, .umax = 0u},
    {"run-server", "PLEXUS_RUN_SERVER", 0, TYPE_FLAG, NULL, NULL, NULL, .umin = 0u, .umax = 0u},
    {"server-address", "PLEXUS_SERVER_ADDRESS", 0, TYPE_TEXT, NULL, NULL, NULL, .umin = 0u, .umax = 0u},
    {"transport", "PLEXUS_TRANSPORT", 0, TYPE_CHOICE, "tcp", NULL, "tcp quic-v1", .umin = 0u, .umax = 0u},
    {"upload-bytes", "PLEXUS_UPLOAD_BYTES", 0, TYPE_UINT, "0", NULL, NULL, .umin = 0u, .umax = 9223372036854775807u},
    {"download-bytes", "PLEXUS_DOWNLOAD_BYTES", 0, TYPE_UINT, "0", NULL, NULL, .umin = 0u, .umax = 9223372036854775807u},
    {"max-tokens", "PLEXUS_MAX_TOKENS", 'n', TYPE_UINT, "256", NULL, NULL, .umin = 0u, .umax = 4294967295u},
    {"temp", "PLEXUS_TEMP", 0, TYPE_FLOAT, "0.8", NULL, NULL, .min = 0.0, .max = 100.0},
    {"top-k", "PLEXUS_TOP_K", 0, TYPE_UINT, "40", NULL, NULL, .umin = 0u, .umax = 4294967295u},
    {"top-p", "PLEXUS_TOP_P", 0, TYPE_FLOAT, "0.95", NULL, NULL, .min = 0.0, .max = 1.0},
    {"min-p", "PLEXUS_MIN_P", 0, TYPE_FLOAT, "0.05", NULL, NULL, .min = 0.0, .max = 1.0},
    {"repeat-penalty", "PLEXUS_REPEAT_PENALTY", 0, TYPE_FLOAT, "1", NULL, NULL, .min = 0.0, .max = 100.0},
    {"presence-penalty", "PLEXUS_PRESENCE_PENALTY", 0, TYPE_FLOAT, "0", NULL, NULL, .min = -100.0, .max = 100.0},
    {"frequency-penalty", "PLEXUS_FREQUENCY_PENALTY", 0, TYPE_FLOAT, "0", NULL, NULL, .min = -100.0, .max = 100.0},
    {"seed", "PLEXUS_SEED", 0, TYPE_UINT, NULL, NULL, NULL, .umin = 0u, .umax = 18446744073709551615u},
    {"bias", "PLEXUS_BIAS", 0, TYPE_LIST, NULL, NULL, NULL, .umin = 0u, .umax = 0u},
    {"stop", "PLEXUS_STOP", 0, TYPE_LIST, NULL, NULL, NULL, .umin = 0u, .umax = 0u},
    {"ignore-eos", "PLEXUS_IGNORE_EOS", 0, TYPE_FLAG, NULL, NULL, NULL, .umin = 0u, .umax = 0u},
    {"ctx", "PLEXUS_CTX", 0, TYPE_UINT, "0", NULL, NULL, .umin = 0u, .umax = 4294967295u},
    {"threads", "PLEXUS_THREADS", 't', TYPE_UINT, "0", NULL, NULL, .umin = 0u, .umax = 4096u},
    {"swarm", "PLEXUS_SWARM", 0, TYPE_FLAG, NULL, NULL, NULL, .umin = 0u, .umax = 0u},
    {"stages", "PLEXUS_STAGES", 0, TYPE_UINT, "0", NULL, NULL, .umin = 0u, .umax = 16u},
    {"draft", "PLEXUS_DRAFT", 0, TYPE_TEXT, "auto", NULL, NULL, .umin = 0u, .umax = 0u},
    {"draft-max", "PLEXUS_DRAFT_MAX", 0, TYPE_UINT, "16", NULL, NULL, .umin = 0u, .umax = 32u},
    {"draft-blocks", "PLEXUS_DRAFT_BLOCKS", 0, TYPE_UINT, "0", NULL, NULL, .umin = 0u, .umax = 4096u},
    {"watch", "PLEXUS_WATCH", 0, TYPE_FLAG, NULL, NULL, NULL, .umin = 0u, .umax = 0u},
    {"hidden", "PLEXUS_HIDDEN", 0, TYPE_CHOICE, "auto", NULL, "auto f32 f16 q8", .umin = 0u, .umax = 0u},
    {"kv-type", "PLEXUS_KV_TYPE", 0, TYPE_CHOICE, "f16", NULL, "f16 f32 i8", .umin = 0u, .umax = 0u},
    {"cpu", "PLEXUS_CPU", 0, TYPE_TEXT, "auto", NULL, NULL, .umin = 0u, .umax = 0u},
    {"no-bos", "PLEXUS_NO_BOS", 0, TYPE_FLAG, NULL, NULL, NULL, .umin = 0u, .umax = 0u},
    {"no-special", "PLEXUS_NO_SPECIAL", 0, TYPE_FLAG, NULL, NULL, NULL, .umin = 0u, .umax = 0u},
    {"raw", "PLEXUS_RAW", 0, TYPE_FLAG, NULL, NULL, NULL, .umin = 0u, .umax = 0u},
    {"chat-template", "PLEXUS_CHAT_TEMPLATE", 0, TYPE_TEXT, NULL, "model", NULL, .umin = 0u, .umax = 0u},
    {"system", "PLEXUS_SYSTEM", 0, TYPE_TEXT, NULL, NULL, NULL, .umin = 0u, .umax = 0u},
    {"file", "PLEXUS_FILE", 'f', TYPE_TEXT, NULL, NULL, NULL, .umin = 0u, .umax = 0u},
    {"prompt", "PLEXUS_PROMPT", 'p', TYPE_TEXT, NULL, NULL, NULL, .umin = 0u, .umax = 0u},
    {"top", "PLEXUS_TOP", 0, TYPE_UINT, "10", NULL, NULL, .umin = 1u, .umax = 4294967295u},
    {"tokens", "PLEXUS_TOKENS", 0, TYPE_TEXT, NULL, NULL, NULL, .umin = 0u, .umax = 0u},
    {"format", "PLEXUS_FORMAT", 0, TYPE_TEXT, NULL, NULL, NULL, .umin = 0u, .umax = 0u},
    {"list", "PLEXUS_LIST", 0, TYPE_FLAG, NULL, NULL, NULL, .umin = 0u, .umax = 0u},
    {"all", "PLEXUS_ALL", 0, TYPE_FLAG, NULL, NULL, NULL, .umin = 0u, .umax = 0u},
    {"chunk", "PLEXUS_CHUNK", 0, TYPE_UINT, "0", NULL, NULL, .umin = 0u, .umax = 4294967295u},
    {"beside", "PLEXUS_BESIDE", 0, TYPE_UINT, "0", NULL, NULL, .umin = 0u, .umax = 64u},
    {"prompt-tokens", "PLEXUS_PROMPT_TOKENS", 0, TYPE_UINT, "512", NULL, NULL, .umin = 1u, .umax = 1048576u},
    {"gen-tokens", "PLEXUS_GEN_TOKENS", 0, TYPE_UINT, "128", NULL, NULL, .umin = 1u, .umax = 1048576u},
    {"seconds", "PLEXUS_SECONDS", 0, TYPE_FLOAT, "1", NULL, NULL, .min = 0.1, .max = 600.0},
    {"repeat", "PLEXUS_REPEAT", 0, TYPE_UINT, "5", NULL, NULL, .umin = 1u, .umax = 1000u},
    {"sequences", "PLEXUS_SEQUENCES", 0, TYPE_TEXT, NULL, NULL, NULL, .umin = 0u, .umax = 0u},
    {"peer", "PLEXUS_PEER", 0, TYPE_LIST, NULL, NULL, NULL, .umin = 0u, .umax = 0u},
    {"bytes", "PLEXUS_BYTES", 0, TYPE_UINT, "200000000", NULL, NULL, .umin = 1000u, .umax = 1000000000000u},
    {"idle", "PLEXUS_IDLE", 0, TYPE_UINT, "10000", NULL, NULL, .umin = 1u, .umax = 16000u},
    {"parts", "PLEXUS_PARTS", 0, TYPE_TEXT, "noise,tls,quic,speed,idle,lab", NULL, NULL, .umin = 0u, .umax = 0u},
    {"parts", "PLEXUS_PIPELINE_PARTS", 0, TYPE_TEXT, "line,start,hop,delay,faults,store", NULL, NULL, .umin = 0u, .umax = 0u},
    {"model", "PLEXUS_BENCH_MODEL", 0, TYPE_TEXT, "tiny", NULL, NULL, .umin = 0u, .umax = 0u},
    {"peer", "PLEXUS_PEER_DIR", 0, TYPE_TEXT, NULL, NULL, NULL, .umin = 0u, .umax = 0u},
    {"delay-ms", "PLEXUS_DELAY_MS", 0, TYPE_UINT, "25", NULL, NULL, .umin = 1u, .umax = 1000u},
    {"local", "PLEXUS_LOCAL", 0, TYPE_UINT, "2", NULL, NULL, .umin = 1u, .umax = 16u},
    {"size", "PLEXUS_BYTES_LIST", 0, TYPE_TEXT, "1000000,25000000,100000000", NULL, NULL, .umin = 0u, .umax = 0u},
    {"values", "PLEXUS_VALUES_LIST", 0, TYPE_TEXT, "256,688", NULL, NULL, .umin = 0u, .umax = 0u},
    {"packets", "PLEXUS_WIRE_PACKETS", 0, TYPE_UINT, "40000", NULL, NULL, .umin = 64u, .umax = 60000u},
    {"format", "PLEXUS_GRADIENT_FORMAT", 0, TYPE_CHOICE, "i16", NULL, "i16 i8 i4", .umin = 0u, .umax = 0u},
    {"path", "PLEXUS_GRADIENT_PATH", 0, TYPE_CHOICE, "auto", NULL, "auto udp shm xsk verbs", .umin = 0u, .umax = 0u},
    {"values", "PLEXUS_PACKET_VALUES", 0, TYPE_UINT, "688", NULL, NULL, .umin = 16u, .umax = 1536u},
    {"rate", "PLEXUS_RATE_MBIT", 0, TYPE_UINT, "0", NULL, NULL, .umin = 0u, .umax = 100000u},
    {"loss", "PLEXUS_LOSS", 0, TYPE_FLOAT, "0", NULL, NULL, .min = 0.0, .max = 50.0},
    {"dup", "PLEXUS_DUP", 0, TYPE_FLOAT, "0", NULL, NULL, .min = 0.0, .max = 50.0},
    {"corrupt", "PLEXUS_CORRUPT", 0, TYPE_FLOAT, "0", NULL, NULL, .min = 0.0, .max = 50.0},
    {"peer", "PLEXUS_PYTHON", 0, TYPE_TEXT, NULL, NULL, NULL, .umin = 0u, .umax = 0u},
    {"python", "PLEXUS_DDP_PYTHON", 0, TYPE_TEXT, "/usr/bin/python3", NULL, NULL, .umin = 0u, .umax = 0u},
    {"steps", "PLEXUS_TRAIN_STEPS", 0, TYPE_UINT, "200", NULL, NULL, .umin = 1u, .umax = 1000000u},
    {"peer", "PLEXUS_MEGATRON_DIR", 0, TYPE_TEXT, NULL, NULL, NULL, .umin = 0u, .umax = 0u},
    {"python", "PLEXUS_DATA_BENCH_PYTHON", 0, TYPE_TEXT, "/usr/bin/python3", NULL, NULL, .umin = 0u, .umax = 0u},
    {"samples", "PLEXUS_DATA_BENCH_SAMPLES", 0, TYPE_UINT, "50000", NULL, NULL, .umin = 1000u, .umax = 10000000u},
    {"parts", "PLEXUS_DATA_BENCH_PARTS", 0, TYPE_TEXT, "batches,kernels,store", NULL, NULL, .umin = 0u, .umax = 0u},
    {"cross", "PLEXUS_CROSS", 0, TYPE_FLAG, NULL, NULL, NULL, .umin = 0u, .umax = 0u},
    {"shape", "PLEXUS_SHAPE", 0, TYPE_TEXT, NULL, NULL, NULL, .umin = 0u, .umax = 0u},
    {"types", "PLEXUS_TYPES", 0, TYPE_TEXT, "q8_0,q4_0,q4_k_m,f16", NULL, NULL, .umin = 0u, .umax = 0u},
    {"dir", "PLEXUS_DIR", 0, TYPE_TEXT, NULL, NULL, NULL, .umin = 0u, .umax = 0u},
    {"origin", "PLEXUS_ORIGIN", 0, TYPE_FLAG, NULL, NULL, NULL, .umin = 0u, .umax = 0u},
    {"n", "PLEXUS_WORKERS", 0, TYPE_UINT, "20", NULL, NULL, .umin = 4u, .umax = 64u},
    {"f", "PLEXUS_LIARS", 0, TYPE_TEXT, "0,2,4,8", NULL, NULL, .umin = 0u, .umax = 0u},
    {"seeds", "PLEXUS_SEEDS", 0, TYPE_UINT, "5", NULL, NULL, .umin = 1u, .umax = 100u},
    {"rounds", "PLEXUS_ROUNDS", 0, TYPE_UINT, "400", NULL, NULL, .umin = 1u, .umax = 100000u},
    {"nodes", "PLEXUS_NODES", 0, TYPE_UINT, "1000", NULL, NULL, .umin = 32u, .umax = 60000u},
    {"churn", "PLEXUS_CHURN", 0, TYPE_FLOAT, "0", NULL, NULL, .min = 0.0, .max = 0.9},
    {"lookups", "PLEXUS_LOOKUPS", 0, TYPE_UINT, "300", NULL, NULL, .umin = 1u, .umax = 1000000u},
    {"sybils", "PLEXUS_SYBILS", 0, TYPE_LIST, NULL, NULL, NULL, .umin = 0u, .umax = 0u},
    {"stories", "PLEXUS_STORIES", 0, TYPE_UINT, "3", NULL, NULL, .umin = 1u, .umax = 100u},
    {"generic", "PLEXUS_AGG_GENERIC", 0, TYPE_FLAG, NULL, NULL, NULL, .umin = 0u, .umax = 0u},
    {"address", "PLEXUS_AGG_ADDRESS", 0, TYPE_TEXT, NULL, NULL, NULL, .umin = 0u, .umax = 0u},
    {"port", "PLEXUS_AGG_PORT", 0, TYPE_UINT, "47900", NULL, NULL, .umin = 1u, .umax = 65535u},
    {"job", "PLEXUS_AGG_JOB", 0, TYPE_UINT, "1", NULL, NULL, .umin = 0u, .umax = 4294967295u},
    {"worker", "PLEXUS_AGG_WORKER", 0, TYPE_LIST, NULL, NULL, NULL, .umin = 0u, .umax = 0u},
    {"secret", "PLEXUS_AGG_SECRET", 0, TYPE_TEXT, NULL, NULL, NULL, .umin = 0u, .umax = 0u},
    {"group", "PLEXUS_AGG_GROUP", 0, TYPE_TEXT, NULL, NULL, NULL, .umin = 0u, .umax = 0u},
    {"mode", "PLEXUS_AGG_MODE", 0, TYPE_CHOICE, "switch", NULL, "switch server", .umin = 0u, .umax = 0u},
    {"helper", "PLEXUS_AGG_HELPER", 0, TYPE_TEXT, "/run/plexus/xdpd.sock", NULL, NULL, .umin = 0u, .umax = 0u},
    {"world", "PLEXUS_JOB_WORLD", 0, TYPE_UINT, "2", NULL, NULL, .umin = 1u, .umax = 64u},
    {"least", "PLEXUS_JOB_LEAST", 0, TYPE_UINT, "0", NULL, NULL, .umin = 0u, .umax = 64u},
    {"wait", "PLEXUS_JOB_WAIT", 0, TYPE_UINT, "5000", NULL, NULL, .umin = 0u, .umax = 3600000u},
    {"allow", "PLEXUS_JOB_ALLOW", 0, TYPE_LIST, NULL, NULL, NULL, .umin = 0u, .umax = 0u},
    {"central", "PLEXUS_JOB_CENTRAL", 0, TYPE_FLAG, NULL, NULL, NULL, .umin = 0u, .umax = 0u},
    {"aggregator", "PLEXUS_JOB_AGGREGATOR", 0, TYPE_TEXT, NULL, NULL, NULL, .umin = 0u, .umax = 0u},
    {"slots", "PLEXUS_AGG_SLOTS", 0, TYPE_UINT, "256", NULL, NULL, .umin = 1u, .umax = 4096u},
    {"deadline", "PLEXUS_AGG_DEADLINE", 0, TYPE_UINT, "0", NULL, NULL, .umin = 0u, .umax = 3600000u},
    {"chunks", "PLEXUS_AGG_CHUNKS", 0, TYPE_UINT, "4096", NULL, NULL, .umin = 0u, .umax = 4194304u},
    {"name", "PLEXUS_AGG_NAME", 0, TYPE_LIST, NULL, NULL, NULL, .umin = 0u, .umax = 0u},
    {"host", "PLEXUS_AGG_HOST", 0, TYPE_TEXT, NULL, NULL, NULL, .umin = 0u, .umax = 0u},
    {"jobs", "PLEXUS_AGG_JOBS", 0, TYPE_UINT, "0", NULL, NULL, .umin = 0u, .umax = 64u},
    {"steered", "PLEXUS_AGG_STEERED", 0, TYPE_FLAG, NULL, NULL, NULL, .umin = 0u, .umax = 0u},
    {"topology", "PLEXUS_TOPOLOGY", 0, TYPE_CHOICE, "auto", NULL, "auto sharded central tree", .umin = 0u, .umax = 0u},
    {"hubs", "PLEXUS_HUBS", 0, TYPE_UINT, "0", NULL, NULL, .umin = 0u, .umax = 8u},
    {"hub-rate", "PLEXUS_HUB_RATE", 0, TYPE_UINT, "0", NULL, NULL, .umin = 0u, .umax = 100000u},
    {"rule", "PLEXUS_RULE", 0, TYPE_TEXT, NULL, NULL, NULL, .umin = 0u, .umax = 0u},
    {"sentry", "PLEXUS_AGG_SENTRY", 0, TYPE_CHOICE, "auto", NULL, "auto none clip1 welford", .umin = 0u, .umax = 0u},
    {"sentry-k", "PLEXUS_AGG_SENTRY_K", 0, TYPE_FLOAT, "0", NULL, NULL, .min = 0.0, .max = 15.75},
    {"sentry-policy", "PLEXUS_AGG_SENTRY_POLICY", 0, TYPE_CHOICE, "drop", NULL, "drop clip", .umin = 0u, .umax = 0u},
    {"foreground", "PLEXUS_AGG_FOREGROUND", 0, TYPE_FLAG, NULL, NULL, NULL, .umin = 0u, .umax = 0u},
    {"interval", "PLEXUS_AGG_INTERVAL", 'i', TYPE_UINT, "0", NULL, NULL, .umin = 0u, .umax = 86400u},
    {"root", "PLEXUS_SETUP_ROOT", 0, TYPE_TEXT, NULL, NULL, NULL, .umin = 0u, .umax = 0u},
    {"group", "PLEXUS_SETUP_GROUP", 0, TYPE_TEXT, "plexus", NULL, NULL, .umin = 0u, .umax = 0u},
    {"dry-run", "PLEXUS_SETUP_DRY_RUN", 0, TYPE_FLAG, NULL, NULL, NULL, .umin = 0u, .umax = 0u},
    {"remove", "PLEXUS_SETUP_REMOVE", 0, TYPE_FLAG, NULL, NULL, NULL, .umin = 0u, .umax = 0u},
    {"group", "PLEXUS_XDPD_GROUP", 0, TYPE_TEXT, NULL, NULL, NULL, .umin = 0u, .umax = 0u},
    {"user", "PLEXUS_XDPD_USER", 0, TYPE_TEXT, NULL, NULL, NULL, .umin = 0u, .umax = 0u},
    {"device", "PLEXUS_XDPD_DEVICE", 0, TYPE_LIST, NULL, NULL, NULL, .umin = 0u, .umax = 0u},
    {"limit", "PLEXUS_AGG_LIMIT", 0, TYPE_UINT, "0", NULL, NULL, .umin = 0u, .umax = 1000000000u},
    {"packets", "PLEXUS_AGG_PACKETS", 0, TYPE_UINT, "100000", NULL, NULL, .umin = 1u, .umax = 1000000000u},
};

static const struct cli_verb_opt opts_ps[] = {
    {OPT_WATCH, NULL},
    {OPT_JSON_LINES, NULL},
    {OPT_JSON, NULL},
    {OPT_COLOR, "auto"},
    {OPT_QUIET, NULL},
    {OPT_HELP, NULL},
};

static const struct cli_verb_opt opts_plan[] = {
    {OPT_STAGES, "0"},
    {OPT_HIDDEN, "auto"},
    {OPT_JSON, NULL},
    {OPT_COLOR, "auto"},
    {OPT_QUIET, NULL},
    {OPT_HELP, NULL},
};

static const struct cli_verb_opt opts_run[] = {
    {OPT_MAX_TOKENS, "256"},
    {OPT_TEMP, "0.8"},
    {OPT_TOP_K, "40"},
    {OPT_TOP_P, "0.95"},
    {OPT_MIN_P, "0.05"},
    {OPT_REPEAT_PENALTY, "1"},
    {OPT_PRESENCE_PENALTY, "0"},
    {OPT_FREQUENCY_PENALTY, "0"},
    {OPT_SEED, NULL},
    {OPT_BIAS, NULL},
    {OPT_STOP, NULL},
    {OPT_IGNORE_EOS, NULL},
    {OPT_CTX, "0"},
    {OPT_THREADS, "0"},
    {OPT_KV_TYPE, "f16"},
    {OPT_CPU, "auto"},
    {OPT_NO_BOS, NULL},
    {OPT_RAW, NULL},
    {OPT_CHAT_TEMPLATE, NULL},
    {OPT_SYSTEM, NULL},
    {OPT_SWARM, NULL},
    {OPT_STAGES, "0"},
    {OPT_HIDDEN, "auto"},
    {OPT_DRAFT, "auto"},
    {OPT_DRAFT_MAX, "16"},
    {OPT_DRAFT_BLOCKS, "0"},
    {OPT_JSON_LINES, NULL},
    {OPT_JSON, NULL},
    {OPT_COLOR, "auto"},
    {OPT_QUIET, NULL},
    {OPT_HELP, NULL},
};

static const struct cli_verb_opt opts_chat[] = {
    {OPT_MAX_TOKENS, "256"},
    {OPT_TEMP, "0.8"},
    {OPT_TOP_K, "40"},
    {OPT_TOP_P, "0.95"},
    {OPT_MIN_P, "0.05"},
    {OPT_REPEAT_PENALTY, "1"},
    {OPT_PRESENCE_PENALTY, "0"},
    {OPT_FREQUENCY_PENALTY, "0"},
    {OPT_SEED, NULL},
    {OPT_BIAS, NULL},
    {OPT_STOP, NULL},
    {OPT_CTX, "0"},
    {OPT_THREADS, "0"},
    {OPT_KV_TYPE, "f16"},
    {OPT_CPU, "auto"},
    {OPT_CHAT_TEMPLATE, NULL},
    {OPT_SYSTEM, NULL},
    {OPT_SWARM, NULL},
    {OPT_STAGES, "0"},
    {OPT_HIDDEN, "auto"},
    {OPT_DRAFT, "auto"},
    {OPT_DRAFT_MAX, "16"},
    {OPT_DRAFT_BLOCKS, "0"},
    {OPT_JSON_LINES, NULL},
    {OPT_JSON, NULL},
    {OPT_COLOR, "auto"},
    {OPT_QUIET, NULL},
    {OPT_HELP, NULL},
};

static const struct cli_verb_opt opts_serve[] = {
    {OPT_API, "127.0.0.1:7878"},
    {OPT_API_TOKEN, NULL},
    {OPT_API_HOST, NULL},
    {OPT_PARALLEL, "4"},
    {OPT_CTX, "0"},
    {OPT_THREADS, "0"},
    {OPT_KV_TYPE, "f16"},
    {OPT_CPU, "auto"},
    {OPT_JSON_LINES, NULL},
    {OPT_JSON, NULL},
    {OPT_COLOR, "auto"},
    {OPT_QUIET, NULL},
    {OPT_HELP, NULL},
};

static const struct cli_verb_opt opts_tokenize[] = {
    {OPT_FILE, NULL},
    {OPT_NO_BOS, NULL},
    {OPT_NO_SPECIAL, NULL},
    {OPT_JSON, NULL},
    {OPT_COLOR, "auto"},
    {OPT_QUIET, NULL},
    {OPT_HELP, NULL},
};

static const struct cli_verb_opt opts_detokenize[] = {
    {OPT_TOKENS, NULL},
    {OPT_JSON, NULL},
    {OPT_COLOR, "auto"},
    {OPT_QUIET, NULL},
    {OPT_HELP, NULL},
};

static const struct cli_verb_opt opts_push[] = {
    {OPT_NAME, NULL},
    {OPT_NO_PIN, NULL},
    {OPT_SHA256, NULL},
    {OPT_STORE_QUOTA, "0"},
    {OPT_JSON, NULL},
    {OPT_COLOR, "auto"},
    {OPT_QUIET, NULL},
    {OPT_HELP, NULL},
};

static const struct cli_verb_opt opts_pull[] = {
    {OPT_BLOCKS, NULL},
    {OPT_PIN, NULL},
    {OPT_JSON, NULL},
    {OPT_COLOR, "auto"},
    {OPT_QUIET, NULL},
    {OPT_HELP, NULL},
};

static const struct cli_verb_opt opts_list[] = {
    {OPT_JSON, NULL},
    {OPT_COLOR, "auto"},
    {OPT_QUIET, NULL},
    {OPT_HELP, NULL},
};

static const struct cli_verb_opt opts_show[] = {
    {OPT_JSON, NULL},
    {OPT_COLOR, "auto"},
    {OPT_QUIET, NULL},
    {OPT_HELP, NULL},
};

static const struct cli_verb_opt opts_pin[] = {
    {OPT_OFF, NULL},
    {OPT_JSON, NULL},
    {OPT_COLOR, "auto"},
    {OPT_QUIET, NULL},
    {OPT_HELP, NULL},
};

static const struct cli_verb_opt opts_rm[] = {
    {OPT_JSON, NULL},
    {OPT_COLOR, "auto"},
    {OPT_QUIET, NULL},
    {OPT_HELP, NULL},
};

static const struct cli_verb_opt opts_inspect[] = {
    {OPT_ALL, NULL},
    {OPT_JSON, NULL},
    {OPT_COLOR, "auto"},
    {OPT_QUIET, NULL},
    {OPT_HELP, NULL},
};

static const struct cli_verb_opt opts_check[] = {
    {OPT_FORMAT, NULL},
    {OPT_LIST, NULL},
    {OPT_JSON, NULL},
    {OPT_COLOR, "auto"},
    {OPT_QUIET, NULL},
    {OPT_HELP, NULL},
};

static const struct cli_verb_opt opts_data_convert[] = {
    {OPT_DATA_TOKENIZER, NULL},
    {OPT_DATA_FROM, "auto"},
    {OPT_DATA_TO, "auto"},
    {OPT_DATA_MAX_TOKENS, "512"},
    {OPT_DATA_EOT, NULL},
    {OPT_DATA_COLUMN, NULL},
    {OPT_DATA_TOKEN_BYTES, "auto"},
    {OPT_DATA_BAD, NULL},
    {OPT_THREADS, "0"},
    {OPT_DATA_COMMIT, "33554432"},
    {OPT_JSON, NULL},
    {OPT_COLOR, "auto"},
    {OPT_QUIET, NULL},
    {OPT_HELP, NULL},
};

static const struct cli_verb_opt opts_data_inspect[] = {
    {OPT_DATA_CRC, "auto"},
    {OPT_DATA_CACHE, "1024"},
    {OPT_DATA_TIMEOUT, "10000"},
    {OPT_JSON, NULL},
    {OPT_COLOR, "auto"},
    {OPT_QUIET, NULL},
    {OPT_HELP, NULL},
};

static const struct cli_verb_opt opts_data_verify[] = {
    {OPT_DATA_CRC, "auto"},
    {OPT_DATA_CACHE, "1024"},
    {OPT_DATA_TIMEOUT, "10000"},
    {OPT_JSON, NULL},
    {OPT_COLOR, "auto"},
    {OPT_QUIET, NULL},
    {OPT_HELP, NULL},
};

static const struct cli_verb_opt opts_data_stats[] = {
    {OPT_DATA_ROW_TOKENS, "512"},
    {OPT_DATA_CACHE, "1024"},
    {OPT_DATA_TIMEOUT, "10000"},
    {OPT_JSON, NULL},
    {OPT_COLOR, "auto"},
    {OPT_QUIET, NULL},
    {OPT_HELP, NULL},
};

static const struct cli_verb_opt opts_data_order[] = {
    {OPT_SEED, "0"},
    {OPT_DATA_BATCH, "64"},
    {OPT_DATA_ROW_TOKENS, "512"},
    {OPT_DATA_PACKING, "pad"},
    {OPT_DATA_RANKS, "1"},
    {OPT_DATA_STEPS, "0"},
    {OPT_DATA_CACHE, "1024"},
    {OPT_DATA_TIMEOUT, "10000"},
    {OPT_JSON, NULL},
    {OPT_COLOR, "auto"},
    {OPT_QUIET, NULL},
    {OPT_HELP, NULL},
};

static const struct cli_verb_opt opts_capture_encode[] = {
    {OPT_JSON, NULL},
    {OPT_COLOR, "auto"},
    {OPT_QUIET, NULL},
    {OPT_HELP, NULL},
};

static const struct cli_verb_opt opts_capture_decode[] = {
    {OPT_CAPTURE_FORMAT, "auto"},
    {OPT_CAPTURE_PORT, "0"},
    {OPT_CAPTURE_CRC, "ccitt_false"},
    {OPT_CAPTURE_COVER, "all"},
    {OPT_CAPTURE_TOKENS, "8"},
    {OPT_JSON_LINES, NULL},
    {OPT_JSON, NULL},
    {OPT_COLOR, "auto"},
    {OPT_QUIET, NULL},
    {OPT_HELP, NULL},
};

static const struct cli_verb_opt opts_data_mix[] = {
    {OPT_DATA_AGAIN, NULL},
    {OPT_DATA_SAMPLES, "0"},
    {OPT_DATA_BATCH, "64"},
    {OPT_SEED, "0"},
    {OPT_DATA_OUT, NULL},
    {OPT_DATA_CACHE, "1024"},
    {OPT_DATA_TIMEOUT, "10000"},
    {OPT_JSON, NULL},
    {OPT_COLOR, "auto"},
    {OPT_QUIET, NULL},
    {OPT_HELP, NULL},
};

static const struct cli_verb_opt opts_eval_perplexity[] = {
    {OPT_FILE, NULL},
    {OPT_CTX, "512"},
    {OPT_THREADS, "0"},
    {OPT_KV_TYPE, "f16"},
    {OPT_CPU, "auto"},
    {OPT_JSON, NULL},
    {OPT_COLOR, "auto"},
    {OPT_QUIET, NULL},
    {OPT_HELP, NULL},
};

static const struct cli_verb_opt opts_eval_logits[] = {
    {OPT_PROMPT, NULL},
    {OPT_FILE, NULL},
    {OPT_TOP, "10"},
    {OPT_NO_BOS, NULL},
    {OPT_THREADS, "0"},
    {OPT_KV_TYPE, "f16"},
    {OPT_CPU, "auto"},
    {OPT_JSON, NULL},
    {OPT_COLOR, "auto"},
    {OPT_QUIET, NULL},
    {OPT_HELP, NULL},
};

static const struct cli_verb_opt opts_digest[] = {
    {OPT_THREADS, "0"},
    {OPT_CPU, "auto"},
    {OPT_CHUNK, "0"},
    {OPT_BESIDE, "0"},
    {OPT_JSON, NULL},
    {OPT_COLOR, "auto"},
    {OPT_QUIET, NULL},
    {OPT_HELP, NULL},
};

static const struct cli_verb_opt opts_bench_infer[] = {
    {OPT_PROMPT_TOKENS, "512"},
    {OPT_GEN_TOKENS, "128"},
    {OPT_THREADS, "0"},
    {OPT_REPEAT, "5"},
    {OPT_SEQUENCES, NULL},
    {OPT_KV_TYPE, "f16"},
    {OPT_CPU, "auto"},
    {OPT_PEER, NULL},
    {OPT_SHAPE, NULL},
    {OPT_TYPES, "q8_0,q4_0,q4_k_m,f16"},
    {OPT_DIR, NULL},
    {OPT_JSON, NULL},
    {OPT_COLOR, "auto"},
    {OPT_QUIET, NULL},
    {OPT_HELP, NULL},
};

static const struct cli_verb_opt opts_bench_data[] = {
    {OPT_DATA_BENCH_PARTS, "batches,kernels,store"},
    {OPT_MEGATRON_DIR, NULL},
    {OPT_DATA_BENCH_PYTHON, "/usr/bin/python3"},
    {OPT_DATA_BENCH_SAMPLES, "50000"},
    {OPT_REPEAT, "15"},
    {OPT_JSON, NULL},
    {OPT_COLOR, "auto"},
    {OPT_QUIET, NULL},
    {OPT_HELP, NULL},
};

static const struct cli_verb_opt opts_bench_http[] = {
    {OPT_SECONDS, "1"},
    {OPT_REPEAT, "5"},
    {OPT_JSON, NULL},
    {OPT_COLOR, "auto"},
    {OPT_QUIET, NULL},
    {OPT_HELP, NULL},
};

static const struct cli_verb_opt opts_bench_p2p[] = {
    {OPT_PEER, NULL},
    {OPT_CROSS, NULL},
    {OPT_REPEAT, "5"},
    {OPT_BYTES, "200000000"},
    {OPT_IDLE, "10000"},
    {OPT_PARTS, "noise,tls,quic,speed,idle,lab"},
    {OPT_JSON, NULL},
    {OPT_COLOR, "auto"},
    {OPT_QUIET, NULL},
    {OPT_HELP, NULL},
};

static const struct cli_verb_opt opts_bench_pipeline[] = {
    {OPT_BENCH_MODEL, "tiny"},
    {OPT_PIPELINE_PARTS, "line,start,hop,delay,faults,store"},
    {OPT_PROMPT_TOKENS, "128"},
    {OPT_GEN_TOKENS, "64"},
    {OPT_THREADS, "1"},
    {OPT_REPEAT, "3"},
    {OPT_DELAY_MS, "25"},
    {OPT_PEER_DIR, NULL},
    {OPT_JSON, NULL},
    {OPT_COLOR, "auto"},
    {OPT_QUIET, NULL},
    {OPT_HELP, NULL},
};

static const struct cli_verb_opt opts_bench_allreduce[] = {
    {OPT_LOCAL, "2"},
    {OPT_BYTES_LIST, "1000000,25000000,100000000"},
    {OPT_GRADIENT_FORMAT, "i16"},
    {OPT_PACKET_VALUES, "688"},
    {OPT_GRADIENT_PATH, "auto"},
    {OPT_RATE_MBIT, "0"},
    {OPT_REPEAT, "7"},
    {OPT_PYTHON, NULL},
    {OPT_LOSS, "0"},
    {OPT_DUP, "0"},
    {OPT_CORRUPT, "0"},
    {OPT_SEED, "1"},
    {OPT_RULE, NULL},
    {OPT_TOPOLOGY, "auto"},
    {OPT_HUBS, "0"},
    {OPT_HUB_RATE, "0"},
    {OPT_JSON, NULL},
    {OPT_COLOR, "auto"},
    {OPT_QUIET, NULL},
    {OPT_HELP, NULL},
};

static const struct cli_verb_opt opts_bench_ddp[] = {
    {OPT_LOCAL, "2"},
    {OPT_RATE_MBIT, "0"},
    {OPT_TRAIN_STEPS, "200"},
    {OPT_GRADIENT_PATH, "auto"},
    {OPT_DDP_PYTHON, "/usr/bin/python3"},
    {OPT_JSON, NULL},
    {OPT_COLOR, "auto"},
    {OPT_QUIET, NULL},
    {OPT_HELP, NULL},
};

static const struct cli_verb_opt opts_bench_agg[] = {
    {OPT_VALUES_LIST, "256,688"},
    {OPT_WIRE_PACKETS, "40000"},
    {OPT_REPEAT, "7"},
    {OPT_JSON, NULL},
    {OPT_COLOR, "auto"},
    {OPT_QUIET, NULL},
    {OPT_HELP, NULL},
};

static const struct cli_verb_opt opts_bench_byzantine[] = {
    {OPT_WORKERS, "20"},
    {OPT_LIARS, "0,2,4,8"},
    {OPT_SEEDS, "5"},
    {OPT_ROUNDS, "400"},
    {OPT_THREADS, "0"},
    {OPT_JSON, NULL},
    {OPT_COLOR, "auto"},
    {OPT_QUIET, NULL},
    {OPT_HELP, NULL},
};

static const struct cli_verb_opt opts_bench_crc_drop[] = {
    {OPT_CRC_DROP_DIR, NULL},
    {OPT_CRC_DROP_RESULTS, NULL},
    {OPT_CRC_DROP_STEPS, "240"},
    {OPT_CRC_DROP_BATCH, "16"},
    {OPT_CRC_DROP_ROW, "128"},
    {OPT_CRC_DROP_SEEDS, "10"},
    {OPT_JSON, NULL},
    {OPT_COLOR, "auto"},
    {OPT_QUIET, NULL},
    {OPT_HELP, NULL},
};

static const struct cli_verb_opt opts_sim_dht[] = {
    {OPT_NODES, "1000"},
    {OPT_CHURN, "0"},
    {OPT_LOOKUPS, "300"},
    {OPT_SEED, "1"},
    {OPT_SYBILS, NULL},
    {OPT_JSON, NULL},
    {OPT_COLOR, "auto"},
    {OPT_QUIET, NULL},
    {OPT_HELP, NULL},
};

static const struct cli_verb_opt opts_demo[] = {
    {OPT_STORIES, "3"},
    {OPT_TEMP, "0.6"},
    {OPT_SEED, "1"},
    {OPT_THREADS, "0"},
    {OPT_JSON_LINES, NULL},
    {OPT_JSON, NULL},
    {OPT_COLOR, "auto"},
    {OPT_QUIET, NULL},
    {OPT_HELP, NULL},
};

static const struct cli_verb_opt opts_doctor[] = {
    {OPT_JSON, NULL},
    {OPT_COLOR, "auto"},
    {OPT_QUIET, NULL},
    {OPT_HELP, NULL},
};

static const struct cli_verb_opt opts_kernels[] = {
    {OPT_CPU, "auto"},
    {OPT_JSON, NULL},
    {OPT_COLOR, "auto"},
    {OPT_QUIET, NULL},
    {OPT_HELP, NULL},
};

static const struct cli_verb_opt opts_limits[] = {
    {OPT_JSON, NULL},
    {OPT_COLOR, "auto"},
    {OPT_QUIET, NULL},
    {OPT_HELP, NULL},
};

static const struct cli_verb_opt opts_explain[] = {
    {OPT_JSON, NULL},
    {OPT_COLOR, "auto"},
    {OPT_QUIET, NULL},
    {OPT_HELP, NULL},
};

static const struct cli_verb_opt opts_config_list[] = {
    {OPT_ORIGIN, NULL},
    {OPT_JSON, NULL},
    {OPT_COLOR, "auto"},
    {OPT_QUIET, NULL},
    {OPT_HELP, NULL},
};

static const struct cli_verb_opt opts_config_get[] = {
    {OPT_ORIGIN, NULL},
    {OPT_JSON, NULL},
    {OPT_COLOR, "auto"},
    {OPT_QUIET, NULL},
    {OPT_HELP, NULL},
};

static const struct cli_verb_opt opts_up[] = {
    {OPT_LISTEN, NULL},
    {OPT_ANNOUNCE, NULL},
    {OPT_PORT, "0"},
    {OPT_PUBLIC, NULL},
    {OPT_KEY, NULL},
    {OPT_SECURITY, "tls,noise"},
    {OPT_PSK, NULL},
    {OPT_PRIVATE, NULL},
    {OPT_BOOTSTRAP, NULL},
    {OPT_ALLOW, NULL},
    {OPT_DHT, "server"},
    {OPT_DHT_PROTOCOL, "/plexus/kad/1.0.0"},
    {OPT_RELAY, "off"},
    {OPT_DCUTR, NULL},
    {OPT_AUTONAT, NULL},
    {OPT_NO_MDNS, NULL},
    {OPT_MDNS_INTERVAL, "10000"},
    {OPT_PORTMAP, NULL},
    {OPT_GOSSIPSUB, NULL},
    {OPT_SLOW_MS, "500"},
    {OPT_SPIN_US, "50"},
    {OPT_STORE_QUOTA, "0"},
    {OPT_SHA256, NULL},
    {OPT_API, "127.0.0.1:7878"},
    {OPT_API_TOKEN, NULL},
    {OPT_API_HOST, NULL},
    {OPT_MODEL, NULL},
    {OPT_SWARM, NULL},
    {OPT_PARALLEL, "4"},
    {OPT_CTX, "0"},
    {OPT_THREADS, "0"},
    {OPT_JSON_LINES, NULL},
    {OPT_JSON, NULL},
    {OPT_COLOR, "auto"},
    {OPT_QUIET, NULL},
    {OPT_HELP, NULL},
};

static const struct cli_verb_opt opts_id[] = {
    {OPT_JSON, NULL},
    {OPT_COLOR, "auto"},
    {OPT_QUIET, NULL},
    {OPT_HELP, NULL},
};

static const struct cli_verb_opt opts_peers[] = {
    {OPT_JSON, NULL},
    {OPT_COLOR, "auto"},
    {OPT_QUIET, NULL},
    {OPT_HELP, NULL},
};

static const struct cli_verb_opt opts_invite[] = {
    {OPT_JSON, NULL},
    {OPT_COLOR, "auto"},
    {OPT_QUIET, NULL},
    {OPT_HELP, NULL},
};

static const struct cli_verb_opt opts_join[] = {
    {OPT_JSON, NULL},
    {OPT_COLOR, "auto"},
    {OPT_QUIET, NULL},
    {OPT_HELP, NULL},
};

static const struct cli_verb_opt opts_drain[] = {
    {OPT_TIMEOUT, "30000"},
    {OPT_OFF, NULL},
    {OPT_JSON, NULL},
    {OPT_COLOR, "auto"},
    {OPT_QUIET, NULL},
    {OPT_HELP, NULL},
};

static const struct cli_verb_opt opts_stop[] = {
    {OPT_TIMEOUT, "30000"},
    {OPT_NOW, NULL},
    {OPT_JSON, NULL},
    {OPT_COLOR, "auto"},
    {OPT_QUIET, NULL},
    {OPT_HELP, NULL},
};

static const struct cli_verb_opt opts_leave[] = {
    {OPT_TIMEOUT, "30000"},
    {OPT_NOW, NULL},
    {OPT_JSON, NULL},
    {OPT_COLOR, "auto"},
    {OPT_QUIET, NULL},
    {OPT_HELP, NULL},
};

static const struct cli_verb_opt opts_ping[] = {
    {OPT_PING_COUNT, "3"},
    {OPT_TIMEOUT, "20000"},
    {OPT_JSON, NULL},
    {OPT_COLOR, "auto"},
    {OPT_QUIET, NULL},
    {OPT_HELP, NULL},
};

static const struct cli_verb_opt opts_agg_attach[] = {
    {OPT_AGG_GENERIC, NULL},
    {OPT_AGG_ADDRESS, NULL},
    {OPT_AGG_PORT, "47900"},
    {OPT_AGG_NAME, NULL},
    {OPT_AGG_HOST, NULL},
    {OPT_AGG_JOBS, "0"},
    {OPT_AGG_JOB, "1"},
    {OPT_AGG_WORKER, NULL},
    {OPT_AGG_SECRET, NULL},
    {OPT_AGG_GROUP, NULL},
    {OPT_PACKET_VALUES, "688"},
    {OPT_AGG_SLOTS, "256"},
    {OPT_AGG_CHUNKS, "4096"},
    {OPT_AGG_DEADLINE, "0"},
    {OPT_GRADIENT_FORMAT, "i16"},
    {OPT_AGG_MODE, "switch"},
    {OPT_AGG_STEERED, NULL},
    {OPT_AGG_HELPER, "/run/plexus/xdpd.sock"},
    {OPT_AGG_SENTRY, "auto"},
    {OPT_AGG_SENTRY_K, "0"},
    {OPT_AGG_SENTRY_POLICY, "drop"},
    {OPT_AGG_FOREGROUND, NULL},
    {OPT_JSON, NULL},
    {OPT_COLOR, "auto"},
    {OPT_QUIET, NULL},
    {OPT_HELP, NULL},
};

static const struct cli_verb_opt opts_agg_detach[] = {
    {OPT_JSON, NULL},
    {OPT_COLOR, "auto"},
    {OPT_QUIET, NULL},
    {OPT_HELP, NULL},
};

static const struct cli_verb_opt opts_agg_stat[] = {
    {OPT_AGG_INTERVAL, "0"},
    {OPT_JSON, NULL},
    {OPT_COLOR, "auto"},
    {OPT_QUIET, NULL},
    {OPT_HELP, NULL},
};

static const struct cli_verb_opt opts_agg_trace[] = {
    {OPT_AGG_LIMIT, "0"},
    {OPT_JSON_LINES, NULL},
    {OPT_JSON, NULL},
    {OPT_COLOR, "auto"},
    {OPT_QUIET, NULL},
    {OPT_HELP, NULL},
};

static const struct cli_verb_opt opts_agg_offer[] = {
    {OPT_JOB_WORLD, "2"},
    {OPT_JOB_LEAST, "0"},
    {OPT_JOB_WAIT, "5000"},
    {OPT_JOB_ALLOW, NULL},
    {OPT_JOB_CENTRAL, NULL},
    {OPT_JOB_AGGREGATOR, NULL},
    {OPT_AGG_GROUP, NULL},
    {OPT_PACKET_VALUES, "688"},
    {OPT_AGG_SLOTS, "256"},
    {OPT_GRADIENT_FORMAT, "i16"},
    {OPT_JSON, NULL},
    {OPT_COLOR, "auto"},
    {OPT_QUIET, NULL},
    {OPT_HELP, NULL},
};

static const struct cli_verb_opt opts_agg_jobs[] = {
    {OPT_JSON, NULL},
    {OPT_COLOR, "auto"},
    {OPT_QUIET, NULL},
    {OPT_HELP, NULL},
};

static const struct cli_verb_opt opts_agg_withdraw[] = {
    {OPT_JSON, NULL},
    {OPT_COLOR, "auto"},
    {OPT_QUIET, NULL},
    {OPT_HELP, NULL},
};

static const struct cli_verb_opt opts_agg_verify[] = {
    {OPT_AGG_PACKETS, "100000"},
    {OPT_SEED, "1"},
    {OPT_AGG_SENTRY, "none"},
    {OPT_AGG_HELPER, "/run/plexus/xdpd.sock"},
    {OPT_JSON, NULL},
    {OPT_COLOR, "auto"},
    {OPT_QUIET, NULL},
    {OPT_HELP, NULL},
};

static const struct cli_verb_opt opts_setup_xdp[] = {
    {OPT_SETUP_DRY_RUN, NULL},
    {OPT_SETUP_REMOVE, NULL},
    {OPT_SETUP_GROUP, "plexus"},
    {OPT_SETUP_ROOT, NULL},
    {OPT_JSON, NULL},
    {OPT_COLOR, "auto"},
    {OPT_QUIET, NULL},
    {OPT_HELP, NULL},
};

static const struct cli_verb_opt opts_xdpd[] = {
    {OPT_AGG_HELPER, "/run/plexus/xdpd.sock"},
    {OPT_XDPD_GROUP, NULL},
    {OPT_XDPD_USER, NULL},
    {OPT_XDPD_DEVICE, NULL},
    {OPT_JSON, NULL},
    {OPT_COLOR, "auto"},
    {OPT_QUIET, NULL},
    {OPT_HELP, NULL},
};

static const struct cli_verb_opt opts_net[] = {
    {OPT_JSON, NULL},
    {OPT_COLOR, "auto"},
    {OPT_QUIET, NULL},
    {OPT_HELP, NULL},
};

static const struct cli_verb_opt opts_dht_put[] = {
    {OPT_TIMEOUT, "20000"},
    {OPT_JSON, NULL},
    {OPT_COLOR, "auto"},
    {OPT_QUIET, NULL},
    {OPT_HELP, NULL},
};

static const struct cli_verb_opt opts_dht_get[] = {
    {OPT_TIMEOUT, "20000"},
    {OPT_JSON, NULL},
    {OPT_COLOR, "auto"},
    {OPT_QUIET, NULL},
    {OPT_HELP, NULL},
};

static const struct cli_verb_opt opts_dht_provide[] = {
    {OPT_DATA, NULL},
    {OPT_HASH, "blake3"},
    {OPT_TIMEOUT, "20000"},
    {OPT_JSON, NULL},
    {OPT_COLOR, "auto"},
    {OPT_QUIET, NULL},
    {OPT_HELP, NULL},
};

static const struct cli_verb_opt opts_dht_find[] = {
    {OPT_TIMEOUT, "20000"},
    {OPT_JSON, NULL},
    {OPT_COLOR, "auto"},
    {OPT_QUIET, NULL},
    {OPT_HELP, NULL},
};

static const struct cli_verb_opt opts_dht_closest[] = {
    {OPT_TIMEOUT, "20000"},
    {OPT_JSON, NULL},
    {OPT_COLOR, "auto"},
    {OPT_QUIET, NULL},
    {OPT_HELP, NULL},
};

static const struct cli_verb_opt opts_swarm_connect[] = {
    {OPT_TIMEOUT, "20000"},
    {OPT_JSON, NULL},
    {OPT_COLOR, "auto"},
    {OPT_QUIET, NULL},
    {OPT_HELP, NULL},
};

static const struct cli_verb_opt opts_swarm_disconnect[] = {
    {OPT_JSON, NULL},
    {OPT_COLOR, "auto"},
    {OPT_QUIET, NULL},
    {OPT_HELP, NULL},
};

static const struct cli_verb_opt opts_perf[] = {
    {OPT_RUN_SERVER, NULL},
    {OPT_SERVER_ADDRESS, NULL},
    {OPT_TRANSPORT, "tcp"},
    {OPT_UPLOAD_BYTES, "0"},
    {OPT_DOWNLOAD_BYTES, "0"},
    {OPT_SECURITY, "tls,noise"},
    {OPT_JSON, NULL},
    {OPT_COLOR, "auto"},
    {OPT_QUIET, NULL},
    {OPT_HELP, NULL},
};

static const struct cli_verb_opt opts_interop_peer[] = {
    {OPT_LISTEN, NULL},
    {OPT_ANNOUNCE, NULL},
    {OPT_SECURITY, "tls,noise"},
    {OPT_MUXERS, "yamux"},
    {OPT_KEY, NULL},
    {OPT_KEY_TYPE, "Ed25519"},
    {OPT_KEY_SEED, NULL},
    {OPT_PSK, NULL},
    {OPT_DHT, "off"},
    {OPT_DHT_PROTOCOL, "/ipfs/kad/1.0.0"},
    {OPT_GOSSIPSUB, NULL},
    {OPT_GOSSIPSUB_NOSIGN, NULL},
    {OPT_RELAY, "off"},
    {OPT_DCUTR, NULL},
    {OPT_AUTONAT, NULL},
    {OPT_MDNS, NULL},
    {OPT_MDNS_INTERVAL, "10000"},
    {OPT_SPIN_US, "50"},
    {OPT_JSON, NULL},
    {OPT_COLOR, "auto"},
    {OPT_QUIET, NULL},
    {OPT_HELP, NULL},
};

static const struct cli_verb_opt opts_completion[] = {
    {OPT_JSON, NULL},
    {OPT_COLOR, "auto"},
    {OPT_QUIET, NULL},
    {OPT_HELP, NULL},
};

static const struct cli_verb_opt opts_version[] = {
    {OPT_JSON, NULL},
    {OPT_COLOR, "auto"},
    {OPT_QUIET, NULL},
    {OPT_HELP, NULL},
};

static const struct cli_verb_opt opts_help[] = {
    {OPT_JSON, NULL},
    {OPT_COLOR, "auto"},
    {OPT_QUIET, NULL},
    {OPT_HELP, NULL},
};

const struct cli_verb cli_verbs[] = {
    {"ps", "who computes which blocks now", "plexus ps [options]",
    "plexus ps: who computes which blocks now\n"
    "\n"
    "usage: plexus ps [options]\n"
    "\n"
    "The stages of this node and of every peer that it is connected to, model by\n"
    "model: the blocks of each, whose it is (the end of the peer id), whether it is\n"
    "ready, busy, slow or draining, the sessions that use it, the memory of its\n"
    "weights and KV cache, the tokens a second that it computed lately, and the round\n"
    "trip to it. HIDDEN says how hidden states of its sessions travel: f32, or with\n"
    "less precision over slow links (f16, q8). A peer that does not answer within a\n"
    "second is silent, in --json. --watch shows it anew each second until Ctrl-C;\n"
    "with --json-lines each time is a line.\n"
    "\n"
    "options:\n"
    "      --watch             Show it anew each second, until Ctrl-C.\n"
    "      --json-lines        Print one JSON document a line, as things happen.\n"
    "      --json              Print one JSON document on standard output.\n"
    "      --color auto|always|never\n"
    "                          When to colour; auto honours NO_COLOR, CLICOLOR_FORCE\n"
    "                          and TERM=dumb. [auto]\n"
    "  -q, --quiet             No progress and no notes on standard error.\n"
    "  -h, --help              Show the help of the verb and exit.\n"
    "\n"
    "fields of --json (schema plexus.ps/1):\n"
    "  stages        peer, self, model, first, last (blocks), blocks, state,\n"
    "                sessions, slots, mem_bytes, tps, tokens, hidden (null without\n"
    "                sessions), compute_ms, rtt_ms\n"
    "  peers         peer, self, state, memory (offered), rate (bytes of weights a\n"
    "                second), rtt_ms\n"
    "\n"
    "examples:\n"
    "  plexus ps\n"
    "      A table.\n"
    "  plexus ps --watch\n"
    "      The table while somebody talks with the model.\n",
    opts_ps, sizeof opts_ps / sizeof *opts_ps, 0, 0, verb_ps},
    {"plan", "who would compute which blocks of a model", "plexus plan [options] MODEL",
    "plexus plan: who would compute which blocks of a model\n"
    "\n"
    "usage: plexus plan [options] MODEL\n"
    "\n"
    "Asks the connected peers, and those of whom the DHT has a record, what memory\n"
    "and speed they have and how far they are, and shows how MODEL would be shared\n"
    "out: the time until eight tokens that follow one another are back is made short.\n"
    "Peers that are near all help, others where they are worth the way. A chain that\n"
    "is loaded already is used again when it is nearly as good, and shards are\n"
    "fetched for a new one only when that takes a fifth less time than the best one\n"
    "of shards that are on the disks.\n"
    "\n"
    "Hidden states travel in f32 and the words are those of one machine, as long as\n"
    "links are taken for less than a fifth of a token's time, or for less than 2 ms;\n"
    "else in f16, and where that is too slow too, in q8. Links that look so slow are\n"
    "measured twice.\n"
    "\n"
    "options:\n"
    "      --stages N          At least so many peers share the model; 0: all of\n"
    "                          them. [0]\n"
    "      --hidden auto|f32|f16|q8\n"
    "                          How hidden states travel in a swarm: as they are\n"
    "                          (f32), in half (f16), or in 8 bits with a scale for 64\n"
    "                          values (q8); the last two change a little what is\n"
    "                          said. auto: f32, unless links are too slow for it, and\n"
    "                          then it says so. [auto]\n"
    "      --json              Print one JSON document on standard output.\n"
    "      --color auto|always|never\n"
    "                          When to colour; auto honours NO_COLOR, CLICOLOR_FORCE\n"
    "                          and TERM=dumb. [auto]\n"
    "  -q, --quiet             No progress and no notes on standard error.\n"
    "  -h, --help              Show the help of the verb and exit.\n"
    "\n"
    "fields of --json (schema plexus.plan/1):\n"
    "  stages        peer, first, last (blocks), memory (bytes offered), rate (bytes\n"
    "                a second), seconds (a token)\n"
    "  peers         peer, connected, why (serves, spare, no memory, slower, enough,\n"
    "                no answer), place in the chain, memory, rate, rtt_ms, link_rate\n"
    "                (bytes a second; 0: too fast to tell), loaded (slices), held\n"
    "                (blocks on its disk), spare (places), with_ms (a token, if it\n"
    "                served too)\n"
    "  times         token_ms, hops_ms (of it, on the way), slowest_ms (stage or\n"
    "                link), reused (all slices are loaded), kept (all shards are on\n"
    "                the disks)\n"
    "  hidden        how hidden states travel: codec (f32, f16, q8), why, auto (the\n"
    "                plan chose), share_f32, share (of a token's time, that links are\n"
    "                taken: in f32, and now; share_f32 is 0 when another code was\n"
    "                chosen), loss_rms (relative error of it, as measured with models\n"
    "                of language)\n"
    "\n"
    "examples:\n"
    "  plexus plan tiny\n"
    "      A table.\n",
    opts_plan, sizeof opts_plan / sizeof *opts_plan, 1, 1, verb_plan},
    {"run", "continue a prompt with a model", "plexus run [options] MODEL [PROMPT...]",
    "plexus run: continue a prompt with a model\n"
    "\n"
    "usage: plexus run [options] MODEL [PROMPT...]\n"
    "\n"
    "MODEL is the path of a GGUF file (any part of a split one), \"tiny\", the model\n"
    "that plexus carries inside, or the CID or the name of a model in the store. The\n"
    "text is written as it is generated. Without a PROMPT the prompt is read from\n"
    "standard input, if that is not a terminal.\n"
    "\n"
    "The prompt is given to the model as it is; --chat-template asks it as a question\n"
    "instead.\n"
    "\n"
    "With --swarm the blocks of the model are shared out among the peers of the node\n"
    "that runs here: each loads its part, hidden states travel from one to the next,\n"
    "and when one is lost another takes its place and the answer goes on. The words\n"
    "are those of one machine, unless links are so slow that hidden states travel\n"
    "with less precision: one line says so, and --hidden f32 forbids it. A MODEL that\n"
    "is a file goes into the node's store first, as plexus push does it, but not\n"
    "pinned; of one that only others have, given by its CID, metadata and tokenizer\n"
    "are fetched, and of its blocks what this node computes.\n"
    "\n"
    "Architectures that run: llama (2, 3 and later), mistral, qwen2, qwen3.\n"
    "\n"
    "options:\n"
    "  -n, --max-tokens N      Generate at most N tokens. [256]\n"
    "      --temp T            Sampling temperature; 0 always takes the likeliest\n"
    "                          token. [0.8]\n"
    "      --top-k K           Sample from the K likeliest tokens; 0 turns it off.\n"
    "                          [40]\n"
    "      --top-p P           Sample from the likeliest tokens that sum to P; 1\n"
    "                          turns it off. [0.95]\n"
    "      --min-p P           Drop tokens less likely than P times the likeliest; 0\n"
    "                          turns it off. [0.05]\n"
    "      --repeat-penalty R  Make tokens of the last 64 less likely by R; 1 turns\n"
    "                          it off. [1]\n"
    "      --presence-penalty X\n"
    "                          Subtract X once from the logit of each token seen. [0]\n"
    "      --frequency-penalty X\n"
    "                          Subtract X from the logit for each time the token was\n"
    "                          seen. [0]\n"
    "      --seed S            Seed: the same one gives the same words, or the same\n"
    "                          digest. Random when not given.\n"
    "      --bias TOKEN=B      Add B (a number, -inf forbids) to the logit of a token\n"
    "                          id; may be repeated.\n"
    "      --stop TEXT         Stop before TEXT would be written; may be repeated.\n"
    "      --ignore-eos        Go on after the token that ends a text.\n"
    "      --ctx N             Context length in tokens; 0 takes the model's own, at\n"
    "                          most 4096. [0]\n"
    "  -t, --threads T         Threads to compute with; 0 takes every processor this\n"
    "                          process may use. [0]\n"
    "      --kv-type f16|f32|i8\n"
    "                          Number type of the KV cache. [f16]\n"
    "      --cpu MASK          Instruction sets to use: auto, scalar, avx2, clmul,\n"
    "                          vclmul, avx512, avx512vnni, neon, pmull, dotprod;\n"
    "                          bf16, never automatic, multiplies F16 and BF16 weights\n"
    "                          faster and less exactly. [auto]\n"
    "      --no-bos            Do not put the model's beginning-of-text token first.\n"
    "      --raw               Give the prompt to the model as it is, without a chat\n"
    "                          template (the default).\n"
    "      --chat-template[=FILE]\n"
    "                          Put the prompt in a chat template: the model's own, or\n"
    "                          that of FILE.\n"
    "      --system TEXT       System message for the chat template.\n"
    "      --swarm             Compute over the peers of the running node (plexus\n"
    "                          up), each a part of the model.\n"
    "      --stages N          At least so many peers share the model; 0: all of\n"
    "                          them. [0]\n"
    "      --hidden auto|f32|f16|q8\n"
    "                          How hidden states travel in a swarm: as they are\n"
    "                          (f32), in half (f16), or in 8 bits with a scale for 64\n"
    "                          values (q8); the last two change a little what is\n"
    "                          said. auto: f32, unless links are too slow for it, and\n"
    "                          then it says so. [auto]\n"
    "      --draft HOW         With --swarm, how tokens are guessed, to be checked\n"
    "                          many at a time: auto (look-up, where peers are far),\n"
    "                          off, lookup (in the text and in earlier answers), or a\n"
    "                          model that this node has. The words stay the same.\n"
    "                          [auto]\n"
    "      --draft-max N       At most so many tokens are guessed at a time; fewer\n"
    "                          when few of them come true. [16]\n"
    "      --draft-blocks N    Of the model of --draft only the first N blocks\n"
    "                          compute; 0: all. [0]\n"
    "      --json-lines        Print one JSON document a line, as things happen.\n"
    "      --json              Print one JSON document on standard output.\n"
    "      --color auto|always|never\n"
    "                          When to colour; auto honours NO_COLOR, CLICOLOR_FORCE\n"
    "                          and TERM=dumb. [auto]\n"
    "  -q, --quiet             No progress and no notes on standard error.\n"
    "  -h, --help              Show the help of the verb and exit.\n"
    "\n"
    "fields of --json (schema plexus.run/1):\n"
    "  text           what was generated\n"
    "  stages         null, or with --swarm: peer, first, last (blocks), memory,\n"
    "                 rate, seconds of each\n"
    "  epochs         null, or with --swarm: how often the chain was opened; 1:\n"
    "                 nobody was lost or went\n"
    "  lost           null, or with --swarm: how often a peer was lost\n"
    "  hidden         null, or with --swarm: how hidden states travelled (f32, f16,\n"
    "                 q8)\n"
    "  loss           null, or what that cost on the worst hop: rms, max (relative\n"
    "                 errors)\n"
    "  trips          null, or with --swarm: passes through the stages; tokens for\n"
    "                 each trip follow from it\n"
    "  drafted        null, or with --swarm: tokens that were guessed\n"
    "  accepted       null, or with --swarm: of them, that came true\n"
    "  prompt_tokens  token ids of the prompt\n"
    "  tokens         token ids that were generated, with the one that ended the text\n"
    "  stopped        why it ended: end, length, stop, context, interrupted\n"
    "  seed           seed of the sampler\n"
    "  timings        load_ms, prefill_ms, decode_ms, first_token_ms, prefill_tps,\n"
    "                 decode_tps\n"
    "\n"
    "examples:\n"
    "  plexus run tiny \"Once upon a time\"\n"
    "      A short story from the model inside.\n"
    "  echo \"The little fox\" | plexus run tiny -n 40 --seed 7\n"
    "      The prompt from a pipe, and the same words every time.\n",
    opts_run, sizeof opts_run / sizeof *opts_run, 1, -1, verb_run},
    {"chat", "talk with a model", "plexus chat [options] MODEL",
    "plexus chat: talk with a model\n"
    "\n"
    "usage: plexus chat [options] MODEL\n"
    "\n"
    "Lines are edited as in a shell and remembered in the state directory. Ctrl-C\n"
    "stops the answer, not the program; Ctrl-D or /quit ends it. /reset forgets the\n"
    "conversation, /help lists the commands. A line that ends in a backslash goes on\n"
    "in the next.\n"
    "\n"
    "With --swarm the peers of the running node compute the answers, each a part of\n"
    "the model. Between two turns they keep what they have read, so that only the new\n"
    "message travels; after an answer that was cut short (--stop, Ctrl-C, /reset) the\n"
    "conversation is read again. MODEL may be a file: it goes into the node's store\n"
    "first.\n"
    "\n"
    "A model without a chat template simply continues the text. From a pipe, every\n"
    "line is one message.\n"
    "\n"
    "options:\n"
    "  -n, --max-tokens N      Generate at most N tokens. [256]\n"
    "      --temp T            Sampling temperature; 0 always takes the likeliest\n"
    "                          token. [0.8]\n"
    "      --top-k K           Sample from the K likeliest tokens; 0 turns it off.\n"
    "                          [40]\n"
    "      --top-p P           Sample from the likeliest tokens that sum to P; 1\n"
    "                          turns it off. [0.95]\n"
    "      --min-p P           Drop tokens less likely than P times the likeliest; 0\n"
    "                          turns it off. [0.05]\n"
    "      --repeat-penalty R  Make tokens of the last 64 less likely by R; 1 turns\n"
    "                          it off. [1]\n"
    "      --presence-penalty X\n"
    "                          Subtract X once from the logit of each token seen. [0]\n"
    "      --frequency-penalty X\n"
    "                          Subtract X from the logit for each time the token was\n"
    "                          seen. [0]\n"
    "      --seed S            Seed: the same one gives the same words, or the same\n"
    "                          digest. Random when not given.\n"
    "      --bias TOKEN=B      Add B (a number, -inf forbids) to the logit of a token\n"
    "                          id; may be repeated.\n"
    "      --stop TEXT         Stop before TEXT would be written; may be repeated.\n"
    "      --ctx N             Context length in tokens; 0 takes the model's own, at\n"
    "                          most 4096. [0]\n"
    "  -t, --threads T         Threads to compute with; 0 takes every processor this\n"
    "                          process may use. [0]\n"
    "      --kv-type f16|f32|i8\n"
    "                          Number type of the KV cache. [f16]\n"
    "      --cpu MASK          Instruction sets to use: auto, scalar, avx2, clmul,\n"
    "                          vclmul, avx512, avx512vnni, neon, pmull, dotprod;\n"
    "                          bf16, never automatic, multiplies F16 and BF16 weights\n"
    "                          faster and less exactly. [auto]\n"
    "      --chat-template[=FILE]\n"
    "                          Put the prompt in a chat template: the model's own, or\n"
    "                          that of FILE.\n"
    "      --system TEXT       System message for the chat template.\n"
    "      --swarm             Compute over the peers of the running node (plexus\n"
    "                          up), each a part of the model.\n"
    "      --stages N          At least so many peers share the model; 0: all of\n"
    "                          them. [0]\n"
    "      --hidden auto|f32|f16|q8\n"
    "                          How hidden states travel in a swarm: as they are\n"
    "                          (f32), in half (f16), or in 8 bits with a scale for 64\n"
    "                          values (q8); the last two change a little what is\n"
    "                          said. auto: f32, unless links are too slow for it, and\n"
    "                          then it says so. [auto]\n"
    "      --draft HOW         With --swarm, how tokens are guessed, to be checked\n"
    "                          many at a time: auto (look-up, where peers are far),\n"
    "                          off, lookup (in the text and in earlier answers), or a\n"
    "                          model that this node has. The words stay the same.\n"
    "                          [auto]\n"
    "      --draft-max N       At most so many tokens are guessed at a time; fewer\n"
    "                          when few of them come true. [16]\n"
    "      --draft-blocks N    Of the model of --draft only the first N blocks\n"
    "                          compute; 0: all. [0]\n"
    "      --json-lines        Print one JSON document a line, as things happen.\n"
    "      --json              Print one JSON document on standard output.\n"
    "      --color auto|always|never\n"
    "                          When to colour; auto honours NO_COLOR, CLICOLOR_FORCE\n"
    "                          and TERM=dumb. [auto]\n"
    "  -q, --quiet             No progress and no notes on standard error.\n"
    "  -h, --help              Show the help of the verb and exit.\n"
    "\n"
    "fields of --json (schema plexus.chat/1):\n"
    "  turns         messages: role, content\n"
    "  timings       sums over the conversation: prefill_ms, decode_ms, prefill_tps,\n"
    "                decode_tps\n"
    "\n"
    "examples:\n"
    "  plexus chat tiny\n"
    "      Type a beginning, get a story.\n"
    "  echo \"Once there was a bird\" | plexus chat tiny -n 30\n"
    "      One message from a pipe.\n",
    opts_chat, sizeof opts_chat / sizeof *opts_chat, 1, 1, verb_chat},
    {"serve", "answer for a model over HTTP", "plexus serve [options] MODEL",
    "plexus serve: answer for a model over HTTP\n"
    "\n"
    "usage: plexus serve [options] MODEL\n"
    "\n"
    "Serves OpenAI's and ollama's routes at --api, for one model and without a swarm;\n"
    "plexus up --model does it beside one. Every answer in flight has a sequence of\n"
    "--ctx tokens; a conversation that goes on reads only what is new.\n"
    "docs/http-api.md lists the routes.\n"
    "\n"
    "The API is for this machine only unless --api names another address; clients\n"
    "must then send the token that lies in api.token in the home. The end is Ctrl-C\n"
    "or SIGTERM.\n"
    "\n"
    "options:\n"
    "      --api ADDR:PORT     Where the HTTP API is served; off for nowhere. Others\n"
    "                          than loopback ask for the token. [127.0.0.1:7878]\n"
    "      --api-token FILE    File of the API's bearer token, made when missing;\n"
    "                          given, loopback asks for it too.\n"
    "      --api-host NAME     A name that clients may give in the Host header,\n"
    "                          besides addresses; may be repeated.\n"
    "      --parallel N        Answers that grow at the same time; each has a KV\n"
    "                          cache of its own. [4]\n"
    "      --ctx N             Context length in tokens; 0 takes the model's own, at\n"
    "                          most 4096. [0]\n"
    "  -t, --threads T         Threads to compute with; 0 takes every processor this\n"
    "                          process may use. [0]\n"
    "      --kv-type f16|f32|i8\n"
    "                          Number type of the KV cache. [f16]\n"
    "      --cpu MASK          Instruction sets to use: auto, scalar, avx2, clmul,\n"
    "                          vclmul, avx512, avx512vnni, neon, pmull, dotprod;\n"
    "                          bf16, never automatic, multiplies F16 and BF16 weights\n"
    "                          faster and less exactly. [auto]\n"
    "      --json-lines        Print one JSON document a line, as things happen.\n"
    "      --json              Print one JSON document on standard output.\n"
    "      --color auto|always|never\n"
    "                          When to colour; auto honours NO_COLOR, CLICOLOR_FORCE\n"
    "                          and TERM=dumb. [auto]\n"
    "  -q, --quiet             No progress and no notes on standard error.\n"
    "  -h, --help              Show the help of the verb and exit.\n"
    "\n"
    "fields of --json (schema plexus.serve/1):\n"
    "  event         ready\n"
    "  http          where the API is\n"
    "  model         name of the model\n"
    "\n"
    "examples:\n"
    "  plexus serve tiny\n"
    "      The model inside, at http://127.0.0.1:7878.\n"
    "  plexus serve model.gguf --api 0.0.0.0:8080 --parallel 8\n"
    "      For other machines, which need the token.\n",
    opts_serve, sizeof opts_serve / sizeof *opts_serve, 1, 1, verb_serve},
    {"tokenize", "text to tokens", "plexus tokenize [options] MODEL [TEXT...]",
    "plexus tokenize: text to tokens\n"
    "\n"
    "usage: plexus tokenize [options] MODEL [TEXT...]\n"
    "\n"
    "Prints one token a line: its id and its spelling. Without TEXT and --file the\n"
    "text is read from standard input.\n"
    "\n"
    "Tokenizer families: SentencePiece (llama) and byte-level BPE (gpt2) with the\n"
    "pre-tokenizers default, gpt-2, llama-bpe, qwen2, qwen35, starcoder, smollm,\n"
    "deepseek-llm, deepseek-coder, deepseek-v3, falcon, gpt-4o and tekken, and those\n"
    "that share their rules. MODEL may also be a tokenizer.json (BPE or Unigram) or a\n"
    "sentencepiece model. What is not known is refused by name.\n"
    "\n"
    "options:\n"
    "  -f, --file FILE         Read the text from FILE; - is standard input.\n"
    "      --no-bos            Do not put the model's beginning-of-text token first.\n"
    "      --no-special        Read spellings of control tokens as plain text.\n"
    "      --json              Print one JSON document on standard output.\n"
    "      --color auto|always|never\n"
    "                          When to colour; auto honours NO_COLOR, CLICOLOR_FORCE\n"
    "                          and TERM=dumb. [auto]\n"
    "  -q, --quiet             No progress and no notes on standard error.\n"
    "  -h, --help              Show the help of the verb and exit.\n"
    "\n"
    "fields of --json (schema plexus.tokenize/1):\n"
    "  tokens        token ids\n"
    "  count         how many there are\n"
    "  bytes         bytes of the text\n"
    "\n"
    "examples:\n"
    "  plexus tokenize tiny \"Once upon a time\"\n"
    "      Ids and spellings.\n"
    "  plexus tokenize tiny --file story.txt --json\n"
    "      A whole file as one JSON document.\n",
    opts_tokenize, sizeof opts_tokenize / sizeof *opts_tokenize, 1, -1, verb_tokenize},
    {"detokenize", "tokens to text", "plexus detokenize [options] MODEL",
    "plexus detokenize: tokens to text\n"
    "\n"
    "usage: plexus detokenize [options] MODEL\n"
    "\n"
    "Writes the bytes of the tokens, without a line feed of its own. Control tokens\n"
    "are written as the file spells them.\n"
    "\n"
    "options:\n"
    "      --tokens IDS        Token ids, separated by commas or spaces; - reads them\n"
    "                          from standard input.\n"
    "      --json              Print one JSON document on standard output.\n"
    "      --color auto|always|never\n"
    "                          When to colour; auto honours NO_COLOR, CLICOLOR_FORCE\n"
    "                          and TERM=dumb. [auto]\n"
    "  -q, --quiet             No progress and no notes on standard error.\n"
    "  -h, --help              Show the help of the verb and exit.\n"
    "\n"
    "fields of --json (schema plexus.detokenize/1):\n"
    "  text          the text; bytes that are no UTF-8 come out as U+FFFD\n"
    "  bytes         length of the exact text in bytes\n"
    "\n"
    "examples:\n"
    "  plexus detokenize tiny --tokens 1,5,9\n"
    "      The text of three tokens.\n",
    opts_detokenize, sizeof opts_detokenize / sizeof *opts_detokenize, 1, 1, verb_detokenize},
    {"push", "put a model into the store, cut into shards", "plexus push [options] FILE",
    "plexus push: put a model into the store, cut into shards\n"
    "\n"
    "usage: plexus push [options] FILE\n"
    "\n"
    "The GGUF file (any part of a split one, or \"tiny\") is cut by the role of its\n"
    "tensors: metadata, token embedding, each block, output. Every shard is named by\n"
    "its BLAKE3 hash, and a manifest, signed with the identity of this home, lists\n"
    "them; its CID, which is printed, names the model for everybody. The same model\n"
    "gives the same shards wherever it is pushed, so nothing is stored twice.\n"
    "\n"
    "A running node does it, and announces the model; without one the store is\n"
    "written directly, with --store-quota as its limit. The file itself is not needed\n"
    "afterwards.\n"
    "\n"
    "options:\n"
    "      --name NAME         Name of the model for people, instead of the one in\n"
    "                          the file.\n"
    "      --no-pin            Leave it to garbage collection when the quota is\n"
    "                          reached.\n"
    "      --sha256            Announce SHA-256 keys in the DHT beside those of\n"
    "                          BLAKE3.\n"
    "      --store-quota BYTES\n"
    "                          Most bytes of models on the disk; the least recently\n"
    "                          used go first. 0: no limit. [0]\n"
    "      --json              Print one JSON document on standard output.\n"
    "      --color auto|always|never\n"
    "                          When to colour; auto honours NO_COLOR, CLICOLOR_FORCE\n"
    "                          and TERM=dumb. [auto]\n"
    "  -q, --quiet             No progress and no notes on standard error.\n"
    "  -h, --help              Show the help of the verb and exit.\n"
    "\n"
    "fields of --json (schema plexus.push/1):\n"
    "  cid           names the model\n"
    "  name          for people\n"
    "  bytes         of all shards\n"
    "  bytes_got     0\n"
    "  shards        0 without a node\n"
    "  ms            how long it took\n"
    "\n"
    "examples:\n"
    "  plexus push tiny --name tiny\n"
    "      Store the model that plexus carries.\n",
    opts_push, sizeof opts_push / sizeof *opts_push, 1, 1, verb_push},
    {"pull", "fetch a model from whoever has it", "plexus pull [options] CID",
    "plexus pull: fetch a model from whoever has it\n"
    "\n"
    "usage: plexus pull [options] CID\n"
    "\n"
    "The running node asks the peers that it is connected to and those of whom the\n"
    "DHT knows, all at once. Every 64 KiB are checked on arrival; a peer that sends a\n"
    "wrong byte is dropped, one that stops is passed over. Ctrl-C stops it; the next\n"
    "pull goes on where it ended, after a kill too. With --blocks only what those\n"
    "blocks need is fetched.\n"
    "\n"
    "options:\n"
    "      --blocks FIRST-LAST\n"
    "                          Only the shards of these blocks (and the metadata),\n"
    "                          counted from 0.\n"
    "      --pin               Keep it when the quota is reached.\n"
    "      --json              Print one JSON document on standard output.\n"
    "      --color auto|always|never\n"
    "                          When to colour; auto honours NO_COLOR, CLICOLOR_FORCE\n"
    "                          and TERM=dumb. [auto]\n"
    "  -q, --quiet             No progress and no notes on standard error.\n"
    "  -h, --help              Show the help of the verb and exit.\n"
    "\n"
    "fields of --json (schema plexus.pull/1):\n"
    "  cid           of the model\n"
    "  name          for people\n"
    "  bytes         of the shards that were wanted\n"
    "  bytes_got     that came over the network\n"
    "  shards        that were wanted\n"
    "  ms            how long it took\n"
    "\n"
    "examples:\n"
    "  plexus pull CID --blocks 0-7\n"
    "      The metadata and the first eight blocks.\n",
    opts_pull, sizeof opts_pull / sizeof *opts_pull, 1, 1, verb_pull},
    {"list", "models in the store", "plexus list [options]",
    "plexus list: models in the store\n"
    "\n"
    "usage: plexus list [options]\n"
    "\n"
    "Each model with its kind, its bytes, how many of its shards are here if not all,\n"
    "whether it is pinned, and its name. Give any verb the beginning of a CID (8\n"
    "letters or more) or the name.\n"
    "\n"
    "options:\n"
    "      --json              Print one JSON document on standard output.\n"
    "      --color auto|always|never\n"
    "                          When to colour; auto honours NO_COLOR, CLICOLOR_FORCE\n"
    "                          and TERM=dumb. [auto]\n"
    "  -q, --quiet             No progress and no notes on standard error.\n"
    "  -h, --help              Show the help of the verb and exit.\n"
    "\n"
    "fields of --json (schema plexus.list/1):\n"
    "  models        cid, name, architecture, type, blocks, parameters, bytes,\n"
    "                bytes_here, shards, shards_here, pinned, signer\n"
    "  used_bytes    on the disk\n"
    "  quota_bytes   the limit, 0 for none\n"
    "  blobs         shards on the disk\n"
    "  root          where\n"
    "\n"
    "examples:\n"
    "  plexus list\n"
    "      What is here.\n",
    opts_list, sizeof opts_list / sizeof *opts_list, 0, 0, verb_list},
    {"show", "one model of the store, shard by shard", "plexus show [options] MODEL",
    "plexus show: one model of the store, shard by shard\n"
    "\n"
    "usage: plexus show [options] MODEL\n"
    "\n"
    "MODEL is a CID, the beginning of one, or a name.\n"
    "\n"
    "options:\n"
    "      --json              Print one JSON document on standard output.\n"
    "      --color auto|always|never\n"
    "                          When to colour; auto honours NO_COLOR, CLICOLOR_FORCE\n"
    "                          and TERM=dumb. [auto]\n"
    "  -q, --quiet             No progress and no notes on standard error.\n"
    "  -h, --help              Show the help of the verb and exit.\n"
    "\n"
    "fields of --json (schema plexus.show/1):\n"
    "  cid           of the model\n"
    "  name          for people\n"
    "  architecture  of the model\n"
    "  type          tensor type that takes the most bytes\n"
    "  blocks        transformer blocks\n"
    "  embd          width\n"
    "  ffn           width inside the feed-forward layer\n"
    "  heads         attention heads\n"
    "  kv_heads      heads of keys and values\n"
    "  vocab         tokens\n"
    "  context       trained context\n"
    "  parameters    elements of all tensors\n"
    "  tied          the output uses the token embedding\n"
    "  bytes         of all shards\n"
    "  bytes_here    of those that are here\n"
    "  shards        number of shards\n"
    "  shards_here   of them here\n"
    "  pinned        kept when the quota is reached\n"
    "  signer        peer id that signed the manifest\n"
    "  shard_list    no, role, block, cid, bytes, tensors, here\n"
    "\n"
    "examples:\n"
    "  plexus show MODEL\n"
    "      The shards of a model, by its CID or its name.\n",
    opts_show, sizeof opts_show / sizeof *opts_show, 1, 1, verb_show},
    {"pin", "keep a model when the quota is reached", "plexus pin [options] MODEL",
    "plexus pin: keep a model when the quota is reached\n"
    "\n"
    "usage: plexus pin [options] MODEL\n"
    "\n"
    "What is pushed is pinned already, what is pulled is not.\n"
    "\n"
    "options:\n"
    "      --off               No longer.\n"
    "      --json              Print one JSON document on standard output.\n"
    "      --color auto|always|never\n"
    "                          When to colour; auto honours NO_COLOR, CLICOLOR_FORCE\n"
    "                          and TERM=dumb. [auto]\n"
    "  -q, --quiet             No progress and no notes on standard error.\n"
    "  -h, --help              Show the help of the verb and exit.\n"
    "\n"
    "fields of --json (schema plexus.pin/1):\n"
    "  cid           of the model\n"
    "  name          for people\n"
    "  pinned        now\n"
    "\n"
    "examples:\n"
    "  plexus pin MODEL --off\n"
    "      Let it go when room is needed.\n",
    opts_pin, sizeof opts_pin / sizeof *opts_pin, 1, 1, verb_pin},
    {"rm", "remove a model and the shards that no other model needs", "plexus rm [options] MODEL",
    "plexus rm: remove a model and the shards that no other model needs\n"
    "\n"
    "usage: plexus rm [options] MODEL\n"
    "\n"
    "A model that is being fetched, or that a stage serves, is refused.\n"
    "\n"
    "options:\n"
    "      --json              Print one JSON document on standard output.\n"
    "      --color auto|always|never\n"
    "                          When to colour; auto honours NO_COLOR, CLICOLOR_FORCE\n"
    "                          and TERM=dumb. [auto]\n"
    "  -q, --quiet             No progress and no notes on standard error.\n"
    "  -h, --help              Show the help of the verb and exit.\n"
    "\n"
    "fields of --json (schema plexus.rm/1):\n"
    "  cid           of the model\n"
    "  freed_bytes   on the disk\n"
    "\n"
    "examples:\n"
    "  plexus rm MODEL\n"
    "      Remove it.\n",
    opts_rm, sizeof opts_rm / sizeof *opts_rm, 1, 1, verb_rm},
    {"inspect", "what a model file holds and needs", "plexus inspect [options] FILE",
    "plexus inspect: what a model file holds and needs\n"
    "\n"
    "usage: plexus inspect [options] FILE\n"
    "\n"
    "Shows the metadata, the tensors by role and block, the bytes of each number\n"
    "type, and what it takes to run the model here. No weight is read, so that it\n"
    "takes milliseconds for a file of any size.\n"
    "\n"
    "options:\n"
    "      --all               Show everything: each tensor and whole arrays.\n"
    "      --json              Print one JSON document on standard output.\n"
    "      --color auto|always|never\n"
    "                          When to colour; auto honours NO_COLOR, CLICOLOR_FORCE\n"
    "                          and TERM=dumb. [auto]\n"
    "  -q, --quiet             No progress and no notes on standard error.\n"
    "  -h, --help              Show the help of the verb and exit.\n"
    "\n"
    "fields of --json (schema plexus.inspect/1):\n"
    "  format        gguf\n"
    "  version       version of the container\n"
    "  arch          general.architecture\n"
    "  file_bytes    size of the file\n"
    "  tensors       name, type, shape, offset, bytes, role, block of each tensor\n"
    "  metadata      key to value; a long array is {type, count, first}\n"
    "  run           arch_supported, types_runnable, runs, weight_bytes, kv_bytes,\n"
    "                context\n"
    "\n"
    "examples:\n"
    "  plexus inspect tiny\n"
    "      The model inside.\n"
    "  plexus inspect model.gguf --json\n"
    "      Everything about a file, for a program.\n",
    opts_inspect, sizeof opts_inspect / sizeof *opts_inspect, 1, 1, verb_inspect},
    {"check", "validate a file of a format that plexus parses", "plexus check [options] [FILE]",
    "plexus check: validate a file of a format that plexus parses\n"
    "\n"
    "usage: plexus check [options] [FILE]\n"
    "\n"
    "Parses the file as the node would parse bytes from the network, and throws the\n"
    "result away. Exit code 0: valid. 7: not valid, with one line that names offset\n"
    "and field. 2: unknown format.\n"
    "\n"
    "options:\n"
    "      --format F          Format of the file; plexus check --list names them.\n"
    "      --list              List what can be named, and exit.\n"
    "      --json              Print one JSON document on standard output.\n"
    "      --color auto|always|never\n"
    "                          When to colour; auto honours NO_COLOR, CLICOLOR_FORCE\n"
    "                          and TERM=dumb. [auto]\n"
    "  -q, --quiet             No progress and no notes on standard error.\n"
    "  -h, --help              Show the help of the verb and exit.\n"
    "\n"
    "fields of --json (schema plexus.check/1):\n"
    "  valid         true or false\n"
    "  format        the format\n"
    "  bytes         bytes of the file\n"
    "  error         code, text, offset, field, expected, found; null when valid\n"
    "\n"
    "examples:\n"
    "  plexus check --format gguf model.gguf\n"
    "      Is the container sound?\n"
    "  plexus check --list\n"
    "      Formats that can be checked.\n",
    opts_check, sizeof opts_check / sizeof *opts_check, 0, 1, verb_check},
    {"data convert", "training data in another format", "plexus data convert [options] IN OUT",
    "plexus data convert: training data in another format\n"
    "\n"
    "usage: plexus data convert [options] IN OUT\n"
    "\n"
    "Reads packets (.qubgpu), a store (.ndp3), JSON lines (an object with \"text\" or\n"
    "\"tokens\" each), a text (these also at http://HOST/PATH or https), or what other\n"
    "tools keep: Megatron (.bin with its .idx beside it), llm.c (.bin), datatrove\n"
    "(.ds with its .ds.index), a column of an Arrow file or stream, or of a folder of\n"
    "them (as of Hugging Face datasets), a folder of MDS or of litdata's\n"
    "TokensLoader. Writes packets, a store, JSON lines, or the files of Megatron and\n"
    "llm.c. OUT takes its place when it is whole. Packets that become a store and\n"
    "packets again are the same bytes, damaged ones included. Malformed lines are\n"
    "counted, the first is named, and all go to --bad; what is no packet, and samples\n"
    "without tokens, are counted where OUT cannot hold them. The exit code is 8 when\n"
    "anything was left out.\n"
    "\n"
    "JSON lines become packets, a store or JSON lines by --threads, with the same\n"
    "bytes for any number of them. Until OUT is whole it is OUT.part, and OUT.resume\n"
    "says how far it came: after a crash or Ctrl-C the same command goes on from the\n"
    "last commit and ends with the same bytes.\n"
    "\n"
    "options:\n"
    "      --tokenizer FILE    Make tokens of text as this file says: GGUF,\n"
    "                          tokenizer.json, sentencepiece; tiny: the embedded one.\n"
    "      --from FORMAT       Format of IN: ndp, ndp3, jsonl, text, megatron, llmc,\n"
    "                          datatrove, arrow, mds or litdata; auto: from its\n"
    "                          bytes, then its name. [auto]\n"
    "      --to auto|ndp|ndp3|jsonl|megatron|llmc\n"
    "                          Format of OUT; auto: from its name (.qubgpu, .ndp,\n"
    "                          .ndp3, .jsonl). [auto]\n"
    "      --max-tokens N      Tokens of a sample; longer documents become several.\n"
    "                          Packets hold 16383. [512]\n"
    "      --eot TOKEN         Token with which documents of llmc begin, such as\n"
    "                          50256; without it a file is one document, and OUT\n"
    "                          marks none.\n"
    "      --column NAME[:TYPE]\n"
    "                          Column of arrow and mds (default: input_ids, tokens or\n"
    "                          text); a TYPE such as uint16 for mds columns of bytes.\n"
    "      --token-bytes auto|2|4\n"
    "                          Bytes of a token in ndp3, megatron and llmc; auto: as\n"
    "                          in IN, or as the vocabulary needs. [auto]\n"
    "      --bad FILE          Where malformed lines go (default: OUT.bad).\n"
    "  -t, --threads T         Threads to compute with; 0 takes every processor this\n"
    "                          process may use. [0]\n"
    "      --commit BYTES      Bytes of JSON lines from one commit to the next; who\n"
    "                          was killed goes on from the last. [33554432]\n"
    "      --json              Print one JSON document on standard output.\n"
    "      --color auto|always|never\n"
    "                          When to colour; auto honours NO_COLOR, CLICOLOR_FORCE\n"
    "                          and TERM=dumb. [auto]\n"
    "  -q, --quiet             No progress and no notes on standard error.\n"
    "  -h, --help              Show the help of the verb and exit.\n"
    "\n"
    "fields of --json (schema plexus.data/1):\n"
    "  from             format of IN\n"
    "  to               format of OUT\n"
    "  documents        lines, or samples that do not continue another\n"
    "  samples          written\n"
    "  tokens           in them\n"
    "  bytes_in         of IN\n"
    "  bytes_out        of OUT\n"
    "  malformed        lines that were left out\n"
    "  first_malformed  number of the first, or null\n"
    "  dropped          spans that are no packets\n"
    "  left_out         samples without tokens\n"
    "  resumed          line behind which it went on; 0: from the first\n"
    "  seconds          it took\n"
    "\n"
    "examples:\n"
    "  plexus data convert corpus.jsonl corpus.ndp3 --tokenizer model.gguf\n"
    "      Text to a store that a loader maps.\n"
    "  plexus data convert story.txt story.qubgpu --tokenizer model.gguf\n"
    "      A text to packets.\n",
    opts_data_convert, sizeof opts_data_convert / sizeof *opts_data_convert, 2, 2, verb_data_convert},
    {"data inspect", "what is in a file of training data", "plexus data inspect [options] FILE",
    "plexus data inspect: what is in a file of training data\n"
    "\n"
    "usage: plexus data inspect [options] FILE\n"
    "\n"
    "How many samples and tokens a file of packets or a store holds, from which\n"
    "sources, for which parts of the model, of which types; of packets which CRC they\n"
    "have and what was dropped; of a store its commits and its name (CID). FILE may\n"
    "be http://HOST/PATH or https.\n"
    "\n"
    "options:\n"
    "      --crc auto|ccitt_false|xmodem|aug|kermit|x25\n"
    "                          CRC-16 of packets; auto: the one that most agree with.\n"
    "                          [auto]\n"
    "      --cache MIB         memory for what lies elsewhere, in MiB [1024]\n"
    "      --timeout MS        milliseconds until a server counts as silent [10000]\n"
    "      --json              Print one JSON document on standard output.\n"
    "      --color auto|always|never\n"
    "                          When to colour; auto honours NO_COLOR, CLICOLOR_FORCE\n"
    "                          and TERM=dumb. [auto]\n"
    "  -q, --quiet             No progress and no notes on standard error.\n"
    "  -h, --help              Show the help of the verb and exit.\n"
    "\n"
    "fields of --json (schema plexus.data/1):\n"
    "  format         ndp or ndp3\n"
    "  bytes          of the file\n"
    "  samples        in it\n"
    "  tokens         in them\n"
    "  longest        tokens of the longest sample\n"
    "  token_bytes    of a token as it is stored\n"
    "  crc            CRC-16 of its packets\n"
    "  cover          what the CRC covers\n"
    "  dropped        reason: spans that are no packets\n"
    "  dropped_bytes  in them\n"
    "  segments       of a store\n"
    "  generation     commits of a store\n"
    "  cid            of a store, or null\n"
    "  kinds          src, dst, typ, samples, tokens of each kind\n"
    "  elsewhere      what was fetched of a file that lies elsewhere, or null\n"
    "  lengths        samples by tokens: below 2, 4, 8, ...\n"
    "\n"
    "examples:\n"
    "  plexus data inspect story.qubgpu\n"
    "      Samples, tokens, kinds and lengths.\n",
    opts_data_inspect, sizeof opts_data_inspect / sizeof *opts_data_inspect, 1, 1, verb_data_inspect},
    {"data verify", "every byte of a file of training data", "plexus data verify [options] FILE",
    "plexus data verify: every byte of a file of training data\n"
    "\n"
    "usage: plexus data verify [options] FILE\n"
    "\n"
    "Checks every packet, or every block, sample and hash of a store. Exit code 0:\n"
    "nothing is wrong; 7: something is, with one line that says where. FILE may be\n"
    "http://HOST/PATH or https.\n"
    "\n"
    "options:\n"
    "      --crc auto|ccitt_false|xmodem|aug|kermit|x25\n"
    "                          CRC-16 of packets; auto: the one that most agree with.\n"
    "                          [auto]\n"
    "      --cache MIB         memory for what lies elsewhere, in MiB [1024]\n"
    "      --timeout MS        milliseconds until a server counts as silent [10000]\n"
    "      --json              Print one JSON document on standard output.\n"
    "      --color auto|always|never\n"
    "                          When to colour; auto honours NO_COLOR, CLICOLOR_FORCE\n"
    "                          and TERM=dumb. [auto]\n"
    "  -q, --quiet             No progress and no notes on standard error.\n"
    "  -h, --help              Show the help of the verb and exit.\n"
    "\n"
    "fields of --json (schema plexus.data/1):\n"
    "  valid         true or false\n"
    "  elsewhere     what was fetched of a file that lies elsewhere, or null\n"
    "  bytes         of the file\n"
    "  samples       in it\n"
    "  error         code, text, offset, field, expected, found; null when valid\n"
    "  seconds       it took\n"
    "\n"
    "examples:\n"
    "  plexus data verify corpus.ndp3\n"
    "      Is it as it was written?\n",
    opts_data_verify, sizeof opts_data_verify / sizeof *opts_data_verify, 1, 1, verb_data_verify},
    {"data stats", "lengths, vocabulary, duplicates and rows of training data", "plexus data stats [options] FILE",
    "plexus data stats: lengths, vocabulary, duplicates and rows of training data\n"
    "\n"
    "usage: plexus data stats [options] FILE\n"
    "\n"
    "Reads every sample of a file of packets or a store: how long they are, which\n"
    "sources and types they have, which tokens of the vocabulary are used, how many\n"
    "samples have the tokens of another, and for each packing how many rows of\n"
    "--row-tokens they make, how much of those is filled up, and how many tokens are\n"
    "in no row.\n"
    "\n"
    "options:\n"
    "      --row-tokens N      Tokens of a row. [512]\n"
    "      --cache MIB         memory for what lies elsewhere, in MiB [1024]\n"
    "      --timeout MS        milliseconds until a server counts as silent [10000]\n"
    "      --json              Print one JSON document on standard output.\n"
    "      --color auto|always|never\n"
    "                          When to colour; auto honours NO_COLOR, CLICOLOR_FORCE\n"
    "                          and TERM=dumb. [auto]\n"
    "  -q, --quiet             No progress and no notes on standard error.\n"
    "  -h, --help              Show the help of the verb and exit.\n"
    "\n"
    "fields of --json (schema plexus.data/1):\n"
    "  samples       with tokens\n"
    "  documents     samples that do not continue another\n"
    "  tokens        in them\n"
    "  damaged       samples that are not counted: their checksum is wrong\n"
    "  empty         samples that are not counted: they have no tokens\n"
    "  duplicates    samples with the tokens of one before them, by a hash of 64\n"
    "                bits; null: too many samples\n"
    "  shortest      tokens of the shortest sample\n"
    "  median        half of the samples have at most so many\n"
    "  p90           90 % have at most so many\n"
    "  p99           99 % have at most so many\n"
    "  longest       tokens of the longest sample\n"
    "  lengths       samples by tokens: below 2, 4, 8, ...\n"
    "  kinds         src, dst, typ, samples, tokens of each kind\n"
    "  vocabulary    size (null: not known), used, smallest, largest\n"
    "  row_tokens    of a row\n"
    "  packings      packing: rows, padding (share of the rows), cut (tokens in no\n"
    "                row)\n"
    "\n"
    "examples:\n"
    "  plexus data stats corpus.ndp3 --row-tokens 2048\n"
    "      How much of a batch would be padding?\n",
    opts_data_stats, sizeof opts_data_stats / sizeof *opts_data_stats, 1, 1, verb_data_stats},
    {"data order", "in which order samples come", "plexus data order [options] FILE...",
    "plexus data order: in which order samples come\n"
    "\n"
    "usage: plexus data order [options] FILE...\n"
    "\n"
    "Prints the source and sample that each row begins with, as a loader of these\n"
    "files gives them, for any number of ranks: --steps batches of --batch rows that\n"
    "all ranks share, or one epoch. The lines are the same whatever --ranks is, and\n"
    "whatever --batch is as long as it asks for as many rows. FILE may be\n"
    "http://HOST/PATH or https.\n"
    "\n"
    "options:\n"
    "      --seed S            Seed: the same one gives the same words, or the same\n"
    "                          digest. Random when not given. [0]\n"
    "      --batch N           Rows of a batch of all ranks together. [64]\n"
    "      --row-tokens N      Tokens of a row. [512]\n"
    "      --packing pad|chunk|first-fit|best-fit\n"
    "                          How samples become rows. [pad]\n"
    "      --ranks N           Ranks that share the rows. [1]\n"
    "      --steps N           Batches of all ranks; 0: one epoch. [0]\n"
    "      --cache MIB         memory for what lies elsewhere, in MiB [1024]\n"
    "      --timeout MS        milliseconds until a server counts as silent [10000]\n"
    "      --json              Print one JSON document on standard output.\n"
    "      --color auto|always|never\n"
    "                          When to colour; auto honours NO_COLOR, CLICOLOR_FORCE\n"
    "                          and TERM=dumb. [auto]\n"
    "  -q, --quiet             No progress and no notes on standard error.\n"
    "  -h, --help              Show the help of the verb and exit.\n"
    "\n"
    "fields of --json (schema plexus.data/1):\n"
    "  rows          in the order\n"
    "  digest        FNV-1a (64 bits) of the lines that are printed without --json\n"
    "\n"
    "examples:\n"
    "  plexus data order corpus.ndp3 --seed 7 --json\n"
    "      One epoch as a digest.\n",
    opts_data_order, sizeof opts_data_order / sizeof *opts_data_order, 1, 255, verb_data_order},
    {"capture encode", "training data as a capture, for Wireshark", "plexus capture encode [options] IN OUT",
    "plexus capture encode: training data as a capture, for Wireshark\n"
    "\n"
    "usage: plexus capture encode [options] IN OUT\n"
    "\n"
    "Writes the packets of a file (.qubgpu) or of a store (.ndp3) as a file of pcap:\n"
    "a record a packet, nothing before it (link type USER0, which the dissector in\n"
    "packaging/wireshark knows), one microsecond after the other. Spans that are no\n"
    "packets become records too, so that damage can be looked at. OUT takes its place\n"
    "when it is whole.\n"
    "\n"
    "options:\n"
    "      --json              Print one JSON document on standard output.\n"
    "      --color auto|always|never\n"
    "                          When to colour; auto honours NO_COLOR, CLICOLOR_FORCE\n"
    "                          and TERM=dumb. [auto]\n"
    "  -q, --quiet             No progress and no notes on standard error.\n"
    "  -h, --help              Show the help of the verb and exit.\n"
    "\n"
    "fields of --json (schema plexus.capture/1):\n"
    "  records       written\n"
    "  dropped       of them, spans that are no packets\n"
    "  bytes         of OUT\n"
    "\n"
    "examples:\n"
    "  plexus capture encode story.qubgpu story.pcap\n"
    "      Open it in Wireshark.\n",
    opts_capture_encode, sizeof opts_capture_encode / sizeof *opts_capture_encode, 2, 2, verb_capture_encode},
    {"capture decode", "packets of training data and gradients in a capture", "plexus capture decode [options] FILE",
    "plexus capture decode: packets of training data and gradients in a capture\n"
    "\n"
    "usage: plexus capture decode [options] FILE\n"
    "\n"
    "Reads a file of pcap or pcapng, as tcpdump and Wireshark write it, and prints\n"
    "each packet of training data (.qubgpu) and of gradients in it: in datagrams of\n"
    "UDP over IPv4 or IPv6 behind Ethernet, VLAN tags and what tcpdump -i any puts\n"
    "there, or bare (link type USER0). A packet that is damaged is shown with the\n"
    "reason for which it would be dropped, and counted. Fragments are not put\n"
    "together again; tags of gradients are not checked, which takes the key of the\n"
    "job. plexus capture encode writes such a file. Exit code 7: the capture itself\n"
    "is damaged; what came before it is printed.\n"
    "\n"
    "options:\n"
    "      --format auto|ndp|gradient\n"
    "                          What payloads are: training data or gradients; auto:\n"
    "                          those that look like either. [auto]\n"
    "      --port PORT         UDP port, of either side, whose packets are looked at;\n"
    "                          0: any. [0]\n"
    "      --crc ccitt_false|xmodem|aug|kermit|x25\n"
    "                          CRC-16 of training data. [ccitt_false]\n"
    "      --cover all|payload|body\n"
    "                          What the CRC covers: head and payload, the payload,\n"
    "                          all but the first byte. [all]\n"
    "      --tokens N          Tokens of each packet that are shown. [8]\n"
    "      --json-lines        Print one JSON document a line, as things happen.\n"
    "      --json              Print one JSON document on standard output.\n"
    "      --color auto|always|never\n"
    "                          When to colour; auto honours NO_COLOR, CLICOLOR_FORCE\n"
    "                          and TERM=dumb. [auto]\n"
    "  -q, --quiet             No progress and no notes on standard error.\n"
    "  -h, --help              Show the help of the verb and exit.\n"
    "\n"
    "fields of --json (schema plexus.capture/1):\n"
    "  packets       record, offset, time_ns, kind, part, bytes, drop, from, to,\n"
    "                port_from, port_to, head {field: value}, names {field: name},\n"
    "                crc, expected, tokens\n"
    "  records       of the capture\n"
    "  counts        kind: packets, dropped {reason: n}\n"
    "  skipped       reason: records without a packet of plexus\n"
    "\n"
    "examples:\n"
    "  plexus capture decode story.pcap\n"
    "      A line a packet, and what was dropped.\n"
    "  plexus capture decode story.pcap --format ndp --port 40000 --json\n"
    "      Everything at a port as training data.\n",
    opts_capture_decode, sizeof opts_capture_decode / sizeof *opts_capture_decode, 1, 1, verb_capture_decode},
    {"data mix", "sources in shares, exactly", "plexus data mix [options] FILE[:WEIGHT]...",
    "plexus data mix: sources in shares, exactly\n"
    "\n"
    "usage: plexus data mix [options] FILE[:WEIGHT]...\n"
    "\n"
    "Shows which source each sample of a mixture is from, as a loader of these files\n"
    "with these weights draws them: after every sample each source is within one of\n"
    "its share. Weights have up to nine digits, such as 0.7 and 0.3, or 7 and 3;\n"
    "without any, each file weighs as much as it has samples. A source is through\n"
    "when all its samples were drawn once. With --out the mixture is written as a\n"
    "store, in the order of --seed; damaged samples end that, and samples without\n"
    "tokens are left out. Files of different tokenizers are refused.\n"
    "\n"
    "options:\n"
    "      --again             Sources that are through begin again; without it they\n"
    "                          leave their share to the others.\n"
    "      --samples N         Samples of the mixture; 0: until all sources are\n"
    "                          through. [0]\n"
    "      --batch N           Rows of a batch of all ranks together. [64]\n"
    "      --seed S            Seed: the same one gives the same words, or the same\n"
    "                          digest. Random when not given. [0]\n"
    "  -o, --out OUT           Write the mixture as a store (.ndp3).\n"
    "      --cache MIB         memory for what lies elsewhere, in MiB [1024]\n"
    "      --timeout MS        milliseconds until a server counts as silent [10000]\n"
    "      --json              Print one JSON document on standard output.\n"
    "      --color auto|always|never\n"
    "                          When to colour; auto honours NO_COLOR, CLICOLOR_FORCE\n"
    "                          and TERM=dumb. [auto]\n"
    "  -q, --quiet             No progress and no notes on standard error.\n"
    "  -h, --help              Show the help of the verb and exit.\n"
    "\n"
    "fields of --json (schema plexus.data/1):\n"
    "  samples       of the mixture\n"
    "  period        after so many draws the schedule begins again\n"
    "  rounded       true: the weights are not quite as given, to fit a table of 2^20\n"
    "                draws\n"
    "  batch         samples of a step\n"
    "  sources       file, samples, weight (of period), drawn, share, passes,\n"
    "                through_after (samples), through_step\n"
    "  order         source of each of the first 64 samples, from 0\n"
    "  out           file that was written, or null\n"
    "  written       samples in it\n"
    "\n"
    "examples:\n"
    "  plexus data mix corpus.ndp3:0.7 story.qubgpu:0.3\n"
    "      After how many steps is a source through?\n"
    "  plexus data mix corpus.ndp3:7 story.qubgpu:3 --again --samples 1000 -o mixed.ndp3\n"
    "      A thousand samples in these shares, written.\n",
    opts_data_mix, sizeof opts_data_mix / sizeof *opts_data_mix, 1, 255, verb_data_mix},
    {"eval perplexity", "how well a model predicts a text", "plexus eval perplexity [options] MODEL",
    "plexus eval perplexity: how well a model predicts a text\n"
    "\n"
    "usage: plexus eval perplexity [options] MODEL\n"
    "\n"
    "The text is tokenised without a first token and cut in windows of --ctx tokens;\n"
    "each window begins with the model's beginning-of-text token, if it uses one. The\n"
    "figure is e to the mean negative log likelihood of all predicted tokens.\n"
    "\n"
    "options:\n"
    "  -f, --file FILE         Read the text from FILE; - is standard input.\n"
    "      --ctx N             Context length in tokens; 0 takes the model's own, at\n"
    "                          most 4096. [512]\n"
    "  -t, --threads T         Threads to compute with; 0 takes every processor this\n"
    "                          process may use. [0]\n"
    "      --kv-type f16|f32|i8\n"
    "                          Number type of the KV cache. [f16]\n"
    "      --cpu MASK          Instruction sets to use: auto, scalar, avx2, clmul,\n"
    "                          vclmul, avx512, avx512vnni, neon, pmull, dotprod;\n"
    "                          bf16, never automatic, multiplies F16 and BF16 weights\n"
    "                          faster and less exactly. [auto]\n"
    "      --json              Print one JSON document on standard output.\n"
    "      --color auto|always|never\n"
    "                          When to colour; auto honours NO_COLOR, CLICOLOR_FORCE\n"
    "                          and TERM=dumb. [auto]\n"
    "  -q, --quiet             No progress and no notes on standard error.\n"
    "  -h, --help              Show the help of the verb and exit.\n"
    "\n"
    "fields of --json (schema plexus.eval/1):\n"
    "  perplexity    e to the nll\n"
    "  nll           mean negative log likelihood, natural logarithm\n"
    "  tokens        tokens of the text\n"
    "  predictions   tokens that were predicted\n"
    "  tps           tokens a second\n"
    "\n"
    "examples:\n"
    "  plexus eval perplexity tiny --file story.txt --ctx 128\n"
    "      How surprised is the model by a story?\n",
    opts_eval_perplexity, sizeof opts_eval_perplexity / sizeof *opts_eval_perplexity, 1, 1, verb_eval_perplexity},
    {"eval logits", "the likeliest next tokens", "plexus eval logits [options] MODEL",
    "plexus eval logits: the likeliest next tokens\n"
    "\n"
    "usage: plexus eval logits [options] MODEL\n"
    "\n"
    "Evaluates the prompt and prints the logits of the likeliest next tokens, largest\n"
    "first, with the nine digits that make an f32 exact.\n"
    "\n"
    "options:\n"
    "  -p, --prompt TEXT       The prompt.\n"
    "  -f, --file FILE         Read the text from FILE; - is standard input.\n"
    "      --top K             Show the K likeliest tokens. [10]\n"
    "      --no-bos            Do not put the model's beginning-of-text token first.\n"
    "  -t, --threads T         Threads to compute with; 0 takes every processor this\n"
    "                          process may use. [0]\n"
    "      --kv-type f16|f32|i8\n"
    "                          Number type of the KV cache. [f16]\n"
    "      --cpu MASK          Instruction sets to use: auto, scalar, avx2, clmul,\n"
    "                          vclmul, avx512, avx512vnni, neon, pmull, dotprod;\n"
    "                          bf16, never automatic, multiplies F16 and BF16 weights\n"
    "                          faster and less exactly. [auto]\n"
    "      --json              Print one JSON document on standard output.\n"
    "      --color auto|always|never\n"
    "                          When to colour; auto honours NO_COLOR, CLICOLOR_FORCE\n"
    "                          and TERM=dumb. [auto]\n"
    "  -q, --quiet             No progress and no notes on standard error.\n"
    "  -h, --help              Show the help of the verb and exit.\n"
    "\n"
    "fields of --json (schema plexus.eval/1):\n"
    "  prompt_tokens  token ids of the prompt\n"
    "  top            id, logit, text of the likeliest tokens\n"
    "\n"
    "examples:\n"
    "  plexus eval logits tiny --prompt \"Once upon a\" --top 3\n"
    "      What comes next?\n",
    opts_eval_logits, sizeof opts_eval_logits / sizeof *opts_eval_logits, 1, 1, verb_eval_logits},
    {"digest", "fingerprint of what a model computes", "plexus digest [options] MODEL",
    "plexus digest: fingerprint of what a model computes\n"
    "\n"
    "usage: plexus digest [options] MODEL\n"
    "\n"
    "Evaluates a fixed sequence of tokens and hashes all logits. The digest is the\n"
    "same for every instruction set, number of threads and way of batching; where it\n"
    "is not, something is broken.\n"
    "\n"
    "options:\n"
    "  -t, --threads T         Threads to compute with; 0 takes every processor this\n"
    "                          process may use. [0]\n"
    "      --cpu MASK          Instruction sets to use: auto, scalar, avx2, clmul,\n"
    "                          vclmul, avx512, avx512vnni, neon, pmull, dotprod;\n"
    "                          bf16, never automatic, multiplies F16 and BF16 weights\n"
    "                          faster and less exactly. [auto]\n"
    "      --chunk N           Evaluate the prompt in chunks of N tokens; 0 evaluates\n"
    "                          it at once. [0]\n"
    "      --beside M          Evaluate M other sequences in the same batches. [0]\n"
    "      --json              Print one JSON document on standard output.\n"
    "      --color auto|always|never\n"
    "                          When to colour; auto honours NO_COLOR, CLICOLOR_FORCE\n"
    "                          and TERM=dumb. [auto]\n"
    "  -q, --quiet             No progress and no notes on standard error.\n"
    "  -h, --help              Show the help of the verb and exit.\n"
    "\n"
    "fields of --json (schema plexus.digest/1):\n"
    "  digest        fingerprint of the logits, 64 hexadecimal digits\n"
    "  cpu           mask of instruction sets asked for\n"
    "  threads       threads asked for\n"
    "  chunk         tokens evaluated at once, 0 = all\n"
    "  beside        other sequences in the batches\n"
    "\n"
    "examples:\n"
    "  plexus digest tiny\n"
    "      All tokens at once, with the best kernels.\n"
    "  PLEXUS_CPU=scalar plexus digest tiny --threads 1 --chunk 3\n"
    "      The slow way gives the same digest.\n",
    opts_digest, sizeof opts_digest / sizeof *opts_digest, 1, 1, verb_digest},
    {"bench infer", "tokens a second, beside other programs", "plexus bench infer [options] [MODEL]",
    "plexus bench infer: tokens a second, beside other programs\n"
    "\n"
    "usage: plexus bench infer [options] [MODEL]\n"
    "\n"
    "Times the prefill of a prompt and the decoding of tokens after it, and in the\n"
    "same minute the read bandwidth of the machine, which is the ceiling of decoding.\n"
    "With --peer PROGRAM, one with the options of llama-bench, both run in turns and\n"
    "a table shows value, peer and ratio. Figures are medians of --repeat runs.\n"
    "\n"
    "Without MODEL it generates model files of a known shape with random weights, one\n"
    "number type after the other: those of --shape, or of a Llama of 1.1 billion\n"
    "parameters, which takes minutes and up to 2.2 GB of disk.\n"
    "\n"
    "options:\n"
    "      --prompt-tokens P   Tokens of the prompt whose prefill is timed. [512]\n"
    "      --gen-tokens G      Tokens to decode. [128]\n"
    "  -t, --threads T         Threads to compute with; 0 takes every processor this\n"
    "                          process may use. [0]\n"
    "      --repeat N          Repeat every measurement N times and take the median.\n"
    "                          [5]\n"
    "      --sequences LIST    Also decode so many sequences together, such as 2,4,8.\n"
    "      --kv-type f16|f32|i8\n"
    "                          Number type of the KV cache. [f16]\n"
    "      --cpu MASK          Instruction sets to use: auto, scalar, avx2, clmul,\n"
    "                          vclmul, avx512, avx512vnni, neon, pmull, dotprod;\n"
    "                          bf16, never automatic, multiplies F16 and BF16 weights\n"
    "                          faster and less exactly. [auto]\n"
    "      --peer PATH         Other program to run in turns with plexus; may be\n"
    "                          repeated.\n"
    "      --shape NAME        Measure generated models of this shape: llama-15m,\n"
    "                          llama-110m, llama-1.1b and more.\n"
    "      --types LIST        Number types of the generated models.\n"
    "                          [q8_0,q4_0,q4_k_m,f16]\n"
    "      --dir DIR           Keep generated models in DIR; a temporary directory\n"
    "                          otherwise.\n"
    "      --json              Print one JSON document on standard output.\n"
    "      --color auto|always|never\n"
    "                          When to colour; auto honours NO_COLOR, CLICOLOR_FORCE\n"
    "                          and TERM=dumb. [auto]\n"
    "  -q, --quiet             No progress and no notes on standard error.\n"
    "  -h, --help              Show the help of the verb and exit.\n"
    "\n"
    "fields of --json (schema plexus.bench/1):\n"
    "  prefill_tps                prompt tokens a second\n"
    "  decode_tps                 decoded tokens a second\n"
    "  read_bandwidth_gbs         streaming read, GB/s, all threads\n"
    "  decode_bandwidth_fraction  weight bytes read a second over the read bandwidth\n"
    "  rss_bytes                  peak resident memory\n"
    "  rows                       name, value, unit, peer, peer_value, ratio\n"
    "  machine                    cpu, isa, processors, memory_bytes, kernel\n"
    "\n"
    "examples:\n"
    "  plexus bench infer tiny --prompt-tokens 64 --gen-tokens 32 --repeat 3\n"
    "      The model inside, a second or two.\n",
    opts_bench_infer, sizeof opts_bench_infer / sizeof *opts_bench_infer, 0, 1, verb_bench_infer},
    {"bench data", "batches of training data, beside Megatron and JSON lines", "plexus bench data [options]",
    "plexus bench data: batches of training data, beside Megatron and JSON lines\n"
    "\n"
    "usage: plexus bench data [options]\n"
    "\n"
    "Makes text, trains a tokenizer on it, and writes the same samples as packets, as\n"
    "stores and as JSON lines. Then it measures in turns how many tokens a second\n"
    "become batches for torch, in random order: those of plexus.data.Loader, with all\n"
    "checksums, as a program gets it; json.loads and sentencepiece; and a memcpy of\n"
    "as many bytes from a mapped file, of rows in random order and of the file as it\n"
    "lies. With --peer DIR Megatron's IndexedDataset reads the same samples with its\n"
    "three index arrays and a DataLoader of torch without workers. Tokens that rows\n"
    "are filled up with never count. JSON lines are converted by one thread, beside\n"
    "json.loads and sentencepiece. The column cpu has the ratios of processor time,\n"
    "which hold on a busy machine too.\n"
    "\n"
    "The part kernels has the CRC and its conversion to tokens (checkkernel), the\n"
    "part store a file of 10^9 samples, most of which are holes: what opening it,\n"
    "going to the middle and memory cost. What needs a Python module or a program\n"
    "that is not there is left out, and said. Figures are medians of --repeat rounds.\n"
    "\n"
    "options:\n"
    "      --parts LIST        Which parts run, some of batches, kernels, store.\n"
    "                          [batches,kernels,store]\n"
    "      --peer DIR          Folder in which Python finds megatron-core, which then\n"
    "                          reads the same samples in turns.\n"
    "      --python PYTHON     Python with torch, numpy and sentencepiece, which runs\n"
    "                          both sides. [/usr/bin/python3]\n"
    "      --samples N         Samples of about 450 tokens; each takes about 10 KB on\n"
    "                          disk while it runs. [50000]\n"
    "      --repeat N          Repeat every measurement N times and take the median.\n"
    "                          [15]\n"
    "      --json              Print one JSON document on standard output.\n"
    "      --color auto|always|never\n"
    "                          When to colour; auto honours NO_COLOR, CLICOLOR_FORCE\n"
    "                          and TERM=dumb. [auto]\n"
    "  -q, --quiet             No progress and no notes on standard error.\n"
    "  -h, --help              Show the help of the verb and exit.\n"
    "\n"
    "fields of --json (schema plexus.bench/1):\n"
    "  rows          name, value, unit, peer, peer_value, ratio, cpu_ratio\n"
    "  marks         name, value, bound, at (least, most), kept\n"
    "  batches       groups (a batch size and dtype: tokens_s, cpu_tokens_s and\n"
    "                samples_s of each side), conversion, view, versions; null: not\n"
    "                measured\n"
    "  store         samples, segments, open_ms, open_cpu_ms, loader_ms, resume_ms,\n"
    "                first_batch_ms, rss_bytes; null: not measured\n"
    "  load          of the machine when it began\n"
    "  repeat        rounds\n"
    "  machine       cpu, isa, processors, memory_bytes, kernel\n"
    "\n"
    "examples:\n"
    "  plexus bench data --samples 1000 --parts batches,store --repeat 3\n"
    "      Small, some ten seconds.\n",
    opts_bench_data, sizeof opts_bench_data / sizeof *opts_bench_data, 0, 0, verb_bench_data},
    {"bench http", "the HTTP API: requests, events, watchers", "plexus bench http [options]",
    "plexus bench http: the HTTP API: requests, events, watchers\n"
    "\n"
    "usage: plexus bench http [options]\n"
    "\n"
    "Starts the API of the model inside and, in turns with it, a bare libuv server\n"
    "that reads nothing and always says the same: no server of HTTP on libuv can be\n"
    "faster. Then it measures how long a chosen token waits until its event is queued\n"
    "for the socket, and how old an event is at the last of 200 clients that watch\n"
    "while one more does not read.\n"
    "\n"
    "options:\n"
    "      --seconds S         Length of a load in seconds. [1]\n"
    "      --repeat N          Repeat every measurement N times and take the median.\n"
    "                          [5]\n"
    "      --json              Print one JSON document on standard output.\n"
    "      --color auto|always|never\n"
    "                          When to colour; auto honours NO_COLOR, CLICOLOR_FORCE\n"
    "                          and TERM=dumb. [auto]\n"
    "  -q, --quiet             No progress and no notes on standard error.\n"
    "  -h, --help              Show the help of the verb and exit.\n"
    "\n"
    "fields of --json (schema plexus.bench/1):\n"
    "  rows          name, value, unit, peer, peer_value, ratio\n"
    "  machine       cpu, isa, processors, memory_bytes, kernel\n"
    "\n"
    "examples:\n"
    "  plexus bench http --repeat 1\n"
    "      A few seconds.\n",
    opts_bench_http, sizeof opts_bench_http / sizeof *opts_bench_http, 0, 0, verb_bench_http},
    {"bench p2p", "the network between two processes, beside other libp2ps", "plexus bench p2p [options]",
    "plexus bench p2p: the network between two processes, beside other libp2ps\n"
    "\n"
    "usage: plexus bench p2p [options]\n"
    "\n"
    "Starts two peers that speak the lines of plexus interop-peer, connects them over\n"
    "loopback and measures, for each transport: bytes a second up and down with the\n"
    "processor time of both sides, the time of a request of 100 bytes, streams and\n"
    "handshakes a second, the first request of a new connection, and the memory of an\n"
    "idle one with as many as --idle of them held.\n"
    "\n"
    "With --peer CMD, such as \"node peer.mjs\", the same is measured with that program\n"
    "on both sides, in turns; --cross adds the pairs that mix. As root it also builds\n"
    "a line of 1 Gbit/s between two network namespaces and shows what share of it one\n"
    "stream reaches and how two streams share it (the part lab). Figures are medians\n"
    "of --repeat rounds.\n"
    "\n"
    "options:\n"
    "      --peer PATH         Other program to run in turns with plexus; may be\n"
    "                          repeated.\n"
    "      --cross             Also measure plexus on one side and each peer on the\n"
    "                          other.\n"
    "      --repeat N          Repeat every measurement N times and take the median.\n"
    "                          [5]\n"
    "      --bytes N           Bytes of a transfer. [200000000]\n"
    "      --idle N            Idle connections to hold. [10000]\n"
    "      --parts LIST        What to measure: transports noise, tls, quic; speed,\n"
    "                          idle, lab. [noise,tls,quic,speed,idle,lab]\n"
    "      --json              Print one JSON document on standard output.\n"
    "      --color auto|always|never\n"
    "                          When to colour; auto honours NO_COLOR, CLICOLOR_FORCE\n"
    "                          and TERM=dumb. [auto]\n"
    "  -q, --quiet             No progress and no notes on standard error.\n"
    "  -h, --help              Show the help of the verb and exit.\n"
    "\n"
    "fields of --json (schema plexus.bench/1):\n"
    "  rows          name, value, unit, peer, peer_value, ratio\n"
    "  bytes         of a transfer\n"
    "  repeat        rounds\n"
    "  machine       cpu, isa, processors, memory_bytes, kernel\n"
    "\n"
    "examples:\n"
    "  plexus bench p2p --bytes 1000000 --repeat 1 --parts noise,quic,speed\n"
    "      Plexus alone, a few seconds.\n",
    opts_bench_p2p, sizeof opts_bench_p2p / sizeof *opts_bench_p2p, 0, 0, verb_bench_p2p},
    {"bench pipeline", "one model over several nodes, beside one process", "plexus bench pipeline [options]",
    "plexus bench pipeline: one model over several nodes, beside one process\n"
    "\n"
    "usage: plexus bench pipeline [options]\n"
    "\n"
    "Starts nodes in network namespaces with a line of their own between every two of\n"
    "them, each on --threads processors, and has them compute one model together. The\n"
    "parts: line, two stages over 1 Gbit/s beside one process (and, as the ceiling,\n"
    "two processes that each compute all of it); start, nodes that have their shards\n"
    "already; hop, what a hop adds on this machine; delay, three stages over lines\n"
    "that delay; faults, a stage that is killed or frozen in the midst of an answer;\n"
    "store, shards from store to store beside one stream.\n"
    "\n"
    "With --peer DIR the same model runs over llama.cpp's RPC in turns, with two\n"
    "workers on the same lines. Namespaces need root; without it everything runs over\n"
    "loopback, unshaped, and the delay is left out. Figures are medians of --repeat\n"
    "rounds.\n"
    "\n"
    "options:\n"
    "      --model FILE        The model to cut into stages. [tiny]\n"
    "      --parts LIST        What to measure: line, start, hop, delay, faults,\n"
    "                          store. [line,start,hop,delay,faults,store]\n"
    "      --prompt-tokens P   Tokens of the prompt whose prefill is timed. [128]\n"
    "      --gen-tokens G      Tokens to decode. [64]\n"
    "  -t, --threads T         Threads to compute with; 0 takes every processor this\n"
    "                          process may use. [1]\n"
    "      --repeat N          Repeat every measurement N times and take the median.\n"
    "                          [3]\n"
    "      --delay-ms MS       What the lines of the part delay add, each way. [25]\n"
    "      --peer DIR          Folder with llama.cpp's rpc-server and llama-bench, to\n"
    "                          run in turns over the same lines.\n"
    "      --json              Print one JSON document on standard output.\n"
    "      --color auto|always|never\n"
    "                          When to colour; auto honours NO_COLOR, CLICOLOR_FORCE\n"
    "                          and TERM=dumb. [auto]\n"
    "  -q, --quiet             No progress and no notes on standard error.\n"
    "  -h, --help              Show the help of the verb and exit.\n"
    "\n"
    "fields of --json (schema plexus.bench/1):\n"
    "  rows           name, value, unit, peer, peer_value, ratio\n"
    "  model          the file, or tiny\n"
    "  prompt_tokens  of the prefill\n"
    "  gen_tokens     of a decode\n"
    "  threads        of each node\n"
    "  shaped         lines of 1 Gbit/s, not loopback\n"
    "  repeat         rounds\n"
    "  machine        cpu, isa, processors, memory_bytes, kernel\n"
    "\n"
    "examples:\n"
    "  plexus bench pipeline --parts line,start --repeat 1\n"
    "      The model inside, some seconds.\n",
    opts_bench_pipeline, sizeof opts_bench_pipeline / sizeof *opts_bench_pipeline, 0, 0, verb_bench_pipeline},
    {"bench allreduce", "workers that sum gradients, beside gloo and OpenMPI", "plexus bench allreduce [options]",
    "plexus bench allreduce: workers that sum gradients, beside gloo and OpenMPI\n"
    "\n"
    "usage: plexus bench allreduce [options]\n"
    "\n"
    "Starts --local workers, each in a network namespace with one line to a bridge,\n"
    "and has them sum arrays: every worker packs its gradients to fixed point,\n"
    "aggregates one shard and takes part in all. Each result is compared with the\n"
    "exact sum and between workers. Rows: bus bandwidth, 2 (n - 1) / n of the bytes\n"
    "of f32 over the time of the slowest worker; processor seconds of all workers for\n"
    "a gigabyte of f32; bytes that one worker sends.\n"
    "\n"
    "With --loss, --dup or --corrupt the same rounds run again while every host\n"
    "loses, doubles or damages datagrams (BPF at its entry): sums must keep their\n"
    "bits. These, and --rate, stand for a network: then --path auto is udp. Else\n"
    "workers of one host find that they share its memory.\n"
    "\n"
    "With --hubs hosts are there that could add for all, on lines of their own\n"
    "(--hub-rate). --topology auto then measures what the lines carry (TCP, a third\n"
    "of a second each) and what a packet costs, and takes what needs less time by the\n"
    "model of docs/internals/reduce.md: sharded, central, or a tree of three hubs or\n"
    "more; the line \"topology\" says why.\n"
    "\n"
    "With --rule an aggregator (without --hubs on the first host) adds for all and\n"
    "judges by this rule (plexus bench byzantine says what each survives); mean is\n"
    "the plain sum. Results are then compared between workers only.\n"
    "\n"
    "With --peer PYTHON torch's gloo and OpenMPI (by mpi4py and mpirun) sum the same\n"
    "sizes on the same lines, one operation of each in turns, as far as this Python\n"
    "has them. Namespaces need root; without it everything runs over loopback,\n"
    "unshaped. Figures are medians of --repeat rounds.\n"
    "\n"
    "options:\n"
    "      --local N           Workers, each in a network namespace. [2]\n"
    "      --size BYTES        Sizes of the arrays, in bytes of f32.\n"
    "                          [1000000,25000000,100000000]\n"
    "      --format i16|i8|i4  Fixed point on the wire. [i16]\n"
    "      --values N          Values of a packet, a multiple of 16. [688]\n"
    "      --path auto|udp|shm|xsk|verbs\n"
    "                          How datagrams travel: what a short probe finds\n"
    "                          cheapest, or this, and UDP to whom it does not reach.\n"
    "                          [auto]\n"
    "      --rate MBIT         Shape every line to so many Mbit/s each way; 0: not at\n"
    "                          all. [0]\n"
    "      --repeat N          Repeat every measurement N times and take the median.\n"
    "                          [7]\n"
    "      --peer PYTHON       Python with torch (gloo) or mpi4py (OpenMPI), which\n"
    "                          sum the same sizes in turns.\n"
    "      --loss PCT          Lose so many per cent of the datagrams, drawn from\n"
    "                          --seed. [0]\n"
    "      --dup PCT           Double so many. [0]\n"
    "      --corrupt PCT       Flip one bit in so many. [0]\n"
    "      --seed S            Seed: the same one gives the same words, or the same\n"
    "                          digest. Random when not given. [1]\n"
    "      --rule NAME         Add by one aggregator and this rule: mean, clip1,\n"
    "                          welford, median, trim, krum, multi-krum, cclip,\n"
    "                          geomed, sign, nnm+trim.\n"
    "      --topology auto|sharded|central|tree\n"
    "                          Who adds: every worker a part, one aggregator, or\n"
    "                          leaves and one above; auto: what the lines' measured\n"
    "                          rates say. [auto]\n"
    "      --hubs N            Hosts beside the workers' that could add; 0: none, and\n"
    "                          aggregators that are asked for are on workers' hosts.\n"
    "                          [0]\n"
    "      --hub-rate MBIT     Shape the lines of --hubs to this; 0: as --rate. [0]\n"
    "      --json              Print one JSON document on standard output.\n"
    "      --color auto|always|never\n"
    "                          When to colour; auto honours NO_COLOR, CLICOLOR_FORCE\n"
    "                          and TERM=dumb. [auto]\n"
    "  -q, --quiet             No progress and no notes on standard error.\n"
    "  -h, --help              Show the help of the verb and exit.\n"
    "\n"
    "fields of --json (schema plexus.bench/1):\n"
    "  rows          name, value, unit, peer, peer_value, ratio\n"
    "  workers       how many\n"
    "  mbit          what the lines are shaped to; 0: nothing\n"
    "  repeat        rounds\n"
    "  mismatches    results that are wrong, or differ between workers\n"
    "  topology      chosen, why, leaves (of a tree), workers_rate and hubs_rate\n"
    "                (bytes/s, measured), sharded_s, central_s, tree_s (for a GB, by\n"
    "                the model)\n"
    "  path          chosen, why, changes (times that one was replaced), figures of\n"
    "                worker 0: cpu_ns (of both ends) and ns a packet, by path\n"
    "  digest        of the results of the last round; the same on every path\n"
    "  counts        of a round, all workers together: packets (sent), syscalls,\n"
    "                wakeups, wakes (of others), copied (bytes, beyond packing and\n"
    "                unpacking)\n"
    "  machine       cpu, isa, processors, memory_bytes, kernel\n"
    "\n"
    "examples:\n"
    "  plexus bench allreduce --size 1000000 --repeat 3\n"
    "      Two workers, a second.\n",
    opts_bench_allreduce, sizeof opts_bench_allreduce / sizeof *opts_bench_allreduce, 0, 0, verb_bench_allreduce},
    {"bench ddp", "torch training on several ranks, beside gloo", "plexus bench ddp [options]",
    "plexus bench ddp: torch training on several ranks, beside gloo\n"
    "\n"
    "usage: plexus bench ddp [options]\n"
    "\n"
    "torchrun starts --local ranks, which train a small transformer (4.8 million\n"
    "parameters) three times from the same beginning with the same rows: gradients of\n"
    "DistributedDataParallel summed by gloo, and by the hook of the Python package\n"
    "(plexus.torch.attach) with 16 and with 8 bits. A step of each in turns, so that\n"
    "all see the same machine. Rows: the time of a step (median, of the slowest\n"
    "rank), the mean loss of the last 20 steps, and with --rate what one host sends\n"
    "in a step, as its interface counts it.\n"
    "\n"
    "With --rate each rank has a network namespace with one line to a bridge, shaped\n"
    "to so much each way, which needs root; --path auto is udp then. Without, all are\n"
    "processes of this machine. Marks: a step takes no longer than gloo's, 0.6 of it\n"
    "on shaped lines; the loss is within 1 %; bytes are 55 % with 16 bits, 30 % with\n"
    "8.\n"
    "\n"
    "options:\n"
    "      --local N           Workers, each in a network namespace. [2]\n"
    "      --rate MBIT         Shape every line to so many Mbit/s each way; 0: not at\n"
    "                          all. [0]\n"
    "      --steps N           Steps of the training. [200]\n"
    "      --path auto|udp|shm|xsk|verbs\n"
    "                          How datagrams travel: what a short probe finds\n"
    "                          cheapest, or this, and UDP to whom it does not reach.\n"
    "                          [auto]\n"
    "      --python PYTHON     Python with torch. [/usr/bin/python3]\n"
    "      --json              Print one JSON document on standard output.\n"
    "      --color auto|always|never\n"
    "                          When to colour; auto honours NO_COLOR, CLICOLOR_FORCE\n"
    "                          and TERM=dumb. [auto]\n"
    "  -q, --quiet             No progress and no notes on standard error.\n"
    "  -h, --help              Show the help of the verb and exit.\n"
    "\n"
    "fields of --json (schema plexus.bench/1):\n"
    "  rows          name, value, unit, peer, peer_value, ratio\n"
    "  marks         name, value, bound, pass\n"
    "  workers       ranks\n"
    "  mbit          what the lines are shaped to; 0: nothing\n"
    "  steps         of each training\n"
    "  mismatches    ways whose ranks do not have the same parameters at the end\n"
    "  ways          of gloo, plexus 16 bits and plexus 8 bits: loss, first_loss,\n"
    "                step_s, sent, same, bytes, copied, path, why\n"
    "  parameters    of the model\n"
    "  torch         its version\n"
    "  load          of the machine when it began\n"
    "  machine       cpu, isa, processors, memory_bytes, kernel\n"
    "\n"
    "examples:\n"
    "  plexus bench ddp --steps 3\n"
    "      Two ranks, half a minute; needs python3-torch.\n",
    opts_bench_ddp, sizeof opts_bench_ddp / sizeof *opts_bench_ddp, 0, 0, verb_bench_ddp},
    {"bench agg", "what a packet costs an aggregator, way by way", "plexus bench agg [options]",
    "plexus bench agg: what a packet costs an aggregator, way by way\n"
    "\n"
    "usage: plexus bench agg [options]\n"
    "\n"
    "Sends gradient packets to a device of a network namespace of its own and\n"
    "measures, in turns, the processor time that each way of taking and adding them\n"
    "costs: the kernel's program (XDP), beside a program that only drops (XDP_DROP),\n"
    "recvmmsg, AF_XDP in copy mode and UDP with GRO, all of which add in user space\n"
    "with the best kernels of this processor, answer nobody and keep no state. With\n"
    "and without the keyed tag. Kernel is the thread that takes the packets of the\n"
    "device (schedstat), process is this one.\n"
    "\n"
    "Live frames come from no socket, as from a network card (BPF_PROG_TEST_RUN);\n"
    "sender, kernel and process take turns on one processor, so packets lie in its\n"
    "caches. From a socket they come in trains of 32 (GSO). In mode switch the kernel\n"
    "answers all and user space sleeps; in mode server it hands 32 sums or more over\n"
    "together, when workers are out of step, and those sums are compared. Needs\n"
    "CAP_BPF, CAP_PERFMON, CAP_NET_ADMIN and CAP_SYS_ADMIN. Figures are medians of\n"
    "--repeat rounds.\n"
    "\n"
    "options:\n"
    "      --values LIST       Values of a packet: up to four multiples of 16.\n"
    "                          [256,688]\n"
    "      --packets N         Packets of a run. [40000]\n"
    "      --repeat N          Repeat every measurement N times and take the median.\n"
    "                          [7]\n"
    "      --json              Print one JSON document on standard output.\n"
    "      --color auto|always|never\n"
    "                          When to colour; auto honours NO_COLOR, CLICOLOR_FORCE\n"
    "                          and TERM=dumb. [auto]\n"
    "  -q, --quiet             No progress and no notes on standard error.\n"
    "  -h, --help              Show the help of the verb and exit.\n"
    "\n"
    "fields of --json (schema plexus.bench/1):\n"
    "  rows           name, values, fan_in, tag, source, rung, kernel_ns, process_ns,\n"
    "                 ns, sender_ns, wakeups (for 1,000 packets)\n"
    "  marks          name, value, bound, pass\n"
    "  saved_percent  bytes against f32 without aggregation: worker_link_16,\n"
    "                 worker_link_8, aggregator_uplink_32\n"
    "  wrong          sums that differ from those of user space\n"
    "  repeat         rounds\n"
    "  machine        cpu, isa, processors, memory_bytes, kernel\n"
    "\n"
    "examples:\n"
    "  plexus bench agg --values 256 --packets 10000 --repeat 1\n"
    "      A few seconds, as root.\n",
    opts_bench_agg, sizeof opts_bench_agg / sizeof *opts_bench_agg, 0, 0, verb_bench_agg},
    {"bench byzantine", "training with workers that poison: attacks x rules", "plexus bench byzantine [options]",
    "plexus bench byzantine: training with workers that poison: attacks x rules\n"
    "\n"
    "usage: plexus bench byzantine [options]\n"
    "\n"
    "Workers train a small network to tell drawn digits apart; some of them send\n"
    "poison instead of gradients. Every rule of the Sentry and every rule for whole\n"
    "vectors meets every attack, and the table says which accuracy is left. The\n"
    "kernel's rules add packets through the same slots as the aggregator, with 16\n"
    "bits and error feedback; where the kernel takes BPF programs, clip1 and welford\n"
    "add once more in the one of plexus agg, attached nowhere, and the same models\n"
    "must come of it. In skewed data each worker has pictures of few digits: the hard\n"
    "case.\n"
    "\n"
    "Beside the tables stands what is promised: clip1 and nnm+trim with a fifth of\n"
    "the workers against the rest, nnm+trim with two fifths, a trusted root set with\n"
    "skewed data. The exit code is 1 when a line fails. What fails by design is shown\n"
    "too: the mean, and 3.5 deviations (welford).\n"
    "\n"
    "options:\n"
    "      --n N               Workers that train. [20]\n"
    "      --f LIST            How many of them poison: a table for 20 % of the\n"
    "                          workers, a line for each of the others. [0,2,4,8]\n"
    "      --seeds N           Data sets and beginnings over which the figures that\n"
    "                          are judged are means. [5]\n"
    "      --rounds N          Steps of a training; with fewer than 400 nothing is\n"
    "                          judged. [400]\n"
    "  -t, --threads T         Threads to compute with; 0 takes every processor this\n"
    "                          process may use. [0]\n"
    "      --json              Print one JSON document on standard output.\n"
    "      --color auto|always|never\n"
    "                          When to colour; auto honours NO_COLOR, CLICOLOR_FORCE\n"
    "                          and TERM=dumb. [auto]\n"
    "  -q, --quiet             No progress and no notes on standard error.\n"
    "  -h, --help              Show the help of the verb and exit.\n"
    "\n"
    "fields of --json (schema plexus.bench/1):\n"
    "  rows          rule, attack, f, data, values, path (kernel or user), seeds,\n"
    "                accuracy, worst\n"
    "  marks         name, attack, value, bound, pass\n"
    "  judged        whether the marks count: 400 rounds or more\n"
    "  workers       how many train\n"
    "  rounds        of a training\n"
    "  machine       cpu, isa, processors, memory_bytes, kernel\n"
    "\n"
    "examples:\n"
    "  plexus bench byzantine --n 10 --f 0,2 --seeds 1 --rounds 20\n"
    "      How it looks, in some seconds.\n",
    opts_bench_byzantine, sizeof opts_bench_byzantine / sizeof *opts_bench_byzantine, 0, 0, verb_bench_byzantine},
    {"bench crc-drop", "does dropping packets help? arms and judgement", "plexus bench crc-drop [options] [FILE]",
    "plexus bench crc-drop: does dropping packets help? arms and judgement\n"
    "\n"
    "usage: plexus bench crc-drop [options] [FILE]\n"
    "\n"
    "With FILE, a store or packets of whole documents, writes the arms of the\n"
    "experiment into --dir for a trainer: nothing dropped, samples dropped at random\n"
    "and refilled, a fixed part removed, bits flipped with checks on and off, dropped\n"
    "and not refilled, dropout as a known regulariser, and short rows with their\n"
    "padding masked and counted; below one epoch, 4 and 16 epochs; 2, 5, 10 and 20 %;\n"
    "--seeds pairs. Every tenth document is held out. The labels of every step are\n"
    "counted by running the loaders: all arms that refill have as many, or the exit\n"
    "code is 1.\n"
    "\n"
    "With --results prints a table of held-out losses: the mean difference to the\n"
    "control of the same seed, its 95 % interval by Student's t, and the verdict by\n"
    "the rule that was fixed before: confirmed when the interval excludes 0 and the\n"
    "loss is lower by more than 0.5 %, refuted within 0.5 % when the interval lies\n"
    "inside that, else inconclusive. bench/crc_drop.py trains small models by\n"
    "PyTorch.\n"
    "\n"
    "options:\n"
    "      --dir DIR           Where the arms go: stores and arms.json.\n"
    "      --results RUNS      Judge these: a JSON object a line, {regime, arm, p,\n"
    "                          seed, heldout_loss}.\n"
    "      --steps N           Steps of a training. [240]\n"
    "      --batch N           Rows of a step. [16]\n"
    "      --row-tokens N      Labels of a row, an even number. [128]\n"
    "      --seeds N           Trainings of each arm; those of one seed share first\n"
    "                          weights and order. [10]\n"
    "      --json              Print one JSON document on standard output.\n"
    "      --color auto|always|never\n"
    "                          When to colour; auto honours NO_COLOR, CLICOLOR_FORCE\n"
    "                          and TERM=dumb. [auto]\n"
    "  -q, --quiet             No progress and no notes on standard error.\n"
    "  -h, --help              Show the help of the verb and exit.\n"
    "\n"
    "fields of --json (schema plexus.bench/1):\n"
    "  runs           written to arms.json, or read\n"
    "  labels_a_step  in every arm that refills; null with --results\n"
    "  heldout_rows   of the held-out store, or null\n"
    "  vocab          tokens are below it, or null\n"
    "  rows           of --results, else null: regime, arm, p, pairs, loss, control,\n"
    "                 difference, interval, percent, low, high, verdict, samples_s,\n"
    "                 tokens_s\n"
    "  bound_percent  of the rule\n"
    "\n"
    "examples:\n"
    "  plexus bench crc-drop CORPUS.ndp3 --dir arms\n"
    "      680 runs, of 240 steps each.\n"
    "  plexus bench crc-drop --results RUNS\n"
    "      The table of results that a trainer wrote.\n",
    opts_bench_crc_drop, sizeof opts_bench_crc_drop / sizeof *opts_bench_crc_drop, 0, 1, verb_bench_crc_drop},
    {"sim dht", "a Kademlia swarm of thousands of peers in virtual time", "plexus sim dht [options]",
    "plexus sim dht: a Kademlia swarm of thousands of peers in virtual time\n"
    "\n"
    "usage: plexus sim dht [options]\n"
    "\n"
    "Thousands of peers join a swarm inside one process, each running the code of\n"
    "production above the connections: hosts, negotiation, identify, Kademlia. Time\n"
    "is virtual: round trips of 40 to 600 ms, lost flights, addresses that refuse or\n"
    "stay silent. Values and provider records are stored, a share of the peers dies,\n"
    "then the rest looks for peers, values and providers. Printed: successes, hops\n"
    "beside the logarithm of the number of peers, requests, times, memory, and a\n"
    "digest of everything that happened.\n"
    "\n"
    "With --sybils swarms of 400 honest peers are attacked, at random places and just\n"
    "around what is looked for, from few networks and from many, with the defences\n"
    "off and on: disjoint paths and limits for peers of one network. In an eclipse\n"
    "all attackers call on a few peers that have just begun, and it is these that\n"
    "look.\n"
    "\n"
    "The exit code is 1 when less than 0.99 of the operations succeed, or 0.95 with\n"
    "--churn, or 0.95 under attack with the defences on. More than 0.2 attackers\n"
    "around the keys from many networks are measured, not judged.\n"
    "\n"
    "options:\n"
    "      --nodes N           Simulated peers. [1000]\n"
    "      --churn F           Share of the peers that die after they joined: so much\n"
    "                          of every table is then dead. [0]\n"
    "      --lookups N         Operations of each kind. [300]\n"
    "      --seed S            Seed: the same one gives the same words, or the same\n"
    "                          digest. Random when not given. [1]\n"
    "      --sybils F          Also play attacks with F attackers for each honest\n"
    "                          peer, such as 0.2; may be repeated.\n"
    "      --json              Print one JSON document on standard output.\n"
    "      --color auto|always|never\n"
    "                          When to colour; auto honours NO_COLOR, CLICOLOR_FORCE\n"
    "                          and TERM=dumb. [auto]\n"
    "  -q, --quiet             No progress and no notes on standard error.\n"
    "  -h, --help              Show the help of the verb and exit.\n"
    "\n"
    "fields of --json (schema plexus.sim/1):\n"
    "  digest        32 digits over everything that happened; the same for the same\n"
    "                seed and options\n"
    "  ok            whether every target was met\n"
    "  figures       name: value; the units are in units\n"
    "  units         name: unit\n"
    "  attacks       placement, networks, defence, share, get, find, messages\n"
    "  failures      sentences\n"
    "\n"
    "examples:\n"
    "  plexus sim dht --nodes 200 --lookups 50 --churn 0.3\n"
    "      Two hundred peers, of which sixty die.\n"
    "  plexus sim dht --nodes 64 --lookups 20 --sybils 0.2 --json\n"
    "      Also the table of attacks.\n",
    opts_sim_dht, sizeof opts_sim_dht / sizeof *opts_sim_dht, 0, 0, verb_sim_dht},
    {"demo", "the life of a model, in acts", "plexus demo [options]",
    "plexus demo: the life of a model, in acts\n"
    "\n"
    "usage: plexus demo [options]\n"
    "\n"
    "Needs nothing but the program: looks into the model inside, turns words into\n"
    "tokens and tokens into packets, of which one is damaged and caught, writes short\n"
    "stories, shows that every instruction set computes the same bits, lets two peers\n"
    "on this machine find each other, has three processes share the model, kills one\n"
    "of them in the midst of a sentence that goes on all the same, trains a network\n"
    "with four workers of whom one sends poison, under the plain mean and under the\n"
    "rule against it, and says where to go next.\n"
    "\n"
    "options:\n"
    "      --stories N         Number of stories to write. [3]\n"
    "      --temp T            Sampling temperature; 0 always takes the likeliest\n"
    "                          token. [0.6]\n"
    "      --seed S            Seed: the same one gives the same words, or the same\n"
    "                          digest. Random when not given. [1]\n"
    "  -t, --threads T         Threads to compute with; 0 takes every processor this\n"
    "                          process may use. [0]\n"
    "      --json-lines        Print one JSON document a line, as things happen.\n"
    "      --json              Print one JSON document on standard output.\n"
    "      --color auto|always|never\n"
    "                          When to colour; auto honours NO_COLOR, CLICOLOR_FORCE\n"
    "                          and TERM=dumb. [auto]\n"
    "  -q, --quiet             No progress and no notes on standard error.\n"
    "  -h, --help              Show the help of the verb and exit.\n"
    "\n"
    "fields of --json (schema plexus.demo/1):\n"
    "  acts          name, seconds, and the figures of each act\n"
    "  ok            true when every act did what it should\n"
    "\n"
    "examples:\n"
    "  plexus demo\n"
    "      A few seconds.\n",
    opts_demo, sizeof opts_demo / sizeof *opts_demo, 0, 0, verb_demo},
    {"doctor", "what this machine offers, and the fallbacks taken", "plexus doctor [options]",
    "plexus doctor: what this machine offers, and the fallbacks taken\n"
    "\n"
    "usage: plexus doctor [options]\n"
    "\n"
    "Looks at processor, memory, huge pages, kernel, rights, GPU and the rest, a line\n"
    "each, and tells which path plexus takes where something is missing. A missing\n"
    "thing is no failure: the exit code is 0 unless plexus cannot work here at all.\n"
    "Network namespaces of benchmarks that were killed are removed.\n"
    "\n"
    "options:\n"
    "      --json              Print one JSON document on standard output.\n"
    "      --color auto|always|never\n"
    "                          When to colour; auto honours NO_COLOR, CLICOLOR_FORCE\n"
    "                          and TERM=dumb. [auto]\n"
    "  -q, --quiet             No progress and no notes on standard error.\n"
    "  -h, --help              Show the help of the verb and exit.\n"
    "\n"
    "fields of --json (schema plexus.doctor/1):\n"
    "  checks        name, state (ok, note, warn, fail), found, effect\n"
    "  ok            true when nothing failed\n"
    "\n"
    "examples:\n"
    "  plexus doctor\n"
    "      One line a check.\n",
    opts_doctor, sizeof opts_doctor / sizeof *opts_doctor, 0, 0, verb_doctor},
    {"kernels", "numeric kernels and why each was chosen", "plexus kernels [options]",
    "plexus kernels: numeric kernels and why each was chosen\n"
    "\n"
    "usage: plexus kernels [options]\n"
    "\n"
    "Lists every numeric kernel with the instruction set whose version runs. All\n"
    "versions give the same bits, so that the choice is only one of speed: the best\n"
    "set that the processor has and --cpu (or PLEXUS_CPU) allows.\n"
    "\n"
    "options:\n"
    "      --cpu MASK          Instruction sets to use: auto, scalar, avx2, clmul,\n"
    "                          vclmul, avx512, avx512vnni, neon, pmull, dotprod;\n"
    "                          bf16, never automatic, multiplies F16 and BF16 weights\n"
    "                          faster and less exactly. [auto]\n"
    "      --json              Print one JSON document on standard output.\n"
    "      --color auto|always|never\n"
    "                          When to colour; auto honours NO_COLOR, CLICOLOR_FORCE\n"
    "                          and TERM=dumb. [auto]\n"
    "  -q, --quiet             No progress and no notes on standard error.\n"
    "  -h, --help              Show the help of the verb and exit.\n"
    "\n"
    "fields of --json (schema plexus.kernels/1):\n"
    "  cpu           instruction sets of this processor\n"
    "  mask          what --cpu asked for\n"
    "  chosen        kernel, isa\n"
    "\n"
    "examples:\n"
    "  plexus kernels\n"
    "      What runs here.\n"
    "  plexus kernels --cpu scalar --json\n"
    "      What would run without vector instructions.\n",
    opts_kernels, sizeof opts_kernels / sizeof *opts_kernels, 0, 0, verb_kernels},
    {"limits", "every limit and what it stops", "plexus limits [options] [NAME]",
    "plexus limits: every limit and what it stops\n"
    "\n"
    "usage: plexus limits [options] [NAME]\n"
    "\n"
    "Every table, queue and message of plexus has a limit; this is the list. NAME\n"
    "shows those whose name begins with it.\n"
    "\n"
    "options:\n"
    "      --json              Print one JSON document on standard output.\n"
    "      --color auto|always|never\n"
    "                          When to colour; auto honours NO_COLOR, CLICOLOR_FORCE\n"
    "                          and TERM=dumb. [auto]\n"
    "  -q, --quiet             No progress and no notes on standard error.\n"
    "  -h, --help              Show the help of the verb and exit.\n"
    "\n"
    "fields of --json (schema plexus.limits/1):\n"
    "  limits        name, value, unit, stops\n"
    "\n"
    "examples:\n"
    "  plexus limits gguf\n"
    "      Limits of model files.\n",
    opts_limits, sizeof opts_limits / sizeof *opts_limits, 0, 1, verb_limits},
    {"explain", "what an error code means and what to do", "plexus explain [options] [CODE]",
    "plexus explain: what an error code means and what to do\n"
    "\n"
    "usage: plexus explain [options] [CODE]\n"
    "\n"
    "CODE is the code at the end of an error line (PX-FMT-020), its number or its\n"
    "name (PX_ERR_TRUNCATED). Without CODE all errors are listed.\n"
    "\n"
    "options:\n"
    "      --json              Print one JSON document on standard output.\n"
    "      --color auto|always|never\n"
    "                          When to colour; auto honours NO_COLOR, CLICOLOR_FORCE\n"
    "                          and TERM=dumb. [auto]\n"
    "  -q, --quiet             No progress and no notes on standard error.\n"
    "  -h, --help              Show the help of the verb and exit.\n"
    "\n"
    "fields of --json (schema plexus.explain/1):\n"
    "  errors        name, code, number, exit, retryable, text, hint\n"
    "\n"
    "examples:\n"
    "  plexus explain PX-FMT-020\n"
    "      One error.\n"
    "  plexus explain\n"
    "      All of them.\n",
    opts_explain, sizeof opts_explain / sizeof *opts_explain, 0, 1, verb_explain},
    {"config list", "settings in effect", "plexus config list [options] [VERB]",
    "plexus config list: settings in effect\n"
    "\n"
    "usage: plexus config list [options] [VERB]\n"
    "\n"
    "Values come, weakest first, from the default, the system file, the user file,\n"
    "the environment and the command line. A file holds lines \"option = value\"; those\n"
    "under a heading such as [run] count for that verb only.\n"
    "\n"
    "options:\n"
    "      --origin            Show where each value comes from: default, system\n"
    "                          file, user file, environment.\n"
    "      --json              Print one JSON document on standard output.\n"
    "      --color auto|always|never\n"
    "                          When to colour; auto honours NO_COLOR, CLICOLOR_FORCE\n"
    "                          and TERM=dumb. [auto]\n"
    "  -q, --quiet             No progress and no notes on standard error.\n"
    "  -h, --help              Show the help of the verb and exit.\n"
    "\n"
    "fields of --json (schema plexus.config/1):\n"
    "  settings      key, value, origin, where\n"
    "  files         path, layer, present\n"
    "\n"
    "examples:\n"
    "  plexus config list run --origin\n"
    "      Settings of one verb and where they come from.\n",
    opts_config_list, sizeof opts_config_list / sizeof *opts_config_list, 0, 2, verb_config_list},
    {"config get", "the value of one setting", "plexus config get [options] KEY",
    "plexus config get: the value of one setting\n"
    "\n"
    "usage: plexus config get [options] KEY\n"
    "\n"
    "KEY is a verb and an option: run.temp, or eval.perplexity.ctx.\n"
    "\n"
    "options:\n"
    "      --origin            Show where each value comes from: default, system\n"
    "                          file, user file, environment.\n"
    "      --json              Print one JSON document on standard output.\n"
    "      --color auto|always|never\n"
    "                          When to colour; auto honours NO_COLOR, CLICOLOR_FORCE\n"
    "                          and TERM=dumb. [auto]\n"
    "  -q, --quiet             No progress and no notes on standard error.\n"
    "  -h, --help              Show the help of the verb and exit.\n"
    "\n"
    "fields of --json (schema plexus.config/1):\n"
    "  key           the setting\n"
    "  value         its value; null when it has none\n"
    "  origin        default, system, user or environment\n"
    "  where         file and line, or name of the environment variable\n"
    "\n"
    "examples:\n"
    "  plexus config get run.temp --origin\n"
    "      A value and its origin.\n",
    opts_config_get, sizeof opts_config_get / sizeof *opts_config_get, 1, 1, verb_config_get},
    {"up", "run a node in the foreground", "plexus up [options]",
    "plexus up: run a node in the foreground\n"
    "\n"
    "usage: plexus up [options]\n"
    "\n"
    "A node of the swarm: it listens on loopback and on the local network (TCP and\n"
    "QUIC) unless --listen or --public says otherwise, finds peers there by mDNS,\n"
    "pings each of them every second and ranks them, and answers the other verbs over\n"
    "a socket in its home that only you can open. The identity is kept in the home\n"
    "too. PLEXUS_HOME moves every file and socket, so that several nodes live on one\n"
    "machine.\n"
    "\n"
    "A home that joined a private swarm (plexus join), or made one with --private,\n"
    "stays in it: its key lies in swarm.key, the addresses that are dialled first in\n"
    "swarm.peers.\n"
    "\n"
    "It serves an HTTP API for programs at --api: OpenAI's and ollama's routes,\n"
    "answered by --model (by the peers together with --swarm), and health, metrics\n"
    "and events. When the default port is taken it takes another and says so. The API\n"
    "is for this machine only unless --api names another address; clients must then\n"
    "send the token that lies in api.token in the home.\n"
    "\n"
    "Under systemd it takes sockets that were opened for it and tells when it is\n"
    "ready (Type=notify). The end is Ctrl-C or SIGTERM.\n"
    "\n"
    "options:\n"
    "      --listen MULTIADDR  Listen there; may be repeated. Port 0 picks one.\n"
    "      --announce MULTIADDR\n"
    "                          Tell peers this address instead of those listened at;\n"
    "                          may be repeated.\n"
    "      --port N            Port to listen at on this machine and the local\n"
    "                          network; 0 picks one. [0]\n"
    "      --public            Listen on every address of this machine, not only\n"
    "                          loopback and the local network.\n"
    "      --key FILE          Identity: a libp2p PrivateKey file with mode 0600;\n"
    "                          made when missing.\n"
    "      --security LIST     Secure channels over TCP to offer, in order: tls,\n"
    "                          noise. [tls,noise]\n"
    "      --psk FILE          Pre-shared key of a private swarm\n"
    "                          (/key/swarm/psk/1.0.0/).\n"
    "      --private           Be in a private swarm: when this home is in none, make\n"
    "                          one.\n"
    "      --bootstrap MULTIADDR\n"
    "                          Connect to this peer (with /p2p/ID) and keep\n"
    "                          connected; may be repeated.\n"
    "      --allow PEER        Let only these peer ids connect; may be repeated.\n"
    "                          None: everybody.\n"
    "      --dht off|server|client\n"
    "                          Part in the Kademlia DHT. [server]\n"
    "      --dht-protocol ID   Protocol id of the DHT; an own id makes an own swarm.\n"
    "                          [/plexus/kad/1.0.0]\n"
    "      --relay off|server|client\n"
    "                          Part in circuit relay v2: carry others, or be reached\n"
    "                          through others. [off]\n"
    "      --dcutr             Turn relayed connections into direct ones by hole\n"
    "                          punching.\n"
    "      --autonat           Find out by AutoNAT which addresses others can dial,\n"
    "                          and help others to.\n"
    "      --no-mdns           Do not look for peers on the local network.\n"
    "      --mdns-interval MS  Time between mDNS queries. [10000]\n"
    "      --portmap           Ask the router to forward our port (UPnP, NAT-PMP).\n"
    "      --gossipsub         Take part in gossipsub.\n"
    "      --slow-ms MS        Peers that answer a heartbeat later than this are\n"
    "                          ranked below the others. [500]\n"
    "      --spin-us US        Look for the next message so long before sleeping,\n"
    "                          when messages come that fast; 0: never. [50]\n"
    "      --store-quota BYTES\n"
    "                          Most bytes of models on the disk; the least recently\n"
    "                          used go first. 0: no limit. [0]\n"
    "      --sha256            Announce SHA-256 keys in the DHT beside those of\n"
    "                          BLAKE3.\n"
    "      --api ADDR:PORT     Where the HTTP API is served; off for nowhere. Others\n"
    "                          than loopback ask for the token. [127.0.0.1:7878]\n"
    "      --api-token FILE    File of the API's bearer token, made when missing;\n"
    "                          given, loopback asks for it too.\n"
    "      --api-host NAME     A name that clients may give in the Host header,\n"
    "                          besides addresses; may be repeated.\n"
    "      --model MODEL       Answer for this model over the HTTP API.\n"
    "      --swarm             Compute over the peers of the running node (plexus\n"
    "                          up), each a part of the model.\n"
    "      --parallel N        Answers that grow at the same time; each has a KV\n"
    "                          cache of its own. [4]\n"
    "      --ctx N             Context length in tokens; 0 takes the model's own, at\n"
    "                          most 4096. [0]\n"
    "  -t, --threads T         Threads to compute with; 0 takes every processor this\n"
    "                          process may use. [0]\n"
    "      --json-lines        Print one JSON document a line, as things happen.\n"
    "      --json              Print one JSON document on standard output.\n"
    "      --color auto|always|never\n"
    "                          When to colour; auto honours NO_COLOR, CLICOLOR_FORCE\n"
    "                          and TERM=dumb. [auto]\n"
    "  -q, --quiet             No progress and no notes on standard error.\n"
    "  -h, --help              Show the help of the verb and exit.\n"
    "\n"
    "fields of --json (schema plexus.up/1):\n"
    "  event         ready\n"
    "  peer          our peer id\n"
    "  addrs         where we listen\n"
    "  swarm         name of the private swarm; null in the open\n"
    "  notes         what is missing on this machine and what serves instead\n"
    "  api           path of the control socket\n"
    "  http          where the HTTP API is; null when it is off\n"
    "\n"
    "examples:\n"
    "  plexus up --port 4001\n"
    "      Listen at port 4001 until Ctrl-C.\n"
    "  plexus up --model tiny\n"
    "      Serve the model inside over HTTP too.\n",
    opts_up, sizeof opts_up / sizeof *opts_up, 0, 0, verb_up},
    {"id", "who the running node is", "plexus id [options]",
    "plexus id: who the running node is\n"
    "\n"
    "usage: plexus id [options]\n"
    "\n"
    "Peer id, addresses and protocols of the node that runs in this home.\n"
    "\n"
    "options:\n"
    "      --json              Print one JSON document on standard output.\n"
    "      --color auto|always|never\n"
    "                          When to colour; auto honours NO_COLOR, CLICOLOR_FORCE\n"
    "                          and TERM=dumb. [auto]\n"
    "  -q, --quiet             No progress and no notes on standard error.\n"
    "  -h, --help              Show the help of the verb and exit.\n"
    "\n"
    "fields of --json (schema plexus.id/1):\n"
    "  peer          peer id\n"
    "  addrs         addresses, with the peer id\n"
    "  protocols     what it serves\n"
    "  agent         what it tells of its kind\n"
    "\n"
    "examples:\n"
    "  plexus id --json\n"
    "      The same as a document.\n",
    opts_id, sizeof opts_id / sizeof *opts_id, 0, 0, verb_id},
    {"peers", "connected peers, best for work first", "plexus peers [options]",
    "plexus peers: connected peers, best for work first\n"
    "\n"
    "usage: plexus peers [options]\n"
    "\n"
    "Every peer with its addresses, round trip time and state: good, new (no\n"
    "heartbeat answered yet), slow (ranked below the others), silent.\n"
    "\n"
    "options:\n"
    "      --json              Print one JSON document on standard output.\n"
    "      --color auto|always|never\n"
    "                          When to colour; auto honours NO_COLOR, CLICOLOR_FORCE\n"
    "                          and TERM=dumb. [auto]\n"
    "  -q, --quiet             No progress and no notes on standard error.\n"
    "  -h, --help              Show the help of the verb and exit.\n"
    "\n"
    "fields of --json (schema plexus.peers/1):\n"
    "  peers         peer, addrs, rtt_ms, state, agent, connections, streams\n"
    "\n"
    "examples:\n"
    "  plexus peers\n"
    "      A table.\n",
    opts_peers, sizeof opts_peers / sizeof *opts_peers, 0, 0, verb_peers},
    {"invite", "words that let another machine into this swarm", "plexus invite [options] [MULTIADDR]",
    "plexus invite: words that let another machine into this swarm\n"
    "\n"
    "usage: plexus invite [options] [MULTIADDR]\n"
    "\n"
    "The running node must be in a private swarm (plexus up --private, or plexus\n"
    "join). The words carry the swarm's key, the id of this node and one address, its\n"
    "best or MULTIADDR. The machine that is given them runs plexus join, then plexus\n"
    "up; from then on it finds the swarm by itself, and this node keeps its port.\n"
    "\n"
    "Every word checks itself: a wrong letter, or words that were exchanged, left out\n"
    "or doubled, are found and named. Whoever has the words can be in the swarm.\n"
    "\n"
    "options:\n"
    "      --json              Print one JSON document on standard output.\n"
    "      --color auto|always|never\n"
    "                          When to colour; auto honours NO_COLOR, CLICOLOR_FORCE\n"
    "                          and TERM=dumb. [auto]\n"
    "  -q, --quiet             No progress and no notes on standard error.\n"
    "  -h, --help              Show the help of the verb and exit.\n"
    "\n"
    "fields of --json (schema plexus.invite/1):\n"
    "  invite        the words, with blanks between\n"
    "  swarm         name of the swarm: digits of a hash of its key\n"
    "  peer          id of this node\n"
    "  addr          the address in the invite\n"
    "\n"
    "examples:\n"
    "  plexus invite\n"
    "      The words.\n",
    opts_invite, sizeof opts_invite / sizeof *opts_invite, 0, 1, verb_invite},
    {"join", "enter a private swarm by an invite", "plexus join [options] [INVITE...]",
    "plexus join: enter a private swarm by an invite\n"
    "\n"
    "usage: plexus join [options] [INVITE...]\n"
    "\n"
    "INVITE is the words of plexus invite; without it they are read from standard\n"
    "input, which keeps them out of the shell's history. Capitals, commas, dashes,\n"
    "line ends and numbers between words do not matter.\n"
    "\n"
    "The home keeps the swarm: its key in swarm.key (mode 0600), the address in\n"
    "swarm.peers. The next plexus up is in it. A home that is in another swarm stays\n"
    "in that one: exit code 5, plexus leave forgets it first. Words that are wrong:\n"
    "exit code 7 and the number of the word.\n"
    "\n"
    "options:\n"
    "      --json              Print one JSON document on standard output.\n"
    "      --color auto|always|never\n"
    "                          When to colour; auto honours NO_COLOR, CLICOLOR_FORCE\n"
    "                          and TERM=dumb. [auto]\n"
    "  -q, --quiet             No progress and no notes on standard error.\n"
    "  -h, --help              Show the help of the verb and exit.\n"
    "\n"
    "fields of --json (schema plexus.join/1):\n"
    "  swarm         name of the swarm\n"
    "  peer          who invited\n"
    "  addr          where it listens\n"
    "  new           false when this home was in the swarm already\n"
    "  restart       true when a node runs here that was started before\n"
    "\n"
    "examples:\n"
    "  plexus join WORDS\n"
    "      Enter.\n"
    "  plexus join < FILE\n"
    "      The words from a file.\n",
    opts_join, sizeof opts_join / sizeof *opts_join, 0, -1, verb_join},
    {"drain", "hand over what this node computes for others", "plexus drain [options]",
    "plexus drain: hand over what this node computes for others\n"
    "\n"
    "usage: plexus drain [options]\n"
    "\n"
    "From now on the running node loads no slices and takes no sessions. Clients of\n"
    "its sessions have another peer load the same blocks and go there; words go on as\n"
    "if nothing had happened, without the pause of a lost peer. Slices that nobody\n"
    "uses any more are unloaded. The end is when nothing is left; after --timeout it\n"
    "is exit code 6, and what could not go is served on. --off takes work again.\n"
    "\n"
    "options:\n"
    "      --timeout MS        Give up after this long. [30000]\n"
    "      --off               No longer.\n"
    "      --json              Print one JSON document on standard output.\n"
    "      --color auto|always|never\n"
    "                          When to colour; auto honours NO_COLOR, CLICOLOR_FORCE\n"
    "                          and TERM=dumb. [auto]\n"
    "  -q, --quiet             No progress and no notes on standard error.\n"
    "  -h, --help              Show the help of the verb and exit.\n"
    "\n"
    "fields of --json (schema plexus.drain/1):\n"
    "  draining      true, or false after --off\n"
    "  left          sessions and answers that are here still\n"
    "  sessions      of others\n"
    "  answers       of our own\n"
    "  ms            how long it took\n"
    "\n"
    "examples:\n"
    "  plexus drain\n"
    "      Before an update of this machine.\n"
    "  plexus drain --off\n"
    "      Work again.\n",
    opts_drain, sizeof opts_drain / sizeof *opts_drain, 0, 0, verb_drain},
    {"stop", "end the running node", "plexus stop [options]",
    "plexus stop: end the running node\n"
    "\n"
    "usage: plexus stop [options]\n"
    "\n"
    "Drains it first (plexus drain), for --timeout at most, unless --now; then it\n"
    "ends in order.\n"
    "\n"
    "options:\n"
    "      --timeout MS        Give up after this long. [30000]\n"
    "      --now               At once, without handing anything over.\n"
    "      --json              Print one JSON document on standard output.\n"
    "      --color auto|always|never\n"
    "                          When to colour; auto honours NO_COLOR, CLICOLOR_FORCE\n"
    "                          and TERM=dumb. [auto]\n"
    "  -q, --quiet             No progress and no notes on standard error.\n"
    "  -h, --help              Show the help of the verb and exit.\n"
    "\n"
    "fields of --json (schema plexus.stop/1):\n"
    "  stopped       true\n"
    "  left          sessions that could not go elsewhere and lose this node\n"
    "  ms            how long it took\n"
    "\n"
    "examples:\n"
    "  plexus stop\n"
    "      Nobody loses a word.\n",
    opts_stop, sizeof opts_stop / sizeof *opts_stop, 0, 0, verb_stop},
    {"leave", "forget the private swarm of this home", "plexus leave [options]",
    "plexus leave: forget the private swarm of this home\n"
    "\n"
    "usage: plexus leave [options]\n"
    "\n"
    "Drains and ends the running node as plexus stop does, then removes the swarm's\n"
    "key and addresses from the home. The next plexus up is in the open, until\n"
    "another plexus join.\n"
    "\n"
    "options:\n"
    "      --timeout MS        Give up after this long. [30000]\n"
    "      --now               At once, without handing anything over.\n"
    "      --json              Print one JSON document on standard output.\n"
    "      --color auto|always|never\n"
    "                          When to colour; auto honours NO_COLOR, CLICOLOR_FORCE\n"
    "                          and TERM=dumb. [auto]\n"
    "  -q, --quiet             No progress and no notes on standard error.\n"
    "  -h, --help              Show the help of the verb and exit.\n"
    "\n"
    "fields of --json (schema plexus.leave/1):\n"
    "  swarm         name of the swarm that was left\n"
    "  stopped       true when a node ran\n"
    "  left          sessions that could not go elsewhere\n"
    "\n"
    "examples:\n"
    "  plexus leave\n"
    "      Be a stranger again.\n",
    opts_leave, sizeof opts_leave / sizeof *opts_leave, 0, 0, verb_leave},
    {"ping", "round trip time to a peer", "plexus ping [options] PEER|MULTIADDR",
    "plexus ping: round trip time to a peer\n"
    "\n"
    "usage: plexus ping [options] PEER|MULTIADDR\n"
    "\n"
    "The running node connects when it must, and sends pings over one stream.\n"
    "\n"
    "options:\n"
    "      --count N           How many. [3]\n"
    "      --timeout MS        Give up after this long. [20000]\n"
    "      --json              Print one JSON document on standard output.\n"
    "      --color auto|always|never\n"
    "                          When to colour; auto honours NO_COLOR, CLICOLOR_FORCE\n"
    "                          and TERM=dumb. [auto]\n"
    "  -q, --quiet             No progress and no notes on standard error.\n"
    "  -h, --help              Show the help of the verb and exit.\n"
    "\n"
    "fields of --json (schema plexus.ping/1):\n"
    "  peer          whom\n"
    "  ms            each round trip\n"
    "\n"
    "examples:\n"
    "  plexus ping PEER --count 5\n"
    "      Five pings.\n",
    opts_ping, sizeof opts_ping / sizeof *opts_ping, 1, 1, verb_ping},
    {"agg attach", "add gradients in the kernel, where they arrive", "plexus agg attach [options] IFACE",
    "plexus agg attach: add gradients in the kernel, where they arrive\n"
    "\n"
    "usage: plexus agg attach [options] IFACE\n"
    "\n"
    "Loads the aggregator and attaches it to IFACE as an XDP program: in the driver,\n"
    "or in the stack where the driver has no XDP. Before that the program is given\n"
    "some packets, and what it does is compared with user space. It takes UDP packets\n"
    "of gradients to --port; everything else passes to the stack as it came. With\n"
    "--worker, --secret and --group it serves a job: sums are answered by the kernel,\n"
    "user space sleeps. With --mode server user space sends them, to the group or,\n"
    "without one, to each worker's address and --port.\n"
    "\n"
    "With --name it takes a seat in a job that a node offers (plexus agg offer): when\n"
    "its workers are there the node tells it who they are and their key, and tells\n"
    "them to send to --address. Each company of workers has slots of its own. When it\n"
    "goes, however it ends, its workers hear of it at once and join anew.\n"
    "\n"
    "Under --sentry contributions are judged in the kernel before they are added:\n"
    "clip1 keeps each value within the last sum and some scales of what honest\n"
    "workers differ by, welford drops packets whose norm or mean is far from the\n"
    "worker's own past. Who is told off again and again is not added any more until\n"
    "it behaves. docs/internals/reduce.md says what each survives, and what not.\n"
    "While clip1 gets to know the workers, and later of what lies far off, it changes\n"
    "sums a little: --sentry none adds all as it comes.\n"
    "\n"
    "An interface that has another XDP program is refused, unless that is libxdp's\n"
    "dispatcher: then it joins as one of its programs (run priority 15: behind\n"
    "filters, before AF_XDP sockets), which needs libxdp (Debian: libxdp1),\n"
    "CAP_SYS_ADMIN, and a kernel that lets programs extend others. What it passes\n"
    "goes on to the next.\n"
    "\n"
    "A process in the background holds it; when that is gone, however it ended, so is\n"
    "the program. When the program goes without it (its device was removed, others\n"
    "detached it, the helper ended), a UDP socket adds meanwhile, jobs by name go on\n"
    "without it, and it is attached again as soon as that can be; said has one line\n"
    "why not. It needs CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN, or a helper that has\n"
    "them (plexus setup xdp); it parses no packet.\n"
    "\n"
    "options:\n"
    "      --generic           Attach in the stack, not in the driver.\n"
    "      --address IPV4      Only packets to this address are ours; without it, all\n"
    "                          to the port.\n"
    "      --port PORT         UDP port of contributions. [47900]\n"
    "      --name JOB          Add for this job (plexus agg offer); may be repeated.\n"
    "                          Instead of --worker and --secret.\n"
    "      --host PEER         Peer id or multiaddr of the node that offers the jobs;\n"
    "                          without it the one that runs here.\n"
    "      --jobs N            Companies of workers at once, each with --slots; 0: 4\n"
    "                          with --name, else 1. [0]\n"
    "      --job N             Number of the job. [1]\n"
    "      --worker IPV4       Address of a worker of the job; once for each, in the\n"
    "                          order of ranks.\n"
    "      --secret HEX        The job's secret, 64 hexadecimal digits; better in the\n"
    "                          environment than in a list of processes.\n"
    "      --group IPV4        Where sums go: a multicast or the broadcast address.\n"
    "      --values N          Values of a packet, a multiple of 16. [688]\n"
    "      --slots N           Slots of the job, a power of two. [256]\n"
    "      --chunks N          Chunks whose last sums are kept for workers that come\n"
    "                          late. [4096]\n"
    "      --deadline MS       How long a slot waits for all; 0: twice as long as\n"
    "                          more than half of the workers take of late and 500 ms,\n"
    "                          2,000 at most. [0]\n"
    "      --format i16|i8|i4  Fixed point on the wire. [i16]\n"
    "      --mode switch|server\n"
    "                          Who sends the sums: the kernel, or user space, woken\n"
    "                          for 32 slots or fewer. [switch]\n"
    "      --steered           The packets of a slot come to one processor, though\n"
    "                          the device has several queues: lock no slot.\n"
    "      --helper PATH       Socket of the helper that attaches when this process\n"
    "                          may not. [/run/plexus/xdpd.sock]\n"
    "      --sentry auto|none|clip1|welford\n"
    "                          Rule that judges contributions before they are added;\n"
    "                          auto: clip1 for 4 workers or more, else none. [auto]\n"
    "      --sentry-k K        Scales of clip1, or deviations of welford, that a\n"
    "                          contribution may lie off; 0: 3, and 3.5. [0]\n"
    "      --sentry-policy drop|clip\n"
    "                          What welford does with a contribution that is too\n"
    "                          large; clip1 clamps values. [drop]\n"
    "      --foreground        Stay in the foreground; Ctrl-C detaches.\n"
    "      --json              Print one JSON document on standard output.\n"
    "      --color auto|always|never\n"
    "                          When to colour; auto honours NO_COLOR, CLICOLOR_FORCE\n"
    "                          and TERM=dumb. [auto]\n"
    "  -q, --quiet             No progress and no notes on standard error.\n"
    "  -h, --help              Show the help of the verb and exit.\n"
    "\n"
    "fields of --json (schema plexus.agg/1):\n"
    "  device        the interface\n"
    "  rung          native, generic; once the program is gone from its device\n"
    "                sockets, or none when these cannot go on\n"
    "  said          the same in words, and why; why it is not attached again\n"
    "  reattached    times that the program was gone and was attached again\n"
    "  packets       gradient packets, of which\n"
    "  summed        were added\n"
    "  dropped       reason: count\n"
    "  passed        packets of the interface that were not ours\n"
    "  wakeups       of user space for sums; wakeups_forced: those that the kernel\n"
    "                asked for; wakeups_per_1000: packets\n"
    "  mode          switch or server; sums_sent, sums_datagrams, sums_calls: what\n"
    "                user space sent\n"
    "  sentry        rule, why that one, k, policy, workers: worker, judged, clipped,\n"
    "                dropped, verdicts, score, quarantined\n"
    "  helper        true when the helper attached it; attached: false once its\n"
    "                device or the helper is gone\n"
    "  mismatches    packets of the probe before attaching that the kernel and user\n"
    "                space answered differently\n"
    "  finished      slots; closed: of them, at their deadline\n"
    "  jobs          by name: joined, why (not), companies: job, workers, rule\n"
    "  answered_all  sums sent to all; answered_one: once more to one\n"
    "  ns_p50        time of a packet in the program, an upper bound; ns_p99 too\n"
    "\n"
    "examples:\n"
    "  plexus agg attach IFACE\n"
    "      Attach; whatever is no gradient passes.\n",
    opts_agg_attach, sizeof opts_agg_attach / sizeof *opts_agg_attach, 1, 1, verb_agg_attach},
    {"agg detach", "take the aggregator out of the kernel", "plexus agg detach [options] [IFACE]",
    "plexus agg detach: take the aggregator out of the kernel\n"
    "\n"
    "usage: plexus agg detach [options] [IFACE]\n"
    "\n"
    "Prints the last counters, as plexus agg stat. With IFACE it takes out of\n"
    "libxdp's dispatcher there what aggregators that were killed left in it, which\n"
    "passes all packets, and leaves one that runs alone; this needs CAP_SYS_ADMIN.\n"
    "\n"
    "options:\n"
    "      --json              Print one JSON document on standard output.\n"
    "      --color auto|always|never\n"
    "                          When to colour; auto honours NO_COLOR, CLICOLOR_FORCE\n"
    "                          and TERM=dumb. [auto]\n"
    "  -q, --quiet             No progress and no notes on standard error.\n"
    "  -h, --help              Show the help of the verb and exit.\n"
    "\n"
    "fields of --json (schema plexus.agg/1):\n"
    "  packets       as plexus agg attach; with IFACE instead device, and swept: how\n"
    "                many there were\n"
    "\n"
    "examples:\n"
    "  plexus agg detach\n"
    "      Detach.\n",
    opts_agg_detach, sizeof opts_agg_detach / sizeof *opts_agg_detach, 0, 1, verb_agg_detach},
    {"agg stat", "what the aggregator in the kernel counts", "plexus agg stat [options]",
    "plexus agg stat: what the aggregator in the kernel counts\n"
    "\n"
    "usage: plexus agg stat [options]\n"
    "\n"
    "Counters since it was attached. Of one packet in 64 the time in the program is\n"
    "taken.\n"
    "\n"
    "options:\n"
    "  -i, --interval SECONDS  Rates over this time, a line each time until Ctrl-C;\n"
    "                          with --json one document. [0]\n"
    "      --json              Print one JSON document on standard output.\n"
    "      --color auto|always|never\n"
    "                          When to colour; auto honours NO_COLOR, CLICOLOR_FORCE\n"
    "                          and TERM=dumb. [auto]\n"
    "  -q, --quiet             No progress and no notes on standard error.\n"
    "  -h, --help              Show the help of the verb and exit.\n"
    "\n"
    "fields of --json (schema plexus.agg/1):\n"
    "  packets             as plexus agg attach\n"
    "  packets_s           with --interval: a second\n"
    "  summed_s            with --interval: a second\n"
    "  wakeups_per_packet  of user space\n"
    "\n"
    "examples:\n"
    "  plexus agg stat --interval 1\n"
    "      A line a second.\n",
    opts_agg_stat, sizeof opts_agg_stat / sizeof *opts_agg_stat, 0, 0, verb_agg_stat},
    {"agg trace", "what happens in the kernel's aggregator, as it happens", "plexus agg trace [options]",
    "plexus agg trace: what happens in the kernel's aggregator, as it happens\n"
    "\n"
    "usage: plexus agg trace [options]\n"
    "\n"
    "A line for each packet that is dropped and why, each slot that is finished and\n"
    "each verdict of the Sentry, until Ctrl-C. A thousand lines a second at most;\n"
    "what there is no line for is counted. Costs nothing while nobody looks.\n"
    "\n"
    "options:\n"
    "      --limit N           End after N events; 0: at Ctrl-C. [0]\n"
    "      --json-lines        Print one JSON document a line, as things happen.\n"
    "      --json              Print one JSON document on standard output.\n"
    "      --color auto|always|never\n"
    "                          When to colour; auto honours NO_COLOR, CLICOLOR_FORCE\n"
    "                          and TERM=dumb. [auto]\n"
    "  -q, --quiet             No progress and no notes on standard error.\n"
    "  -h, --help              Show the help of the verb and exit.\n"
    "\n"
    "fields of --json (schema plexus.agg/1):\n"
    "  events        what happened, each with the fields below; with --json-lines a\n"
    "                document a line\n"
    "  event         dropped, finished, verdict, or more: events without a line;\n"
    "                first, as lines, watching\n"
    "  why           of a drop its reason, of a slot full or deadline, of the Sentry\n"
    "                clip or drop\n"
    "  job           its number; shard, worker, seq as the packet has them\n"
    "  from          IPv4 address of its sender\n"
    "  workers       finished: how many are in the sum\n"
    "  seconds       since the aggregator was attached\n"
    "\n"
    "examples:\n"
    "  plexus agg trace\n"
    "      Until Ctrl-C.\n",
    opts_agg_trace, sizeof opts_agg_trace / sizeof *opts_agg_trace, 0, 0, verb_agg_trace},
    {"agg offer", "let workers join a job by its name", "plexus agg offer [options] NAME",
    "plexus agg offer: let workers join a job by its name\n"
    "\n"
    "usage: plexus agg offer [options] NAME\n"
    "\n"
    "The running node offers a job: workers join it through the nodes of their\n"
    "machines (px_reduce_open with a name), which prove who they are. When all are\n"
    "there each hears its rank, the addresses of the others, and a key that was never\n"
    "given out before. Whoever comes back, or joins later, joins the next company:\n"
    "the epoch rises, and the key is another. With --central one that attaches by the\n"
    "name adds for all, and is waited for; without it that one adds where the lines\n"
    "of all, as their drivers tell, take less time so. When it goes, px_reduce_sum\n"
    "says so, and workers open the job anew. Peers that answered late, or that sums\n"
    "went on without, are let in last where --least allows.\n"
    "\n"
    "options:\n"
    "      --world N           Workers of the job: it begins when they are there. [2]\n"
    "      --least N           Begin with so many when nobody else has come for\n"
    "                          --wait; 0: never. [0]\n"
    "      --wait MS           How long to wait for more than --least, and for an\n"
    "                          aggregator with --central; half as long once one was\n"
    "                          lost. [5000]\n"
    "      --allow PEER        Let only these peer ids join; may be repeated. None:\n"
    "                          everybody who may connect.\n"
    "      --central           Who attaches by the name of the job adds for all\n"
    "                          (plexus agg attach --name); without one, after --wait,\n"
    "                          each worker adds a part.\n"
    "      --aggregator MULTIADDR\n"
    "                          Who adds for all, /ip4/../udp/PORT; without it each\n"
    "                          worker adds a part.\n"
    "      --group IPV4        Where sums go: a multicast or the broadcast address.\n"
    "      --values N          Values of a packet, a multiple of 16. [688]\n"
    "      --slots N           Slots of the job, a power of two. [256]\n"
    "      --format i16|i8|i4  Fixed point on the wire. [i16]\n"
    "      --json              Print one JSON document on standard output.\n"
    "      --color auto|always|never\n"
    "                          When to colour; auto honours NO_COLOR, CLICOLOR_FORCE\n"
    "                          and TERM=dumb. [auto]\n"
    "  -q, --quiet             No progress and no notes on standard error.\n"
    "  -h, --help              Show the help of the verb and exit.\n"
    "\n"
    "fields of --json (schema plexus.agg/1):\n"
    "  name          of the job\n"
    "\n"
    "examples:\n"
    "  plexus agg offer digits --world 4 --allow PEER\n"
    "      Four workers, of one peer.\n",
    opts_agg_offer, sizeof opts_agg_offer / sizeof *opts_agg_offer, 1, 1, verb_agg_offer},
    {"agg jobs", "the jobs that this node offers", "plexus agg jobs [options]",
    "plexus agg jobs: the jobs that this node offers\n"
    "\n"
    "usage: plexus agg jobs [options]\n"
    "\n"
    "Each with those who wait, those who have a key, the number and epoch of the last\n"
    "key, and whether one adds for all.\n"
    "\n"
    "options:\n"
    "      --json              Print one JSON document on standard output.\n"
    "      --color auto|always|never\n"
    "                          When to colour; auto honours NO_COLOR, CLICOLOR_FORCE\n"
    "                          and TERM=dumb. [auto]\n"
    "  -q, --quiet             No progress and no notes on standard error.\n"
    "  -h, --help              Show the help of the verb and exit.\n"
    "\n"
    "fields of --json (schema plexus.agg/1):\n"
    "  jobs          name, world, waiting, granted, job, epoch, aggregators, central\n"
    "                (one adds), why of each\n"
    "\n"
    "examples:\n"
    "  plexus agg jobs\n"
    "      A line each.\n",
    opts_agg_jobs, sizeof opts_agg_jobs / sizeof *opts_agg_jobs, 0, 0, verb_agg_jobs},
    {"agg withdraw", "offer a job no longer", "plexus agg withdraw [options] NAME",
    "plexus agg withdraw: offer a job no longer\n"
    "\n"
    "usage: plexus agg withdraw [options] NAME\n"
    "\n"
    "Workers that wait are refused; those that have a key go on.\n"
    "\n"
    "options:\n"
    "      --json              Print one JSON document on standard output.\n"
    "      --color auto|always|never\n"
    "                          When to colour; auto honours NO_COLOR, CLICOLOR_FORCE\n"
    "                          and TERM=dumb. [auto]\n"
    "  -q, --quiet             No progress and no notes on standard error.\n"
    "  -h, --help              Show the help of the verb and exit.\n"
    "\n"
    "fields of --json (schema plexus.agg/1):\n"
    "  name          of the job\n"
    "\n"
    "examples:\n"
    "  plexus agg withdraw NAME\n"
    "      No more workers.\n",
    opts_agg_withdraw, sizeof opts_agg_withdraw / sizeof *opts_agg_withdraw, 1, 1, verb_agg_withdraw},
    {"agg verify", "the aggregator in the kernel beside the one in user space", "plexus agg verify [options]",
    "plexus agg verify: the aggregator in the kernel beside the one in user space\n"
    "\n"
    "usage: plexus agg verify [options]\n"
    "\n"
    "Random packets of four workers, in time, late, twice, damaged, go to the\n"
    "kernel's program, attached nowhere, and to user space. Every answer is compared,\n"
    "and the counters at the end; with --sentry both judge by that rule (auto is for\n"
    "attaching only). The exit code is 7 when one differs. Needs CAP_BPF, CAP_PERFMON\n"
    "and CAP_NET_ADMIN, or the helper (plexus setup xdp).\n"
    "\n"
    "options:\n"
    "      --packets N         Random packets. [100000]\n"
    "      --seed S            Seed: the same one gives the same words, or the same\n"
    "                          digest. Random when not given. [1]\n"
    "      --sentry auto|none|clip1|welford\n"
    "                          Rule that judges contributions before they are added;\n"
    "                          auto: clip1 for 4 workers or more, else none. [none]\n"
    "      --helper PATH       Socket of the helper that attaches when this process\n"
    "                          may not. [/run/plexus/xdpd.sock]\n"
    "      --json              Print one JSON document on standard output.\n"
    "      --color auto|always|never\n"
    "                          When to colour; auto honours NO_COLOR, CLICOLOR_FORCE\n"
    "                          and TERM=dumb. [auto]\n"
    "  -q, --quiet             No progress and no notes on standard error.\n"
    "  -h, --help              Show the help of the verb and exit.\n"
    "\n"
    "fields of --json (schema plexus.agg/1):\n"
    "  rung          loaded\n"
    "  packets       how many\n"
    "  summed        were added\n"
    "  passed        damaged so that they were not ours\n"
    "  dropped       reason: count\n"
    "  wakeups       0\n"
    "  mismatches    packets that were answered differently\n"
    "  rule          by which both judged\n"
    "  finished      slots; closed: of them, at their deadline\n"
    "  ns            mean time of a packet in the program, from the cache\n"
    "\n"
    "examples:\n"
    "  plexus agg verify --packets 1000000\n"
    "      A million packets.\n",
    opts_agg_verify, sizeof opts_agg_verify / sizeof *opts_agg_verify, 0, 0, verb_agg_verify},
    {"setup xdp", "install the helper of plexus agg", "plexus setup xdp [options]",
    "plexus setup xdp: install the helper of plexus agg\n"
    "\n"
    "usage: plexus setup xdp [options]\n"
    "\n"
    "Makes the group, installs plexus-xdpd for its members, and where systemd is\n"
    "writes and enables a service and a socket, /run/plexus/xdpd.sock, that starts\n"
    "with the first request. Without systemd the program gets three rights as file\n"
    "capabilities, and a member of the group starts it. Every step is shown. Needs\n"
    "root, but for --dry-run.\n"
    "\n"
    "options:\n"
    "      --dry-run           Show each step and do none.\n"
    "      --remove            Undo it: stop the helper and remove its files; the\n"
    "                          group stays.\n"
    "      --group NAME        Whose members may attach; made when it is missing.\n"
    "                          [plexus]\n"
    "      --root DIR          Install below DIR: for packages and images; nothing is\n"
    "                          started.\n"
    "      --json              Print one JSON document on standard output.\n"
    "      --color auto|always|never\n"
    "                          When to colour; auto honours NO_COLOR, CLICOLOR_FORCE\n"
    "                          and TERM=dumb. [auto]\n"
    "  -q, --quiet             No progress and no notes on standard error.\n"
    "  -h, --help              Show the help of the verb and exit.\n"
    "\n"
    "fields of --json (schema plexus.setup/1):\n"
    "  manager       systemd, none\n"
    "  helper        where it is installed\n"
    "  group         whose members may attach\n"
    "  steps         do, on, and state: done, would, skipped, absent\n"
    "\n"
    "examples:\n"
    "  plexus setup xdp --dry-run\n"
    "      What it would do.\n",
    opts_setup_xdp, sizeof opts_setup_xdp / sizeof *opts_setup_xdp, 0, 0, verb_setup_xdp},
    {"xdpd", "attach the kernel's aggregator for processes without rights", "plexus xdpd [options]",
    "plexus xdpd: attach the kernel's aggregator for processes without rights\n"
    "\n"
    "usage: plexus xdpd [options]\n"
    "\n"
    "The helper of plexus agg attach: it has CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON,\n"
    "gives up all others, and serves a local socket in the foreground. Whoever runs\n"
    "as its user or is a member of --group may ask for one attachment a connection.\n"
    "It loads the program and attaches it, passes the descriptors of program and maps\n"
    "on, and keeps the link: when the client goes, or the helper, the program is\n"
    "gone. It joins no dispatcher of libxdp: that takes CAP_SYS_ADMIN. It parses no\n"
    "packet, and of a client one request of a fixed size. The same is a program of\n"
    "its own, plexus-xdpd, which plexus setup xdp installs; take that, so that plexus\n"
    "needs no rights.\n"
    "\n"
    "options:\n"
    "      --helper PATH       Socket of the helper that attaches when this process\n"
    "                          may not. [/run/plexus/xdpd.sock]\n"
    "      --group NAME        Whose members may ask, besides the user that it runs\n"
    "                          as.\n"
    "      --user NAME         Become this user; three rights are kept.\n"
    "      --device IFACE      A device that may be attached to; once for each.\n"
    "                          Without it, all.\n"
    "      --json              Print one JSON document on standard output.\n"
    "      --color auto|always|never\n"
    "                          When to colour; auto honours NO_COLOR, CLICOLOR_FORCE\n"
    "                          and TERM=dumb. [auto]\n"
    "  -q, --quiet             No progress and no notes on standard error.\n"
    "  -h, --help              Show the help of the verb and exit.\n"
    "\n"
    "examples:\n"
    "  plexus xdpd --group plexus\n"
    "      For the members of a group.\n",
    opts_xdpd, sizeof opts_xdpd / sizeof *opts_xdpd, 0, 0, verb_xdpd},
    {"net", "how this node stands in the network", "plexus net [options]",
    "plexus net: how this node stands in the network\n"
    "\n"
    "usage: plexus net [options]\n"
    "\n"
    "Addresses that others see, the kind of NAT, port mapping, relay in use,\n"
    "latencies to peers, what counts against the limits, and what peers did wrong, by\n"
    "kind.\n"
    "\n"
    "options:\n"
    "      --json              Print one JSON document on standard output.\n"
    "      --color auto|always|never\n"
    "                          When to colour; auto honours NO_COLOR, CLICOLOR_FORCE\n"
    "                          and TERM=dumb. [auto]\n"
    "  -q, --quiet             No progress and no notes on standard error.\n"
    "  -h, --help              Show the help of the verb and exit.\n"
    "\n"
    "fields of --json (schema plexus.net/1):\n"
    "  addrs         own addresses\n"
    "  observed      addresses that peers see us at\n"
    "  nat           none, cone, symmetric or unknown\n"
    "  reachable     public, private or unknown\n"
    "  relays        relays with a reservation\n"
    "  portmap       addresses mapped by the router\n"
    "  notes         what is missing on this machine and what serves instead\n"
    "  peers         peer and rtt_ms\n"
    "  use           connections, streams and memory in use\n"
    "  faults        kind to count\n"
    "\n"
    "examples:\n"
    "  plexus net\n"
    "      The report.\n",
    opts_net, sizeof opts_net / sizeof *opts_net, 0, 0, verb_net},
    {"dht put", "store a value in the DHT", "plexus dht put [options] KEY VALUE",
    "plexus dht put: store a value in the DHT\n"
    "\n"
    "usage: plexus dht put [options] KEY VALUE\n"
    "\n"
    "Keys are /NAMESPACE/NAME; who may write what is decided by the namespace.\n"
    "/plexus/PEER/NAME belongs to that peer: the running node signs what it puts\n"
    "under its own id.\n"
    "\n"
    "options:\n"
    "      --timeout MS        Give up after this long. [20000]\n"
    "      --json              Print one JSON document on standard output.\n"
    "      --color auto|always|never\n"
    "                          When to colour; auto honours NO_COLOR, CLICOLOR_FORCE\n"
    "                          and TERM=dumb. [auto]\n"
    "  -q, --quiet             No progress and no notes on standard error.\n"
    "  -h, --help              Show the help of the verb and exit.\n"
    "\n"
    "fields of --json (schema plexus.dht/1):\n"
    "  stored        peers that took it\n"
    "\n"
    "examples:\n"
    "  plexus dht put /plexus/ME/greeting hello\n"
    "      Store a signed value under our own id.\n",
    opts_dht_put, sizeof opts_dht_put / sizeof *opts_dht_put, 2, 2, verb_dht_put},
    {"dht get", "look a value up", "plexus dht get [options] KEY",
    "plexus dht get: look a value up\n"
    "\n"
    "usage: plexus dht get [options] KEY\n"
    "\n"
    "Prints the best valid value that the nearest peers have.\n"
    "\n"
    "options:\n"
    "      --timeout MS        Give up after this long. [20000]\n"
    "      --json              Print one JSON document on standard output.\n"
    "      --color auto|always|never\n"
    "                          When to colour; auto honours NO_COLOR, CLICOLOR_FORCE\n"
    "                          and TERM=dumb. [auto]\n"
    "  -q, --quiet             No progress and no notes on standard error.\n"
    "  -h, --help              Show the help of the verb and exit.\n"
    "\n"
    "fields of --json (schema plexus.dht/1):\n"
    "  value         the value\n"
    "\n"
    "examples:\n"
    "  plexus dht get /plexus/ME/greeting\n"
    "      Read it.\n",
    opts_dht_get, sizeof opts_dht_get / sizeof *opts_dht_get, 1, 1, verb_dht_get},
    {"dht provide", "announce that this node has something", "plexus dht provide [options] [CID]",
    "plexus dht provide: announce that this node has something\n"
    "\n"
    "usage: plexus dht provide [options] [CID]\n"
    "\n"
    "Announces a CID, or that of --data.\n"
    "\n"
    "options:\n"
    "      --data TEXT         The CID of these bytes instead of a given one.\n"
    "      --hash sha256|blake3\n"
    "                          Hash of the CID of --data. [blake3]\n"
    "      --timeout MS        Give up after this long. [20000]\n"
    "      --json              Print one JSON document on standard output.\n"
    "      --color auto|always|never\n"
    "                          When to colour; auto honours NO_COLOR, CLICOLOR_FORCE\n"
    "                          and TERM=dumb. [auto]\n"
    "  -q, --quiet             No progress and no notes on standard error.\n"
    "  -h, --help              Show the help of the verb and exit.\n"
    "\n"
    "fields of --json (schema plexus.dht/1):\n"
    "  cid           what was announced\n"
    "  queries       peers that took the record\n"
    "\n"
    "examples:\n"
    "  plexus dht provide --data shard-1\n"
    "      Announce the CID of these bytes.\n",
    opts_dht_provide, sizeof opts_dht_provide / sizeof *opts_dht_provide, 0, 1, verb_dht_provide},
    {"dht find", "find providers of a CID, or the addresses of a peer", "plexus dht find [options] CID|PEER",
    "plexus dht find: find providers of a CID, or the addresses of a peer\n"
    "\n"
    "usage: plexus dht find [options] CID|PEER\n"
    "\n"
    "A peer id gives the addresses of that peer; anything else is a CID, and gives\n"
    "its providers.\n"
    "\n"
    "options:\n"
    "      --timeout MS        Give up after this long. [20000]\n"
    "      --json              Print one JSON document on standard output.\n"
    "      --color auto|always|never\n"
    "                          When to colour; auto honours NO_COLOR, CLICOLOR_FORCE\n"
    "                          and TERM=dumb. [auto]\n"
    "  -q, --quiet             No progress and no notes on standard error.\n"
    "  -h, --help              Show the help of the verb and exit.\n"
    "\n"
    "fields of --json (schema plexus.dht/1):\n"
    "  providers     peer to addresses\n"
    "\n"
    "examples:\n"
    "  plexus dht find bafkr4igogkqu2653f3ochcusdn3qda2sekryhofdaenh7ck7esmziuicnq\n"
    "      Who has it?\n",
    opts_dht_find, sizeof opts_dht_find / sizeof *opts_dht_find, 1, 1, verb_dht_find},
    {"dht closest", "the peers nearest to a key", "plexus dht closest [options] KEY|PEER",
    "plexus dht closest: the peers nearest to a key\n"
    "\n"
    "usage: plexus dht closest [options] KEY|PEER\n"
    "\n"
    "Runs a lookup and prints the peers whose ids are nearest.\n"
    "\n"
    "options:\n"
    "      --timeout MS        Give up after this long. [20000]\n"
    "      --json              Print one JSON document on standard output.\n"
    "      --color auto|always|never\n"
    "                          When to colour; auto honours NO_COLOR, CLICOLOR_FORCE\n"
    "                          and TERM=dumb. [auto]\n"
    "  -q, --quiet             No progress and no notes on standard error.\n"
    "  -h, --help              Show the help of the verb and exit.\n"
    "\n"
    "fields of --json (schema plexus.dht/1):\n"
    "  peers         peer ids, nearest first\n"
    "\n"
    "examples:\n"
    "  plexus dht closest PEER\n"
    "      The neighbours of a peer.\n",
    opts_dht_closest, sizeof opts_dht_closest / sizeof *opts_dht_closest, 1, 1, verb_dht_closest},
    {"swarm connect", "connect to a peer", "plexus swarm connect [options] PEER|MULTIADDR",
    "plexus swarm connect: connect to a peer\n"
    "\n"
    "usage: plexus swarm connect [options] PEER|MULTIADDR\n"
    "\n"
    "The running node dials the address, or what it knows of the peer.\n"
    "\n"
    "options:\n"
    "      --timeout MS        Give up after this long. [20000]\n"
    "      --json              Print one JSON document on standard output.\n"
    "      --color auto|always|never\n"
    "                          When to colour; auto honours NO_COLOR, CLICOLOR_FORCE\n"
    "                          and TERM=dumb. [auto]\n"
    "  -q, --quiet             No progress and no notes on standard error.\n"
    "  -h, --help              Show the help of the verb and exit.\n"
    "\n"
    "fields of --json (schema plexus.swarm/1):\n"
    "  peer          who answered\n"
    "  addr          where\n"
    "  security      secure channel\n"
    "  muxer         multiplexer\n"
    "\n"
    "examples:\n"
    "  plexus swarm connect MULTIADDR\n"
    "      Connect by address.\n",
    opts_swarm_connect, sizeof opts_swarm_connect / sizeof *opts_swarm_connect, 1, 1, verb_swarm_connect},
    {"swarm disconnect", "close every connection to a peer", "plexus swarm disconnect [options] PEER",
    "plexus swarm disconnect: close every connection to a peer\n"
    "\n"
    "usage: plexus swarm disconnect [options] PEER\n"
    "\n"
    "The peer may come back by itself.\n"
    "\n"
    "options:\n"
    "      --json              Print one JSON document on standard output.\n"
    "      --color auto|always|never\n"
    "                          When to colour; auto honours NO_COLOR, CLICOLOR_FORCE\n"
    "                          and TERM=dumb. [auto]\n"
    "  -q, --quiet             No progress and no notes on standard error.\n"
    "  -h, --help              Show the help of the verb and exit.\n"
    "\n"
    "fields of --json (schema plexus.swarm/1):\n"
    "  peer          whom\n"
    "\n"
    "examples:\n"
    "  plexus swarm disconnect PEER\n"
    "      Hang up.\n",
    opts_swarm_disconnect, sizeof opts_swarm_disconnect / sizeof *opts_swarm_disconnect, 1, 1, verb_swarm_disconnect},
    {"perf", "throughput over libp2p (/perf/1.0.0)", "plexus perf [options]",
    "plexus perf: throughput over libp2p (/perf/1.0.0)\n"
    "\n"
    "usage: plexus perf [options]\n"
    "\n"
    "The options and lines of libp2p's own performance tests: with --run-server it\n"
    "serves until Ctrl-C; without, it connects, uploads, then downloads, and prints\n"
    "one JSON line a second (\"type\":\"intermediary\") and one at the end\n"
    "(\"type\":\"final\").\n"
    "\n"
    "options:\n"
    "      --run-server        Serve instead of measuring.\n"
    "      --server-address ADDR\n"
    "                          A multiaddr, or HOST:PORT to listen at or to connect\n"
    "                          to.\n"
    "      --transport tcp|quic-v1\n"
    "                          Transport of a HOST:PORT. [tcp]\n"
    "      --upload-bytes N    Bytes to send. [0]\n"
    "      --download-bytes N  Bytes to ask for. [0]\n"
    "      --security LIST     Secure channels over TCP to offer, in order: tls,\n"
    "                          noise. [tls,noise]\n"
    "      --json              Print one JSON document on standard output.\n"
    "      --color auto|always|never\n"
    "                          When to colour; auto honours NO_COLOR, CLICOLOR_FORCE\n"
    "                          and TERM=dumb. [auto]\n"
    "  -q, --quiet             No progress and no notes on standard error.\n"
    "  -h, --help              Show the help of the verb and exit.\n"
    "\n"
    "fields of --json (schema plexus.perf/1):\n"
    "  type           final\n"
    "  timeSeconds    from the dial to the last byte\n"
    "  uploadBytes    bytes sent\n"
    "  downloadBytes  bytes received\n"
    "\n"
    "examples:\n"
    "  plexus perf --server-address MULTIADDR --upload-bytes 1000000\n"
    "      Send a megabyte.\n",
    opts_perf, sizeof opts_perf / sizeof *opts_perf, 0, 0, verb_perf},
    {"interop-peer", "a peer for tests, spoken to in lines of JSON", "plexus interop-peer [options]",
    "plexus interop-peer: a peer for tests, spoken to in lines of JSON\n"
    "\n"
    "usage: plexus interop-peer [options]\n"
    "\n"
    "The first line out tells the peer id and the addresses. Each line in is a\n"
    "command, such as {\"id\":1,\"op\":\"dial\",\"addr\":\"/ip4/127.0.0.1/tcp/4001/p2p/...\"};\n"
    "each gets one line of reply, and many run at once. The end of input ends the\n"
    "peer.\n"
    "\n"
    "Operations: dial, ping, identify, echo, reqres, perf, raw, handshakes, hold,\n"
    "hangup, conns, addrs, protocols, kad-put, kad-get, provide, find-providers,\n"
    "find-peer, closest, sub, unsub, pub, wait-..., cid, rss, loop, sleep, quit.\n"
    "\n"
    "options:\n"
    "      --listen MULTIADDR  Listen there; may be repeated. Port 0 picks one.\n"
    "      --announce MULTIADDR\n"
    "                          Tell peers this address instead of those listened at;\n"
    "                          may be repeated.\n"
    "      --security LIST     Secure channels over TCP to offer, in order: tls,\n"
    "                          noise. [tls,noise]\n"
    "      --muxers LIST       Multiplexers over TCP; only yamux is spoken, other\n"
    "                          words are ignored. [yamux]\n"
    "      --key FILE          Identity: a libp2p PrivateKey file with mode 0600;\n"
    "                          made when missing.\n"
    "      --key-type Ed25519|secp256k1|RSA|ECDSA\n"
    "                          Kind of a new identity. [Ed25519]\n"
    "      --seed HEX64        Fixed Ed25519 identity from 64 hex digits, for tests.\n"
    "      --psk FILE          Pre-shared key of a private swarm\n"
    "                          (/key/swarm/psk/1.0.0/).\n"
    "      --dht off|server|client\n"
    "                          Part in the Kademlia DHT. [off]\n"
    "      --dht-protocol ID   Protocol id of the DHT; an own id makes an own swarm.\n"
    "                          [/ipfs/kad/1.0.0]\n"
    "      --gossipsub         Take part in gossipsub.\n"
    "      --gossipsub-nosign  Exchange unsigned messages only.\n"
    "      --relay off|server|client\n"
    "                          Part in circuit relay v2: carry others, or be reached\n"
    "                          through others. [off]\n"
    "      --dcutr             Turn relayed connections into direct ones by hole\n"
    "                          punching.\n"
    "      --autonat           Find out by AutoNAT which addresses others can dial,\n"
    "                          and help others to.\n"
    "      --mdns              Find peers on the local network.\n"
    "      --mdns-interval MS  Time between mDNS queries. [10000]\n"
    "      --spin-us US        Look for the next message so long before sleeping,\n"
    "                          when messages come that fast; 0: never. [50]\n"
    "      --json              Print one JSON document on standard output.\n"
    "      --color auto|always|never\n"
    "                          When to colour; auto honours NO_COLOR, CLICOLOR_FORCE\n"
    "                          and TERM=dumb. [auto]\n"
    "  -q, --quiet             No progress and no notes on standard error.\n"
    "  -h, --help              Show the help of the verb and exit.\n"
    "\n"
    "fields of --json (schema plexus.interop-peer/1):\n"
    "  event         ready\n"
    "  peer          our peer id\n"
    "  addrs         where we listen\n"
    "  protocols     what we serve\n"
    "\n"
    "examples:\n"
    "  plexus interop-peer --listen /ip4/127.0.0.1/tcp/0 < /dev/null\n"
    "      Print the ready line and leave.\n",
    opts_interop_peer, sizeof opts_interop_peer / sizeof *opts_interop_peer, 0, 0, verb_interop_peer},
    {"completion", "completion script for a shell", "plexus completion [options] bash|zsh|fish",
    "plexus completion: completion script for a shell\n"
    "\n"
    "usage: plexus completion [options] bash|zsh|fish\n"
    "\n"
    "bash: put source <(plexus completion bash) in ~/.bashrc. zsh: write the output\n"
    "to a file _plexus in a directory of $fpath. fish: write it to\n"
    "~/.config/fish/completions/plexus.fish.\n"
    "\n"
    "options:\n"
    "      --json              Print one JSON document on standard output.\n"
    "      --color auto|always|never\n"
    "                          When to colour; auto honours NO_COLOR, CLICOLOR_FORCE\n"
    "                          and TERM=dumb. [auto]\n"
    "  -q, --quiet             No progress and no notes on standard error.\n"
    "  -h, --help              Show the help of the verb and exit.\n"
    "\n"
    "fields of --json (schema plexus.completion/1):\n"
    "  shell         the shell\n"
    "  script        the script\n"
    "\n"
    "examples:\n"
    "  plexus completion bash\n"
    "      The script for bash.\n",
    opts_completion, sizeof opts_completion / sizeof *opts_completion, 1, 1, verb_completion},
    {"version", "version and features", "plexus version [options]",
    "plexus version: version and features\n"
    "\n"
    "usage: plexus version [options]\n"
    "\n"
    "Version, commit and the optional features that this build and this machine have.\n"
    "\n"
    "options:\n"
    "      --json              Print one JSON document on standard output.\n"
    "      --color auto|always|never\n"
    "                          When to colour; auto honours NO_COLOR, CLICOLOR_FORCE\n"
    "                          and TERM=dumb. [auto]\n"
    "  -q, --quiet             No progress and no notes on standard error.\n"
    "  -h, --help              Show the help of the verb and exit.\n"
    "\n"
    "fields of --json (schema plexus.version/1):\n"
    "  version       such as 0.1.0\n"
    "  commit        commit it was built from\n"
    "  features      name to true or false\n"
    "\n"
    "examples:\n"
    "  plexus version\n"
    "      One line.\n",
    opts_version, sizeof opts_version / sizeof *opts_version, 0, 0, verb_version},
    {"help", "help on a verb or a topic", "plexus help [options] [VERB|TOPIC]",
    "plexus help: help on a verb or a topic\n"
    "\n"
    "usage: plexus help [options] [VERB|TOPIC]\n"
    "\n"
    "Topics: exit-codes, env, settings, verbs (names only).\n"
    "\n"
    "options:\n"
    "      --json              Print one JSON document on standard output.\n"
    "      --color auto|always|never\n"
    "                          When to colour; auto honours NO_COLOR, CLICOLOR_FORCE\n"
    "                          and TERM=dumb. [auto]\n"
    "  -q, --quiet             No progress and no notes on standard error.\n"
    "  -h, --help              Show the help of the verb and exit.\n"
    "\n"
    "fields of --json (schema plexus.help/1):\n"
    "  topic         verb or topic\n"
    "  text          the help text\n"
    "  verbs         name, summary\n"
    "\n"
    "examples:\n"
    "  plexus help run\n"
    "      The same as plexus run --help.\n"
    "  plexus help exit-codes\n"
    "      What the exit codes mean.\n",
    opts_help, sizeof opts_help / sizeof *opts_help, 0, 2, verb_help},
};
const unsigned cli_verb_count = 76;

const struct cli_topic cli_topics[] = {
    {"exit-codes",
    "Exit codes:\n"
    "    0  success\n"
    "    1  the operation failed\n"
    "    2  wrong usage: unknown verb, option or value\n"
    "    3  something was not found\n"
    "    4  the node cannot be reached\n"
    "    5  not permitted\n"
    "    6  timed out\n"
    "    7  integrity: data are malformed, cut short or changed\n"
    "    8  degraded: finished, but not with everything\n"
    "  130  interrupted\n"
    "\n"
    "Errors are one line on standard error and end with a code such as [PX-FMT-020];\n"
    "plexus explain CODE tells what it means and what to do.\n"},
    {"env",
    "Every option --foo-bar can be given as PLEXUS_FOO_BAR. A flag is on when the\n"
    "variable is 1, true, yes or on. The command line wins over the environment,\n"
    "which wins over the files (plexus help settings).\n"
    "\n"
    "  PLEXUS_AGG_ADDRESS         --address IPV4\n"
    "  PLEXUS_DATA_AGAIN          --again\n"
    "  PLEXUS_JOB_AGGREGATOR      --aggregator MULTIADDR\n"
    "  PLEXUS_ALL                 --all\n"
    "  PLEXUS_ALLOW               --allow PEER\n"
    "  PLEXUS_JOB_ALLOW           --allow PEER\n"
    "  PLEXUS_ANNOUNCE            --announce MULTIADDR\n"
    "  PLEXUS_API                 --api ADDR:PORT\n"
    "  PLEXUS_API_HOST            --api-host NAME\n"
    "  PLEXUS_API_TOKEN           --api-token FILE\n"
    "  PLEXUS_AUTONAT             --autonat\n"
    "  PLEXUS_DATA_BAD            --bad FILE\n"
    "  PLEXUS_CRC_DROP_BATCH      --batch N\n"
    "  PLEXUS_DATA_BATCH          --batch N\n"
    "  PLEXUS_BESIDE              --beside M\n"
    "  PLEXUS_BIAS                --bias TOKEN=B\n"
    "  PLEXUS_BLOCKS              --blocks FIRST-LAST\n"
    "  PLEXUS_BOOTSTRAP           --bootstrap MULTIADDR\n"
    "  PLEXUS_BYTES               --bytes N\n"
    "  PLEXUS_DATA_CACHE          --cache MIB\n"
    "  PLEXUS_JOB_CENTRAL         --central\n"
    "  PLEXUS_CHAT_TEMPLATE       --chat-template[=FILE]\n"
    "  PLEXUS_CHUNK               --chunk N\n"
    "  PLEXUS_AGG_CHUNKS          --chunks N\n"
    "  PLEXUS_CHURN               --churn F\n"
    "  PLEXUS_COLOR               --color auto|always|never\n"
    "  PLEXUS_DATA_COLUMN         --column NAME[:TYPE]\n"
    "  PLEXUS_DATA_COMMIT         --commit BYTES\n"
    "  PLEXUS_CORRUPT             --corrupt PCT\n"
    "  PLEXUS_PING_COUNT          --count N\n"
    "  PLEXUS_CAPTURE_COVER       --cover all|payload|body\n"
    "  PLEXUS_CPU                 --cpu MASK\n"
    "  PLEXUS_DATA_CRC            --crc auto|ccitt_false|xmodem|aug|kermit|x25\n"
    "  PLEXUS_CAPTURE_CRC         --crc ccitt_false|xmodem|aug|kermit|x25\n"
    "  PLEXUS_CROSS               --cross\n"
    "  PLEXUS_CTX                 --ctx N\n"
    "  PLEXUS_DATA                --data TEXT\n"
    "  PLEXUS_DCUTR               --dcutr\n"
    "  PLEXUS_AGG_DEADLINE        --deadline MS\n"
    "  PLEXUS_DELAY_MS            --delay-ms MS\n"
    "  PLEXUS_XDPD_DEVICE         --device IFACE\n"
    "  PLEXUS_DHT                 --dht off|server|client\n"
    "  PLEXUS_DHT_PROTOCOL        --dht-protocol ID\n"
    "  PLEXUS_CRC_DROP_DIR        --dir DIR\n"
    "  PLEXUS_DIR                 --dir DIR\n"
    "  PLEXUS_DOWNLOAD_BYTES      --download-bytes N\n"
    "  PLEXUS_DRAFT               --draft HOW\n"
    "  PLEXUS_DRAFT_BLOCKS        --draft-blocks N\n"
    "  PLEXUS_DRAFT_MAX           --draft-max N\n"
    "  PLEXUS_SETUP_DRY_RUN       --dry-run\n"
    "  PLEXUS_DUP                 --dup PCT\n"
    "  PLEXUS_DATA_EOT            --eot TOKEN\n"
    "  PLEXUS_LIARS               --f LIST\n"
    "  PLEXUS_FILE                --file FILE\n"
    "  PLEXUS_AGG_FOREGROUND      --foreground\n"
    "  PLEXUS_CAPTURE_FORMAT      --format auto|ndp|gradient\n"
    "  PLEXUS_FORMAT              --format F\n"
    "  PLEXUS_GRADIENT_FORMAT     --format i16|i8|i4\n"
    "  PLEXUS_FREQUENCY_PENALTY   --frequency-penalty X\n"
    "  PLEXUS_DATA_FROM           --from FORMAT\n"
    "  PLEXUS_GEN_TOKENS          --gen-tokens G\n"
    "  PLEXUS_AGG_GENERIC         --generic\n"
    "  PLEXUS_GOSSIPSUB           --gossipsub\n"
    "  PLEXUS_GOSSIPSUB_NOSIGN    --gossipsub-nosign\n"
    "  PLEXUS_AGG_GROUP           --group IPV4\n"
    "  PLEXUS_SETUP_GROUP         --group NAME\n"
    "  PLEXUS_XDPD_GROUP          --group NAME\n"
    "  PLEXUS_HASH                --hash sha256|blake3\n"
    "  PLEXUS_AGG_HELPER          --helper PATH\n"
    "  PLEXUS_HIDDEN              --hidden auto|f32|f16|q8\n"
    "  PLEXUS_AGG_HOST            --host PEER\n"
    "  PLEXUS_HUB_RATE            --hub-rate MBIT\n"
    "  PLEXUS_HUBS                --hubs N\n"
    "  PLEXUS_IDLE                --idle N\n"
    "  PLEXUS_IGNORE_EOS          --ignore-eos\n"
    "  PLEXUS_AGG_INTERVAL        --interval SECONDS\n"
    "  PLEXUS_AGG_JOB             --job N\n"
    "  PLEXUS_AGG_JOBS            --jobs N\n"
    "  PLEXUS_JSON                --json\n"
    "  PLEXUS_JSON_LINES          --json-lines\n"
    "  PLEXUS_KEY                 --key FILE\n"
    "  PLEXUS_KEY_TYPE            --key-type Ed25519|secp256k1|RSA|ECDSA\n"
    "  PLEXUS_KV_TYPE             --kv-type f16|f32|i8\n"
    "  PLEXUS_JOB_LEAST           --least N\n"
    "  PLEXUS_AGG_LIMIT           --limit N\n"
    "  PLEXUS_LIST                --list\n"
    "  PLEXUS_LISTEN              --listen MULTIADDR\n"
    "  PLEXUS_LOCAL               --local N\n"
    "  PLEXUS_LOOKUPS             --lookups N\n"
    "  PLEXUS_LOSS                --loss PCT\n"
    "  PLEXUS_DATA_MAX_TOKENS     --max-tokens N\n"
    "  PLEXUS_MAX_TOKENS          --max-tokens N\n"
    "  PLEXUS_MDNS                --mdns\n"
    "  PLEXUS_MDNS_INTERVAL       --mdns-interval MS\n"
    "  PLEXUS_MIN_P               --min-p P\n"
    "  PLEXUS_AGG_MODE            --mode switch|server\n"
    "  PLEXUS_MODEL               --model MODEL\n"
    "  PLEXUS_BENCH_MODEL         --model FILE\n"
    "  PLEXUS_MUXERS              --muxers LIST\n"
    "  PLEXUS_WORKERS             --n N\n"
    "  PLEXUS_NAME                --name NAME\n"
    "  PLEXUS_AGG_NAME            --name JOB\n"
    "  PLEXUS_NO_BOS              --no-bos\n"
    "  PLEXUS_NO_MDNS             --no-mdns\n"
    "  PLEXUS_NO_PIN              --no-pin\n"
    "  PLEXUS_NO_SPECIAL          --no-special\n"
    "  PLEXUS_NODES               --nodes N\n"
    "  PLEXUS_NOW                 --now\n"
    "  PLEXUS_OFF                 --off\n"
    "  PLEXUS_ORIGIN              --origin\n"
    "  PLEXUS_DATA_OUT            --out OUT\n"
    "  PLEXUS_WIRE_PACKETS        --packets N\n"
    "  PLEXUS_AGG_PACKETS         --packets N\n"
    "  PLEXUS_DATA_PACKING        --packing pad|chunk|first-fit|best-fit\n"
    "  PLEXUS_PARALLEL            --parallel N\n"
    "  PLEXUS_PARTS               --parts LIST\n"
    "  PLEXUS_PIPELINE_PARTS      --parts LIST\n"
    "  PLEXUS_DATA_BENCH_PARTS    --parts LIST\n"
    "  PLEXUS_GRADIENT_PATH       --path auto|udp|shm|xsk|verbs\n"
    "  PLEXUS_PEER                --peer PATH\n"
    "  PLEXUS_PEER_DIR            --peer DIR\n"
    "  PLEXUS_PYTHON              --peer PYTHON\n"
    "  PLEXUS_MEGATRON_DIR        --peer DIR\n"
    "  PLEXUS_PIN                 --pin\n"
    "  PLEXUS_CAPTURE_PORT        --port PORT\n"
    "  PLEXUS_PORT                --port N\n"
    "  PLEXUS_AGG_PORT            --port PORT\n"
    "  PLEXUS_PORTMAP             --portmap\n"
    "  PLEXUS_PRESENCE_PENALTY    --presence-penalty X\n"
    "  PLEXUS_PRIVATE             --private\n"
    "  PLEXUS_PROMPT              --prompt TEXT\n"
    "  PLEXUS_PROMPT_TOKENS       --prompt-tokens P\n"
    "  PLEXUS_PSK                 --psk FILE\n"
    "  PLEXUS_PUBLIC              --public\n"
    "  PLEXUS_DDP_PYTHON          --python PYTHON\n"
    "  PLEXUS_DATA_BENCH_PYTHON   --python PYTHON\n"
    "  PLEXUS_QUIET               --quiet\n"
    "  PLEXUS_DATA_RANKS          --ranks N\n"
    "  PLEXUS_RATE_MBIT           --rate MBIT\n"
    "  PLEXUS_RAW                 --raw\n"
    "  PLEXUS_RELAY               --relay off|server|client\n"
    "  PLEXUS_SETUP_REMOVE        --remove\n"
    "  PLEXUS_REPEAT              --repeat N\n"
    "  PLEXUS_REPEAT_PENALTY      --repeat-penalty R\n"
    "  PLEXUS_CRC_DROP_RESULTS    --results RUNS\n"
    "  PLEXUS_SETUP_ROOT          --root DIR\n"
    "  PLEXUS_ROUNDS              --rounds N\n"
    "  PLEXUS_CRC_DROP_ROW        --row-tokens N\n"
    "  PLEXUS_DATA_ROW_TOKENS     --row-tokens N\n"
    "  PLEXUS_RULE                --rule NAME\n"
    "  PLEXUS_RUN_SERVER          --run-server\n"
    "  PLEXUS_DATA_SAMPLES        --samples N\n"
    "  PLEXUS_DATA_BENCH_SAMPLES  --samples N\n"
    "  PLEXUS_SECONDS             --seconds S\n"
    "  PLEXUS_AGG_SECRET          --secret HEX\n"
    "  PLEXUS_SECURITY            --security LIST\n"
    "  PLEXUS_KEY_SEED            --seed HEX64\n"
    "  PLEXUS_SEED                --seed S\n"
    "  PLEXUS_CRC_DROP_SEEDS      --seeds N\n"
    "  PLEXUS_SEEDS               --seeds N\n"
    "  PLEXUS_AGG_SENTRY          --sentry auto|none|clip1|welford\n"
    "  PLEXUS_AGG_SENTRY_K        --sentry-k K\n"
    "  PLEXUS_AGG_SENTRY_POLICY   --sentry-policy drop|clip\n"
    "  PLEXUS_SEQUENCES           --sequences LIST\n"
    "  PLEXUS_SERVER_ADDRESS      --server-address ADDR\n"
    "  PLEXUS_SHA256              --sha256\n"
    "  PLEXUS_SHAPE               --shape NAME\n"
    "  PLEXUS_BYTES_LIST          --size BYTES\n"
    "  PLEXUS_AGG_SLOTS           --slots N\n"
    "  PLEXUS_SLOW_MS             --slow-ms MS\n"
    "  PLEXUS_SPIN_US             --spin-us US\n"
    "  PLEXUS_STAGES              --stages N\n"
    "  PLEXUS_AGG_STEERED         --steered\n"
    "  PLEXUS_CRC_DROP_STEPS      --steps N\n"
    "  PLEXUS_DATA_STEPS          --steps N\n"
    "  PLEXUS_TRAIN_STEPS         --steps N\n"
    "  PLEXUS_STOP                --stop TEXT\n"
    "  PLEXUS_STORE_QUOTA         --store-quota BYTES\n"
    "  PLEXUS_STORIES             --stories N\n"
    "  PLEXUS_SWARM               --swarm\n"
    "  PLEXUS_SYBILS              --sybils F\n"
    "  PLEXUS_SYSTEM              --system TEXT\n"
    "  PLEXUS_TEMP                --temp T\n"
    "  PLEXUS_THREADS             --threads T\n"
    "  PLEXUS_DATA_TIMEOUT        --timeout MS\n"
    "  PLEXUS_TIMEOUT             --timeout MS\n"
    "  PLEXUS_DATA_TO             --to auto|ndp|ndp3|jsonl|megatron|llmc\n"
    "  PLEXUS_DATA_TOKEN_BYTES    --token-bytes auto|2|4\n"
    "  PLEXUS_DATA_TOKENIZER      --tokenizer FILE\n"
    "  PLEXUS_CAPTURE_TOKENS      --tokens N\n"
    "  PLEXUS_TOKENS              --tokens IDS\n"
    "  PLEXUS_TOP                 --top K\n"
    "  PLEXUS_TOP_K               --top-k K\n"
    "  PLEXUS_TOP_P               --top-p P\n"
    "  PLEXUS_TOPOLOGY            --topology auto|sharded|central|tree\n"
    "  PLEXUS_TRANSPORT           --transport tcp|quic-v1\n"
    "  PLEXUS_TYPES               --types LIST\n"
    "  PLEXUS_UPLOAD_BYTES        --upload-bytes N\n"
    "  PLEXUS_XDPD_USER           --user NAME\n"
    "  PLEXUS_VALUES_LIST         --values LIST\n"
    "  PLEXUS_PACKET_VALUES       --values N\n"
    "  PLEXUS_JOB_WAIT            --wait MS\n"
    "  PLEXUS_WATCH               --watch\n"
    "  PLEXUS_AGG_WORKER          --worker IPV4\n"
    "  PLEXUS_JOB_WORLD           --world N\n"
    "\n"
    "Also:\n"
    "  PLEXUS_HOME                every file of plexus under one directory\n"
    "  PLEXUS_SYSTEM_CONFIG       the system file; /etc/plexus/config.toml otherwise\n"
    "  XDG_CONFIG_HOME, XDG_STATE_HOME\n"
    "  NO_COLOR, CLICOLOR_FORCE, TERM=dumb\n"},
    {"settings",
    "Settings come, weakest first, from the built-in default, the system file\n"
    "/etc/plexus/config.toml, the user file, the environment, and the command line.\n"
    "\n"
    "The user file is $PLEXUS_HOME/config.toml, or plexus/config.toml in\n"
    "$XDG_CONFIG_HOME (~/.config when that is not set).\n"
    "\n"
    "A file is a subset of TOML: comments, [verb] headings (a verb of two words is\n"
    "[eval.perplexity]; [eval] is for all of its subverbs), and lines option = value\n"
    "with a number, true, false, a \"string\", or an array of strings for an option\n"
    "that may be repeated. Lines above the first heading count for every verb that\n"
    "has the option.\n"
    "\n"
    "A heading or option that is not known is an error with file, line and the\n"
    "nearest name.\n"
    "\n"
    "  threads = 2\n"
    "\n"
    "  [run]\n"
    "  temp = 0.5\n"
    "  stop = [\"\\n\\n\"]\n"},
    {"eval",
    "plexus eval: how well a model predicts: perplexity, logits\n"
    "\n"
    "  plexus eval perplexity [options] MODEL\n"
    "      how well a model predicts a text\n"
    "  plexus eval logits [options] MODEL\n"
    "      the likeliest next tokens\n"
    "\n"
    "plexus help eval perplexity tells more.\n"},
    {"agg",
    "plexus agg: gradients added in the kernel: attach, stat, trace, offer, ...\n"
    "\n"
    "  plexus agg attach [options] IFACE\n"
    "      add gradients in the kernel, where they arrive\n"
    "  plexus agg detach [options] [IFACE]\n"
    "      take the aggregator out of the kernel\n"
    "  plexus agg stat [options]\n"
    "      what the aggregator in the kernel counts\n"
    "  plexus agg trace [options]\n"
    "      what happens in the kernel's aggregator, as it happens\n"
    "  plexus agg offer [options] NAME\n"
    "      let workers join a job by its name\n"
    "  plexus agg jobs [options]\n"
    "      the jobs that this node offers\n"
    "  plexus agg withdraw [options] NAME\n"
    "      offer a job no longer\n"
    "  plexus agg verify [options]\n"
    "      the aggregator in the kernel beside the one in user space\n"
    "\n"
    "plexus help agg attach tells more.\n"},
    {"bench",
    "plexus bench: speed, beside other programs: data, http, infer, p2p\n"
    "\n"
    "  plexus bench infer [options] [MODEL]\n"
    "      tokens a second, beside other programs\n"
    "  plexus bench data [options]\n"
    "      batches of training data, beside Megatron and JSON lines\n"
    "  plexus bench http [options]\n"
    "      the HTTP API: requests, events, watchers\n"
    "  plexus bench p2p [options]\n"
    "      the network between two processes, beside other libp2ps\n"
    "  plexus bench pipeline [options]\n"
    "      one model over several nodes, beside one process\n"
    "  plexus bench allreduce [options]\n"
    "      workers that sum gradients, beside gloo and OpenMPI\n"
    "  plexus bench ddp [options]\n"
    "      torch training on several ranks, beside gloo\n"
    "  plexus bench agg [options]\n"
    "      what a packet costs an aggregator, way by way\n"
    "  plexus bench byzantine [options]\n"
    "      training with workers that poison: attacks x rules\n"
    "  plexus bench crc-drop [options] [FILE]\n"
    "      does dropping packets help? arms and judgement\n"
    "\n"
    "plexus help bench infer tells more.\n"},
    {"capture",
    "plexus capture: packets in files of pcap: decode, encode\n"
    "\n"
    "  plexus capture encode [options] IN OUT\n"
    "      training data as a capture, for Wireshark\n"
    "  plexus capture decode [options] FILE\n"
    "      packets of training data and gradients in a capture\n"
    "\n"
    "plexus help capture encode tells more.\n"},
    {"data",
    "plexus data: training data: convert, inspect, verify, stats, order, mix\n"
    "\n"
    "  plexus data convert [options] IN OUT\n"
    "      training data in another format\n"
    "  plexus data inspect [options] FILE\n"
    "      what is in a file of training data\n"
    "  plexus data verify [options] FILE\n"
    "      every byte of a file of training data\n"
    "  plexus data stats [options] FILE\n"
    "      lengths, vocabulary, duplicates and rows of training data\n"
    "  plexus data order [options] FILE...\n"
    "      in which order samples come\n"
    "  plexus data mix [options] FILE[:WEIGHT]...\n"
    "      sources in shares, exactly\n"
    "\n"
    "plexus help data convert tells more.\n"},
    {"dht",
    "plexus dht: the distributed hash table: put, get, provide, find, closest\n"
    "\n"
    "  plexus dht put [options] KEY VALUE\n"
    "      store a value in the DHT\n"
    "  plexus dht get [options] KEY\n"
    "      look a value up\n"
    "  plexus dht provide [options] [CID]\n"
    "      announce that this node has something\n"
    "  plexus dht find [options] CID|PEER\n"
    "      find providers of a CID, or the addresses of a peer\n"
    "  plexus dht closest [options] KEY|PEER\n"
    "      the peers nearest to a key\n"
    "\n"
    "plexus help dht put tells more.\n"},
    {"swarm",
    "plexus swarm: connections of the running node: connect, disconnect\n"
    "\n"
    "  plexus swarm connect [options] PEER|MULTIADDR\n"
    "      connect to a peer\n"
    "  plexus swarm disconnect [options] PEER\n"
    "      close every connection to a peer\n"
    "\n"
    "plexus help swarm connect tells more.\n"},
    {"config",
    "plexus config: settings and where they come from: list, get\n"
    "\n"
    "  plexus config list [options] [VERB]\n"
    "      settings in effect\n"
    "  plexus config get [options] KEY\n"
    "      the value of one setting\n"
    "\n"
    "plexus help config list tells more.\n"},
    {"setup",
    "plexus setup: what needs root, once: xdp\n"
    "\n"
    "  plexus setup xdp [options]\n"
    "      install the helper of plexus agg\n"
    "\n"
    "plexus help setup xdp tells more.\n"},
    {"sim",
    "plexus sim: thousands of peers in one process: dht\n"
    "\n"
    "  plexus sim dht [options]\n"
    "      a Kademlia swarm of thousands of peers in virtual time\n"
    "\n"
    "plexus help sim dht tells more.\n"},
    {"",
    "usage: plexus VERB [options] [arguments]\n"
    "Models that speak\n"
    "  run         continue a prompt with a model\n"
    "  chat        talk with a model\n"
    "  serve       answer for a model over HTTP\n"
    "  demo        the life of a model, in acts\n"
    "Models as content\n"
    "  push        put a model into the store, cut into shards\n"
    "  pull        fetch a model from whoever has it\n"
    "  list        models in the store\n"
    "  show        one model of the store, shard by shard\n"
    "  pin         keep a model when the quota is reached\n"
    "  rm          remove a model and the shards that no other model needs\n"
    "Looking inside\n"
    "  tokenize    text to tokens\n"
    "  detokenize  tokens to text\n"
    "  inspect     what a model file holds and needs\n"
    "  check       validate a file of a format that plexus parses\n"
    "  data        training data: convert, inspect, verify, stats, order, mix\n"
    "  capture     packets in files of pcap: decode, encode\n"
    "Measuring and comparing\n"
    "  eval        how well a model predicts: perplexity, logits\n"
    "  digest      fingerprint of what a model computes\n"
    "  bench       speed, beside other programs: data, http, infer, p2p\n"
    "  sim         thousands of peers in one process: dht\n"
    "  perf        throughput over libp2p (/perf/1.0.0)\n"
    "Peers\n"
    "  ps          who computes which blocks now\n"
    "  plan        who would compute which blocks of a model\n"
    "  up          run a node in the foreground\n"
    "  id          who the running node is\n"
    "  peers       connected peers, best for work first\n"
    "  invite      words that let another machine into this swarm\n"
    "  join        enter a private swarm by an invite\n"
    "  drain       hand over what this node computes for others\n"
    "  stop        end the running node\n"
    "  leave       forget the private swarm of this home\n"
    "  ping        round trip time to a peer\n"
    "  agg         gradients added in the kernel: attach, stat, trace, offer, ...\n"
    "  xdpd        attach the kernel's aggregator for processes without rights\n"
    "  net         how this node stands in the network\n"
    "  dht         the distributed hash table: put, get, provide, find, closest\n"
    "  swarm       connections of the running node: connect, disconnect\n"
    "  interop-peer a peer for tests, spoken to in lines of JSON\n"
    "The house\n"
    "  doctor      what this machine offers, and the fallbacks taken\n"
    "  kernels     numeric kernels and why each was chosen\n"
    "  limits      every limit and what it stops\n"
    "  explain     what an error code means and what to do\n"
    "  config      settings and where they come from: list, get\n"
    "  setup       what needs root, once: xdp\n"
    "  completion  completion script for a shell\n"
    "  version     version and features\n"
    "  help        help on a verb or a topic\n"
    "\n"
    "plexus help VERB tells more; plexus demo shows what it can do.\n"},
};
const unsigned cli_topic_count = 14;
