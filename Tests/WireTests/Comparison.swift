import Foundation
import Model
import NIOCore
import Wire

/// Where a decoded value differs from Kafka's JSON of it: nothing when every field is equal.
///
/// The JSON has the fields of its version, and of the tagged fields those that are not at their default. What it lacks must be at its default.
func differences(_ value: Any, _ json: JSON, at path: String) -> [String] {
  if let structure = value as? any WireStruct {
    guard case .object(let fields) = json else { return ["\(path): \(structure) is not \(json)"] }
    return structDifferences(structure, fields, at: path)
  }
  let mirror = Mirror(reflecting: value)
  switch mirror.displayStyle {
  case .optional:
    guard let content = mirror.children.first?.value else {
      return json == .null ? [] : ["\(path): nil is not \(json)"]
    }
    return differences(content, json, at: path)
  case .collection:
    guard case .array(let elements) = json, elements.count == mirror.children.count else {
      return ["\(path): \(mirror.children.count) elements are not \(json)"]
    }
    return zip(mirror.children, elements).enumerated().flatMap { index, pair in
      differences(pair.0.value, pair.1, at: "\(path)[\(index)]")
    }
  default:
    let scalar = kafkaJSON(value)
    return scalar == json ? [] : ["\(path): \(scalar.map { "\($0)" } ?? "\(value)") is not \(json)"]
  }
}

private func structDifferences(_ structure: any WireStruct, _ fields: [String: JSON], at path: String) -> [String] {
  var unseen = Set(fields.keys)
  var found: [String] = []
  let standard = Mirror(reflecting: type(of: structure).init()).children
  for (child, standardChild) in zip(Mirror(reflecting: structure).children, standard) {
    let name = kafkaName(child.label!, in: structure)
    if let json = fields[name] {
      unseen.remove(name)
      found += differences(child.value, json, at: "\(path).\(name)")
      continue
    }
    let field = child.value as! any Equatable
    if !isEqual(field, standardChild.value) {
      found.append("\(path).\(name): \(child.value) is not left at its default")
    }
  }
  return found + unseen.sorted().map { "\(path).\($0): no such field" }
}

private func isEqual<T: Equatable>(_ a: T, _ b: Any) -> Bool { a == b as? T }

/// Our lower camel case writes `topicID` for Kafka's `topicId`; two fields of the request header have longer names there.
private func kafkaName(_ label: String, in structure: any WireStruct) -> String {
  switch label {
  case "apiKey" where structure is RequestHeader: "requestApiKey"
  case "apiVersion" where structure is RequestHeader: "requestApiVersion"
  default: label.replacing("IDs", with: "Ids").replacing("ID", with: "Id")
  }
}

/// A field without parts as Kafka prints it: bytes in base64, uuids in unpadded base64url.
private func kafkaJSON(_ value: Any) -> JSON? {
  switch value {
  case let bool as Bool: .bool(bool)
  case let integer as any BinaryInteger: .integer(Int64(integer))
  case let double as Double: Int64(exactly: double).map { .integer($0) } ?? .double(double)
  case let code as ErrorCode: .integer(Int64(code.rawValue))
  case let offset as Offset: .integer(offset.rawValue)
  case let string as String: .string(string)
  case let uuid as UUID128: .string(uuid.description)
  case let bytes as ByteBuffer: .string(base64(bytes))
  case let records as Records: records.bytes.map { .string(base64($0)) } ?? .null
  default: nil
  }
}

private func base64(_ bytes: ByteBuffer) -> String { Data(bytes.readableBytesView).base64EncodedString() }
