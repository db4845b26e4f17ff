import { readFileSync, writeFileSync } from 'node:fs'
import { pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import { parse } from 'yaml'
import { imagesIn, parseImage } from './image-reference.ts'
import { digestOf } from './registry.ts'

const files = ['Dockerfile', 'docker-compose.yml']

/**
 * Writes the current digest behind every image in Dockerfile and docker-compose.yml: `node:24.21.0-slim@sha256:…`. A digest
 * that is there already is replaced by the one that the tag has now. Writes nothing unless all digests were found.
 * @param folder URL of the folder with both files
 * @param registryUrl asked for all images instead of their own registries
 * @returns the images as they are written now
 * @throws RegistryError as `digestOf` does
 */
export async function pinImages(folder: URL, registryUrl?: string): Promise<string[]> {
  const texts = new Map(files.map((name) => [name, readFileSync(new URL(name, folder), 'utf8')]))
  const compose = parse(texts.get('docker-compose.yml')!, { merge: true }) as {
    services: Record<string, { build?: unknown; image?: string }>
  }
  const built = Object.values(compose.services).flatMap(({ build, image }) => (build && image ? [image] : []))
  const images = new Set([...texts.values()].flatMap((text) => imagesIn(text, built)))
  const pinned = new Map<string, string>()
  for (const image of images) {
    const reference = parseImage(image)
    const { registry } = reference
    const url = registryUrl ?? `https://${registry === 'docker.io' ? 'registry-1.docker.io' : registry}`
    pinned.set(image, `${image.split('@')[0]}@${await digestOf(reference, url.replace(/\/+$/, ''))}`)
  }
  for (const [name, text] of texts) {
    const replaced = text.replace(/^(FROM|\s+image:)(\s+)(\S+)/gm, (line, keyword, space, image) =>
      pinned.has(image) ? `${keyword}${space}${pinned.get(image)}` : line,
    )
    writeFileSync(new URL(name, folder), replaced)
  }
  return [...pinned.values()]
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: { registry: { type: 'string' }, folder: { type: 'string', default: '.' } },
  })
  try {
    const pinned = await pinImages(pathToFileURL(`${values.folder}/`), values.registry)
    console.log(pinned.join('\n'))
  } catch (error) {
    console.error(`${(error as Error).message}\nNothing was written.`)
    process.exitCode = 1
  }
}
