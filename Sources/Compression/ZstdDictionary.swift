import Czstd
package import NIOCore

/// A dictionary made from sample messages, and zstd with it: what single messages have in common need not be in each of them.
///
/// Kafka has no place for a dictionary in its formats, so nothing that a broker stores is compressed by one; it is what a producer could
/// do by itself for messages that it compresses one at a time. Training is zstd's own (`ZDICT_trainFromBuffer`).
///
/// Unchecked: it has one context for each direction, so that calls are made one at a time.
package final class ZstdDictionary: @unchecked Sendable {
  package enum Limits {
    /// Below this zstd trains nothing; above, decompressors would need more memory than small messages are worth.
    package static let capacity = 256...(1 << 20)
    /// Of all samples together.
    package static let sampleBytesMax = 1 << 28
  }

  package let byteCount: Int
  private let compressor: OpaquePointer
  private let decompressor: OpaquePointer
  private let compressing: OpaquePointer
  private let decompressing: OpaquePointer

  /// - Parameters:
  ///   - samples: messages like those to come; zstd wants a hundred times the dictionary's size in all.
  ///   - capacity: the most bytes of the dictionary, `Limits.capacity`.
  ///   - level: of compressing; nil for zstd's default.
  /// - Throws: `CompressionError.libraryFailed` when the samples are too few or have nothing in common.
  package init(training samples: [ByteBuffer], capacity: Int, level: Int? = nil) throws(CompressionError) {
    guard Limits.capacity.contains(capacity) else {
      throw .libraryFailed(
        "a dictionary of \(capacity) bytes: \(Limits.capacity.lowerBound) to \(Limits.capacity.upperBound)")
    }
    let trained = try Self.train(samples, capacity: capacity)
    let pointers = (
      ZSTD_createCCtx(), ZSTD_createDCtx(),
      ZSTD_createCDict(trained, trained.count, level.map { Int32(clamping: $0) } ?? ZSTD_defaultCLevel()),
      ZSTD_createDDict(trained, trained.count)
    )
    guard let compressor = pointers.0, let decompressor = pointers.1, let compressing = pointers.2,
      let decompressing = pointers.3
    else {
      // Freeing what is not there is allowed.
      ZSTD_freeCCtx(pointers.0)
      ZSTD_freeDCtx(pointers.1)
      ZSTD_freeCDict(pointers.2)
      ZSTD_freeDDict(pointers.3)
      throw .libraryFailed("ZSTD_createCDict")
    }
    (self.compressor, self.decompressor) = (compressor, decompressor)
    (self.compressing, self.decompressing) = (compressing, decompressing)
    byteCount = trained.count
  }

  deinit {
    ZSTD_freeCDict(compressing)
    ZSTD_freeDDict(decompressing)
    ZSTD_freeCCtx(compressor)
    ZSTD_freeDCtx(decompressor)
  }

  private static func train(_ samples: [ByteBuffer], capacity: Int) throws(CompressionError) -> [UInt8] {
    let total = samples.reduce(0) { $0 + $1.readableBytes }
    guard total <= Limits.sampleBytesMax, samples.count <= Int(UInt32.max) else {
      throw .tooLarge(limit: Limits.sampleBytesMax)
    }
    var all: [UInt8] = []
    all.reserveCapacity(total)
    for sample in samples { all.append(contentsOf: sample.readableBytesView) }
    var dictionary = [UInt8](repeating: 0, count: capacity)
    let size = ZDICT_trainFromBuffer(
      &dictionary, capacity, all, samples.map(\.readableBytes), UInt32(samples.count))
    guard ZDICT_isError(size) == 0 else {
      throw .libraryFailed("training a dictionary: \(String(cString: ZDICT_getErrorName(size)))")
    }
    return Array(dictionary.prefix(size))
  }

  /// Appends one frame, which only this dictionary reads.
  package func compress(
    _ input: UnsafeRawBufferPointer, into output: inout ByteBuffer
  ) throws(CompressionError) {
    try write(into: &output, room: ZSTD_compressBound(input.count)) { room in
      ZSTD_compress_usingCDict(compressor, room.baseAddress, room.count, input.baseAddress, input.count, compressing)
    }
  }

  /// Appends what one frame of `compress` holds, at most `limit` bytes.
  package func decompress(
    _ input: UnsafeRawBufferPointer, limit: Int, into output: inout ByteBuffer
  ) throws(CompressionError) {
    try write(into: &output, room: limit) { room in
      ZSTD_decompress_usingDDict(decompressor, room.baseAddress, limit, input.baseAddress, input.count, decompressing)
    }
  }

  private func write(
    into output: inout ByteBuffer, room: Int, _ body: (UnsafeMutableRawBufferPointer) -> Int
  ) throws(CompressionError) {
    var status = 0
    output.writeWithUnsafeMutableBytes(minimumWritableBytes: room) { room in
      status = body(room)
      return ZSTD_isError(status) == 0 ? status : 0
    }
    guard ZSTD_isError(status) == 0 else { throw .libraryFailed(String(cString: ZSTD_getErrorName(status))) }
  }
}
