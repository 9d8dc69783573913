import Glibc

/// Bytes an ordinary user may still write.
package enum FreeSpace {
  package static func bytes(at path: String) -> Int? {
    var figures = statvfs()
    guard statvfs(path, &figures) == 0 else { return nil }
    return Int(figures.f_bavail) * Int(figures.f_frsize)
  }
}
