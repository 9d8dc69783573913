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
      {{#hasEntries}}<nav aria-label="Contents"><a class="brand" href="#top">Millrace</a>
      <ol>{{#entries}}<li><a href="#{{anchor}}">{{#grade}}<span class="sign {{class}}" title="{{word}}">{{sign}}</span>{{/grade}} <b>{{id}}</b> <span>{{short}}</span></a></li>{{/entries}}</ol>
      <ol><li><a href="#machine"><span>the machine</span></a></li><li><a href="#checks"><span>what was checked</span></a></li><li><a href="#how"><span>how to read it</span></a></li></ol></nav>{{/hasEntries}}
      <main id="top">
      <header>
      <h1>What Kafka's designers say makes Kafka fast, on this machine</h1>
      <p class="lead">{{tally}}.</p><p class="fine">A refuted claim is a result. Written {{writtenAt}}.</p>
      </header>
      {{#hasUnreadable}}<section class="note"><h2>Results that could not be read</h2><ul>{{#unreadable}}<li>{{.}}</li>{{/unreadable}}</ul></section>{{/hasUnreadable}}
      <section id="summary">
      {{#hasEntries}}
      <table class="summary">
      <colgroup><col style="width:4.6em"><col><col style="width:6em"><col style="width:14.6em"><col style="width:15em"><col style="width:7em"></colgroup>
      <thead><tr><th></th><th>Claim</th><th class="number">Original</th><th class="number">Ours [95&nbsp;%]</th><th>Grade</th><th>Limited by</th></tr></thead>
      <tbody>
      {{#lines}}\(summaryRow){{/lines}}
      {{#hasAsides}}<tr class="aside"><td colspan="6">{{asideTitle}}</td></tr>
      {{#asides}}\(summaryRow){{/asides}}{{/hasAsides}}
      </tbody>
      </table>
      {{/hasEntries}}{{^hasEntries}}<p>No results yet: <code>millrace run --all --profile quick</code>.</p>{{/hasEntries}}
      </section>
      {{#forest}}<section class="picture"><figure><div class="{{widths}}">{{{wide}}}</div>{{#narrow}}<div class="narrow">{{{.}}}</div>{{/narrow}}</figure></section>{{/forest}}
      {{#forestFailure}}<p class="note">{{.}}</p>{{/forestFailure}}
      {{#entries}}
      <details id="{{anchor}}" class="experiment">
      <summary><span class="head"><span class="id">{{id}}</span> <span class="title">{{title}}</span> {{#grade}}<span class="badge {{class}}">{{sign}} {{word}}</span>{{/grade}}</span>
      <span class="figure">{{figure}}</span></summary>
      <p class="lead">{{claim}}</p>
      <p>{{#tally}}{{.}} {{/tally}}<a class="state {{stateClass}}" href="#machine">{{state}}</a> <span class="fine">{{profile}}, {{runs}}</span></p>
      {{#first}}<figure><div class="{{widths}}">{{{wide}}}</div>{{#narrow}}<div class="narrow">{{{.}}}</div>{{/narrow}}</figure>{{/first}}
      {{#chartFailures}}<p class="note">{{.}}</p>{{/chartFailures}}
      {{#hasRules}}<table class="findings">
      <thead><tr><th>What decides, and where</th><th class="number">Effect [95&nbsp;%]</th><th class="number">Noise floor</th><th>Outcome</th></tr></thead>
      {{#rules}}\(ruleRows){{/rules}}
      </table>{{/hasRules}}
      {{#hasAsked}}<details><summary>{{askedTitle}}</summary><table class="findings">
      <thead><tr><th>What was asked, and where</th><th class="number">Effect [95&nbsp;%]</th><th class="number">Noise floor</th><th>Outcome</th></tr></thead>
      {{#asked}}\(ruleRows){{/asked}}
      </table></details>{{/hasAsked}}
      {{#figures}}<details><summary>{{title}}</summary><figure><div class="{{widths}}">{{{wide}}}</div>{{#narrow}}<div class="narrow">{{{.}}}</div>{{/narrow}}</figure></details>
      {{/figures}}<details><summary>The original, ours, and the ceiling here</summary>
      <div class="panel">
      <div class="card">
      <h3>The original</h3>
      <blockquote>{{quote}}</blockquote>
      <p class="fine">{{source}}</p>
      {{#hasOriginals}}<dl class="numbers">{{#originals}}<dt>{{label}}</dt><dd><b>{{value}}</b> <span class="fine">{{note}}</span></dd>{{/originals}}</dl>{{/hasOriginals}}
      {{#hasErrata}}<p><strong>Errata.</strong></p><ul>{{#errata}}<li>{{.}}</li>{{/errata}}</ul>{{/hasErrata}}
      </div>
      <div class="card">
      <h3>Ours</h3>
      {{#ours}}<p class="fine metric">{{metric}}</p><dl class="numbers">{{#lines}}<dt>{{arm}}</dt><dd><b>{{value}}</b> <span class="fine">{{note}}</span></dd>{{/lines}}</dl>{{/ours}}
      {{^ours}}<p class="fine">No valid run has the metrics that the rules use.</p>{{/ours}}
      <p class="fine">Durability: {{durability}}.</p>
      </div>
      <div class="card">
      <h3>The ceiling here</h3>
      {{#ceiling}}{{#lines}}<div class="bar"><span>{{arm}} <span class="fine">{{metric}}</span></span><div class="track"><div style="width:{{width}}%"></div></div><span class="fine">{{sentence}}</span></div>{{/lines}}
      {{^hasLines}}<p class="fine">{{why}}</p>{{/hasLines}}
      {{#hasMore}}<details><summary>More</summary>{{#more}}<div class="bar"><span>{{arm}} <span class="fine">{{metric}}</span></span><div class="track"><div style="width:{{width}}%"></div></div><span class="fine">{{sentence}}</span></div>{{/more}}</details>{{/hasMore}}
      {{#hasFigures}}<details><summary>What was probed just before</summary><dl class="facts">{{#figures}}<dt>{{name}}</dt><dd>{{value}}</dd>{{/figures}}</dl></details>{{/hasFigures}}{{/ceiling}}
      </div>
      </div></details>
      <details><summary>What limits it, and caveats</summary>
      <div class="columns">
      <dl>{{#limiters}}<dt>{{arm}}</dt><dd>{{limiter}}</dd>{{/limiters}}</dl>
      <div><ul>{{#caveats}}<li>{{.}}</li>{{/caveats}}</ul>
      <p class="fine">Hypothesis, fixed before the run: {{hypothesis}}</p></div>
      </div></details>
      <details><summary>Measured here: every arm, metric by metric</summary>
      {{#sides}}<div class="scroll"><table><caption>Side by side: medians</caption><thead><tr>{{#columns}}<th>{{.}}</th>{{/columns}}</tr></thead>
      <tbody>{{#lines}}<tr>{{#cells}}<td>{{.}}</td>{{/cells}}</tr>{{/lines}}</tbody></table></div>{{/sides}}
      {{#measured}}<details><summary><code>{{metric}}</code> <span class="fine">{{meaning}}</span></summary>
      <div class="scroll"><table><thead><tr><th>Arm</th><th>Levels</th><th>Median [95&nbsp;%]</th>{{#hasShare}}<th>Of the control</th>{{/hasShare}}<th>n</th><th>Cache</th><th>Durability</th></tr></thead>
      <tbody>{{#lines}}<tr><td>{{arm}}</td><td>{{levels}}</td><td>{{value}}</td>{{#hasShare}}<td>{{share}}</td>{{/hasShare}}<td>{{n}}</td><td>{{cache}}</td><td>{{durability}}</td></tr>{{/lines}}</tbody></table></div></details>{{/measured}}</details>
      {{#history}}{{#has}}<details><summary>All results of this experiment</summary>
      <div class="sparks">{{#charts}}<div><b>{{title}}</b>{{{svg}}}<span class="fine">{{now}}</span></div>{{/charts}}</div>
      <div class="scroll"><table><thead><tr><th>Result</th><th>Profile</th><th>Grade</th><th>State</th></tr></thead><tbody>{{#rows}}<tr><td><a href="{{href}}">{{name}}</a> <span class="fine">{{shown}}</span></td><td>{{profile}}{{#other}}<br><span class="fine">{{.}}</span>{{/other}}</td><td>{{#outcome}}<span class="badge {{class}}">{{sign}} {{word}}</span>{{/outcome}}</td><td>{{state}}</td></tr>{{/rows}}</tbody></table></div></details>{{/has}}{{/history}}
      <details><summary>How it was made, and its files</summary>
      <dl class="facts">{{#told}}<dt>{{topic}}</dt><dd>{{statement}}</dd>{{/told}}<dt>Begun</dt><dd>{{startedAt}}</dd><dt>Definition</dt><dd>fixed before the run, SHA-256 {{hash}}…</dd></dl>
      <p class="fine">Raw: {{#files}}<a href="{{href}}">{{name}}</a> {{/files}}<br>Charts: {{#charts}}<a href="{{href}}">{{name}}</a> {{/charts}}</p></details>
      </details>
      {{/entries}}
      {{#hasEntries}}<section id="machine" class="plain">
      <h2>The machine, and what weakens the results</h2>
      <dl class="facts">{{#facts}}<dt>{{name}}</dt><dd>{{#values}}<div>{{text}}{{#ids}} <span class="fine">({{.}})</span>{{/ids}}</div>{{/values}}</dd>{{/facts}}</dl>
      {{#hasWeakened}}<details><summary>Why results are no more than valid, or informative</summary><ul>{{#weakened}}<li>{{text}}{{#ids}} <span class="fine">({{.}})</span>{{/ids}}</li>{{/weakened}}</ul></details>{{/hasWeakened}}
      </section>
      <section id="checks" class="plain">
      <h2>What was checked</h2>
      {{#checks}}<p>{{looked}} of the {{known}} known crimes of benchmarking can be looked for in every result here{{^hasKinds}}, and none is found{{/hasKinds}}.</p>
      {{#kinds}}<details><summary><span class="badge {{class}}">{{weight}}</span> {{crime}}</summary><p class="fine">{{meaning}}</p><ul>{{#details}}<li><b>{{id}}</b> {{detail}}</li>{{/details}}</ul></details>{{/kinds}}
      {{#hasUnmade}}<details><summary>Not looked for</summary><ul>{{#unmade}}<li>{{text}}{{#ids}} <span class="fine">({{.}})</span>{{/ids}}</li>{{/unmade}}</ul></details>{{/hasUnmade}}{{/checks}}
      </section>{{/hasEntries}}
      <section id="how" class="plain">
      <h2>How to read it</h2>
      <p>Each claim is tested on the bare mechanism and, where a broker is concerned, through the broker by flipping one switch. Arms run as processes of their own, interleaved in a seeded order. R is the ratio of medians with a bootstrap 95 % interval; the noise floor is what an arm shows against a copy of itself (A/A). Values are medians. Point at a mark of a chart to see its numbers; each chart is redrawn from its CSV by its gnuplot script.</p>
      <details><summary>Grades, outcomes and states</summary><dl class="facts">
      <dt><span class="badge yes">✓ holds</span></dt><dd>Every deciding comparison is supported: its whole interval is beyond the threshold and beyond the noise floor.</dd>
      <dt><span class="badge partly">~ holds in direction</span></dt><dd>Beyond the noise in the claimed direction, and smaller than was claimed.</dd>
      <dt><span class="badge no">✗ fails</span></dt><dd>The whole interval of a comparison is on the other side of the threshold.</dd>
      <dt><span class="badge capped">≥ capped</span></dt><dd>The link, the disk, the processors or the load generator set the rate of the arm that the claim speaks of: the effect is at least what was seen.</dd>
      <dt><span class="badge open">? undecided</span></dt><dd>An interval reaches across the threshold or into the noise, too few runs are valid, or a gate failed; what is known all the same stands beside it.</dd>
      <dt><span class="state reportable">REPORTABLE</span></dt><dd>At least 7 replicates, every row valid and steady, nothing about machine or build to hold against it.</dd>
      <dt><span class="state valid">VALID</span></dt><dd>The gates held; something named keeps it from standing for machines of its kind. The quick profile is never more.</dd>
      <dt><span class="state informative">INFORMATIVE</span></dt><dd>Below the experiment's minimum, interrupted, or too few replicates: a direction at best.</dd>
      </dl></details>
      </section>
      </main>

      """ + ending

  /// A claim in the table on top.
  private static let summaryRow = """
    <tr><td><a href="#{{anchor}}">{{id}}</a></td><td>{{claim}}{{#profile}} <span class="fine">({{.}} profile)</span>{{/profile}}</td><td class="number" data-label="original">{{original}}</td><td class="number" data-label="ours"><b>{{value}}</b> <span class="fine">{{interval}}</span></td><td>{{#grade}}<span class="badge {{class}}">{{sign}} {{word}}</span>{{/grade}} <span class="fine">{{detail}}</span></td><td data-label="limited by">{{limit}}</td></tr>

    """

  /// A rule with its comparisons.
  private static let ruleRows = """
    <tbody>
    <tr class="rule"><td colspan="4"><b>{{rule}}</b> <span class="fine">{{tier}}</span><br>{{meaning}}</td></tr>
    {{#lines}}<tr{{#pointer}} title="{{.}}"{{/pointer}}><td class="where">{{combination}}{{#why}}<br><span class="fine">{{.}}</span>{{/why}}</td><td class="number" data-label="Effect">{{effect}}</td><td class="number" data-label="Noise floor">{{floor}}</td><td>{{#outcome}}<span class="badge {{class}}">{{sign}} {{word}}</span>{{/outcome}}</td></tr>
    {{/lines}}</tbody>
    """

  static let style = """
    :root { --ink: #1d2127; --soft: #5b6470; --paper: #fbfaf7; --card: #ffffff; --line: #dcd9d2; --link: #0b5fa5;
      --yes: #17713f; --no: #b1361b; --open: #6b5b00; --partly: #0a6470; --capped: #6d3f8f;
      --yes-bg: #e2f3e8; --no-bg: #fbe6e0; --open-bg: #f6efce; --partly-bg: #dcf0f2; --capped-bg: #efe4f7; }
    @media (prefers-color-scheme: dark) {
      :root { --ink: #e7e6e3; --soft: #a3a9b1; --paper: #15181c; --card: #1e2227; --line: #363c44; --link: #7dbcf2;
        --yes: #7fdca4; --no: #ff9d84; --open: #e8d36b; --partly: #7ddbe6; --capped: #d3aef0;
        --yes-bg: #173524; --no-bg: #43201a; --open-bg: #3a3312; --partly-bg: #12363b; --capped-bg: #35204a; }
      figure svg { filter: invert(0.88) hue-rotate(180deg); }
    }
    * { box-sizing: border-box; }
    html { -webkit-text-size-adjust: 100%; scroll-padding-top: 12px; }
    body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.5 system-ui, -apple-system, "Segoe UI",
      "DejaVu Sans", Helvetica, Arial, sans-serif; }
    header, main { max-width: 1080px; margin: 0 auto; padding: 0 20px; }
    main > header { padding: 0; display: flex; flex-wrap: wrap; gap: 0 18px; align-items: baseline; }
    main > header h1 { width: 100%; }
    main > header p { margin: 2px 0; }
    header { padding-top: 36px; }
    main { padding-top: 14px; padding-bottom: 40px; }
    nav { font-size: 0.84rem; background: var(--card); border-right: 1px solid var(--line); overflow: auto;
      position: sticky; top: 0; }
    nav ol { list-style: none; margin: 0; padding: 0; }
    nav ol + ol { margin-top: 10px; padding-top: 8px; border-top: 1px solid var(--line); }
    nav a { color: inherit; text-decoration: none; display: block; padding: 4px 6px; border-radius: 6px;
      white-space: nowrap; overflow: hidden; text-overflow: ellipsis; }
    nav a:hover, nav a:focus { background: var(--line); }
    nav .brand { font-weight: 700; font-size: 1.05rem; margin-bottom: 8px; }
    .sign { display: inline-block; width: 1.15em; text-align: center; font-weight: 700; }
    .sign.yes { color: var(--yes); } .sign.no { color: var(--no); } .sign.open { color: var(--open); }
    .sign.partly { color: var(--partly); } .sign.capped { color: var(--capped); }
    @media (min-width: 1101px) {
      body:has(> nav) { display: grid; grid-template-columns: 196px minmax(0, 1fr); }
      nav { height: 100vh; padding: 14px 8px; }
      body:has(> nav) main { margin: 0; width: 100%; max-width: 1120px; padding: 14px 22px 40px; }
    }
    @media (max-width: 1100px) {
      nav { display: flex; align-items: center; z-index: 5; border: 0; border-bottom: 1px solid var(--line); padding: 4px 8px; }
      nav > * { flex: none; } nav ol { display: flex; } nav ol + ol, nav ol span:not(.sign) { display: none; }
      nav .brand { margin: 0; } nav a { padding: 8px 6px; }
      html { scroll-padding-top: 54px; }
    }
    h1 { font-size: 1.5rem; margin: 0; letter-spacing: -0.01em; line-height: 1.25; }
    h2 { font-size: 1.2rem; margin: 0 0 8px; line-height: 1.25; }
    h3 { font-size: 1.05rem; margin: 28px 0 8px; }
    .id { color: var(--soft); font-weight: 500; }
    .lead { font-size: 1.08rem; margin: 6px 0; max-width: 46em; }
    .fine { color: var(--soft); font-size: 0.86rem; }
    a { color: var(--link); }
    section { margin: 14px 0; }
    .experiment, #summary, .picture, .plain, .note, .card-page { background: var(--card); border: 1px solid var(--line);
      border-radius: 12px; padding: 12px 18px; }
    .card-page { padding: 24px; }
    .badge { display: inline-block; padding: 1px 9px; border-radius: 99px; font-size: 0.78rem; font-weight: 700;
      white-space: nowrap; letter-spacing: 0.01em; }
    .badge.yes { color: var(--yes); background: var(--yes-bg); }
    .badge.no { color: var(--no); background: var(--no-bg); }
    .badge.open { color: var(--open); background: var(--open-bg); }
    .badge.partly { color: var(--partly); background: var(--partly-bg); }
    .badge.capped { color: var(--capped); background: var(--capped-bg); }
    .state { font-size: 0.74rem; letter-spacing: 0.06em; color: var(--soft); border: 1px solid var(--line);
      border-radius: 99px; padding: 1px 8px; white-space: nowrap; text-decoration: none; }
    .state.reportable { color: var(--yes); border-color: var(--yes); }
    table { border-collapse: collapse; width: 100%; font-size: 0.92rem; }
    th, td { text-align: left; vertical-align: top; padding: 7px 10px 7px 0; border-bottom: 1px solid var(--line); }
    th { font-size: 0.8rem; color: var(--soft); font-weight: 600; }
    .number { font-variant-numeric: tabular-nums; white-space: nowrap; }
    td.number, th.number { text-align: right; padding-right: 16px; }
    .summary { font-size: 0.85rem; line-height: 1.3; table-layout: fixed; }
    .summary td, .summary th { padding: 4px 8px 4px 0; }
    .summary td:nth-child(5) { padding-left: 8px; } .summary th:nth-child(5) { padding-left: 8px; }
    .summary td.number { white-space: normal; }
    .summary .badge { font-size: 0.74rem; }
    .summary td:first-child { white-space: nowrap; }
    .summary td:last-child { padding-right: 0; }
    .summary tbody tr:last-child td { border: 0; }
    .summary .number .fine { font-size: 0.8rem; }
    .summary .aside td { color: var(--soft); font-size: 0.8rem; padding-top: 10px; }
    .findings tbody tr:not(.rule) td { border-bottom-style: dotted; }
    .findings .rule td { padding-top: 14px; }
    .findings .where { padding-left: 14px; }
    .scroll { overflow-x: auto; } .scroll > svg { min-width: 720px; }
    figure { margin: 12px 0; }
    .picture figure { margin: 0; }
    figure svg { width: 100%; height: auto; display: block; font-family: "DejaVu Sans", system-ui, Helvetica, Arial,
      sans-serif; border-radius: 6px; background: #fff; font-size: 14px; }
    figure svg text { stroke: none; white-space: pre; }
    figure svg .h { opacity: 0; fill: #000; stroke: none; }
    figure svg .h circle:not([r]) { r: 6.3px; }
    .narrow { display: none; }
    blockquote { margin: 8px 0; padding: 2px 0 2px 14px; border-left: 3px solid var(--line); font-style: italic; }
    .columns { display: grid; grid-template-columns: 1fr 1fr; gap: 0 36px; }
    dt { font-weight: 600; margin-top: 8px; }
    dd { margin: 0; }
    .facts { display: grid; grid-template-columns: max-content minmax(0, 1fr); gap: 3px 18px; font-size: 0.9rem; }
    .facts dt { margin: 0; }
    .facts dd { overflow-wrap: anywhere; }
    details details, .plain details { border-top: 1px solid var(--line); padding: 7px 0; }
    summary { cursor: pointer; }
    .experiment { margin: 8px 0; padding: 0 18px; }
    .experiment > summary { display: block; padding: 10px 0; list-style: none; margin: 0 -18px; padding: 10px 18px; border-radius: 12px; }
    .experiment > summary::-webkit-details-marker { display: none; }
    .experiment > summary:hover { background: var(--paper); }
    .experiment[open] { padding-bottom: 12px; }
    .head { display: flex; gap: 8px; align-items: baseline; }
    .head .title { font-weight: 600; font-size: 1.05rem; flex: 1; }
    .head .title::after { content: " ▸"; color: var(--soft); font-weight: 400; }
    [open] > summary .title::after { content: " ▾"; }
    .figure { display: block; color: var(--soft); font-size: 0.88rem; }
    code { font-family: ui-monospace, "DejaVu Sans Mono", Menlo, monospace; font-size: 0.92em; }
    ul { padding-left: 20px; }
    li { margin: 3px 0; }
    @media (max-width: 700px) {
      header, main { padding-left: 12px; padding-right: 12px; }
      .experiment, #summary, .picture, .plain, .note, .card-page { padding-left: 12px; padding-right: 12px; border-radius: 10px; }
      .picture { padding: 6px 4px; }
      .experiment > summary { margin: 0 -12px; padding: 10px 12px; }
      .head { flex-wrap: wrap; } .head .title { flex: 1 1 70%; }
      .columns { display: block; }
      .wide { display: none; }
      .narrow { display: block; }
      .summary thead, .summary colgroup, .findings thead { display: none; }
      .summary, .summary tbody, .findings, .findings tbody { display: block; }
      .summary tr, .findings tr { display: block; border-bottom: 1px solid var(--line); padding: 8px 0; }
      .summary td, .summary td:last-child, .findings td { display: block; text-align: left; border: 0; padding: 1px 0; }
      .summary td:first-child { float: left; width: 5.2em; font-weight: 600; }
      .summary .aside td { float: none; width: auto; }
      .summary td:not(:first-child) { margin-left: 5.2em; white-space: normal; }
      .summary td:empty { display: none; }
      .summary td:nth-child(2) { font-weight: 600; } .summary td:nth-child(5) { padding-left: 0; }
      .findings tr:not(.rule) { border-bottom: 1px dotted var(--line); padding: 6px 0 6px 12px; }
      .findings .where { padding-left: 0; }
      .summary td[data-label]::before, .findings td[data-label]::before { content: attr(data-label) ": "; color: var(--soft);
        font-size: 0.82rem; }
      .facts { display: block; }
      .scroll table { min-width: 620px; }
      .fine a { display: inline-block; padding: 4px 0; }
    }
    .panel { display: grid; grid-template-columns: repeat(3, minmax(0, 1fr)); gap: 14px; margin: 12px 0; }
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
    @media (max-width: 900px) { .panel { grid-template-columns: 1fr; } }
    @media print { nav { display: none; } .experiment { break-before: page; } details > * { display: block; } }
    """
}
