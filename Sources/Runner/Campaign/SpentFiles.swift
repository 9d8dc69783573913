import Foundation
import Glibc

/// The files that runs have finished with: emptied at once, removed together when the campaign is over.
///
/// ext4 does not give an inode that was deleted within the last seconds (five; 35 while its block of inodes is unwritten) to
/// a new file, and looks for another from the start of the block group each time. A broker that makes a few thousand files
/// just after as many were removed spends more on that than on the load: 5.6 CPU-s against 2.6 for 3 GB produced to 1,000
/// partitions (`find_inode_bit`, `recently_deleted` in fs/ext4/ialloc.c; three quarters of the kernel's part). Which runs
/// met it depended on what ran before them.
struct SpentFiles {
  let directory: String
  private var count = 0

  /// Keeps them in `directory`, made when first needed, on the same file system as what is discarded.
  init(in directory: String) { self.directory = directory }

  /// Frees the space of everything in `place`, a directory, and takes it away. Nothing happens when it is not there.
  mutating func discard(_ place: String) {
    guard access(place, F_OK) == 0 else { return }
    for name in (try? FileManager.default.subpathsOfDirectory(atPath: place)) ?? [] {
      var status = stat()
      // Also what is allocated beyond a file's end goes.
      if lstat("\(place)/\(name)", &status) == 0, status.st_mode & S_IFMT == S_IFREG { truncate("\(place)/\(name)", 0) }
    }
    mkdir(directory, 0o755)
    count += 1
    if rename(place, "\(directory)/\(count)") != 0 { try? FileManager.default.removeItem(atPath: place) }
  }
}
