/// The connections of an event loop whose clients are not known yet, by their addresses. A value apart from I/O.
///
/// Where there are too many, the oldest goes: of the address of the new one where that has its share, otherwise of the address that has the most.
/// Strangers from one address keep nobody else out, and a client that authenticates without delay is seldom the oldest.
struct UnauthenticatedConnections<Connection: AnyObject> {
  private struct Entry {
    /// In the order of arrival.
    var number: Int
    var connection: Connection
  }

  /// The oldest first.
  private var lines: [String: [Entry]] = [:]
  private var numbers = 0
  private let most: Int
  private let mostOfAddress: Int
  private(set) var count = 0
  /// Those that had to go.
  private(set) var displaced = 0

  init(most: Int, ofAddress mostOfAddress: Int) {
    self.most = most
    self.mostOfAddress = mostOfAddress
  }

  /// All of them, the oldest first.
  var all: [Connection] {
    lines.values.joined().sorted { $0.number < $1.number }.map(\.connection)
  }

  /// Takes in a new one.
  ///
  /// - Returns: one that is to be closed instead, and counts no more.
  mutating func add(_ connection: Connection, of address: String) -> Connection? {
    var gone: Connection?
    if lines[address].map({ $0.count >= mostOfAddress }) ?? false {
      gone = removeOldest(of: address)
    } else if count >= most, let crowd = crowd {
      gone = removeOldest(of: crowd)
    }
    numbers += 1
    count += 1
    lines[address, default: []].append(Entry(number: numbers, connection: connection))
    return gone
  }

  /// Removes one, if it is still there.
  mutating func remove(_ connection: Connection, of address: String) {
    guard let index = lines[address]?.firstIndex(where: { $0.connection === connection }) else { return }
    removeEntry(index, of: address)
  }

  private mutating func removeOldest(of address: String) -> Connection? {
    guard let oldest = lines[address]?.first else { return nil }
    removeEntry(0, of: address)
    displaced += 1
    return oldest.connection
  }

  private mutating func removeEntry(_ index: Int, of address: String) {
    lines[address]?.remove(at: index)
    if lines[address]?.isEmpty == true { lines[address] = nil }
    count -= 1
  }

  /// The address that has the most; of several the one that has the oldest connection.
  private var crowd: String? {
    lines.max { one, other in
      guard one.value.count == other.value.count else { return one.value.count < other.value.count }
      return (one.value.first?.number ?? 0) > (other.value.first?.number ?? 0)
    }?.key
  }
}
