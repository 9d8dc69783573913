/// What a run measures through, while it runs: one broker of any make, or a cluster of Millrace's.
protocol RunningBrokers: AnyObject {
  /// As clients reach it: `HOST:PORT`, or several.
  var address: String { get }
  /// As the campaign reaches them to administer them.
  var adminAddress: String { get }
  /// The file of client properties that a load needs; nil: none.
  var commandConfig: String? { get }
  /// The process that a stall stops, and whose network is looked at; of a cluster the first broker's.
  var pid: Int32 { get }
  /// The processes whose CPU, memory and bytes are counted.
  var members: [Int32] { get }
  /// Where the partitions lie; of a cluster every replica's.
  var segments: SegmentFiles { get }
  var startSeconds: Double { get }
  /// How it ended by itself; nil while it runs.
  var end: ChildProcess.End? { get }
  /// The line of its log that says why it ended.
  var lastWord: String { get }
  /// The file of the network namespace of its clients; nil: where the run's link says, or ours.
  var clientNamespace: String? { get }
  /// The addresses that clients connect from in turns; empty: any.
  var clientAddresses: [String] { get }
  /// CPU of what belongs to it and is no member, in seconds: no work of others.
  var helperCPUSeconds: Double { get }

  /// What the kernel counts of all members together; nil when one is gone.
  func figures() -> ProcessFigures?
  /// The same of each broker of a cluster; empty of one broker.
  func eachFigures() -> [ProcessFigures]
  /// `read_bytes` of all members together; nil when none tells.
  func readBytes() -> Int?
  /// Throws when it did not end in order.
  func stop() throws(RunError)
}

extension BrokerProcess: RunningBrokers {
  var clientNamespace: String? { nil }
  var clientAddresses: [String] { [] }
  var helperCPUSeconds: Double { 0 }
  func eachFigures() -> [ProcessFigures] { [] }
}
