/// What the system knows of the process. The real world reads it; a simulated one has none.
package struct ProcessFigures: Sendable {
  package var cpuSeconds = 0.0
  /// By name of the threads, in the order of the names; threads of one name are one.
  package var threads: [(name: String, cpuSeconds: Double)] = []
  package var residentBytes: Int64 = 0
  package var virtualBytes: Int64 = 0
  package var openDescriptors = 0
  package var descriptorsMax = 0
  /// Seconds since 1970.
  package var startSeconds = 0.0

  package init() {}
}
