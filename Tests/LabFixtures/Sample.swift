// In a release build there is no testing, and these are nothing.
#if DEBUG
@testable import Experiment
@testable import Mechanisms

/// The smallest definition that says all it must; tests spoil it line by line.
enum Sample {
  static let yaml = """
    id: E99
    number: 99
    name: sample
    title: A sample
    claims: [S1]
    claim: one is faster
    quote: it is
    source: a page
    originals:
      - {label: then, value: 2, unit: times}
    hypothesis: it is
    factors:
      size: [1, 2]
      colour: [red, green, blue]
    fixed:
      seconds: 1
    arms:
      - name: new
        role: test
        program: mechanism copy-path
        options: {path: sendfile, size: "{size}", seconds: "{seconds}"}
      - name: old
        role: baseline
        program: mechanism copy-path
        options: {path: read-write, size: "{size}", colour: "{colour}"}
      - name: new-again
        role: again
        repeats: new
        program: mechanism copy-path
        only: {size: [1]}
        ignores: [colour]
        options: {path: sendfile, size: "{size}"}
    metrics: [mb_per_s, cpu_s_per_gb]
    replicates: 3
    profiles:
      quick: {replicates: 2, factors: {size: [1]}}
    verdicts:
      - name: faster
        meaning: new is faster than old
        kind: ratio
        tier: bare
        metric: mb_per_s
        test: {arms: [new]}
        baseline: {arms: [old]}
        per: [size, colour]
        threshold: 1.5
    charts:
      - {title: A chart, x: size, y: mb_per_s, series: [arm], x_title: size, y_title: MB/s}

    """

  static func experiment(_ change: (String) -> String = { $0 }) throws -> Experiment {
    try Experiment(file: "sample.yaml", yaml: change(yaml), mechanisms: MechanismList.descriptions)
  }
}
#endif
