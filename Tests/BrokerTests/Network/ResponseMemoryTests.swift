import NIOCore
import Testing

@testable import Broker

@Suite("The memory of responses")
struct ResponseMemoryTests {
  private func address(_ buffer: ByteBuffer) -> UnsafeRawPointer? {
    buffer.withVeryUnsafeBytes { $0.baseAddress }
  }

  @Test("is that of the response before, once it has left")
  func isKept() {
    var memory = ResponseMemory()
    var first: ByteBuffer? = memory.take(100)
    first?.writeString("first")
    memory.keep(first!)
    let before = address(first!)
    first = nil
    let second = memory.take(100)
    #expect(address(second) == before && second.readableBytes == 0)
  }

  @Test("is another while a response is on its way, and changes no byte of it")
  func isNotTaken() {
    var memory = ResponseMemory()
    var first = memory.take(100)
    first.writeString("first")
    memory.keep(first)
    var part = first
    part.moveReaderIndex(forwardBy: 1)
    first = ByteBuffer()
    var second = memory.take(100)
    second.writeString("second")
    #expect(String(buffer: part) == "irst" && String(buffer: second) == "second")
  }

  @Test("has room for what is asked, and no more is kept than an event loop should have")
  func isBounded() {
    var memory = ResponseMemory()
    memory.keep(memory.take(10))
    let large = memory.take(Limits.responseBytesKept + 1)
    #expect(large.writableBytes > Limits.responseBytesKept)
    let before = address(large)
    memory.keep(large)
    let other = memory.take(1)
    #expect(address(other) != before)
  }
}
