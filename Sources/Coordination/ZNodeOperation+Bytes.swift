extension ZNodeOperation {
  /// The operation's bytes in a request to a ZooKeeper server: lengths of four bytes, and for a node its rights (anyone has
  /// all).
  package var bytes: Int {
    // The header before each operation: its type, an end mark, an error.
    let header = 9
    let path = 4 + path.utf8.count
    switch self {
    case .create(_, let data, let mode): return header + path + 4 + data.count + 31 + (mode.isSequential ? 11 : 0)
    case .set(_, let data, _): return header + path + 4 + data.count + 4
    case .delete, .check: return header + path + 4
    }
  }

  /// Refuses operations that a ZooKeeper server would not take, or that its client could not be given.
  static func check(_ operations: [ZNodeOperation], largestMulti: Int) throws(ZNodeError) {
    guard operations.count <= ZNodeLimits.operations else {
      throw ZNodeError(.badArguments, "", detail: "at most \(ZNodeLimits.operations) operations at once")
    }
    var bytes = 0
    for (index, operation) in operations.enumerated() {
      if let problem = ZNodePath.problem(with: operation.path) {
        throw ZNodeError(.badArguments, operation.path, operation: index, detail: problem)
      }
      if case .delete("/", _) = operation {
        throw ZNodeError(.badArguments, "/", operation: index, detail: "the root stays")
      }
      bytes += operation.bytes
      guard bytes <= largestMulti else {
        throw ZNodeError(
          .badArguments, operation.path, operation: index,
          detail: "\(bytes) bytes with operation \(index) of \(operations.count), and a request takes \(largestMulti)")
      }
    }
  }
}
