import Base
import Synchronization
import TestSupport
import Testing

@testable import Coordination

/// The trees that must all mean the same.
enum TreeKind: CaseIterable {
  case embedded, shared, zooKeeper

  /// Those that can be had on this machine.
  static let all = allCases.filter { $0 != .zooKeeper || ZooKeeperServer.obstacle == nil }
  static let ofManySessions = all.filter { $0 != .embedded }

  /// An empty tree.
  func make() throws -> any Cluster {
    switch self {
    case .embedded: Embedded(tree: try EmbeddedTree(store: MemoryJournal()) { 1000 })
    case .shared: Shared(server: SharedTree { 1000 })
    case .zooKeeper:
      ZooKeeper(connect: "\(try commonServer.get().address)/t\(nextRoot.add(1, ordering: .relaxed).newValue)")
    }
  }

  /// A tree with which sessions can be opened.
  protocol Cluster: Sendable {
    func open() throws -> any ZNodeTree
  }

  private struct Embedded: Cluster {
    let tree: EmbeddedTree
    func open() -> any ZNodeTree { tree }
  }

  private struct Shared: Cluster {
    let server: SharedTree
    func open() -> any ZNodeTree { server.connect() }
  }

  private struct ZooKeeper: Cluster {
    let connect: String
    func open() throws -> any ZNodeTree { try ZooKeeperTree(connect: connect, sessionTimeoutMs: 20_000) }
  }
}

/// Serves all tests that do nothing to it but write below a root of their own.
let commonServer = Result { try ZooKeeperServer.start() }
private let nextRoot = Atomic<Int>(0)

/// What watches and sessions told, in order.
final class Seen: Sendable {
  private let events = Mutex<[String]>([])
  var all: [String] { events.withLock { $0 } }
  func note(_ event: ZNodeEvent) { note("\(event.kind) \(event.path)") }
  func note(_ text: String) { events.withLock { $0.append(text) } }

  /// Waits until as many have been told, some seconds at most, and a little longer for one too many.
  func wait(for count: Int) -> [String] {
    eventually { all.count >= count }
    Clocks.nap(milliseconds: 20)
    return all
  }
}

/// Looks again and again, for 20 s at most.
@discardableResult
func eventually(_ condition: () throws -> Bool) rethrows -> Bool {
  for _ in 0..<4000 {
    if try condition() { return true }
    Clocks.nap(milliseconds: 5)
  }
  return false
}

func text(_ node: ZNode) -> String { String(decoding: node.data, as: UTF8.self) }

/// The code with which a call fails; nil when it does not.
func code(_ body: () throws -> Void) -> ZNodeError.Code? {
  do { try body() } catch { return (error as? ZNodeError)?.code }
  return nil
}
