internal import Czookeeper

extension ZNodeError {
  /// What a code of the C client means.
  init(zooKeeper code: Int32, _ path: String, operation: Int = 0) {
    let own: Code? =
      switch code {
      case ZNONODE.rawValue: .noNode
      case ZNODEEXISTS.rawValue: .nodeExists
      case ZBADVERSION.rawValue: .badVersion
      case ZNOTEMPTY.rawValue: .notEmpty
      case ZNOCHILDRENFOREPHEMERALS.rawValue: .noChildrenForEphemerals
      default: nil
      }
    if let own {
      self.init(own, path, operation: operation)
      return
    }
    let text = zerror(code).map { String(cString: $0) } ?? ""
    self.init(Self.code(ofFailure: code), path, operation: operation, detail: "ZooKeeper: \(text) (\(code))")
  }

  private static func code(ofFailure code: Int32) -> Code {
    switch code {
    case ZCLOSING.rawValue: .closed
    case ZSESSIONEXPIRED.rawValue, ZINVALIDSTATE.rawValue, ZAUTHFAILED.rawValue: .sessionExpired
    case let code where isConnectionLoss(code): .connectionLost
    case ZBADARGUMENTS.rawValue, ZMARSHALLINGERROR.rawValue, ZINVALIDACL.rawValue: .badArguments
    default: .refused
    }
  }

  /// Whether the same request may be answered on the next connection.
  static func isConnectionLoss(_ code: Int32) -> Bool {
    switch code {
    case ZCONNECTIONLOSS.rawValue, ZOPERATIONTIMEOUT.rawValue, ZSESSIONMOVED.rawValue, ZTHROTTLEDOP.rawValue,
      ZRUNTIMEINCONSISTENCY.rawValue:
      true
    default: false
    }
  }
}
