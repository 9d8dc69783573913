package import Model

/// A stopping broker asks the controller to move its leaderships away.
package struct ControlledShutdownRequest: Request {
  package typealias Answer = ControlledShutdownResponse
  package static let api = Api(key: 7, versions: 0...3, flexibleFrom: 3)

  package var brokerID: Int32 = 0
  package var brokerEpoch: Int64 = -1

  package init() {}

  package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
    try wire.field(&brokerID)
    if wire.version >= 2 { try wire.field(&brokerEpoch) }
    try wire.tags()
  }
}

package struct ControlledShutdownResponse: Response {
  package static let api = ControlledShutdownRequest.api

  package var errorCode = ErrorCode.none
  package var remainingPartitions: [Partition] = []

  package init() {}

  package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
    try wire.field(&errorCode)
    try wire.field(&remainingPartitions)
    try wire.tags()
  }

  package struct Partition: WireStruct {
    package var topicName = ""
    package var partitionIndex: Int32 = 0

    package init() {}

    package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
      try wire.field(&topicName)
      try wire.field(&partitionIndex)
      try wire.tags()
    }
  }
}
