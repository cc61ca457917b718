/**
 * The model card: README.md of a saved model, with Hugging Face's front matter. It says what the model is for, what it was
 * made from, how well it does and how sure that is, where it should not be used, and how to load it.
 */
import { counted, grouped, percent, percentInterval } from './format.js'
import type { ReportData } from './report/data.js'

export interface ModelCardData {
  /** The model's name, e.g. its folder's. */
  readonly name: string
  /** The run's findings: classes, evaluation, data, warnings and reproduction are used. */
  readonly report: ReportData
  /** SPDX identifier of the licence of the weights, in Hugging Face's lower case: 'apache-2.0'; 'other' where it is not known. */
  readonly license: string
  /** 'EfficientNet-Lite0', and where it came from. */
  readonly backbone: {
    readonly name: string
    readonly origin?: string | undefined
    readonly hubId?: string | undefined
  }
  /** 'a linear probe on frozen features'; 'fine-tuning (LP-FT)'. */
  readonly technique: string
  /** Height and width of the input in pixels. */
  readonly imageSize?: readonly [number, number] | undefined
  /** Fitted temperature, where the probabilities were calibrated. */
  readonly temperature?: number | undefined
  /** 'graft-ml 0.1.0'. */
  readonly writtenBy: string
}

/** README.md as text. */
export function modelCard(card: ModelCardData): string {
  return `${frontMatter(card)}
${[title(card), use(card), loading(), training(card), figures(card), limits(card), repeat(card)].filter((part) => part !== '').join('\n\n')}
`
}

function frontMatter({ name, report, license, backbone }: ModelCardData): string {
  const { evaluation } = report
  const lines = [
    '---',
    `license: ${yaml(license)}`,
    'library_name: transformers.js',
    'pipeline_tag: image-classification',
    'tags:',
    '- image-classification',
    '- onnx',
    '- transfer-learning',
    '- graft-ml',
    ...(backbone.hubId === undefined ? [] : ['base_model:', `- ${yaml(backbone.hubId)}`]),
  ]
  if (evaluation !== undefined) {
    lines.push(
      'metrics:',
      '- accuracy',
      '- f1',
      'model-index:',
      `- name: ${yaml(name)}`,
      '  results:',
      '  - task:',
      '      type: image-classification',
      '    dataset:',
      `      name: ${yaml(report.title)}`,
      '      type: imagefolder',
      `      split: ${yaml(evaluation.split)}`,
      '    metrics:',
      '    - type: accuracy',
      `      value: ${rounded(evaluation.accuracy)}`,
      '    - type: f1',
      '      name: Macro F1',
      `      value: ${rounded(evaluation.macroF1)}`,
    )
  }
  return [...lines, '---'].join('\n')
}

function title({ name, report, backbone, technique }: ModelCardData): string {
  const accuracy =
    report.evaluation === undefined
      ? ''
      : ` Of ${counted(report.evaluation.n, 'photo')} that took no part in training it names ${percent(report.evaluation.accuracy)} correctly.`
  return `# ${plain(name)}

An image classifier for ${counted(report.classes.length, 'class', 'classes')}: ${plain(backbone.name)} adapted by ${plain(technique)}.${accuracy}`
}

const LISTED = 60

function use({ report, imageSize, temperature }: ModelCardData): string {
  const names = report.classes
    .slice(0, LISTED)
    .map((name) => plain(name))
    .join(', ')
  const rest = report.classes.length > LISTED ? ` and ${report.classes.length - LISTED} more (see \`config.json\`)` : ''
  const input =
    imageSize === undefined
      ? ''
      : ` Input is an RGB image, resized and cropped to ${imageSize[0]} x ${imageSize[1]} pixels as \`preprocessor_config.json\` says.`
  const calibrated =
    temperature === undefined || temperature === 1
      ? ''
      : ` Softmax of the logits divided by ${temperature.toFixed(3)} gives calibrated probabilities; \`graft.json\` records this temperature.`
  return `## Intended use

Photos like those it was trained on, each showing one of: ${names}${rest}. It always answers with one of these, also for a photo that shows none of them.${input}${calibrated}`
}

function loading(): string {
  return `## How to load it

In JavaScript, with [transformers.js](https://huggingface.co/docs/transformers.js) in the folder above this one (\`my-model\` is this folder):

\`\`\`js
import { pipeline } from '@huggingface/transformers'

const classify = await pipeline('image-classification', './my-model')
console.log(await classify('photo.jpg'))
\`\`\`

At the command line:

\`\`\`sh
npx graft-ml predict ./my-model photo.jpg
\`\`\`

Any onnxruntime loads \`onnx/model.onnx\`: input \`pixel_values\` (batch, 3, height, width), output \`logits\` (batch, classes).`
}

function training({ report, backbone, technique }: ModelCardData): string {
  const lines = [
    `Backbone: ${plain(backbone.name)}${backbone.origin === undefined ? '' : `, from ${plain(backbone.origin)}`}. Method: ${plain(technique)}.`,
  ]
  const { data, candidates } = report
  if (data !== undefined) {
    const totals = data.splits.map(
      (split) => `${plain(split.name)} ${grouped(split.counts.reduce((sum, count) => sum + count, 0))}`,
    )
    lines.push(
      `Photos by split: ${totals.join(', ')}.${data.splitRule === undefined ? '' : ` Split: ${plain(data.splitRule)}.`}`,
    )
  }
  if (candidates !== undefined) lines.push(plain(candidates.reason))
  return `## How it was made\n\n${lines.join('\n\n')}`
}

function figures({ report }: ModelCardData): string {
  const { evaluation, baselines = [] } = report
  if (evaluation === undefined) return ''
  const rows = [
    ['Accuracy', percent(evaluation.accuracy), percentInterval(evaluation.accuracyInterval)],
    ['Macro F1', percent(evaluation.macroF1), percentInterval(evaluation.macroF1Interval)],
    ...(evaluation.top5 === undefined ? [] : [['Right in the top 5', percent(evaluation.top5), '']]),
    ['Log loss', evaluation.logLoss.toFixed(3), ''],
    ['Expected calibration error', percent(evaluation.ece), ''],
    ...baselines.map((one) => [
      `Accuracy of ${one.name.toLowerCase()}`,
      percent(one.accuracy),
      one.interval === undefined ? '' : percentInterval(one.interval),
    ]),
  ]
  const classes = evaluation.perClass
    .slice(0, LISTED)
    .map((row) => [row.name, percent(row.precision), percent(row.recall), percent(row.f1), String(row.support)])
  return `## How well it does

On ${counted(evaluation.n, 'photo')} of the ${plain(evaluation.split)} split, which took no part in training. Intervals are 95% (Wilson for accuracy, bootstrap for F1).

${table(['Figure', 'Value', '95% interval'], rows)}

${table(['Class', 'Precision', 'Recall', 'F1', 'Photos'], classes)}`
}

function limits({ report }: ModelCardData): string {
  const { evaluation, warnings = [] } = report
  const lines = [
    'These figures hold for photos taken like those of the test split; other cameras, lighting or framing can lower them.',
    'The backbone was pretrained on photos gathered by others and may carry their biases.',
    ...warnings.map((warning) => `${plain(warning.title)}. ${plain(warning.detail)}`),
  ]
  const weakest = evaluation?.perClass.filter((row) => row.support > 0).toSorted((a, b) => a.f1 - b.f1)[0]
  if (weakest !== undefined)
    lines.push(
      `The weakest class is ${plain(weakest.name)} (F1 ${percent(weakest.f1)} on ${counted(weakest.support, 'photo')}).`,
    )
  return `## Limits\n\n${lines.map((line) => `- ${line}`).join('\n')}`
}

function repeat({ report, writtenBy }: ModelCardData): string {
  const made = `Written by ${plain(writtenBy)}.`
  if (report.reproduction === undefined) return made
  const { command, fileName = 'run.json' } = report.reproduction
  const ticks = '`'.repeat(Math.max(3, ...[...command.matchAll(/`+/g)].map((run) => run[0].length + 1)))
  return `## Repeat it\n\nWith the run file ${plain(fileName)} that was written beside the model:\n\n${ticks}sh\n${command}\n${ticks}\n\n${made}`
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.map(plain).join(' | ')} |`
  return [line(head), `|${head.map((_, c) => (c === 0 ? ' --- |' : ' ---: |')).join('')}`, ...rows.map(line)].join('\n')
}

/** Text that Markdown shows as it is: on one line, with its signs escaped. */
function plain(text: string): string {
  return text.replace(/[\p{Cc}\u2028\u2029]+/gu, ' ').replace(/[\\`*_{}[\]<>#|~$&]/g, '\\$&')
}

/** A double-quoted YAML scalar; JSON's strings are YAML's. */
function yaml(text: string): string {
  return /^[a-z][a-z0-9./-]*$/i.test(text) && !/^(?:true|false|null|yes|no|on|off|y|n)$/i.test(text)
    ? text
    : JSON.stringify(text)
}

function rounded(value: number): number {
  return Number(value.toFixed(4))
}
