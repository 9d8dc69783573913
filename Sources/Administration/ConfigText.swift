import Base

/// Configurations as kafka-configs prints them, and as JSON.
enum ConfigText {
  static func describe(_ described: [(entity: ConfigEntity, entries: [ConfigEntry])], includesAll: Bool) -> Answer {
    var answer = Answer([], json: .null)
    var documents: [JSON] = []
    for (entity, entries) in described {
      let shown = entries.filter { includesAll || $0.isOwn(of: entity) }
      answer.lines.append("\(includesAll ? "All" : "Dynamic") configs for \(entity.words) are:")
      answer.lines += shown.map { "  \(line($0))" }
      documents.append(
        .object([
          "type": .string(entity.typeName), "name": .string(entity.resourceName),
          "configs": .array(shown.map { json($0) }),
        ]))
    }
    answer.json = .array(documents)
    return answer
  }

  private static func line(_ entry: ConfigEntry) -> String {
    let synonyms = entry.synonyms.map { "\($0.source.name):\($0.name)=\($0.value ?? "null")" }
    return "\(entry.name)=\(entry.value ?? "null") sensitive=\(entry.isSensitive) "
      + "synonyms={\(synonyms.joined(separator: ", "))}"
  }

  private static func json(_ entry: ConfigEntry) -> JSON {
    let synonyms = entry.synonyms.map { synonym -> JSON in
      .object([
        "name": .string(synonym.name), "value": .text(synonym.value), "source": .string(synonym.source.name),
      ])
    }
    return .object([
      "name": .string(entry.name), "value": .text(entry.value), "source": .string(entry.source.name),
      "sensitive": .bool(entry.isSensitive), "read_only": .bool(entry.isReadOnly), "synonyms": .array(synonyms),
    ])
  }

  static func altered(_ entity: ConfigEntity, _ change: ConfigChange, isDryRun: Bool) -> Answer {
    let added = change.additions.map { JSON.Member(name: $0.key, value: .string($0.value)) }
    return Answer(
      [
        isDryRun
          ? "The change of \(entity.words) is valid; nothing was changed."
          : "Completed updating config for \(entity.words)."
      ],
      json: .object([
        "type": .string(entity.typeName), "name": .string(entity.resourceName), "added": .object(added),
        "deleted": .array(change.deletions.map { .string($0) }), "dry_run": .bool(isDryRun),
      ]))
  }
}

extension ConfigEntity {
  /// The values of kafka-configs' `--entity-type`, in the singular.
  fileprivate var typeName: String {
    switch self {
    case .topic: "topic"
    case .broker, .brokerDefaults: "broker"
    }
  }
}
