import { Agent } from 'node:http'
import { GetObjectCommand, ListObjectsV2Command, S3Client } from '@aws-sdk/client-s3'
import { admin, databaseUrl } from '@sluice/testkit/postgres.ts'
import { NodeHttpHandler } from '@smithy/node-http-handler'
import pg from 'pg'
import { connectionOf, openDatabase } from '../src/database/open.ts'
import { createLogger } from '../src/logger.ts'

/** What a listing tells about an object, as it becomes a row. */
export interface Listed {
  key: string
  size: number
  etag: string | null
  lastModified: Date | null
}

const pageSize = 1_000

/** A client with the settings of our provider. */
export function bareClient(endpoint: string): S3Client {
  return new S3Client({
    endpoint,
    region: 'us-east-1',
    forcePathStyle: true,
    credentials: { accessKeyId: 'bench', secretAccessKey: 'bench' },
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    requestHandler: new NodeHttpHandler({ httpAgent: new Agent({ keepAlive: true, maxSockets: 512 }) }),
  })
}

/** Lists a bucket page by page and keeps what it is told, with nothing beside it: no listing can be faster on this client. */
export async function bareList(client: S3Client, Bucket: string): Promise<Listed[]> {
  const listed: Listed[] = []
  let ContinuationToken: string | undefined
  do {
    const page = await client.send(
      new ListObjectsV2Command({ Bucket, MaxKeys: pageSize, EncodingType: 'url', ContinuationToken }),
    )
    for (const { Key, Size, ETag, LastModified } of page.Contents ?? []) {
      listed.push({ key: Key!, size: Size!, etag: ETag ?? null, lastModified: LastModified ?? null })
    }
    ContinuationToken = page.NextContinuationToken
  } while (ContinuationToken !== undefined)
  return listed
}

/** Reads all objects to their ends, `concurrency` at a time, and throws the bytes away. Number of bytes. */
export async function bareGet(
  client: S3Client,
  Bucket: string,
  { keys, concurrency }: { keys: string[]; concurrency: number },
): Promise<number> {
  const rest = keys.values()
  let bytes = 0
  const lane = async () => {
    for (const Key of rest) {
      const { Body } = await client.send(new GetObjectCommand({ Bucket, Key }))
      const body = await Body!.transformToByteArray()
      bytes += body.length
    }
  }
  await Promise.all(Array.from({ length: concurrency }, lane))
  return bytes
}

/** Writes the rows of an import and nothing else: no look for known keys, no counters, no events. */
export interface BareInsert {
  /** Adds a task and a link for each object to a new project and storage, with a commit for each page of 1,000. */
  insert(bucket: string, objects: Listed[]): Promise<void>
  /** Opens a new project and storage; what it gives adds a task and a link for each text, as rows of one object, in one commit. */
  openRows(): Promise<(data: string[]) => Promise<void>>
  close(): Promise<void>
}

/** Opens a database of its own on the server of `url`, with the schema, indexes and constraints that Sluice has. */
export async function openBareInsert(url: string): Promise<BareInsert> {
  await admin(url, 'create database bare')
  const own = databaseUrl(url, 'bare')
  await (await openDatabase(own, createLogger('warn'))).close(true)
  const client = new pg.Client(connectionOf(own))
  client.on('error', () => {})
  await client.connect()
  return {
    async insert(bucket, objects) {
      const { rows } = await client.query(place)
      const { id: storage, project_id: project } = rows[0]
      for (let at = 0; at < objects.length; at += pageSize) {
        const page = objects.slice(at, at + pageSize)
        await client.query(statement, [
          storage,
          project,
          at,
          page.map(({ key }) => key),
          page.map(({ key }) => `{"file":"s3://${bucket}/${key}"}`),
          page.map(({ size }) => size),
          page.map(({ etag }) => etag),
          page.map(({ lastModified }) => lastModified?.toISOString() ?? null),
        ])
      }
    },
    async openRows() {
      const { rows } = await client.query(place)
      const { id: storage, project_id: project } = rows[0]
      let at = 0
      return async (data) => {
        await client.query(rowsStatement, [storage, project, at, data])
        at += data.length
      }
    },
    close: () => client.end(),
  }
}

const place = `
with project as (insert into project (title) values ('bare') returning id)
insert into storage (project_id, direction, provider, location, fingerprint)
select id, 'IMPORT', 'S3', '{}', '' from project returning id, project_id`

const statement = `
with fresh as materialized (
  select i.*, nextval('task_id_seq') as task_id
  from unnest($4::text[], $5::text[], $6::bigint[], $7::text[], $8::timestamptz[])
    with ordinality as i (key, data, size, etag, last_modified, n)),
tasks as (
  insert into task (id, project_id, inner_id, data) select task_id, $2, $3::bigint + n, data::json from fresh)
insert into import_link (storage_id, task_id, key, size, etag, last_modified)
select $1, task_id, key, size, etag, last_modified from fresh`

const rowsStatement = `
with fresh as materialized (
  select i.*, nextval('task_id_seq') as task_id from unnest($4::text[]) with ordinality as i (data, n)),
tasks as (
  insert into task (id, project_id, inner_id, data) select task_id, $2, $3::bigint + n, data::json from fresh)
insert into import_link (storage_id, task_id, key, row_index, size, etag, last_modified)
select $1, task_id, 'rows', $3::bigint + n - 1, 1, 'etag', now() from fresh`
