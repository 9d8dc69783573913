package import Model

/// Moves replicas between a broker's log directories.
package struct AlterReplicaLogDirsRequest: Request {
  package typealias Answer = AlterReplicaLogDirsResponse
  package static let api = Api(key: 34, versions: 0...2, flexibleFrom: 2)

  package var dirs: [Dir] = []

  package init() {}

  package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
    try wire.field(&dirs)
    try wire.tags()
  }

  package struct Dir: WireStruct {
    package var path = ""
    package var topics: [Topic] = []

    package init() {}

    package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
      try wire.field(&path)
      try wire.field(&topics)
      try wire.tags()
    }
  }

  package struct Topic: WireStruct {
    package var name = ""
    package var partitions: [Int32] = []

    package init() {}

    package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
      try wire.field(&name)
      try wire.field(&partitions)
      try wire.tags()
    }
  }
}

package struct AlterReplicaLogDirsResponse: Response {
  package static let api = AlterReplicaLogDirsRequest.api

  package var throttleTimeMs: Int32 = 0
  package var results: [Topic] = []

  package init() {}

  package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
    try wire.field(&throttleTimeMs)
    try wire.field(&results)
    try wire.tags()
  }

  package struct Topic: WireStruct {
    package var topicName = ""
    package var partitions: [Partition] = []

    package init() {}

    package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
      try wire.field(&topicName)
      try wire.field(&partitions)
      try wire.tags()
    }
  }

  package struct Partition: WireStruct {
    package var partitionIndex: Int32 = 0
    package var errorCode = ErrorCode.none

    package init() {}

    package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
      try wire.field(&partitionIndex)
      try wire.field(&errorCode)
      try wire.tags()
    }
  }
}
