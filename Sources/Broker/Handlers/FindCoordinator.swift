import Cluster
import Model
import Wire

extension LocalBroker {
  /// Returns, for each group or transactional id, the broker that leads its partition of the internal topic. The topic is created when
  /// it is first asked for.
  ///
  /// librdkafka 2.0 enables LZ4 and group coordination only for brokers that have FindCoordinator 0.
  func findCoordinator(
    _ request: FindCoordinatorRequest, _ context: RequestContext
  ) -> HandlerResult<FindCoordinatorResponse> {
    let keys = context.version >= 4 ? request.coordinatorKeys : [request.key]
    let log: CoordinatorLog
    do throws(ApiError) { log = try coordinatorLog(ofType: request.keyType) } catch {
      return .now(FindCoordinatorResponse(keys.map { .init($0, error) }, version: context.version))
    }
    let endpoint = endpoint(of: context)
    let (version, listener) = (context.version, context.origin.listener)
    if image.named(log.topic.name) != nil, keys.count <= Limits.servedOnLoop {
      return .now(FindCoordinatorResponse(keys.map { coordinator(of: $0, log, endpoint, listener) }, version: version))
    }
    let pending = context.pending(FindCoordinatorResponse.self)
    log.whenTopicExists { refusal in
      // Clients ask again after COORDINATOR_NOT_AVAILABLE.
      let failure = refusal.map { ApiError(.coordinatorNotAvailable, $0.message) }
      self.offload.submit(.request) {
        let found = keys.map { key in
          failure.map { .init(key, $0) } ?? self.coordinator(of: key, log, endpoint, listener)
        }
        pending.complete(FindCoordinatorResponse(found, version: version))
      }
    }
    return .pending
  }

  private func coordinatorLog(ofType type: Int8) throws(ApiError) -> CoordinatorLog {
    switch type {
    case 0 where groupLog.isServed: return groupLog
    case 0: throw ApiError(.coordinatorNotAvailable, "Consumer groups are not served.")
    case 1 where transactionLog.isServed: return transactionLog
    case 1: throw ApiError(.transactionalIdAuthorizationFailed, "Transactions are not served.")
    default: throw ApiError(.invalidRequest, "Coordinators of type \(type) are not served.")
    }
  }

  private func coordinator(
    of key: String, _ log: CoordinatorLog, _ endpoint: (host: String, port: UInt16), _ listener: String
  ) -> FindCoordinatorResponse.Coordinator {
    let number = Int(log.partition(of: key))
    let image = image
    let partitions = image.named(log.topic.name)?.description.partitions ?? []
    let leader = number < partitions.count ? partitions[number].leader : -1
    var found = FindCoordinatorResponse.Coordinator()
    found.key = key
    found.nodeID = leader
    if leader == brokerID {
      found.host = endpoint.host
      found.port = Int32(endpoint.port)
    } else if let other = image.broker(leader)?.endpoint(listener) {
      found.host = other.host
      found.port = other.port
    } else {
      return .init(key, ApiError(.coordinatorNotAvailable, "The coordinator's partition has no leader."))
    }
    return found
  }
}

extension FindCoordinatorResponse.Coordinator {
  fileprivate init(_ key: String, _ error: ApiError) {
    self.init()
    self.key = key
    nodeID = -1
    port = -1
    errorCode = error.code
    errorMessage = error.message
  }
}

extension FindCoordinatorResponse {
  /// - Parameter found: one before version 4, which has no list.
  fileprivate init(_ found: [Coordinator], version: Int16) {
    self.init()
    guard version < 4, let only = found.first else {
      coordinators = found
      return
    }
    errorCode = only.errorCode
    errorMessage = only.errorMessage
    nodeID = only.nodeID
    host = only.host
    port = only.port
  }
}
