/// What a peer's bytes may make this module allocate. All else is bounded by the bytes that arrived, and those by `Frame`.
enum WireLimits {
  /// Kafka refuses longer strings in both directions, in compact form too. We refuse them when reading, and cut them when writing.
  static let stringBytes = 32767

  /// Reserved ahead for an array; a longer one grows as its elements really arrive.
  static let elementsReserved = 1024

  /// Elements of all arrays of a request together. Many cost two bytes on the wire and hundreds in memory and in the answer: a
  /// request of 100 MiB could otherwise cost gigabytes. Kafka's clusters have at most some 200,000 partitions.
  static let requestElements = 250_000

  /// Records of at least so many bytes become a part of their own when written, sent from where they lie instead of copied.
  static let recordsCopied = 2048
}
