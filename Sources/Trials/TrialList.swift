package import Mechanisms

/// The trials there are, as commands of `millrace mechanism`.
package enum TrialList {
  package static let all: [any Mechanism.Type] = [
    ElectionTrial.self, FailoverTrial.self, SlowFollowerTrial.self, RollingRestartTrial.self, RolesTrial.self,
    ZNodesTrial.self,
  ]
}
