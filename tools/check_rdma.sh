#!/bin/sh
# ./dev check-rdma [WORD]: the path through verbs on soft RoCE (rdma_rxe), in an emulated machine with
# Debian's kernel, since that driver is seldom there. Prints the TAP of tests/rdma/verbs_guest.c, of
# the cases whose name has the word that is given. The kernel's package is unpacked into the build
# folder, never installed. Skips, and says why, without what it needs (./dev deps --rdma installs
# it). Exit: 0 passed or skipped, 1 failed.
set -eu
cd "$(dirname "$0")/.."
build=${PLEXUS_BUILD:-build}
work=$build/rdma
limit=${PLEXUS_RDMA_SECONDS:-300}

skip() {
    printf '1..0 # SKIP %s\n' "$*"
    exit 0
}

[ "$(uname -m)" = x86_64 ] || skip 'the emulated machine is x86_64'
for tool in qemu-system-x86_64 busybox cpio rdma ip depmod modprobe dpkg-deb ldd; do
    PATH=$PATH:/sbin:/usr/sbin command -v $tool >/dev/null || skip "no $tool; ./dev deps --rdma installs it"
done
PATH=$PATH:/sbin:/usr/sbin
provider=$(ls /usr/lib/*/libibverbs/librxe-rdmav*.so 2>/dev/null | head -1)
[ -n "$provider" ] || skip 'no ibverbs-providers; ./dev deps --rdma installs it'
[ -x "$build/tests/verbs_guest" ] || skip 'this build has no verbs (libibverbs-dev)'
mkdir -p "$work"

# The kernel: a package that is unpacked already, or the newest of Debian.
kernel() {
    if [ ! -f "$work/kernel/done" ]; then
        name=$(apt-cache depends linux-image-amd64 2>/dev/null |
            sed -n 's/.*Depends: \(linux-image-[0-9][^ ]*\).*/\1/p' | head -1)
        [ -n "$name" ] || return 1
        (cd "$work" && apt-get download -q "$name" >/dev/null 2>&1) || return 1
        rm -rf "$work/kernel"
        dpkg-deb -x "$work/$name"_*.deb "$work/kernel"
        rm -f "$work/$name"_*.deb
        depmod -b "$work/kernel" "$(ls "$work/kernel/lib/modules")"
        : >"$work/kernel/done"
    fi
    version=$(ls "$work/kernel/lib/modules")
}

# A file, and the libraries that it needs, at the places that they have here.
add() {
    for f; do
        for one in "$f" $(ldd "$f" 2>/dev/null | grep -o '/[^ ]*'); do
            [ -f "$root$one" ] && continue
            mkdir -p "$root$(dirname "$one")"
            cp -L "$one" "$root$one"
        done
    done
}

# With those that they need, in an order in which they can be loaded.
modules() {
    i=10
    for m in crc32_generic crc32_pclmul crc32c_generic veth bridge ib_uverbs rdma_ucm rdma_rxe \
        sch_ingress cls_u32 act_gact; do
        modprobe -d "$work/kernel" -S "$version" --show-depends $m
    done | awk '$1 == "insmod" && !seen[$2]++ { print $2 }' | while read -r f; do
        cp "$f" "$root/modules/$i-$(basename "$f")"
        i=$((i + 1))
    done
}

image() {
    root=$work/root
    rm -rf "$root"
    mkdir -p "$root/bin" "$root/modules" "$root/proc" "$root/sys" "$root/dev" "$root/tmp" \
        "$root/etc/libibverbs.d"
    cp "$(command -v busybox)" "$root/bin/busybox"
    add "$(command -v busybox)" # the libraries, if it is not static
    cp tests/rdma/init "$root/init"
    cp "$build/tests/verbs_guest" "$root/bin/verbs_guest"
    chmod +x "$root/init"
    for tool in ip rdma tc; do
        [ -x /sbin/$tool ] && add /sbin/$tool || add /usr/bin/$tool
    done
    ldd "$build/tests/verbs_guest" | grep -o '/[^ ]*' | while read -r f; do add "$f"; done
    libs=$(dirname "$(dirname "$provider")")
    add "$provider" "$libs/libibverbs.so.1"
    echo 'driver rxe' >"$root/etc/libibverbs.d/rxe.driver"
    # threads that end ask for it
    add "$(gcc -print-file-name=libgcc_s.so.1 2>/dev/null | grep / || echo "/lib/x86_64-linux-gnu/libgcc_s.so.1")"
    modules
    (cd "$root" && find . | cpio --quiet -o -H newc | gzip -1) >"$work/image.gz"
}

# The driver of Linux 6.1 sometimes locks itself up between two processors: then once more.
run() {
    timeout "$limit" qemu-system-x86_64 -accel tcg,thread=multi -cpu max -smp 2 -m 1024 -nodefaults \
        -no-user-config -display none -serial stdio -no-reboot \
        -kernel "$work/kernel/boot/vmlinuz-$version" -initrd "$work/image.gz" \
        -append "console=ttyS0 quiet panic=-1 softlockup_panic=1 mitigations=off${1:+ FILTER=$1}" \
        </dev/null | sed -u 's/\r$//' >"$work/log" &
    tail -n +1 -f --pid=$! "$work/log" | sed -u -n '/^\[/d; p' &
    wait
    ! grep -q 'soft lockup' "$work/log"
}

kernel || skip 'no kernel: apt-get download linux-image-amd64 does not work here'
image
begin=$(date +%s)
for try in 1 2 3; do
    : >"$work/log"
    run "$@" && break
    printf '# rdma_rxe of the guest locked up (try %s)\n' $try
done
printf '# %s s in all\n' $(($(date +%s) - begin))
grep -q '^ok 1 ' "$work/log" && ! grep -q '^not ok' "$work/log" && grep -q '^# rc 0' "$work/log"
