import Experiment
import Foundation
import Glibc
import Results

/// What lies between the broker and the generator of one run: nothing (loopback), a link of known speed, a relay that holds
/// what passes for half a round trip, or both.
///
///     generator ─ loopback ─ relay ─ link (veth, tbf) ─ broker        with `link_mbit_per_s` and `round_trip_ms`
///
/// The relay stands on the generator's side, so that what passes the link is the broker's traffic and nothing else.
final class RunNetwork {
  enum Limits {
    static let relaySeconds = 10.0
    static let roundTripMs = 0.0...10_000.0
  }

  private enum Ports {
    /// In namespaces of our own all are free.
    static let broker = 9092
  }

  let link: NetworkLink?
  let roundTripMs: Double
  /// Where the broker listens, and what it tells clients.
  let place: BrokerProcess.Place
  private let relay: ChildProcess?

  /// Of an arm at its levels; nil where the run uses loopback as it is.
  static func make(
    _ arm: Arm, _ values: RunValues, programs: ProcessRunner.Programs, directory: String
  ) throws(RunError) -> RunNetwork? {
    // A cluster makes its own.
    guard arm.broker?.cluster == nil else { return nil }
    func number(_ level: Level?, _ key: String) throws(RunError) -> Double {
      guard let text = level?.text else { return 0 }
      guard let value = values.number(text), value >= 0 else { throw .failed("\(key) `\(text)` is no number") }
      return value
    }
    let rate = try number(arm.broker?.network.linkMbitPerS, "link_mbit_per_s")
    let roundTrip = try number(arm.broker?.network.roundTripMs, "round_trip_ms")
    guard rate > 0 || roundTrip > 0 else { return nil }
    let congestion = values.filled(arm.options).first { $0.name == "congestion-control" }?.value.text
    return try RunNetwork(
      mbitPerSecond: rate > 0 ? rate : nil, links: arm.broker?.network.links ?? 1, roundTripMs: roundTrip,
      congestionControl: congestion,
      load: programs.load, directory: directory)
  }

  private init(
    mbitPerSecond: Double?, links: Int, roundTripMs: Double, congestionControl: String?, load: String, directory: String
  ) throws(RunError) {
    guard Limits.roundTripMs.contains(roundTripMs) else {
      throw .failed(
        "round_trip_ms \(Figures.text(roundTripMs)) is beyond \(Figures.text(Limits.roundTripMs.upperBound))")
    }
    self.roundTripMs = roundTripMs
    do throws(NetworkLink.Unavailable) {
      link = try mbitPerSecond.map { (rate) throws(NetworkLink.Unavailable) in
        try NetworkLink(mbitPerSecond: rate, count: links, scratch: directory)
      }
    } catch {
      throw .failed("the link: \(error)")
    }
    var place = BrokerProcess.Place(
      host: link == nil ? "127.0.0.1" : NetworkLink.brokerAddress, port: link == nil ? nil : Ports.broker,
      network: link?.brokerNamespace)
    guard roundTripMs > 0 else {
      relay = nil
      self.place = place
      return
    }
    do throws(RunError) {
      let port: Int
      if let given = place.port { port = given } else { port = try ListeningPort.free() }
      let started = try Self.startRelay(
        load, to: "\(place.host):\(port)", delayMs: roundTripMs / 2, congestionControl, link?.loadNamespace, directory)
      place.port = port
      place.advertised = "127.0.0.1:\(started.port)"
      relay = started.child
      self.place = place
    } catch {
      link?.remove()
      throw error
    }
  }

  /// The file of the namespace that the generator runs in; nil: ours.
  var loadNamespace: String? { link?.loadNamespace }

  private static func startRelay(
    _ program: String, to target: String, delayMs: Double, _ congestionControl: String?, _ namespace: String?,
    _ directory: String
  ) throws(RunError) -> (child: ChildProcess, port: Int) {
    let out = "\(directory)/relay.out"
    let errors = "\(directory)/relay.log"
    var arguments = ["relay", "--listen", "127.0.0.1:0", "--to", target, "--delay-ms", "\(delayMs)"]
    if let congestionControl { arguments += ["--congestion-control", congestionControl] }
    let child: ChildProcess
    do {
      child = try ChildProcess(
        program: program, arguments: arguments, outPath: out, errPath: errors, network: namespace)
    } catch {
      throw .failed("\(error)")
    }
    let deadline = Uptime.seconds + Limits.relaySeconds
    while Uptime.seconds < deadline {
      if let end = child.poll() { throw .failed("the relay ended with \(end): \(BrokerProcess.lastLine(errors))") }
      // `listening on 127.0.0.1:40123`, once it does.
      if let text = SmallFile.read(out), text.hasSuffix("\n"), let port = text.dropLast().split(separator: ":").last,
        let number = Int(port)
      {
        return (child, number)
      }
      Uptime.nap(milliseconds: 1)
    }
    throw .failed("the relay does not listen: \(BrokerProcess.lastLine(errors))")
  }

  /// Nil without a relay. Its work is none of others' when the machine's CPU is accounted for.
  var relayCPUSeconds: Double? { relay.flatMap { ProcessFigures.of(pid: $0.pid)?.cpuSeconds } }

  /// Why the relay cannot be trusted any more; nil while it runs, and without one.
  var relayFault: String? { relay?.poll().map { "the relay ended with \($0) during the run" } }

  /// Of the broker's end.
  func linkFigures(broker: Int32) -> LinkFigures? {
    link.flatMap { LinkFigures.of($0, broker: broker) }
  }

  /// Ends the relay and takes the link away. It keeps nothing that would have to be saved.
  func remove() {
    relay?.kill()
    link?.remove()
  }
}
