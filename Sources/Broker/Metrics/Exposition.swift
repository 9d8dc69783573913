import NIOCore

/// Writes Prometheus' text format, version 0.0.4.
///
/// A family's samples stand together, behind its HELP and TYPE lines. Label sets are made once (`Labels`) and written again and again:
/// with 10,000 partitions a scrape has 50,000 lines.
struct Exposition {
  static let contentType = "text/plain; version=0.0.4; charset=utf-8"

  /// The text of a sample's labels, with the braces around it; empty where there are none.
  struct Labels {
    fileprivate let text: [UInt8]

    static let none = Labels(text: [])

    private init(text: [UInt8]) { self.text = text }

    init(_ family: MetricFamily, _ values: String...) {
      precondition(values.count == family.labels.count, "\(family.name) has other labels")
      self.init(zip(family.labels, values).map { ($0, $1) })
    }

    init(_ pairs: [(name: String, value: String)]) {
      var text: [UInt8] = []
      text.reserveCapacity(32 + pairs.reduce(0) { $0 + $1.name.utf8.count + $1.value.utf8.count })
      for (name, value) in pairs {
        text.append(text.isEmpty ? UInt8(ascii: "{") : UInt8(ascii: ","))
        text += name.utf8
        text += "=\"".utf8
        for byte in value.utf8 {
          switch byte {
          case UInt8(ascii: "\\"): text += "\\\\".utf8
          case UInt8(ascii: "\""): text += "\\\"".utf8
          case UInt8(ascii: "\n"): text += "\\n".utf8
          default: text.append(byte)
          }
        }
        text.append(UInt8(ascii: "\""))
      }
      text.append(UInt8(ascii: "}"))
      self.text = pairs.isEmpty ? [] : text
    }

    /// The same labels with one more behind them.
    func adding(_ name: String, _ value: String) -> Labels {
      let more = Labels([(name, value)])
      guard !text.isEmpty else { return more }
      return Labels(text: text.dropLast() + [UInt8(ascii: ",")] + more.text.dropFirst())
    }
  }

  private(set) var bytes: ByteBuffer
  private var name: [UInt8] = []

  init(capacity: Int = 65_536) { bytes = ByteBufferAllocator().buffer(capacity: capacity) }

  /// Begins a family; its samples follow.
  mutating func begin(_ family: MetricFamily) {
    name = Array(family.name.utf8)
    bytes.writeString(
      "# HELP \(family.name) \(Self.escaped(family.help))\n# TYPE \(family.name) \(family.kind.rawValue)\n")
  }

  /// A sample of the family that was begun last.
  ///
  /// - Parameter suffix: `_sum`, `_count` or `_bucket`.
  mutating func sample(_ suffix: StaticString = "", _ labels: Labels = .none, _ value: Int64) {
    line(suffix, labels)
    write(value)
    bytes.writeInteger(UInt8(ascii: "\n"))
  }

  mutating func sample(_ suffix: StaticString = "", _ labels: Labels = .none, _ value: Double) {
    line(suffix, labels)
    bytes.writeString("\(value)\n")
  }

  mutating func sample(_ suffix: StaticString = "", _ labels: Labels = .none, _ value: Int) {
    sample(suffix, labels, Int64(value))
  }

  /// A family that has one sample, without labels.
  mutating func single(_ family: MetricFamily, _ value: Int) {
    begin(family)
    sample("", .none, value)
  }

  mutating func single(_ family: MetricFamily, _ value: Double) {
    begin(family)
    sample("", .none, value)
  }

  private mutating func line(_ suffix: StaticString, _ labels: Labels) {
    bytes.writeBytes(name)
    bytes.writeStaticString(suffix)
    bytes.writeBytes(labels.text)
    bytes.writeInteger(UInt8(ascii: " "))
  }

  private mutating func write(_ value: Int64) {
    withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 20) { digits in
      var rest = value.magnitude
      var first = 20
      repeat {
        first -= 1
        digits[first] = UInt8(ascii: "0") + UInt8(truncatingIfNeeded: rest % 10)
        rest /= 10
      } while rest > 0
      if value < 0 {
        bytes.writeInteger(UInt8(ascii: "-"))
      }
      bytes.writeBytes(UnsafeRawBufferPointer(UnsafeBufferPointer(rebasing: digits[first..<20])))
    }
  }

  private static func escaped(_ help: String) -> String {
    help.contains("\\") || help.contains("\n") ? String(help.map { $0 == "\n" ? " " : $0 }.filter { $0 != "\\" }) : help
  }
}
