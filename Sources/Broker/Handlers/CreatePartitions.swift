import Cluster
import Model
import Wire

extension LocalBroker {
  /// Raises the number of partitions; lowering it is refused. Each topic is answered for itself, one named twice refused once.
  func createPartitions(
    _ request: CreatePartitionsRequest, _ context: RequestContext
  ) -> Reply<CreatePartitionsResponse> {
    let pending = context.pending(CreatePartitionsResponse.self)
    controller.ask({ _ in
      let mentions = Mentions(request.topics.lazy.map(\.name))
      let singles = mentions.firsts.lazy.map { request.topics[$0] }.filter { !mentions.isDoubled($0.name) }
      return .grow(
        singles.map {
          Controller.Growth($0.name, to: $0.count, assignments: $0.assignments.map { $0.map(\.brokerIDs) })
        }, validateOnly: request.validateOnly)
    }) { outcomes in
      let mentions = Mentions(request.topics.lazy.map(\.name))
      var outcomes = outcomes[...]
      var answer = CreatePartitionsResponse()
      answer.results = mentions.firsts.map { index in
        var answered = CreatePartitionsResponse.Topic()
        answered.name = request.topics[index].name
        let outcome =
          mentions.isDoubled(answered.name)
          ? .refused(Refusal(.invalidRequest, "Duplicate topic in request.")) : outcomes.popFirst()
        if case .refused(let refusal) = outcome {
          answered.errorCode = refusal.code
          answered.errorMessage = refusal.message
        }
        return answered
      }
      pending.complete(answer)
    }
    return .later
  }
}
