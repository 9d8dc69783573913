import Cluster
import Model
import Wire

extension LocalBroker {
  /// Raises the number of partitions of topics; lowering it is refused. Each topic has a result of its own; one named twice gets
  /// one INVALID_REQUEST.
  func createPartitions(
    _ request: CreatePartitionsRequest, _ context: RequestContext
  ) -> HandlerResult<CreatePartitionsResponse> {
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
      var response = CreatePartitionsResponse()
      response.results = mentions.firsts.map { index in
        var topicResponse = CreatePartitionsResponse.Topic()
        topicResponse.name = request.topics[index].name
        let outcome =
          mentions.isDoubled(topicResponse.name)
          ? .refused(ApiError(.invalidRequest, "Duplicate topic in request.")) : outcomes.popFirst()
        if case .refused(let refusal) = outcome {
          topicResponse.errorCode = refusal.code
          topicResponse.errorMessage = refusal.message
        }
        return topicResponse
      }
      pending.complete(response)
    }
    return .pending
  }
}
