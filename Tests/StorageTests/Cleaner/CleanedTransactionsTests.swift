import Model
import Testing

@testable import Storage

@Suite("Transactions that a cleaning comes past")
struct CleanedTransactionsTests {
  private func header(_ producer: Int64, at base: Offset, transactional: Bool = true) -> RecordBatchHeader {
    var header = RecordBatchHeader()
    header.baseOffset = base
    header.producerID = producer
    header.count = 1
    header.attributes.isTransactional = transactional
    return header
  }

  private func aborted(_ producer: Int64, _ first: Offset, _ last: Offset) -> AbortedTransaction {
    AbortedTransaction(producerID: producer, firstOffset: first, lastOffset: last, lastStableOffset: last + 1)
  }

  @Test("records between an aborted transaction's first and its marker go; those of others stay")
  func aborts() {
    let aborted = aborted(7, 10, 15)
    var transactions = CleanedTransactions(aborted: [aborted])
    #expect(transactions.read(header(7, at: 9)) == false, "the transaction before")
    #expect(transactions.read(header(7, at: 9), endingAs: .commit) == .needed(nil))
    #expect(transactions.read(header(7, at: 10)) == true)
    #expect(transactions.read(header(8, at: 11)) == false)
    #expect(transactions.read(header(7, at: 12, transactional: false)) == false)
    #expect(transactions.read(header(7, at: 13)) == true)
    #expect(transactions.read(header(7, at: 15), endingAs: .abort) == .needed(aborted))
    #expect(transactions.read(header(7, at: 16)) == false, "the next transaction")
  }

  @Test("a marker is needed while a batch of its transaction is read, and outlived then")
  func markers() {
    var transactions = CleanedTransactions(aborted: [aborted(7, 10, 15)])
    #expect(transactions.read(header(7, at: 15), endingAs: .abort) == .outlived)
    #expect(transactions.read(header(8, at: 16), endingAs: .commit) == .outlived)
    #expect(transactions.read(header(8, at: 17)) == false)
    #expect(transactions.read(header(8, at: 18), endingAs: .commit) == .needed(nil))
    #expect(transactions.read(header(8, at: 19), endingAs: .commit) == .outlived)
  }

  @Test("two aborted transactions of one producer, one after the other")
  func sameProducer() {
    let first = aborted(7, 10, 12), second = aborted(7, 13, 20)
    var transactions = CleanedTransactions(aborted: [second, first])
    #expect(transactions.read(header(7, at: 10)) == true)
    #expect(transactions.read(header(7, at: 12), endingAs: .abort) == .needed(first))
    #expect(transactions.read(header(7, at: 14)) == true)
    #expect(transactions.read(header(7, at: 20), endingAs: .abort) == .needed(second))
  }

  @Test("an aborted transaction that ended before the first batch that is read takes no other with it")
  func endedBefore() {
    let later = aborted(7, 20, 22)
    var transactions = CleanedTransactions(aborted: [aborted(7, 10, 15), later])
    #expect(transactions.read(header(7, at: 16)) == false)
    #expect(transactions.read(header(7, at: 18), endingAs: .commit) == .needed(nil))
    #expect(transactions.read(header(7, at: 20)) == true)
    #expect(transactions.read(header(7, at: 22), endingAs: .abort) == .needed(later))
  }

  @Test("a control batch that ends no transaction stays, unless it was emptied")
  func others() {
    var transactions = CleanedTransactions(aborted: [])
    #expect(transactions.read(header(7, at: 1), endingAs: nil) == .unknown)
    var emptied = header(7, at: 2)
    emptied.count = 0
    #expect(transactions.read(emptied, endingAs: nil) == .outlived)
  }
}
