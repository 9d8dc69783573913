import Model

extension ConsumerGroup {
  /// What a member says in a ConsumerGroupHeartbeat. Nil leaves a field as it was.
  package struct Heartbeat: Sendable, Equatable {
    package var memberID: String
    /// 0 to join, `leaveEpoch`, `staticLeaveEpoch`, or the member's epoch.
    package var memberEpoch: Int32
    package var instanceID: String?
    package var rackID: String?
    package var clientID = ""
    package var clientHost = ""
    /// In milliseconds; -1 leaves it as it was.
    package var rebalanceTimeoutMs: Int32 = -1
    package var subscription: [String]?
    /// A pattern of names of topics; empty for none.
    package var pattern: String?
    package var serverAssignor: String?
    /// The partitions that the member has.
    package var owned: Set<GroupPartition>?

    package init(memberID: String, memberEpoch: Int32) {
      self.memberID = memberID
      self.memberEpoch = memberEpoch
    }

    /// Whether the heartbeat says everything, as the first one does, and the first after a lost response: it is answered with the
    /// assignment.
    var isFull: Bool {
      memberEpoch == 0 || (rebalanceTimeoutMs != -1 && (subscription != nil || pattern != nil) && owned != nil)
    }

    /// - Throws: INVALID_REQUEST, INVALID_REGULAR_EXPRESSION, UNSUPPORTED_ASSIGNOR.
    func check(_ settings: Settings) throws(ApiError) {
      if let problem { throw ApiError(.invalidRequest, problem) }
      try checkPattern()
      guard let serverAssignor, ServerAssignor(rawValue: serverAssignor).map(settings.assignors.contains) != true else {
        return
      }
      let known = settings.assignors.map(\.rawValue).joined(separator: ", ")
      throw ApiError(
        .unsupportedAssignor, "ServerAssignor \(serverAssignor) is not supported. Supported assignors: \(known).")
    }

    private func checkPattern() throws(ApiError) {
      guard let pattern, !pattern.isEmpty else { return }
      do throws(TopicPattern.Problem) { _ = try TopicPattern(pattern) } catch {
        throw ApiError(
          .invalidRegularExpression,
          "SubscribedTopicRegex \(pattern) is not a valid regular expression: \(error.description).")
      }
    }

    /// Kafka's message for a heartbeat that no member can mean; nil for any other.
    private var problem: String? {
      if memberID.isEmpty { return "MemberId can't be empty." }
      if instanceID == "" { return "InstanceId can't be empty." }
      if rackID == "" { return "RackId can't be empty." }
      switch memberEpoch {
      case 0:
        if rebalanceTimeoutMs == -1 { return "RebalanceTimeoutMs must be provided in first request." }
        if owned?.isEmpty != true { return "TopicPartitions must be empty when (re-)joining." }
        if subscription?.isEmpty ?? true, pattern?.isEmpty ?? true {
          return "Either SubscribedTopicNames or SubscribedTopicRegex must be set in first request."
        }
      case ConsumerGroup.staticLeaveEpoch where instanceID == nil: return "InstanceId can't be null."
      case ..<ConsumerGroup.staticLeaveEpoch: return "MemberEpoch is invalid."
      default: break
      }
      return rebalanceTimeoutMs < -1 ? "RebalanceTimeoutMs can't be negative." : nil
    }

    /// The description of the member after this heartbeat.
    func description(after before: ConsumerGroupMember.Description?) -> ConsumerGroupMember.Description {
      var description = before ?? ConsumerGroupMember.Description()
      if let instanceID { description.instanceID = instanceID }
      if let rackID { description.rackID = rackID }
      if rebalanceTimeoutMs != -1 { description.rebalanceTimeoutMs = rebalanceTimeoutMs }
      if let subscription { description.subscription = Set(subscription).sorted() }
      if let pattern { description.pattern = pattern.isEmpty ? nil : pattern }
      if let serverAssignor { description.serverAssignor = serverAssignor }
      description.clientID = clientID
      description.clientHost = clientHost
      return description
    }
  }
}
