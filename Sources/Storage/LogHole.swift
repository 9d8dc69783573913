package import Model

/// Offsets that a log's segments skip, though nothing has deleted their records: a file was cut, damaged or removed by hand.
/// Reads continue behind them.
package struct LogHole: Hashable, Sendable {
  /// The file that ends where the offsets begin, or, at the front of a log, the file that begins behind them.
  package var path: String
  package var offsets: Range<Offset>
}
