import Model

/// Reads and writes meta.properties, the file that names the broker and the cluster to which a log directory belongs:
/// ```
/// #
/// version=0
/// broker.id=1
/// cluster.id=dGhlIGNsdXN0ZXIncyBpZA
/// ```
/// Kafka's format of version 0; a line that begins with `#` is a comment, and unknown keys are ignored.
enum MetaProperties {
  static let fileName = "meta.properties"

  /// Returns the identity in the file of `directory`; nil when there is no file.
  ///
  /// - Throws: `DiskError`, or `LogDirectoryError.malformed` with the line at fault.
  static func read(in directory: String, on disk: any Disk) throws -> LogDirectory.Identity? {
    let path = "\(directory)/\(fileName)"
    guard let bytes = try disk.contents(of: path) else { return nil }
    var values: [Substring: Substring] = [:]
    for line in String(decoding: bytes, as: UTF8.self).split(separator: "\n") where !line.hasPrefix("#") {
      guard let equals = line.firstIndex(of: "=") else {
        throw LogDirectoryError.malformed(path: path, line: String(line))
      }
      values[line[..<equals]] = line[line.index(after: equals)...]
    }
    guard values["version"] == "0" else {
      throw LogDirectoryError.malformed(path: path, line: "its version is \(values["version"] ?? "missing"), not 0")
    }
    guard let id = values["broker.id"].flatMap({ BrokerID($0) }), let cluster = values["cluster.id"] else {
      throw LogDirectoryError.malformed(path: path, line: "broker.id and cluster.id are needed")
    }
    return LogDirectory.Identity(brokerID: id, clusterID: String(cluster))
  }

  /// Replaces the file of `directory`, and makes it durable.
  static func write(_ identity: LogDirectory.Identity, in directory: String, on disk: any Disk) throws(DiskError) {
    let text = "#\nversion=0\nbroker.id=\(identity.brokerID)\ncluster.id=\(identity.clusterID)\n"
    try CheckpointFile.replace("\(directory)/\(fileName)", with: text, on: disk)
  }
}
