#!/usr/bin/env bash
# Tests the packaging of built programs: `make install` and `make uninstall` in a folder, and, as root and with debootstrap, the Debian package
# in a system without Swift.
#   Tests/packaging.sh PROGRAMS
# Not part of `make test`: it downloads a Debian system, and the programs take long to build (`make packaging-test` builds them).
set -euo pipefail

programs=$(cd "${1:?the directory of the programs}" && pwd)
cd "$(dirname "$0")/.."
scratch=$(mktemp -d)
root=$scratch/root
trap 'umount "$root/proc" 2> /dev/null || true; rm -rf "$scratch"' EXIT
failed=0

# Each check is a sentence; what it found follows when it is not so.
check() {
  local sentence=$1
  shift
  if "$@" > "$scratch/output" 2>&1; then echo "✔ $sentence"; else
    echo "✘ $sentence"
    sed 's/^/    /' "$scratch/output"
    failed=1
  fi
}
tree() { (cd "$1" && find . -path ./proc -prune -o -printf '%y %m %p %l\n' | sort); }

# ---- install and uninstall ----
stage=$scratch/stage
mkdir -p "$stage/opt/usr/bin"
echo other > "$stage/opt/usr/bin/other"
tree "$stage" > "$scratch/before"
install() { PREFIX=/opt/usr DESTDIR=$stage packaging/install.sh install "$programs"; }
uninstall() { PREFIX=/opt/usr DESTDIR=$stage packaging/install.sh uninstall; }
check "make install puts programs, pages, completions, unit and configuration in place" install
for file in bin/millrace-broker share/man/man1/millrace-broker.1.gz share/bash-completion/completions/millrace-load \
  share/zsh/site-functions/_millrace share/fish/vendor_completions.d/millrace.fish lib/systemd/system/millrace-broker.service \
  etc/millrace/server.properties; do
  check "  $file is there" test -s "$stage/opt/usr/$file"
done
check "the unit names where the programs and the configuration are" \
  grep -q '^ExecStart=/opt/usr/bin/millrace-broker /opt/usr/etc/millrace/server.properties$' \
  "$stage/opt/usr/lib/systemd/system/millrace-broker.service"
check "bash reads its completions, and completes a key of the configuration" bash -c "
  source '$stage/opt/usr/share/bash-completion/completions/millrace-broker'
  COMP_WORDS=(millrace-broker --override log.di) COMP_CWORD=2
  compopt() { :; }
  _millrace_broker && [ \"\${COMPREPLY[*]}\" = 'log.dirs= log.dir=' ]"
for script in millrace millrace-broker millrace-load; do
  check "bash reads the completions of $script" bash -n "$stage/opt/usr/share/bash-completion/completions/$script"
  if command -v zsh > /dev/null; then check "zsh reads those of $script" zsh -n "$stage/opt/usr/share/zsh/site-functions/_$script"; fi
  if command -v fish > /dev/null; then check "fish reads those of $script" fish -n "$stage/opt/usr/share/fish/vendor_completions.d/$script.fish"; fi
done
if command -v groff > /dev/null; then
  no_warnings() { [ -z "$(for page in "$stage"/opt/usr/share/man/man1/*.gz; do zcat "$page" | groff -man -ww -Kutf8 -Tutf8 2>&1 > /dev/null; done)" ]; }
  check "groff has no warning about any page" no_warnings
fi
if command -v systemd-analyze > /dev/null; then
  unit_is_valid() {
    sed -e "s|/opt/usr|$stage/opt/usr|g" "$stage/opt/usr/lib/systemd/system/millrace-broker.service" > "$scratch/millrace-broker.service"
    ! systemd-analyze verify --man=no "$scratch/millrace-broker.service" 2>&1 | grep -v 'network-online\|Failed to \|standard output' | grep millrace
  }
  check "systemd finds nothing wrong with the unit" unit_is_valid
fi
check "a second install changes nothing that a later uninstall would miss" install
check "make uninstall works" uninstall
tree "$stage" > "$scratch/after"
check "and leaves the folder as it was" diff "$scratch/before" "$scratch/after"
install > /dev/null
echo "broker.id=7" >> "$stage/opt/usr/etc/millrace/server.properties"
check "a configuration that was changed stays over an install" install
check "  with the change" grep -q '^broker.id=7$' "$stage/opt/usr/etc/millrace/server.properties"
uninstall > "$scratch/told"
check "and over an uninstall, which says so" grep -q 'server.properties was changed, and stays' "$scratch/told"

# ---- the Debian package ----
if [ "$(id -u)" -ne 0 ] || ! command -v debootstrap > /dev/null; then
  echo "skipped: the Debian package is tested as root and with debootstrap (apt-get install debootstrap)"
  exit $failed
fi
suite=$(. /etc/os-release && echo "$VERSION_CODENAME")
package=$(packaging/deb.sh "$programs" "$scratch")
echo "  $(basename "$package"): $(stat -c %s "$package") bytes; $(dpkg-deb -f "$package" Depends)"
debootstrap --variant=minbase "$suite" "$root" > "$scratch/debootstrap" 2>&1 || { tail "$scratch/debootstrap"; exit 1; }
mount -t proc proc "$root/proc"
in_root() { chroot "$root" /usr/bin/env DEBIAN_FRONTEND=noninteractive PATH=/usr/sbin:/usr/bin:/sbin:/bin "$@"; }
tree "$root" | grep -v ' \./\(var/cache\|var/lib/dpkg\|var/lib/apt\|var/log\|tmp\)' > "$scratch/before"
cp "$package" "$root/tmp/millrace.deb"
check "apt installs the package with what it depends on" in_root apt-get install -y --no-install-recommends /tmp/millrace.deb
check "no library of Swift's is there, and none is missing" bash -c "! chroot '$root' ldd /usr/bin/millrace /usr/bin/millrace-broker /usr/bin/millrace-load | grep -i 'libswift\|not found'"
for program in millrace millrace-broker millrace-load; do check "  $program runs" in_root $program --version; done
check "there is a user millrace, and its directory" in_root su -s /bin/sh millrace -c 'test -w /var/lib/millrace'
check "its configuration is one a broker would start with" \
  in_root su -s /bin/sh millrace -c 'millrace-broker --check-config /etc/millrace/server.properties'
serves() {
  in_root su -s /bin/sh millrace -c '
    millrace-broker /etc/millrace/server.properties --override listeners=PLAINTEXT://127.0.0.1:39092 2> /tmp/broker.log & pid=$!
    for i in $(seq 100); do grep -q started /tmp/broker.log && break; sleep 0.1; done
    millrace-load produce --bootstrap-server 127.0.0.1:39092 --topic t --partitions 1 --num-records 1000 --acks all --quiet
    code=$?
    kill -TERM $pid
    wait $pid
    exit $code'
}
check "the broker serves a thousand records as that user, and stops in order" serves
check "the package's files are as they were packed" in_root dpkg --verify millrace
check "it is removed" in_root apt-get remove -y millrace
check "  and the records are still there" test -s "$root/var/lib/millrace/meta.properties"
check "  and the configuration" test -s "$root/etc/millrace/server.properties"
check "a second removal of what is left says that records are kept" bash -c "chroot '$root' dpkg --purge millrace | grep -q 'holds records and is kept'"
rm -rf "$root/var/lib/millrace"
in_root apt-get install -y /tmp/millrace.deb > /dev/null 2>&1
check "without records a purge removes everything" in_root dpkg --purge millrace
check "  also its directory" test ! -e "$root/var/lib/millrace"
in_root apt-get autoremove -y --purge > /dev/null 2>&1
tree "$root" | grep -v ' \./\(var/cache\|var/lib/dpkg\|var/lib/apt\|var/log\|tmp\)' > "$scratch/after"
left() { diff "$scratch/before" "$scratch/after" | grep '^>' | grep -v '/etc/\(passwd\|group\|shadow\|gshadow\|subuid\|subgid\|ld.so\|.pwd.lock\)' && return 1 || return 0; }
check "and nothing of it is left but its user" left
exit $failed
