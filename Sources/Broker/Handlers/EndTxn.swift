import Cluster
import Model
import Wire

extension LocalBroker {
  /// Commits or aborts a transaction. The response says that the outcome is decided; version 5 has the producer id and epoch that the client
  /// has from then on (transaction version 2).
  func endTxn(_ request: EndTxnRequest, _ context: RequestContext) -> HandlerResult<EndTxnResponse> {
    guard !request.transactionalID.isEmpty else { return .now(.with { $0.errorCode = .invalidRequest }) }
    let pending = context.pending(EndTxnResponse.self)
    let asked = Transactions.End(
      transactionalID: request.transactionalID,
      producer: .init(id: request.producerID, epoch: request.producerEpoch),
      outcome: request.committed ? .commit : .abort,
      version: context.version >= Self.endTxnRaisesEpochFrom ? TransactionState.Limits.epochRisesFrom : 0)
    transactions.end(asked) { answer in
      var response = EndTxnResponse()
      switch answer {
      case .producer(let id, let epoch): (response.producerID, response.producerEpoch) = (id, epoch)
      case .refused(let code): response.errorCode = code.asKnown(to: context.version, fencedFrom: 2)
      case .done: break
      }
      pending.complete(response)
    }
    return .pending
  }

  /// The version of EndTxn from which on each transaction has an epoch of its own.
  private static var endTxnRaisesEpochFrom: Int16 { 5 }
}
