import Client

/// Settings of consumer groups.
extension LoadPlan {
  static let groupSettings: [PlanSetting] = [
    .value(
      "group", "NAME", [.consume],
      "read as members of a consumer group, one a connection (with --fan-out N the groups NAME-1 to NAME-N)"
    ) { (plan, text) throws(PlanError) in
      guard !text.isEmpty, text.utf8.count <= 1000 else { throw invalid("group", text, "a name of 1 to 1000 bytes") }
      plan.group = text
    },
    .value("group-instance-id", "ID", [.consume], "make the members static: each one's instance id is ID-NUMBER") {
      (plan, text) throws(PlanError) in
      guard !text.isEmpty, text.utf8.count <= 1000 else {
        throw invalid("group-instance-id", text, "a name of 1 to 1000 bytes")
      }
      plan.groupInstanceID = text
    },
    .value("group-protocol", "NAME", [.consume], "classic (default), or consumer: the coordinator assigns (KIP-848)") {
      (plan, text) throws(PlanError) in
      guard let name = GroupProtocol(rawValue: text) else {
        throw invalid("group-protocol", text, "classic or consumer")
      }
      plan.groupProtocol = name
    },
    .value(
      "remote-assignor", "NAME", [.consume],
      "with --group-protocol consumer: the coordinator's assignor, such as uniform"
    ) { (plan, text) throws(PlanError) in
      guard !text.isEmpty, text.utf8.count <= 1000 else {
        throw invalid("remote-assignor", text, "a name of 1 to 1000 bytes")
      }
      plan.remoteAssignor = text
    },
    .value("assignor", "NAME", [.consume], "of the classic protocol: range (default), roundrobin, cooperative-sticky") {
      (plan, text) throws(PlanError) in
      guard let assignor = Assignor(rawValue: text) else {
        throw invalid("assignor", text, "range, roundrobin or cooperative-sticky")
      }
      plan.assignor = assignor
    },
    .int("session-timeout-ms", "MS", [.consume], "a member silent for longer is dead (default 45000)", 1...86_400_000) {
      $0.sessionTimeoutMs = $1
    },
    .int(
      "heartbeat-ms", "MS", [.consume], "time between heartbeats of the classic protocol (default 3000)", 1...3_600_000
    ) {
      $0.heartbeatIntervalMs = $1
    },
    .int(
      "commit-interval-ms", "MS", [.consume],
      "time between commits (default 5000); 0 commits only what a member gives up", 0...86_400_000
    ) {
      $0.commitIntervalMs = $1
    },
    .int(
      "member-restarts", "N", [.consume],
      "N times all members of a group leave and others take their places, at equal shares of --num-records (default 0)",
      0...1000
    ) {
      $0.memberRestarts = $1
    },
    .int(
      "visits", "N", [.consume], "N more members come to each group and leave again, one after the other (default 0)",
      0...1000
    ) {
      $0.visits = $1
    },
    .int("visit-ms", "MS", [.consume], "time between their comings and goings (default 1000)", 1...3_600_000) {
      $0.visitMs = $1
    },
  ]
}
