import Base
import Compression
import NIOCore

/// What an agent reports of its share: the fields of its run's report, the histograms without loss, its clock; or why it could not run.
struct AgentResult: Sendable {
  var agent: String
  var clock = AgentClock()
  /// The fields of `LoadReport`, as in `--json`; nil where the run could not begin.
  var report: JSON?
  /// The histograms as `--histogram` writes them.
  var histograms = ""
  /// Whether nothing was lost, duplicated, corrupt or refused.
  var isGood = false
  /// Why there is no report.
  var failure: String?

  init(agent: String, failure: String) { (self.agent, self.failure) = (agent, failure) }

  init(agent: String, clock: AgentClock, _ report: LoadReport) {
    self.agent = agent
    self.clock = clock
    self.report = JSON.object(report.fields)
    histograms = Output.histograms(report)
    isGood = report.isGood
  }

  /// The pieces to be stored: zstd over JSON, none larger than a z-node may be.
  func pieces() throws(CompressionError) -> [[UInt8]] {
    let text = JSON.object([
      "agent": .string(agent), "good": .bool(isGood), "failure": failure.map { .string($0) } ?? .null,
      "offset_least_ns": clock.offset.map { .int($0.leastNs) } ?? .null,
      "offset_most_ns": clock.offset.map { .int($0.mostNs) } ?? .null,
      "began_late_ms": clock.lateMs.map { .figure($0) } ?? .null,
      "report": report ?? .null, "histograms": .string(histograms),
    ]).encoded
    var packed = ByteBuffer()
    let outcome = text.withUnsafeBytes { (bytes) -> Result<Void, CompressionError> in
      do throws(CompressionError) {
        try Codec.zstd.compress(bytes, into: &packed)
        return .success(())
      } catch { return .failure(error) }
    }
    try outcome.get()
    var pieces: [[UInt8]] = []
    while let piece = packed.readBytes(length: min(packed.readableBytes, Limits.resultPieceBytes)), !piece.isEmpty {
      pieces.append(piece)
    }
    return pieces
  }

  /// Reads what `pieces` made.
  ///
  /// - Throws: `PlanError` where the bytes are nothing of the kind.
  init(agent: String, pieces: [[UInt8]]) throws(PlanError) {
    let packed = ByteBuffer(bytes: pieces.joined())
    guard let text = try? Codec.zstd.decompress(packed, limit: Limits.resultBytesMax),
      let json = try? JSON(Array(text.readableBytesView)), json["agent"]?.asString == agent
    else { throw PlanError("the result of agent \(agent) cannot be read") }
    self.agent = agent
    failure = json["failure"]?.asString
    isGood = json["good"] == .bool(true)
    histograms = json["histograms"]?.asString ?? ""
    if let least = json["offset_least_ns"]?.asInt, let most = json["offset_most_ns"]?.asInt {
      clock.offset = ClockOffset(leastNs: least, mostNs: most)
    }
    clock.lateMs = json["began_late_ms"]?.asDouble
    if let report = json["report"], report != .null { self.report = report }
    guard failure != nil || report != nil else {
      throw PlanError("agent \(agent) reports neither figures nor a failure")
    }
  }
}

extension JSON {
  /// A number of either kind.
  var asDouble: Double? {
    switch self {
    case .int(let value): Double(value)
    case .double(let value): value
    default: nil
    }
  }
}
