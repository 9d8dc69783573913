import Foundation
import Glibc
import Testing

@testable import Experiment
@testable import LabFixtures
@testable import Runner

@Suite("Spent files") struct SpentFilesTests {
  @Test("A run's files lose their bytes and keep their inodes until the campaign is over")
  func emptiedAndKept() throws {
    let place = try Scratch()
    let run = "\(place.path)/run"
    try FileManager.default.createDirectory(atPath: "\(run)/topic-0", withIntermediateDirectories: true)
    try Data(repeating: 7, count: 1 << 20).write(to: URL(fileURLWithPath: "\(run)/topic-0/0.log"))
    let elsewhere = "\(place.path)/elsewhere"
    try Data([1, 2, 3]).write(to: URL(fileURLWithPath: elsewhere))
    try FileManager.default.createSymbolicLink(atPath: "\(run)/link", withDestinationPath: elsewhere)
    let inode = try #require(Self.status("\(run)/topic-0/0.log")).st_ino

    var spent = SpentFiles(in: "\(place.path)/spent")
    spent.discard(run)
    #expect(access(run, F_OK) != 0)
    let kept = try #require(Self.status("\(place.path)/spent/1/topic-0/0.log"))
    #expect(kept.st_ino == inode)
    #expect(kept.st_size == 0 && kept.st_blocks == 0)
    #expect(Self.status(elsewhere)?.st_size == 3, "what a link points to is not the run's")

    spent.discard(run)
    #expect(access("\(place.path)/spent/2", F_OK) != 0, "what is not there is no second")
  }

  private static func status(_ path: String) -> stat? {
    var status = stat()
    return lstat(path, &status) == 0 ? status : nil
  }
}
