import Cluster
import Model
import Wire

extension LocalBroker {
  /// Raises the number of partitions; lowering it is refused. Each topic is answered for itself.
  func createPartitions(
    _ request: CreatePartitionsRequest, _ context: RequestContext
  ) -> Reply<CreatePartitionsResponse> {
    var answer = CreatePartitionsResponse()
    for asked in request.topics where !answer.results.contains(where: { $0.name == asked.name }) {
      var answered = CreatePartitionsResponse.Topic()
      answered.name = asked.name
      do throws(Refusal) {
        guard request.topics.count(where: { $0.name == asked.name }) == 1 else {
          throw Refusal(.invalidRequest, "Duplicate topic in request.")
        }
        try change { () throws(Refusal) in
          let description = try registry.addPartitions(
            asked.name, to: asked.count, assignments: asked.assignments.map { $0.map(\.brokerIDs) },
            validateOnly: request.validateOnly)
          if !request.validateOnly { install(description) }
        }
      } catch {
        answered.errorCode = error.code
        answered.errorMessage = error.message
      }
      answer.results.append(answered)
    }
    return .now(answer)
  }
}
