#!/bin/sh
# Build a small bootable cloud guest from Debian packages: no root, no loop devices, no guestfs.
#
#   ./build.sh OUTDIR    -> OUTDIR/tiny-HASH.qcow2, .vmlinuz and .initrd; prints the path of the first
#
# HASH is that of this recipe, so an image that has overlays is never written again: a changed recipe makes a new
# file.  OUTDIR/tiny.stamp holds the hash of the last finished build; when it is the recipe's, nothing is done.
#
# Environment:
#   DISK_MIB    size of the disk image       (default 96)
#   KERNEL      kernel package to unpack      (default: what linux-image-cloud-amd64 depends on)
#   MODULES     more kernel modules to put in the image, by name
#   CACHE_DIR   where downloaded packages are kept (default OUTDIR/packages)
set -eu
umask 022
PATH=$PATH:/usr/sbin:/sbin
export PATH
here=$(cd "$(dirname "$0")" && pwd)
out=${1:?usage: build.sh OUTDIR}
mkdir -p "$out"
out=$(cd "$out" && pwd)
disk_mib=${DISK_MIB:-96}
boot_mib=32
boot_modules="virtio_pci virtio_blk virtio_net virtio_scsi sd_mod xen-blkfront
 xen-netfront virtio_balloon virtio_console virtio-rng ata_piix sr_mod isofs
 nls_utf8 vfat nls_cp437 nls_ascii button evdev"

# The README is not part of what is built; modes are, so the list names the executable files.
hash=$(cd "$here" && {
    find build.sh files -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum
    find build.sh files -type f -perm -100 | LC_ALL=C sort
    find files -type l -printf '%p %l\n' | LC_ALL=C sort
    echo "$disk_mib ${KERNEL:-} ${MODULES:-}"
} | sha256sum | cut -c1-12)
finished() {
    [ "$(cat "$out/tiny.stamp" 2>/dev/null)" = "$hash" ] || return 1
    for f in qcow2 vmlinuz initrd; do [ -s "$out/tiny-$hash.$f" ] || return 1; done
}
if finished; then echo "$out/tiny-$hash.qcow2"; exit 0; fi

missing=
for tool in apt-get:apt dpkg-deb:dpkg objdump:binutils depmod:kmod cpio:cpio mke2fs:e2fsprogs mformat:mtools \
    syslinux:syslinux sfdisk:fdisk qemu-img:qemu-utils flock:util-linux; do
    command -v "${tool%%:*}" >/dev/null || missing="$missing ${tool#*:}"
done
[ -s /usr/lib/syslinux/mbr/mbr.bin ] || missing="$missing syslinux-common"
if [ -n "$missing" ]; then
    echo "build.sh: missing Debian packages; install them with: apt-get install --no-install-recommends$missing" >&2
    exit 1
fi

exec 9> "$out/.lock"
flock 9     # a second build of the same directory waits, then finds the work done
if finished; then echo "$out/tiny-$hash.qcow2"; exit 0; fi
cache=${CACHE_DIR:-$out/packages}
mkdir -p "$cache"
cache=$(cd "$cache" && pwd)
work=$(mktemp -d "$out/work.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
cd "$work"
export MTOOLS_SKIP_CHECK=1
say() { echo "guest image: $*" >&2; }

mkdir x debs
kernel=${KERNEL:-$(find "$cache" -name 'linux-image-*-cloud-amd64_*.deb' -printf '%f\n' | sort -V | tail -1 | cut -d_ -f1)}
kernel=${kernel:-$(apt-cache depends linux-image-cloud-amd64 2>/dev/null | awk '/Depends:/{print $2; exit}')}
if [ -z "$kernel" ]; then
    echo "build.sh: apt knows no linux-image-cloud-amd64; run apt-get update as root, or name a package in KERNEL" >&2
    exit 1
fi
packages="$kernel busybox-static dropbear-bin libc6 libtomcrypt1 libtommath1 libgmp10 libcrypt1 zlib1g e2fsprogs
 libext2fs2 libcom-err2 libblkid1 libuuid1 libss2"
cached() { find "$cache" -name "${1}_*.deb" | sort -V | tail -1; }
wanted=
for p in $packages; do [ -n "$(cached "$p")" ] || wanted="$wanted $p"; done
if [ -n "$wanted" ]; then
    say "downloading packages"
    # By way of a directory of our own: an interrupted download must not look like a package.
    if ! (cd debs && apt-get -qq download $wanted) > apt.log 2>&1; then
        cat apt.log >&2
        echo "build.sh: could not download$wanted; run apt-get update as root and try again" >&2
        exit 1
    fi
    mv debs/*.deb "$cache/"
fi
# Relative names from here on: OUTDIR may have spaces in its own.
x=x
for p in $packages; do dpkg-deb -x "$(cached "$p")" "$x"; done
ver=$(ls "$x/lib/modules")
cp "$x/boot/vmlinuz-$ver" vmlinuz
depmod -b "$x" "$ver"

say "initramfs, kernel $ver"
i=initrd
mkdir -p "$i/bin" "$i/dev" "$i/proc" "$i/sys" "$i/new" "$i/lib/modules/$ver"
cp "$x/bin/busybox" "$i/bin/busybox"
for a in sh mount umount insmod findfs fdisk mdev sleep cat echo switch_root \
    seq ls sed grep awk printf blockdev; do ln -sf busybox "$i/bin/$a"; done
mods() { # every module wanted with what it needs, in load order, once each
    for m in "$@"; do
        modprobe -d "$x" -S "$ver" --show-depends "$m" 2>/dev/null ||
            say "no module $m in this kernel"
    done | sed -n 's/^insmod \(.*\.ko[.a-z]*\).*/\1/p' | awk '!seen[$0]++'
}
mods $boot_modules | while read -r f; do
    cp "$f" "$i/lib/modules/$ver/"
    echo "/lib/modules/$ver/$(basename "$f")"
done > "$i/lib/modules/order"
install -m 755 "$here/files/initramfs-init" "$i/init"
(cd "$i" && find . | LC_ALL=C sort | cpio --quiet -o -H newc -R 0:0 | gzip -n -6) > initrd.gz

say "root file system"
r=root
for d in bin sbin dev proc sys run tmp root etc/dropbear usr/bin usr/sbin \
    var/log var/lib/ec2-init home lib lib64 mnt media usr/lib; do
    mkdir -p "$r/$d"; done
chmod 1777 "$r/tmp"; chmod 700 "$r/root"
cp "$x/bin/busybox" "$r/bin/busybox"
for a in $("$x/bin/busybox" --list); do
    case $a in busybox|rpm|dpkg|dpkg-deb|init|linuxrc|poweroff) continue;; esac
    ln -s busybox "$r/bin/$a"
done
ln -s ../bin/busybox "$r/sbin/init"
cp "$x/usr/sbin/dropbear" "$r/usr/sbin/"
cp "$x/usr/bin/dropbearkey" "$x/usr/bin/dbclient" "$r/usr/bin/"
cp "$x/sbin/resize2fs" "$x/sbin/mke2fs" "$x/sbin/e2fsck" "$r/sbin/" 2>/dev/null ||
    cp "$x/usr/sbin/resize2fs" "$x/usr/sbin/mke2fs" "$x/usr/sbin/e2fsck" "$r/sbin/"
ln -s mke2fs "$r/sbin/mkfs.ext4"
# shared libraries the four programs above need, closed over their own needs
need() { LC_ALL=C objdump -p "$1" 2>/dev/null | awk '/NEEDED/{print $2}'; }
todo="$r/usr/sbin/dropbear $r/sbin/resize2fs $r/sbin/mke2fs $r/sbin/e2fsck"
while [ -n "$todo" ]; do
    next=
    for f in $todo; do
        for l in $(need "$f"); do
            [ -e "$r/lib/$l" ] && continue
            s=$(find "$x" -name "$l" | head -1)
            [ -n "$s" ] || { echo "build.sh: missing library $l" >&2; exit 1; }
            cp -L "$s" "$r/lib/$l"
            next="$next $r/lib/$l"
        done
    done
    todo=$next
done
cp -L "$(find "$x" -name 'ld-linux-x86-64.so.2' | head -1)" "$r/lib/"
ln -s ../lib/ld-linux-x86-64.so.2 "$r/lib64/ld-linux-x86-64.so.2"
cp -r "$here/files/rootfs/." "$r/"
find "$r/etc" "$r/usr" "$r/home" -type d -exec chmod 755 {} +
chmod 600 "$r/etc/shadow"
if [ -n "${MODULES:-}" ]; then
    mkdir -p "$r/lib/modules/$ver"
    mods $MODULES | while read -r f; do cp "$f" "$r/lib/modules/$ver/"; done
    cp "$x"/lib/modules/"$ver"/modules.builtin* "$r/lib/modules/$ver/" || true
    depmod -b "$r" "$ver"
fi
echo "$ver" > "$r/etc/kernel-version"

say "disk"
img=disk.img
start=$((2048 + boot_mib * 2048))
truncate -s "${disk_mib}M" "$img"
printf 'label: dos\nstart=2048, size=%s, type=6, bootable\nstart=%s, type=83\n' \
    $((boot_mib * 2048)) "$start" | sfdisk -q "$img"
fat=$img@@1048576
mformat -i "$fat" -T $((boot_mib * 2048)) -h 64 -s 32 -v BOOT ::
cat > syslinux.cfg <<'C'
SERIAL 0 115200
DEFAULT linux
PROMPT 0
TIMEOUT 1
LABEL linux
  KERNEL vmlinuz
  APPEND initrd=initrd.img root=LABEL=cloudroot console=tty0 console=ttyS0,115200 net.ifnames=0 quiet
C
mcopy -i "$fat" vmlinuz ::vmlinuz
mcopy -i "$fat" initrd.gz ::initrd.img
mcopy -i "$fat" syslinux.cfg ::syslinux.cfg
syslinux -t 1048576 --install "$img"
dd if=/usr/lib/syslinux/mbr/mbr.bin of="$img" bs=440 count=1 conv=notrunc status=none
mke2fs -q -t ext4 -L cloudroot -m 0 -O resize_inode -J size=4 \
    -E root_owner=0:0,resize=16777216 -d "$r" root.img $((disk_mib - boot_mib - 1))M > mke2fs.log
# Files must belong to root inside the image, whoever owns this checkout and whoever builds.
(cd "$r" && find . -mindepth 1 | sed -e 's|^\.||' -e 's|.*|sif "&" uid 0\nsif "&" gid 0|') |
    debugfs -w -f - root.img > debugfs.log 2>&1
dd if=root.img of="$img" bs=1M seek=$((boot_mib + 1)) conv=notrunc,sparse status=none
qemu-img convert -c -O qcow2 "$img" disk.qcow2

mv vmlinuz "$out/tiny-$hash.vmlinuz"
mv initrd.gz "$out/tiny-$hash.initrd"
mv disk.qcow2 "$out/tiny-$hash.qcow2"
echo "$hash" > stamp && mv stamp "$out/tiny.stamp"
echo "$out/tiny-$hash.qcow2"
