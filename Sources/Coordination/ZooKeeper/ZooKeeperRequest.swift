internal import Czookeeper
internal import Glibc

/// What became of a request.
enum ZooKeeperAnswer: Sendable {
  case node(ZNode)
  /// Of `exists`: nil when there is no such node.
  case stat(ZNodeStat?)
  case children([String])
  case created(String, ZNodeStat)
  case results([ZNodeResult])
  /// A code of the C client.
  case failed(Int32)
  /// A multi that could not be done: the code of its first operation that could not.
  case refused(Int32, operation: Int)
  /// There was no connection to send it on.
  case notSent
}

/// A request as the C client sends it; paths are the server's.
enum ZooKeeperRequest {
  case get(String)
  case exists(String)
  case children(String)
  case create(path: String, data: [UInt8], mode: ZNodeMode)
  case multi([ZNodeOperation])

  /// Returns the C client's code: after ZOK it answers the call, after any other it does not. Paths have been checked.
  func send(_ handle: OpaquePointer, _ call: ZooKeeperCall, _ watcher: watcher_fn?) -> Int32 {
    let watch = UnsafeMutableRawPointer(bitPattern: call.number)
    switch self {
    case .get(let path): return zoo_awget(handle, path, watcher, watch, onData, call.context)
    case .exists(let path): return zoo_awexists(handle, path, watcher, watch, onStat, call.context)
    case .children(let path): return zoo_awget_children(handle, path, watcher, watch, onChildren, call.context)
    case .create(let path, let data, let mode):
      return data.withUnsafeBytes { bytes in
        let start = bytes.baseAddress.map { $0.assumingMemoryBound(to: CChar.self) }
        return zoo_acreate2(
          handle, path, data.isEmpty ? nil : start, data.isEmpty ? -1 : Int32(data.count), millrace_zoo_open_acl(),
          mode.flags, onCreated, call.context)
      }
    case .multi(let operations):
      let results = ZooKeeperResults(operations)
      call.results = results
      return results.send(handle, call.context)
    }
  }
}

extension ZNodeMode {
  var flags: Int32 {
    switch self {
    case .persistent: ZOO_PERSISTENT
    case .ephemeral: ZOO_EPHEMERAL
    case .persistentSequential: ZOO_PERSISTENT_SEQUENTIAL
    case .ephemeralSequential: ZOO_EPHEMERAL_SEQUENTIAL
    }
  }
}

extension ZNodeStat {
  init(_ stat: Stat) {
    self.init(
      czxid: stat.czxid, mzxid: stat.mzxid, pzxid: stat.pzxid, ctime: stat.ctime, mtime: stat.mtime,
      version: stat.version, cversion: stat.cversion, ephemeralOwner: stat.ephemeralOwner,
      dataLength: Int(stat.dataLength), numChildren: Int(stat.numChildren))
  }
}

// MARK: What the C client calls

private func onData(
  _ code: Int32, _ bytes: UnsafePointer<CChar>?, _ count: Int32, _ stat: UnsafePointer<Stat>?,
  _ context: UnsafeRawPointer?
) {
  ZooKeeperCall.finish(context) { _ in
    guard code == ZOK.rawValue, let stat else { return .failed(code) }
    // A node without data has the count -1.
    let data = bytes.map { [UInt8](UnsafeRawBufferPointer(start: $0, count: Int(max(0, count)))) } ?? []
    return .node(ZNode(data: data, stat: ZNodeStat(stat.pointee)))
  }
}

private func onStat(_ code: Int32, _ stat: UnsafePointer<Stat>?, _ context: UnsafeRawPointer?) {
  ZooKeeperCall.finish(context) { _ in
    if code == ZNONODE.rawValue { return .stat(nil) }
    guard code == ZOK.rawValue, let stat else { return .failed(code) }
    return .stat(ZNodeStat(stat.pointee))
  }
}

private func onChildren(_ code: Int32, _ names: UnsafePointer<String_vector>?, _ context: UnsafeRawPointer?) {
  ZooKeeperCall.finish(context) { _ in
    guard code == ZOK.rawValue else { return .failed(code) }
    guard let names = names?.pointee, let data = names.data else { return .children([]) }
    return .children((0..<Int(max(0, names.count))).compactMap { data[$0].map { String(cString: $0) } }.sorted())
  }
}

private func onCreated(
  _ code: Int32, _ path: UnsafePointer<CChar>?, _ stat: UnsafePointer<Stat>?, _ context: UnsafeRawPointer?
) {
  ZooKeeperCall.finish(context) { _ in
    guard code == ZOK.rawValue, let path, let stat else { return .failed(code) }
    return .created(String(cString: path), ZNodeStat(stat.pointee))
  }
}

private func onMulti(_ code: Int32, _ context: UnsafeRawPointer?) {
  ZooKeeperCall.finish(context) { call in call.results?.answer(code) ?? .failed(code) }
}

/// The memory into which the C client writes what became of the operations of a multi, and the request made of them.
final class ZooKeeperResults {
  private let operations: [ZNodeOperation]
  private let results: UnsafeMutablePointer<zoo_op_result_t>
  private let stats: UnsafeMutablePointer<Stat>
  /// For the names of sequential nodes.
  private var names: [Int: UnsafeMutableBufferPointer<CChar>] = [:]

  init(_ operations: [ZNodeOperation]) {
    self.operations = operations
    results = .allocate(capacity: operations.count)
    results.initialize(repeating: zoo_op_result_t(), count: operations.count)
    stats = .allocate(capacity: operations.count)
    stats.initialize(repeating: Stat(), count: operations.count)
  }

  deinit {
    for name in names.values { name.deallocate() }
    stats.deallocate()
    results.deallocate()
  }

  /// Room for the digits of a sequential node, a sign and the end.
  private static let digits = 12

  func send(_ handle: OpaquePointer, _ context: UnsafeRawPointer) -> Int32 {
    var requests = [zoo_op_t](repeating: zoo_op_t(), count: operations.count)
    var paths: [UnsafeMutablePointer<CChar>] = []
    var values: [UnsafeMutableRawPointer] = []
    func copy(_ data: [UInt8]) -> (UnsafePointer<CChar>?, Int32) {
      guard !data.isEmpty else { return (nil, -1) }
      let value = UnsafeMutableRawPointer.allocate(byteCount: data.count, alignment: 1)
      data.withUnsafeBytes { value.copyMemory(from: $0.baseAddress!, byteCount: data.count) }
      values.append(value)
      return (UnsafePointer(value.assumingMemoryBound(to: CChar.self)), Int32(data.count))
    }
    defer { for value in values { value.deallocate() } }
    for (index, operation) in operations.enumerated() {
      guard let path = strdup(operation.path) else { return ZSYSTEMERROR.rawValue }
      paths.append(path)
      switch operation {
      case .create(_, let data, let mode):
        let (value, count) = copy(data)
        var name = UnsafeMutableBufferPointer<CChar>(start: nil, count: 0)
        if mode.isSequential {
          name = .allocate(capacity: operation.path.utf8.count + Self.digits)
          name.initialize(repeating: 0)
          names[index] = name
        }
        zoo_create_op_init(
          &requests[index], path, value, count, millrace_zoo_open_acl(), mode.flags, name.baseAddress, Int32(name.count)
        )
      case .set(_, let data, let version):
        let (value, count) = copy(data)
        zoo_set_op_init(&requests[index], path, value, count, version ?? -1, stats + index)
      case .delete(_, let version): zoo_delete_op_init(&requests[index], path, version ?? -1)
      case .check(_, let version): zoo_check_op_init(&requests[index], path, version)
      }
    }
    let code = zoo_amulti(handle, Int32(requests.count), requests, results, onMulti, context)
    // A zoo_amulti that fails may have freed a path.
    if code == ZOK.rawValue { for path in paths { free(path) } }
    return code
  }

  func answer(_ code: Int32) -> ZooKeeperAnswer {
    guard code == ZOK.rawValue else {
      // Operations before the first that could not be done have no error, those after it have this one.
      let first = operations.indices.first {
        results[$0].err != ZOK.rawValue && results[$0].err != ZRUNTIMEINCONSISTENCY.rawValue
      }
      guard let first, results[first].err == code, !ZNodeError.isConnectionLoss(code) else { return .failed(code) }
      return .refused(code, operation: first)
    }
    return .results(
      operations.enumerated().map { index, operation in
        switch operation {
        case .create(let path, _, _):
          .created(path: names[index]?.baseAddress.map { String(cString: $0) } ?? path, stat: nil)
        case .set: .set(ZNodeStat(stats[index]))
        case .delete: .deleted
        case .check: .checked
        }
      })
  }
}
