#!/usr/bin/env bash
# Fetches and builds librdkafka and its test suite, and prints the directory.
#
#   Tests/Clients/suites/librdkafka.sh .build/suites/librdkafka
#
# The source is Debian's, fetched with apt-get (in a state of its own: the system's lists stay as they are) and built once; nothing of
# it is part of this project. RapidJSON, which some tests need, comes the same way. Exit code 2 when the suite cannot be had.
set -euo pipefail

cache=${1:?usage: librdkafka.sh DIRECTORY}
mkdir -p "$cache"
cache=$(cd "$cache" && pwd)
source=$cache/source
stamp=$cache/built-for-any-number-of-brokers

missing() {
  echo "librdkafka's test suite cannot be run: $*" >&2
  exit 2
}

# The source package into $source and RapidJSON into $cache/rapidjson, by an apt that knows only this release of Debian.
fetch() {
  local tool release
  for tool in apt-get dpkg-source dpkg-deb; do
    command -v $tool >/dev/null || missing "no $tool: this needs Debian or a relative, with dpkg-dev"
  done
  release=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
  [ -n "$release" ] || missing "/etc/os-release names no Debian release"
  [ -r /usr/share/keyrings/debian-archive-keyring.gpg ] || missing "no debian-archive-keyring: apt-get install it"
  local apt=$cache/apt
  mkdir -p "$apt"/{lists,archives}/partial "$apt/parts"
  cat >"$apt/debian.sources" <<END
Types: deb deb-src
URIs: http://deb.debian.org/debian
Suites: $release
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
END
  local options=(-qq -o Dir::Etc::SourceList="$apt/debian.sources" -o Dir::Etc::SourceParts="$apt/parts"
    -o Dir::State::Lists="$apt/lists" -o Dir::Cache="$apt" -o APT::Sandbox::User=root -o Acquire::Retries=2)
  timeout 300 apt-get "${options[@]}" -o APT::Update::Error-Mode=any update >&2 ||
    missing "apt-get cannot fetch Debian's package lists: is the network there?"
  rm -rf "$cache/download" "$source" "$cache/rapidjson"
  mkdir "$cache/download"
  (
    cd "$cache/download"
    timeout 300 apt-get "${options[@]}" source --download-only librdkafka >&2 &&
      timeout 300 apt-get "${options[@]}" download rapidjson-dev >&2
  ) || missing "apt-get cannot fetch the source of librdkafka, or rapidjson-dev"
  dpkg-source -x "$cache"/download/librdkafka_*.dsc "$source" >"$cache/unpack.log" 2>&1 ||
    missing "dpkg-source failed: $cache/unpack.log"
  dpkg-deb -x "$cache"/download/rapidjson-dev_*.deb "$cache/rapidjson"
}

# A cluster of one broker has one replica of everything: the tests that create topics with three ask for TEST_REPLICAS. 0098 repeats what
# it does with a producer in Java, which would need Apache Kafka's own client: only its run with librdkafka's is left.
adapt() {
  (
    cd "$source/tests"
    local function='static inline int test_replicas(void) { const char *n = getenv("TEST_REPLICAS"); return n ? atoi(n) : 1; }'
    sed -i "s/^#endif \/\* _TESTSHARED_H_ \*\//#include <stdlib.h>\n$function\n&/" testshared.h
    grep -q test_replicas testshared.h || missing "its testshared.h is another than the one this was written for"
    sed -i -E '/create_topic\(/s/, *3\);/, test_replicas());/' \
      0098-consumer-txn.cpp 0103-transactions.c 0107-topic_recreate.c 0111-delay_create_topics.cpp
    sed -i '/do_test_consumer_txn_test(true/d' 0098-consumer-txn.cpp
  )
}

build() {
  local tool
  for tool in gcc g++ make python3; do
    command -v $tool >/dev/null || missing "no $tool: apt-get install build-essential python3"
  done
  # Kerberos is not needed, and its library is seldom there.
  (
    cd "$source"
    CXXFLAGS="-isystem $cache/rapidjson/usr/include" ./configure --disable-gssapi
    nice make -j"$(nproc)" libs
    nice make -j"$(nproc)" -C tests build
  ) >"$cache/build.log" 2>&1 || missing "librdkafka does not build: $cache/build.log"
}

if [ ! -e "$stamp" ]; then
  echo "fetching and building librdkafka and its tests: some minutes, once" >&2
  fetch
  adapt
  build
  touch "$stamp"
fi
echo "$source"
