import Base
import Client
import ClientSupport
import Model
import NIOCore
import Synchronization
import Testing
import Wire

@testable import Administration

/// A cluster of one broker whose answers are the test's: each request's body goes to the closure of its API.
private final class FakeCluster: Sendable {
  typealias Serve = @Sendable (RequestHeader, inout ByteBuffer) throws -> FakeBroker.Reply

  private let serving = Mutex<[Int16: Serve]>([:])
  private let asked = Mutex<[String]>([])
  let place = Mutex<Endpoint?>(nil)

  /// The names of the APIs that were asked, ApiVersions and Metadata left out.
  var requests: [String] { asked.withLock { $0 } }

  func on<R: Request>(_ type: R.Type, _ body: @escaping @Sendable (R) throws -> R.Answer) {
    let serve: Serve = { header, bytes in
      FakeBroker.reply(try body(try R(reading: &bytes, version: header.apiVersion)), to: header)
    }
    serving.withLock { $0[R.api.key] = serve }
  }

  func answer(_ header: RequestHeader, _ body: ByteBuffer) throws -> FakeBroker.Reply {
    var body = body
    guard let serve = serving.withLock({ $0[header.apiKey] }) else { return FakeBroker.versions(header) }
    if header.apiKey != MetadataRequest.api.key {
      let name = Messages.requests.first { $0.api.key == header.apiKey }.map { "\($0)" } ?? ""
      asked.withLock { $0.append(String(name.dropLast("Request".count))) }
    }
    return try serve(header, &body)
  }

  /// Serves what every command asks for: one broker, and topic `t` of two partitions.
  init() {
    on(MetadataRequest.self) { request in
      let endpoint = self.place.withLock { $0 }
      var response = MetadataResponse()
      response.brokers = [
        .with {
          $0.nodeID = 1
          $0.host = endpoint?.host ?? ""
          $0.port = Int32(endpoint?.port ?? 0)
        }
      ]
      response.controllerID = 1
      let names = request.topics?.compactMap(\.name) ?? ["t"]
      response.topics = names.map { name in
        .with {
          $0.name = name
          $0.errorCode = name == "t" ? .none : .unknownTopicOrPartition
          $0.partitions = name == "t" ? Self.partitions : []
        }
      }
      return response
    }
    on(FindCoordinatorRequest.self) { request in
      let endpoint = self.place.withLock { $0 }
      var response = FindCoordinatorResponse()
      response.coordinators = request.coordinatorKeys.map { key in
        .with {
          $0.key = key
          $0.nodeID = 1
          $0.host = endpoint?.host ?? ""
          $0.port = Int32(endpoint?.port ?? 0)
        }
      }
      return response
    }
    // No group is of the new protocol.
    on(ConsumerGroupDescribeRequest.self) { request in
      var response = ConsumerGroupDescribeResponse()
      response.groups = request.groupIDs.map { id in
        .with {
          $0.groupID = id
          $0.errorCode = .groupIdNotFound
        }
      }
      return response
    }
    on(ListOffsetsRequest.self) { request in
      var response = ListOffsetsResponse()
      response.topics = request.topics.map { topic in
        .with {
          $0.name = topic.name
          $0.partitions = topic.partitions.map { partition in
            .with {
              $0.partitionIndex = partition.partitionIndex
              // The logs hold 10 to 100.
              $0.offset = partition.timestamp == -2 ? 10 : 100
            }
          }
        }
      }
      return response
    }
  }

  private static let partitions = (Int32(0)..<2).map { index in
    MetadataResponse.Partition.with {
      $0.partitionIndex = index
      $0.leaderID = 1
      $0.replicaNodes = [1]
      $0.isrNodes = [1]
    }
  }

  /// Runs a command against the cluster.
  func run(_ body: (ClusterSession) async throws -> Answer) async throws -> Answer {
    try await withGroup { group in
      let broker = try await FakeBroker.start(
        on: group, failed: { Issue.record("the fake cluster cannot serve: \($0)") }, answer: { try self.answer($0, $1) }
      )
      place.withLock { $0 = broker.endpoint }
      return try await ClusterSession.with(broker.endpoint.description, body)
    }
  }

  /// Serves a group in a state, with a committed offset of 40 in t-0.
  func serveGroup(_ state: String) {
    on(DescribeGroupsRequest.self) { request in
      var response = DescribeGroupsResponse()
      response.groups = request.groups.map { group in
        .with {
          $0.groupID = group
          $0.groupState = state
          $0.protocolType = "consumer"
          if state == "Stable" { $0.members = [.with { $0.memberID = "m" }] }
        }
      }
      return response
    }
    on(OffsetFetchRequest.self) { request in
      var response = OffsetFetchResponse()
      response.groups = request.groups.map { group in
        .with {
          $0.groupID = group.groupID
          $0.topics = [
            .with {
              $0.name = "t"
              $0.partitions = [
                .with { $0.committedOffset = 40 },
                .with {
                  $0.partitionIndex = 1
                  $0.committedOffset = .unknown
                },
              ]
            }
          ]
        }
      }
      return response
    }
  }

  /// Serves commits; returns what was committed, as `g t-0 10`.
  func serveCommits() -> @Sendable () -> [String] {
    let committed = Recorded()
    on(OffsetCommitRequest.self) { request in
      var response = OffsetCommitResponse()
      response.topics = request.topics.map { topic in
        for partition in topic.partitions {
          committed.add(
            "\(request.groupID) \(topic.name)-\(partition.partitionIndex) \(partition.committedOffset) "
              + "\(request.generationIDOrMemberEpoch)")
        }
        return .with {
          $0.name = topic.name
          $0.partitions = topic.partitions.map { partition in .with { $0.partitionIndex = partition.partitionIndex } }
        }
      }
      return response
    }
    return { committed.all }
  }
}

private final class Recorded: Sendable {
  private let recorded = Mutex<[String]>([])
  var all: [String] { recorded.withLock { $0 } }
  func add(_ text: String) { recorded.withLock { $0.append(text) } }
}

@Suite("Commands against a cluster's answers")
struct ClusterSessionTests {
  private func reset(
    _ cluster: FakeCluster, _ target: ResetTarget, isExecuted: Bool, groups: [String] = ["g"]
  ) async throws -> Answer {
    try await cluster.run {
      try await $0.resetOffsets(of: .named(groups), .all, to: target, nowMs: 0, isExecuted: isExecuted)
    }
  }

  @Test("a group's lag is the log's end less what is committed; what was never committed is not shown")
  func lag() async throws {
    let cluster = FakeCluster()
    cluster.serveGroup("Empty")
    let answer = try await cluster.run { try await $0.describeGroups(.named(["g"]), .offsets) }
    #expect(
      answer.lines.dropFirst().map { $0.split(separator: " ").map(String.init) }
        == [["g", "t", "0", "40", "100", "60", "-", "-", "-"]])
    #expect(answer.notes == ["Consumer group 'g' has no active members."] && !answer.isRefused)
  }

  @Test("a reset shows what it would commit, and commits it only when it is to be executed")
  func reset() async throws {
    let cluster = FakeCluster()
    cluster.serveGroup("Empty")
    let committed = cluster.serveCommits()
    let plan = try await reset(cluster, .earliest, isExecuted: false)
    #expect(plan.lines == ["GROUP  TOPIC  PARTITION  NEW-OFFSET", "g      t      0          10"])
    #expect(plan.notes == ["nothing was changed: --execute commits these offsets"] && committed().isEmpty)
    let file = try await cluster.run {
      try await $0.resetOffsets(
        of: .named(["g"]), .all, to: .current, nowMs: 0, isExecuted: false, isExported: true)
    }
    #expect(file.lines == ["t,0,40"] && file.notes.isEmpty)
    #expect(try ResetTarget(csv: file.lines.joined(separator: "\n")) == .offsets([TopicPartition("t", 0): 40]))
    let done = try await reset(cluster, .shiftedBy(5), isExecuted: true)
    #expect(done.notes.isEmpty && committed() == ["g t-0 45 -1"])
    #expect(done.document == #"{"executed":true,"offsets":[{"group":"g","topic":"t","partition":0,"new_offset":45}]}"#)
  }

  @Test("a group with members is not reset")
  func activeGroup() async throws {
    let cluster = FakeCluster()
    cluster.serveGroup("Stable")
    let committed = cluster.serveCommits()
    let answer = try await reset(cluster, .latest, isExecuted: true)
    #expect(answer.isRefused && answer.lines.isEmpty && committed().isEmpty)
    #expect(answer.notes.first?.contains("state is Stable: stop its 1 members first") == true)
  }

  @Test("a topic that is not there is told with the one that was meant, and a partition with their number")
  func scope() async throws {
    let cluster = FakeCluster()
    cluster.serveGroup("Empty")
    for (topic, reason) in [("tt", "did you mean 't'?"), ("t:7", "has 2 partitions, and none is number 7")] {
      let scope = try OffsetScope(all: false, topics: [topic])
      let error = await #expect(throws: AdministrationError.self) {
        try await cluster.run {
          try await $0.resetOffsets(of: .named(["g"]), scope, to: .latest, nowMs: 0, isExecuted: false)
        }
      }
      #expect(error?.description.contains(reason) == true, "\(error?.description ?? "none")")
    }
  }

  @Test("a coordinator that is loading is asked again")
  func loading() async throws {
    let cluster = FakeCluster()
    let count = Mutex(0)
    cluster.on(DeleteGroupsRequest.self) { request in
      let isFirst = count.withLock { count in
        count += 1
        return count == 1
      }
      var response = DeleteGroupsResponse()
      response.results = request.groupsNames.map { name in
        .with {
          $0.groupID = name
          $0.errorCode = isFirst ? .coordinatorLoadInProgress : name == "h" ? .nonEmptyGroup : .none
        }
      }
      return response
    }
    let answer = try await cluster.run { try await $0.deleteGroups(.named(["g", "h"])) }
    #expect(answer.lines == ["Deletion of requested consumer groups ('g') was successful."])
    #expect(
      answer.isRefused && answer.notes == ["group 'h' could not be deleted: NON_EMPTY_GROUP; stop its members first"])
    #expect(cluster.requests.filter { $0 == "FindCoordinator" }.count == 3)
  }

  @Test("a group of the new protocol is described by its own API")
  func newProtocol() async throws {
    let cluster = FakeCluster()
    cluster.serveGroup("Dead")
    cluster.on(ConsumerGroupDescribeRequest.self) { request in
      var response = ConsumerGroupDescribeResponse()
      response.groups = request.groupIDs.map { id in
        .with {
          $0.groupID = id
          $0.groupState = "Stable"
          $0.assignorName = "uniform"
          $0.members = [
            .with {
              $0.memberID = "m"
              $0.clientID = "c"
              $0.clientHost = "/h"
              $0.assignment.topicPartitions = [
                .with {
                  $0.topicName = "t"
                  $0.partitions = [1, 0]
                }
              ]
            }
          ]
        }
      }
      return response
    }
    let members = try await cluster.run { try await $0.describeGroups(.named(["g"]), .members(withAssignments: true)) }
    #expect(members.lines.last?.split(separator: " ").map(String.init) == ["g", "m", "/h", "c", "2", "t(0,1)"])
    let state = try await cluster.run { try await $0.describeGroups(.named(["g"]), .state) }
    #expect(state.lines.last?.contains("uniform") == true && !state.isRefused)
  }

  @Test("deleted offsets are told partition by partition")
  func deleteOffsets() async throws {
    let cluster = FakeCluster()
    cluster.serveGroup("Stable")
    cluster.on(OffsetDeleteRequest.self) { request in
      var response = OffsetDeleteResponse()
      response.topics = request.topics.map { topic in
        .with {
          $0.name = topic.name
          $0.partitions = topic.partitions.map { partition in
            .with {
              $0.partitionIndex = partition.partitionIndex
              $0.errorCode = partition.partitionIndex == 0 ? .none : .groupSubscribedToTopic
            }
          }
        }
      }
      return response
    }
    let scope = try OffsetScope(all: false, topics: ["t:0,1"])
    let answer = try await cluster.run { try await $0.deleteOffsets(of: "g", scope) }
    #expect(answer.isRefused)
    #expect(answer.lines[1] == "t      0          Successful")
    #expect(answer.lines[2].hasPrefix("t      1          Error: GROUP_SUBSCRIBED_TO_TOPIC"))
  }

  @Test("groups are listed over all brokers, by state whatever the case of its letters")
  func list() async throws {
    let cluster = FakeCluster()
    cluster.on(ListGroupsRequest.self) { _ in
      var response = ListGroupsResponse()
      response.groups = [("b", "Stable"), ("a", "Empty")].map { id, state in
        .with {
          $0.groupID = id
          $0.groupState = state
          $0.groupType = "Classic"
        }
      }
      return response
    }
    #expect(try await cluster.run { try await $0.listGroups(states: nil, types: nil) }.lines == ["a", "b"])
    let stable = try await cluster.run { try await $0.listGroups(states: ["stable"], types: nil) }
    #expect(stable.lines == ["GROUP  STATE", "b      Stable"])
  }

  // MARK: Transactions

  private func serveProducers(_ cluster: FakeCluster) {
    cluster.on(DescribeProducersRequest.self) { request in
      var response = DescribeProducersResponse()
      response.topics = request.topics.map { topic in
        .with {
          $0.name = topic.name
          $0.partitions = topic.partitionIndexes.map { index in
            .with {
              $0.partitionIndex = index
              $0.activeProducers = [
                .with {
                  $0.producerID = 7
                  $0.producerEpoch = 3
                  $0.coordinatorEpoch = -1
                  $0.lastTimestamp = 1_000
                  $0.currentTxnStartOffset = index == 0 ? 17 : .unknown
                }
              ]
            }
          }
        }
      }
      return response
    }
  }

  @Test("a transaction is aborted by the offset at which it begins, with the marker that its producer needs")
  func abort() async throws {
    let cluster = FakeCluster()
    serveProducers(cluster)
    let markers = Recorded()
    cluster.on(WriteTxnMarkersRequest.self) { request in
      var response = WriteTxnMarkersResponse()
      response.markers = request.markers.map { marker in
        markers.add(
          "\(marker.producerID)/\(marker.producerEpoch) \(marker.coordinatorEpoch) \(marker.transactionResult) "
            + "\(marker.topics.map { "\($0.name) \($0.partitionIndexes)" })")
        return .with {
          $0.producerID = marker.producerID
          $0.topics = [.with { $0.partitions = [.with { $0.errorCode = .none }] }]
        }
      }
      return response
    }
    let place = TopicPartition("t", 0)
    let answer = try await cluster.run { try await $0.abortTransaction(in: place, .startOffset(17)) }
    #expect(answer.lines == ["Aborted the transaction of producer 7 (epoch 3) in t-0."])
    #expect(markers.all == [#"7/3 0 false ["t [0]"]"#])
    let error = await #expect(throws: AdministrationError.self) {
      try await cluster.run { try await $0.abortTransaction(in: place, .startOffset(18)) }
    }
    #expect(error?.description.contains("those that are open begin at 17") == true)
  }

  @Test("an old open transaction hangs unless its coordinator has it open in the partition", arguments: [true, false])
  func hanging(isKnown: Bool) async throws {
    let cluster = FakeCluster()
    serveProducers(cluster)
    cluster.on(ListTransactionsRequest.self) { request in
      var response = ListTransactionsResponse()
      response.transactionStates = request.producerIDFilters.map { id in
        .with {
          $0.transactionalID = "x"
          $0.producerID = id
          $0.transactionState = "Ongoing"
        }
      }
      return response
    }
    cluster.on(DescribeTransactionsRequest.self) { _ in
      var response = DescribeTransactionsResponse()
      response.transactionStates = [
        .with {
          $0.transactionalID = "x"
          $0.producerID = 7
          $0.transactionState = "Ongoing"
          $0.topics = [
            .with {
              $0.topic = "t"
              $0.partitions = [isKnown ? 0 : 1]
            }
          ]
        }
      ]
      return response
    }
    let found = try await cluster.run {
      try await $0.findHanging(topic: "t", partition: nil, broker: nil, maxTimeoutMs: 900_000, nowMs: 1_000_000)
    }
    #expect(found.lines.count == (isKnown ? 1 : 2))
    #expect(found.json.asArray?.first?["producer_id"]?.asInt == (isKnown ? nil : 7))
    let young = try await cluster.run {
      try await $0.findHanging(topic: "t", partition: nil, broker: nil, maxTimeoutMs: 900_000, nowMs: 2_000)
    }
    #expect(young.lines.count == 1)
  }

  // MARK: The cluster itself

  @Test("configuration that is not the entity's own is not deleted, and what is sent names each key's operation")
  func configs() async throws {
    let cluster = FakeCluster()
    cluster.on(DescribeConfigsRequest.self) { request in
      var response = DescribeConfigsResponse()
      response.results = request.resources.map { resource in
        .with {
          $0.resourceType = resource.resourceType
          $0.resourceName = resource.resourceName
          $0.configs = [("a", 1), ("b", 5)].map { name, source in
            .with {
              $0.name = name
              $0.value = "1"
              $0.configSource = Int8(source)
            }
          }
        }
      }
      return response
    }
    let sent = Recorded()
    cluster.on(IncrementalAlterConfigsRequest.self) { request in
      for config in request.resources.flatMap(\.configs) {
        sent.add("\(config.name) \(config.configOperation) \(config.value ?? "null") \(request.validateOnly)")
      }
      var response = IncrementalAlterConfigsResponse()
      response.responses = request.resources.map { resource in .with { $0.resourceName = resource.resourceName } }
      return response
    }
    let change = try ConfigChange(adding: ["c=2"], deleting: ["a"])
    let answer = try await cluster.run { try await $0.alterConfigs(of: .topic("t"), change, isDryRun: true) }
    #expect(answer.lines == ["The change of topic t is valid; nothing was changed."])
    #expect(sent.all == ["c 0 2 true", "a 1 null true"])
    let wrong = try ConfigChange(adding: [], deleting: ["b"])
    let error = await #expect(throws: AdministrationError.self) {
      try await cluster.run { try await $0.alterConfigs(of: .topic("t"), wrong, isDryRun: false) }
    }
    #expect(error?.description.contains("no value of its own for b") == true)
    let broker = await #expect(throws: AdministrationError.self) {
      try await cluster.run { try await $0.describeConfigs([.broker(9)], ofBrokers: false, includesAll: true) }
    }
    #expect(broker?.description == "the cluster has no broker 9: its brokers are 1")
  }

  @Test("a cluster that cannot be reached, and addresses that are none, are told as such")
  func unreachable() async {
    let none = await #expect(throws: AdministrationError.self) {
      try await ClusterSession.with("nowhere") { _ in Answer([], json: .null) }
    }
    #expect(none?.isOfArguments == true)
    await #expect(throws: ClientError.self) {
      try await ClusterSession.with("127.0.0.1:1") { _ in Answer([], json: .null) }
    }
  }
}
