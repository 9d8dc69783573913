/// The watches that one session has set: each fires once.
struct ZNodeWatches {
  /// On a node that was there, by its path.
  var data: [String: [ZNodeWatch]] = [:]
  /// On a node that was not there.
  var absence: [String: [ZNodeWatch]] = [:]
  var children: [String: [ZNodeWatch]] = [:]

  /// What `exists` sets.
  mutating func set(_ watch: @escaping ZNodeWatch, on path: String, isThere: Bool) {
    if isThere { data[path, default: []].append(watch) } else { absence[path, default: []].append(watch) }
  }

  /// The watches that `event` sets off; they are no longer set.
  mutating func take(_ event: ZNodeEvent) -> [ZNodeWatch] {
    switch event.kind {
    case .created: absence.removeValue(forKey: event.path) ?? []
    case .dataChanged: data.removeValue(forKey: event.path) ?? []
    case .childrenChanged: children.removeValue(forKey: event.path) ?? []
    case .deleted:
      (data.removeValue(forKey: event.path) ?? []) + (children.removeValue(forKey: event.path) ?? [])
    }
  }
}
