import Cluster
import Model
import Wire

extension LocalBroker {
  /// Replaces a resource's own values by the ones given. A resource named twice is changed once, to what is given last, as by
  /// Kafka.
  func alterConfigs(_ request: AlterConfigsRequest, _ context: RequestContext) -> Reply<AlterConfigsResponse> {
    let resources = request.resources
    return alter(
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
      }, validateOnly: request.validateOnly, context)
  }

  /// Sets, deletes, appends to or subtracts from single values of a resource. A resource named twice is refused once.
  func incrementalAlterConfigs(
    _ request: IncrementalAlterConfigsRequest, _ context: RequestContext
  ) -> Reply<IncrementalAlterConfigsResponse> {
    let resources = request.resources
    return alter(
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
      }, validateOnly: request.validateOnly, context)
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

  /// Has the controller make the alterations, and answers for each resource.
  ///
  /// - Parameter asked: makes them, on the control lane.
  private func alter<Answer: AlterationAnswer>(
    _ asked: @escaping @Sendable () -> [AskedAlteration], validateOnly: Bool, _ context: RequestContext
  ) -> Reply<Answer> {
    let pending = context.pending(Answer.self)
    let nowMs = nowMs
    controller.ask({ _ in
      let changes = asked().compactMap { try? self.change($0) }
      return .alterConfigs(changes, validateOnly: validateOnly, nowMs: nowMs())
    }) { outcomes in
      var outcomes = outcomes[...]
      var answer = Answer()
      answer.responses = asked().map { asked in
        do throws(Refusal) { _ = try self.change(asked) } catch { return Answer.Resource(asked.named, error) }
        if case .refused(let refusal) = outcomes.popFirst() { return Answer.Resource(asked.named, refusal) }
        return Answer.Resource(asked.named, nil)
      }
      pending.complete(answer)
    }
    return .later
  }

  private func change(_ asked: AskedAlteration) throws(Refusal) -> Controller.ConfigChange {
    let alteration = try asked.alteration.get()
    let resource = try ConfigResource(type: asked.named.type, name: asked.named.name, brokerID: brokerID)
    return change(resource, alteration)
  }
}

/// The answers of both requests, which are alike.
private protocol AlterationAnswer: Response {
  associatedtype Resource: AlteredResource
  init()
  var responses: [Resource] { get set }
}

private protocol AlteredResource {
  init()
  var errorCode: ErrorCode { get set }
  var errorMessage: String? { get set }
  var resourceType: Int8 { get set }
  var resourceName: String { get set }
}

extension AlteredResource {
  /// - Parameter refusal: nil when it was altered.
  fileprivate init(_ named: LocalBroker.NamedResource, _ refusal: Refusal?) {
    self.init()
    resourceType = named.type
    resourceName = named.name
    errorCode = refusal?.code ?? .none
    errorMessage = refusal?.message
  }
}

extension AlterConfigsResponse: AlterationAnswer {}
extension AlterConfigsResponse.Resource: AlteredResource {}
extension IncrementalAlterConfigsResponse: AlterationAnswer {}
extension IncrementalAlterConfigsResponse.Resource: AlteredResource {}
