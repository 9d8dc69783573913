import Glibc
import Synchronization

/// Ctrl-C and SIGTERM as a question that loops ask: the first asks for an orderly end, the second ends at once.
package enum Interrupt {
  private static let requested = Atomic<Bool>(false)

  package static var isRequested: Bool { requested.load(ordering: .relaxed) }

  package static func install() {
    for number in [SIGINT, SIGTERM] {
      signal(number) { number in
        Interrupt.requested.store(true, ordering: .relaxed)
        // The next one is the kernel's to answer; what we started dies with us.
        signal(number, SIG_DFL)
      }
    }
  }
}
