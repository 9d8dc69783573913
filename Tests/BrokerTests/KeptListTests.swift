import Base
import Testing

@testable import Broker

@Suite("A list that keeps its memory")
struct KeptListTests {
  @Test("has what an array has", arguments: 0..<20 as Range<UInt64>)
  func isAnArray(seed: UInt64) {
    var random = SplitMix(seed: seed)
    var list = KeptList<Int>()
    var array: [Int] = []
    for step in 0..<500 {
      switch random.below(8) {
      case 0:
        list.removeAll()
        array.removeAll()
      case 1:
        let kept = random.below(array.count + 1)
        list.shorten(to: kept)
        array.removeLast(array.count - kept)
      case 2 where !array.isEmpty:
        let index = random.below(array.count)
        list[index] += step
        array[index] += step
      case 3:
        list.withUnsafeMutableBufferPointer { for index in $0.indices { $0[index] += 1 } }
        for index in array.indices { array[index] += 1 }
      default:
        list.append(step)
        array.append(step)
      }
      #expect(list.indices.map { list[$0] } == array && list.last == array.last, "seed \(seed), step \(step)")
      #expect(list.count == array.count && list.isEmpty == array.isEmpty)
    }
  }
}
