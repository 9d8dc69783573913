import Model

/// Says what a start does with each partition, as `StartCheck` decided.
struct StartPlan: Equatable {
  /// Partitions of the tree that are in no usable directory and must not be created, in order.
  var offline: [TopicPartition] = []
  /// The offline partitions whose files were removed by hand.
  var removed: [TopicPartition] = []
  /// Partitions of topics that are being deleted, whose files are still there.
  var deletions: [Place] = []
  /// Partitions that a shared tree does not give to this broker, whose files are here.
  var strays: [Place] = []
  /// The paths, by directory id, of the directories that the broker has and cannot use now; the rosters keep naming them.
  var absent: [UUID128: String] = [:]

  /// A partition's directory.
  struct Place: Equatable {
    /// The path of the log directory.
    var path: String
    var partition: TopicPartition
  }
}
