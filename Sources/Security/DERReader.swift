import SwiftASN1

/// Reads DER step by step: either one value, or what is left of the values of a sequence.
///
/// No function of it is inlined: Swift 6.3's optimiser ends in an error where `tag` and `nextIfAny` are, in one loop.
struct DERReader {
  private let node: ASN1Node?
  private var rest: [ASN1Node]

  init(_ bytes: [UInt8]) throws {
    node = try DER.parse(bytes)
    rest = []
  }

  private init(_ node: ASN1Node) {
    self.node = node
    rest = []
  }

  private init(of nodes: [ASN1Node]) {
    node = nil
    rest = nodes.reversed()
  }

  struct Unexpected: Error {}

  @inline(never) private func value() throws -> ASN1Node {
    guard let node else { throw Unexpected() }
    return node
  }

  @inline(never) private func children() throws -> [ASN1Node] {
    guard case .constructed(let nodes) = try value().content else { throw Unexpected() }
    return Array(nodes)
  }

  /// The values of this sequence or set.
  @inline(never) func sequence() throws -> DERReader {
    let node = try value()
    guard node.identifier == .sequence || node.identifier == .set else { throw Unexpected() }
    return DERReader(of: try children())
  }

  /// The one value within an explicit tag.
  @inline(never) func only() throws -> DERReader {
    guard try value().identifier.tagClass == .contextSpecific, let first = try children().first else {
      throw Unexpected()
    }
    return DERReader(first)
  }

  @inline(never) mutating func next() throws -> DERReader {
    guard let next = rest.popLast() else { throw Unexpected() }
    return DERReader(next)
  }

  @inline(never) mutating func nextIfAny() -> DERReader? { rest.popLast().map { DERReader($0) } }

  /// Whether this is the value of a tag of the context.
  @inline(never) var isContextTag: Bool { node?.identifier.tagClass == .contextSpecific }

  @inline(never) var tag: ASN1Identifier? { node?.identifier }

  @inline(never) func identifier() throws -> ASN1ObjectIdentifier { try ASN1ObjectIdentifier(derEncoded: value()) }

  @inline(never) func octets() throws -> [UInt8] { Array(try ASN1OctetString(derEncoded: value()).bytes) }

  /// The content of a primitive value, whatever its tag.
  @inline(never) func primitiveBytes() throws -> [UInt8] {
    guard case .primitive(let bytes) = try value().content else { throw Unexpected() }
    return Array(bytes)
  }

  @inline(never) func integer() throws -> Int { try Int(derEncoded: value()) }

  @inline(never) var encoded: [UInt8] { node.map { Array($0.encodedBytes) } ?? [] }
}
