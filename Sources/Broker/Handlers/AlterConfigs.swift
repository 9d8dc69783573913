import Cluster
import Model
import Wire

extension LocalBroker {
  /// Replaces a resource's own values by the ones given. A resource named twice is changed once, to what is given last, as by
  /// Kafka.
  func alterConfigs(_ request: AlterConfigsRequest, _ context: RequestContext) -> Reply<AlterConfigsResponse> {
    let pending = context.pending(AlterConfigsResponse.self)
    let resources = request.resources
    alter(
      {
        var last: [NamedResource: Int] = [:]
        for (index, asked) in resources.enumerated() {
          last[NamedResource(type: asked.resourceType, name: asked.resourceName)] = index
        }
        return Mentions(resources.lazy.map { NamedResource(type: $0.resourceType, name: $0.resourceName) }).firsts.map {
          let named = NamedResource(type: resources[$0].resourceType, name: resources[$0].resourceName)
          let values = resources[last[named] ?? $0].configs.map { (name: $0.name, value: $0.value) }
          return AskedAlteration(named: named, alteration: .success(.replace(values)))
        }
      }, validateOnly: request.validateOnly
    ) { answered in
      var answer = AlterConfigsResponse()
      answer.responses = answered.map { named, refusal in
        var answered = AlterConfigsResponse.Resource()
        answered.resourceType = named.type
        answered.resourceName = named.name
        answered.errorCode = refusal?.code ?? .none
        answered.errorMessage = refusal?.message
        return answered
      }
      pending.complete(answer)
    }
    return .later
  }

  /// Sets, deletes, appends to or subtracts from single values of a resource. A resource named twice is refused once.
  func incrementalAlterConfigs(
    _ request: IncrementalAlterConfigsRequest, _ context: RequestContext
  ) -> Reply<IncrementalAlterConfigsResponse> {
    let pending = context.pending(IncrementalAlterConfigsResponse.self)
    let resources = request.resources
    alter(
      {
        let mentions = Mentions(resources.lazy.map { NamedResource(type: $0.resourceType, name: $0.resourceName) })
        return mentions.firsts.map { index in
          let asked = resources[index]
          let named = NamedResource(type: asked.resourceType, name: asked.resourceName)
          guard !mentions.isDoubled(named) else {
            let refusal = Refusal(.invalidRequest, "Each resource must appear at most once.")
            return AskedAlteration(named: named, alteration: .failure(refusal))
          }
          let values = asked.configs.map { (name: $0.name, operation: $0.configOperation, value: $0.value) }
          return AskedAlteration(named: named, alteration: .success(.incremental(values)))
        }
      }, validateOnly: request.validateOnly
    ) { answered in
      var answer = IncrementalAlterConfigsResponse()
      answer.responses = answered.map { named, refusal in
        var answered = IncrementalAlterConfigsResponse.Resource()
        answered.resourceType = named.type
        answered.resourceName = named.name
        answered.errorCode = refusal?.code ?? .none
        answered.errorMessage = refusal?.message
        return answered
      }
      pending.complete(answer)
    }
    return .later
  }

  /// A resource as a request names it.
  struct NamedResource: Hashable, Sendable {
    var type: Int8
    var name: String
  }

  private struct AskedAlteration: Sendable {
    var named: NamedResource
    var alteration: Result<ConfigAlteration, Refusal>
  }

  /// - Parameters:
  ///   - asked: makes the alterations, on the control lane.
  ///   - then: gets each resource with its refusal, or nil.
  private func alter(
    _ asked: @escaping @Sendable () -> [AskedAlteration], validateOnly: Bool,
    then: @escaping @Sendable ([(NamedResource, Refusal?)]) -> Void
  ) {
    let nowMs = nowMs
    controller.ask({ _ in
      let changes = asked().compactMap { try? self.change($0) }
      return .alterConfigs(changes, validateOnly: validateOnly, nowMs: nowMs())
    }) { outcomes in
      var outcomes = outcomes[...]
      let answered = asked().map { asked -> (NamedResource, Refusal?) in
        do throws(Refusal) { _ = try self.change(asked) } catch { return (asked.named, error) }
        if case .refused(let refusal) = outcomes.popFirst() { return (asked.named, refusal) }
        return (asked.named, nil)
      }
      then(answered)
    }
  }

  private func change(_ asked: AskedAlteration) throws(Refusal) -> Controller.ConfigChange {
    let alteration = try asked.alteration.get()
    let resource = try ConfigResource(type: asked.named.type, name: asked.named.name, brokerID: brokerID)
    return change(resource, alteration)
  }
}
