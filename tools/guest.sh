# Sourced by tools/check_rdma.sh and tools/check_xdp.sh: an emulated machine with Debian's kernel,
# for what the kernel of this one lacks. The kernel's package is unpacked into the build folder,
# never installed. Expects in `work` the folder of the image.
build=${PLEXUS_BUILD:-build}
limit=${PLEXUS_GUEST_SECONDS:-${PLEXUS_RDMA_SECONDS:-300}}
kernel=$build/guest
root=$work/root
PATH=$PATH:/sbin:/usr/sbin

skip() {
    printf '1..0 # SKIP %s\n' "$*"
    exit 0
}

# Programs that are needed, besides those for any guest.
needs() {
    [ "$(uname -m)" = x86_64 ] || skip 'the emulated machine is x86_64'
    for tool in qemu-system-x86_64 busybox cpio ip depmod modprobe dpkg-deb ldd "$@"; do
        command -v "$tool" >/dev/null || skip "no $tool; ./dev deps --guest installs it"
    done
}

# The kernel: a package that is unpacked already, or the newest of Debian.
get_kernel() {
    if [ ! -f "$kernel/done" ]; then
        name=$(apt-cache depends linux-image-amd64 2>/dev/null |
            sed -n 's/.*Depends: \(linux-image-[0-9][^ ]*\).*/\1/p' | head -1)
        mkdir -p "$kernel"
        { [ -n "$name" ] && (cd "$kernel" && apt-get download -q "$name" >/dev/null 2>&1); } ||
            skip 'no kernel: apt-get download linux-image-amd64 does not work here'
        dpkg-deb -x "$kernel/$name"_*.deb "$kernel"
        rm -f "$kernel/$name"_*.deb
        depmod -b "$kernel" "$(ls "$kernel/lib/modules")"
        : >"$kernel/done"
    fi
    version=$(ls "$kernel/lib/modules")
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

# A program of the build or of the system, to /bin.
add_program() {
    for f; do
        ldd "$f" 2>/dev/null | grep -o '/[^ ]*' | while read -r one; do add "$one"; done
        cp -L "$f" "$root/bin/"
    done
}

# Modules with those that they need, in an order in which they can be loaded.
add_modules() {
    i=10
    for m; do
        modprobe -d "$kernel" -S "$version" --show-depends "$m"
    done | awk '$1 == "insmod" && !seen[$2]++ { print $2 }' | while read -r f; do
        cp "$f" "$root/modules/$i-$(basename "$f")"
        i=$((i + 1))
    done
}

# Begin an image whose first process is a script.
begin_image() {
    rm -rf "$root"
    mkdir -p "$root/bin" "$root/modules" "$root/proc" "$root/sys" "$root/dev" "$root/tmp" "$root/etc"
    cp "$(command -v busybox)" "$root/bin/busybox"
    add "$(command -v busybox)" # the libraries, if it is not static
    cp "$1" "$root/init"
    chmod +x "$root/init"
    # threads that end ask for it
    add "$(gcc -print-file-name=libgcc_s.so.1 2>/dev/null | grep / || echo /lib/x86_64-linux-gnu/libgcc_s.so.1)"
}

end_image() {
    (cd "$root" && find . | cpio --quiet -o -H newc | gzip -1) >"$work/image.gz"
}

# Boot, and print what the script prints. The arguments are words of the kernel's command line,
# which the script finds in its environment. False: the kernel locked itself up.
boot() {
    : >"$work/log"
    timeout "$limit" qemu-system-x86_64 -accel tcg,thread=multi -cpu max -smp 2 -m 1024 -nodefaults \
        -no-user-config -display none -serial stdio -no-reboot \
        -kernel "$kernel/boot/vmlinuz-$version" -initrd "$work/image.gz" \
        -append "console=ttyS0 quiet panic=-1 softlockup_panic=1 mitigations=off $*" \
        </dev/null | sed -u 's/\r$//' >"$work/log" &
    tail -n +1 -f --pid=$! "$work/log" | sed -u -n '/^\[/d; p' &
    wait
    ! grep -q 'soft lockup' "$work/log"
}

# Whether the TAP of the log is one of success.
passed() {
    grep -q '^ok 1 ' "$work/log" && ! grep -q '^not ok' "$work/log" && grep -q '^# rc 0' "$work/log"
}
