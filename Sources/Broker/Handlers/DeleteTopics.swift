import Cluster
import Model
import Wire

extension LocalBroker {
  /// Deletes topics by name or, from version 6, by id. When the response is sent, the name is free and no client sees the
  /// topic; its files are removed after `file.delete.delay.ms`. A topic named twice appears once in the response.
  func deleteTopics(_ request: DeleteTopicsRequest, _ context: RequestContext) -> HandlerResult<DeleteTopicsResponse> {
    let pending = context.pending(DeleteTopicsResponse.self)
    let image = image
    let byID = context.version >= 6
    controller.ask({ _ in .delete(Self.deletions(request, byID: byID, image).compactMap(\.deletion)) }) { outcomes in
      var outcomes = outcomes[...]
      var response = DeleteTopicsResponse()
      response.responses = Self.deletions(request, byID: byID, image).map { asked in
        var topicResponse = DeleteTopicsResponse.Topic()
        topicResponse.name = asked.name
        topicResponse.topicID = asked.id
        switch asked.refusal.map({ .refused($0) }) ?? outcomes.popFirst() {
        case .topic(let topic):
          topicResponse.name = topic.name
          topicResponse.topicID = topic.id
        case .refused(let refusal):
          topicResponse.errorCode = refusal.code
          topicResponse.errorMessage = refusal.message
        default: preconditionFailure("a deletion ends with a topic or a refusal")
        }
        return topicResponse
      }
      pending.complete(response)
    }
    return .pending
  }

  /// One topic of a request: its name or id, with the deletion to be made, or the error for which none is.
  private struct AskedDeletion {
    var name: String?
    var id: TopicID
    var deletion: Controller.Deletion?
    var refusal: ApiError?
  }

  private static func deletions(
    _ request: DeleteTopicsRequest, byID: Bool, _ image: MetadataImage
  ) -> [AskedDeletion] {
    guard byID else {
      return Mentions(request.topicNames).firsts.map { index in
        let name = request.topicNames[index]
        return AskedDeletion(name: name, id: .zero, deletion: Controller.Deletion(name))
      }
    }
    struct Named: Hashable {
      var name: String?
      var id: TopicID
    }
    return Mentions(request.topics.lazy.map { Named(name: $0.name, id: $0.topicID) }).firsts.map { index in
      let topic = request.topics[index]
      var asked = AskedDeletion(name: topic.name, id: topic.topicID)
      if topic.name != nil, topic.topicID != .zero {
        asked.refusal = ApiError(.invalidRequest, "Topic name and topic id can not both be specified.")
      } else if let name = topic.name {
        asked.deletion = Controller.Deletion(name)
      } else if let name = image.withID(topic.topicID)?.name {
        asked.deletion = Controller.Deletion(name, id: topic.topicID)
      } else {
        asked.refusal = ApiError(.unknownTopicId, "This server does not host this topic ID.")
      }
      return asked
    }
  }
}
