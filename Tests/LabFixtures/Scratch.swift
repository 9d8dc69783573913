// In a release build there is no testing, and these are nothing.
#if DEBUG
import Foundation

@testable import Experiment

/// A directory that is gone when the test ends.
final class Scratch {
  let path: String
  init() throws {
    path = NSTemporaryDirectory() + "millrace-lab-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }
  deinit { try? FileManager.default.removeItem(atPath: path) }
}

/// A directory of its own for each test, removed afterwards unless MILLRACE_KEEP_PLOTS names a place to leave it.
final class ScratchDirectory {
  let path: String
  /// What goes in the end; nil when all is kept.
  private let scratch: String?

  init(_ name: String) throws {
    let kept = ProcessInfo.processInfo.environment["MILLRACE_KEEP_PLOTS"]
    scratch = kept == nil ? NSTemporaryDirectory() + "millrace-\(UUID().uuidString)" : nil
    path = (scratch ?? kept ?? ".") + "/" + name
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  func exists(_ name: String) -> Bool { FileManager.default.fileExists(atPath: "\(path)/\(name)") }

  deinit { if let scratch { try? FileManager.default.removeItem(atPath: scratch) } }
}
#endif
