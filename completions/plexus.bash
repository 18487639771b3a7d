# bash completion for plexus, made by tools/gen.py
_plexus()
{
    local cur prev verb
    COMPREPLY=()
    cur=${COMP_WORDS[COMP_CWORD]}
    prev=${COMP_WORDS[COMP_CWORD-1]}
    verb=${COMP_WORDS[1]}
    if [ "$COMP_CWORD" = 1 ]; then
        COMPREPLY=($(compgen -W "ps plan run chat serve tokenize detokenize push pull list show pin rm inspect check data capture eval digest bench sim demo doctor kernels limits explain config up id peers invite join drain stop leave ping agg setup xdpd net dht swarm perf interop-peer completion version help" -- "$cur"))
        return
    fi
    case "$verb" in
    eval)
        if [ "$COMP_CWORD" = 2 ]; then
            COMPREPLY=($(compgen -W "perplexity logits" -- "$cur"))
            return
        fi
        verb="$verb ${COMP_WORDS[2]}" ;;
    agg)
        if [ "$COMP_CWORD" = 2 ]; then
            COMPREPLY=($(compgen -W "attach detach stat trace offer jobs withdraw verify" -- "$cur"))
            return
        fi
        verb="$verb ${COMP_WORDS[2]}" ;;
    bench)
        if [ "$COMP_CWORD" = 2 ]; then
            COMPREPLY=($(compgen -W "infer data http p2p pipeline allreduce ddp agg byzantine crc-drop" -- "$cur"))
            return
        fi
        verb="$verb ${COMP_WORDS[2]}" ;;
    capture)
        if [ "$COMP_CWORD" = 2 ]; then
            COMPREPLY=($(compgen -W "encode decode" -- "$cur"))
            return
        fi
        verb="$verb ${COMP_WORDS[2]}" ;;
    data)
        if [ "$COMP_CWORD" = 2 ]; then
            COMPREPLY=($(compgen -W "convert inspect verify stats order mix" -- "$cur"))
            return
        fi
        verb="$verb ${COMP_WORDS[2]}" ;;
    dht)
        if [ "$COMP_CWORD" = 2 ]; then
            COMPREPLY=($(compgen -W "put get provide find closest" -- "$cur"))
            return
        fi
        verb="$verb ${COMP_WORDS[2]}" ;;
    swarm)
        if [ "$COMP_CWORD" = 2 ]; then
            COMPREPLY=($(compgen -W "connect disconnect" -- "$cur"))
            return
        fi
        verb="$verb ${COMP_WORDS[2]}" ;;
    config)
        if [ "$COMP_CWORD" = 2 ]; then
            COMPREPLY=($(compgen -W "list get" -- "$cur"))
            return
        fi
        verb="$verb ${COMP_WORDS[2]}" ;;
    setup)
        if [ "$COMP_CWORD" = 2 ]; then
            COMPREPLY=($(compgen -W "xdp" -- "$cur"))
            return
        fi
        verb="$verb ${COMP_WORDS[2]}" ;;
    sim)
        if [ "$COMP_CWORD" = 2 ]; then
            COMPREPLY=($(compgen -W "dht" -- "$cur"))
            return
        fi
        verb="$verb ${COMP_WORDS[2]}" ;;
    esac
    case "$prev" in
    --color) COMPREPLY=($(compgen -W "auto always never" -- "$cur")); return ;;
    --tokenizer) COMPREPLY=($(compgen -f -- "$cur")); return ;;
    --from) return ;;
    --to) COMPREPLY=($(compgen -W "auto ndp ndp3 jsonl megatron llmc" -- "$cur")); return ;;
    --cache) return ;;
    --timeout) return ;;
    --column) return ;;
    --token-bytes) COMPREPLY=($(compgen -W "auto 2 4" -- "$cur")); return ;;
    --max-tokens) return ;;
    --bad) COMPREPLY=($(compgen -f -- "$cur")); return ;;
    --commit) return ;;
    --eot) return ;;
    --crc) COMPREPLY=($(compgen -W "auto ccitt_false xmodem aug kermit x25" -- "$cur")); return ;;
    --format) COMPREPLY=($(compgen -W "auto ndp gradient" -- "$cur")); return ;;
    --port) return ;;
    --crc) COMPREPLY=($(compgen -W "ccitt_false xmodem aug kermit x25" -- "$cur")); return ;;
    --cover) COMPREPLY=($(compgen -W "all payload body" -- "$cur")); return ;;
    --tokens) return ;;
    --samples) return ;;
    --out|-o) COMPREPLY=($(compgen -f -- "$cur")); return ;;
    --dir) COMPREPLY=($(compgen -f -- "$cur")); return ;;
    --results) COMPREPLY=($(compgen -f -- "$cur")); return ;;
    --steps) return ;;
    --batch) return ;;
    --row-tokens) return ;;
    --seeds) return ;;
    --batch) return ;;
    --row-tokens) return ;;
    --packing) COMPREPLY=($(compgen -W "pad chunk first-fit best-fit" -- "$cur")); return ;;
    --ranks) return ;;
    --steps) return ;;
    --listen) return ;;
    --announce) return ;;
    --key) COMPREPLY=($(compgen -f -- "$cur")); return ;;
    --seed) return ;;
    --key-type) COMPREPLY=($(compgen -W "Ed25519 secp256k1 RSA ECDSA" -- "$cur")); return ;;
    --security) return ;;
    --muxers) return ;;
    --psk) COMPREPLY=($(compgen -f -- "$cur")); return ;;
    --dht) COMPREPLY=($(compgen -W "off server client" -- "$cur")); return ;;
    --dht-protocol) return ;;
    --relay) COMPREPLY=($(compgen -W "off server client" -- "$cur")); return ;;
    --mdns-interval) return ;;
    --bootstrap) return ;;
    --allow) return ;;
    --port) return ;;
    --slow-ms) return ;;
    --spin-us) return ;;
    --api) return ;;
    --api-token) COMPREPLY=($(compgen -f -- "$cur")); return ;;
    --api-host) return ;;
    --model) COMPREPLY=($(compgen -f -- "$cur")); return ;;
    --parallel) return ;;
    --count) return ;;
    --timeout) return ;;
    --name) return ;;
    --store-quota) return ;;
    --blocks) return ;;
    --data) return ;;
    --hash) COMPREPLY=($(compgen -W "sha256 blake3" -- "$cur")); return ;;
    --server-address) return ;;
    --transport) COMPREPLY=($(compgen -W "tcp quic-v1" -- "$cur")); return ;;
    --upload-bytes) return ;;
    --download-bytes) return ;;
    --max-tokens|-n) return ;;
    --temp) return ;;
    --top-k) return ;;
    --top-p) return ;;
    --min-p) return ;;
    --repeat-penalty) return ;;
    --presence-penalty) return ;;
    --frequency-penalty) return ;;
    --seed) return ;;
    --bias) return ;;
    --stop) return ;;
    --ctx) return ;;
    --threads|-t) return ;;
    --stages) return ;;
    --draft) return ;;
    --draft-max) return ;;
    --draft-blocks) return ;;
    --hidden) COMPREPLY=($(compgen -W "auto f32 f16 q8" -- "$cur")); return ;;
    --kv-type) COMPREPLY=($(compgen -W "f16 f32 i8" -- "$cur")); return ;;
    --cpu) return ;;
    --chat-template) COMPREPLY=($(compgen -f -- "$cur")); return ;;
    --system) return ;;
    --file|-f) COMPREPLY=($(compgen -f -- "$cur")); return ;;
    --prompt|-p) return ;;
    --top) return ;;
    --tokens) return ;;
    --format) return ;;
    --chunk) return ;;
    --beside) return ;;
    --prompt-tokens) return ;;
    --gen-tokens) return ;;
    --seconds) return ;;
    --repeat) return ;;
    --sequences) return ;;
    --peer) COMPREPLY=($(compgen -f -- "$cur")); return ;;
    --bytes) return ;;
    --idle) return ;;
    --parts) return ;;
    --parts) return ;;
    --model) COMPREPLY=($(compgen -f -- "$cur")); return ;;
    --peer) COMPREPLY=($(compgen -f -- "$cur")); return ;;
    --delay-ms) return ;;
    --local) return ;;
    --size) return ;;
    --values) return ;;
    --packets) return ;;
    --format) COMPREPLY=($(compgen -W "i16 i8 i4" -- "$cur")); return ;;
    --path) COMPREPLY=($(compgen -W "auto udp shm xsk verbs" -- "$cur")); return ;;
    --values) return ;;
    --rate) return ;;
    --loss) return ;;
    --dup) return ;;
    --corrupt) return ;;
    --peer) COMPREPLY=($(compgen -f -- "$cur")); return ;;
    --python) COMPREPLY=($(compgen -f -- "$cur")); return ;;
    --steps) return ;;
    --peer) COMPREPLY=($(compgen -f -- "$cur")); return ;;
    --python) COMPREPLY=($(compgen -f -- "$cur")); return ;;
    --samples) return ;;
    --parts) return ;;
    --shape) return ;;
    --types) return ;;
    --dir) COMPREPLY=($(compgen -f -- "$cur")); return ;;
    --n) return ;;
    --f) return ;;
    --seeds) return ;;
    --rounds) return ;;
    --nodes) return ;;
    --churn) return ;;
    --lookups) return ;;
    --sybils) return ;;
    --stories) return ;;
    --address) return ;;
    --port) return ;;
    --job) return ;;
    --worker) return ;;
    --secret) return ;;
    --group) return ;;
    --mode) COMPREPLY=($(compgen -W "switch server" -- "$cur")); return ;;
    --helper) COMPREPLY=($(compgen -f -- "$cur")); return ;;
    --world) return ;;
    --least) return ;;
    --wait) return ;;
    --allow) return ;;
    --aggregator) return ;;
    --slots) return ;;
    --deadline) return ;;
    --chunks) return ;;
    --name) return ;;
    --host) return ;;
    --jobs) return ;;
    --topology) COMPREPLY=($(compgen -W "auto sharded central tree" -- "$cur")); return ;;
    --hubs) return ;;
    --hub-rate) return ;;
    --rule) return ;;
    --sentry) COMPREPLY=($(compgen -W "auto none clip1 welford" -- "$cur")); return ;;
    --sentry-k) return ;;
    --sentry-policy) COMPREPLY=($(compgen -W "drop clip" -- "$cur")); return ;;
    --interval|-i) return ;;
    --root) COMPREPLY=($(compgen -f -- "$cur")); return ;;
    --group) return ;;
    --group) return ;;
    --user) return ;;
    --device) return ;;
    --limit) return ;;
    --packets) return ;;
    esac
    case "$verb" in
    "ps")
        if [ "${cur#-}" != "$cur" ]; then
            COMPREPLY=($(compgen -W "--watch --json-lines --json --color -q --quiet -h --help" -- "$cur"))
        else
            :
        fi ;;
    "plan")
        if [ "${cur#-}" != "$cur" ]; then
            COMPREPLY=($(compgen -W "--stages --hidden --json --color -q --quiet -h --help" -- "$cur"))
        else
            COMPREPLY=($(compgen -W tiny -- "$cur") $(compgen -f -- "$cur"))
        fi ;;
    "run")
        if [ "${cur#-}" != "$cur" ]; then
            COMPREPLY=($(compgen -W "-n --max-tokens --temp --top-k --top-p --min-p --repeat-penalty --presence-penalty --frequency-penalty --seed --bias --stop --ignore-eos --ctx -t --threads --kv-type --cpu --no-bos --raw --chat-template --system --swarm --stages --hidden --draft --draft-max --draft-blocks --json-lines --json --color -q --quiet -h --help" -- "$cur"))
        else
            COMPREPLY=($(compgen -W tiny -- "$cur") $(compgen -f -- "$cur"))
        fi ;;
    "chat")
        if [ "${cur#-}" != "$cur" ]; then
            COMPREPLY=($(compgen -W "-n --max-tokens --temp --top-k --top-p --min-p --repeat-penalty --presence-penalty --frequency-penalty --seed --bias --stop --ctx -t --threads --kv-type --cpu --chat-template --system --swarm --stages --hidden --draft --draft-max --draft-blocks --json-lines --json --color -q --quiet -h --help" -- "$cur"))
        else
            COMPREPLY=($(compgen -W tiny -- "$cur") $(compgen -f -- "$cur"))
        fi ;;
    "serve")
        if [ "${cur#-}" != "$cur" ]; then
            COMPREPLY=($(compgen -W "--api --api-token --api-host --parallel --ctx -t --threads --kv-type --cpu --json-lines --json --color -q --quiet -h --help" -- "$cur"))
        else
            COMPREPLY=($(compgen -W tiny -- "$cur") $(compgen -f -- "$cur"))
        fi ;;
    "tokenize")
        if [ "${cur#-}" != "$cur" ]; then
            COMPREPLY=($(compgen -W "-f --file --no-bos --no-special --json --color -q --quiet -h --help" -- "$cur"))
        else
            COMPREPLY=($(compgen -W tiny -- "$cur") $(compgen -f -- "$cur"))
        fi ;;
    "detokenize")
        if [ "${cur#-}" != "$cur" ]; then
            COMPREPLY=($(compgen -W "--tokens --json --color -q --quiet -h --help" -- "$cur"))
        else
            COMPREPLY=($(compgen -W tiny -- "$cur") $(compgen -f -- "$cur"))
        fi ;;
    "push")
        if [ "${cur#-}" != "$cur" ]; then
            COMPREPLY=($(compgen -W "--name --no-pin --sha256 --store-quota --json --color -q --quiet -h --help" -- "$cur"))
        else
            COMPREPLY=($(compgen -f -- "$cur"))
        fi ;;
    "pull")
        if [ "${cur#-}" != "$cur" ]; then
            COMPREPLY=($(compgen -W "--blocks --pin --json --color -q --quiet -h --help" -- "$cur"))
        else
            :
        fi ;;
    "list")
        if [ "${cur#-}" != "$cur" ]; then
            COMPREPLY=($(compgen -W "--json --color -q --quiet -h --help" -- "$cur"))
        else
            :
        fi ;;
    "show")
        if [ "${cur#-}" != "$cur" ]; then
            COMPREPLY=($(compgen -W "--json --color -q --quiet -h --help" -- "$cur"))
        else
            COMPREPLY=($(compgen -W tiny -- "$cur") $(compgen -f -- "$cur"))
        fi ;;
    "pin")
        if [ "${cur#-}" != "$cur" ]; then
            COMPREPLY=($(compgen -W "--off --json --color -q --quiet -h --help" -- "$cur"))
        else
            COMPREPLY=($(compgen -W tiny -- "$cur") $(compgen -f -- "$cur"))
        fi ;;
    "rm")
        if [ "${cur#-}" != "$cur" ]; then
            COMPREPLY=($(compgen -W "--json --color -q --quiet -h --help" -- "$cur"))
        else
            COMPREPLY=($(compgen -W tiny -- "$cur") $(compgen -f -- "$cur"))
        fi ;;
    "inspect")
        if [ "${cur#-}" != "$cur" ]; then
            COMPREPLY=($(compgen -W "--all --json --color -q --quiet -h --help" -- "$cur"))
        else
            COMPREPLY=($(compgen -W tiny -- "$cur") $(compgen -f -- "$cur"))
        fi ;;
    "check")
        if [ "${cur#-}" != "$cur" ]; then
            COMPREPLY=($(compgen -W "--format --list --json --color -q --quiet -h --help" -- "$cur"))
        else
            COMPREPLY=($(compgen -f -- "$cur"))
        fi ;;
    "data convert")
        if [ "${cur#-}" != "$cur" ]; then
            COMPREPLY=($(compgen -W "--tokenizer --from --to --max-tokens --eot --column --token-bytes --bad -t --threads --commit --json --color -q --quiet -h --help" -- "$cur"))
        else
            :
        fi ;;
    "data inspect")
        if [ "${cur#-}" != "$cur" ]; then
            COMPREPLY=($(compgen -W "--crc --cache --timeout --json --color -q --quiet -h --help" -- "$cur"))
        else
            COMPREPLY=($(compgen -f -- "$cur"))
        fi ;;
    "data verify")
        if [ "${cur#-}" != "$cur" ]; then
            COMPREPLY=($(compgen -W "--crc --cache --timeout --json --color -q --quiet -h --help" -- "$cur"))
        else
            COMPREPLY=($(compgen -f -- "$cur"))
        fi ;;
    "data stats")
        if [ "${cur#-}" != "$cur" ]; then
            COMPREPLY=($(compgen -W "--row-tokens --cache --timeout --json --color -q --quiet -h --help" -- "$cur"))
        else
            COMPREPLY=($(compgen -f -- "$cur"))
        fi ;;
    "data order")
        if [ "${cur#-}" != "$cur" ]; then
            COMPREPLY=($(compgen -W "--seed --batch --row-tokens --packing --ranks --steps --cache --timeout --json --color -q --quiet -h --help" -- "$cur"))
        else
            :
        fi ;;
    "capture encode")
        if [ "${cur#-}" != "$cur" ]; then
            COMPREPLY=($(compgen -W "--json --color -q --quiet -h --help" -- "$cur"))
        else
            :
        fi ;;
    "capture decode")
        if [ "${cur#-}" != "$cur" ]; then
            COMPREPLY=($(compgen -W "--format --port --crc --cover --tokens --json-lines --json --color -q --quiet -h --help" -- "$cur"))
        else
            COMPREPLY=($(compgen -f -- "$cur"))
        fi ;;
    "data mix")
        if [ "${cur#-}" != "$cur" ]; then
            COMPREPLY=($(compgen -W "--again --samples --batch --seed -o --out --cache --timeout --json --color -q --quiet -h --help" -- "$cur"))
        else
            :
        fi ;;
    "eval perplexity")
        if [ "${cur#-}" != "$cur" ]; then
            COMPREPLY=($(compgen -W "-f --file --ctx -t --threads --kv-type --cpu --json --color -q --quiet -h --help" -- "$cur"))
        else
            COMPREPLY=($(compgen -W tiny -- "$cur") $(compgen -f -- "$cur"))
        fi ;;
    "eval logits")
        if [ "${cur#-}" != "$cur" ]; then
            COMPREPLY=($(compgen -W "-p --prompt -f --file --top --no-bos -t --threads --kv-type --cpu --json --color -q --quiet -h --help" -- "$cur"))
        else
            COMPREPLY=($(compgen -W tiny -- "$cur") $(compgen -f -- "$cur"))
        fi ;;
    "digest")
        if [ "${cur#-}" != "$cur" ]; then
            COMPREPLY=($(compgen -W "-t --threads --cpu --chunk --beside --json --color -q --quiet -h --help" -- "$cur"))
        else
            COMPREPLY=($(compgen -W tiny -- "$cur") $(compgen -f -- "$cur"))
        fi ;;
    "bench infer")
        if [ "${cur#-}" != "$cur" ]; then
            COMPREPLY=($(compgen -W "--prompt-tokens --gen-tokens -t --threads --repeat --sequences --kv-type --cpu --peer --shape --types --dir --json --color -q --quiet -h --help" -- "$cur"))
        else
            COMPREPLY=($(compgen -W tiny -- "$cur") $(compgen -f -- "$cur"))
        fi ;;
    "bench data")
        if [ "${cur#-}" != "$cur" ]; then
            COMPREPLY=($(compgen -W "--parts --peer --python --samples --repeat --json --color -q --quiet -h --help" -- "$cur"))
        else
            :
        fi ;;
    "bench http")
        if [ "${cur#-}" != "$cur" ]; then
            COMPREPLY=($(compgen -W "--seconds --repeat --json --color -q --quiet -h --help" -- "$cur"))
        else
            :
        fi ;;
    "bench p2p")
        if [ "${cur#-}" != "$cur" ]; then
            COMPREPLY=($(compgen -W "--peer --cross --repeat --bytes --idle --parts --json --color -q --quiet -h --help" -- "$cur"))
        else
            :
        fi ;;
    "bench pipeline")
        if [ "${cur#-}" != "$cur" ]; then
            COMPREPLY=($(compgen -W "--model --parts --prompt-tokens --gen-tokens -t --threads --repeat --delay-ms --peer --json --color -q --quiet -h --help" -- "$cur"))
        else
            :
        fi ;;
    "bench allreduce")
        if [ "${cur#-}" != "$cur" ]; then
            COMPREPLY=($(compgen -W "--local --size --format --values --path --rate --repeat --peer --loss --dup --corrupt --seed --rule --topology --hubs --hub-rate --json --color -q --quiet -h --help" -- "$cur"))
        else
            :
        fi ;;
    "bench ddp")
        if [ "${cur#-}" != "$cur" ]; then
            COMPREPLY=($(compgen -W "--local --rate --steps --path --python --json --color -q --quiet -h --help" -- "$cur"))
        else
            :
        fi ;;
    "bench agg")
        if [ "${cur#-}" != "$cur" ]; then
            COMPREPLY=($(compgen -W "--values --packets --repeat --json --color -q --quiet -h --help" -- "$cur"))
        else
            :
        fi ;;
    "bench byzantine")
        if [ "${cur#-}" != "$cur" ]; then
            COMPREPLY=($(compgen -W "--n --f --seeds --rounds -t --threads --json --color -q --quiet -h --help" -- "$cur"))
        else
            :
        fi ;;
    "bench crc-drop")
        if [ "${cur#-}" != "$cur" ]; then
            COMPREPLY=($(compgen -W "--dir --results --steps --batch --row-tokens --seeds --json --color -q --quiet -h --help" -- "$cur"))
        else
            COMPREPLY=($(compgen -f -- "$cur"))
        fi ;;
    "sim dht")
        if [ "${cur#-}" != "$cur" ]; then
            COMPREPLY=($(compgen -W "--nodes --churn --lookups --seed --sybils --json --color -q --quiet -h --help" -- "$cur"))
        else
            :
        fi ;;
    "demo")
        if [ "${cur#-}" != "$cur" ]; then
            COMPREPLY=($(compgen -W "--stories --temp --seed -t --threads --json-lines --json --color -q --quiet -h --help" -- "$cur"))
        else
            :
        fi ;;
    "doctor")
        if [ "${cur#-}" != "$cur" ]; then
            COMPREPLY=($(compgen -W "--json --color -q --quiet -h --help" -- "$cur"))
        else
            :
        fi ;;
    "kernels")
        if [ "${cur#-}" != "$cur" ]; then
            COMPREPLY=($(compgen -W "--cpu --json --color -q --quiet -h --help" -- "$cur"))
        else
            :
        fi ;;
    "limits")
        if [ "${cur#-}" != "$cur" ]; then
            COMPREPLY=($(compgen -W "--json --color -q --quiet -h --help" -- "$cur"))
        else
            :
        fi ;;
    "explain")
        if [ "${cur#-}" != "$cur" ]; then
            COMPREPLY=($(compgen -W "--json --color -q --quiet -h --help" -- "$cur"))
        else
            :
        fi ;;
    "config list")
        if [ "${cur#-}" != "$cur" ]; then
            COMPREPLY=($(compgen -W "--origin --json --color -q --quiet -h --help" -- "$cur"))
        else
            COMPREPLY=($(compgen -W "ps plan run chat serve tokenize detokenize push pull list show pin rm inspect check data capture eval digest bench sim demo doctor kernels limits explain config up id peers invite join drain stop leave ping agg setup xdpd net dht swarm perf interop-peer completion version help" -- "$cur"))
        fi ;;
    "config get")
        if [ "${cur#-}" != "$cur" ]; then
            COMPREPLY=($(compgen -W "--origin --json --color -q --quiet -h --help" -- "$cur"))
        else
            :
        fi ;;
    "up")
        if [ "${cur#-}" != "$cur" ]; then
            COMPREPLY=($(compgen -W "--listen --announce --port --public --key --security --psk --private --bootstrap --allow --dht --dht-protocol --relay --dcutr --autonat --no-mdns --mdns-interval --portmap --gossipsub --slow-ms --spin-us --store-quota --sha256 --api --api-token --api-host --model --swarm --parallel --ctx -t --threads --json-lines --json --color -q --quiet -h --help" -- "$cur"))
        else
            :
        fi ;;
    "id")
        if [ "${cur#-}" != "$cur" ]; then
            COMPREPLY=($(compgen -W "--json --color -q --quiet -h --help" -- "$cur"))
        else
            :
        fi ;;
    "peers")
        if [ "${cur#-}" != "$cur" ]; then
            COMPREPLY=($(compgen -W "--json --color -q --quiet -h --help" -- "$cur"))
        else
            :
        fi ;;
    "invite")
        if [ "${cur#-}" != "$cur" ]; then
            COMPREPLY=($(compgen -W "--json --color -q --quiet -h --help" -- "$cur"))
        else
            :
        fi ;;
    "join")
        if [ "${cur#-}" != "$cur" ]; then
            COMPREPLY=($(compgen -W "--json --color -q --quiet -h --help" -- "$cur"))
        else
            :
        fi ;;
    "drain")
        if [ "${cur#-}" != "$cur" ]; then
            COMPREPLY=($(compgen -W "--timeout --off --json --color -q --quiet -h --help" -- "$cur"))
        else
            :
        fi ;;
    "stop")
        if [ "${cur#-}" != "$cur" ]; then
            COMPREPLY=($(compgen -W "--timeout --now --json --color -q --quiet -h --help" -- "$cur"))
        else
            :
        fi ;;
    "leave")
        if [ "${cur#-}" != "$cur" ]; then
            COMPREPLY=($(compgen -W "--timeout --now --json --color -q --quiet -h --help" -- "$cur"))
        else
            :
        fi ;;
    "ping")
        if [ "${cur#-}" != "$cur" ]; then
            COMPREPLY=($(compgen -W "--count --timeout --json --color -q --quiet -h --help" -- "$cur"))
        else
            :
        fi ;;
    "agg attach")
        if [ "${cur#-}" != "$cur" ]; then
            COMPREPLY=($(compgen -W "--generic --address --port --name --host --jobs --job --worker --secret --group --values --slots --chunks --deadline --format --mode --steered --helper --sentry --sentry-k --sentry-policy --foreground --json --color -q --quiet -h --help" -- "$cur"))
        else
            :
        fi ;;
    "agg detach")
        if [ "${cur#-}" != "$cur" ]; then
            COMPREPLY=($(compgen -W "--json --color -q --quiet -h --help" -- "$cur"))
        else
            :
        fi ;;
    "agg stat")
        if [ "${cur#-}" != "$cur" ]; then
            COMPREPLY=($(compgen -W "-i --interval --json --color -q --quiet -h --help" -- "$cur"))
        else
            :
        fi ;;
    "agg trace")
        if [ "${cur#-}" != "$cur" ]; then
            COMPREPLY=($(compgen -W "--limit --json-lines --json --color -q --quiet -h --help" -- "$cur"))
        else
            :
        fi ;;
    "agg offer")
        if [ "${cur#-}" != "$cur" ]; then
            COMPREPLY=($(compgen -W "--world --least --wait --allow --central --aggregator --group --values --slots --format --json --color -q --quiet -h --help" -- "$cur"))
        else
            :
        fi ;;
    "agg jobs")
        if [ "${cur#-}" != "$cur" ]; then
            COMPREPLY=($(compgen -W "--json --color -q --quiet -h --help" -- "$cur"))
        else
            :
        fi ;;
    "agg withdraw")
        if [ "${cur#-}" != "$cur" ]; then
            COMPREPLY=($(compgen -W "--json --color -q --quiet -h --help" -- "$cur"))
        else
            :
        fi ;;
    "agg verify")
        if [ "${cur#-}" != "$cur" ]; then
            COMPREPLY=($(compgen -W "--packets --seed --sentry --helper --json --color -q --quiet -h --help" -- "$cur"))
        else
            :
        fi ;;
    "setup xdp")
        if [ "${cur#-}" != "$cur" ]; then
            COMPREPLY=($(compgen -W "--dry-run --remove --group --root --json --color -q --quiet -h --help" -- "$cur"))
        else
            :
        fi ;;
    "xdpd")
        if [ "${cur#-}" != "$cur" ]; then
            COMPREPLY=($(compgen -W "--helper --group --user --device --json --color -q --quiet -h --help" -- "$cur"))
        else
            :
        fi ;;
    "net")
        if [ "${cur#-}" != "$cur" ]; then
            COMPREPLY=($(compgen -W "--json --color -q --quiet -h --help" -- "$cur"))
        else
            :
        fi ;;
    "dht put")
        if [ "${cur#-}" != "$cur" ]; then
            COMPREPLY=($(compgen -W "--timeout --json --color -q --quiet -h --help" -- "$cur"))
        else
            :
        fi ;;
    "dht get")
        if [ "${cur#-}" != "$cur" ]; then
            COMPREPLY=($(compgen -W "--timeout --json --color -q --quiet -h --help" -- "$cur"))
        else
            :
        fi ;;
    "dht provide")
        if [ "${cur#-}" != "$cur" ]; then
            COMPREPLY=($(compgen -W "--data --hash --timeout --json --color -q --quiet -h --help" -- "$cur"))
        else
            :
        fi ;;
    "dht find")
        if [ "${cur#-}" != "$cur" ]; then
            COMPREPLY=($(compgen -W "--timeout --json --color -q --quiet -h --help" -- "$cur"))
        else
            :
        fi ;;
    "dht closest")
        if [ "${cur#-}" != "$cur" ]; then
            COMPREPLY=($(compgen -W "--timeout --json --color -q --quiet -h --help" -- "$cur"))
        else
            :
        fi ;;
    "swarm connect")
        if [ "${cur#-}" != "$cur" ]; then
            COMPREPLY=($(compgen -W "--timeout --json --color -q --quiet -h --help" -- "$cur"))
        else
            :
        fi ;;
    "swarm disconnect")
        if [ "${cur#-}" != "$cur" ]; then
            COMPREPLY=($(compgen -W "--json --color -q --quiet -h --help" -- "$cur"))
        else
            :
        fi ;;
    "perf")
        if [ "${cur#-}" != "$cur" ]; then
            COMPREPLY=($(compgen -W "--run-server --server-address --transport --upload-bytes --download-bytes --security --json --color -q --quiet -h --help" -- "$cur"))
        else
            :
        fi ;;
    "interop-peer")
        if [ "${cur#-}" != "$cur" ]; then
            COMPREPLY=($(compgen -W "--listen --announce --security --muxers --key --key-type --seed --psk --dht --dht-protocol --gossipsub --gossipsub-nosign --relay --dcutr --autonat --mdns --mdns-interval --spin-us --json --color -q --quiet -h --help" -- "$cur"))
        else
            :
        fi ;;
    "completion")
        if [ "${cur#-}" != "$cur" ]; then
            COMPREPLY=($(compgen -W "--json --color -q --quiet -h --help" -- "$cur"))
        else
            COMPREPLY=($(compgen -W "bash zsh fish" -- "$cur"))
        fi ;;
    "version")
        if [ "${cur#-}" != "$cur" ]; then
            COMPREPLY=($(compgen -W "--json --color -q --quiet -h --help" -- "$cur"))
        else
            :
        fi ;;
    "help")
        if [ "${cur#-}" != "$cur" ]; then
            COMPREPLY=($(compgen -W "--json --color -q --quiet -h --help" -- "$cur"))
        else
            COMPREPLY=($(compgen -W "ps plan run chat serve tokenize detokenize push pull list show pin rm inspect check data capture eval digest bench sim demo doctor kernels limits explain config up id peers invite join drain stop leave ping agg setup xdpd net dht swarm perf interop-peer completion version help" -- "$cur"))
        fi ;;
    esac
}
complete -o filenames -F _plexus plexus
