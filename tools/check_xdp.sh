#!/bin/sh
# ./dev check-xdp: the aggregator on a device that other XDP programs have, too, with libxdp's dispatcher, in
# an emulated machine (tools/guest.sh), since kernels of containers and small machines refuse to
# extend programs. Prints the TAP of tests/xdp/init. Skips, and says why, without what it needs
# (./dev deps --guest installs it). Exit: 0 passed or skipped, 1 failed.
set -eu
cd "$(dirname "$0")/.."
work=${PLEXUS_BUILD:-build}/xdp
PLEXUS_GUEST_SECONDS=${PLEXUS_GUEST_SECONDS:-1500} # loading the program takes half a minute there
. tools/guest.sh

needs xdp-loader ldconfig
libxdp=$(ldconfig -p | sed -n 's/.*libxdp.so.1 .*=> //p' | head -1)
[ -n "$libxdp" ] || skip 'no libxdp1; ./dev deps --guest installs it'
[ -x "$build/tests/agg_worker" ] || skip 'this build has no BPF (clang-14, libbpf-dev)'

begin_image tests/xdp/init
mkdir -p "$root/bpf"
add_program "$build/plexus" "$build/tests/agg_worker" "$build/tests/xdp_seen" \
    "$(command -v xdp-loader)"
mv "$root/bin/xdp_seen" "$root/bin/seen"
add /sbin/ip "$libxdp" "$(dirname "$(readlink -f "$libxdp")")/bpf/xdp-dispatcher.o"
for o in before behind; do cp "$build/tests/xdp_$o.bpf.o" "$root/bpf/$o.o"; done
get_kernel
add_modules veth bridge
end_image
begin=$(date +%s)
boot
printf '# %s s in all\n' $(($(date +%s) - begin))
passed
