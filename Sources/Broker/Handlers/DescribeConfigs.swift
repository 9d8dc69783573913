import Cluster
import Model
import Wire

extension LocalBroker {
  /// Every key with its value, source and synonyms; sensitive values are null.
  func describeConfigs(
    _ request: DescribeConfigsRequest, _ context: RequestContext
  ) -> Reply<DescribeConfigsResponse> {
    var answer = DescribeConfigsResponse()
    for asked in request.resources {
      var answered = DescribeConfigsResponse.Resource()
      answered.resourceType = asked.resourceType
      answered.resourceName = asked.resourceName
      do throws(Refusal) {
        let resource = try ConfigResource(type: asked.resourceType, name: asked.resourceName, brokerID: brokerID)
        // Kafka takes an empty list for all in every version but the newest clients' null.
        let names = asked.configurationKeys?.isEmpty == true ? nil : asked.configurationKeys
        answered.configs = try describe(resource, only: names).map { described in
          DescribeConfigsResponse.Config(
            described, synonyms: request.includeSynonyms, documentation: request.includeDocumentation)
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
