import Glibc

/// A text file that only grows, synced at each append: `rows.csv` and `series.csv`.
package final class AppendedFile {
  package let path: String
  private let file: Int32
  private(set) package var length: Int

  /// Opens the file at `keeping` bytes (what lies beyond was never acknowledged by the journal and is cut off), or makes
  /// it anew with its header.
  package init(_ path: String, header: String, keeping: Int?) throws(SmallFile.WriteError) {
    self.path = path
    file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o644)
    length = 0
    guard file >= 0 else { throw SmallFile.WriteError(path: path, number: errno) }
    guard ftruncate(file, keeping ?? 0) == 0, lseek(file, 0, SEEK_END) >= 0 else {
      throw SmallFile.WriteError(path: path, number: errno)
    }
    length = keeping ?? 0
    if length == 0 { try append(header) }
  }

  deinit { close(file) }

  /// On disk when this returns.
  package func append(_ text: String) throws(SmallFile.WriteError) {
    var rest = Array(text.utf8)[...]
    while !rest.isEmpty {
      let count = rest.withUnsafeBytes { Glibc.write(file, $0.baseAddress, $0.count) }
      if count < 0 && errno == EINTR { continue }
      guard count > 0 else { throw SmallFile.WriteError(path: path, number: errno) }
      length += count
      rest = rest.dropFirst(count)
    }
    guard fsync(file) == 0 else { throw SmallFile.WriteError(path: path, number: errno) }
  }
}
