/// The tree cannot be what this broker works from.
package struct RegistryError: Error, Equatable, CustomStringConvertible {
  package var description: String

  package init(_ description: String) { self.description = description }
}
