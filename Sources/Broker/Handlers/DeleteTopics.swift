import Cluster
import Model
import Wire

extension LocalBroker {
  /// Deletes topics by name, or (from version 6) by id. When the answer leaves, the name is free and nobody sees the
  /// topic; its files go later, after `file.delete.delay.ms`.
  func deleteTopics(_ request: DeleteTopicsRequest, _ context: RequestContext) -> Reply<DeleteTopicsResponse> {
    var answer = DeleteTopicsResponse()
    if context.version >= 6 {
      answer.responses = request.topics.map { asked in
        var answered = DeleteTopicsResponse.Topic()
        answered.name = asked.name
        answered.topicID = asked.topicID
        if asked.name != nil, asked.topicID != .zero {
          answered.refuse(Refusal(.invalidRequest, "Topic name and topic id can not both be specified."))
        } else if let name = asked.name ?? topics.withID(asked.topicID)?.name {
          delete(name, &answered)
        } else {
          answered.refuse(Refusal(.unknownTopicId, "This server does not host this topic ID."))
        }
        return answered
      }
    } else {
      answer.responses = request.topicNames.map { name in
        var answered = DeleteTopicsResponse.Topic()
        delete(name, &answered)
        return answered
      }
    }
    return .now(answer)
  }

  private func delete(_ name: String, _ answered: inout DeleteTopicsResponse.Topic) {
    answered.name = name
    do throws(Refusal) {
      answered.topicID = try change { () throws(Refusal) in
        let description = try registry.beginDelete(name)
        if uninstall(name) { try registry.finishDelete(name) }
        return description.id
      }
    } catch {
      answered.refuse(error)
    }
  }
}

extension DeleteTopicsResponse.Topic {
  fileprivate mutating func refuse(_ refusal: Refusal) {
    errorCode = refusal.code
    errorMessage = refusal.message
  }
}
