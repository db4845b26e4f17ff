import { once } from 'node:events'
import { type ClientRequest, type IncomingMessage, request } from 'node:http'

/** Clients that take a body slowly. */
export interface SlowClients {
  /** Fails unless all are still being answered. */
  expectAll(): void
  leave(): void
}

/** Opens `count` streams and takes of each some `bytesPerSecond`. Resolves when all have their first bytes. */
export async function startSlowClients(
  url: string,
  { count, bytesPerSecond }: { count: number; bytesPerSecond: number },
): Promise<SlowClients> {
  const requests: ClientRequest[] = []
  const answers = new Set<IncomingMessage>()
  for (let n = 0; n < count; n++) {
    const asked = request(url, { agent: false }).end()
    requests.push(asked)
    const [answer] = (await once(asked, 'response')) as [IncomingMessage]
    if (answer.statusCode !== 200) throw new Error(`A slow client was answered ${answer.statusCode}.`)
    asked.on('error', () => {})
    answers.add(answer)
    answer.once('close', () => answers.delete(answer))
    // Nothing is taken from the socket beyond this before it is read.
    answer.pause()
  }
  // Each has its turn once a second; a few at a time, so that they are no burst.
  const turns = 50
  let turn = 0
  const timer = setInterval(() => {
    turn = (turn + 1) % turns
    let n = 0
    for (const answer of answers) {
      if (n++ % turns === turn) answer.read(Math.min(bytesPerSecond, answer.readableLength) || undefined)
    }
  }, 1_000 / turns)
  return {
    expectAll() {
      if (answers.size !== count) throw new Error(`Only ${answers.size} of ${count} slow clients are left.`)
    },
    leave() {
      clearInterval(timer)
      for (const asked of requests) asked.destroy()
    },
  }
}
