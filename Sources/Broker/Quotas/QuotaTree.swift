import Cluster
import Coordination
import Logging
import Model
import Security

extension ZNodeTree {
  /// Reads the quotas of all users, client ids and addresses.
  func quotas() throws -> [QuotaEntity: [QuotaKey: Double]] {
    var entities: [QuotaEntity] = []
    for kind in ["users", "clients", "ips"] {
      guard try exists("/config/\(kind)") != nil else { continue }
      for name in try children(of: "/config/\(kind)") {
        guard let entity = QuotaEntity(path: "\(kind)/\(name)") else { continue }
        entities.append(entity)
        let clients = "/config/users/\(name)/clients"
        guard kind == "users", try exists(clients) != nil else { continue }
        entities += try children(of: clients).compactMap { QuotaEntity(path: "users/\(name)/clients/\($0)") }
      }
    }
    return try quotas(of: entities).filter { !$0.value.isEmpty }
  }

  /// Reads the quotas of entities; none of one that has no node.
  func quotas(of entities: [QuotaEntity]) throws -> [QuotaEntity: [QuotaKey: Double]] {
    var found: [QuotaEntity: [QuotaKey: Double]] = [:]
    let paths = entities.map { QuotaZNode.path($0) }
    for (index, node) in try get(all: paths).enumerated() {
      found[entities[index]] = try node.map { try QuotaZNode(paths[index], data: $0.data).quotas } ?? [:]
    }
    return found
  }

  /// Changes the quotas of an entity, with a notification to other brokers.
  ///
  /// - Parameter changes: nil removes a quota.
  /// - Returns: the entity's node afterwards, and the path of the notification; nil where nothing has changed.
  func changeQuotas(
    _ entity: QuotaEntity, _ changes: [QuotaKey: Double?]
  ) throws -> (node: QuotaZNode, notification: String?) {
    try change(entity) { $0.changing(changes) }
  }

  /// Changes the node of an entity, with a notification to other brokers. Quotas and credentials of a user are in one node, and any broker may change
  /// quotas: so the node is written only where it is still what was read, and otherwise the change is made again of what it is now.
  ///
  /// - Parameter changed: may be called several times.
  /// - Returns: the node afterwards, and the path of the notification; nil where nothing has changed.
  func change(
    _ entity: QuotaEntity, _ changed: (QuotaZNode) throws -> QuotaZNode
  ) throws -> (node: QuotaZNode, notification: String?) {
    let path = QuotaZNode.path(entity)
    for _ in 0..<Limits.securityAttempts {
      do {
        let found = try find(path)
        let before = try found.map { try QuotaZNode(path, data: $0.data) } ?? QuotaZNode()
        let after = try changed(before)
        guard after != before else { return (after, nil) }
        var operations: [ZNodeOperation] = []
        if let found {
          operations.append(.set(path: path, data: after.data, version: found.stat.version))
        } else {
          // Users of whom only clients have quotas have a node without a value.
          if let user = entity.user, entity.clientID != nil {
            let parents = [
              QuotaZNode.path(QuotaEntity(user: user)), "\(QuotaZNode.path(QuotaEntity(user: user)))/clients",
            ]
            for (parent, node) in zip(parents, try get(all: parents)) where node == nil {
              operations.append(.create(path: parent, data: []))
            }
          }
          operations.append(.create(path: path, data: after.data))
        }
        operations.append(
          .create(
            path: ConfigChangeZNode.prefix, data: ConfigChangeZNode.data(path: entity.path), mode: .persistentSequential
          ))
        guard case .created(let notification, _)? = try multi(operations).last else { return (after, nil) }
        return (after, notification)
      } catch let error as ZNodeError {
        switch error.code {
        case .badVersion, .nodeExists, .noNode: continue
        default: throw error
        }
      }
    }
    throw ZNodeError(.badVersion, path, detail: "other brokers change the same node again and again")
  }
}

// Quotas in the tree. Every broker changes them itself, as in Kafka with ZooKeeper, and hears of others' changes by notifications.

extension ControllerRunner {
  /// Changes quotas, in the tree and then here.
  ///
  /// - Parameter then: gets the outcome of each change, on the control lane; nil: it was made.
  func changeQuotas(
    _ changes: [(entity: QuotaEntity, values: [QuotaKey: Double?])],
    then: @escaping @Sendable ([ApiError?]) -> Void
  ) {
    enqueue(
      .work { runner, state in
        then(
          changes.map { entity, values in
            do {
              let (node, notification) = try state.tree.changeQuotas(entity, values)
              if let notification { state.controller?.noticed(notification: notification, createdMs: runner.nowMs()) }
              runner.quotas.replace([entity: node.quotas])
              state.controller?.learned(clientValues: node.values, of: entity.path)
              state.orders.metadata.setClientValues(entity.path, node.values)
              return nil
            } catch {
              runner.log.error("quotas cannot be changed", metadata: ["of": "\(entity.path)", "reason": "\(error)"])
              return ApiError(.unknownServerError, "The quotas cannot be changed: \(error)")
            }
          })
      })
  }

  /// Changes the credentials of users, in the tree and then here, where this broker is the controller.
  ///
  /// - Parameters:
  ///   - changes: of each user the new values of its node, made of the old; may be called several times.
  ///   - elsewhere: is called instead, with the controller's id, where another broker is it.
  ///   - then: gets the outcome of each change, on the control lane; nil: it was made.
  func changeCredentials(
    _ changes: [(user: String, change: @Sendable ([String: String]) throws(ApiError) -> [String: String])],
    elsewhere: @escaping @Sendable (BrokerID) -> Void, then: @escaping @Sendable ([ApiError?]) -> Void
  ) {
    enqueue(
      .work { runner, state in
        guard state.controller != nil else { return elsewhere(state.membership.controllerID) }
        then(
          changes.map { user, change in
            let entity = QuotaEntity(user: .named(user))
            do {
              let (node, notification) = try state.tree.change(entity) { try $0.replacing(change($0.values)) }
              if let notification { state.controller?.noticed(notification: notification, createdMs: runner.nowMs()) }
              state.controller?.learned(clientValues: node.values, of: entity.path)
              state.orders.metadata.setClientValues(entity.path, node.values)
              return nil
            } catch let refusal as ApiError {
              return refusal
            } catch {
              runner.log.error("credentials cannot be changed", metadata: ["of": "\(user)", "reason": "\(error)"])
              return ApiError(.unknownServerError, "The credentials cannot be changed: \(error)")
            }
          })
      })
  }

  /// Reads quotas that have changed, or all.
  func readQuotas(_ entities: [QuotaEntity]?, _ state: State) throws {
    do {
      if let entities {
        quotas.replace(try state.tree.quotas(of: entities))
      } else {
        quotas.replaceAll(try state.tree.quotas())
      }
    } catch let error as AclZNodeError {
      // What was in force stays so.
      log.error("a changed quota cannot be read", metadata: ["reason": "\(error)"])
    }
  }
}

extension LocalBroker {
  /// Reads the quotas before anybody is served. Waits for the tree.
  func readQuotas(_ tree: any ZNodeTree) throws {
    do { quotas.replaceAll(try tree.quotas()) } catch let error as ZNodeError {
      throw StartRefusal(error)
    } catch {
      throw RegistryError("the quotas cannot be read: \(error)")
    }
  }
}
