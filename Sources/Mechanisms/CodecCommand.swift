import ArgumentParser
import Compression
import Load
import Measure

/// Measures a codec alone, on the load generator's corpora.
struct CodecCommand: Mechanism {
  static let configuration = CommandConfiguration(
    commandName: "codec", abstract: "Compress and decompress a corpus, message by message or by the batch.")

  private enum Limits {
    /// Payload of one round: past any codec's window, and small enough that slow codecs finish rounds in time.
    static let payloadBytes = 2 << 20
    /// A dictionary is trained on so many times its size of other messages, as zstd's manual advises.
    static let samplesPerDictionary = 100
  }

  @Option(help: "none, gzip, snappy, lz4, zstd; CODEC:LEVEL for a level.") var codec: String
  @Option(help: "json, access-log, random, entropy:BITS.") var corpus = "json"
  @Option(help: "Records compressed together; 1: each message's value alone.") var batchRecords = 100
  @Option(help: "Bytes of a record's value.") var recordBytes = 400
  @Option(
    help: "Trains a zstd dictionary of at most N bytes on other messages, and compresses each message with it; 0: none."
  )
  var dictionaryBytes = 0
  @Option(help: "Duration in seconds.") var seconds = 0.5
  @Option(help: "Seed of the records.") var seed: UInt64 = 1
  @Flag(help: "JSON is always printed, in the last line.") var json = false

  static func cost(of run: PricedRun) -> RunCost {
    RunCost(seconds: 2 * run.seconds, bytes: run.seconds * 0.3e9)
  }

  static func ceilings(isCold: Bool, isSynced: Bool) -> [MachineCeiling] {
    [.checksum]
  }

  func measure() throws -> [String: Any] {
    let parts = codec.split(separator: ":", maxSplits: 1).map(String.init)
    guard let chosen = parts.first.flatMap({ Codec(name: $0) }) else {
      throw ValidationError("unknown codec \(codec)")
    }
    guard let texts = Corpus(corpus) else { throw ValidationError("unknown corpus \(corpus)") }
    let count = max(batchRecords, Limits.payloadBytes / recordBytes)
    let records = texts.sample(count: count, recordSize: recordBytes, seed: seed)
    var bench = CodecBench(
      records: records, codec: chosen, level: parts.count > 1 ? Int(parts[1]) : nil,
      grouping: batchRecords == 1 ? .message : .batch(records: batchRecords), seconds: seconds)
    if dictionaryBytes > 0 { bench.dictionary = try dictionary(of: texts, for: bench) }
    let result = try bench.run()
    let measured = result.compressSeconds + result.decompressSeconds
    return [
      "seconds": measured, "records": result.records * result.rounds, "bytes": result.payloadBytes * result.rounds,
      "payload_bytes": result.payloadBytes, "stored_bytes": result.storedBytes, "compression_ratio": result.ratio,
      "compress_mb_per_s": result.compressMBPerSecond, "decompress_mb_per_s": result.decompressMBPerSecond,
      "compress_cpu_s_per_gb": result.compressCPUSecondsPerGB,
      "decompress_cpu_s_per_gb": result.decompressCPUSecondsPerGB,
      "cpu_seconds": result.compressCPUSeconds + result.decompressCPUSeconds, "streams": result.streams,
      "rounds": result.rounds, "checksum": Int(result.checksum), "dictionary_bytes": bench.dictionary?.byteCount ?? 0,
    ]
  }

  /// Trained on messages that are none of those measured.
  private func dictionary(of corpus: Corpus, for bench: CodecBench) throws -> ZstdDictionary {
    guard ZstdDictionary.Limits.capacity.contains(dictionaryBytes) else {
      throw ValidationError(
        "--dictionary-bytes: 0, or \(ZstdDictionary.Limits.capacity.lowerBound) to \(ZstdDictionary.Limits.capacity.upperBound)"
      )
    }
    let count = max(1, Limits.samplesPerDictionary * dictionaryBytes / recordBytes)
    let samples = corpus.sample(count: count, recordSize: recordBytes, seed: ~seed)
    return try ZstdDictionary(training: samples, capacity: dictionaryBytes, level: bench.level)
  }
}
