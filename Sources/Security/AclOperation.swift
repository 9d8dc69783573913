/// What a principal may do with a resource, with Kafka's numbers on the wire and its names in z-nodes.
package enum AclOperation: Int8, CaseIterable, Sendable {
  case all = 2, read, write, create, delete, alter, describe, clusterAction, describeConfigs, alterConfigs
  case idempotentWrite, createTokens, describeTokens

  /// As in z-nodes and in Kafka's tools: `DescribeConfigs`.
  package var name: String {
    switch self {
    case .all: "All"
    case .read: "Read"
    case .write: "Write"
    case .create: "Create"
    case .delete: "Delete"
    case .alter: "Alter"
    case .describe: "Describe"
    case .clusterAction: "ClusterAction"
    case .describeConfigs: "DescribeConfigs"
    case .alterConfigs: "AlterConfigs"
    case .idempotentWrite: "IdempotentWrite"
    case .createTokens: "CreateTokens"
    case .describeTokens: "DescribeTokens"
    }
  }

  /// As Kafka's tools print it: `DESCRIBE_CONFIGS`.
  package var constantName: String {
    name.reduce(into: "") { text, letter in
      if letter.isUppercase, !text.isEmpty { text += "_" }
      text += letter.uppercased()
    }
  }

  /// Reads a name whatever its case is, with or without underscores: `DescribeConfigs`, `DESCRIBE_CONFIGS`.
  package init?(named name: String) {
    let plain = PlainName.of(name)
    guard let found = Self.allCases.first(where: { PlainName.of($0.name) == plain }) else { return nil }
    self = found
  }

  /// The operations that are granted together with this one where it is allowed: who may read may look.
  fileprivate var implied: OperationSet {
    switch self {
    case .read, .write, .delete, .alter: [.describe]
    case .alterConfigs: [.describeConfigs]
    default: []
    }
  }
}

/// A set of operations. The bit of an operation is its number on the wire, as in the fields of authorized operations that Metadata,
/// DescribeCluster and DescribeGroups answer with.
package struct OperationSet: OptionSet, Hashable, Sendable {
  package var rawValue: UInt32

  package init(rawValue: UInt32) { self.rawValue = rawValue }
  package init(_ operation: AclOperation) { rawValue = 1 << UInt32(operation.rawValue) }

  package static let describe = OperationSet(.describe), describeConfigs = OperationSet(.describeConfigs)
  /// Every operation but `all`.
  package static let every = OperationSet(AclOperation.allCases.filter { $0 != .all })

  package init(_ operations: [AclOperation]) { self = operations.reduce(into: []) { $0.formUnion(OperationSet($1)) } }

  package func contains(_ operation: AclOperation) -> Bool { contains(OperationSet(operation)) }

  /// The set as the wire has it.
  package var bits: Int32 { Int32(bitPattern: rawValue) }

  /// The operations that are granted by entries that allow these, and refused by none of `denied`. A refusal of one operation refuses no
  /// other: who may read and not look can look all the same, because reading implies it unless looking itself is denied.
  package func granted(except denied: OperationSet) -> OperationSet {
    guard !denied.contains(.all) else { return [] }
    var granted = self
    if contains(.all) { granted = .every }
    for operation in AclOperation.allCases where granted.contains(operation) { granted.formUnion(operation.implied) }
    return granted.subtracting(denied).subtracting(OperationSet(.all))
  }
}

/// Names of the protocol's words without what writers of them differ in.
enum PlainName {
  static func of(_ name: String) -> String { name.lowercased().filter { $0 != "_" } }
}
