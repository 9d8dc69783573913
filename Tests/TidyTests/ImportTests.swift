import Testing

/// The table of modules in docs/architecture.md: what each target may import, and nothing else.
private struct ArchitectureTable {
  /// In the page's order.
  let rows: [(module: String, imports: Set<String>)]

  /// Rows below the heading `| Module | What it is | May import |`.
  init() throws {
    let lines = try SourceTree.text("docs/architecture.md").split(separator: "\n", omittingEmptySubsequences: false)
    rows = lines.drop { !$0.hasPrefix("| Module |") }.dropFirst(2).prefix { $0.hasPrefix("|") }.map { line in
      let cells = line.split(separator: "|", omittingEmptySubsequences: false).map { cell in
        String(cell.drop { $0 == " " }.reversed().drop { $0 == " " }.reversed())
      }
      return (cells[1], Set(cells[3].split(separator: ",").map { String($0.filter { $0 != " " }) }))
    }
  }

  subscript(module: String) -> Set<String>? { rows.first { $0.module == module }?.imports }
}

@Suite("The architecture page")
struct ImportTests {
  @Test("lists every import of every target")
  func imports() throws {
    let table = try ArchitectureTable()
    for file in SourceTree.swiftFiles {
      for module in file.imports where module != "Swift" {
        #expect(
          table[file.target]?.contains(module) == true,
          """
          \(file.path) imports \(module), which docs/architecture.md does not list for \(file.target). An import is an architecture \
          decision: use what the listed modules offer, or add it to the table and argue it in the commit.
          """)
      }
    }
  }

  @Test("lists no import that no file of the target has")
  func unused() throws {
    let table = try ArchitectureTable()
    for row in table.rows {
      let used = SourceTree.swiftFiles.filter { $0.target == row.module }.flatMap(\.imports)
      for module in row.imports.subtracting(used).sorted() {
        Issue.record(
          "docs/architecture.md lets \(row.module) import \(module), which none of its files does: take it out")
      }
    }
  }

  @Test("has a row for every target, and no row for what is gone")
  func targets() throws {
    let table = try ArchitectureTable()
    let system = SourceTree.targets.filter { SourceTree.exists("Sources/\($0)/module.modulemap") }
    for target in SourceTree.targets where !system.contains(target) {
      #expect(table[target] != nil, "\(target) is not in the table of docs/architecture.md: say there what it is")
    }
    for library in system {
      #expect(table.rows.contains { $0.imports.contains(library) }, "nobody may import \(library): delete it")
    }
    for row in table.rows {
      #expect(SourceTree.targets.contains(row.module), "docs/architecture.md lists \(row.module), which is no target")
    }
  }

  @Test("lets imports point one way only")
  func noCycles() throws {
    let table = try ArchitectureTable()
    var placed: Set<String> = []
    var waiting = table.rows
    while !waiting.isEmpty {
      let ready = waiting.filter { row in row.imports.allSatisfy { placed.contains($0) || table[$0] == nil } }
      let names = waiting.map(\.module).joined(separator: ", ")
      try #require(!ready.isEmpty, "\(names) import each other in a circle: one of them has to go without")
      placed.formUnion(ready.map(\.module))
      waiting.removeAll { placed.contains($0.module) }
    }
  }

  @Test("reads imports in every form they are written")
  func forms() {
    let text = """
      import A
      package import B  // a reason
      @preconcurrency internal import C
      import struct D.Thing
      // import E
      let s = "import F"
      """
    let file = SourceFile(target: "T", path: "T.swift", lines: SourceTree.code(of: text))
    #expect(file.imports == ["A", "B", "C", "D"])
  }
}
