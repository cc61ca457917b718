/** The report's style sheet: system fonts, one measure of text, light and dark by the reader's setting, and print. */
export const STYLE = `
:root {
  color-scheme: light dark;
  --ground: #fcfcfb; --panel: #f3f3f0; --ink: #1d1f23; --muted: #667080; --line: #d9dad6; --link: #0b5c99;
  --series-1: #0b66a8; --series-2: #c2500a; --series-3: #00795a; --series-4: #9c4f7d;
  --right: 11 102 168; --wrong: 200 80 20; --warn: #9a5b00; --warn-ground: #fff6e3;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ground: #15171a; --panel: #1f2226; --ink: #e6e7e9; --muted: #9aa3af; --line: #363a41; --link: #7cc0f5;
    --series-1: #64b5f0; --series-2: #f2975a; --series-3: #4cc9a3; --series-4: #dd9cc4;
    --right: 70 150 215; --wrong: 235 125 65; --warn: #f0bd62; --warn-ground: #2b2415;
  }
}
* { box-sizing: border-box }
html { scroll-behavior: smooth; -webkit-text-size-adjust: 100% }
@media (prefers-reduced-motion: reduce) { html { scroll-behavior: auto } }
body { margin: 0; background: var(--ground); color: var(--ink); font: 16px/1.6 system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', sans-serif }
header, main, footer { max-width: 60rem; margin: 0 auto; padding: 0 1.5rem }
header { padding-top: 3rem }
h1 { font-size: 2rem; line-height: 1.2; letter-spacing: -.015em; margin: 0 0 .5rem; overflow-wrap: anywhere; text-wrap: balance }
h2 { font-size: 1.35rem; line-height: 1.3; letter-spacing: -.01em; margin: 0 0 1rem }
h3 { font-size: 1.02rem; margin: 2rem 0 .6rem }
p, ul { max-width: 44rem; margin: 0 0 1rem }
a { color: var(--link) }
.lead { font-size: 1.12rem; color: var(--muted); overflow-wrap: anywhere }
section { padding: 2.4rem 0 1.2rem; border-top: 1px solid var(--line); scroll-margin-top: 1rem }
nav { margin: 1.5rem 0 2.4rem; font-size: .9rem }
nav ul { list-style: none; display: flex; flex-wrap: wrap; gap: .25rem 1.1rem; padding: 0; margin: 0; max-width: none }
nav a { text-decoration: none } nav a:hover { text-decoration: underline }
small { font-size: .86em; color: var(--muted); font-weight: 400 }
.note, figcaption { color: var(--muted); font-size: .9rem }
.hidden { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap }
.headline { padding: 1.6rem 0 .4rem }
.big { font-size: 1.1rem; display: flex; flex-wrap: wrap; align-items: baseline; gap: 0 .7rem; margin: 0 0 1.2rem; max-width: none }
.big strong { font-size: 3.6rem; line-height: 1.1; letter-spacing: -.03em; font-variant-numeric: tabular-nums; font-weight: 650 }
.facts { display: flex; flex-wrap: wrap; gap: 1rem 2.6rem; margin: 0 0 1.6rem }
.facts dt { color: var(--muted); font-size: .85rem } .facts dd { margin: 0; font-size: 1.1rem; font-variant-numeric: tabular-nums }
figure { margin: 1.2rem 0 }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 24rem), 1fr)); gap: .5rem 2rem }
.charts.narrow { grid-template-columns: repeat(auto-fit, minmax(min(100%, 17rem), 1fr)) }
.charts figure { margin: .4rem 0 }
.chart { display: block; width: auto; max-width: 100%; height: auto; overflow: visible }
.chart text { white-space: pre }
figcaption { max-width: 44rem; margin-top: .3rem }
figcaption strong { color: var(--ink) }
.scroll { overflow-x: auto; margin: 0 0 1.2rem }
table { border-collapse: collapse; font-size: .93rem; font-variant-numeric: tabular-nums }
th, td { padding: .38rem .9rem .38rem 0; text-align: left; border-bottom: 1px solid var(--line); vertical-align: baseline }
thead th { color: var(--muted); font-weight: 500; font-size: .86rem; vertical-align: bottom }
tbody th { font-weight: 500 }
td:not([class]):last-child { min-width: 10rem }
th.number, td.number { text-align: right; white-space: nowrap; padding-left: .5rem }
.meter { display: inline-block; min-width: 5.6rem; padding: .05rem .4rem; border-radius: 3px; background: linear-gradient(90deg, rgb(var(--right) / .22) var(--share), var(--panel) var(--share)) }
.tag { font-size: .76rem; font-weight: 600; color: var(--ground); background: var(--series-1); border-radius: 3px; padding: .1rem .4rem }
.warnings { list-style: none; padding: 0; max-width: none }
.warnings > li { background: var(--warn-ground); border-left: 3px solid var(--warn); padding: .7rem 1rem; margin-bottom: .7rem; border-radius: 0 4px 4px 0; overflow-wrap: anywhere }
.warnings strong { display: block } .warnings details { margin: .4rem 0 0 }
.confusion { font-size: .86rem; border-collapse: separate; border-spacing: 2px }
.confusion td, .confusion th { border: 0; padding: 0 }
.confusion tbody th { text-align: right; padding-right: .6rem; white-space: nowrap; max-width: 12rem; overflow: hidden; text-overflow: ellipsis; font-weight: 400; vertical-align: middle }
.confusion .corner { vertical-align: bottom; text-align: right; padding: 0 .6rem .3rem 0; color: var(--muted); font-size: .8rem } .confusion .corner span { display: block; height: auto }
.confusion thead th { text-align: center; height: 7rem; font-size: inherit; font-weight: 400; color: var(--ink); vertical-align: bottom }
.confusion thead th span { writing-mode: vertical-rl; transform: rotate(180deg); max-height: 9rem; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; display: inline-block; margin: 0 0 .3rem }
.confusion tbody td { width: 2.7rem; min-width: 2.4rem; height: 2.2rem; text-align: center; vertical-align: middle; border-radius: 3px; background: var(--panel) }
.confusion td.right, .confusion td.wrong { background: color-mix(in srgb, rgb(var(--tone)) calc(12% + .6 * var(--share)), var(--panel)) }
td.right { --tone: var(--right) } td.wrong { --tone: var(--wrong) }
.confusion button, .confusion td > span { display: flex; align-items: center; justify-content: center; width: 100%; height: 2.2rem }
td button { font: inherit; color: inherit; background: none; border: 0; padding: 0; cursor: pointer; text-decoration: underline dotted; text-underline-offset: 3px }
td button:hover { text-decoration-style: solid }
button:focus-visible, a:focus-visible, summary:focus-visible { outline: 2px solid var(--link); outline-offset: 2px; border-radius: 3px }
.cell { width: min(46rem, calc(100vw - 2rem)); max-height: 80vh; overflow: auto; border: 1px solid var(--line); border-radius: 8px; padding: 1.2rem 1.4rem; background: var(--ground); color: var(--ink); box-shadow: 0 12px 40px rgb(0 0 0 / .3) }
.cell::backdrop { background: rgb(0 0 0 / .25) }
.cell-head { display: flex; justify-content: space-between; align-items: start; gap: 1rem } .cell h3 { margin: 0 0 1rem }
.cell-head button { font: inherit; font-size: .9rem; color: inherit; background: var(--panel); border: 1px solid var(--line); border-radius: 5px; padding: .15rem .7rem; cursor: pointer }
.pictures { display: grid; grid-template-columns: repeat(auto-fill, minmax(7.5rem, 1fr)); gap: 1.1rem .9rem; margin: .8rem 0 1.2rem }
.picture { margin: 0; min-width: 0; font-size: .86rem; line-height: 1.35 }
.picture img, .no-picture { display: block; width: 100%; aspect-ratio: 1; object-fit: cover; border-radius: 4px; background: var(--panel) }
.no-picture { display: grid; place-items: center; color: var(--muted); font-size: .8rem }
.picture figcaption { color: var(--ink); font-size: inherit }
.picture span { display: block; overflow-wrap: anywhere } .picture .no-picture { display: grid }
.said.wrong { color: var(--series-2); font-weight: 600 }
.snippets { list-style: none; padding: 0; margin: .8rem 0 1.4rem; max-width: 48rem }
.snippets li { border-left: 3px solid var(--line); padding: .1rem 0 .1rem 1rem; margin-bottom: 1.1rem }
.snippet { margin: 0 0 .25rem; overflow-wrap: anywhere; white-space: pre-wrap }
.about { margin: 0; font-size: .86rem; display: flex; flex-wrap: wrap; gap: 0 .9rem; align-items: baseline }
mark { color: inherit; border-radius: 3px; padding: .05em .1em; background: color-mix(in srgb, rgb(var(--tone)) calc(.55 * var(--weight)), transparent); print-color-adjust: exact; -webkit-print-color-adjust: exact }
mark.for { --tone: var(--right) } mark.against { --tone: var(--wrong) }
mark.against { text-decoration: underline dotted; text-underline-offset: 3px }
.file { color: var(--muted); font-size: .78rem; white-space: nowrap; overflow: hidden; text-overflow: ellipsis }
details { margin: .4rem 0 1rem } summary { cursor: pointer; color: var(--link); font-size: .92rem }
.numbers { margin: .2rem 0 } .numbers[open] { margin-bottom: 1rem } .numbers summary { font-size: .84rem } .numbers .scroll { margin-top: .5rem }
pre { background: var(--panel); border-radius: 6px; padding: .9rem 1.1rem; overflow-x: auto; font-size: .85rem; line-height: 1.5 }
code { font-family: ui-monospace, 'SF Mono', 'Cascadia Mono', Menlo, Consolas, 'DejaVu Sans Mono', monospace; font-size: .92em; overflow-wrap: anywhere }
pre code { font-size: inherit; overflow-wrap: normal } pre.command { white-space: pre-wrap }
footer { color: var(--muted); font-size: .85rem; padding-top: 1.5rem; padding-bottom: 3rem; border-top: 1px solid var(--line) }
@media (max-width: 34rem) {
  header { padding-top: 1.8rem } header, main, footer { padding-left: 1rem; padding-right: 1rem }
  h1 { font-size: 1.6rem } .big strong { font-size: 2.9rem }
  .pictures { grid-template-columns: repeat(auto-fill, minmax(6rem, 1fr)) } .confusion tbody td { min-width: 2.1rem }
}
@media print {
  :root { --ground: #fff; --panel: #f3f3f0; --ink: #000; --muted: #555; --line: #ccc; --warn-ground: #fff; color-scheme: light;
    --series-1: #0b66a8; --series-2: #c2500a; --series-3: #00795a; --series-4: #9c4f7d; --right: 11 102 168; --wrong: 200 80 20; --warn: #9a5b00 }
  body { font-size: 10pt } nav, .numbers { display: none } header, main, footer { max-width: none; padding: 0 }
  .charts, .charts.narrow { grid-template-columns: 1fr 1fr } h2, h3 { break-after: avoid } figure, .picture, tr, .warnings > li { break-inside: avoid } .scroll { overflow: visible } pre { white-space: pre-wrap }
  .meter, .confusion td, .tag { print-color-adjust: exact; -webkit-print-color-adjust: exact }
}
`
