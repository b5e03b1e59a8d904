#!/bin/sh
# Drop from the head's root what only the build of the ZFS modules needed.
# Files are removed, not packages: purging zfs-dkms would remove the modules that it built.
set -eu
root=$1

kernel=$(ls "$root/lib/modules")
for module in zfs spl; do
    if ! ls "$root/lib/modules/$kernel/updates/dkms/$module.ko"* >/dev/null 2>&1; then
        echo "the kernel module $module was not built for $kernel; the log of its build ends with:" >&2
        tail -n 40 "$root"/var/lib/dkms/zfs/*/build/make.log >&2 || true
        exit 1
    fi
done

rm -rf \
    "$root"/usr/src/* "$root"/var/lib/dkms/* "$root"/usr/include/* "$root"/usr/lib/linux-kbuild-* \
    "$root"/usr/lib/gcc "$root"/usr/lib/gcc-cross "$root"/usr/lib/llvm* \
    "$root"/usr/bin/x86_64-linux-gnu-* "$root"/usr/lib/x86_64-linux-gnu/*.a \
    "$root"/usr/share/doc/* "$root"/usr/share/man/* "$root"/usr/share/info/* \
    "$root"/usr/share/locale/* "$root"/usr/share/i18n/* \
    "$root"/boot/initrd.img-* \
    "$root"/var/cache/apt/* "$root"/var/lib/apt/lists/* "$root"/var/log/*.log \
    "$root"/etc/apt/apt.conf.d/99mmdebstrap
