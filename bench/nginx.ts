import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createConnection } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort } from '@sluice/testkit/free-port.ts'

/** A running nginx. */
interface Nginx {
  url: string
  version: string
  pid: number
  stop(): Promise<void>
}

/**
 * Starts Debian's nginx as a reverse proxy of `upstream`, with a worker for each core, connections that are kept on both
 * sides, and its own buffers in memory. What a client takes slowly is not put on disk, as a proxy of private data must not.
 */
export async function startNginx(upstream: string): Promise<Nginx> {
  const { stderr, error } = spawnSync('nginx', ['-v'], { encoding: 'utf8' })
  if (error) throw new Error('There is no nginx. On Debian: apt-get install nginx-light')
  const folder = mkdtempSync(join(tmpdir(), 'sluice-nginx-'))
  // As root, its workers run as another user.
  chmodSync(folder, 0o711)
  const port = await freePort()
  const config = join(folder, 'nginx.conf')
  writeFileSync(config, configOf({ folder, port, upstream: new URL(upstream).host }))
  const child = spawn('nginx', ['-c', config, '-e', 'stderr'], { stdio: ['ignore', 'ignore', 'inherit'] })
  await listening(port)
  return {
    url: `http://127.0.0.1:${port}`,
    version: stderr.trim().replace('nginx version: ', ''),
    pid: child.pid!,
    async stop() {
      child.kill('SIGTERM')
      await once(child, 'exit')
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

const configOf = ({ folder, port, upstream }: { folder: string; port: number; upstream: string }) => `
daemon off;
pid ${folder}/nginx.pid;
worker_processes auto;
events { worker_connections 4096; }
http {
  access_log off;
  keepalive_requests 1000000000;
  ${['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((of) => `${of}_temp_path ${folder}/${of};`).join('\n  ')}
  upstream storage {
    server ${upstream};
    keepalive 256;
    keepalive_requests 1000000000;
  }
  server {
    listen 127.0.0.1:${port} reuseport backlog=4096;
    location / {
      proxy_pass http://storage;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_buffering on;
      proxy_max_temp_file_size 0;
    }
  }
}
`

async function listening(port: number): Promise<void> {
  for (let tries = 0; ; tries++) {
    const socket = createConnection({ port, host: '127.0.0.1' })
    const connected = await new Promise((resolve) =>
      socket.once('connect', () => resolve(true)).once('error', () => resolve(false)),
    )
    socket.destroy()
    if (connected) return
    if (tries === 200) throw new Error(`nginx does not listen on port ${port}.`)
    await new Promise((resolve) => setTimeout(resolve, 25))
  }
}
