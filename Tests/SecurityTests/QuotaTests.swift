import Base
import Security
import Testing

@Suite struct QuotaTests {
  private static let eight = [
    QuotaEntity(user: .named("u"), clientID: .named("c")), QuotaEntity(user: .named("u"), clientID: .byDefault),
    QuotaEntity(user: .named("u")), QuotaEntity(user: .byDefault, clientID: .named("c")),
    QuotaEntity(user: .byDefault, clientID: .byDefault), QuotaEntity(user: .byDefault),
    QuotaEntity(clientID: .named("c")), QuotaEntity(clientID: .byDefault),
  ]

  // MARK: Which quota counts

  @Test func `of the eight quotas that may be for a client the first that is set counts`() {
    var values = Dictionary(
      uniqueKeysWithValues: Self.eight.enumerated().map { ($1, [QuotaKey.producerByteRate: Double($0 + 1)]) })
    for (place, entity) in Self.eight.enumerated() {
      let table = QuotaTable().replacing(values)
      let limit = table.limit(.producerByteRate, user: "u", clientID: "c")
      #expect(limit?.perSecond == Double(place + 1), "\(entity)")
      #expect(table.limit(.consumerByteRate, user: "u", clientID: "c") == nil)
      values[entity] = nil
    }
    #expect(QuotaTable().replacing(values).limit(.producerByteRate, user: "u", clientID: "c") == nil)
  }

  @Test func `a quota of one kind leaves another kind to the next entity`() {
    let table = QuotaTable().replacing([
      QuotaEntity(user: .named("u")): [.producerByteRate: 1],
      QuotaEntity(clientID: .named("c")): [.consumerByteRate: 2],
    ])
    #expect(table.limit(.producerByteRate, user: "u", clientID: "c")?.perSecond == 1)
    #expect(table.limit(.consumerByteRate, user: "u", clientID: "c")?.perSecond == 2)
  }

  @Test func `a user's quota is shared by its clients, a default is each user's own`() {
    let table = QuotaTable().replacing([QuotaEntity(user: .byDefault): [.producerByteRate: 1]])
    #expect(
      table.limit(.producerByteRate, user: "u", clientID: "c")?.scope
        == table.limit(.producerByteRate, user: "u", clientID: "d")?.scope)
    #expect(
      table.limit(.producerByteRate, user: "u", clientID: "c")?.scope
        != table.limit(.producerByteRate, user: "v", clientID: "c")?.scope)
    let both = QuotaTable().replacing([QuotaEntity(user: .byDefault, clientID: .byDefault): [.producerByteRate: 1]])
    #expect(
      both.limit(.producerByteRate, user: "u", clientID: "c")?.scope
        != both.limit(.producerByteRate, user: "u", clientID: "d")?.scope)
  }

  // MARK: Windows

  @Test func `a rate is counted over ten seconds at least, and a client waits until it is the quota's`() {
    var window = QuotaWindow(QuotaWindowSize())
    window.record(2_000, nowMs: 5_000)
    #expect(window.rate(nowMs: 5_000) == 200)
    #expect(window.throttleMs(limit: 100, nowMs: 5_000) == 10_000)
    #expect(window.throttleMs(limit: 200, nowMs: 5_000) == 0)
  }

  @Test func `what is older than all samples counts no more`() {
    var window = QuotaWindow(QuotaWindowSize())
    window.record(1_100, nowMs: 0)
    #expect(window.rate(nowMs: 10_500) > 100)
    #expect(!window.isOver(nowMs: 10_999))
    #expect(window.isOver(nowMs: 11_000))
    #expect(window.rate(nowMs: 11_000) == 0)
  }

  @Test func `a client that waits as long as it is told keeps to its quota`() {
    var window = QuotaWindow(QuotaWindowSize())
    var now: Int64 = 1_000
    var sent = 0.0
    while now < 121_000 {
      window.record(700, nowMs: now)
      sent += 700
      now += window.throttleMs(limit: 1_000, nowMs: now) + 5
    }
    let rate = sent / 120
    #expect(rate > 800 && rate < 1_200, "\(rate) a second")
  }

  @Test func `time that goes back, and amounts without measure, end nothing`() {
    var window = QuotaWindow(QuotaWindowSize(samples: 0, sampleMs: -5))
    window.record(.greatestFiniteMagnitude, nowMs: .max)
    window.record(.greatestFiniteMagnitude, nowMs: 0)
    #expect(window.throttleMs(limit: 1, nowMs: 0) >= 0)
    #expect(window.throttleMs(limit: 0, nowMs: 1) >= 0)
  }

  // MARK: Mutations

  @Test func `strict changes are refused while too many were made, and accepted again when the bucket has filled`() {
    var meters = QuotaMeters()
    meters.replaceAll([QuotaEntity(user: .named("u")): [.controllerMutationRate: 2]])
    func make(_ counts: [Int], at nowMs: Int64, isStrict: Bool = true) -> ([Bool], Int64) {
      let (accepted, ms) = meters.recordMutations(counts, isStrict: isStrict, user: "u", clientID: "c", nowMs: nowMs)
      return (accepted, ms)
    }
    // Eleven seconds' worth at once, and one request may overdraw.
    #expect(make([20, 10, 1], at: 0) == ([true, true, false], 4_000))
    #expect(make([1], at: 3_000) == ([false], 1_000))
    #expect(make([1], at: 4_000) == ([true], 500))
    #expect(make([5], at: 4_000, isStrict: false) == ([true], 3_000))
  }

  @Test func `without a quota nothing is counted`() {
    var meters = QuotaMeters()
    #expect(meters.record(.producerByteRate, 1e12, user: "u", clientID: "c", nowMs: 0) == 0)
    #expect(meters.recordMutations([1000], isStrict: true, user: "u", clientID: "c", nowMs: 0).accepted == [true])
    #expect(meters.connectionWaitMs(of: "192.0.2.1", nowMs: 0) == 0)
    #expect(meters.count == 0)
  }

  @Test func `the wait for time that was used is one sample at most`() {
    var meters = QuotaMeters()
    meters.replaceAll([QuotaEntity(clientID: .byDefault): [.requestPercentage: 1]])
    #expect(meters.record(.requestPercentage, 1_000, user: "u", clientID: "c", nowMs: 0) == 1_000)
  }

  @Test func `a consumer gets no more bytes than its quota allows, and one batch in any case`() {
    var meters = QuotaMeters(QuotaWindowSize(samples: 2, sampleMs: 1_000))
    meters.replaceAll([QuotaEntity(clientID: .byDefault): [.consumerByteRate: 100]])
    func consume(_ amount: Double, at ms: Int64) -> (throttleMs: Int64, isSent: Bool) {
      meters.recordConsumed(amount, user: "u", clientID: "c", nowMs: ms)
    }
    #expect(consume(60, at: 0) == (0, true))
    #expect(consume(80, at: 0) == (400, false))
    #expect(consume(40, at: 0) == (0, true), "what was not sent does not count")
    #expect(consume(0, at: 0) == (0, true))
    // Larger than all that a window allows.
    #expect(consume(1_000, at: 1_500).isSent == false)
    #expect(consume(1_000, at: 5_000) == (9_000, true))
    #expect(consume(0, at: 5_000).isSent, "there is nothing to withhold")
  }

  @Test func `requests may be served together where they leave the client within its quota`() {
    var meters = QuotaMeters(QuotaWindowSize(samples: 2, sampleMs: 1_000))
    meters.replaceAll([
      QuotaEntity(clientID: .named("p")): [.producerByteRate: 100],
      QuotaEntity(clientID: .named("t")): [.requestPercentage: 100],
    ])
    func together(_ bytesMax: Double, _ clientID: String, _ key: QuotaKey = .producerByteRate) -> QuotaMeters.Together?
    {
      meters.together(key, bytesMax: bytesMax, user: "u", clientID: clientID, nowMs: 0)
    }
    #expect(together(100, "p") == .init(countsBytes: true, countsTime: false))
    #expect(together(101, "p") == nil)
    #expect(meters.record(.producerByteRate, 60, user: "u", clientID: "p", nowMs: 0) == 0)
    #expect(together(41, "p") == nil, "asking counts nothing, having counts")
    #expect(together(40, "p") == .init(countsBytes: true, countsTime: false))
    #expect(together(1e9, "p", .consumerByteRate) == .init(countsBytes: false, countsTime: false))
    #expect(together(1e9, "other") == .init(countsBytes: false, countsTime: false))
    // The time that they take is known afterwards: over its quota a client is served request by request, and muted.
    #expect(together(1, "t") == .init(countsBytes: false, countsTime: true))
    #expect(meters.record(.requestPercentage, 101, user: "u", clientID: "t", nowMs: 0) > 0)
    #expect(together(1, "t") == nil && together(1, "t", .consumerByteRate) == nil)
    // What was looked up goes with the table.
    meters.replace([QuotaEntity(clientID: .named("t")): [:]])
    #expect(together(1, "t") == .init(countsBytes: false, countsTime: false))
  }

  @Test func `an address may connect as often as its quota says`() {
    var meters = QuotaMeters()
    meters.replaceAll([
      QuotaEntity(ip: .byDefault): [.connectionCreationRate: 1],
      QuotaEntity(ip: .named("192.0.2.9")): [.connectionCreationRate: 100],
    ])
    let accepted = (0..<100).count { _ in meters.connectionWaitMs(of: "192.0.2.1", nowMs: 0) == 0 }
    #expect(accepted == 10)
    #expect(meters.connectionWaitMs(of: "192.0.2.2", nowMs: 0) == 0)
    #expect((0..<100).count { _ in meters.connectionWaitMs(of: "192.0.2.9", nowMs: 0) == 0 } == 100)
    #expect(meters.connectionWaitMs(of: "192.0.2.1", nowMs: 0) == 1_000, "one sample at most")
    #expect(meters.connectionWaitMs(of: "192.0.2.1", nowMs: 20_000) == 0)
  }

  // MARK: z-nodes

  @Test func `entities are named as Kafka's z-nodes are`() {
    let names = Self.eight.map(\.path) + [QuotaEntity(ip: .byDefault).path, QuotaEntity(ip: .named("192.0.2.1")).path]
    #expect(
      names == [
        "users/u/clients/c", "users/u/clients/<default>", "users/u", "users/<default>/clients/c",
        "users/<default>/clients/<default>", "users/<default>", "clients/c", "clients/<default>", "ips/<default>",
        "ips/192.0.2.1",
      ])
    for name in names { #expect(QuotaEntity(path: name)?.path == name) }
    for name in ["topics/t", "users", "users/u/clients", "users/u/other/c", "brokers/1", "", "users/%zz"] {
      #expect(QuotaEntity(path: name) == nil)
    }
  }

  @Test(arguments: [
    ("CN=a b,O=*", "CN%3Da%20b%2CO%3D%2A"), ("ä/<default>", "%C3%A4%2F%3Cdefault%3E"), ("a.b-c_d", "a.b-c_d"),
  ])
  func `names are encoded for paths as Kafka does`(name: String, encoded: String) {
    #expect(SanitizedName.of(name) == encoded)
    #expect(SanitizedName.name(encoded) == name)
  }

  @Test func `a change of quotas leaves a user's other values as they are`() throws {
    let data = Array(#"{"version":1,"config":{"SCRAM-SHA-256":"salt=x","producer_byte_rate":"10"}}"#.utf8)
    let node = try QuotaZNode("/config/users/u", data: data)
    #expect(node.quotas == [.producerByteRate: 10])
    let changed = node.changing([.producerByteRate: nil, .requestPercentage: 12.5, .consumerByteRate: 1024])
    #expect(
      String(decoding: changed.data, as: UTF8.self)
        == #"{"version":1,"config":{"SCRAM-SHA-256":"salt=x","consumer_byte_rate":"1024","request_percentage":"12.5"}}"#
    )
    #expect(try QuotaZNode("/config/users/u", data: []).quotas == [:])
    #expect(throws: AclZNodeError.self) { try QuotaZNode("/config/users/u", data: Array("{}".utf8)) }
  }
}
