#!/bin/sh
# Builds the kernels for AArch64 in $1 and runs checkkernel there under qemu; exits 77 (skipped)
# where the cross compiler or qemu is missing. tests/cli/test_digest.py builds there too: one waits.
set -eu
source=$(cd "$(dirname "$0")/../.." && pwd)
for tool in aarch64-linux-gnu-gcc qemu-aarch64-static; do
    command -v $tool >/dev/null || {
        echo "no $tool: skipped"
        exit 77
    }
done
exec 9>"$1.lock"
flock 9
[ -f "$1/build.ninja" ] || meson setup "$1" "$source" --cross-file "$source/tools/cross/aarch64.ini"
ninja -C "$1" checkkernel
exec 9>&-
unset PLEXUS_CPU
exec qemu-aarch64-static "$1/checkkernel"
