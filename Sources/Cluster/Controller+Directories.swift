import Model

/// Log directories that fail while their broker lives: other replicas lead then.
extension Controller {
  /// Sends a broker the state of all its replicas; it says of which it cannot use the log (Kafka: onBrokerLogDirFailure).
  mutating func directoriesFailed(at broker: BrokerID) {
    guard !hasResigned, cluster.isAlive(broker) else { return }
    forEachReplica(of: broker) { controller, name, topic in
      controller.lead(name, topic, isNew: false, to: [broker])
    }
  }

  /// Takes in which replicas of a broker have failed, and elects leaders where it led.
  mutating func replicasFailed(_ names: [TopicPartition], at broker: BrokerID) {
    guard !hasResigned, cluster.isAlive(broker) else { return }
    var isNews = false
    for name in names {
      guard let partition = cluster.partition(name), partition.replicas.contains(broker),
        !partition.offlineReplicas.contains(broker)
      else { continue }
      cluster.topics[name.topic]?.partitions[Int(name.partition)].offlineReplicas.append(broker)
      changed(name)
      isNews = true
    }
    if isNews { enqueueElections() }
  }

  /// A broker that has registered again says anew what it cannot use.
  mutating func forgetFailures(at broker: BrokerID) {
    forEachReplica(of: broker) { controller, name, topic in
      guard topic.partitions[Int(name.partition)].offlineReplicas.contains(broker) else { return }
      controller.cluster.topics[name.topic]?.partitions[Int(name.partition)].offlineReplicas.removeAll { $0 == broker }
      controller.changed(name)
    }
  }

  private mutating func forEachReplica(
    of broker: BrokerID, _ body: (inout Controller, TopicPartition, TopicDescription) -> Void
  ) {
    for topicName in cluster.topics.keys.sorted() where making[topicName] == nil {
      guard let topic = cluster.topic(topicName) else { continue }
      for (index, partition) in topic.partitions.enumerated() where partition.replicas.contains(broker) {
        body(&self, TopicPartition(topicName, Int32(index)), topic)
      }
    }
  }
}
