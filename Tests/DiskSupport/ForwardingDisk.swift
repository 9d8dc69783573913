package import Storage

/// A disk in front of another, which does all that its conformer does not do itself.
package protocol ForwardingDisk: Disk {
  associatedtype Real: Disk
  var real: Real { get }
}

extension ForwardingDisk {
  package func open(_ path: String, creating: Bool) throws(DiskError) -> any DiskFile {
    try real.open(path, creating: creating)
  }
  package func names(in directory: String) throws(DiskError) -> [String] { try real.names(in: directory) }
  package func info(_ path: String) throws(DiskError) -> FileInfo? { try real.info(path) }
  package func makeDirectory(_ path: String) throws(DiskError) { try real.makeDirectory(path) }
  package func rename(_ from: String, to: String) throws(DiskError) { try real.rename(from, to: to) }
  package func remove(_ path: String) throws(DiskError) { try real.remove(path) }
  package func removeDirectory(_ path: String) throws(DiskError) { try real.removeDirectory(path) }
  package func syncDirectory(_ path: String) throws(DiskError) { try real.syncDirectory(path) }
  package func lock(_ path: String) throws(DiskError) -> (any DiskFile)? { try real.lock(path) }
}

/// A file in front of another, likewise.
package protocol ForwardingFile: DiskFile {
  var real: any DiskFile { get }
}

extension ForwardingFile {
  package var descriptor: Int32 { real.descriptor }
  package func size() throws(DiskError) -> Int { try real.size() }
  package func write(
    _ first: UnsafeRawBufferPointer, _ second: UnsafeRawBufferPointer, at position: Int
  ) throws(DiskError) {
    try real.write(first, second, at: position)
  }
  package func read(into buffer: UnsafeMutableRawBufferPointer, at position: Int) throws(DiskError) -> Int {
    try real.read(into: buffer, at: position)
  }
  package func truncate(to size: Int) throws(DiskError) { try real.truncate(to: size) }
  package func reserve(_ size: Int) throws(DiskError) { try real.reserve(size) }
  package func reserveAhead(from position: Int, to end: Int) -> Bool { real.reserveAhead(from: position, to: end) }
  package func firstHole(from position: Int) throws(DiskError) -> Int? {
    try real.firstHole(from: position)
  }
  package func setModified(toMs ms: Int64) throws(DiskError) { try real.setModified(toMs: ms) }
  package func sync() throws(DiskError) { try real.sync() }
}
