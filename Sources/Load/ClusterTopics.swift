import Base
package import Client
import Model
import Wire

/// Creates and deletes topics of a cluster that is measured but not started by us.
package enum ClusterTopics {
  /// Creates a topic.
  ///
  /// - Parameter security: TLS and SASL; nil for neither.
  /// - Throws: also when the topic exists, since its records would be measured as well.
  package static func create(
    _ name: String, partitions: Int, replicationFactor: Int, at servers: String, security: ConnectionSecurity? = nil
  ) async throws {
    try await withController(endpoints(servers), security) { (admin) throws(ClientError) in
      guard try await admin.createTopic(name, partitions: partitions, replicationFactor: replicationFactor) else {
        throw .refused(admin.endpoint, what: "creating topic '\(name)'", code: .topicAlreadyExists, message: nil)
      }
      // Waits until every partition has a leader, so that no run measures elections.
      _ = try await admin.metadata(of: name, autoCreate: true)
    }
  }

  package static func delete(_ name: String, at servers: String, security: ConnectionSecurity? = nil) async throws {
    try await withController(endpoints(servers), security) { (admin) throws(ClientError) in
      try await admin.deleteTopic(name)
    }
  }

  private static func endpoints(_ servers: String) throws(PlanError) -> [Endpoint] {
    guard let list = Endpoint.list(servers) else { throw PlanError("\(servers): HOST:PORT,HOST:PORT,… is needed") }
    return list
  }

  private static var everything: MetadataRequest {
    var request = MetadataRequest()
    request.allowAutoTopicCreation = false
    return request
  }

  /// Connects to the controller: before KRaft only the controller creates and deletes topics.
  private static func withController<Value: Sendable>(
    _ servers: [Endpoint], _ security: ConnectionSecurity?, _ body: (Admin) async throws(ClientError) -> Value
  ) async throws(ClientError) -> Value {
    let controller = try await withAdmin(servers, security) { (admin) throws(ClientError) -> Endpoint? in
      let answer = try await admin.call(everything)
      return answer.brokers.first { $0.nodeID == answer.controllerID }
        .map { Endpoint(host: $0.host, port: Int($0.port)) }
    }
    return try await withAdmin((controller.map { [$0] } ?? []) + servers, security, body)
  }

  private static func withAdmin<Value: Sendable>(
    _ servers: [Endpoint], _ security: ConnectionSecurity?, _ body: (Admin) async throws(ClientError) -> Value
  ) async throws(ClientError) -> Value {
    var options = ConnectionOptions(now: { Clocks.monotonicNs() })
    options.security = security
    return try await Admin.with(servers, options) { admin -> Result<Value, ClientError> in
      do throws(ClientError) { return .success(try await body(admin)) } catch { return .failure(error) }
    }.get()
  }
}
