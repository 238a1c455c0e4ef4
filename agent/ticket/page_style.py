"""The page's style: a constant. Light and dark, from a telephone to a wide screen, and on paper.

Every pair of colours that letters stand in has a contrast of 4.5 to 1 or better (WCAG 2, level AA).
"""

from __future__ import annotations

CSS = """
:root {
  color-scheme: light dark;
  --page: #f3f4f6; --card: #ffffff; --sunk: #f1f3f5; --line: #cfd4da;
  --text: #1a1d21; --quiet: #555e68; --link: #0b5394;
  --ok: #17693a; --warning: #7a4d00; --broken: #ad1f1f; --unchecked: #555e68; --info: #0b5394;
  --range: #6f97cc; --average: #0a3667; --own: #a87716; --real: #b3261e; --blamed: #fdecea; --track: #e3e6ea;
}
@media screen and (prefers-color-scheme: dark) {
  :root {
    --page: #101316; --card: #191d21; --sunk: #22272d; --line: #3b434c;
    --text: #e6e9ec; --quiet: #a8b2bc; --link: #8cc2ff;
    --ok: #74d394; --warning: #f0b849; --broken: #ff8f87; --unchecked: #a8b2bc; --info: #8cc2ff;
    --range: #4a739f; --average: #b9daff; --own: #b8892f; --real: #f0625a; --blamed: #3a2022; --track: #2e353c;
  }
}
* { box-sizing: border-box; }
html { font: 100%/1.5 system-ui, -apple-system, "Segoe UI", "Liberation Sans", "DejaVu Sans", sans-serif; }
body { margin: 0 auto; padding: 1rem; max-width: 76rem; background: var(--page); color: var(--text); }
h1, h2, h3, h4, p, ul, ol, dl, dd, pre, figure { margin: 0; }
h1 { font-size: 1.6rem; line-height: 1.25; overflow-wrap: anywhere; }
h2 { font-size: 1.25rem; line-height: 1.3; margin-bottom: .6rem; overflow-wrap: anywhere; }
h3 { font-size: 1.05rem; line-height: 1.35; overflow-wrap: anywhere; }
h4 { font-size: .9rem; margin-top: .9rem; }
p, li, dd, td, th, summary { overflow-wrap: anywhere; }
a { color: var(--link); }
a:focus-visible, summary:focus-visible, [tabindex]:focus-visible { outline: 3px solid var(--link);
  outline-offset: 2px; }
code, pre { font: .85rem/1.5 ui-monospace, "Cascadia Mono", "DejaVu Sans Mono", "Liberation Mono", monospace; }
code { overflow-wrap: anywhere; }
pre { padding: .5rem .7rem; background: var(--sunk); border-radius: 4px; white-space: pre-wrap; tab-size: 8; }
time { font-variant-numeric: tabular-nums; white-space: nowrap; }
header { padding: .25rem 0 1rem; }
footer { padding: 1rem 0; color: var(--quiet); font-size: .85rem; }
.over { color: var(--quiet); font-size: .85rem; text-transform: uppercase; letter-spacing: .08em; }
.card { padding: 1rem 1.1rem 1.2rem; margin-bottom: 1rem; background: var(--card); border: 1px solid var(--line);
  border-radius: 8px; min-width: 0; }
.card > :last-child, .finding > :last-child, .done > :last-child { margin-bottom: 0; }
.aside, .source, .place, .cut, .more, .label, .end { color: var(--quiet); }
.aside { font-size: .92rem; }
.cut { font-style: italic; padding: .3rem 0; }
.facts { display: flex; flex-wrap: wrap; gap: .3rem 1.5rem; }
.facts > div { display: flex; flex-wrap: wrap; gap: 0 .5rem; min-width: 0; }
.facts dt { color: var(--quiet); }
.facts dd { min-width: 0; }
.mark { width: 1em; height: 1em; vertical-align: -.12em; flex: none; }
.mark path { fill: currentColor; fill-rule: evenodd; }
.ok > .mark, .mark.ok, .badge.ok, .healthy .badge.healthy, .badge.healthy { color: var(--ok); }
.mark.warning, .badge.warning, .badge.degraded { color: var(--warning); }
.mark.broken, .badge.broken, .badge.critical, .mark.failure { color: var(--broken); }
.mark.unchecked, .badge.unchecked, .badge.unknown, .badge.info { color: var(--unchecked); }
.mark.boot, .mark.change { color: var(--info); }
.mark.package, .mark.file { color: var(--warning); }
.mark.login { color: var(--quiet); }

.top { display: grid; grid-template-columns: minmax(0, 1fr); gap: 0 1rem; align-items: start; }
@media screen and (min-width: 60rem) { .top { grid-template-columns: minmax(0, 8fr) minmax(0, 5fr); } }
.answer { border-top: 6px solid var(--unchecked); }
.answer.broken { border-top-color: var(--broken); }
.answer.degraded { border-top-color: var(--warning); }
.answer.healthy { border-top-color: var(--ok); }
.state { font-size: 1.1rem; margin-bottom: .2rem; }
.answer h2 { font-size: 1.4rem; }
.answer > *, .finding > *, .trace > *, .done > * { margin-bottom: .5rem; }
.note { padding: .5rem .7rem; border: 2px solid var(--warning); border-radius: 4px; }
.evidence, .before, .events, .findings, .tried, .steps, .references { list-style: none; padding: 0; }
.evidence > li { margin-bottom: .4rem; }
.source { font-size: .88rem; }
.do { margin-top: .7rem; }
.label { font-size: .88rem; font-weight: 600; color: var(--text); }
.command { border-left: 4px solid var(--info); user-select: all; }
.before { font-size: .92rem; list-style: disc; padding-left: 1.2rem; }

.ladder { list-style: none; margin: .3rem 0; padding: .3rem .6rem; border-left: 5px solid var(--line);
  border-right: 5px solid var(--line); }
.ladder li { display: grid; grid-template-columns: 1.1rem minmax(0, 6.6rem) minmax(0, 1fr); gap: 0 .5rem;
  padding: .4rem .2rem; border-bottom: 3px solid var(--line); margin: 0 -.6rem; padding-inline: .7rem; }
.ladder li:first-child { border-top: 3px solid var(--line); }
.ladder .mark { margin-top: .25rem; }
.ladder .rung strong { display: block; line-height: 1.3; }
.ladder .rung em { font-size: .82rem; font-style: normal; color: var(--quiet); }
.ladder .why { font-size: .9rem; align-self: center; min-width: 0; }
.ladder .broken { background: var(--blamed); }
.ladder .broken em { color: var(--broken); font-weight: 600; }
.ladder .warning em { color: var(--warning); }
.end { font-size: .85rem; text-align: center; }

.finding, .done { padding: .8rem 0; border-top: 1px solid var(--line); }
.finding:first-child, .done:first-child { border-top: 0; padding-top: 0; }
.references { font-size: .85rem; margin-top: .4rem; }
.failed { color: var(--broken); }
.steps pre { margin-top: .3rem; }

.events { margin-bottom: .8rem; }
.event { display: grid; grid-template-columns: 1.1rem 4.8rem minmax(0, 1fr) minmax(0, 14rem); gap: 0 .5rem;
  padding: .2rem 0; align-items: baseline; }
.event .place { font-size: .85rem; text-align: right; }
.event.boot { border-top: 2px solid var(--info); margin-top: .5rem; padding-top: .35rem; }
.event .what strong { display: inline-block; min-width: 4.2rem; font-size: .85rem; }
.event.failure .what strong { color: var(--broken); }
.host { min-width: 12rem; }
@media (max-width: 40rem) {
  body { padding: .5rem; }
  .card { padding: .8rem .7rem; }
  .event { grid-template-columns: 1.1rem 4.4rem minmax(0, 1fr); }
  .event .place { grid-column: 3; text-align: left; }
  .event .what strong { display: block; }
  .ladder li { grid-template-columns: 1.1rem minmax(0, 1fr); }
  .ladder .why { grid-column: 2; }
  .ladder .rung strong { display: inline; }
  .host { min-width: 7.5rem; }
}
svg text { font: 12px system-ui, -apple-system, "Segoe UI", "Liberation Sans", "DejaVu Sans", sans-serif;
  fill: var(--text); }
.strip, .plot { display: block; max-width: 60rem; overflow: hidden; }
.strip { margin: .5rem 0 .8rem; }
.strip .at { fill: var(--info); }
.strip .failure { fill: var(--broken); }
.strip .package, .strip .file { fill: var(--warning); }
.strip .login { fill: var(--quiet); }
.grid, .between { stroke: var(--line); stroke-width: 1; }
svg .tick, svg .lane { fill: var(--quiet); font-size: 11px; }
.trace { padding-top: .8rem; border-top: 1px solid var(--line); margin-top: .8rem; }
.trace:first-of-type { border-top: 0; margin-top: 0; padding-top: 0; }
.summary { font-weight: 600; }
figcaption { font-size: .85rem; color: var(--quiet); margin-bottom: .3rem; }
.legend { white-space: nowrap; margin-right: .6rem; }
.swatch { display: inline-block; vertical-align: -.05em; }
.plot .name, .plot .silent, .plot .remark { paint-order: stroke; stroke: var(--card); stroke-width: 4px;
  stroke-linejoin: round; }
.plot .accused { stroke: var(--blamed); }
.plot .number { font-weight: 700; font-size: 13px; }
.plot .silent { fill: var(--quiet); font-style: italic; }
.plot .value { font-size: 11px; fill: var(--text); }
.plot .value.silent { fill: var(--quiet); }
.plot .lost { font-weight: 700; }
.plot .range { fill: var(--range); }
.plot .average { fill: var(--average); }
.plot .trend { stroke: var(--average); stroke-width: 1.5; }
.plot .gap { stroke-dasharray: 4 4; }
.plot .silence { stroke: var(--quiet); stroke-width: 2; stroke-dasharray: 2 6; }
.plot .track { fill: var(--track); }
.plot .own { fill: var(--own); }
.plot .real { fill: var(--real); }
.plot .blamed { fill: var(--blamed); stroke: var(--broken); stroke-width: 1.5; }
.plot .remark { fill: var(--broken); font-weight: 700; }

.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: .9rem; font-variant-numeric: tabular-nums; }
caption { text-align: left; color: var(--quiet); font-size: .85rem; padding: .3rem 0; }
th, td { padding: .25rem .5rem; text-align: left; border-bottom: 1px solid var(--line); vertical-align: top; }
thead th { color: var(--quiet); font-weight: 600; white-space: nowrap; }
td.figure, th.figure { text-align: right; white-space: nowrap; }
tr.silent td { color: var(--quiet); }
.more { display: block; font-size: .85rem; }
.trace ul, .trace ol { padding-left: 1.2rem; }
details { border-top: 1px solid var(--line); }
summary { padding: .4rem 0; cursor: pointer; }
details pre { max-height: 32rem; overflow: auto; margin-bottom: .6rem; }
.empty { border-top: 1px solid var(--line); padding: .4rem 0; }

@media print {
  :root { --page: #ffffff; --sunk: #f6f6f6; }
  @page { margin: 14mm; }
  html { font-size: 9.5pt; }
  body { padding: 0; max-width: none; }
  th, td { padding: .2rem .3rem; }
  .host { min-width: 0; }
  .card { border: 0; border-top: 1px solid var(--line); border-radius: 0; padding: .6rem 0; }
  .answer { border-top: 6px solid; }
  li, tr, svg, figure, .do { break-inside: avoid; }
  .finding, .done { break-inside: auto; }
  h2, h3, h4, summary { break-after: avoid; }
  .wide, details pre { overflow: visible; max-height: none; }
  details::details-content { content-visibility: visible; block-size: auto; display: block; }
  svg, .ladder li, .card { -webkit-print-color-adjust: exact; print-color-adjust: exact; }
}
"""
