#!/bin/sh
# ./dev interop [self] [stages] [clients] [js] [go] [rust]: the interop matrix of plexus against
# itself and against other implementations, in both roles; one model over three nodes with many
# faults; the npm clients of OpenAI and ollama. What is not here is skipped, and said. Exit: 0 when
# all rows that ran passed, 1 when one failed, 77 when nothing could run.
set -u
cd "$(dirname "$0")/.."
root=$(pwd)
out=$root/build-interop
plexus=${PLEXUS_BUILD:-build}/plexus
only=${PLEXUS_INTEROP_ONLY:-.}
jobs=${PLEXUS_INTEROP_JOBS:-2}
passed=0
failed=0
log=$(mktemp)
trap 'rm -f "$log"' EXIT

say() { printf '%s\n' "interop: $*"; }

skip() { say "skipped: $*"; }

have() { command -v "$1" >/dev/null 2>&1; }

matrix() {
    say "$1"
    shift
    python3 tests/interop/matrix.py --only "$only" --jobs "$jobs" "$@" | tee "$log"
    line=$(grep -E '^[0-9]+ passed, [0-9]+ failed' "$log" | tail -1)
    [ -n "$line" ] || line='0 passed, 1 failed'
    passed=$((passed + ${line%% passed*}))
    bad=${line#*, }
    failed=$((failed + ${bad%% failed*}))
}

# Prints why there is no js partner, or nothing when it is ready.
js_ready() {
    from=$root/../shared/interop/js
    to=$out/js
    [ -f "$from/peer.mjs" ] || { echo "js: no js-libp2p partner at ../shared/interop/js"; return; }
    mkdir -p "$to"
    for f in "$from"/* "$from"/.npmrc; do
        [ -f "$f" ] && { cmp -s "$f" "$to/${f##*/}" || cp "$f" "$to/"; }
    done
    cmp -s "$to/package-lock.json" "$to/installed.json" && return
    have npm || { echo "js: no npm"; return; }
    if (cd "$to" && timeout 300 npm ci --no-audit --no-fund) >"$log" 2>&1; then
        cp "$to/package-lock.json" "$to/installed.json"
    else
        echo "js: npm could not install it: $(tail -1 "$log")"
    fi
}

go_ready() {
    have go || { echo "go: no go command"; return; }
    (cd tests/interop/go && timeout 600 go build -mod=readonly -o "$out/go-peer" .) >"$log" 2>&1 ||
        echo "go: the peer does not build here: $(tail -1 "$log")"
}

rust_ready() {
    have cargo || { echo "rust: no cargo command"; return; }
    # The first build compiles some 280 crates: about six minutes on two cores.
    timeout 1500 cargo build --quiet --locked --manifest-path tests/interop/rust/Cargo.toml \
        --target-dir "$out/rust" >"$log" 2>&1 ||
        echo "rust: the peer does not build here: $(tail -1 "$log")"
}

partner() {
    why=$("$1_ready")
    if [ -n "$why" ]; then
        skip "$why"
    else
        matrix "plexus and $1-libp2p" "plexus=$plexus interop-peer" "$1=$2"
    fi
}

# The npm clients of OpenAI and ollama against the HTTP API.
clients() {
    to=$out/clients
    have npm || { skip 'clients: no npm'; return; }
    mkdir -p "$to/home"
    cp tests/interop/clients/package.json tests/interop/clients/package-lock.json \
        tests/interop/clients/.npmrc tests/interop/clients/clients.mjs "$to/"
    if ! cmp -s "$to/package-lock.json" "$to/installed.json"; then
        (cd "$to" && timeout 300 npm ci --no-audit --no-fund) >"$log" 2>&1 ||
            { skip "clients: npm could not install them: $(tail -1 "$log")"; return; }
        cp "$to/package-lock.json" "$to/installed.json"
    fi
    say 'clients of OpenAI and ollama'
    PLEXUS_HOME=$to/home "$plexus" serve tiny --api 127.0.0.1:0 --json-lines >"$to/ready" 2>&1 &
    server=$!
    url=
    for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
        url=$(sed -n 's/.*"http": *"\([^"]*\)".*/\1/p' "$to/ready")
        [ -z "$url" ] || break
        sleep 0.5
    done
    (cd "$to" && timeout 300 node clients.mjs "$url") | tee "$log"
    kill "$server"
    wait "$server" || true
    passed=$((passed + $(grep -c '^ok ' "$log")))
    failed=$((failed + $(grep -c '^not ok ' "$log")))
    grep -q '^ok ' "$log" || failed=$((failed + 1))
}

# One model over three nodes in three namespaces: 20 kills and 20 freezes of the middle stage. A run
# with a failed case is made once more, and that one counts.
stages() {
    say 'one model over three nodes'
    python3 tests/netns/stages.py "$plexus" 20 >"$log" 2>&1 || {
        sed 's/^not ok/first try/; s/^ok/first try: ok/' "$log"
        say 'once more'
        python3 tests/netns/stages.py "$plexus" 20 >"$log" 2>&1
    }
    cat "$log"
    grep -q '^1\.\.0 # SKIP' "$log" && return
    passed=$((passed + $(grep -c '^ok ' "$log")))
    failed=$((failed + $(grep -c '^not ok ' "$log")))
    grep -q '^ok ' "$log" || failed=$((failed + 1))
}

mkdir -p "$out"
[ -x "$plexus" ] || ./dev build plexus || exit 1
[ $# -gt 0 ] || set -- self stages clients js go rust
for name; do
    case $name in
    self) matrix 'plexus and itself' "plexus=$plexus interop-peer" ;;
    js) partner js "$out/js/node $out/js/peer.mjs" ;;
    go) partner go "$out/go-peer" ;;
    stages) stages ;;
    clients) clients ;;
    rust) partner rust "$out/rust/debug/rust-peer" ;;
    *)
        say "unknown partner '$name': self, stages, clients, js, go, rust"
        exit 2
        ;;
    esac
done
printf '%s passed, %s failed\n' "$passed" "$failed"
[ "$failed" = 0 ] || exit 1
[ "$passed" != 0 ] || exit 77
