/// Identifies an idempotent or transactional producer: the id that a coordinator gave it, and how often the id was given out.
package struct ProducerIdentity: Hashable, Sendable {
  package var id: Int64
  package var epoch: Int16

  package init(id: Int64, epoch: Int16) {
    self.id = id
    self.epoch = epoch
  }
}
