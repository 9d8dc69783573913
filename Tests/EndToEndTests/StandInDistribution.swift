import Foundation

/// A directory laid out as Apache Kafka's distributions are, whose scripts check what they are given and start our broker.
///
/// As the real ones do, the broker refuses to start before ZooKeeper listens (in that mode) or on storage that nobody has formatted
/// (KRaft). What it was given is kept in `seen`.
final class StandInDistribution: Sendable {
  let path: String

  init(version: String = "3.9.1") throws {
    path = FileManager.default.temporaryDirectory.appendingPathComponent("kafka-stand-in-\(UUID().uuidString)").path
    for directory in ["bin", "config", "libs", "seen"] {
      try FileManager.default.createDirectory(atPath: "\(path)/\(directory)", withIntermediateDirectories: true)
    }
    try Data().write(to: URL(fileURLWithPath: "\(path)/libs/kafka-clients-\(version).jar"))
    try Data(Self.common.utf8).write(to: URL(fileURLWithPath: "\(path)/bin/common.sh"))
    for (name, text) in [
      ("zookeeper-server-start.sh", Self.zooKeeper), ("kafka-storage.sh", Self.storage),
      ("kafka-server-start.sh", Self.server),
    ] {
      let file = "\(path)/bin/\(name)"
      try Data((Self.head(broker: Programs.directory.appendingPathComponent("millrace-broker").path) + text).utf8)
        .write(to: URL(fileURLWithPath: file))
      try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: file)
    }
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  /// What was kept of the starts, by the kind of file: a text for each start.
  func seen(_ kind: String) throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: "\(path)/seen").filter { $0.hasPrefix(kind) }.sorted()
      .map { try String(contentsOfFile: "\(path)/seen/\($0)", encoding: .utf8) }
  }

  /// Processes that still run out of this directory.
  func running() throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: "/proc").filter { Int($0) != nil }.filter { pid in
      let words = (try? String(contentsOfFile: "/proc/\(pid)/cmdline", encoding: .utf8)) ?? ""
      return words.contains(path)
    }
  }

  private static func head(broker: String) -> String {
    """
    #!/bin/bash
    set -eu
    home=$(cd "$(dirname "$0")/.." && pwd)
    cd "$home"
    broker=\(broker)
    . "$home/bin/common.sh"

    """
  }

  private static let common = #"""
    # value FILE KEY: what a properties file says of a key.
    value() { sed -n "s/^$2=//p" "$1" | tail -n 1; }
    fail() { echo "Fatal: $*" >&2; exit 1; }
    keep() { cp "$1" "$home/seen/$2-$$"; }

    """#

  /// Another of our brokers: it listens at the client port, and that is all that is asked of it.
  private static let zooKeeper = #"""
    given=$1
    keep "$given" zookeeper
    data=$(value "$given" dataDir)
    mkdir -p "$data"
    port=$(value "$given" clientPort)
    [ -n "$port" ] || fail "clientPort is missing"
    printf 'broker.id=7\nlisteners=PLAINTEXT://127.0.0.1:%s\nlog.dirs=%s\n' "$port" "$data/store" > "$data/own.properties"
    exec "$broker" "$data/own.properties"

    """#

  private static let storage = #"""
    [ "$1 $2 $4 $6" = "format --cluster-id --config --ignore-formatted" ] || fail "kafka-storage.sh does not know: $*"
    [ ${#3} = 22 ] || fail "a cluster's id has 22 characters: $3"
    logs=$(value "$5" log.dirs)
    mkdir -p "$logs"
    echo "$3" > "$logs/bootstrap.checkpoint"
    echo "Formatting $logs"

    """#

  /// With ZooKeeper the script stays in front of the broker, and ends as Java does; without, the broker takes the script's place.
  private static let server = #"""
    given=$1
    logs=$(value "$given" log.dirs)
    keep "$given" server
    [ -n "${LOG_DIR:-}" ] || fail "LOG_DIR is not set"
    mkdir -p "$LOG_DIR" "$logs"
    own=$LOG_DIR/own.properties
    grep -E '^(advertised.listeners|num.partitions|log\..*)=' "$given" > "$own"
    listeners=$(value "$given" listeners)
    { echo "listeners=${listeners%%,*}"; echo "broker.id=0"; } >> "$own"
    log=$LOG_DIR/own.log
    : > "$log"
    announce() {
      until grep -q started "$log"; do sleep 0.02; done
      echo "[2026-01-01 00:00:00,000] INFO $1 (kafka.server.KafkaRaftServer)"
    }
    if [ -n "$(value "$given" process.roles)" ]; then
      [ -s "$logs/bootstrap.checkpoint" ] || fail "No readable meta.properties files found: format the storage first"
      announce "Kafka Server started" &
      exec "$broker" "$own" 2> "$log"
    fi
    zookeeper=$(value "$given" zookeeper.connect)
    (exec 3<> "/dev/tcp/${zookeeper%%:*}/${zookeeper##*:}") 2> /dev/null || fail "ZooKeeper at $zookeeper does not answer"
    "$broker" "$own" 2> "$log" &
    child=$!
    trap 'kill -TERM "$child" 2> /dev/null; wait "$child"; exit 143' TERM
    until grep -q started "$log"; do sleep 0.02; done
    echo "[2026-01-01 00:00:00,000] INFO [KafkaServer id=0] started (kafka.server.KafkaServer)"
    wait "$child"

    """#
}
