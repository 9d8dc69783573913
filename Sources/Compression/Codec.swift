package import NIOCore

/// Kafka's compression types, by the numbers that a record batch's attributes carry.
///
/// One batch's records are one compressed stream. What each codec writes is what Apache Kafka's own producer writes, so
/// that any Kafka client reads it; what it reads is wider (see `Gzip`, `Snappy`, `LZ4`, `Zstd`).
package enum Codec: Int, CaseIterable, Hashable, Sendable {
  case none = 0
  case gzip, snappy, lz4, zstd

  /// `none`, `gzip`, `snappy`, `lz4` or `zstd`, as in `compression.type`; nil for anything else.
  package init?(name: String) {
    guard let codec = Self.allCases.first(where: { $0.name == name }) else { return nil }
    self = codec
  }

  package var name: String {
    switch self {
    case .none: "none"
    case .gzip: "gzip"
    case .snappy: "snappy"
    case .lz4: "lz4"
    case .zstd: "zstd"
    }
  }

  /// What Kafka's `compression.gzip.level`, `compression.lz4.level` and `compression.zstd.level` accept (KIP-390); nil
  /// where there is nothing to choose. For gzip Kafka also takes -1 for the default.
  package var levels: ClosedRange<Int>? {
    switch self {
    case .none, .snappy: nil
    case .gzip: 1...9
    case .lz4: 1...17
    case .zstd: -131_072...22
    }
  }

  /// The level meant by "no level". For lz4 it is 9, and 9 is special: see `LZ4.compress`.
  package var defaultLevel: Int? {
    switch self {
    case .none, .snappy: nil
    case .gzip: 6
    case .lz4: 9
    case .zstd: 3
    }
  }
}

/// Why bytes could not be compressed or decompressed. Arbitrary input gives one of these, never a trap.
package enum CompressionError: Error, Hashable, Sendable {
  /// More would come out (or go in) than the caller allows; nothing of that size was allocated.
  case tooLarge(limit: Int)
  /// The input ends before the stream does.
  case truncated
  /// The stream ends before the input does.
  case trailingBytes(Int)
  /// Not what the codec writes; the library's own words where it has some.
  case corrupt(String)
  /// A checksum within the stream is not that of its bytes; the library's own words.
  case badChecksum(String)
  /// Not a level of this codec.
  case unknownLevel(Int, Codec)
  /// The library could not do what it always can: in practice, memory ran out.
  case libraryFailed(String)
}

extension CompressionError: CustomStringConvertible {
  package var description: String {
    switch self {
    case .tooLarge(let limit): "the result is larger than \(limit) bytes"
    case .truncated: "the input ends before the compressed stream does"
    case .trailingBytes(let count): "\(count) bytes follow the compressed stream"
    case .corrupt(let words): "the compressed stream is corrupt (\(words))"
    case .badChecksum(let words): "a checksum of the compressed stream is wrong (\(words))"
    case .unknownLevel(let level, let codec): "\(level) is no level of \(codec.name)"
    case .libraryFailed(let words): "the compression library failed (\(words))"
    }
  }
}

extension Codec {
  /// Compresses `input` and appends the result to `output`.
  ///
  /// - Parameter level: nil for the codec's default; ignored by codecs without levels.
  /// - Throws: `unknownLevel`; `tooLarge` over `CompressionLimits.inputBytes`; `libraryFailed`. `output` is then as it was.
  package func compress(
    _ input: UnsafeRawBufferPointer, level: Int? = nil, into output: inout ByteBuffer
  ) throws(CompressionError) {
    guard input.count <= CompressionLimits.inputBytes else { throw .tooLarge(limit: CompressionLimits.inputBytes) }
    let level = try resolve(level)
    switch self {
    case .none: output.writeBytes(input)
    case .gzip: try Gzip.compress(input, level: level, into: &output)
    case .snappy: try Snappy.compress(input, into: &output)
    case .lz4: try LZ4.compress(input, level: level, into: &output)
    case .zstd: try Zstd.compress(input, level: level, into: &output)
    }
  }

  /// Decompresses all of `input`.
  ///
  /// - Parameter limit: the most bytes that may come out. Memory follows what has really come out (it doubles,
  ///   from a few times the input) and never passes `limit`, whatever size the input declares.
  /// - Returns: for `none`, `input` itself.
  package func decompress(_ input: ByteBuffer, limit: Int) throws(CompressionError) -> ByteBuffer {
    if self == .none {
      guard input.readableBytes <= limit else { throw .tooLarge(limit: limit) }
      return input
    }
    var output = ByteBuffer()
    let result = input.withUnsafeReadableBytes { (bytes) -> Result<Void, CompressionError> in
      do throws(CompressionError) {
        try decompress(bytes, limit: limit, into: &output)
        return .success(())
      } catch {
        return .failure(error)
      }
    }
    try result.get()
    return output
  }

  /// Decompresses all of `input` and appends the result to `output`, of which at most `limit` new bytes.
  /// After an error `output` may hold a part of the result.
  package func decompress(
    _ input: UnsafeRawBufferPointer, limit: Int, into output: inout ByteBuffer
  ) throws(CompressionError) {
    guard input.count <= CompressionLimits.inputBytes else { throw .tooLarge(limit: CompressionLimits.inputBytes) }
    var bounded = BoundedOutput(appendingTo: &output, limit: limit)
    defer { output = bounded.bytes }
    switch self {
    case .none: try bounded.append(input)
    case .gzip: try Gzip.decompress(input, into: &bounded)
    case .snappy: try Snappy.decompress(input, into: &bounded)
    case .lz4: try LZ4.decompress(input, into: &bounded)
    case .zstd: try Zstd.decompress(input, into: &bounded)
    }
  }

  private func resolve(_ level: Int?) throws(CompressionError) -> Int {
    guard let levels, let defaultLevel else { return 0 }
    guard let level else { return defaultLevel }
    if self == .gzip, level == -1 { return defaultLevel }
    guard levels.contains(level) else { throw .unknownLevel(level, self) }
    return level
  }
}

package enum CompressionLimits {
  /// The largest input of either direction: ByteBuffer's and the frame formats' sizes are 32 bits. More is `tooLarge`.
  package static let inputBytes = 1 << 30
  /// Contexts kept for reuse per codec and direction; one more than this is freed after use.
  static let idleContexts = 16
  /// A context that has grown beyond this (zstd at level 22 takes hundreds of MB) is freed after use.
  static let idleContextBytes = 16 << 20
  /// A size the input declares is reserved at once up to this multiple of the input; beyond, growth follows real output.
  static let trustedExpansion = 16
  /// Least room given to a codec for its output at a time.
  static let outputChunkBytes = 4096
}
