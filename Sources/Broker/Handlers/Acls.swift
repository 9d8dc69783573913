import Cluster
import Model
import Security
import Wire

extension LocalBroker {
  private static let withoutAuthorizer = "No Authorizer is configured on the broker."

  /// Lists the ACLs that match a filter.
  func describeAcls(_ request: DescribeAclsRequest, _ context: RequestContext) -> HandlerResult<DescribeAclsResponse> {
    guard let snapshot = access?.snapshot else {
      return .now(
        .with {
          $0.errorCode = .securityDisabled
          $0.errorMessage = Self.withoutAuthorizer
        })
    }
    let filter: AclFilter
    do throws(ApiError) { filter = try AclFilter(request) } catch {
      let refusal = error
      return .now(
        .with {
          $0.errorCode = refusal.code
          $0.errorMessage = refusal.message
        })
    }
    return serve(context, size: snapshot.authorizer.count) {
      .with {
        $0.resources = snapshot.authorizer.acls(matching: filter).map { pattern, entries in
          .with {
            $0.resourceType = pattern.type.rawValue
            $0.resourceName = pattern.name
            $0.patternType = pattern.kind.rawValue
            $0.acls = entries.map { entry in
              .with {
                $0.principal = entry.principal.description
                $0.host = entry.host
                $0.operation = entry.operation.rawValue
                $0.permissionType = entry.permission.rawValue
              }
            }
          }
        }
      }
    }
  }

  /// Adds entries. Each has a result of its own, in the order of the request.
  func createAcls(_ request: CreateAclsRequest, _ context: RequestContext) -> HandlerResult<CreateAclsResponse> {
    var response = CreateAclsResponse()
    response.results = request.creations.map { _ in CreateAclsResponse.Result() }
    guard let access else {
      for index in response.results.indices {
        response.results[index].refuse(.securityDisabled, Self.withoutAuthorizer)
      }
      return .now(response)
    }
    var added: [ResourcePattern: Set<AclEntry>] = [:]
    var patterns: [ResourcePattern?] = []
    for (index, creation) in request.creations.enumerated() {
      do throws(ApiError) {
        guard index < Limits.aclsPerRequest else {
          throw ApiError(.invalidRequest, "A request can create \(Limits.aclsPerRequest) ACLs.")
        }
        let acl = try Acl(creation)
        added[acl.pattern, default: []].insert(acl.entry)
        patterns.append(acl.pattern)
      } catch {
        response.results[index].refuse(error.code, error.message)
        patterns.append(nil)
      }
    }
    guard !added.isEmpty else { return .now(response) }
    let pending = context.pending(CreateAclsResponse.self)
    let (entries, places, results) = (added, patterns, response)
    controller.changeAcls(access, { _ in Array(entries.keys) }, { $1.formUnion(entries[$0] ?? []) }) { outcome in
      var response = results
      if case .failure(let refusal) = outcome {
        for (index, pattern) in places.enumerated() where pattern != nil {
          response.results[index].refuse(refusal.code, refusal.message)
        }
      }
      pending.complete(response)
    }
    return .pending
  }

  /// Removes the entries that match filters, and lists for each filter what was removed by it.
  func deleteAcls(_ request: DeleteAclsRequest, _ context: RequestContext) -> HandlerResult<DeleteAclsResponse> {
    var response = DeleteAclsResponse()
    response.filterResults = request.filters.map { _ in DeleteAclsResponse.FilterResult() }
    guard let access else {
      for index in response.filterResults.indices {
        response.filterResults[index].refuse(.securityDisabled, Self.withoutAuthorizer)
      }
      return .now(response)
    }
    var valid: [(index: Int, filter: AclFilter)] = []
    for (index, asked) in request.filters.enumerated() {
      do throws(ApiError) {
        guard index < Limits.aclsPerRequest else {
          throw ApiError(.invalidRequest, "A request can have \(Limits.aclsPerRequest) filters.")
        }
        valid.append((index, try AclFilter(asked)))
      } catch { response.filterResults[index].refuse(error.code, error.message) }
    }
    guard !valid.isEmpty else { return .now(response) }
    let pending = context.pending(DeleteAclsResponse.self)
    let (filters, results) = (valid, response)
    controller.changeAcls(
      access,
      { authorizer in
        var patterns: Set<ResourcePattern> = []
        for (_, filter) in filters { patterns.formUnion(authorizer.patterns(matching: filter.resource)) }
        return Array(patterns)
      },
      { pattern, entries in
        let concerned = filters.filter { $0.filter.resource.matches(pattern) }
        entries = entries.filter { entry in !concerned.contains { $0.filter.matches(entry) } }
      },
      then: { pending.complete(Self.response(results, to: filters, $0)) })
    return .pending
  }

  private static func response(
    _ results: DeleteAclsResponse, to filters: [(index: Int, filter: AclFilter)],
    _ outcome: Result<[ResourcePattern: AclChange], ApiError>
  ) -> DeleteAclsResponse {
    var response = results
    switch outcome {
    case .failure(let refusal):
      for (index, _) in filters { response.filterResults[index].refuse(refusal.code, refusal.message) }
    case .success(let changes):
      let removed = changes.flatMap { pattern, change in
        change.before.subtracting(change.after).map { Acl(pattern, $0) }
      }.sorted { ($0.pattern.name, $0.entry.principal.name) < ($1.pattern.name, $1.entry.principal.name) }
      for (index, filter) in filters {
        response.filterResults[index].matchingAcls = removed.lazy.filter {
          filter.resource.matches($0.pattern) && filter.matches($0.entry)
        }.map { .init($0) }
      }
    }
    return response
  }
}

extension CreateAclsResponse.Result {
  fileprivate mutating func refuse(_ code: ErrorCode, _ message: String?) {
    errorCode = code
    errorMessage = message
  }
}

extension DeleteAclsResponse.FilterResult {
  fileprivate mutating func refuse(_ code: ErrorCode, _ message: String?) {
    errorCode = code
    errorMessage = message
  }
}

extension DeleteAclsResponse.MatchingAcl {
  fileprivate init(_ acl: Acl) {
    self.init()
    resourceType = acl.pattern.type.rawValue
    resourceName = acl.pattern.name
    patternType = acl.pattern.kind.rawValue
    principal = acl.entry.principal.description
    host = acl.entry.host
    operation = acl.entry.operation.rawValue
    permissionType = acl.entry.permission.rawValue
  }
}

// MARK: Numbers of the wire

extension Acl {
  fileprivate init(_ creation: CreateAclsRequest.Creation) throws(ApiError) {
    guard let type = ResourceType(rawValue: creation.resourceType),
      let kind = ResourcePattern.Kind(rawValue: creation.resourcePatternType),
      let operation = AclOperation(rawValue: creation.operation),
      let permission = AclEntry.Permission(rawValue: creation.permissionType)
    else { throw ApiError(.invalidRequest, "CreatableAcls contain unknown elements.") }
    let pattern = ResourcePattern(type, creation.resourceName, kind)
    if let problem = pattern.problem { throw ApiError(.invalidRequest, problem) }
    guard let principal = Principal(parsing: creation.principal) else {
      throw ApiError(
        .invalidRequest, "expected a string in format principalType:principalName but got \(creation.principal)")
    }
    guard !creation.host.isEmpty else { throw ApiError(.invalidRequest, "Invalid empty host") }
    self.init(pattern, AclEntry(permission, principal, operation, host: creation.host))
  }
}

extension AclFilter {
  /// The number that stands for any value.
  private static let any: Int8 = 1

  fileprivate init(_ request: DescribeAclsRequest) throws(ApiError) {
    try self.init(
      type: request.resourceTypeFilter, name: request.resourceNameFilter, kind: request.patternTypeFilter,
      principal: request.principalFilter, host: request.hostFilter, operation: request.operation,
      permission: request.permissionType)
  }

  fileprivate init(_ filter: DeleteAclsRequest.Filter) throws(ApiError) {
    try self.init(
      type: filter.resourceTypeFilter, name: filter.resourceNameFilter, kind: filter.patternTypeFilter,
      principal: filter.principalFilter, host: filter.hostFilter, operation: filter.operation,
      permission: filter.permissionType)
  }

  private init(
    type: Int8, name: String?, kind: Int8, principal: String?, host: String?, operation: Int8, permission: Int8
  ) throws(ApiError) {
    guard let patterns = ResourceFilter.Kind(rawValue: kind), type == Self.any || ResourceType(rawValue: type) != nil,
      operation == Self.any || AclOperation(rawValue: operation) != nil,
      permission == Self.any || AclEntry.Permission(rawValue: permission) != nil
    else { throw ApiError(.invalidRequest, "The AclBindingFilter must not contain UNKNOWN elements.") }
    self.init(
      ResourceFilter(type: ResourceType(rawValue: type), name: name, kind: patterns), principal: principal, host: host,
      operation: AclOperation(rawValue: operation), permission: AclEntry.Permission(rawValue: permission))
  }
}
