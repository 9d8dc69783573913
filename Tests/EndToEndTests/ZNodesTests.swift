import Coordination
import Foundation
import TestSupport
import Testing

@Suite(
  "millrace znodes with an ensemble",
  .enabled(if: ZooKeeperServer.obstacle == nil, "\(ZooKeeperServer.obstacle ?? "")"))
struct ZNodesTests {
  private static let broker =
    #"{"features":{},"listener_security_protocol_map":{"PLAINTEXT":"PLAINTEXT"},"endpoints":["PLAINTEXT://k:9092"],"#
    + #""jmx_port":-1,"port":9092,"host":"k","version":5,"timestamp":"1"}"#

  @Test("prints a cluster's nodes below its chroot, and makes none")
  func nodes() async throws {
    let server = try ZooKeeperServer.start()
    let connect = "\(server.address)/kafka"
    let tree = try ZooKeeperTree(connect: connect, sessionTimeoutMs: 20_000)
    try tree.multi([
      .create(path: "/brokers", data: []), .create(path: "/brokers/ids", data: []),
      .create(path: "/brokers/ids/1", data: Array(Self.broker.utf8)), .create(path: "/brokers/topics", data: []),
      .create(path: "/controller_epoch", data: Array("7".utf8)),
    ])
    func znodes(_ arguments: String...) async throws -> Programs.Outcome {
      try await Running("millrace", ["znodes"] + arguments + ["--zookeeper", connect]).outcome()
    }
    #expect(try await znodes("ls", "/brokers").output == "[ids, topics]\n")
    #expect(try await znodes("get", "/brokers/ids/1").output == Self.broker + "\n")
    let stat = try await znodes("get", "/controller_epoch", "--stat").output
    #expect(stat.hasPrefix("7\ncZxid = 0x") && stat.contains("dataLength = 1\n"), "\(stat)")
    #expect(
      try await znodes("tree").output
        == "/\n/brokers\n/brokers/ids\n/brokers/ids/1 \(Self.broker)\n/brokers/topics\n/controller_epoch 7\n")
    let missing = try await znodes("get", "/nothing")
    #expect(missing.status == 1 && missing.errors.contains("Node does not exist: /nothing"), "\(missing)")
    let nowhere = try await Running(
      "millrace", ["znodes", "ls", "--zookeeper", "\(server.address)/other"]
    ).outcome()
    #expect(nowhere.status == 1)
    let outside = try ZooKeeperTree(connect: server.address, sessionTimeoutMs: 20_000)
    #expect(try outside.children(of: "/") == ["kafka", "zookeeper"])
    let both = try await Running(
      "millrace", ["znodes", "ls", "--zookeeper", connect, "--log-dir", "/tmp"]
    ).outcome()
    #expect(both.status == 64 && both.errors.contains("give one of"), "\(both)")
  }
}
