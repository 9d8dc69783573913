import Cluster
import Model
import Wire

extension LocalBroker {
  /// Lists the configuration keys of each resource with value, source and synonyms; sensitive values are null. A resource
  /// named twice is described once.
  func describeConfigs(
    _ request: DescribeConfigsRequest, _ context: RequestContext
  ) -> HandlerResult<DescribeConfigsResponse> {
    let image = image
    // A topic has 34 keys. A broker has more, but a request can name only this one and the cluster default.
    return serve(context, size: request.resources.count * 40) { self.describe(request, image) }
  }

  private func describe(_ request: DescribeConfigsRequest, _ image: MetadataImage) -> DescribeConfigsResponse {
    var response = DescribeConfigsResponse()
    let mentions = Mentions(request.resources.lazy.map { NamedResource(type: $0.resourceType, name: $0.resourceName) })
    for (count, index) in mentions.firsts.enumerated() {
      let asked = request.resources[index]
      var resourceResponse = DescribeConfigsResponse.Resource()
      resourceResponse.resourceType = asked.resourceType
      resourceResponse.resourceName = asked.resourceName
      do throws(ApiError) {
        guard count < Limits.resourcesDescribed else {
          throw ApiError(.invalidRequest, "A request can describe \(Limits.resourcesDescribed) resources.")
        }
        let resource = try ConfigResource(type: asked.resourceType, name: asked.resourceName, brokerID: brokerID)
        // As in Kafka, an empty list asks for every key, as null does.
        let names = asked.configurationKeys?.isEmpty == true ? nil : asked.configurationKeys
        resourceResponse.configs = try describe(resource, only: names, image).map { described in
          DescribeConfigsResponse.Config(
            described, synonyms: request.includeSynonyms, documentation: request.includeDocumentation)
        }
      } catch {
        resourceResponse.errorCode = error.code
        resourceResponse.errorMessage = error.message
      }
      response.results.append(resourceResponse)
    }
    return response
  }
}

extension DescribeConfigsResponse.Config {
  fileprivate init(_ described: DescribedConfig, synonyms: Bool, documentation: Bool) {
    self.init()
    name = described.name
    value = described.isSensitive ? nil : described.value
    readOnly = described.isReadOnly
    isDefault = described.isDefault
    configSource = described.source.rawValue
    isSensitive = described.isSensitive
    configType = described.kind.rawValue
    if documentation { self.documentation = described.documentation }
    guard synonyms else { return }
    self.synonyms = described.synonyms.map { other in
      var synonym = DescribeConfigsResponse.Synonym()
      synonym.name = other.name
      synonym.value = described.isSensitive ? nil : other.value
      synonym.source = other.source.rawValue
      return synonym
    }
  }
}
