package import Storage

extension Arms {
  /// All arms of the switches: a log in a B+tree, a cache of the process, direct reads and writes.
  package static let all: Arms = {
    var arms = Arms()
    arms.stores[.btree] = TreeArmMaker()
    arms.files = { kind, settings, writePath throws(DiskError) in
      let cache = kind == .page ? nil : try ProcessCache(settings)
      return SwitchedFiles(disk: SwitchedDisk(kind, cache: cache, writePath: writePath), cache: cache)
    }
    return arms
  }()
}
