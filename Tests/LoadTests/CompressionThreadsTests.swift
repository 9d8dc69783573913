import Base
import Synchronization
import Testing

@testable import Load

@Suite("Threads that compress")
struct CompressionThreadsTests {
  @Test("do everything that they get, begin it in order, and end", arguments: [1, 3])
  func order(count: Int) async {
    let threads = CompressionThreads(count)
    #expect(threads.ahead == 2 * count)
    let begun = Mutex<[Int]>([])
    await withCheckedContinuation { done in
      for number in 0..<500 {
        threads.run {
          let all = begun.withLock { begun in
            begun.append(number)
            return begun.count
          }
          if all == 500 { done.resume() }
        }
      }
    }
    await threads.end()
    let order = begun.withLock { $0 }
    #expect(order.sorted() == Array(0..<500))
    if count == 1 { #expect(order == Array(0..<500)) }
  }

  @Test("measure the share of a core that they use")
  func shares() async {
    let threads = CompressionThreads(2)
    await withCheckedContinuation { done in
      threads.run {
        let endNs = Clocks.threadCPUNs() + 150_000_000
        while Clocks.threadCPUNs() < endNs {}
        done.resume()
      }
    }
    await threads.end()
    #expect(threads.cpuShares.count == 1)
    #expect(threads.cpuShares.allSatisfy { $0 > 0 && $0 <= 1 }, "\(threads.cpuShares)")
  }
}
