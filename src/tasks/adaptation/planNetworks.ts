/** Candidates that train the network itself. */
import { sourceHead } from './assemble.js'
import type { Planned } from './make.js'
import type { NamedMethod } from './methods.js'
import { type NetworkPlan, type NetworkTraining, trainedNetwork } from './trainedNetwork.js'

/** The backbone's last blocks, or all of it; training begins with the head that the source alone gave. */
export function plannedNetworks(methods: readonly NamedMethod[], training: NetworkTraining): Planned[] {
  const what = training.options.train === 'all' ? 'whole network' : `last ${training.options.unfreeze} blocks`
  const network = (plan: Omit<NetworkPlan, 'start'>, needed: boolean): Planned => ({
    name: plan.name,
    title: plan.title,
    needed,
    make: (before) =>
      trainedNetwork({ ...plan, start: sourceHead(before) }, { ...training, random: training.random.fork(plan.name) }),
  })
  const alone = {
    name: 'fine-tuned',
    title: `Source only, ${what} trained`,
    paper: undefined,
    methods: [],
    views: false,
  }
  return [
    network(alone, false),
    ...methods.map(({ text, method }) =>
      network(
        {
          name: text,
          title: `${method.title}, ${what} trained`,
          paper: method.paper,
          methods: [method],
          views: method.needs.includes('strong views'),
        },
        methods.length === 1,
      ),
    ),
  ]
}
