import Cluster
import Model
import Wire

extension LocalBroker {
  /// Writes transaction markers, for another broker's coordinator or an administrator who aborts a transaction that hangs. Each partition's
  /// code says whether every in-sync replica has its marker.
  func writeTxnMarkers(
    _ request: WriteTxnMarkersRequest, _ context: RequestContext
  ) -> HandlerResult<WriteTxnMarkersResponse> {
    let pending = context.pending(WriteTxnMarkersResponse.self)
    let gathered = GatheredAnswers<WriteTxnMarkersResponse.Marker>(request.markers.count) { markers in
      pending.complete(.with { $0.markers = markers })
    }
    let count = request.markers.reduce(0) { $0 + $1.topics.reduce(1) { $0 + 1 + $1.partitionIndexes.count } }
    let work: @Sendable () -> Void = {
      for (place, asked) in request.markers.enumerated() {
        self.writeMarkers(
          EndTransactionMarker(asked.transactionResult ? .commit : .abort, coordinatorEpoch: asked.coordinatorEpoch),
          of: .init(id: asked.producerID, epoch: asked.producerEpoch), to: asked.names
        ) { codes in gathered.give(asked.result(codes), at: place) }
      }
    }
    if count <= Limits.servedOnLoop { work() } else { offload.submit(.request, work) }
    return .pending
  }
}

extension WriteTxnMarkersRequest.Marker {
  fileprivate var names: [TopicPartition] {
    topics.flatMap { topic in topic.partitionIndexes.map { TopicPartition(topic.name, $0) } }
  }

  /// - Parameter codes: of the partitions in the order of `names`.
  fileprivate func result(_ codes: [ErrorCode]) -> WriteTxnMarkersResponse.Marker {
    var rest = codes[...]
    return .with { result in
      result.producerID = producerID
      result.topics = topics.map { topic in
        .with { written in
          written.name = topic.name
          written.partitions = topic.partitionIndexes.map { index in
            .with { ($0.partitionIndex, $0.errorCode) = (index, rest.popFirst() ?? .unknownServerError) }
          }
        }
      }
    }
  }
}
