import Glibc
package import NIOCore

/// Bytes that a read has copied out of an engine's own memory, where a file is expected. Never written to.
final class MemoryFile: DiskFile {
  let descriptor: Int32 = -1
  let bytes: ByteBuffer

  init(_ bytes: ByteBuffer) { self.bytes = bytes }

  func size() throws(DiskError) -> Int { bytes.readableBytes }

  func read(into buffer: UnsafeMutableRawBufferPointer, at position: Int) throws(DiskError) -> Int {
    let count = max(0, min(buffer.count, bytes.readableBytes - position))
    guard count > 0 else { return 0 }
    bytes.withUnsafeReadableBytes {
      buffer.copyMemory(from: UnsafeRawBufferPointer(rebasing: $0[position..<position + count]))
    }
    return count
  }

  private var readOnly: DiskError { DiskError("write", "memory", code: EBADF) }
  func write(_ first: UnsafeRawBufferPointer, _ second: UnsafeRawBufferPointer, at position: Int) throws(DiskError) {
    throw readOnly
  }
  func truncate(to size: Int) throws(DiskError) { throw readOnly }
  func reserve(_ size: Int) throws(DiskError) { throw readOnly }
  func reserveAhead(from position: Int, to end: Int) -> Bool { false }
  func sync() throws(DiskError) {}
}

extension FileRange {
  /// A range of bytes that are in memory already.
  package init(inMemory bytes: ByteBuffer, path: String) {
    self.init(file: SegmentFile(MemoryFile(bytes), path: path), position: 0, length: bytes.readableBytes)
  }

  /// The range's bytes, when they are in memory already: they go out as they are, with no file to read them from.
  package var bytesInMemory: ByteBuffer? {
    guard file.descriptor < 0, let memory = file.file as? MemoryFile else { return nil }
    return memory.bytes.getSlice(at: memory.bytes.readerIndex + position, length: length)
  }
}
