#!/usr/bin/env bash
# Installs Millrace, or takes away exactly what was installed.
#   packaging/install.sh install PROGRAMS [--no-manifest]     PROGRAMS: the directory of the built programs
#   packaging/install.sh uninstall
# PREFIX (default /usr/local) is where things go; SYSCONFDIR where the configuration goes (default /etc for PREFIX=/usr, else PREFIX/etc);
# DESTDIR is put in front of both and is not written down anywhere.
#
# An installation writes down every file and directory that it made in PREFIX/share/millrace/installed, and uninstall goes by that list: what
# was there before, and what others put into the same directories, stays. A configuration that was changed stays too.
set -euo pipefail

prefix=${PREFIX:-/usr/local}
destdir=${DESTDIR:-}
case "$prefix" in /usr) standard=/etc ;; *) standard=$prefix/etc ;; esac
sysconfdir=${SYSCONFDIR:-$standard}
here=$(cd "$(dirname "$0")" && pwd)
manifest=$prefix/share/millrace/installed
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
made=$scratch/made
: > "$made"

# Makes a directory and those above it, and notes which of them are new.
directory() {
  [ -d "$destdir$1" ] && return
  [ "$1" = / ] || directory "$(dirname "$1")"
  mkdir -m 755 "$destdir$1"
  echo "d $1" >> "$made"
}

# file MODE SOURCE TARGET
file() {
  directory "$(dirname "$3")"
  install -m "$1" "$2" "$destdir$3"
  echo "f $3" >> "$made"
}

# A configuration is put beside one that is there, not over it.
configuration() {
  local target=$2 sum
  sum=$(sha256sum < "$1" | cut -d' ' -f1)
  directory "$(dirname "$target")"
  if [ -e "$destdir$target" ] && ! cmp -s "$1" "$destdir$target"; then
    echo "$target is kept as it is; the new default is $target.new"
    echo "c $sum $target" >> "$made"
    target=$target.new
  fi
  install -m 644 "$1" "$destdir$target"
  echo "c $sum $target" >> "$made"
}

install_all() {
  local programs=$1
  "$here/pages.py" "$programs" "$scratch/pages"
  for name in millrace millrace-broker millrace-load; do
    file 755 "$programs/$name" "$prefix/bin/$name"
    file 644 "$scratch/pages/$name.bash" "$prefix/share/bash-completion/completions/$name"
    file 644 "$scratch/pages/_$name" "$prefix/share/zsh/${ZSH_DIRECTORY:-site-functions}/_$name"
    file 644 "$scratch/pages/$name.fish" "$prefix/share/fish/vendor_completions.d/$name.fish"
  done
  for page in "$scratch"/pages/*.1; do
    gzip -9n "$page"
    file 644 "$page.gz" "$prefix/share/man/man1/$(basename "$page").gz"
  done
  "$programs/millrace-broker" --print-config --override log.dirs=/var/lib/millrace \
    --override listeners=PLAINTEXT://127.0.0.1:9092 > "$scratch/server.properties"
  configuration "$scratch/server.properties" "$sysconfdir/millrace/server.properties"
  sed -e "s|@BINDIR@|$prefix/bin|" -e "s|@SYSCONFDIR@|$sysconfdir|" "$here/millrace-broker.service" > "$scratch/unit"
  file 644 "$scratch/unit" "$prefix/lib/systemd/system/millrace-broker.service"
  file 644 "$here/sysusers.conf" "$prefix/lib/sysusers.d/millrace.conf"
  for page in "$here"/../docs/*.md; do file 644 "$page" "$prefix/share/doc/millrace/$(basename "$page")"; done
  for definition in "$here"/../experiments/*.yaml; do
    file 644 "$definition" "$prefix/share/millrace/experiments/$(basename "$definition")"
  done
  file 644 "$here/../LICENSE" "$prefix/share/doc/millrace/LICENSE"
}

install_with_manifest() {
  if [ -e "$destdir$manifest" ]; then uninstall > /dev/null; fi
  install_all "$1"
  directory "$(dirname "$manifest")"
  install -m 644 "$made" "$destdir$manifest"
  echo "installed in $destdir$prefix; configuration: $destdir$sysconfdir/millrace/server.properties"
}

uninstall() {
  if [ ! -e "$destdir$manifest" ]; then
    echo "nothing is installed in $destdir$prefix: $destdir$manifest is not there" >&2
    exit 1
  fi
  local list=$scratch/list directories=()
  cp "$destdir$manifest" "$list"
  rm "$destdir$manifest"
  while read -r kind rest; do
    case "$kind" in
      f) rm -f "$destdir$rest" ;;
      c)
        local sum=${rest%% *} path=${rest#* }
        if [ -e "$destdir$path" ] && [ "$(sha256sum < "$destdir$path" | cut -d' ' -f1)" != "$sum" ]; then
          echo "$destdir$path was changed, and stays"
        else
          rm -f "$destdir$path"
        fi
        ;;
      d) directories=("$rest" "${directories[@]}") ;;
    esac
  done < "$list"
  # The directories that the installation made, those within others first; one that is not empty is somebody else's by now.
  for path in "${directories[@]}"; do rmdir "$destdir$path" 2> /dev/null || true; done
  echo "uninstalled from $destdir$prefix"
}

case "${1:-}" in
  install)
    programs=$(cd "${2:?the directory of the programs}" && pwd)
    if [ "${3:-}" = --no-manifest ]; then install_all "$programs"; else install_with_manifest "$programs"; fi
    ;;
  uninstall) uninstall ;;
  *)
    sed -n '2,5p' "$0" >&2
    exit 2
    ;;
esac
