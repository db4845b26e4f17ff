import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { launch, temporaryFolder } from '@sluice/testkit/launch.ts'
import { describe, expect, it, onTestFinished } from 'vitest'

/** Settings and credentials that no other process may read. */
const secrets = {
  SECRET_KEY: 'secret-of-the-environment-0123456789',
  ADMIN_TOKEN: 'admin-of-the-environment-0123456789',
  AWS_ACCESS_KEY_ID: 'aws-id-of-the-environment',
  AWS_SECRET_ACCESS_KEY: 'aws-secret-of-the-environment',
  AZURE_CLIENT_SECRET: 'azure-secret-of-the-environment',
  GOOGLE_APPLICATION_CREDENTIALS: '/google-of-the-environment.json',
  PGPASSWORD: 'password-of-the-environment',
}
const kept = { TZ: 'UTC', LANG: 'C', LC_TIME: 'C' }

describe.runIf(process.platform === 'linux')('the environment of PostgreSQL', () => {
  it('has a path, the language and the time zone, and none of our settings or credentials', async () => {
    const folder = temporaryFolder()
    const server = launch({ DATA_DIR: folder.path, ...secrets, ...kept })
    onTestFinished(async () => {
      await server.end()
      folder.remove()
    })
    await server.ready()
    const pidFile = readFileSync(join(folder.path, 'postgres/postmaster.pid'), 'utf8')
    const processes = tree(Number(pidFile.split('\n')[0]))
    expect(processes.length).toBeGreaterThan(1)
    for (const pid of processes) {
      const text = readFileSync(`/proc/${pid}/environ`, 'latin1')
      for (const [name, value] of Object.entries(secrets)) {
        expect(text).not.toContain(name)
        expect(text).not.toContain(value)
      }
    }
    const names = readFileSync(`/proc/${processes[0]}/environ`, 'latin1').split('\0')
    expect(names).toEqual(expect.arrayContaining(Object.entries(kept).map(([name, value]) => `${name}=${value}`)))
    expect(names.some((entry) => entry.startsWith('PATH='))).toBe(true)
  })
})

/** A process and those that it started. */
function tree(pid: number): number[] {
  const parents = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      try {
        // proc_pid_stat(5): the parent stands after the name in brackets and the state.
        return [[Number(name), Number(/\) \S (\d+)/.exec(readFileSync(`/proc/${name}/stat`, 'latin1'))?.[1])]] as const
      } catch {
        return []
      }
    })
  return [pid, ...parents.filter(([, parent]) => parent === pid).map(([child]) => child)]
}
