#!/usr/bin/env bash
# Makes a Debian package of built programs.
#   packaging/deb.sh PROGRAMS TARGET     PROGRAMS: the directory of the built programs; TARGET: the directory that gets the .deb
#
# What it depends on is what the programs are linked with, as dpkg-shlibdeps finds it: the C libraries of compression, LMDB, SQLite, RocksDB
# and the C++ runtime. Swift's own libraries are inside.
set -euo pipefail

programs=$(cd "${1:?the directory of the programs}" && pwd)
mkdir -p "${2:?the directory for the package}"
target=$(cd "$2" && pwd)
here=$(cd "$(dirname "$0")" && pwd)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
root=$scratch/root
mkdir -m 755 "$root"

PREFIX=/usr DESTDIR=$root ZSH_DIRECTORY=vendor-completions "$here/install.sh" install "$programs" --no-manifest
strip --strip-unneeded "$root"/usr/bin/*
mv "$root/usr/share/doc/millrace/LICENSE" "$root/usr/share/doc/millrace/copyright"

version=$("$programs/millrace-broker" --version | cut -d' ' -f2)
architecture=$(dpkg --print-architecture)
# dpkg-shlibdeps reads a source package's control file, for its name alone.
mkdir -p "$scratch/source/debian"
printf 'Source: millrace\n\nPackage: millrace\nArchitecture: any\n' > "$scratch/source/debian/control"
depends=$(cd "$scratch/source" && dpkg-shlibdeps -O "$root"/usr/bin/* 2> "$scratch/warnings" | sed -n 's/^shlibs:Depends=//p')
[ -n "$depends" ] || { cat "$scratch/warnings" >&2; exit 1; }
if ldd "$root"/usr/bin/* | grep -i 'libswift\|libFoundation\|not found' >&2; then
  echo "the programs need a Swift toolchain: build them with --static-swift-stdlib" >&2
  exit 1
fi

mkdir -m 755 "$root/DEBIAN"
sed -e "s/@VERSION@/$version/" -e "s/@ARCHITECTURE@/$architecture/" -e "s/@DEPENDS@/$depends/" \
  -e "s/@SIZE@/$(du -sk --exclude DEBIAN "$root" | cut -f1)/" "$here/debian/control.in" > "$root/DEBIAN/control"
install -m 644 "$here/debian/conffiles" "$root/DEBIAN/conffiles"
for script in postinst prerm postrm; do install -m 755 "$here/debian/$script" "$root/DEBIAN/$script"; done
(cd "$root" && find usr -type f -print0 | sort -z | xargs -0 md5sum > DEBIAN/md5sums)
package=$target/millrace_${version}_$architecture.deb
dpkg-deb --root-owner-group -Zxz -z3 --build "$root" "$package" > /dev/null
echo "$package"
