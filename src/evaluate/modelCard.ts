/**
 * The model card: README.md of a saved model, with Hugging Face's front matter. It says what the model is for, what it was
 * made from, how well it does and how sure that is, where it should not be used, and how to load it.
 */
import type { ClassFigures, Evaluation } from './evaluation.js'
import { figureText, intervalText, mainFigure } from './figures.js'
import { counted, grouped, percent, percentInterval } from './format.js'
import type { Interval } from './intervals.js'
import { nounsOf, type ReportData } from './report/data.js'

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
  /** Tokens that are read at most, of a text. */
  readonly maxLength?: number | undefined
  /** As Hugging Face names it: 'text-classification'. @default image-classification */
  readonly task?: string | undefined
  /** Fitted temperature, where the probabilities were calibrated. */
  readonly temperature?: number | undefined
  /** 'graft-ml 0.1.0'. */
  readonly writtenBy: string
}

/** README.md as text. */
export function modelCard(card: ModelCardData): string {
  return `${frontMatter(card)}
${[title(card), use(card), loading(card), training(card), figures(card), limits(card), repeat(card)].filter((part) => part !== '').join('\n\n')}
`
}

function frontMatter({ name, report, license, backbone, task = PHOTOS }: ModelCardData): string {
  const { evaluation } = report
  const lines = [
    '---',
    `license: ${yaml(license)}`,
    'library_name: transformers.js',
    `pipeline_tag: ${task}`,
    'tags:',
    `- ${task}`,
    '- onnx',
    '- transfer-learning',
    '- graft-ml',
    ...(backbone.hubId === undefined ? [] : ['base_model:', `- ${yaml(backbone.hubId)}`]),
  ]
  if (evaluation !== undefined) {
    const metrics = metricsOf(evaluation)
    lines.push(
      'metrics:',
      ...metrics.map(({ type }) => `- ${type}`),
      'model-index:',
      `- name: ${yaml(name)}`,
      '  results:',
      '  - task:',
      `      type: ${task}`,
      '    dataset:',
      `      name: ${yaml(report.title)}`,
      ...(task === PHOTOS ? ['      type: imagefolder'] : ['      type: text']),
      `      split: ${yaml(evaluation.split)}`,
      '    metrics:',
      ...metrics.flatMap(({ type, name: called, value }) => [
        `    - type: ${type}`,
        ...(called === undefined ? [] : [`      name: ${called}`]),
        `      value: ${rounded(value)}`,
      ]),
    )
  }
  return [...lines, '---'].join('\n')
}

const PHOTOS = 'image-classification'

/** Under the names of Hugging Face's metrics. */
function metricsOf(evaluation: Evaluation): { type: string; name?: string; value: number }[] {
  switch (evaluation.kind) {
    case 'classes':
      return [
        { type: 'accuracy', value: evaluation.accuracy },
        { type: 'f1', name: 'Macro F1', value: evaluation.macroF1 },
      ]
    case 'labels':
      return [
        { type: 'f1', name: 'Micro F1', value: evaluation.microF1 },
        { type: 'accuracy', name: 'All labels right', value: evaluation.accuracy },
      ]
    case 'number':
      return [
        { type: 'mae', value: evaluation.mae },
        { type: 'r_squared', name: 'R2', value: evaluation.r2 },
      ]
    case 'words':
      return [
        ...(evaluation.entities === undefined
          ? []
          : [{ type: 'f1', name: 'Entity F1', value: evaluation.entities.f1 }]),
        { type: 'accuracy', name: 'Words right', value: evaluation.accuracy },
      ]
  }
}

/** What the model is, by its task and figures. */
function kindOfModel({ report, task = PHOTOS }: ModelCardData): string {
  const classes = counted(report.classes.length, 'class', 'classes')
  if (task === PHOTOS) return `An image classifier for ${classes}`
  switch (report.evaluation?.kind) {
    case 'number':
      return `A model that predicts ${plain(report.classes[0] ?? 'a number')} from a text`
    case 'labels':
      return `A text classifier for ${classes}, of which a text may have several`
    case 'words':
      return `A model that gives each word of a text one of ${classes}`
    default:
      return task === 'token-classification'
        ? `A model that gives each word of a text one of ${classes}`
        : `A text classifier for ${classes}`
  }
}

function title(card: ModelCardData): string {
  const { name, report, backbone, technique } = card
  const accuracy = report.evaluation === undefined ? '' : ` ${firstFigure(report, report.evaluation)}`
  return `# ${plain(name)}

${kindOfModel(card)}: ${plain(backbone.name)} adapted by ${plain(technique)}.${accuracy}`
}

function firstFigure(report: ReportData, evaluation: Evaluation): string {
  const { one, many } = nounsOf(report)
  const samples = `${counted(evaluation.n, one, many)} that took no part in training`
  const figure = mainFigure(evaluation)
  return evaluation.kind === 'classes'
    ? `Of ${samples} it names ${figureText(figure)} correctly.`
    : `On ${samples} its ${figure.name} is ${figureText(figure)}.`
}

const LISTED = 60

function use({ report, imageSize, maxLength, temperature, task = PHOTOS }: ModelCardData): string {
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
  if (task === PHOTOS)
    return `## Intended use\n\nPhotos like those it was trained on, each showing one of: ${names}${rest}. It always answers with one of these, also for a photo that shows none of them.${input}${calibrated}`
  const answers =
    report.evaluation?.kind === 'number'
      ? `It answers with a number: ${names}.`
      : report.evaluation?.kind === 'labels'
        ? `It gives each of these labels a probability of its own: ${names}${rest}.`
        : `It answers with one of: ${names}${rest}.`
  const cut = maxLength === undefined ? '' : ` It reads the first ${maxLength} tokens of a text.`
  return `## Intended use\n\nTexts like those it was trained on. ${answers}${cut}${calibrated}`
}

function loading({ task = PHOTOS, report }: ModelCardData): string {
  const { call, example, outputs } = LOADING[task] ?? LOADING['text-classification']!
  const number = report.evaluation?.kind === 'number'
  // The pipeline takes a softmax of one number, which is always 1.
  if (number)
    return `${NUMBER_LOADING}\n\n${command(example)}\n\nAny onnxruntime loads \`onnx/model.onnx\`: ${outputs}.`
  const options = report.evaluation?.kind === 'labels' ? '{ top_k: null }' : ''
  return `## How to load it

In JavaScript, with [transformers.js](https://huggingface.co/docs/transformers.js) in the folder above this one (\`my-model\` is this folder):

\`\`\`js
import { pipeline } from '@huggingface/transformers'

const classify = await pipeline('${task}', './my-model')
console.log(await classify(${call}${options === '' ? '' : `, ${options}`}))
\`\`\`

${command(example)}

Any onnxruntime loads \`onnx/model.onnx\`: ${outputs}.`
}

const command = (example: string): string => `At the command line:

\`\`\`sh
npx graft-ml predict ./my-model ${example}
\`\`\``

const NUMBER_LOADING = `## How to load it

In JavaScript, with [transformers.js](https://huggingface.co/docs/transformers.js) in the folder above this one (\`my-model\` is this folder):

\`\`\`js
import { AutoModelForSequenceClassification, AutoTokenizer } from '@huggingface/transformers'

const tokenizer = await AutoTokenizer.from_pretrained('./my-model')
const model = await AutoModelForSequenceClassification.from_pretrained('./my-model')
const { logits } = await model(tokenizer('A text.'))
console.log(logits.data[0])
\`\`\``

const LOADING: Readonly<Record<string, { call: string; example: string; outputs: string }>> = {
  [PHOTOS]: {
    call: "'photo.jpg'",
    example: 'photo.jpg',
    outputs: 'input `pixel_values` (batch, 3, height, width), output `logits` (batch, classes)',
  },
  'text-classification': {
    call: "'A text.'",
    example: "'A text.'",
    outputs: 'inputs `input_ids` and those beside it (batch, tokens), output `logits` (batch, outputs)',
  },
  'token-classification': {
    call: "'A text.'",
    example: "'A text.'",
    outputs: 'inputs `input_ids` and those beside it (batch, tokens), output `logits` (batch, tokens, classes)',
  },
}

function training({ report, backbone, technique }: ModelCardData): string {
  const lines = [
    `Backbone: ${plain(backbone.name)}${backbone.origin === undefined ? '' : `, from ${plain(backbone.origin)}`}. Method: ${plain(technique)}.`,
  ]
  const { data, candidates } = report
  if (data !== undefined) {
    const totals = data.splits.map(
      (split) => `${plain(split.name)} ${grouped(split.total ?? split.counts.reduce((sum, count) => sum + count, 0))}`,
    )
    lines.push(
      `${capital(nounsOf(report).many)} by split: ${totals.join(', ')}.${data.splitRule === undefined ? '' : ` Split: ${plain(data.splitRule)}.`}`,
    )
  }
  if (candidates !== undefined) lines.push(plain(candidates.reason))
  return `## How it was made\n\n${lines.join('\n\n')}`
}

function figures({ report }: ModelCardData): string {
  const { evaluation, baselines = [] } = report
  if (evaluation === undefined) return ''
  const { one, many } = nounsOf(report)
  const { share } = mainFigure(evaluation)
  const rows = [
    ...figureRows(evaluation),
    ...baselines.map((baseline) => [
      `${capital(mainFigure(evaluation).name)} of ${baseline.name.toLowerCase()}`,
      figureText({ value: baseline.accuracy, share }),
      baseline.interval === undefined ? '' : intervalText({ interval: baseline.interval, share }),
    ]),
  ]
  const entities = evaluation.kind === 'words' ? evaluation.entities : undefined
  const perClass = entities?.perType ?? (evaluation.kind === 'number' ? [] : evaluation.perClass)
  const noun = entities !== undefined ? 'entities' : evaluation.kind === 'words' ? 'words' : many
  const classes = perClass
    .slice(0, LISTED)
    .map((row) => [row.name, percent(row.precision), percent(row.recall), percent(row.f1), String(row.support)])
  const byClass =
    classes.length === 0 ? '' : `\n\n${table(['Class', 'Precision', 'Recall', 'F1', capital(noun)], classes)}`
  return `## How well it does

On ${counted(evaluation.n, one, many)} of the ${plain(evaluation.split)} split, which took no part in training. Intervals are 95% (${evaluation.kind === 'classes' ? 'Wilson for accuracy, bootstrap for F1' : 'Wilson for shares of samples, bootstrap for the others'}).

${table(['Figure', 'Value', '95% interval'], rows)}${byClass}`
}

function figureRows(evaluation: Evaluation): string[][] {
  const shares = (name: string, value: number, interval: Interval) => [name, percent(value), percentInterval(interval)]
  const numbers = (name: string, value: number, interval?: Interval) => [
    name,
    figureText({ value, share: false }),
    interval === undefined ? '' : intervalText({ interval, share: false }),
  ]
  switch (evaluation.kind) {
    case 'classes': {
      const { order } = evaluation
      return [
        shares('Accuracy', evaluation.accuracy, evaluation.accuracyInterval),
        shares('Macro F1', evaluation.macroF1, evaluation.macroF1Interval),
        ...(order === undefined
          ? []
          : [
              numbers('Mean distance in classes', order.mae, order.maeInterval),
              numbers('Quadratic kappa', order.kappa, order.kappaInterval),
            ]),
        ...(evaluation.top5 === undefined ? [] : [['Right in the top 5', percent(evaluation.top5), '']]),
        ['Log loss', evaluation.logLoss.toFixed(3), ''],
        ['Expected calibration error', percent(evaluation.ece), ''],
      ]
    }
    case 'labels':
      return [
        shares('Micro F1', evaluation.microF1, evaluation.microF1Interval),
        shares('Macro F1', evaluation.macroF1, evaluation.macroF1Interval),
        shares('All labels right', evaluation.accuracy, evaluation.accuracyInterval),
        ['Log loss a label', evaluation.logLoss.toFixed(3), ''],
      ]
    case 'number':
      return [
        numbers('R2', evaluation.r2, evaluation.r2Interval),
        numbers('Mean absolute error', evaluation.mae, evaluation.maeInterval),
        numbers('Root mean squared error', evaluation.rmse),
        numbers('Rank correlation', evaluation.spearman),
      ]
    case 'words': {
      const { entities } = evaluation
      return [
        ...(entities === undefined
          ? []
          : [
              shares('Entity F1', entities.f1, entities.f1Interval),
              ['Precision of entities', percent(entities.precision), ''],
              ['Recall of entities', percent(entities.recall), ''],
            ]),
        shares('Words right', evaluation.accuracy, evaluation.accuracyInterval),
      ]
    }
  }
}

function limits({ report, task = PHOTOS }: ModelCardData): string {
  const { evaluation, warnings = [] } = report
  const lines = [
    ...(task === PHOTOS
      ? [
          'These figures hold for photos taken like those of the test split; other cameras, lighting or framing can lower them.',
          'The backbone was pretrained on photos gathered by others and may carry their biases.',
        ]
      : [
          'These figures hold for texts like those of the test split; other topics, lengths, languages or ways of writing can lower them.',
          'The backbone was pretrained on texts gathered by others and may carry their biases.',
        ]),
    ...warnings.map((warning) => `${plain(warning.title)}. ${plain(warning.detail)}`),
  ]
  const rows: readonly ClassFigures[] =
    evaluation === undefined || evaluation.kind === 'number' ? [] : evaluation.perClass
  const weakest = rows.filter((row) => row.support > 0).toSorted((a, b) => a.f1 - b.f1)[0]
  if (weakest !== undefined)
    lines.push(
      `The weakest class is ${plain(weakest.name)} (F1 ${percent(weakest.f1)} on ${counted(weakest.support, ...(evaluation?.kind === 'words' ? (['word', 'words'] as const) : ([nounsOf(report).one, nounsOf(report).many] as const)))}).`,
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

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1)
}

function rounded(value: number): number {
  return Number(value.toFixed(4))
}
