import Cluster
import Model
import Wire

extension LocalBroker {
  /// Replaces the values that are set on each resource by the given ones. A resource named twice gets the values given last,
  /// as in Kafka.
  func alterConfigs(_ request: AlterConfigsRequest, _ context: RequestContext) -> HandlerResult<AlterConfigsResponse> {
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
      }, request, validateOnly: request.validateOnly, context)
  }

  /// Sets, deletes, appends to or subtracts from single values of each resource. A resource named twice gets one
  /// INVALID_REQUEST, and is not changed.
  func incrementalAlterConfigs(
    _ request: IncrementalAlterConfigsRequest, _ context: RequestContext
  ) -> HandlerResult<IncrementalAlterConfigsResponse> {
    let resources = request.resources
    return alter(
      {
        let mentions = Mentions(resources.lazy.map { NamedResource(type: $0.resourceType, name: $0.resourceName) })
        return mentions.firsts.map { index in
          let asked = resources[index]
          let named = NamedResource(type: asked.resourceType, name: asked.resourceName)
          guard !mentions.isDoubled(named) else {
            let refusal = ApiError(.invalidRequest, "Each resource must appear at most once.")
            return AskedAlteration(named: named, alteration: .failure(refusal))
          }
          let values = asked.configs.map { (name: $0.name, operation: $0.configOperation, value: $0.value) }
          return AskedAlteration(named: named, alteration: .success(.incremental(values)))
        }
      }, request, validateOnly: request.validateOnly, context)
  }

  /// A configuration resource by its type number and name in a request; neither has been checked.
  struct NamedResource: Hashable, Sendable {
    var type: Int8
    var name: String
  }

  private struct AskedAlteration: Sendable {
    var named: NamedResource
    var alteration: Result<ConfigAlteration, ApiError>
  }

  /// Submits the alterations to the controller, on this broker or another, and responds with a result for each resource.
  ///
  /// - Parameters:
  ///   - asked: makes the alterations from the request; called on the control lane, where a large request delays no
  ///     event loop.
  ///   - request: is sent on when another broker is the controller. (In Kafka every broker changes configurations, in the tree.)
  private func alter<Asking: Request>(
    _ asked: @escaping @Sendable () -> [AskedAlteration], _ request: Asking, validateOnly: Bool,
    _ context: RequestContext
  ) -> HandlerResult<Asking.Answer> where Asking: Sendable, Asking.Answer: AlterationResponse & Sendable {
    typealias Body = Asking.Answer
    let pending = context.pending(Body.self)
    let nowMs = nowMs
    let sendOn: @Sendable (BrokerID) -> Void = { controller in
      self.peers.send(request, to: controller, purpose: .control) { result in
        switch result {
        case .success(let response): pending.complete(response)
        case .failure(let error):
          var response = Body()
          response.responses = asked().map { Body.Resource($0.named, ApiError(.notController, "\(error)")) }
          pending.complete(response)
        }
      }
    }
    controller.ask(
      { _ in
        let changes = asked().compactMap { try? self.change($0) }
        return .alterConfigs(changes, validateOnly: validateOnly, nowMs: nowMs())
      }, elsewhere: .handed(sendOn)
    ) { outcomes in
      var outcomes = outcomes[...]
      var response = Body()
      response.responses = asked().map { asked in
        do throws(ApiError) { _ = try self.change(asked) } catch { return Body.Resource(asked.named, error) }
        if case .refused(let refusal) = outcomes.popFirst() { return Body.Resource(asked.named, refusal) }
        return Body.Resource(asked.named, nil)
      }
      pending.complete(response)
    }
    return .pending
  }

  private func change(_ asked: AskedAlteration) throws(ApiError) -> Controller.ConfigChange {
    let alteration = try asked.alteration.get()
    // Other brokers send on what they are asked about themselves.
    let image = image
    let resource = try ConfigResource(type: asked.named.type, name: asked.named.name, brokerID: brokerID) {
      image.controllerID == brokerID && image.broker($0) != nil
    }
    return change(resource, alteration)
  }
}

/// The fields that the responses of AlterConfigs and IncrementalAlterConfigs have in common.
private protocol AlterationResponse: Response {
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
  /// - Parameter refusal: nil when the resource was altered.
  fileprivate init(_ named: LocalBroker.NamedResource, _ refusal: ApiError?) {
    self.init()
    resourceType = named.type
    resourceName = named.name
    errorCode = refusal?.code ?? .none
    errorMessage = refusal?.message
  }
}

extension AlterConfigsResponse: AlterationResponse {}
extension AlterConfigsResponse.Resource: AlteredResource {}
extension IncrementalAlterConfigsResponse: AlterationResponse {}
extension IncrementalAlterConfigsResponse.Resource: AlteredResource {}
