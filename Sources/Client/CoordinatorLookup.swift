import Model
package import Wire

/// Asks a broker which broker coordinates a group or a transactional id.
package enum CoordinatorLookup {
  package enum KeyType: Int8, Sendable {
    case group = 0
    case transaction = 1
  }

  private static func send(
    _ key: String, _ type: KeyType, over connection: BrokerConnection,
    then: @escaping (Result<Metadata.Broker, ClientError>) -> Void
  ) {
    let endpoint = connection.endpoint
    connection.send(request(key, type)) { result in then(result.flatMap { read($0, key, from: endpoint) }) }
    connection.flush()
  }

  /// Asks a broker for the coordinator of `key`, and connects to that.
  package static func connect(
    _ key: String, _ type: KeyType, asking broker: Metadata.Broker,
    by connect: @escaping (Metadata.Broker, @escaping (Result<BrokerConnection, ClientError>) -> Void) -> Void,
    then: @escaping (Result<BrokerConnection, ClientError>) -> Void
  ) {
    connect(broker) { result in
      guard case .success(let connection) = result else { return then(result) }
      send(key, type, over: connection) { result in
        if case .success(let broker) = result, broker.endpoint == connection.endpoint {
          return then(.success(connection))
        }
        connection.close()
        switch result {
        case .failure(let error): then(.failure(error))
        case .success(let broker): connect(broker, then)
        }
      }
    }
  }

  /// The request in the fields of all its versions.
  package static func request(_ key: String, _ type: KeyType) -> FindCoordinatorRequest {
    var request = FindCoordinatorRequest()
    request.key = key
    request.keyType = type.rawValue
    request.coordinatorKeys = [key]
    return request
  }

  package static func read(
    _ answer: FindCoordinatorResponse, _ key: String, from endpoint: Endpoint
  ) -> Result<Metadata.Broker, ClientError> {
    // From version 4 the response has a list.
    let found =
      answer.coordinators.first
      ?? FindCoordinatorResponse.Coordinator.with {
        $0.errorCode = answer.errorCode
        $0.errorMessage = answer.errorMessage
        $0.nodeID = answer.nodeID
        $0.host = answer.host
        $0.port = answer.port
      }
    guard found.errorCode == .none else {
      return .failure(
        .refused(endpoint, what: "the coordinator of '\(key)'", code: found.errorCode, message: found.errorMessage))
    }
    return .success(Metadata.Broker(id: found.nodeID, endpoint: Endpoint(host: found.host, port: Int(found.port))))
  }
}
