/// Which address a client connects from, where `--source-addresses` gives several: as if each client had a machine of its own.
extension LoadPlan {
  package func sourceAddress(ofProducer index: Int) -> String? { address(index) }

  /// The connections of one consumer (one of `--fan-out`) come from one address. Beside producers, consumers come after them.
  package func sourceAddress(ofConsumer number: Int) -> String? {
    address((command == .endToEnd ? connections : 0) + number / connections)
  }

  private func address(_ client: Int) -> String? {
    sourceAddresses.isEmpty ? nil : sourceAddresses[client % sourceAddresses.count]
  }
}
