/** Data sets from folders, CSV files, lists and patterns, and everything that can be wrong with them. */
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { checkTrainable } from '#graft/data/datasetWarnings.js'
import { images } from '#graft/data/images.js'
import { loadImage } from '#graft/data/load.js'
import { FOREIGN, hugePng, jpegOf, pngOf, temporaryFolder, write, writePhotos } from './folders.js'

test('a folder per class, with awkward names, in a fixed order', async () => {
  const root = temporaryFolder()
  const names = ['dog/1.jpg', 'dog/deep/2.jpg', 'cat & mouse/it\'s "one".jpg', 'cat & mouse/..b.jpg', '😀/ü x.jpg']
  await writePhotos(root, [...names, 'dog/..hidden.jpg'])
  write(root, 'dog/.DS_Store', 'x')
  const data = await images(root)
  assert.deepEqual(data.classes, ['cat & mouse', 'dog', '😀'])
  assert.deepEqual(
    data.samples.map((sample) => [sample.id, sample.label]),
    [
      ['cat & mouse/it\'s "one".jpg', 0],
      ['dog/1.jpg', 1],
      ['dog/deep/2.jpg', 1],
      ['😀/ü x.jpg', 2],
    ],
  )
  assert.ok(data.samples.every((sample) => sample.split === undefined))
  assert.deepEqual(data.skipped, [])
  checkTrainable(data)
})

test('train, val and test folders are honoured, whatever their case', async () => {
  const root = temporaryFolder()
  await writePhotos(root, ['Train/a/1.jpg', 'Train/b/2.jpg', 'val/a/3.jpg', 'test/b/4.jpg', 'test/loose.jpg'])
  const data = await images(root)
  assert.deepEqual(
    data.samples.map((sample) => [sample.id, sample.label, sample.split]),
    [
      ['Train/a/1.jpg', 0, 'train'],
      ['Train/b/2.jpg', 1, 'train'],
      ['test/b/4.jpg', 1, 'test'],
      ['val/a/3.jpg', 0, 'validation'],
    ],
  )
  assert.deepEqual(
    data.skipped.map((skip) => [skip.id, skip.kind]),
    [['test/loose.jpg', 'unlabelled']],
  )
})

test('a class may be called test when its photos lie in it', async () => {
  const root = temporaryFolder()
  await writePhotos(root, ['test/1.jpg', 'other/2.jpg'])
  assert.deepEqual((await images(root)).classes, ['other', 'test'])
})

test('class folders beside split folders are refused', async () => {
  const root = temporaryFolder()
  await writePhotos(root, ['train/a/1.jpg', 'cat/2.jpg'])
  await assert.rejects(images(root), /train beside cat: are these classes or parts of a split/)
})

test('an empty folder, loose photos, a missing folder and a file are explained', async () => {
  const root = temporaryFolder()
  await assert.rejects(images(root), { name: 'GraftError', message: /no photo found; it holds no files/ })
  await assert.rejects(images(join(root, 'nowhere')), /nowhere: no such file or folder/)
  await writePhotos(root, ['1.jpg', '2.jpg'])
  await assert.rejects(images(root), /2 photos lie directly in it, expected one folder per class/)
  await assert.rejects(images(join(root, '1.jpg')), /expected a folder with one folder per class, or a CSV/)
  await assert.rejects(images(join(root, '*.jpg')), /expected a folder/)
})

test('one class, a class with one photo, an empty class and labels that look alike', async () => {
  const root = temporaryFolder()
  await writePhotos(root, ['Cat/1.jpg', 'Cat/2.jpg'])
  write(root, 'empty/readme.txt', 'nothing here')
  const single = await images(root)
  assert.match(single.warnings.join('\n'), /All photos are of one class, Cat/)
  assert.match(single.warnings.join('\n'), /No usable photo in empty\//)
  assert.throws(() => checkTrainable(single), /one class only \(Cat\)/)
  await writePhotos(root, ['cat /3.jpg', 'dog/4.jpg', 'dog/5.jpg'], 3)
  const data = await images(root)
  assert.match(data.warnings.join('\n'), /Only one photo of cat /)
  assert.match(data.warnings.join('\n'), /differ only by case or space: "Cat" \(2 photos\), "cat " \(1 photos\)/)
})

test('uneven classes are said; a class that is only in test cannot be trained', async () => {
  const photo = await jpegOf(1)
  const many = Array.from({ length: 20 }, () => ({ image: photo, label: 'a' }))
  const data = await images([
    ...many,
    { image: photo, label: 'b', split: 'test' as const },
    { image: photo, label: 'b', split: 'test' as const },
  ])
  assert.match(data.warnings.join('\n'), /uneven: 20 photos of a, 2 of b/)
  assert.throws(() => checkTrainable(data), /no training photo of b/)
})

test('every file that is no photo is named with the reason and the remedy', async () => {
  const root = temporaryFolder()
  await writePhotos(root, ['a/1.jpg', 'b/2.jpg'])
  write(root, 'a/IMG_1.HEIC', FOREIGN.heic)
  write(root, 'a/scan.bmp', FOREIGN.bmp)
  write(root, 'a/clip.mp4', FOREIGN.mp4)
  write(root, 'a/logo.svg', FOREIGN.svg)
  write(root, 'a/new.jxl', FOREIGN.jxl)
  write(root, 'a/art.psd', FOREIGN.psd)
  write(root, 'a/shot.nef', await pngOf(1))
  write(root, 'a/text.jpg', FOREIGN.text)
  write(root, 'a/zero.png', '')
  write(root, 'a/notes.txt', FOREIGN.text)
  write(root, 'beside.jpg', await jpegOf(9))
  // The content counts, not the name.
  write(root, 'b/actually-a-png.jpg', await pngOf(3))
  write(root, 'b/no ending', await jpegOf(4))
  const data = await images(root)
  assert.equal(data.samples.length, 4)
  const found = Object.fromEntries(data.skipped.map((skip) => [skip.id, `${skip.kind}: ${skip.reason}`]))
  const expected: Record<string, RegExp> = {
    'a/IMG_1.HEIC': /^unsupported: HEIC .*heif-convert/,
    'a/scan.bmp': /^unsupported: BMP .*convert it to JPEG or PNG/,
    'a/clip.mp4': /^other-file: not an image \(a video/,
    'a/logo.svg': /^unsupported: SVG/,
    'a/new.jxl': /^unsupported: JPEG XL/,
    'a/art.psd': /^unsupported: a Photoshop/,
    'a/shot.nef': /^unsupported: a camera raw/,
    'a/text.jpg': /^unreadable: named like an image, but its content is text/,
    'a/zero.png': /^unreadable: the file is empty \(0 bytes\)/,
    'a/notes.txt': /^other-file: not an image \(text\)/,
    'beside.jpg': /^unlabelled: lies beside the class folders/,
  }
  assert.deepEqual(Object.keys(found).sort(), Object.keys(expected).sort())
  for (const [id, pattern] of Object.entries(expected)) assert.match(found[id]!, pattern, id)
  await assert.rejects(images(root, { strict: true }), (error: Error) => {
    assert.match(error.message, /9 photos cannot be used/)
    assert.match(error.message, /IMG_1\.HEIC: HEIC/)
    assert.doesNotMatch(error.message, /notes\.txt/)
    return true
  })
})

test('broken photos are named when they are decoded', async () => {
  const whole = await jpegOf(1, 200, 150)
  const cases: [string, Uint8Array, RegExp][] = [
    ['cut.jpg', whole.subarray(0, whole.length >> 1), /^cut\.jpg: the file is truncated/],
    ['cut.png', (await pngOf(1, 200, 150)).subarray(0, 5000), /^cut\.png: (the file is truncated|cannot be decoded)/],
    ['huge.png', await hugePng(), /^huge\.png: larger than the limit of 268 million pixels/],
    ['IMG.heic', FOREIGN.heic, /^IMG\.heic: HEIC/],
    ['zero.jpg', new Uint8Array(0), /^zero\.jpg: the file is empty/],
    ['text.jpg', new TextEncoder().encode(FOREIGN.text), /^text\.jpg: named like an image, but its content is text/],
  ]
  for (const [id, source, message] of cases)
    await assert.rejects(loadImage({ id, source }), (error: Error & { remedy?: string }) => {
      assert.equal(error.name, 'GraftError')
      assert.match(error.message, message)
      assert.ok((error.remedy ?? '').length > 5, `${id} has a remedy`)
      return true
    })
  await assert.rejects(loadImage({ id: 'x.jpg', source: whole }, { pixelLimit: 1000 }), /larger than the limit/)
  await assert.rejects(loadImage({ id: 'x', source: join(temporaryFolder(), 'gone.jpg') }), /gone\.jpg: no such file/)
})

test('a CSV with quotes, paths upwards, a split, a byte-order mark and semicolons', async () => {
  const root = temporaryFolder()
  await writePhotos(root, ['photos/a "1", x.jpg', 'photos/b.jpg', 'c.jpg'])
  write(
    root,
    'lists/l.csv',
    '\ufeffpath;label;split;note\n"../photos/a ""1"", x.jpg";cat;train;"two\nlines"\n..\\photos\\b.jpg;dog;VAL;\n\n../c.jpg;dog;;\n',
  )
  const data = await images(join(root, 'lists', 'l.csv'))
  assert.deepEqual(
    data.samples.map((sample) => [sample.id, data.classes[sample.label], sample.split]),
    [
      ['../photos/a "1", x.jpg', 'cat', 'train'],
      ['../photos/b.jpg', 'dog', 'validation'],
      ['../c.jpg', 'dog', undefined],
    ],
  )
  await loadImage(data.samples[1]!)
})

test('faults of a CSV are named with their line', async () => {
  const root = temporaryFolder()
  await writePhotos(root, ['a.jpg', 'b.jpg'])
  const csv = (text: string) => {
    write(root, 'l.csv', text)
    return images(join(root, 'l.csv'))
  }
  await assert.rejects(csv('path,label,path\na.jpg,x,b.jpg'), /the header names path more than once/)
  await assert.rejects(csv('file name,kind\na.jpg,x'), /no column path; the header has file name, kind/)
  await assert.rejects(csv('path,weight\na.jpg,x'), /no column label/)
  await assert.rejects(csv(''), /is empty/)
  await assert.rejects(csv('path,label\n"a.jpg,x'), /line \d/)
  await assert.rejects(csv('path,label,split\na.jpg,x,holdout'), /line 2: split is "holdout"/)
  await assert.rejects(
    csv('path,label\nx.jpg,a\ny.jpg,b'),
    /no photo found; 2 files were left out:\s+x\.jpg: no such file/,
  )
  const data = await csv('path,label\na.jpg,x\nb.jpg,y\ngone.jpg,x\n,x\na.jpg,y\nb.jpg, \nhttp://h/c.jpg,x\n')
  assert.deepEqual(data.skipped.map((skip) => `${skip.id} ${skip.kind} ${skip.reason}`).sort(), [
    'a.jpg repeated is listed on line 2 as "x" and here as "y" (line 6)',
    'b.jpg unlabelled no label is given (line 7)',
    'gone.jpg missing no such file (line 4)',
    'http://h/c.jpg missing is a web address; download it and give the file (line 8)',
    'line 5 missing no path is given (line 5)',
  ])
  const columns = { path: 'p', label: 'kind' }
  write(root, 'm.csv', 'p,kind\na.jpg,x\nb.jpg,y')
  assert.deepEqual((await images(join(root, 'm.csv'), { columns })).classes, ['x', 'y'])
})

test('a list of paths and bytes', async () => {
  const root = temporaryFolder()
  await writePhotos(root, ['a.jpg'])
  const path = join(root, 'a.jpg')
  const data = await images([
    { image: path, label: 'x' },
    { image: await jpegOf(2), label: 'y', split: 'val' },
    { image: FOREIGN.heic, label: 'y' },
  ])
  assert.deepEqual(
    data.samples.map((sample) => [sample.id, sample.label, sample.split]),
    [
      [path, 0, undefined],
      ['#1', 1, 'validation'],
    ],
  )
  assert.equal(data.skipped[0]!.id, '#2')
  await assert.rejects(
    images([{ image: 3 as unknown as string, label: 'x' }]),
    /item 0: image is a value of type number/,
  )
  await assert.rejects(images([]), /the list: no photo found/)
})

test('photos without labels from folders, patterns, files and bytes, each once', async () => {
  const root = temporaryFolder()
  await writePhotos(root, ['one.jpg', 'deep/er/two.jpg', 'x/[1].jpg'])
  write(root, 'notes.txt', 'x')
  const at = (name: string) => join(root, name)
  const data = await images(
    [root, at('*.jpg'), at('x/[1].jpg'), at('notes.txt'), at('gone.jpg'), { image: await jpegOf(3) }],
    { labels: false },
  )
  assert.deepEqual(
    data.samples.map((sample) => sample.id),
    [at('deep/er/two.jpg'), at('one.jpg'), at('x/[1].jpg'), '#5'],
  )
  assert.ok(data.samples.every((sample) => sample.label === -1))
  assert.deepEqual(data.classes, [])
  assert.deepEqual(
    data.skipped.map((skip) => [skip.id, skip.kind]),
    [
      [at('notes.txt'), 'unreadable'],
      [at('gone.jpg'), 'missing'],
    ],
  )
  assert.equal((await images(at('one.jpg'), { labels: false })).samples.length, 1)
})

test('classes given by a model are kept in order, and others refused', async () => {
  const root = temporaryFolder()
  await writePhotos(root, ['b/1.jpg', 'a/2.jpg'])
  assert.deepEqual(
    (await images(root, { classes: ['b', 'c', 'a'] })).samples.map((s) => s.label),
    [2, 0],
  )
  await assert.rejects(images(root, { classes: ['a', 'c'] }), /the classes b are not among a, c/)
})

test('listing can be stopped', async () => {
  const root = temporaryFolder()
  await writePhotos(root, ['a/1.jpg', 'b/2.jpg'])
  await assert.rejects(images(root, { signal: AbortSignal.abort() }), { name: 'AbortError' })
})

const clothing = '../shared/data/clothing'
test('the clothing photos', { skip: existsSync(clothing) ? false : `no ${clothing}` }, async () => {
  const data = await images(clothing)
  assert.equal(data.classes.length, 10)
  const count = (split: string) => data.samples.filter((sample) => sample.split === split).length
  assert.deepEqual([count('train'), count('test'), data.skipped.length], [1192, 372, 0])
})

const tasks = '../shared/data/clothing-tasks/labels.csv'
test('a real CSV', { skip: existsSync(tasks) ? false : `no ${tasks}` }, async () => {
  const data = await images(tasks, { columns: { label: 'type' } })
  assert.equal(data.classes.length, 10)
  assert.equal(data.samples.filter((sample) => sample.split === 'train').length, 416)
})
