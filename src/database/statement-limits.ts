import pg from 'pg'
import { requestScope } from '../security/request-scope.ts'

const queryOfClient = pg.Client.prototype.query

type Query = (text: unknown, params?: unknown) => Promise<pg.QueryResult>

/**
 * Applies the statement timeout of the calling API operation to every statement on the pool. Each transaction sets it with
 * `set local`, because a pooler shares connections between clients. A single statement runs in a transaction of its own.
 * Statements of jobs have no timeout. After the operation is aborted, only a rollback is sent.
 */
export function limitStatements(pool: pg.Pool): void {
  pool.on('connect', (client) => {
    const send: Query = (text, params) =>
      (pg.Client.prototype.query as (...args: unknown[]) => Promise<pg.QueryResult>).call(client, text, params)
    const control: Query = (text) =>
      (queryOfClient as (...args: unknown[]) => Promise<pg.QueryResult>).call(client, text)
    let inTransaction = false
    const query: Query = async (text, params) => {
      const kind = typeof text === 'string' ? kindOf(text) : 'OTHER'
      const scope = requestScope()
      if (kind === 'BEGIN') inTransaction = true
      if (kind === 'END') inTransaction = false
      if (!scope || typeof text !== 'string') return send(text, params)
      const setLocal = `set local statement_timeout = ${Math.ceil(scope.statementMs)}`
      if (kind === 'BEGIN') {
        scope.signal.throwIfAborted()
        // Both statements are in one message, so that the limit costs no additional round trip.
        return first(await send(`${text}; ${setLocal}`))
      }
      if (isRollback(text)) return send(text, params)
      scope.signal.throwIfAborted()
      if (inTransaction || kind === 'END') return send(text, params)
      await control(`begin; ${setLocal}`)
      try {
        const result = await send(text, params)
        await control('commit')
        return result
      } catch (error) {
        // The first error is reported. The pool removes a lost connection automatically.
        await control('rollback').catch(() => {})
        throw error
      }
    }
    const limited = (...args: unknown[]) =>
      typeof args.at(-1) === 'function'
        ? (queryOfClient as (...all: unknown[]) => unknown).apply(client, args)
        : query(args[0], args[1])
    client.query = limited as typeof client.query
  })
}

function kindOf(text: string): 'BEGIN' | 'END' | 'OTHER' {
  if (/^\s*(?:begin|start transaction)\b/i.test(text)) return 'BEGIN'
  return /^\s*(?:commit|rollback)\s*;?\s*$/i.test(text) ? 'END' : 'OTHER'
}

const isRollback = (text: string) => /^\s*rollback\b/i.test(text)

const first = (result: pg.QueryResult | pg.QueryResult[]) => (Array.isArray(result) ? result[0]! : result)
