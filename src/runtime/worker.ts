/** The worker's side: serves one request at a time, in order. */
import { workerPort } from '#platform'
import { messageOf } from '../base/errors.js'
import type { Envelope, Reply, Request } from './protocol.js'
import { Sessions } from './sessions.js'
import type { HostTensor } from './types.js'

const port = workerPort()
const sessions = new Sessions()
let last: Promise<void> = Promise.resolve()
let closed = false

port.receive((message) => {
  const { id, request } = message as Envelope
  closed ||= request.kind === 'close'
  last = last.then(async () => {
    let reply: Reply
    try {
      reply = { id, ok: true, tensors: closed ? {} : await serve(request) }
    } catch (error) {
      reply = { id, ok: false, message: messageOf(error) }
    }
    port.send(reply)
  })
})

async function serve(request: Request): Promise<Readonly<Record<string, HostTensor>>> {
  switch (request.kind) {
    case 'load':
      await sessions.load(request.program, request.model, request.state, request.settings)
      return {}
    case 'run':
      return sessions.run(request.program, request.feeds)
    case 'release':
      await sessions.release(request.program)
      return {}
    case 'setState':
      sessions.setState(request.values)
      return {}
    case 'getState':
      return sessions.getState(request.names)
    case 'close':
      return {}
  }
}
