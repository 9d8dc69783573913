import Cluster
import Coordination
import Glibc
import Model
import NIOCore
import Synchronization
import Testing
import Wire

@testable import Broker

@Suite("Requests to brokers that are gone", .serialized)
struct GonePeerTests {
  /// As a coordinator's marker to a broker that hangs: the broker that takes the controller's place never knew it as a living one, and must not wait
  /// for its response all the same.
  @Test(
    "what was asked of a broker fails when the broker is gone, also where this broker has become the controller since")
  func controllerMoves() throws {
    try withCluster(2, ["controller.socket.timeout.ms": "600000"]) { cluster in
      let silent = try SilentListener()
      let session = cluster.tree.connect()
      let node = BrokerZNode(
        id: 9,
        endpoints: [.init(listener: "PLAINTEXT", securityProtocol: "PLAINTEXT", host: "127.0.0.1", port: silent.port)],
        rack: nil, timestampMs: 0)
      _ = try session.multi([.create(path: BrokerZNode.path(9), data: node.data, mode: .ephemeral)])
      try cluster.waitUntil("all brokers know the silent one") {
        cluster.brokers.values.allSatisfy { $0.broker.image.broker(9) != nil }
      }
      let controller = try cluster.controller()
      let other: BrokerID = controller == 1 ? 2 : 1
      let failed = Atomic(0)
      try cluster.broker(other).broker.peers.send(WriteTxnMarkersRequest(), to: 9, purpose: .coordination) { result in
        if case .failure = result { failed.add(1, ordering: .relaxed) }
      }
      // The controller does not hear that the silent broker has gone, and is then replaced.
      cluster.cut(controller)
      cluster.tree.expire(session)
      cluster.expireSession(of: controller)
      try cluster.waitUntil("the request has failed") { failed.load(ordering: .relaxed) == 1 }
      withExtendedLifetime(silent) {}
    }
  }
}

/// A port that takes connections and never answers.
private final class SilentListener {
  let port: Int32
  private let socket: Int32

  init() throws {
    socket = Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = UInt32(INADDR_LOOPBACK).bigEndian
    var size = socklen_t(MemoryLayout<sockaddr_in>.size)
    let socket = socket
    let isListening = withUnsafeMutablePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
        bind(socket, address, size) == 0 && listen(socket, 16) == 0 && getsockname(socket, address, &size) == 0
      }
    }
    port = Int32(UInt16(bigEndian: address.sin_port))
    try #require(isListening)
  }

  deinit { close(socket) }
}
