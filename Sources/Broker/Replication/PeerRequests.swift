import Model
import NIOCore
import Wire

/// Sends requests to other brokers of the cluster.
protocol PeerRequests: Sendable {
  /// Sends a request. Requests of one fetcher to one broker are answered in order.
  ///
  /// - Parameter then: receives the response, or why there is none (the broker is not known or not reached, or does not answer within
  ///   `timeoutMs`); called once, on any thread.
  func send<R: Request>(
    _ request: R, to broker: BrokerID, fetcher: Int, on loop: any EventLoop, timeoutMs: Int,
    then: @escaping @Sendable (Result<R.Answer, any Error>) -> Void)
}
