package import Model

/// Partitions of one topic, which is named by its id: in messages and records of the new group protocol.
package struct TopicIDPartitions: WireStruct {
  package var topicID = TopicID.zero
  package var partitions: [Int32] = []

  package init() {}

  package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
    try wire.field(&topicID)
    try wire.field(&partitions)
    try wire.tags()
  }
}
