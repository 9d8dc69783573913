import Base
import NIOCore
import Synchronization

/// Writes down requests, one JSON object a line: every one (`millrace.request.log.enable`), or those that took long
/// (`millrace.slow.request.log.ms`).
///
/// Lines are gathered here and written by another thread, so that a slow reader of the log does not hold up an event loop. Beyond
/// `Limits.requestLogBytes` of them lines are dropped and counted.
package final class RequestLog: Sendable {
  private struct State {
    var lines: [UInt8] = []
    var isWriting = false
    var dropped = 0
  }

  /// Whether every request is written down; otherwise only slow ones.
  let writesAll: Bool
  /// Nanoseconds; nil where no request is slow.
  private let slowNs: Int64?
  private let wallMs: @Sendable () -> Int64
  private let offload: any Offload
  private let write: @Sendable ([UInt8]) -> Void
  private let state = Mutex(State())

  /// Returns nil when the configuration asks for no log.
  ///
  /// - Parameter write: takes whole lines; may wait. Called by one thread at a time.
  package init?(
    _ config: Config, wallMs: @escaping @Sendable () -> Int64, offload: any Offload,
    write: @escaping @Sendable ([UInt8]) -> Void
  ) {
    writesAll = config.requestLogEnable
    slowNs = config.slowRequestLogMs < 0 ? nil : min(config.slowRequestLogMs, Limits.timerMsMax) * 1_000_000
    guard writesAll || slowNs != nil else { return nil }
    self.wallMs = wallMs
    self.offload = offload
    self.write = write
  }

  /// Lines that were dropped.
  var dropped: Int { state.withLock { $0.dropped } }

  /// Who sent a request.
  struct Peer {
    /// Address and port.
    var client: String
    var listener: String
    /// As `User:name`.
    var principal: String
  }

  /// Writes down a request if it is to be.
  ///
  /// - Parameter count: how many requests were served together, of which `request` is the first.
  func take(_ request: RequestTimes.Ended, from peer: Peer, count: Int = 1) {
    let isSlow = slowNs.map { Self.slowness(request) >= $0 } ?? false
    guard writesAll || isSlow else { return }
    add(line(request, peer, count: count, isSlow: isSlow))
  }

  /// Whether requests that took so long together are to be written down.
  func isSlow(_ ns: Int64) -> Bool { slowNs.map { ns >= $0 } ?? false }

  /// The time that counts: without that in which a request waited because it asked to, for records or the members of its group.
  private static func slowness(_ request: RequestTimes.Ended) -> Int64 {
    let waitsByWish: Set<Int16> = [1, 11, 14]
    return waitsByWish.contains(request.head.apiKey) ? request.totalNs - request.remoteNs : request.totalNs
  }

  private func line(_ request: RequestTimes.Ended, _ peer: Peer, count: Int, isSlow: Bool) -> [UInt8] {
    let head = request.head
    var members: [JSON.Member] = [
      .init(name: "time", value: .string(UTCTime.text(ofMs: wallMs()))),
      .init(name: "request", value: .string(ApiNames.name(head.apiKey))),
      .init(name: "version", value: .int(Int64(head.version))),
      .init(name: "correlation_id", value: .int(Int64(head.correlationID))),
      .init(name: "client_id", value: head.clientID.map { .string($0) } ?? .null),
      .init(name: "principal", value: .string(peer.principal)),
      .init(name: "client", value: .string(peer.client)),
      .init(name: "listener", value: .string(peer.listener)),
      .init(name: "request_bytes", value: .int(Int64(request.requestBytes))),
      .init(name: "response_bytes", value: .int(Int64(request.responseBytes))),
    ]
    for (name, ns) in [
      ("total_us", request.totalNs), ("queue_us", request.queueNs), ("local_us", request.localNs),
      ("remote_us", request.remoteNs), ("send_us", request.sendNs),
    ] {
      members.append(.init(name: name, value: .int(ns / 1000)))
    }
    if count > 1 { members.append(.init(name: "together", value: .int(Int64(count)))) }
    if isSlow { members.append(.init(name: "slow", value: .bool(true))) }
    return JSON.object(members).encoded + [UInt8(ascii: "\n")]
  }

  private func add(_ line: [UInt8]) {
    let begins = state.withLock { state -> Bool in
      guard state.lines.count + line.count <= Limits.requestLogBytes else {
        state.dropped += 1
        return false
      }
      state.lines += line
      guard !state.isWriting else { return false }
      state.isWriting = true
      return true
    }
    if begins { offload.submit(.log) { self.writeGathered() } }
  }

  private func writeGathered() {
    while true {
      let lines = state.withLock { state -> [UInt8] in
        let lines = state.lines
        state.lines = []
        if lines.isEmpty { state.isWriting = false }
        return lines
      }
      if lines.isEmpty { return }
      write(lines)
    }
  }
}
