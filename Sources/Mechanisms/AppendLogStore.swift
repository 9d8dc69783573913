internal import CMillrace
import Glibc

/// The log of the claim at its plainest: one file, frames behind one another, and in memory the place of a frame every 4
/// KiB. Keys are offsets and must rise.
///
/// key 8 │ length 4 │ CRC-32C of the value 4 │ value
final class AppendLogStore: RecordStore {
  private enum Frame {
    static let key = 0, length = 8, crc = 12, value = 16
  }

  private enum Limits {
    /// Bytes of log between two entries of the index, as Kafka's log.index.interval.bytes.
    static let indexInterval = 4096
  }

  private let file: Int32
  private let path: String
  private var end = 0
  private var lastKey: UInt64?
  /// The first key at or behind each place; both rise.
  private var indexKeys: [UInt64] = []
  private var indexPlaces: [Int] = []
  private var scratch: UnsafeMutableRawBufferPointer

  init(directory: String) throws(MechanismError) {
    let path = "\(directory)/append.log"
    self.path = path
    file = try check("create \(path)") { open(path, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0o644) }
    scratch = alignedBuffer(byteCount: 64 << 10)
  }

  func put(_ batch: KeyedBatch, durable: Bool) throws(MechanismError) {
    let frame = Frame.value + batch.valueBytes
    let total = frame * batch.keys.count
    grow(to: total)
    for (index, key) in batch.keys.enumerated() {
      precondition(lastKey.map { $0 < key } ?? true, "offset \(key) does not rise")
      lastKey = key
      let place = end + index * frame
      if indexPlaces.last.map({ place - $0 >= Limits.indexInterval }) ?? true {
        indexKeys.append(key)
        indexPlaces.append(place)
      }
      let value = batch.value(index)
      let start = UnsafeMutableRawBufferPointer(rebasing: scratch[(index * frame)..<((index + 1) * frame)])
      start.storeBytes(of: key, toByteOffset: Frame.key, as: UInt64.self)
      start.storeBytes(of: UInt32(value.count), toByteOffset: Frame.length, as: UInt32.self)
      start.storeBytes(
        of: millrace_crc32c(0, value.baseAddress, value.count), toByteOffset: Frame.crc, as: UInt32.self)
      UnsafeMutableRawBufferPointer(rebasing: start[Frame.value...]).copyMemory(from: value)
    }
    var done = 0
    while done < total {
      let from = scratch.baseAddress.map { $0 + done }
      done += try check("write \(path)") { pwrite(file, from, total - done, off_t(end + done)) }
    }
    end += total
    if durable { try sync() }
  }

  func get(_ key: UInt64, _ body: (UnsafeRawBufferPointer) -> Void) throws(MechanismError) -> Bool {
    // The last entry at or below the key.
    var low = 0, high = indexKeys.count
    while low < high {
      let middle = (low + high) / 2
      if indexKeys[middle] <= key { low = middle + 1 } else { high = middle }
    }
    guard low > 0 else { return false }
    let from = indexPlaces[low - 1]
    let upTo = low < indexPlaces.count ? indexPlaces[low] : end
    grow(to: upTo - from)
    var filled = 0
    while filled < upTo - from {
      let into = scratch.baseAddress.map { $0 + filled }
      let count = try check("read \(path)") { pread(file, into, upTo - from - filled, off_t(from + filled)) }
      if count == 0 { throw .corrupted("\(path) ends before \(upTo)") }
      filled += count
    }
    var at = 0
    while at + Frame.value <= filled {
      let found = scratch.loadUnaligned(fromByteOffset: at + Frame.key, as: UInt64.self)
      let length = Int(scratch.loadUnaligned(fromByteOffset: at + Frame.length, as: UInt32.self))
      guard at + Frame.value + length <= filled else {
        throw .corrupted("\(path): a frame reaches past its index entry")
      }
      if found == key {
        let value = UnsafeRawBufferPointer(rebasing: scratch[(at + Frame.value)..<(at + Frame.value + length)])
        let crc = scratch.loadUnaligned(fromByteOffset: at + Frame.crc, as: UInt32.self)
        guard millrace_crc32c(0, value.baseAddress, length) == crc else {
          throw .corrupted("\(path): the checksum of \(key) is wrong")
        }
        body(value)
        return true
      }
      at += Frame.value + length
    }
    return false
  }

  func sync() throws(MechanismError) { try check("fdatasync \(path)") { fdatasync(file) } }

  func close() {
    Glibc.close(file)
    scratch.deallocate()
  }

  private func grow(to count: Int) {
    guard scratch.count < count else { return }
    scratch.deallocate()
    scratch = alignedBuffer(byteCount: count)
  }
}
