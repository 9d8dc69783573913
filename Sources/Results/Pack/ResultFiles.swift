import Compression
import Foundation
import NIOCore
package import Verdict

/// The files of one result, wherever they lie: in its directory, in the archive within it (see `ResultPack.tidy`), or in a pack that
/// somebody sent.
package struct ResultFiles: Sendable {
  /// As messages name it: the directory, or the place in the pack.
  package let path: String
  private let isDirectory: Bool
  private let packed: [String: [UInt8]]

  /// Throws when the archive in the directory is damaged.
  package init(directory path: String) throws(StoredResult.Failure) {
    self.path = path
    isDirectory = true
    let archive = "\(path)/\(ResultDirectory.Name.packed)"
    guard let bytes = SmallFile.bytes(archive) else {
      packed = [:]
      return
    }
    let files = try ResultPack.unpacked(bytes, named: archive)
    packed = Dictionary(files.map { ($0.path, $0.bytes) }, uniquingKeysWith: { first, _ in first })
  }

  /// Of a pack.
  init(path: String, packed: [String: [UInt8]]) {
    self.path = path
    isDirectory = false
    self.packed = packed
  }

  /// Nil when there is no such file; one in the directory goes before one in its archive.
  package func bytes(_ name: String) -> [UInt8]? {
    (isDirectory ? SmallFile.bytes("\(path)/\(name)") : nil) ?? packed[name]
  }

  package func text(_ name: String) -> String? { bytes(name).map { String(decoding: $0, as: UTF8.self) } }
}

/// Results as one small file to send (`STEM/NAME/file`, a tar archive under gzip), and what a repository keeps of a result.
package enum ResultPack {
  package enum Limits {
    /// Of an archive unpacked; larger ones are refused.
    package static let bytes = 1 << 30
  }

  /// What a person reads in a repository, and what changes from run to run; the rest of a result goes into one archive beside it.
  package static let readable = [ResultDirectory.Name.rows, ResultDirectory.Name.told, ResultDirectory.Name.journal]

  /// What follows from the other files: `millrace lint-results --disclosure` prints it.
  private static let derived = [ResultDirectory.Name.disclosure]

  /// Several results as one archive.
  package static func packed(_ directories: [(stem: String, path: String)]) throws -> [UInt8] {
    var files: [Tar.File] = []
    for (stem, path) in directories {
      let own = try ResultFiles(directory: path)
      let name = path.split(separator: "/").last.map(String.init) ?? path
      for file in ResultDirectory.Name.all where !derived.contains(file) && file != ResultDirectory.Name.packed {
        if let bytes = own.bytes(file) { files.append(Tar.File(path: "\(stem)/\(name)/\(file)", bytes: bytes)) }
      }
    }
    return try compressed(files)
  }

  /// The results of a pack, by `STEM/NAME`.
  package static func results(in pack: String) throws(StoredResult.Failure) -> [ResultFiles] {
    guard let bytes = SmallFile.bytes(pack) else { throw StoredResult.Failure(path: pack, reason: "cannot be read") }
    var results: [String: [String: [UInt8]]] = [:]
    for file in try unpacked(bytes, named: pack) {
      let parts = file.path.split(separator: "/").map(String.init)
      guard parts.count == 3 else { continue }
      results["\(parts[0])/\(parts[1])", default: [:]][parts[2]] = file.bytes
    }
    guard !results.isEmpty else { throw StoredResult.Failure(path: pack, reason: "holds no result") }
    return results.sorted { $0.key < $1.key }.map { ResultFiles(path: "\(pack)/\($0.key)", packed: $0.value) }
  }

  /// Moves what nobody reads in a repository into one archive, and removes what follows from the rest. Doing it again changes nothing.
  ///
  /// - Returns: the files that are no more.
  @discardableResult
  package static func tidy(_ directory: String) throws -> [String] {
    let own = try ResultFiles(directory: directory)
    let names = (SmallFile.entries(of: directory) ?? []).filter {
      ResultDirectory.Name.all.contains($0) && !readable.contains($0) && $0 != ResultDirectory.Name.packed
    }
    guard !names.isEmpty else { return [] }
    let files = ResultDirectory.Name.all
      .filter { !readable.contains($0) && !derived.contains($0) && $0 != ResultDirectory.Name.packed }
      .compactMap { name in own.bytes(name).map { Tar.File(path: name, bytes: $0) } }
    if !files.isEmpty {
      try SmallFile.replace("\(directory)/\(ResultDirectory.Name.packed)", bytes: try compressed(files))
    }
    for name in names { try FileManager.default.removeItem(atPath: "\(directory)/\(name)") }
    return names
  }

  private static func compressed(_ files: [Tar.File]) throws -> [UInt8] {
    var output = ByteBuffer()
    let archive = try Tar.archive(files)
    try archive.withUnsafeBytes { try Codec.gzip.compress($0, level: 9, into: &output) }
    return Array(output.readableBytesView)
  }

  static func unpacked(_ bytes: [UInt8], named path: String) throws(StoredResult.Failure) -> [Tar.File] {
    do {
      let archive = try Codec.gzip.decompress(ByteBuffer(bytes: bytes), limit: Limits.bytes)
      return try Tar.files(in: Array(archive.readableBytesView))
    } catch {
      throw StoredResult.Failure(path: path, reason: "is no pack of results: \(error)")
    }
  }
}
