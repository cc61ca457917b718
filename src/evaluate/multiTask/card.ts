/** The model card of a network of several tasks. */
import { figureText, intervalText, mainFigure } from '../figures.js'
import type { TaskReport } from './data.js'
import { deltaIntervalText, deltaText } from './words.js'

export interface TaskCardData {
  readonly name: string
  readonly report: TaskReport
  /** SPDX identifier of the licence of the weights. */
  readonly license: string
  readonly backbone: string
  /** As Hugging Face names it. */
  readonly task: string
  readonly writtenBy: string
}

/** README.md as text. */
export function taskCard({ name, report, license, backbone, task, writtenBy }: TaskCardData): string {
  const { tasks, on, n, nouns, delta } = report
  const rows = tasks.map(({ name: called, labels, evaluation, main }) => {
    const figure = evaluation && mainFigure(evaluation)
    const value = figure ? `${figure.name} ${figureText(figure)} (${intervalText(figure)})` : 'not measured'
    return `| ${cell(called)}${main ? '' : ' (auxiliary)'} | ${cell(labels.slice(0, 12).join(', '))}${labels.length > 12 ? ', ...' : ''} | ${value} |`
  })
  return `---
license: ${license}
library_name: onnx
pipeline_tag: ${task}
tags:
- ${task}
- multi-task
- onnx
- graft-ml
---
# ${cell(name)}

One network for ${tasks.length} tasks, made from ${cell(backbone)}. ${report.summary}

| task | answers | on ${n} ${nouns.many} of the ${on} split (95 % interval) |
|---|---|---|
${rows.join('\n')}
${delta ? `\nAgainst networks of one task each: ${deltaText(delta.delta)} on average (${deltaIntervalText(delta)}).\n` : ''}
## How to use it

\`onnx/model.onnx\` has an output for each task, called as the task is: probabilities are its softmax (its sigmoid where a sample may have
several labels), numbers are in their own unit.

\`\`\`ts
import { loadModel } from 'graft-ml'

const model = await loadModel('${cell(name)}', { tasks: [${tasks.map(({ name: called }) => JSON.stringify(called)).join(', ')}] })
console.log(await model.predict(${task === 'image-classification' ? "'photo.jpg'" : "'A text.'"}))
\`\`\`

transformers.js loads one task at a time: \`graft export ${cell(name)} --tasks ${cell(tasks[0]?.name ?? '')} --out one-task\`.

Written by ${writtenBy}.
`
}

const cell = (text: string): string => text.replace(/[|`\r\n]+/g, ' ')
