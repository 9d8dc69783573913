import ArgumentParser
import Base
import Foundation
import Measure
import Mechanisms
import Model
import Runner
import Wire

/// Brokers restarted one after another with a changed configuration, while a producer and consumers go on.
struct RollingRestartTrial: Mechanism {
  static let configuration = CommandConfiguration(
    commandName: ClusterTrial.rollingRestart.rawValue,
    abstract: "Restart each broker with a changed configuration under load, and count failed requests.")

  private enum Limits {
    static let loadSeconds = 240.0
    static let settleMs: Int64 = 500
    /// Of a change that shows: no load of the trial comes near it.
    static let changed = ("message.max.bytes", "2000000")
  }

  @Option(help: "Directory of the cluster's data.") var directory: String
  @Option(help: "Brokers.") var brokers = 3
  @Option(help: "Replicas of each partition.") var replicationFactor = 3
  @Option(help: "min.insync.replicas of the topic.") var minInsync = 2
  @Option(help: "Partitions.") var partitions = 6
  @Option(help: "Records a second.") var throughput = 2_000
  @Option(help: "Bytes of a record's value.") var recordSize = 100
  @Option(help: "controlled.shutdown.enable.") var controlledShutdown = "true"
  @Option(help: "zookeeper.session.timeout.ms.") var sessionTimeoutMs = 2_000
  @Flag(help: "JSON is always printed, in the last line.") var json = false

  static func cost(of run: PricedRun) -> RunCost { ClusterTrial.rollingRestart.cost(run) }

  func validate() throws {
    guard (2...9).contains(brokers), (2...brokers).contains(replicationFactor) else {
      throw ValidationError("--brokers 2 to 9, and --replication-factor 2 to as many")
    }
    guard ["true", "false"].contains(controlledShutdown) else {
      throw ValidationError("--controlled-shutdown: must be true or false")
    }
  }

  func measure() throws -> [String: Any] {
    let overrides = [
      "zookeeper.session.timeout.ms=\(sessionTimeoutMs)", "controlled.shutdown.enable=\(controlledShutdown)",
    ]
    return try TrialCluster.with(brokers: brokers, directory: directory, overrides: overrides) { cluster in
      let replicas = (0..<partitions).map { index in
        (0..<replicationFactor).map { cluster.ids[(index + $0) % cluster.ids.count] }
      }
      try cluster.create("rolled", replicas: replicas, configs: [("min.insync.replicas", "\(minInsync)")])
      let (out, errors) = ("\(cluster.directory)/load.out", "\(cluster.directory)/load.err")
      // Long enough for whatever the restarts take; what it sends ends when they have.
      let load = try ChildProcess(
        program: cluster.programs.load,
        arguments: [
          "end-to-end", "--bootstrap-server", cluster.local.bootstrapServers, "--topic", "rolled", "--acks", "all",
          "--idempotent", "--throughput", "\(throughput)", "--duration", "\(Int(Limits.loadSeconds))", "--record-size",
          "\(recordSize)", "--linger-ms", "5", "--json", "--quiet",
        ], outPath: out, errPath: errors)
      defer { load.kill() }
      Clocks.nap(milliseconds: Limits.settleMs)
      let start = Moment.nowMs
      var restarts: [Double] = []
      for id in cluster.ids {
        let began = Moment.nowMs
        cluster.stop(id)
        try cluster.start(id, overrides: overrides + ["\(Limits.changed.0)=\(Limits.changed.1)"])
        try cluster.waitUntilInSync("rolled", count: partitions)
        restarts.append(Moment.nowMs - began)
      }
      Clocks.nap(milliseconds: Limits.settleMs)
      // Ctrl-C: it finishes what is under way, reads all that it wrote, and reports.
      // One that has given up before did so because of the restarts: its errors are the outcome.
      let gaveUp = load.poll() != nil
      if !gaveUp { Glibc.kill(load.pid, SIGINT) }
      guard Moment.wait(seconds: 60, until: { load.poll() != nil }),
        let figures = ReportedFigures(output: (try? String(contentsOfFile: out, encoding: .utf8)) ?? "")
      else { throw TrialError(description: "the load did not report: \(cluster.lastLine(errors))") }
      let changed = try cluster.ids.count { try cluster.value(of: Limits.changed.0, at: $0) == Limits.changed.1 }
      if gaveUp {
        StandardStream.error.write("the load gave up: \(figures.text("first_error") ?? "")\n")
      }
      return [
        "seconds": (Moment.nowMs - start) / 1000, "records": figures["records"] ?? 0,
        "failed_requests": max(figures["errors"] ?? 0, gaveUp ? 1 : 0), "retries": figures["retries"] ?? 0,
        "lost": figures["lost"] ?? 0,
        "duplicated": figures["duplicated"] ?? 0, "unchanged_brokers": cluster.ids.count - changed,
        "restart_ms": restarts.reduce(0, +) / Double(restarts.count),
        "response_max_ms": figures["response_latency_ms.max"] ?? 0,
        "response_p99_ms": figures["response_latency_ms.p99"] ?? 0,
      ]
    }
  }
}

extension TrialCluster {
  /// The value of a broker's key, as the broker itself says.
  func value(of key: String, at id: BrokerID) throws -> String? {
    var request = DescribeConfigsRequest()
    request.resources = [
      .with {
        $0.resourceType = 4
        $0.resourceName = "\(id)"
        $0.configurationKeys = [key]
      }
    ]
    return try call(request, to: id).results.first?.configs.first { $0.name == key }?.value
  }

  func lastLine(_ path: String) -> String {
    ((try? String(contentsOfFile: path, encoding: .utf8)) ?? "").split(separator: "\n").last.map(String.init) ?? ""
  }
}
