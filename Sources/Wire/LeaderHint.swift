/// Who leads a partition now, sent along with a refusal to serve it (KIP-951): the client need not ask for metadata first.
package struct LeaderHint: WireStruct {
  /// -1: unknown.
  package var leaderID: Int32 = -1
  package var leaderEpoch: Int32 = -1

  package init() {}

  package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
    try wire.field(&leaderID)
    try wire.field(&leaderEpoch)
    try wire.tags()
  }
}

/// Where a broker listens.
package struct NodeEndpoint: WireStruct {
  package var nodeID: Int32 = 0
  package var host = ""
  package var port: Int32 = 0
  package var rack: String?

  package init() {}

  package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
    try wire.field(&nodeID)
    try wire.field(&host)
    try wire.field(&port)
    try wire.field(&rack)
    try wire.tags()
  }
}
