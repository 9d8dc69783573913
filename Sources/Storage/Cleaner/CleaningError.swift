/// Why a log could not be cleaned. Its files are as they were, except for groups of segments that were replaced before.
package enum CleaningError: Error, Hashable, Sendable {
  /// The disk refused.
  case disk(DiskError)
  /// Bytes that are no whole batch, or records that are not what their batch says.
  case damaged(path: String, position: Int, problem: String)
  /// One batch alone has more keys than fit the memory for them.
  case tooManyKeys(memoryBytes: Int)
}

extension CleaningError: CustomStringConvertible {
  package var description: String {
    switch self {
    case .disk(let error): "\(error)"
    case .damaged(let path, let position, let problem): "\(path) is damaged at position \(position): \(problem)"
    case .tooManyKeys(let bytes):
      "a batch has more keys than fit \(bytes) bytes: raise log.cleaner.dedupe.buffer.size, or lower log.cleaner.threads"
    }
  }
}
