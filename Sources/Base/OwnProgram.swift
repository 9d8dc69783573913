import Glibc

/// The program that runs here.
package enum OwnProgram {
  /// The version of all programs, which are released together.
  package static let version = "0.1.0"

  /// The path of its file.
  package static var path: String {
    var buffer = [CChar](repeating: 0, count: 4096)
    let count = readlink("/proc/self/exe", &buffer, buffer.count)
    return String(decoding: buffer[..<max(0, count)].map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }
}
