import Glibc

/// What `errno` says.
var errnoText: String { String(cString: strerror(errno)) }

extension String {
  /// The whole file, also where the kernel makes it up as it is read (`/proc`).
  package init(readingFile path: String) throws {
    guard let file = fopen(path, "r") else { throw BrokerProcess.Failure("\(path): \(errnoText)") }
    defer { fclose(file) }
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 65_536)
    while true {
      let count = fread(&chunk, 1, chunk.count, file)
      if count == 0 { break }
      bytes += chunk[..<count]
    }
    self = String(decoding: bytes, as: UTF8.self)
  }

  package func write(toFile path: String) throws {
    guard let file = fopen(path, "w") else { throw BrokerProcess.Failure("\(path): \(errnoText)") }
    fputs(self, file)
    guard fclose(file) == 0 else { throw BrokerProcess.Failure("\(path): \(errnoText)") }
  }
}
