import Foundation
import NIOCore
import Testing

@testable import Mechanisms

/// A file of its own for each test, gone at its end.
private func withFile<Value>(_ text: String, _ body: (String) throws -> Value) throws -> Value {
  let path = NSTemporaryDirectory() + "millrace-records-\(UUID().uuidString)"
  defer { try? FileManager.default.removeItem(atPath: path) }
  try Data(text.utf8).write(to: URL(filePath: path))
  return try body(path)
}

private func texts(_ file: RecordFile) -> [String] { file.records.map { String(buffer: $0) } }

@Test("a file becomes a record a line, without line ends and empty lines")
func recordLines() throws {
  try withFile("one\r\ntwo\n\nthree") { path in
    let file = try RecordFile(path: path, split: .lines, sampleBytes: 1000)
    #expect(texts(file) == ["one", "two", "three"])
    #expect(file.emptyLines == 1 && file.usedBytes == file.fileBytes)
  }
}

@Test("a file becomes records of a fixed size, the last one smaller, line ends included")
func recordSizes() throws {
  try withFile("abcd\nfg") { path in
    let file = try RecordFile(path: path, split: .fixed(bytes: 3), sampleBytes: 1000)
    #expect(texts(file) == ["abc", "d\nf", "g"])
  }
}

@Test("a sample is the file's beginning, in whole records")
func recordSample() throws {
  try withFile(String(repeating: "0123456789\n", count: 100)) { path in
    let lines = try RecordFile(path: path, split: .lines, sampleBytes: 25)
    #expect(lines.records.count == 3 && lines.usedBytes == 33 && lines.fileBytes == 1100)
    let fixed = try RecordFile(path: path, split: .fixed(bytes: 10), sampleBytes: 25)
    #expect(fixed.records.map(\.readableBytes) == [10, 10, 10])
  }
}

@Test("a file without records, a directory, and a missing file are errors that say so")
func recordFileErrors() throws {
  try withFile("\n\n") { path in
    #expect(throws: MechanismError.badPlan("\(path) holds no records")) {
      try RecordFile(path: path, split: .lines, sampleBytes: 10)
    }
    #expect(throws: MechanismError.badPlan("records of 0 bytes: 1 to 16777216")) {
      try RecordFile(path: path, split: .fixed(bytes: 0), sampleBytes: 10)
    }
  }
  #expect(throws: MechanismError.badPlan("/tmp is a directory")) {
    try RecordFile(path: "/tmp", split: .lines, sampleBytes: 10)
  }
  #expect(throws: MechanismError.self) { try RecordFile(path: "/nowhere/at/all", split: .lines, sampleBytes: 10) }
}
