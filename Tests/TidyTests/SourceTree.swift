import Foundation

/// The project's own files, as the tests find them beside themselves.
enum SourceTree {
  static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .appendingPathComponent("../..").standardized

  /// Directories of `Sources`: the targets.
  static let targets: [String] = names(in: "Sources")

  static func names(in directory: String) -> [String] {
    let url = root.appendingPathComponent(directory)
    let names = (try? FileManager.default.contentsOfDirectory(atPath: url.path)) ?? []
    return names.filter { !$0.hasPrefix(".") }.sorted()
  }

  static func exists(_ path: String) -> Bool {
    FileManager.default.fileExists(atPath: root.appendingPathComponent(path).path)
  }

  static func text(_ path: String) throws -> String {
    try String(contentsOf: root.appendingPathComponent(path), encoding: .utf8)
  }

  /// Every Swift file of every target.
  static let swiftFiles: [SourceFile] = targets.flatMap { target -> [SourceFile] in
    let directory = root.appendingPathComponent("Sources/\(target)")
    guard let files = FileManager.default.enumerator(atPath: directory.path) else { return [] }
    return files.compactMap { $0 as? String }.filter { $0.hasSuffix(".swift") }.sorted().map { name in
      let path = "Sources/\(target)/\(name)"
      guard let text = try? text(path) else { fatalError("cannot read \(path)") }
      return SourceFile(target: target, path: path, lines: code(of: text))
    }
  }

  /// The lines of `text` without comments and without what stands in string literals.
  static func code(of text: String) -> [String] {
    var inBlock = false
    return text.split(separator: "\n", omittingEmptySubsequences: false).map { line in
      var code: [UInt8] = []
      var rest = Array(line.utf8)[...]
      while let byte = rest.first {
        if rest.starts(with: [0x22, 0x22, 0x22]) {
          inBlock.toggle()
          rest = rest.dropFirst(3)
        } else if inBlock {
          rest = rest.dropFirst()
        } else if rest.starts(with: [0x2F, 0x2F]) {
          break
        } else if byte == 0x22 {
          rest = afterLiteral(rest)
          code += [0x22, 0x22]
        } else {
          code.append(byte)
          rest = rest.dropFirst()
        }
      }
      return String(decoding: code, as: UTF8.self)
    }
  }

  /// `rest` begins with a quote; what follows its literal. An interpolation's own quotes are passed over with it.
  private static func afterLiteral(_ rest: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
    var rest = rest.dropFirst()
    var depth = 0
    while let byte = rest.first {
      if byte == 0x5C {
        if rest.dropFirst().first == 0x28 { depth += 1 }
        rest = rest.dropFirst(2)
        continue
      }
      if depth > 0 {
        if byte == 0x28 { depth += 1 }
        if byte == 0x29 { depth -= 1 }
      } else if byte == 0x22 {
        return rest.dropFirst()
      }
      rest = rest.dropFirst()
    }
    return rest
  }
}

struct SourceFile: Sendable {
  let target: String
  let path: String
  let lines: [String]

  /// The modules it imports.
  var imports: [String] {
    lines.compactMap { line in
      var words = line.split(separator: " ")[...]
      while let word = words.first, word != "import" {
        guard ["package", "internal", "public", "private", "fileprivate"].contains(word) || word.hasPrefix("@") else {
          return nil
        }
        words = words.dropFirst()
      }
      let kinds: Set<Substring> = ["struct", "class", "enum", "protocol", "func", "var", "let", "typealias"]
      let named = words.dropFirst().drop { kinds.contains($0) }
      return named.first.map { String($0.prefix { $0 != "." }) }
    }
  }
}
