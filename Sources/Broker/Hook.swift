import Synchronization

/// Holds a function that is set when what it calls exists, and that any thread may call.
///
/// A `Mutex` of the function itself will not do. `withLock { $0 }` lends the function as `inout`, and the compiler converts its calling
/// convention on the way in and again on the way out, each time by one more wrapper: after 10,000 calls a call passes 20,000
/// wrappers, and some time later the stack ends. Inside a structure the function is lent as it is.
final class Hook<Body: Sendable>: Sendable {
  private struct Holder: Sendable {
    var body: Body
  }

  private let holder: Mutex<Holder>

  init(_ body: Body) { holder = Mutex(Holder(body: body)) }

  var call: Body { holder.withLock { $0.body } }

  func set(_ body: Body) { holder.withLock { $0.body = body } }
}
