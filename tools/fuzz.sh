#!/bin/sh
# Fuzz: ./dev fuzz [TARGET|all] [SECONDS]. Builds build-fuzz with clang and libFuzzer, runs each
# target for SECONDS (60), and adds to tests/fuzz/corpus/TARGET the few new inputs that reach new
# code. Inputs that crash go to build-fuzz/crashes; the exit status is then 1.
set -eu
target=${1:-all}
seconds=${2:-60}
build=build-fuzz
say() { printf '%s\n' "fuzz: $*" >&2; }

[ -f $build/build.ninja ] || CC=${CC:-clang-14} meson setup $build -Dfuzz=true \
    -Dbuildtype=debugoptimized -Db_sanitize=address,undefined -Db_lundef=false >&2
[ "$target" != all ] || target=$(ls tests/fuzz | sed -n 's/^fuzz_\(.*\)\.c$/\1/p')
for t in $target; do
    [ ! -f "tests/fuzz/fuzz_$t.c" ] || ninja -C $build "tests/fuzz/fuzz_$t" >&2
done

failed=0
for t in $target; do
    program=$build/tests/fuzz/fuzz_$t
    [ -x "$program" ] || { say "no target $t (tests/fuzz/meson.build lists them)"; exit 2; }
    seeds=tests/fuzz/corpus/$t found=$build/corpus/$t
    mkdir -p "$seeds" "$found" $build/crashes
    dict=
    [ ! -f "tests/fuzz/$t.dict" ] || dict=-dict=tests/fuzz/$t.dict
    say "$t for $seconds seconds"
    UBSAN_OPTIONS=halt_on_error=1 "$program" $dict -timeout=10 -rss_limit_mb=1024 -max_len=4096 \
        -max_total_time="$seconds" -print_final_stats=1 -verbosity=1 \
        -artifact_prefix="$build/crashes/$t-" "$found" "$seeds" || failed=1
    "$program" -set_cover_merge=1 -timeout=10 -rss_limit_mb=1024 -artifact_prefix="$build/crashes/$t-" \
        "$seeds" "$found" 2>&1 | tail -n 1 >&2
    say "$t: $(ls "$seeds" | wc -l) inputs in $seeds"
done
exit $failed
