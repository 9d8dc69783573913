package import Model

/// Asks which broker coordinates a group, a transactional id or a share group.
package struct FindCoordinatorRequest: Request {
  package typealias Answer = FindCoordinatorResponse
  package static let api = Api(key: 10, versions: 0...6, flexibleFrom: 3)

  /// Until version 3; later `coordinatorKeys`.
  package var key = ""
  /// 0: group; 1: transactional id; 2: share group.
  package var keyType: Int8 = 0
  package var coordinatorKeys: [String] = []

  package init() {}

  package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
    if wire.version <= 3 { try wire.field(&key) }
    if wire.version >= 1 { try wire.field(&keyType) }
    if wire.version >= 4 { try wire.field(&coordinatorKeys) }
    try wire.tags()
  }
}

package struct FindCoordinatorResponse: Response {
  package static let api = FindCoordinatorRequest.api

  package var throttleTimeMs: Int32 = 0
  package var errorCode = ErrorCode.none
  package var errorMessage: String?
  package var nodeID: Int32 = 0
  package var host = ""
  package var port: Int32 = 0
  package var coordinators: [Coordinator] = []

  package init() {}

  package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
    if wire.version >= 1 { try wire.field(&throttleTimeMs) }
    if wire.version <= 3 { try wire.field(&errorCode) }
    if (1...3).contains(wire.version) { try wire.field(&errorMessage) }
    if wire.version <= 3 {
      try wire.field(&nodeID)
      try wire.field(&host)
      try wire.field(&port)
    }
    if wire.version >= 4 { try wire.field(&coordinators) }
    try wire.tags()
  }

  package struct Coordinator: WireStruct {
    package var key = ""
    package var nodeID: Int32 = 0
    package var host = ""
    package var port: Int32 = 0
    package var errorCode = ErrorCode.none
    package var errorMessage: String?

    package init() {}

    package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
      try wire.field(&key)
      try wire.field(&nodeID)
      try wire.field(&host)
      try wire.field(&port)
      try wire.field(&errorCode)
      try wire.field(&errorMessage)
      try wire.tags()
    }
  }
}
