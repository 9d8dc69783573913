import Glibc

/// A file system of a broker's own, in memory (tmpfs), so that it can be full while the machine's is not. What is on it goes with the
/// cluster. Needs root.
struct BrokerDisk: Sendable {
  enum Limits {
    static let mebibytes = 16...65_536
  }

  /// Where it is mounted.
  let path: String
  private var ballast: String { "\(path)/ballast" }

  /// Mounts a file system of so many MiB at `path`, which exists; in place of one that a cluster that was killed has left there.
  init(at path: String, mebibytes: Int) throws(SystemTool.Failure) {
    self.path = path
    unmount()
    try SystemTool.run("mount", ["-t", "tmpfs", "-o", "size=\(mebibytes)m,mode=755", "millrace", path])
  }

  /// Fills what is free with one file.
  func fill() throws(SystemTool.Failure) {
    let file = open(ballast, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o644)
    guard file >= 0 else { throw failure(ballast) }
    defer { close(file) }
    let block = [UInt8](repeating: 0, count: 65_536)
    // The rest that is smaller than a block is filled by ever smaller pieces.
    var piece = block.count
    while piece > 0 {
      let written = write(file, block, piece)
      if written > 0 { continue }
      if written < 0, errno != ENOSPC, errno != EINTR { throw failure(ballast) }
      piece /= 2
    }
  }

  /// Frees what `fill` took; does nothing when the disk is not filled.
  func drain() throws(SystemTool.Failure) {
    guard unlink(ballast) == 0 || errno == ENOENT else { throw failure(ballast) }
  }

  func unmount() { try? SystemTool.run("umount", ["-l", path]) }

  private func failure(_ what: String) -> SystemTool.Failure {
    SystemTool.Failure(description: "\(what): \(String(cString: strerror(errno)))")
  }
}
