package import Model

/// Moves partitions' log start offset forward.
package struct DeleteRecordsRequest: Request {
  package typealias Answer = DeleteRecordsResponse
  package static let api = Api(key: 21, versions: 0...2, flexibleFrom: 2)

  package var topics: [Topic] = []
  package var timeoutMs: Int32 = 0

  package init() {}

  package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
    try wire.field(&topics)
    try wire.field(&timeoutMs)
    try wire.tags()
  }

  package struct Topic: WireStruct {
    package var name = ""
    package var partitions: [Partition] = []

    package init() {}

    package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
      try wire.field(&name)
      try wire.field(&partitions)
      try wire.tags()
    }
  }

  package struct Partition: WireStruct {
    package var partitionIndex: Int32 = 0
    /// The new log start offset; -1: the high watermark.
    package var offset: Offset = 0

    package init() {}

    package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
      try wire.field(&partitionIndex)
      try wire.field(&offset)
      try wire.tags()
    }
  }
}

package struct DeleteRecordsResponse: Response {
  package static let api = DeleteRecordsRequest.api

  package var throttleTimeMs: Int32 = 0
  package var topics: [Topic] = []

  package init() {}

  package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
    try wire.field(&throttleTimeMs)
    try wire.field(&topics)
    try wire.tags()
  }

  package struct Topic: WireStruct {
    package var name = ""
    package var partitions: [Partition] = []

    package init() {}

    package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
      try wire.field(&name)
      try wire.field(&partitions)
      try wire.tags()
    }
  }

  package struct Partition: WireStruct {
    package var partitionIndex: Int32 = 0
    /// The lowest log start offset of all live replicas.
    package var lowWatermark: Offset = 0
    package var errorCode = ErrorCode.none

    package init() {}

    package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
      try wire.field(&partitionIndex)
      try wire.field(&lowWatermark)
      try wire.field(&errorCode)
      try wire.tags()
    }
  }
}
