import type { Policy } from './policy.ts'

/** The parts of package.json that decide what is installed. */
export interface Manifest {
  dependencies?: Record<string, string>
  devDependencies?: Record<string, string>
  optionalDependencies?: Record<string, string>
  allowScripts?: Record<string, boolean>
}

/** One package in package-lock.json (npm's documentation, "package-lock.json", `packages`). */
export interface LockedPackage {
  name?: string
  version?: string
  resolved?: string
  integrity?: string
  license?: string
  link?: boolean
  dev?: boolean
  hasInstallScript?: boolean
  dependencies?: Record<string, string>
  devDependencies?: Record<string, string>
  optionalDependencies?: Record<string, string>
}

/** package-lock.json. The key of a package is its path; the key of the project itself is empty. */
export interface Lock {
  lockfileVersion: number
  packages: Record<string, LockedPackage>
}

const groups = ['dependencies', 'optionalDependencies', 'devDependencies'] as const

/** Everything in which package.json and package-lock.json differ from the policy, one sentence each. */
export function lockFaults(manifest: Manifest, lock: Lock, policy: Policy): string[] {
  const packages = Object.entries(thirdPartyPackages(lock))
  return [
    ...directFaults(manifest, lock, policy),
    ...workspaceFaults(manifest, lock),
    ...packages.flatMap(([path, locked]) => packageFaults(path, locked, policy)),
    ...scriptFaults(manifest, packages, policy),
  ]
}

/** The locked packages that are not ours: neither the project, nor its workspaces in packages/, nor npm's links to them. */
export function thirdPartyPackages({ packages }: Lock): Record<string, LockedPackage> {
  const isLink = (path: string, { link, resolved = '' }: LockedPackage) =>
    link === true && isWorkspace(resolved) && path === `node_modules/${packages[resolved]?.name}`
  return Object.fromEntries(
    Object.entries(packages).filter(([path, locked]) => path !== '' && !isWorkspace(path) && !isLink(path, locked)),
  )
}

const isWorkspace = (path: string) => /^packages\/[a-z-]+$/.test(path)

/** A workspace uses what package.json names, too, in the same version: the review of that covers both. */
function workspaceFaults(manifest: Manifest, lock: Lock): string[] {
  const versionOf = Object.fromEntries(groups.flatMap((group) => Object.entries(manifest[group] ?? {})))
  return Object.entries(lock.packages).flatMap(([path, workspace]) =>
    groups
      .flatMap((group) => (isWorkspace(path) ? Object.entries(workspace[group] ?? {}) : []))
      .filter(([name, version]) => versionOf[name] !== version)
      .map(([name, version]) => `${path}: ${name} ${version} is not in package.json in this version.`),
  )
}

function directFaults(manifest: Manifest, lock: Lock, policy: Policy): string[] {
  const faults: string[] = []
  const direct = groups.flatMap((group) => Object.entries(manifest[group] ?? {}))
  for (const group of groups) {
    if (JSON.stringify(manifest[group] ?? {}) !== JSON.stringify(lock.packages['']?.[group] ?? {})) {
      faults.push(`package-lock.json has other ${group} than package.json. Run "npm install".`)
    }
  }
  for (const [name, wanted] of direct) {
    const reviewed = policy.reviewed.get(name)
    const locked = lock.packages[`node_modules/${name}`]
    if (!/^\d+\.\d+\.\d+(-[\w.]+)?$/.test(wanted)) faults.push(`${name}: "${wanted}" is not an exact version.`)
    if (locked?.version !== wanted) faults.push(`${name}: package-lock.json has ${locked?.version}, not ${wanted}.`)
    if (!reviewed) {
      faults.push(`${name}: nobody has reviewed it. Add it to docs/dependencies.md.`)
      continue
    }
    if (reviewed.version !== wanted) {
      faults.push(`${name}: ${reviewed.version} is reviewed, ${wanted} is used. Review it in docs/dependencies.md.`)
    }
    if (locked && reviewed.licence !== locked.license) {
      faults.push(`${name}: its licence is ${locked.license}; docs/dependencies.md has ${reviewed.licence}.`)
    }
    if (reviewed.reason.length < 10) faults.push(`${name}: docs/dependencies.md gives no reason for it.`)
  }
  const used = new Set(direct.map(([name]) => name))
  for (const name of policy.reviewed.keys()) {
    if (!used.has(name)) faults.push(`${name}: docs/dependencies.md lists it, but package.json does not.`)
  }
  return faults
}

function packageFaults(path: string, locked: LockedPackage, policy: Policy): string[] {
  const faults: string[] = []
  // npm leaves "resolved" out for packages of a registry (.npmrc); so what has it comes from somewhere else.
  if (locked.link || locked.resolved !== undefined) faults.push(`${path}: it does not come from the package registry.`)
  if (!/^sha512-[A-Za-z0-9+/]{86}==$/.test(locked.integrity ?? '')) faults.push(`${path}: it has no SHA-512 hash.`)
  const allowed = locked.dev ? [...policy.licences, ...policy.developmentLicences] : policy.licences
  if (!allowed.includes(locked.license ?? '')) faults.push(`${path}: its licence ${locked.license} is not allowed.`)
  return faults
}

function scriptFaults(manifest: Manifest, packages: [string, LockedPackage][], policy: Policy): string[] {
  const withScript = packages.filter(([, locked]) => locked.hasInstallScript).map(([path]) => nameOf(path))
  const approved = Object.entries(manifest.allowScripts ?? {}).flatMap(([name, allowed]) => (allowed ? [name] : []))
  const lists = { 'package-lock.json': withScript, 'allowScripts in package.json': approved }
  return Object.entries(lists).flatMap(([source, names]) => {
    const extra = names.filter((name) => !policy.installScripts.includes(name))
    const missing = policy.installScripts.filter((name) => !names.includes(name))
    return [
      ...extra.map((name) => `${name}: ${source} has an install script that docs/dependencies.md does not list.`),
      ...missing.map((name) => `${name}: docs/dependencies.md lists an install script that ${source} does not have.`),
    ]
  })
}

/** `@scope/name` for `node_modules/a/node_modules/@scope/name`. */
const nameOf = (path: string) => path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length)

/**
 * What npm recorded about the Node binary, as sentences about differences from the policy. The package `node` installs the
 * binary of the platform by a nested `npm install`, which package-lock.json does not cover.
 */
export function nodeBinaryFaults(nested: Lock, policy: Policy): string[] {
  return Object.entries(nested.packages).flatMap(([path, { version, integrity }]) => {
    const expected = policy.nestedPackages.get(`${nameOf(path)}@${version}`)
    return expected === integrity
      ? []
      : [`${nameOf(path)}@${version}: its hash is not the one in docs/dependencies.md.`]
  })
}
