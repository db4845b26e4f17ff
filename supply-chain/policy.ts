/** One row of a table in docs/dependencies.md, without the backquotes around its cells. */
type Row = string[]

/** What docs/dependencies.md allows. */
export interface Policy {
  /** Reviewed direct dependencies by package name. */
  reviewed: Map<string, { version: string; licence: string; reason: string }>
  /** Licences that any package may have. */
  licences: string[]
  /** Licences that a package may have if only development uses it. */
  developmentLicences: string[]
  /** Packages that may run a script while they are installed. */
  installScripts: string[]
  /** Hashes of packages that an install script installs, by `name@version`, as npm writes them: `sha512-…`. */
  nestedPackages: Map<string, string>
  /** Known vulnerabilities that `npm run audit` tolerates, by advisory id, until a date such as 2027-01-31. */
  acceptedAdvisories: Map<string, { until: string; reason: string }>
}

/**
 * Reads the tables of docs/dependencies.md.
 * @throws Error if a section is missing.
 */
export function parsePolicy(markdown: string): Policy {
  const licences = rowsBelow(markdown, 'Licences')
  const named = (use: string) => licences.filter(([, allowedFor]) => allowedFor === use).map(([name]) => name!)
  return {
    reviewed: new Map(
      ['Direct dependencies of the server', 'Direct dependencies of development']
        .flatMap((heading) => rowsBelow(markdown, heading))
        .map(([name, version, licence, reason]) => [
          name!,
          { version: version ?? '', licence: licence ?? '', reason: reason ?? '' },
        ]),
    ),
    licences: named('everything'),
    developmentLicences: named('development'),
    installScripts: rowsBelow(markdown, 'Install scripts').map(([name]) => name!),
    nestedPackages: new Map(
      rowsBelow(markdown, 'Node binaries').map(([name, version, hash]) => [`${name}@${version}`, hash ?? '']),
    ),
    acceptedAdvisories: new Map(
      rowsBelow(markdown, 'Accepted advisories').map(([id, , until, reason]) => [
        id!,
        { until: until ?? '', reason: reason ?? '' },
      ]),
    ),
  }
}

/** The rows of all tables in one section, without the two lines of the header. */
export function rowsBelow(markdown: string, heading: string): Row[] {
  const [, section] = markdown.split(new RegExp(`^#+ ${heading}$`, 'm'))
  if (section === undefined) throw new Error(`The document has no section "${heading}".`)
  const [body = ''] = section.split(/^#+ /m)
  return body
    .split('\n')
    .filter((line) => line.startsWith('|'))
    .slice(2)
    .map((line) =>
      line
        .split('|')
        .slice(1, -1)
        .map((cell) => cell.trim().replaceAll('`', '')),
    )
}
