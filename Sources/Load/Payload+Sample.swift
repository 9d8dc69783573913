package import NIOCore

extension Corpus {
  /// Makes `count` values of one size without stamps, for codec benchmarks without a broker.
  package func sample(count: Int, recordSize: Int, seed: UInt64) -> [ByteBuffer] {
    let pool = Payload(corpus: self, recordSize: recordSize, poolBytes: count * recordSize, seed: seed)
    return (0..<count).map { index in
      ByteBuffer(bytes: UnsafeRawBufferPointer(start: pool.value(index % pool.count), count: recordSize))
    }
  }
}
