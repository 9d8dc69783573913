import Synchronization

/// Gathers the answers to the parts of a request, which come in any order and on any thread.
final class GatheredAnswers<Answer: Sendable>: Sendable {
  private let state: Mutex<(answers: [Answer?], left: Int)>
  private let done: @Sendable ([Answer]) -> Void

  /// - Parameter done: gets the answers in the order of the parts, once; at once where there are no parts.
  init(_ count: Int, _ done: @escaping @Sendable ([Answer]) -> Void) {
    state = Mutex((Array(repeating: nil, count: count), count))
    self.done = done
    if count == 0 { done([]) }
  }

  /// Gives the answer to one part; each has one.
  func give(_ answer: Answer, at place: Int) {
    let all = state.withLock { state -> [Answer]? in
      state.answers[place] = answer
      state.left -= 1
      return state.left == 0 ? state.answers.compactMap { $0 } : nil
    }
    if let all { done(all) }
  }
}
