#!/bin/sh
# Turn the archive of the root file system into the raw image of a head's root disk.
# Runs as root, or as root of a user namespace.
set -eu
archive=$1 files=$2 work=$3 size=$4
root=$work/root

# In a user namespace nobody else can remove it.
trap 'rm -rf "$root"' EXIT
mkdir "$root"
# The kernel fills /dev by itself, and in a user namespace nobody may make devices.
tar --extract --numeric-owner --exclude='./dev/*' --file="$archive" --directory="$root"
tar --create --owner=0 --group=0 --mode=go-w --directory="$files" . \
    | tar --extract --no-overwrite-dir --directory="$root"

chroot "$root" useradd --create-home --shell /bin/bash ops
chroot "$root" usermod --password '*' ops

# Every head gets its own from its seed disk or its kernel's command line.
rm -f "$root"/etc/ssh/ssh_host_* "$root"/etc/hostname "$root"/etc/hosts "$root"/etc/hostid
: >"$root"/etc/machine-id

# Nothing may start by itself in the middle of a test.
for timer in apt-daily apt-daily-upgrade dpkg-db-backup e2scrub_all fstrim; do
    ln -sf /dev/null "$root/etc/systemd/system/$timer.timer"
done
ln -sf /dev/null "$root"/etc/systemd/system/e2scrub_reap.service

mke2fs -q -t ext4 -L lunops-head -d "$root" "$work/head.raw" "$size"
