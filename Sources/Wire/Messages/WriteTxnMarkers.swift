package import Model

/// A transaction coordinator tells leaders to write commit or abort markers.
package struct WriteTxnMarkersRequest: Request {
  package typealias Answer = WriteTxnMarkersResponse
  package static let api = Api(key: 27, versions: 0...1, flexibleFrom: 1)

  package var markers: [Marker] = []

  package init() {}

  package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
    try wire.field(&markers)
    try wire.tags()
  }

  package struct Marker: WireStruct {
    package var producerID: Int64 = 0
    package var producerEpoch: Int16 = 0
    /// True commits, false aborts.
    package var transactionResult = false
    package var topics: [Topic] = []
    package var coordinatorEpoch: Int32 = 0

    package init() {}

    package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
      try wire.field(&producerID)
      try wire.field(&producerEpoch)
      try wire.field(&transactionResult)
      try wire.field(&topics)
      try wire.field(&coordinatorEpoch)
      try wire.tags()
    }
  }

  package struct Topic: WireStruct {
    package var name = ""
    package var partitionIndexes: [Int32] = []

    package init() {}

    package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
      try wire.field(&name)
      try wire.field(&partitionIndexes)
      try wire.tags()
    }
  }
}

package struct WriteTxnMarkersResponse: Response {
  package static let api = WriteTxnMarkersRequest.api

  package var markers: [Marker] = []

  package init() {}

  package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
    try wire.field(&markers)
    try wire.tags()
  }

  package struct Marker: WireStruct {
    package var producerID: Int64 = 0
    package var topics: [Topic] = []

    package init() {}

    package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
      try wire.field(&producerID)
      try wire.field(&topics)
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
    package var errorCode = ErrorCode.none

    package init() {}

    package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
      try wire.field(&partitionIndex)
      try wire.field(&errorCode)
      try wire.tags()
    }
  }
}
