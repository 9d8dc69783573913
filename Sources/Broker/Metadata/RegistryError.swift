/// The z-node tree is one that this broker cannot start from.
package struct RegistryError: Error, Equatable, CustomStringConvertible {
  package var description: String

  package init(_ description: String) { self.description = description }
}
