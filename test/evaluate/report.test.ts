import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseHTML } from 'linkedom'
import { type ReportData, renderReport } from '#graft/evaluate/report.js'
import { PIXEL, sampleReport } from './sample.js'

const HOSTILE = `</style></script><img src=x onerror=alert(1)> "quotes" 'single' & &amp; \u{1F600} \u202Ertl \u0000 http://example.com/x`

function parse(data: ReportData): Document {
  return parseHTML(renderReport(data)).document as unknown as Document
}

test('every section is there, in order, under one h1', () => {
  const document = parse(sampleReport())
  assert.deepEqual(
    Array.from(document.querySelectorAll('h1, h2'), (heading) => `${heading.tagName} ${heading.textContent?.trim()}`),
    [
      'H1 A title',
      'H2 Before you trust these figures',
      'H2 What was tried',
      'H2 What transfer bought you',
      'H2 Class by class',
      'H2 What is confused with what',
      'H2 Worst mistakes',
      'H2 Likely label errors',
      'H2 Learning curves',
      'H2 Can the confidence be trusted?',
      'H2 The data',
      'H2 Left out',
      'H2 Time and memory',
      'H2 Do it again',
    ],
  )
  const linked = Array.from(document.querySelectorAll('nav a'), (link) => link.getAttribute('href'))
  assert.deepEqual(
    linked,
    Array.from(document.querySelectorAll('section'), (section) => `#${section.id}`),
  )
  assert.equal(document.querySelectorAll('svg[role=img]').length, 7)
  for (const svg of document.querySelectorAll('svg')) assert.ok((svg.getAttribute('aria-label') ?? '').length > 10)
  assert.match(document.querySelector('.headline')?.textContent ?? '', /of 60 photos in the test split named correctly/)
  assert.match(document.querySelector('#benefits')?.textContent ?? '', /worth \+50\.0 points/)
  assert.match(document.querySelector('#reproduction')?.textContent ?? '', /"seed": 0/)
})

test('nothing absent is invented: the smallest report has no sections', () => {
  const document = parse({ title: 'T', summary: 'S', classes: ['a', 'b'] })
  assert.equal(document.querySelectorAll('section, nav, svg, .headline').length, 0)
  assert.equal(document.querySelector('h1')?.textContent, 'T')
})

test('each section stands alone', () => {
  const full = sampleReport()
  const keys = [
    'evaluation',
    'candidates',
    'mistakes',
    'labelErrors',
    'curves',
    'calibration',
    'resources',
    'warnings',
    'data',
    'skipped',
    'reproduction',
    'benefits',
  ] as const
  for (const key of keys) {
    const one = { title: 'T', summary: 'S', classes: full.classes, [key]: full[key] }
    assert.ok(parse(one).querySelectorAll('section').length >= 1, key)
    const { [key]: _left, ...others } = full
    assert.ok(parse(others).querySelectorAll('section').length >= 10, `without ${key}`)
  }
})

test('the page is self-contained: no script, no request, thumbnails only as data', () => {
  const page = renderReport(sampleReport())
  const document = parse(sampleReport())
  assert.equal(document.querySelectorAll('script, link, iframe, object, embed, form').length, 0)
  for (const element of document.querySelectorAll('[src], [href]')) {
    const address = element.getAttribute('src') ?? element.getAttribute('href') ?? ''
    assert.match(address, /^(#|data:image\/)/)
  }
  assert.doesNotMatch(page, /url\(|@import/)
  assert.match(page, /Content-Security-Policy" content="default-src 'none'; img-src data:/)
  assert.equal(page, renderReport(sampleReport()))
})

test('identifiers are unique and every reference leads somewhere', () => {
  const document = parse(sampleReport())
  const ids = Array.from(document.querySelectorAll('[id]'), (element) => element.id)
  assert.equal(new Set(ids).size, ids.length)
  for (const attribute of ['aria-labelledby', 'popovertarget']) {
    const references = Array.from(
      document.querySelectorAll(`[${attribute}]`),
      (element) => element.getAttribute(attribute) ?? '',
    )
    assert.ok(references.length > 0)
    for (const reference of references) assert.ok(ids.includes(reference), `${attribute} ${reference}`)
  }
  const cell = document.querySelector('#cell-0-1')
  assert.equal(cell?.hasAttribute('popover'), true)
  assert.equal(cell?.querySelectorAll('img').length, 1)
  assert.match(cell?.textContent ?? '', /no picture/)
})

test('hostile texts in every place stay texts', () => {
  const data = sampleReport((text) => `${text} ${HOSTILE}`)
  const page = renderReport(data)
  const document = parse(data)
  assert.doesNotMatch(page, /<\/script|<img src=x|<\/style><\/script/)
  assert.ok(!page.includes('\u0000'))
  assert.equal(page.match(/<style/g)?.length, 1)
  const plain = parse(sampleReport())
  for (const tag of ['img', 'script', 'style', 'button', 'a', 'section', 'td']) {
    assert.equal(document.querySelectorAll(tag).length, plain.querySelectorAll(tag).length, tag)
  }
  for (const element of document.querySelectorAll('*')) {
    for (const { name } of Array.from(element.attributes)) assert.doesNotMatch(name, /^on/i)
  }
  const heading = document.querySelector('h1')?.textContent ?? ''
  assert.ok(heading.includes(`<img src=x onerror=alert(1)> "quotes" 'single' & &amp; \u{1F600}`))
})

test('a thumbnail that is not an image in base64 is not put into the page', () => {
  for (const thumbnail of [
    'javascript:alert(1)',
    'https://example.com/a.png',
    'data:text/html;base64,PGI+',
    'data:image/svg+xml;base64,PHN2Zz4=',
    `${PIXEL}" onerror="x`,
    '',
  ]) {
    const document = parse({
      title: 'T',
      summary: 'S',
      classes: ['a', 'b'],
      mistakes: [{ name: 'photo.jpg', thumbnail, truth: 0, predicted: 1, confidence: 1 }],
    })
    assert.equal(document.querySelectorAll('img').length, 0, thumbnail)
    assert.match(document.querySelector('#mistakes')?.textContent ?? '', /photo\.jpg/)
  }
})

test('many classes: the weakest first, pairs instead of a huge matrix', () => {
  const document = parse(sampleReport((text) => text, 60))
  assert.equal(document.querySelectorAll('table.confusion').length, 0)
  assert.ok(document.querySelectorAll('#confusion tbody tr').length > 0)
  assert.equal(document.querySelector('#classes tbody')?.querySelectorAll('tr').length, 15)
  assert.equal(document.querySelectorAll('#classes details tbody tr').length, 60)
})

test('a run without a test split says that its accuracy flatters', () => {
  const full = sampleReport()
  const same = { ...full, evaluation: { ...full.evaluation!, split: 'validation' } }
  assert.match(parse(same).querySelector('#candidates')?.textContent ?? '', /no separate test split/)
  assert.match(parse(full).querySelector('#candidates')?.textContent ?? '', /photos that chose nothing/)
})
