import Base

@testable import Coordination

extension ZNodeTree {
  /// Every node's data by its path.
  func allNodes(under path: String = "/") throws(ZNodeError) -> [String: [UInt8]] {
    var found: [String: [UInt8]] = [path: try get(path).data]
    for child in try children(of: path) {
      found.merge(try allNodes(under: ZNodePath.child(child, of: path))) { _, new in new }
    }
    return found
  }
}

/// The tree as a dictionary: slow, obvious, and written without looking at the other.
struct RandomTree {
  var nodes: [String: (data: [UInt8], isEphemeral: Bool, version: Int32)] = ["/": ([], false, 0)]

  var contents: [String: [UInt8]] { nodes.mapValues(\.data) }

  static func operations(using random: inout SplitMix) -> [ZNodeOperation] {
    (0..<Int.random(in: 1...4, using: &random)).map { _ in
      let depth = Int.random(in: 1...3, using: &random)
      let path = (0..<depth).map { _ in "/" + ["a", "b", "c"].randomElement(using: &random)! }.joined()
      let version = Int32.random(in: -1...2, using: &random)
      let data = [UInt8](
        repeating: UInt8.random(in: 0...255, using: &random), count: Int.random(in: 0...30, using: &random))
      switch Int.random(in: 0..<10, using: &random) {
      case 0..<5: return .create(path: path, data: data, mode: depth == 3 ? .ephemeral : .persistent)
      case 5..<7: return .set(path: path, data: data, version: version < 0 ? nil : version)
      case 7: return .check(path: path, version: max(0, version))
      default: return .delete(path: path, version: nil)
      }
    }
  }

  mutating func apply(_ operations: [ZNodeOperation]) -> Bool {
    var next = nodes
    for operation in operations {
      let path = operation.path
      let parent = path.lastIndex(of: "/").map { $0 == path.startIndex ? "/" : String(path[..<$0]) } ?? "/"
      switch operation {
      case .create(_, let data, let mode):
        guard next[path] == nil, let owner = next[parent], !owner.isEphemeral else { return false }
        next[path] = (data, mode == .ephemeral, 0)
      case .set(_, let data, let version):
        guard let node = next[path], version == nil || version == node.version else { return false }
        next[path] = (data, node.isEphemeral, node.version + 1)
      case .delete:
        guard next[path] != nil, !next.keys.contains(where: { $0.hasPrefix(path + "/") }) else { return false }
        next[path] = nil
      case .check(_, let version):
        guard next[path]?.version == version else { return false }
      }
    }
    nodes = next
    return true
  }

  mutating func endSession() { nodes = nodes.filter { !$0.value.isEphemeral } }
}
