import SystemPackage

/// A text file that only grows, synced at each append: `rows.csv` and `series.csv`.
package final class AppendedFile {
  package let path: String
  private let file: FileDescriptor
  private(set) package var length: Int

  /// Opens the file at `keeping` bytes (what lies beyond was never acknowledged by the journal and is cut off), or makes
  /// it anew with its header.
  package init(_ path: String, header: String, keeping: Int?) throws(WriteError) {
    self.path = path
    file = try WriteError.naming(path) {
      try FileDescriptor.open(
        FilePath(path), .readWrite, options: [.create, .closeOnExec],
        permissions: [.ownerReadWrite, .groupRead, .otherRead])
    }
    length = 0
    try WriteError.naming(path) {
      try file.resize(to: Int64(keeping ?? 0))
      try file.seek(offset: 0, from: .end)
    }
    length = keeping ?? 0
    if length == 0 { try append(header) }
  }

  deinit { try? file.close() }

  /// On disk when this returns.
  package func append(_ text: String) throws(WriteError) {
    try WriteError.naming(path) {
      length += try file.writeAll(text.utf8)
      try file.sync()
    }
  }
}
