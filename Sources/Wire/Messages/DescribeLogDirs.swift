package import Model

/// Asks what a broker's log directories hold.
package struct DescribeLogDirsRequest: Request {
  package typealias Answer = DescribeLogDirsResponse
  package static let api = Api(key: 35, versions: 0...4, flexibleFrom: 2)

  /// Nil: all of them.
  package var topics: [Topic]?

  package init() {}

  package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
    try wire.field(&topics)
    try wire.tags()
  }

  package struct Topic: WireStruct {
    package var topic = ""
    package var partitions: [Int32] = []

    package init() {}

    package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
      try wire.field(&topic)
      try wire.field(&partitions)
      try wire.tags()
    }
  }
}

package struct DescribeLogDirsResponse: Response {
  package static let api = DescribeLogDirsRequest.api

  package var throttleTimeMs: Int32 = 0
  package var errorCode = ErrorCode.none
  package var results: [LogDir] = []

  package init() {}

  package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
    try wire.field(&throttleTimeMs)
    if wire.version >= 3 { try wire.field(&errorCode) }
    try wire.field(&results)
    try wire.tags()
  }

  package struct LogDir: WireStruct {
    package var errorCode = ErrorCode.none
    package var logDir = ""
    package var topics: [Topic] = []
    package var totalBytes: Int64 = -1
    package var usableBytes: Int64 = -1

    package init() {}

    package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
      try wire.field(&errorCode)
      try wire.field(&logDir)
      try wire.field(&topics)
      if wire.version >= 4 {
        try wire.field(&totalBytes)
        try wire.field(&usableBytes)
      }
      try wire.tags()
    }
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
    package var partitionSize: Int64 = 0
    /// Records by which the log is behind the high watermark, or a future replica behind the current one.
    package var offsetLag: Int64 = 0
    /// True for the copy being made in another directory.
    package var isFutureKey = false

    package init() {}

    package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
      try wire.field(&partitionIndex)
      try wire.field(&partitionSize)
      try wire.field(&offsetLag)
      try wire.field(&isFutureKey)
      try wire.tags()
    }
  }
}
