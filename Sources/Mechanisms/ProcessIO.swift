internal import CMillrace
import Glibc

/// What the kernel charged this process for so far, from /proc/self/io; differences of two are a measurement.
package struct ProcessIO: Sendable, Equatable {
  /// Bytes fetched from storage for it: what the page cache served is not among them.
  package var readBytes: Int
  /// Bytes it sent to storage or made dirty in the page cache, less what was truncated before it got there. An upper bound: a clean
  /// page made dirty is charged as the whole piece (folio) in which the page cache holds it. Seen on ext4 of Linux 6.18: of a file
  /// written 1 MiB, 64 KiB or 4 KiB at a time and synced, overwriting 4 KiB, or a byte, is charged as 1 MiB, 64 KiB or 4 KiB, and
  /// once more as nothing; so is LMDB's 332 bytes for a byte put, of which the device took 40.
  package var writtenBytes: Int

  /// Throws where the kernel does not count (CONFIG_TASK_IO_ACCOUNTING).
  package static func now() throws(MechanismError) -> ProcessIO { try counted("/proc/self/io") }

  /// The same of the calling thread alone.
  package static func ofThread() throws(MechanismError) -> ProcessIO { try counted("/proc/thread-self/io") }

  private static func counted(_ path: String) throws(MechanismError) -> ProcessIO {
    let file = try check("open \(path)") { open(path, O_RDONLY | O_CLOEXEC) }
    defer { close(file) }
    var bytes = [UInt8](repeating: 0, count: 1024)
    let count = try check("read \(path)") { read(file, &bytes, 1024) }
    var fields: [Substring: Int] = [:]
    let text = String(decoding: bytes[..<count], as: UTF8.self)
    for line in text.split(separator: "\n") {
      let words = line.split(separator: " ")
      if words.count == 2 { fields[words[0]] = Int(words[1]) }
    }
    guard let read = fields["read_bytes:"], let written = fields["write_bytes:"] else {
      throw .badPlan("\(path) has no read_bytes and write_bytes: this kernel does not count them")
    }
    return ProcessIO(readBytes: read, writtenBytes: written - (fields["cancelled_write_bytes:"] ?? 0))
  }

  package static func - (later: ProcessIO, earlier: ProcessIO) -> ProcessIO {
    ProcessIO(
      readBytes: later.readBytes - earlier.readBytes, writtenBytes: later.writtenBytes - earlier.writtenBytes)
  }
}

/// CPU time of all threads of this process so far, ended ones included.
func processCPUSeconds() -> Double { threadClockSeconds(CLOCK_PROCESS_CPUTIME_ID) }

/// Resident memory of this process that is its own: not file pages, which others may share.
func anonymousBytes() throws(MechanismError) -> Int {
  let file = try check("open /proc/self/statm") { open("/proc/self/statm", O_RDONLY | O_CLOEXEC) }
  defer { close(file) }
  var bytes = [UInt8](repeating: 0, count: 256)
  let count = try check("read /proc/self/statm") { read(file, &bytes, 256) }
  let words = String(decoding: bytes[..<count], as: UTF8.self).split(separator: " ").compactMap { Int($0) }
  guard words.count >= 3 else { throw .badPlan("/proc/self/statm has no resident and shared pages") }
  return (words[1] - words[2]) * Int(sysconf(Int32(_SC_PAGESIZE)))
}

/// Bytes the device under a file has taken for writing so far, whoever wrote them and journal included: on a quiet machine,
/// what a structure really costs the disk. Throws where the file has no device of its own (a file system in memory).
func deviceWrittenBytes(under path: String) throws(MechanismError) -> Int {
  var status = stat()
  try check("stat \(path)") { stat(path, &status) }
  let number = UInt64(status.st_dev)
  let (major, minor) = (number >> 8 & 0xFFF, number & 0xFF | number >> 12 & 0xFFF00)
  let place = "/sys/dev/block/\(major):\(minor)/stat"
  let file = try check("open \(place), the counters of the device under \(path)") { open(place, O_RDONLY | O_CLOEXEC) }
  defer { close(file) }
  var bytes = [UInt8](repeating: 0, count: 512)
  let count = try check("read \(place)") { read(file, &bytes, 512) }
  // Reads, merged, sectors, ms; writes, merged, sectors of 512 bytes whatever the device's own are.
  let words = String(decoding: bytes[..<count], as: UTF8.self).split(whereSeparator: { " \n".contains($0) })
  guard words.count > 6, let sectors = Int(words[6]) else { throw .badPlan("\(place) has no sectors written") }
  return sectors * 512
}
