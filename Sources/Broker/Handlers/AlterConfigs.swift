import Cluster
import Model
import Wire

extension LocalBroker {
  /// Replaces a resource's own values by the ones given.
  func alterConfigs(_ request: AlterConfigsRequest, _ context: RequestContext) -> Reply<AlterConfigsResponse> {
    var answer = AlterConfigsResponse()
    answer.responses = request.resources.map { asked in
      var answered = AlterConfigsResponse.Resource()
      answered.resourceType = asked.resourceType
      answered.resourceName = asked.resourceName
      let refusal = alter(
        type: asked.resourceType, name: asked.resourceName,
        .replace(asked.configs.map { (name: $0.name, value: $0.value) }), validateOnly: request.validateOnly)
      answered.errorCode = refusal?.code ?? .none
      answered.errorMessage = refusal?.message
      return answered
    }
    return .now(answer)
  }

  /// Sets, deletes, appends to or subtracts from single values of a resource.
  func incrementalAlterConfigs(
    _ request: IncrementalAlterConfigsRequest, _ context: RequestContext
  ) -> Reply<IncrementalAlterConfigsResponse> {
    var answer = IncrementalAlterConfigsResponse()
    answer.responses = request.resources.map { asked in
      var answered = IncrementalAlterConfigsResponse.Resource()
      answered.resourceType = asked.resourceType
      answered.resourceName = asked.resourceName
      let refusal = alter(
        type: asked.resourceType, name: asked.resourceName,
        .incremental(asked.configs.map { (name: $0.name, operation: $0.configOperation, value: $0.value) }),
        validateOnly: request.validateOnly)
      answered.errorCode = refusal?.code ?? .none
      answered.errorMessage = refusal?.message
      return answered
    }
    return .now(answer)
  }

  /// Nil: done.
  private func alter(type: Int8, name: String, _ alteration: ConfigAlteration, validateOnly: Bool) -> Refusal? {
    do throws(Refusal) {
      let resource = try ConfigResource(type: type, name: name, brokerID: brokerID)
      try alter(resource, alteration, validateOnly: validateOnly)
      return nil
    } catch {
      return error
    }
  }
}
