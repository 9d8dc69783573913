import Cluster
import Model
import Wire

extension LocalBroker {
  /// Every key with its value, source and synonyms; sensitive values are null. A resource named twice is described once.
  func describeConfigs(
    _ request: DescribeConfigsRequest, _ context: RequestContext
  ) -> Reply<DescribeConfigsResponse> {
    let image = image
    // A resource has some forty keys.
    return serve(context, size: request.resources.count * 40) { self.describe(request, image) }
  }

  private func describe(_ request: DescribeConfigsRequest, _ image: MetadataImage) -> DescribeConfigsResponse {
    var answer = DescribeConfigsResponse()
    let mentions = Mentions(request.resources.lazy.map { NamedResource(type: $0.resourceType, name: $0.resourceName) })
    for (count, index) in mentions.firsts.enumerated() {
      let asked = request.resources[index]
      var answered = DescribeConfigsResponse.Resource()
      answered.resourceType = asked.resourceType
      answered.resourceName = asked.resourceName
      do throws(Refusal) {
        guard count < Limits.resourcesDescribed else {
          throw Refusal(.invalidRequest, "A request can describe \(Limits.resourcesDescribed) resources.")
        }
        let resource = try ConfigResource(type: asked.resourceType, name: asked.resourceName, brokerID: brokerID)
        // Kafka takes an empty list for all in every version but the newest clients' null.
        let names = asked.configurationKeys?.isEmpty == true ? nil : asked.configurationKeys
        answered.configs = try describe(resource, only: names, image).map { described in
          DescribeConfigsResponse.Config(
            described, synonyms: request.includeSynonyms, documentation: request.includeDocumentation)
        }
      } catch {
        answered.errorCode = error.code
        answered.errorMessage = error.message
      }
      answer.results.append(answered)
    }
    return answer
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
