// Clients that take a body slowly, in a process of their own, so that whoever measures beside them is not held up by them. Started
// by `startSlowClients`, which they do not outlive.
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { type IncomingMessage, request } from 'node:http'
import { fileURLToPath } from 'node:url'

const self = fileURLToPath(import.meta.url)

/** Clients that take a body slowly. */
interface SlowClients {
  /** Fails unless all are still being answered. */
  expectAll(): Promise<void>
  leave(): Promise<void>
}

/** Opens `count` streams and takes of each some `bytesPerSecond`. Resolves when all have their first bytes. */
export async function startSlowClients(
  url: string,
  { count, bytesPerSecond }: { count: number; bytesPerSecond: number },
): Promise<SlowClients> {
  const child = fork(self, [url, String(count), String(bytesPerSecond)], {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  })
  const exit = once(child, 'exit')
  const said = async () => {
    const left = await Promise.race([once(child, 'message'), exit.then(() => [undefined])])
    return left[0] as number | undefined
  }
  const expect = (left: number | undefined) => {
    if (left !== count) throw new Error(`Only ${left ?? 'none'} of ${count} slow clients are left.`)
  }
  expect(await said())
  return {
    async expectAll() {
      const answer = said()
      child.send('How many are left?')
      expect(await answer)
    },
    async leave() {
      child.disconnect()
      await exit
    },
  }
}

/** Those who are still being answered. */
async function take(url: string, count: number, bytesPerSecond: number): Promise<ReadonlySet<IncomingMessage>> {
  const answers = new Set<IncomingMessage>()
  for (let n = 0; n < count; n++) {
    const asked = request(url, { agent: false }).end()
    const [answer] = (await once(asked, 'response')) as [IncomingMessage]
    if (answer.statusCode !== 200) throw new Error(`A slow client was answered ${answer.statusCode}.`)
    asked.on('error', () => {})
    answers.add(answer)
    answer.once('close', () => answers.delete(answer))
    // Nothing is taken from the socket beyond this before it is read.
    answer.pause()
  }
  // Each has its turn once a second, two at a time: those who are slow do not wait for each other.
  const turns = Math.ceil(count / 2)
  const all = [...answers]
  let turn = 0
  setInterval(() => {
    turn = (turn + 1) % turns
    for (const answer of all.slice(turn * 2, turn * 2 + 2)) {
      answer.read(Math.min(bytesPerSecond, answer.readableLength) || undefined)
    }
  }, 1_000 / turns)
  return answers
}

if (process.argv[1] === self) {
  const [url, count, bytesPerSecond] = process.argv.slice(2)
  process.on('disconnect', () => process.exit())
  const answers = await take(url!, Number(count), Number(bytesPerSecond))
  process.on('message', () => process.send!(answers.size)).send!(answers.size)
}
