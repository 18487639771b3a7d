#!/bin/sh
# ./dev check-rdma [WORD]: the path through verbs on soft RoCE (rdma_rxe), in an emulated machine
# (tools/guest.sh), since that driver is seldom there. Prints the TAP of tests/rdma/verbs_guest.c,
# of the cases whose name has the word that is given. Skips, and says why, without what it needs
# (./dev deps --guest installs it). Exit: 0 passed or skipped, 1 failed.
set -eu
cd "$(dirname "$0")/.."
work=${PLEXUS_BUILD:-build}/rdma
. tools/guest.sh

needs rdma
provider=$(ls /usr/lib/*/libibverbs/librxe-rdmav*.so 2>/dev/null | head -1)
[ -n "$provider" ] || skip 'no ibverbs-providers; ./dev deps --guest installs it'
[ -x "$build/tests/verbs_guest" ] || skip 'this build has no verbs (libibverbs-dev)'

image() {
    begin_image tests/rdma/init
    mkdir -p "$root/etc/libibverbs.d"
    add_program "$build/tests/verbs_guest"
    for tool in ip rdma tc; do
        [ -x /sbin/$tool ] && add /sbin/$tool || add /usr/bin/$tool
    done
    add "$provider" "$(dirname "$(dirname "$provider")")/libibverbs.so.1"
    echo 'driver rxe' >"$root/etc/libibverbs.d/rxe.driver"
    add_modules crc32_generic crc32_pclmul crc32c_generic veth bridge ib_uverbs rdma_ucm rdma_rxe \
        sch_ingress cls_u32 act_gact
    end_image
}

get_kernel
image
begin=$(date +%s)
# The driver of Linux 6.1 sometimes locks itself up between two processors: then once more.
for try in 1 2 3; do
    boot ${1:+"FILTER=$1"} && break
    printf '# rdma_rxe of the guest locked up (try %s)\n' $try
done
printf '# %s s in all\n' $(($(date +%s) - begin))
passed
