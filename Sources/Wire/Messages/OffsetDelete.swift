package import Model

/// Deletes a group's committed offsets of partitions it does not consume.
package struct OffsetDeleteRequest: Request {
  package typealias Answer = OffsetDeleteResponse
  package static let api = Api(key: 47, versions: 0...0, flexibleFrom: nil)

  package var groupID = ""
  package var topics: [Topic] = []

  package init() {}

  package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
    try wire.field(&groupID)
    try wire.field(&topics)
  }

  package struct Topic: WireStruct {
    package var name = ""
    package var partitions: [Partition] = []

    package init() {}

    package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
      try wire.field(&name)
      try wire.field(&partitions)
    }
  }

  package struct Partition: WireStruct {
    package var partitionIndex: Int32 = 0

    package init() {}

    package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
      try wire.field(&partitionIndex)
    }
  }
}

package struct OffsetDeleteResponse: Response {
  package static let api = OffsetDeleteRequest.api

  package var errorCode = ErrorCode.none
  package var throttleTimeMs: Int32 = 0
  package var topics: [Topic] = []

  package init() {}

  package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
    try wire.field(&errorCode)
    try wire.field(&throttleTimeMs)
    try wire.field(&topics)
  }

  package struct Topic: WireStruct {
    package var name = ""
    package var partitions: [Partition] = []

    package init() {}

    package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
      try wire.field(&name)
      try wire.field(&partitions)
    }
  }

  package struct Partition: WireStruct {
    package var partitionIndex: Int32 = 0
    package var errorCode = ErrorCode.none

    package init() {}

    package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
      try wire.field(&partitionIndex)
      try wire.field(&errorCode)
    }
  }
}
