import Model

/// Asks the brokers of a cluster, one after another, which brokers lead a topic's partitions now.
package enum LeaderLookup {
  package typealias Connect = (Metadata.Broker, @escaping (Result<BrokerConnection, ClientError>) -> Void) -> Void

  /// - Parameters:
  ///   - brokers: those to be asked, over connections of their own; the first that knows a leader of every partition answers.
  ///   - then: gets the metadata; nil where no broker has answered.
  package static func ask(
    _ topic: String, _ brokers: ArraySlice<Metadata.Broker>, by connect: @escaping Connect,
    then: @escaping (Metadata?) -> Void
  ) {
    guard let broker = brokers.first else { return then(nil) }
    let askNext = { ask(topic, brokers.dropFirst(), by: connect, then: then) }
    connect(broker) { result in
      guard case .success(let connection) = result else { return askNext() }
      connection.send(Metadata.request(topic: topic, autoCreate: false)) { result in
        connection.close()
        guard case .success(let answer) = result,
          let found = try? Metadata(answer, topic: topic, from: broker.endpoint)
        else { return askNext() }
        then(found)
      }
      connection.flush()
    }
  }
}

extension ErrorCode {
  /// Whether a broker that answers with the error does not lead the partition, as far as it knows.
  var meansOldMetadata: Bool {
    switch self {
    case .notLeaderOrFollower, .unknownTopicOrPartition, .leaderNotAvailable, .fencedLeaderEpoch: true
    default: false
    }
  }
}
