import Experiment
import Results
import Runner
import Verdict

/// The page's look: one template and one style sheet, both part of the program.
extension Report {
  /// How every page of the program begins.
  static func opening(title: String) -> String {
    """
    <!doctype html>
    <html lang="en">
    <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <meta name="color-scheme" content="light dark">
    <title>\(title)</title>
    <link rel="icon" href="data:,">
    <style>{{{style}}}</style>
    </head>
    <body>

    """
  }

  /// And how it ends.
  static let ending = """
    <script>{{{script}}}</script>
    </body>
    </html>

    """

  static let template =
    opening(title: "Millrace: Kafka's claims, put to the test") + """
      <header>
      <h1>Millrace</h1>
      <p class="lead">What Kafka's designers say makes Kafka fast, put to the test on this machine: {{tally}}.</p>
      <p class="fine">Written {{writtenAt}}. A refuted claim is a result. <a href="#how">How to read a verdict</a>{{#hasEntries}} · <a href="#disclosure">Disclosure</a>{{/hasEntries}}</p>
      </header>
      <main>
      {{#hasUnreadable}}<section class="note"><h2>Results that could not be read</h2><ul>{{#unreadable}}<li>{{.}}</li>{{/unreadable}}</ul></section>{{/hasUnreadable}}
      <section id="summary">
      <h2>Verdicts</h2>
      {{#hasEntries}}
      <table class="summary">
      <thead><tr><th>Experiment</th><th>Claim</th><th>Bare mechanism</th><th>Through the broker</th><th>Verdict</th></tr></thead>
      <tbody>
      {{#entries}}<tr>
      <td data-label="Experiment"><a href="#{{anchor}}">{{id}}&nbsp;{{title}}</a></td>
      <td data-label="Claim">{{claim}}</td>
      <td data-label="Bare mechanism">{{#bare}}<span class="badge {{class}}">{{sign}} {{word}}</span>{{/bare}}{{^bare}}<span class="fine">no rule</span>{{/bare}}</td>
      <td data-label="Through the broker">{{#endToEnd}}<span class="badge {{class}}">{{sign}} {{word}}</span>{{/endToEnd}}{{^endToEnd}}<span class="fine">no rule</span>{{/endToEnd}}</td>
      <td data-label="Verdict">{{#verdict}}<span class="badge {{class}}">{{sign}} {{word}}</span>{{/verdict}} <span class="state {{stateClass}}">{{state}}</span></td>
      </tr>{{/entries}}
      </tbody>
      </table>
      {{/hasEntries}}{{^hasEntries}}<p>No results yet: <code>millrace run --all --profile quick</code>.</p>{{/hasEntries}}
      </section>
      {{#entries}}
      <section id="{{anchor}}" class="experiment">
      <h2><span class="id">{{id}}</span> {{title}}</h2>
      <p>{{#verdict}}<span class="badge {{class}}">{{sign}} {{word}}</span>{{/verdict}} <span class="state {{stateClass}}">{{state}}</span></p>
      <p class="lead">{{claim}}</p>
      <p class="verdict {{#verdict}}{{class}}{{/verdict}}">{{sentence}}</p>
      {{#hasStateReasons}}<details><summary>{{state}}, because …</summary><ul>{{#stateReasons}}<li>{{.}}</li>{{/stateReasons}}</ul></details>{{/hasStateReasons}}
      {{#figures}}<figure><div class="wide">{{{wide}}}</div><div class="narrow">{{{narrow}}}</div></figure>{{/figures}}
      {{#chartFailures}}<p class="note">{{.}}</p>{{/chartFailures}}
      <h3>The comparisons</h3>
      <table class="findings">
      <thead><tr><th>Rule, and where</th><th class="number">Effect [95 %]</th><th class="number">Noise floor</th><th>Outcome</th></tr></thead>
      {{#rules}}<tbody>
      <tr class="rule"><td colspan="4"><b>{{rule}}</b> <span class="fine">{{tier}}</span><br>{{meaning}}{{#weight}} <span class="fine">({{.}})</span>{{/weight}}</td></tr>
      {{#lines}}<tr title="{{sentence}}"><td class="where">{{combination}}{{#why}}<br><span class="fine">{{.}}</span>{{/why}}</td><td class="number" data-label="Effect">{{effect}}</td><td class="number" data-label="Noise floor">{{floor}}</td><td>{{#outcome}}<span class="badge {{class}}">{{sign}} {{word}}</span>{{/outcome}}</td></tr>
      {{/lines}}</tbody>{{/rules}}
      </table>
      <div class="panel">
      <div class="card">
      <h3>The original</h3>
      <blockquote>{{quote}}</blockquote>
      <p class="fine">{{source}}</p>
      {{#hasOriginals}}<dl class="numbers">{{#originals}}<dt>{{label}}</dt><dd><b>{{value}} {{unit}}</b> <span class="fine">{{note}}</span></dd>{{/originals}}</dl>{{/hasOriginals}}
      {{#hasErrata}}<p><strong>Errata.</strong></p><ul>{{#errata}}<li>{{.}}</li>{{/errata}}</ul>{{/hasErrata}}
      </div>
      <div class="card">
      <h3>Ours</h3>
      {{#ours}}<p class="fine metric">{{metric}}</p><dl class="numbers">{{#lines}}<dt>{{arm}}</dt><dd><b>{{value}} {{unit}}</b> <span class="fine">{{note}}</span></dd>{{/lines}}</dl>{{/ours}}
      {{^ours}}<p class="fine">No valid run has the metrics that the rules use.</p>{{/ours}}
      <p class="fine">Medians; [95 % interval]. Durability: {{durability}}.</p>
      </div>
      <div class="card">
      <h3>The ceiling here</h3>
      {{#ceiling}}{{#lines}}<div class="bar"><span>{{arm}} <span class="fine">{{metric}}</span></span><div class="track"><div style="width:{{width}}%"></div></div><span class="fine">{{sentence}}</span></div>{{/lines}}
      {{^hasLines}}<p class="fine">{{why}}</p>{{/hasLines}}
      {{#hasMore}}<details><summary>More</summary>{{#more}}<div class="bar"><span>{{arm}} <span class="fine">{{metric}}</span></span><div class="track"><div style="width:{{width}}%"></div></div><span class="fine">{{sentence}}</span></div>{{/more}}</details>{{/hasMore}}
      {{#hasFigures}}<details><summary>What was probed just before</summary><dl class="facts">{{#figures}}<dt>{{name}}</dt><dd>{{value}}</dd>{{/figures}}</dl></details>{{/hasFigures}}{{/ceiling}}
      </div>
      </div>
      <h3>What limits it, and what it cannot show</h3>
      <div class="columns">
      <dl>{{#limiters}}<dt>{{arm}}</dt><dd>{{limiter}}</dd>{{/limiters}}</dl>
      <div><ul>{{#caveats}}<li>{{.}}</li>{{/caveats}}</ul>
      <p class="fine">Hypothesis, fixed before the run: {{hypothesis}}</p></div>
      </div>
      <h3>Measured here</h3>
      {{#measured}}<details><summary><code>{{metric}}</code> <span class="fine">{{meaning}}</span></summary>
      <div class="scroll"><table><thead><tr><th>Arm</th><th>Levels</th><th class="number">Median{{#unit}}, {{unit}}{{/unit}}</th><th class="number">95 %</th>{{#hasShare}}<th class="number">Of the control</th>{{/hasShare}}<th>n</th><th>Cache</th><th>Durability</th></tr></thead>
      <tbody>{{#lines}}<tr><td>{{arm}}</td><td>{{levels}}</td><td class="number">{{value}}</td><td class="number">{{low}} – {{high}}</td>{{#hasShare}}<td class="number">{{share}}</td>{{/hasShare}}<td>{{n}}</td><td>{{cache}}</td><td>{{durability}}</td></tr>{{/lines}}</tbody></table></div></details>{{/measured}}
      <details><summary>Environment and gates</summary>
      <dl class="facts">{{#environment}}<dt>{{name}}</dt><dd>{{value}}</dd>{{/environment}}</dl>
      <ul class="gates">{{#gates}}<li>{{mark}} {{sentence}}</li>{{/gates}}</ul>
      {{#hasSkipped}}<p><strong>Arms left out.</strong></p><ul>{{#skipped}}<li>{{.}}</li>{{/skipped}}</ul>{{/hasSkipped}}
      </details>
      {{#history}}{{#has}}<h3>Over time</h3>
      <div class="sparks">{{#charts}}<div><b>{{title}}</b>{{{svg}}}<span class="fine">{{now}}</span></div>{{/charts}}</div>
      <details><summary>All results of this experiment</summary><div class="scroll"><table><thead><tr><th>Result</th><th>Profile</th><th>Verdict</th><th>State</th><th>Why</th></tr></thead><tbody>{{#rows}}<tr><td><a href="{{href}}">{{name}}</a> <span class="fine">{{shown}}</span></td><td>{{profile}}{{#other}}<br><span class="fine">{{.}}</span>{{/other}}</td><td>{{#outcome}}<span class="badge {{class}}">{{sign}} {{word}}</span>{{/outcome}}</td><td>{{state}}</td><td>{{sentence}}</td></tr>{{/rows}}</tbody></table></div></details>{{/has}}{{/history}}
      <p class="fine">{{profile}}, {{runs}}, seed {{seed}}, begun {{startedAt}}; definition fixed before the run (SHA-256 {{hash}}…).<br>
      <a href="#disclosure-{{anchor}}">Disclosure</a>. Raw: {{#files}}<a href="{{href}}">{{name}}</a> {{/files}}<br>Charts: {{#charts}}<a href="{{href}}">{{name}}</a> {{/charts}}</p>
      <p class="fine"><a href="#summary">Back to all verdicts</a></p>
      </section>
      {{/entries}}
      {{#hasEntries}}<section id="disclosure" class="card-page">
      <h2>Disclosure</h2>
      <p>Written by the program from each result's files: what ran, how, what does not count, and which of the known benchmarking crimes its linter finds.</p>
      {{#entries}}<details id="disclosure-{{anchor}}"><summary><b>{{id}}</b> {{title}}{{#disclosure}}{{#hasCrimes}} <span class="fine">{{#crimes}}<span class="badge {{class}}">{{weight}}</span> {{/crimes}}</span>{{/hasCrimes}}{{/disclosure}}</summary>
      {{#disclosure}}<dl class="facts">{{#items}}<dt>{{topic}}</dt><dd>{{statement}}</dd>{{/items}}</dl>
      {{#hasCrimes}}<ul>{{#crimes}}<li><span class="badge {{class}}">{{weight}}</span> {{sentence}}. <span class="fine">{{meaning}}</span></li>{{/crimes}}</ul>{{/hasCrimes}}{{^hasCrimes}}<p>None of the {{looked}} crimes that can be looked for here.</p>{{/hasCrimes}}
      <ul class="fine">{{#unmade}}<li>Not looked for: {{.}}.</li>{{/unmade}}</ul>{{/disclosure}}
      </details>{{/entries}}
      </section>{{/hasEntries}}
      <section id="how">
      <h2>How to read a verdict</h2>
      <p>Each claim is tested on the bare mechanism and, where a broker is concerned, through the broker by flipping one switch. Arms run as processes of their own, interleaved in a seeded order. R is the ratio of medians with a bootstrap 95 % interval; the noise floor is what an arm shows against a copy of itself (A/A).</p>
      <dl>
      <dt><span class="badge yes">✓ SUPPORTED</span></dt><dd>The whole interval is beyond the threshold and beyond the noise floor.</dd>
      <dt><span class="badge no">✗ NOT SUPPORTED</span></dt><dd>The whole interval is on the other side of the threshold.</dd>
      <dt><span class="badge open">? INCONCLUSIVE</span></dt><dd>The interval reaches across the threshold or into the noise, too few runs are valid, or a gate failed; the sentence says which.</dd>
      <dt><span class="state reportable">REPORTABLE</span></dt><dd>At least 7 replicates, every row valid and steady, nothing about machine or build to hold against it.</dd>
      <dt><span class="state valid">VALID</span></dt><dd>The gates held; something named keeps it from standing for machines of its kind. The quick profile is never more.</dd>
      <dt><span class="state informative">INFORMATIVE</span></dt><dd>Below the experiment's minimum, interrupted, or too few replicates: a direction at best.</dd>
      </dl>
      <p>In the charts, points and bars are medians, bands and whiskers their intervals, dots the single runs, hollow points invalid runs that do not count. Point at a median to see its numbers. Every chart is redrawn from its CSV by its gnuplot script.</p>
      </section>
      </main>

      """ + ending

  static let style = """
    :root { --ink: #1d2127; --soft: #5b6470; --paper: #fbfaf7; --card: #ffffff; --line: #dcd9d2; --link: #0b5fa5;
      --yes: #17713f; --no: #b1361b; --open: #6b5b00; --yes-bg: #e2f3e8; --no-bg: #fbe6e0; --open-bg: #f6efce; }
    @media (prefers-color-scheme: dark) {
      :root { --ink: #e7e6e3; --soft: #a3a9b1; --paper: #15181c; --card: #1e2227; --line: #363c44; --link: #7dbcf2;
        --yes: #7fdca4; --no: #ff9d84; --open: #e8d36b; --yes-bg: #173524; --no-bg: #43201a; --open-bg: #3a3312; }
      figure svg { filter: invert(0.88) hue-rotate(180deg); }
    }
    * { box-sizing: border-box; }
    html { -webkit-text-size-adjust: 100%; }
    body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.55 system-ui, -apple-system, "Segoe UI",
      "DejaVu Sans", Helvetica, Arial, sans-serif; }
    header, main { max-width: 1080px; margin: 0 auto; padding: 0 20px; }
    header { padding-top: 36px; }
    h1 { font-size: 2.1rem; margin: 0; letter-spacing: -0.02em; }
    h2 { font-size: 1.45rem; margin: 0 0 8px; line-height: 1.25; }
    h3 { font-size: 1.05rem; margin: 28px 0 8px; }
    .id { color: var(--soft); font-weight: 500; }
    .lead { font-size: 1.12rem; margin: 8px 0; max-width: 46em; }
    .fine { color: var(--soft); font-size: 0.86rem; }
    a { color: var(--link); }
    section { margin: 28px 0; }
    .experiment, #summary, #how, .note, .card-page { background: var(--card); border: 1px solid var(--line); border-radius: 12px;
      padding: 24px; }
    .badge { display: inline-block; padding: 1px 9px; border-radius: 99px; font-size: 0.78rem; font-weight: 700;
      white-space: nowrap; letter-spacing: 0.02em; }
    .badge.yes, .verdict.yes { color: var(--yes); background: var(--yes-bg); }
    .badge.no, .verdict.no { color: var(--no); background: var(--no-bg); }
    .badge.open, .verdict.open { color: var(--open); background: var(--open-bg); }
    .state { font-size: 0.74rem; letter-spacing: 0.06em; color: var(--soft); border: 1px solid var(--line);
      border-radius: 99px; padding: 1px 8px; white-space: nowrap; }
    .state.reportable { color: var(--yes); border-color: var(--yes); }
    .verdict { padding: 10px 14px; border-radius: 8px; color: var(--ink) !important; margin: 12px 0; }
    table { border-collapse: collapse; width: 100%; font-size: 0.92rem; }
    th, td { text-align: left; vertical-align: top; padding: 7px 10px 7px 0; border-bottom: 1px solid var(--line); }
    th { font-size: 0.8rem; color: var(--soft); font-weight: 600; }
    .number { font-variant-numeric: tabular-nums; white-space: nowrap; }
    td.number, th.number { text-align: right; padding-right: 16px; }
    .findings tbody tr:not(.rule) td { border-bottom-style: dotted; }
    .findings .rule td { padding-top: 14px; }
    .findings .where { padding-left: 14px; }
    .scroll { overflow-x: auto; }
    figure { margin: 20px 0; }
    figure svg { width: 100%; height: auto; display: block; font-family: "DejaVu Sans", system-ui, Helvetica, Arial,
      sans-serif; border-radius: 6px; }
    figure svg text { stroke: none; }
    figure svg .h { opacity: 0; fill: #000; stroke: none; }
    .narrow { display: none; }
    blockquote { margin: 8px 0; padding: 2px 0 2px 14px; border-left: 3px solid var(--line); font-style: italic; }
    .columns { display: grid; grid-template-columns: 1fr 1fr; gap: 0 36px; }
    dt { font-weight: 600; margin-top: 8px; }
    dd { margin: 0; }
    .facts { display: grid; grid-template-columns: max-content 1fr; gap: 2px 18px; font-size: 0.9rem; }
    .facts dt { margin: 0; }
    .gates { list-style: none; padding: 0; font-size: 0.9rem; }
    details { border-top: 1px solid var(--line); padding: 8px 0; }
    summary { cursor: pointer; }
    code { font-family: ui-monospace, "DejaVu Sans Mono", Menlo, monospace; font-size: 0.92em; }
    ul { padding-left: 20px; }
    li { margin: 3px 0; }
    @media (max-width: 700px) {
      header, main { padding: 0 12px; }
      header { padding-top: 20px; }
      .experiment, #summary, #how, .note, .card-page { padding: 16px 14px; border-radius: 10px; }
      .columns { display: block; }
      .wide { display: none; }
      .narrow { display: block; }
      .summary thead, .findings thead { display: none; }
      .summary tr, .findings tr { display: block; border-bottom: 2px solid var(--line); padding: 10px 0; }
      .summary td, .findings td { display: block; text-align: left; border: 0; padding: 2px 0; }
      .findings tr:not(.rule) { border-bottom: 1px dotted var(--line); padding: 6px 0 6px 12px; }
      .findings .where { padding-left: 0; }
      .summary td[data-label]:nth-child(n+3)::before, .findings td[data-label]::before { content: attr(data-label) ": "; color: var(--soft);
        font-size: 0.82rem; }
      .facts { display: block; }
      .scroll table { min-width: 620px; }
      .fine a { display: inline-block; padding: 4px 0; }
    }
    .panel { display: grid; grid-template-columns: repeat(3, minmax(0, 1fr)); gap: 14px; margin: 22px 0; }
    .card { border: 1px solid var(--line); border-radius: 10px; padding: 2px 16px 10px; background: var(--paper); }
    .card h3 { margin: 12px 0 6px; }
    .numbers { margin: 4px 0 12px; }
    .metric { margin: 12px 0 0; border-bottom: 1px dotted var(--line); }
    .numbers dt { font-weight: 500; font-size: 0.92rem; }
    .numbers b { font-variant-numeric: tabular-nums; }
    .bar { margin: 8px 0 12px; font-size: 0.92rem; line-height: 1.4; }
    .track { height: 7px; border-radius: 4px; background: var(--line); margin: 4px 0; overflow: hidden; }
    .track div { height: 100%; background: var(--link); }
    .sparks { display: grid; grid-template-columns: repeat(auto-fill, minmax(230px, 1fr)); gap: 14px; font-size: 0.9rem; }
    .spark { display: block; width: 100%; max-width: 300px; height: auto; color: var(--link); }
    .spark path { fill: none; stroke: currentColor; stroke-width: 1.6; }
    .spark line { stroke: currentColor; stroke-width: 5; stroke-opacity: 0.25; stroke-linecap: round; }
    .spark circle { fill: currentColor; }
    .tip { position: fixed; z-index: 9; max-width: min(340px, calc(100vw - 12px)); padding: 5px 10px; border-radius: 7px;
      background: var(--ink); color: var(--paper); font-size: 0.84rem; line-height: 1.4; pointer-events: none; }
    .ring { position: fixed; z-index: 8; width: 16px; height: 16px; margin: -8px 0 0 -8px; border-radius: 50%;
      border: 2px solid var(--ink); pointer-events: none; }
    [hidden] { display: none !important; }
    svg[data-hover] { touch-action: pan-y; }
    #disclosure dd { overflow-wrap: anywhere; }
    @media (max-width: 900px) { .panel { grid-template-columns: 1fr; } }
    @media print { .experiment { break-before: page; } details > * { display: block; } }
    """
}
