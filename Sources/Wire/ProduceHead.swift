/// Reads the start of a flexible Produce request of one partition and without a transaction, up to its records, wherever those are.
package struct ProduceHead {
  package private(set) var version: Int16 = 0
  package private(set) var correlationID: Int32 = 0
  package private(set) var acks: Int16 = 0
  /// The topic's name and the partition; the records are not looked for.
  package private(set) var place = ProduceView.Place(
    nameStart: 0, nameLength: 0, partition: 0, recordsStart: 0, recordsLength: 0, placesOfTopic: 1)

  /// - Parameter frame: the request without its length; it may end anywhere in the records or behind them.
  /// - Returns: nil for another request.
  package init?(reading frame: UnsafeRawBufferPointer) {
    var bytes = PlainReader(frame)
    guard bytes.int16() == ProduceRequest.api.key else { return nil }
    version = bytes.int16()
    guard ProduceRequest.isFlexible(version) else { return nil }
    correlationID = bytes.int32()
    let clientID = Int(bytes.int16())
    if clientID > 0 { bytes.skip(clientID) }
    // No tags in the header and no transaction.
    guard bytes.varint() == 0, bytes.varint() == 0 else { return nil }
    acks = bytes.int16()
    _ = bytes.int32()
    guard bytes.varint() - 1 == 1 else { return nil }
    let nameLength = bytes.varint() - 1
    guard nameLength > 0 else { return nil }
    (place.nameStart, place.nameLength) = (bytes.position, nameLength)
    bytes.skip(nameLength)
    guard bytes.varint() - 1 == 1 else { return nil }
    place.partition = bytes.int32()
    guard bytes.isWhole else { return nil }
  }
}
