import Measure

/// What `millrace new` writes: a small experiment that runs as it stands, and says at each part what the part is for.
package enum NewDefinition {
  package static let numbers = Experiment.Bounds.number

  /// Small letters, digits and dashes, a letter first and no dash last.
  package static func isName(_ name: String) -> Bool {
    name.wholeMatch(of: #/[a-z][a-z0-9]*(-[a-z0-9]+)*/#) != nil
  }

  package static func text(number: Int, name: String) -> String {
    head(number, name) + arms + judgement
  }

  private static func head(_ number: Int, _ name: String) -> String {
    """
    # An experiment is data: nothing about it is code. docs/experiments.md lists every key; unknown ones are errors.
    # It runs as it stands (does writing larger pieces append faster?). Change it from the top to the bottom.

    # Number and name must agree with the file's name.
    id: E\(number)
    number: \(number)
    name: \(name)
    title: Larger writes append faster
    # The rows of a list of claims that this answers.
    claims: [S7]

    # Write these before any factor: what was said decides what is tested.
    claim: Appending by larger writes is faster, because each system call has a price.
    quote: >-
      Batching leads to larger network packets, larger sequential disk operations, contiguous memory blocks
    source: Apache Kafka documentation, 4.3 Efficiency
    # Numbers somebody published, as published. `value` may be missing where the source has only words.
    originals:
      - {label: "batching", note: "orders of magnitude, in words only"}
    # What is wrong with them; printed beside them.
    errata: []
    # Fixed before the first run: the file's hash goes into the journal.
    hypothesis: Writes of 64 KiB append at least twice as fast as writes of 1 KiB.

    # name -> levels. Every arm runs at every combination of them, unless it says `only` or `ignores`.
    factors:
      segment_bytes: [67108864, 268435456]
    # Values that all runs share; a profile may change them. Use them as {name}.
    fixed:
      total_bytes: 536870912


    """
  }

  private static let arms = """
    # What is compared. Each run is a process of its own; end-to-end arms (`load produce`, `load consume`,
    # `load end-to-end`) get a broker of their own, and should differ in one key of `broker` and in nothing else.
    arms:
      - name: large-writes
        label: 64 KiB a write
        # test: what the claim says is better. baseline: what it is held against. control: the ceiling.
        role: test
        program: mechanism raw-append
        # The program's own options without dashes (millrace mechanism raw-append --help). {directory} is fresh each run.
        options: {directory: "{directory}", bytes: "{total_bytes}", write-bytes: 65536, segment-bytes: "{segment_bytes}"}
        # What an acknowledged byte survives: arms of different durability are not compared.
        durability: page cache
      - name: small-writes
        label: 1 KiB a write
        role: baseline
        program: mechanism raw-append
        options: &small {directory: "{directory}", bytes: "{total_bytes}", write-bytes: 1024, segment-bytes: "{segment_bytes}"}
        durability: page cache
      # The same arm again (A/A): their difference is the noise floor, and nothing inside it is called an effect.
      - name: small-writes-again
        label: 1 KiB a write (A/A)
        role: again
        repeats: small-writes
        program: mechanism raw-append
        options: *small
        durability: page cache

    # Columns of rows.csv, from the catalogue in Sources/Measure/Metric+Catalogue.swift; others are errors.
    metrics: [seconds, bytes, mib_per_s, cpu_s_per_gb, device_written_bytes, steal_percent, other_cpu_percent]
    # 7 or more may be reportable; fewer than 5 decide nothing.
    replicates: 7

    # What quick, standard and full change. A quick result is never reportable.
    profiles:
      quick:
        replicates: 5
        factors: {segment_bytes: [67108864]}
        fixed: {total_bytes: 134217728}


    """

  private static let judgement = """
    # How rows become SUPPORTED, NOT SUPPORTED or INCONCLUSIVE. The rule stands before the numbers do.
    verdicts:
      - name: twice-as-fast
        meaning: writes of 64 KiB append at least twice as fast as writes of 1 KiB
        # ratio (against `threshold`), value, equal (within `tolerance`), flat (over a `sweep`): docs/verdicts.md
        kind: ratio
        # bare: no broker takes part. end-to-end: through a broker. Every claim about the broker deserves both.
        tier: bare
        metric: mib_per_s
        # higher or lower
        better: higher
        test: {arms: [large-writes]}
        baseline: {arms: [small-writes]}
        # Judged at each level of these by itself.
        per: [segment_bytes]
        threshold: 2

    charts:
      - kind: bars
        title: "Appending by larger and smaller writes"
        x: arm
        y: mib_per_s
        series: [arm]
        x_title: ""
        y_title: "MiB/s"

    # Below this a result shows a direction at best.
    minimum: {cores: 2, memory_gib: 2, free_disk_gib: 2}
    # Where the claim may fail today, and what this cannot show; printed under the verdict.
    caveats:
      - "Bytes go to the page cache: what the disk does later is not measured."

    """
}
