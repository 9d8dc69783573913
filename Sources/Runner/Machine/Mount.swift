import Glibc
import Results

/// The mount that holds a path, from /proc/self/mounts.
struct Mount: Equatable {
  var device: String
  var point: String
  var fileSystem: String
  var options: String

  static func holding(_ path: String) -> Mount? {
    let real = realpath(path, nil).map { pointer in
      defer { free(pointer) }
      return String(cString: pointer)
    }
    return holding(real ?? path, in: SmallFile.read("/proc/self/mounts") ?? "")
  }

  /// The longest mount point that is a prefix; of equals the last, which covers the others.
  static func holding(_ path: String, in mounts: String) -> Mount? {
    var best: Mount?
    for line in mounts.split(separator: "\n") {
      let words = line.split(separator: " ").map(String.init)
      guard words.count >= 4 else { continue }
      let mount = Mount(device: words[0], point: words[1], fileSystem: words[2], options: words[3])
      let covers = mount.point == "/" || path == mount.point || path.hasPrefix(mount.point + "/")
      if covers, mount.point.count >= best?.point.count ?? 0 { best = mount }
    }
    return best
  }
}
