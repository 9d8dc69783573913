import CMillrace
import Glibc

extension FileRange {
  /// Returns whether a part of the range is not in the page cache, so that a send would wait for the disk. False where the
  /// kernel cannot tell (before Linux 6.5), and on a disk without real files.
  package var isCold: Bool {
    guard file.descriptor >= 0, length > 0 else { return false }
    return millrace_missing_pages(file.descriptor, off_t(position), off_t(length)) > 0
  }

  /// Reads the range from the disk into the page cache, and waits. A read error is left to the send.
  package func warm() {
    guard file.descriptor >= 0, let sink = Self.sink else { return }
    var from = off_t(position)
    var left = length
    while left > 0 {
      let count = sendfile(sink, file.descriptor, &from, left)
      guard count > 0 else { return }
      left -= count
    }
  }

  /// What is sent there has been in the page cache, and is copied nowhere. (readahead(2) only begins to read.)
  private static let sink: Int32? = {
    let descriptor = open("/dev/null", O_WRONLY | O_CLOEXEC)
    return descriptor >= 0 ? descriptor : nil
  }()
}
