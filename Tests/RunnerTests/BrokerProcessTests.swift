import Foundation
import Glibc
import Testing

@testable import Experiment
@testable import LabFixtures
@testable import Results
@testable import Runner

@Suite("A broker's processes")
struct BrokerProcessTests {
  @Test("a line of /proc/PID/stat is read whatever the program is called")
  func stat() {
    #expect(
      ProcessTree.Entry(stat: "12 (a) b) Z 7 9 9 0 -1")
        == ProcessTree.Entry(pid: 12, parent: 7, group: 9, isZombie: true))
    #expect(ProcessTree.Entry(stat: "12 (java) S 7") == nil && ProcessTree.Entry(stat: "") == nil)
    let fields = "12 (java) S 7 9 9 0 -1 0 0 0 0 0 150 50 30 10 20"
    let each = Double(sysconf(Int32(_SC_CLK_TCK)))
    let seconds = ProcessFigures.tickedSeconds(fields)
    #expect(seconds.own == 200 / each && seconds.children == 40 / each)
  }

  @Test("a broker is its program, the program's group, and what descends from either; the ended are none of it")
  func tree() {
    let all = [
      ProcessTree.Entry(pid: 10, parent: 1, group: 10), ProcessTree.Entry(pid: 11, parent: 10, group: 10),
      ProcessTree.Entry(pid: 12, parent: 11, group: 12), ProcessTree.Entry(pid: 13, parent: 1, group: 10),
      ProcessTree.Entry(pid: 14, parent: 10, group: 10, isZombie: true),
      ProcessTree.Entry(pid: 20, parent: 1, group: 20),
      ProcessTree.Entry(pid: 21, parent: 20, group: 20),
    ]
    #expect(ProcessTree.members(of: [10], among: all) == [10, 11, 12, 13])
    #expect(ProcessTree.members(of: [10, 20], among: all) == [10, 11, 12, 13, 20, 21])
    #expect(ProcessTree.members(of: [99], among: all) == [])
  }

  @Test("a group is stopped with what its program left behind")
  func group() throws {
    let scratch = try ScratchDirectory("group")
    // The program ends at once; its child goes on and does not hear SIGTERM.
    let child = try ChildProcess(
      program: "/bin/sh", arguments: ["-c", "trap '' TERM; sleep 600 & echo $!; exit 3"],
      outPath: "\(scratch.path)/out", errPath: "\(scratch.path)/err")
    while child.poll() == nil { Uptime.nap(milliseconds: 1) }
    let left = try #require(SmallFile.line("\(scratch.path)/out").flatMap { Int32($0) })
    #expect(ProcessTree.members(of: [child.pid], among: ProcessTree.all()) == [left])
    #expect(ProcessFigures.of(pids: [left])?.residentMiB ?? 0 > 0)
    #expect(child.stopGroup(by: SIGTERM, grace: 0.05) == .exited(3))
    #expect(ProcessTree.members(of: [child.pid], among: ProcessTree.all()) == [])
  }

  @Test("a port is open when the kernel lists a listener at it, of either family")
  func ports() {
    let table = """
        sl  local_address rem_address   st tx_queue rx_queue
         0: 0100007F:2384 00000000:0000 0A 00000000:00000000
         1: 0100007F:2385 0100007F:9000 01 00000000:00000000
         2: 00000000000000000000000000000000:0050 00000000000000000000000000000000:0000 0A 00000000:00000000
      """
    #expect(ListeningPort.isListed(9092, in: table) && ListeningPort.isListed(80, in: table))
    #expect(!ListeningPort.isListed(9093, in: table), "a connection is no listener")
    #expect(!ListeningPort.isListed(36_864, in: table), "that is the other end's port")
  }

  @Test("free ports are different, and none is the one that is taken")
  func free() throws {
    let taken = try ListeningPort.free()
    let ports = try ListeningPort.free(count: 20, besides: taken)
    #expect(Set(ports).count == 20 && !ports.contains(taken))
  }

  @Test("a listener that does not speak Kafka's protocol is no broker")
  func stranger() throws {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    defer { close(descriptor) }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    withUnsafeMutablePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        _ = bind(descriptor, $0, length)
        _ = getsockname(descriptor, $0, &length)
      }
    }
    let port = Int(UInt16(bigEndian: address.sin_port))
    #expect(!ListeningPort.isOpen(port))
    listen(descriptor, 1)
    #expect(ListeningPort.isOpen(port))
    let peer = Thread {
      let accepted = accept(descriptor, nil, nil)
      _ = "HTTP/1.1 400 Bad Request\r\n\r\n".withCString { send(accepted, $0, strlen($0), 0) }
      close(accepted)
    }
    peer.start()
    #expect(!ListeningPort.answers(port))
  }

  @Test("a partition's files are found by the driver's pattern, the broker's own topics left out")
  func segments() throws {
    let scratch = try ScratchDirectory("segments")
    for name in [
      "bench-0/00.log", "bench-0/00.index", "bench-1/00.log", "bench-2.x-delete/00.log", "__offsets-0/00.log",
      "other-0/00.log",
    ] {
      let file = URL(fileURLWithPath: "\(scratch.path)/logs/\(name)")
      try FileManager.default.createDirectory(at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
      try Data("12345".utf8).write(to: file)
    }
    var driver = BrokerDriver.millrace
    driver.segments = "logs/{topic}-*/*.log"
    let files = SegmentFiles(of: driver, in: scratch.path)
    #expect(files.bytes(of: "bench") == 10)
    #expect(
      files.paths(of: nil).map { $0.dropFirst(scratch.path.count) } == [
        "/logs/bench-0/00.log", "/logs/bench-1/00.log", "/logs/other-0/00.log",
      ])
    driver.segments = nil
    #expect(SegmentFiles(of: driver, in: scratch.path).paths(of: nil) == [])
  }

  @Test("the installed version is read from a file's name, or from what a program says of itself")
  func versions() throws {
    let scratch = try ScratchDirectory("versions")
    for name in ["other-x.jar", "other-1.2.3.jar", "start"] {
      try Data("#!/bin/sh\necho other 4.5\n".utf8).write(to: URL(fileURLWithPath: "\(scratch.path)/\(name)"))
    }
    chmod("\(scratch.path)/start", 0o755)
    var driver = BrokerDriver.millrace
    (driver.name, driver.label, driver.needs, driver.command) = ("other", "Other", ["start"], ["{directory}/start"])
    func version(_ source: BrokerDriver.Version?) throws -> String? {
      driver.version = source
      return try BrokerUnderTest(installed: driver, directory: scratch.path).version
    }
    #expect(try version(.init(file: "other-{version}.jar", command: [])) == "1.2.3")
    #expect(try version(.init(file: nil, command: ["{directory}/start", "--version"])) == "4.5")
    #expect(try version(nil) == nil)
    chmod("\(scratch.path)/start", 0o644)
    #expect { try version(nil) } throws: { "\($0)".contains("chmod +x \(scratch.path)/start") }
    #expect(throws: BrokerUnderTest.Missing.self) { try BrokerUnderTest(installed: driver, directory: nil) }
  }
}
