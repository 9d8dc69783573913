import Cluster
import Model
import Testing

private func text(_ data: [UInt8]) -> String { String(decoding: data, as: UTF8.self) }

@Suite("ZNodes")
struct ZNodesTests {
  let id = TopicID(high: 0x0123_4567_89AB_4CDE, low: 0x8FED_CBA9_8765_4321)

  @Test("each z-node's JSON is Kafka's, byte for byte, and is read back")
  func bytes() throws {
    let broker = BrokerZNode(
      id: 1, endpoints: [.init(listener: "PLAINTEXT", securityProtocol: "PLAINTEXT", host: "h", port: 9092)], rack: "r",
      timestampMs: 17)
    #expect(
      text(broker.data)
        == #"{"version":5,"host":"h","port":9092,"jmx_port":-1,"timestamp":"17","endpoints":["PLAINTEXT://h:9092"],"#
        + #""listener_security_protocol_map":{"PLAINTEXT":"PLAINTEXT"},"rack":"r","features":{}}"#)
    #expect(try BrokerZNode(id: 1, data: broker.data) == broker)
    #expect(BrokerZNode.path(1) == "/brokers/ids/1")

    let topic = TopicZNode(name: "T", id: id, replicas: [[1, 2], [2, 1]])
    #expect(
      text(topic.data)
        == #"{"version":3,"topic_id":"\#(id)","partitions":{"0":[1,2],"1":[2,1]},"adding_replicas":{},"removing_replicas":{}}"#
    )
    #expect(try TopicZNode(name: "T", data: topic.data) == topic)

    let state = PartitionStateZNode(leader: 1, leaderEpoch: 0, controllerEpoch: 1, inSyncReplicas: [1, 2])
    #expect(text(state.data) == #"{"version":1,"leader":1,"leader_epoch":0,"controller_epoch":1,"isr":[1,2]}"#)
    #expect(try PartitionStateZNode("T", 0, data: state.data) == state)
    #expect(PartitionStateZNode.path("T", 3) == "/brokers/topics/T/partitions/3/state")
    var recovering = state
    recovering.isRecovering = true
    #expect(text(recovering.data).hasSuffix(#""isr":[1,2],"leader_recovery_state":1}"#))
    #expect(try PartitionStateZNode("T", 0, data: recovering.data) == recovering)

    let controller = ControllerZNode(brokerID: 1, timestampMs: 5)
    #expect(text(controller.data) == #"{"version":2,"brokerid":1,"timestamp":"5","kraftControllerEpoch":-1}"#)
    #expect(try ControllerZNode(data: controller.data) == controller)
    #expect(text(ControllerEpochZNode.data(12)) == "12")
    #expect(try ControllerEpochZNode.epoch(data: Array("12".utf8)) == 12)

    let cluster = ClusterIDZNode(id: "abc")
    #expect(text(cluster.data) == #"{"version":"1","id":"abc"}"#)
    #expect(try ClusterIDZNode(data: cluster.data) == cluster)

    let block = ProducerIDBlockZNode(brokerID: 1, ids: 0...999)
    #expect(text(block.data) == #"{"version":1,"broker":1,"block_start":"0","block_end":"999"}"#)
    #expect(try ProducerIDBlockZNode(data: block.data) == block)

    let config = ConfigZNode(.topic("T"), values: ["retention.ms": "5", "cleanup.policy": "compact"])
    #expect(text(config.data) == #"{"version":1,"config":{"cleanup.policy":"compact","retention.ms":"5"}}"#)
    #expect(try ConfigZNode(.topic("T"), data: config.data) == config)
    #expect(ConfigZNode.path(.brokerDefault) == "/config/brokers/<default>")
    #expect(ConfigZNode.path(.broker(3)) == "/config/brokers/3")
    #expect(text(ConfigChangeZNode.data(.topic("T"))) == #"{"version":2,"entity_path":"topics/T"}"#)
    #expect(text(FeatureZNode.data) == #"{"version":2,"status":1,"features":{}}"#)
  }

  @Test("several listeners, IPv6 and no rack are written and read")
  func listeners() throws {
    let broker = BrokerZNode(
      id: 2,
      endpoints: [
        .init(listener: "IN", securityProtocol: "SSL", host: "::1", port: 1),
        .init(listener: "OUT", securityProtocol: "PLAINTEXT", host: "o", port: 2),
      ], rack: nil, timestampMs: 0)
    #expect(text(broker.data).contains(#""host":"o","port":2,"#))
    #expect(text(broker.data).contains(#""endpoints":["IN://[::1]:1","OUT://o:2"]"#))
    #expect(try BrokerZNode(id: 2, data: broker.data) == broker)
    let secure = BrokerZNode(id: 2, endpoints: Array(broker.endpoints.prefix(1)), rack: nil, timestampMs: 0)
    #expect(text(secure.data).contains(#""host":null,"port":-1,"#))
  }

  @Test("a z-node that is not what it should be is an error that names its path and what is wrong")
  func wrong() {
    let cases: [(String, String)] = [
      ("nonsense", "/brokers/topics/T: not JSON at byte 0: expected null"),
      ("[]", "/brokers/topics/T: not a JSON object"),
      (#"{"partitions":{}}"#, "/brokers/topics/T: topic_id is missing"),
      (#"{"topic_id":"x","partitions":{}}"#, "/brokers/topics/T: topic_id has an invalid value"),
      (#"{"topic_id":"\#(id)","partitions":{"1":[1]}}"#, "/brokers/topics/T: partition 0 is missing"),
      (#"{"topic_id":"\#(id)","partitions":{"0":["a"]}}"#, "/brokers/topics/T: partitions has an invalid value"),
    ]
    for (data, message) in cases {
      let error = #expect(throws: ZNodeDataError.self, "\(data)") { try TopicZNode(name: "T", data: Array(data.utf8)) }
      #expect(error?.description == message)
    }
  }

  @Test("the roots come parents first")
  func roots() {
    var there: Set<String> = [""]
    for path in ZNodeRoots.persistent {
      #expect(there.contains(String(path[..<path.lastIndex(of: "/")!])), "\(path)")
      there.insert(path)
    }
  }
}
