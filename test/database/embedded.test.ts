import { fork } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { query, until } from '@sluice/testkit/sql.ts'
import { waitFor } from '@sluice/testkit/wait-for.ts'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type EmbeddedPostgres, startEmbedded } from '../../src/database/embedded.ts'

describe('the embedded PostgreSQL', () => {
  let dataDir: string
  beforeEach(() => {
    dataDir = mkdtempSync(join(tmpdir(), 'sluice-embedded-'))
  })
  afterEach(() => rmSync(dataDir, { recursive: true, force: true }))

  const postmaster = ({ folder }: EmbeddedPostgres) =>
    Number(readFileSync(join(folder, 'postmaster.pid'), 'utf8').split('\n')[0])
  const alive = (pid: number) => {
    try {
      return process.kill(pid, 0)
    } catch {
      return false
    }
  }

  it('has the same data after a restart, and its process ends with stop', async () => {
    const first = await startEmbedded({ dataDir })
    await query(first.url, 'create table kept as select 42 as n')
    const pid = postmaster(first)
    await first.stop()
    expect(alive(pid)).toBe(false)
    const second = await startEmbedded({ dataDir })
    expect(await query(second.url, 'select n from kept')).toEqual([{ n: 42 }])
    await second.stop()
  })

  it('reports that another process owns the folder, and does not disturb that process', async () => {
    const first = await startEmbedded({ dataDir, throwAway: true })
    await expect(startEmbedded({ dataDir, throwAway: true })).rejects.toThrow('Another Sluice is running')
    expect(await query(first.url, 'select 1 as one')).toEqual([{ one: 1 }])
    await first.stop()
  })

  it('restarts automatically after it was killed, as a system short of memory does', async () => {
    const server = await startEmbedded({ dataDir })
    await query(server.url, 'create table kept as select 42 as n')
    const killed = postmaster(server)
    process.kill(killed, 'SIGKILL')
    expect(await until(() => query(server.url, 'select n from kept').catch(() => undefined))).toEqual([{ n: 42 }])
    const pid = postmaster(server)
    expect(pid).not.toBe(killed)
    // It is this process's alone, as before.
    await until(async () => (await query(server.url, `select 1 from pg_locks where locktype = 'advisory'`)).length > 0)
    await expect(startEmbedded({ dataDir })).rejects.toThrow('Another Sluice is running')
    await server.stop()
    expect(alive(pid)).toBe(false)
  })

  it('takes over a server that a killed process left running', async () => {
    const owner = fork(new URL('./embedded-owner.ts', import.meta.url), [dataDir], {
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    })
    const [{ url }] = (await waitFor(owner, 'message')) as [{ url: string }]
    await query(url, 'create table kept as select 42 as n')
    owner.kill('SIGKILL')
    await waitFor(owner, 'exit')
    // Its session ends a moment after the process.
    const next = await until(() => startEmbedded({ dataDir, throwAway: true }).catch(() => undefined))
    expect(await query(next.url, 'select n from kept')).toEqual([{ n: 42 }])
    const pid = postmaster(next)
    await next.stop()
    expect(alive(pid)).toBe(false)
  })
})
