import Czlib

/// The CRC-32 of zlib and Ethernet, with which Kafka guarded messages before 0.11. (Batches have CRC-32C.)
package enum CRC32 {
  package static func of(_ bytes: UnsafeRawBufferPointer) -> UInt32 {
    UInt32(truncatingIfNeeded: crc32_z(0, bytes.bindMemory(to: Bytef.self).baseAddress, bytes.count))
  }
}
