import Foundation
import Testing

@testable import Runner

/// The parts of a local cluster that need neither brokers nor root.
@Suite struct LocalClusterTests {
  @Test("two clusters of one machine have different addresses, also where both prefer the same")
  func addresses() throws {
    try withDirectory { directory in
      let first = try #require(AddressBlock(preferring: 7, directory: directory))
      let second = try #require(AddressBlock(preferring: 7, directory: directory))
      #expect(first.number != second.number)
      #expect(Set([first.host, second.host, first.address(of: 1), second.address(of: 1)]).count == 4)
    }
  }

  @Test("addresses are free again when the cluster that had them is gone")
  func addressesComeBack() throws {
    try withDirectory { directory in
      var number = -1
      do {
        let block = try #require(AddressBlock(preferring: 260, directory: directory))
        number = block.number
      }
      #expect(AddressBlock(preferring: 260, directory: directory)?.number == number)
    }
  }

  @Test("a block that a route leads to is taken")
  func routes() {
    let table = "Iface\tDestination\tGateway\nmrc98\t00624E0A\t00000000\neth0\t00000000\t0100000A\n"
    #expect(AddressBlock.isRouted(98, in: table))
    #expect(!AddressBlock.isRouted(9, in: table))
    #expect(!AddressBlock.isRouted(0, in: table))
  }

  @Test("one process at a time runs a cluster in a directory")
  func oneCluster() throws {
    try withDirectory { directory in
      let lock = DirectoryLock(directory)
      #expect(lock != nil)
      #expect(DirectoryLock(directory) == nil)
      withExtendedLifetime(lock) {}
    }
  }

  @Test(
    "a request is read as it was sent, once",
    arguments: [
      ClusterRequest.start(2, overrides: []), .start(3, overrides: ["a=b", "c=d=e"]), .fill(1), .drain(20),
      .restartZooKeeper,
    ])
  func requests(_ request: ClusterRequest) throws {
    try withDirectory { directory in
      try FileManager.default.createDirectory(atPath: "\(directory)/requests", withIntermediateDirectories: true)
      try request.send(in: directory)
      try Data("half".utf8).write(to: URL(fileURLWithPath: "\(directory)/requests/start-4.new"))
      #expect(ClusterRequest.take(in: directory) == [request])
      #expect(ClusterRequest.take(in: directory).isEmpty)
    }
  }

  @Test("only a cluster's own bridges are taken for leftovers")
  func bridges() {
    #expect(ClusterNetwork.process(ofBridge: "mrc4711") == 4711)
    for other in ["mrc4711h1", "mrcx", "eth0", "mrc"] {
      #expect(ClusterNetwork.process(ofBridge: other) == nil, "\(other)")
    }
  }

  private func withDirectory(_ body: (String) throws -> Void) throws {
    let path = NSTemporaryDirectory() + "local-cluster-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: path) }
    try body(path)
  }
}
