import { mediaTokenLifetime } from '../access/media-tokens.ts'
import type { Connect } from '../connect.ts'
import type { Storage } from '../entities/storage.ts'
import { NotFoundError, SluiceError, ValidationError } from '../errors.ts'
import { mapRecord } from '../records.ts'
import { deliver } from '../resolve/deliver.ts'
import { resolveUrl } from '../resolve/link-urls.ts'
import { uriIn, type Verdict, verdicts } from '../resolve/pick.ts'
import { lookUp, workingUri } from '../resolve/spellings.ts'
import { explainObject, pickObject, type ResolveScope } from '../resolve/url-mappings.ts'
import { builder } from './builder.ts'
import type { Context } from './context.ts'
import { ErrorCodeRef } from './error-code.ts'
import { fileLink } from './file-links.ts'
import { idOf } from './ids.ts'
import { ImportStorageRef, ProjectRef } from './refs.ts'

const mostUris = 1_000

const ResolveModeRef = builder.enumType('ResolveMode', {
  description: 'How a client receives the bytes of an object.',
  values: {
    PRESIGN: { description: 'From the storage, by a presigned URL.' },
    PROXY: { description: 'From this server, which streams the bytes from the storage.' },
  },
})

const VerdictRef = builder.enumType('StorageVerdict', {
  description: 'Why a storage serves a URI or does not.',
  values: mapRecord(verdicts, (description) => ({ description })),
})

interface Candidate {
  storage: Storage
  verdict: Verdict
  advice: () => Promise<string>
}

const CandidateRef = builder.objectRef<Candidate>('ResolveCandidate').implement({
  description: 'An import storage of the project, and whether it serves a URI.',
  fields: (t) => ({
    storage: t.expose('storage', { type: ImportStorageRef, description: 'The import storage.' }),
    verdict: t.expose('verdict', { type: VerdictRef, description: 'Why the storage serves the URI or does not.' }),
    reason: t.string({
      description: 'The verdict as text for people, with the spelling of the URI that works if it is another one.',
      resolve: async ({ verdict, advice }) => verdicts[verdict] + (await advice()),
    }),
  }),
})

interface Explanation {
  candidates: Candidate[]
  workingUri: () => Promise<string | null>
}

const ExplanationRef = builder.objectRef<Explanation>('ResolveExplanation').implement({
  description: 'Which storage serves a URI, and why the others do not.',
  fields: (t) => ({
    storage: t.field({
      type: ImportStorageRef,
      nullable: true,
      description: 'The storage that serves the URI. Null if none does; `resolvedData` then leaves the URI as it is.',
      resolve: ({ candidates: [first] }) => (first?.verdict === 'CHOSEN' ? first.storage : null),
    }),
    candidates: t.field({
      type: [CandidateRef],
      description: 'All import storages of the project. The one that serves the URI comes first.',
      resolve: ({ candidates }) => candidates,
    }),
    workingUri: t.string({
      nullable: true,
      description:
        'The storage URI that leads to the object, in the spelling that works: the same as the URI of the query, or another one if that is percent-encoded, has the alias of a scheme or other slashes, or is an HTTPS address. If spellings name different keys, Sluice looks them up in the storage. Null if no import storage of the project serves any spelling.',
      resolve: ({ workingUri }) => workingUri(),
    }),
  }),
})

interface Resolved {
  uri: string
  url?: string
  mode?: 'PRESIGN' | 'PROXY'
  expiresAt?: Date | null
  fault?: SluiceError
}

const ResolvedUriRef = builder.objectRef<Resolved>('ResolvedUri').implement({
  description: 'A storage URI and the URL of its bytes.',
  fields: (t) => ({
    uri: t.exposeString('uri', { description: 'The URI from the query.' }),
    url: t.string({
      nullable: true,
      description:
        'URL that returns the bytes to a GET request without credentials, until `expiresAt`. Null if the URI cannot be resolved; see `code`.',
      resolve: ({ url }) => url ?? null,
    }),
    mode: t.field({
      type: ResolveModeRef,
      nullable: true,
      description: 'Where `url` leads. Null if there is no URL.',
      resolve: ({ mode }) => mode ?? null,
    }),
    expiresAt: t.field({
      type: 'DateTime',
      nullable: true,
      description: 'When `url` expires. Null if it never expires, or there is no URL.',
      resolve: ({ expiresAt }) => expiresAt ?? null,
    }),
    code: t.field({
      type: ErrorCodeRef,
      nullable: true,
      description: 'Why there is no URL. Null if there is one.',
      resolve: ({ fault }) => fault?.code ?? null,
    }),
    message: t.string({
      nullable: true,
      description: 'The same as `code`, as text for people. Null if there is a URL.',
      resolve: ({ fault }) => fault?.message ?? null,
    }),
  }),
})

builder.queryFields((t) => ({
  explainResolve: t.field({
    type: ExplanationRef,
    nullable: true,
    description:
      'Explains which import storage of a project serves a URI, and why the others do not. Null if no project has this id.',
    args: {
      projectId: t.arg.id({ required: true, description: 'Global id of the project.' }),
      uri: t.arg.string({
        required: true,
        description:
          'Storage URI, such as s3://bucket/key, a URL that a mapping of the project covers, or an HTTPS address of a bucket.',
      }),
      taskId: t.arg.id({
        description:
          'Global id of the task that contains the URI. Its own storage and endpoint take precedence. Default: no task.',
      }),
    },
    resolve: async (_root, { projectId, uri, taskId }, { loaders, connect }) => {
      const project = await projectOf(projectId, loaders)
      if (project === null) return null
      const link = taskId ? await loaders.linkOfTask.load(idOf('Task', taskId)) : null
      return explain(uri, { ...(await scopeFor(project, loaders)), linkedStorage: link?.storage }, connect)
    },
  }),
  resolveUris: t.field({
    type: [ResolvedUriRef],
    description:
      'URLs of the bytes of objects, for scripts and models, in the order of `uris`. They work without a header. The URL of a file that usually names others, such as a playlist or a glTF, ends with its key, so that relative names in the file lead to its neighbours.',
    args: {
      projectId: t.arg.id({ required: true, description: 'Global id of the project.' }),
      uris: t.arg.stringList({
        required: true,
        description:
          'Storage URIs, such as s3://bucket/key, and URLs that mappings or `resolveHttpsUrls` of the project cover, at most 1,000.',
      }),
    },
    resolve: async (_root, { projectId, uris }, context) => {
      if (uris.length > mostUris) throw new ValidationError([{ path: 'uris', message: `must be at most ${mostUris}` }])
      const project = await projectOf(projectId, context.loaders)
      if (project === null) throw new NotFoundError('There is no such project.')
      const scope = await scopeFor(project, context.loaders)
      return Promise.all(uris.map((uri) => resolveUri(context, { project, scope, uri })))
    },
  }),
}))

async function projectOf(globalId: string, loaders: Context['loaders']): Promise<number | null> {
  return (await loaders.project.load(idOf('Project', globalId)))?.id ?? null
}

async function scopeFor(project: number, loaders: Context['loaders']): Promise<ResolveScope> {
  const [storages, mappings, { resolveHttpsUrls }] = await Promise.all([
    loaders.importStoragesOfProject.load(project),
    loaders.urlMappingsOfProject.load(project),
    loaders.project.load(project).then((found) => found!),
  ])
  return { storages, mappings, httpsUrls: resolveHttpsUrls }
}

function explain(uri: string, scope: ResolveScope, connect: Connect): Explanation {
  let found: Promise<string | null> | undefined
  const spelling = () => (found ??= workingUri(uri, scope, lookUp(connect)))
  const advice = async (storage: Storage, verdict: Verdict, key?: string) => {
    if (verdict !== 'CHOSEN' && verdict !== 'HTTPS_URLS_OFF') return ''
    const other = await spelling()
    const isSame = other === null || other === uri || (key !== undefined && other === uriIn(storage, key))
    return isSame ? '' : ` This spelling works: ${other}`
  }
  const ranked = explainObject(uri, scope)
  return {
    candidates: ranked.map(({ storage, verdict, key }) => ({
      ...{ storage, verdict },
      advice: () => advice(storage, verdict, key),
    })),
    workingUri: spelling,
  }
}

async function resolveUri(
  context: Context,
  { project, scope, uri }: { project: number; scope: ResolveScope; uri: string },
): Promise<Resolved> {
  const { loaders, linksUrl, resolve } = context
  try {
    const picked = pickObject(uri, scope)
    const file = await fileLink(context, { project, picked, withToken: true })
    if (file) return { uri, mode: 'PROXY', ...file }
    const delivery = await deliver(resolve, picked)
    if (delivery.mode === 'PRESIGN') return { uri, ...delivery }
    const { token, expiresAt } = await loaders.mediaToken.load(project)
    return { uri, mode: 'PROXY', url: resolveUrl({ linksUrl, where: { project }, uri, token }), expiresAt }
  } catch (error) {
    if (error instanceof SluiceError) return { uri, fault: error }
    throw error
  }
}

const MediaTokenRef = builder.objectRef<{ token: string; expiresAt: Date }>('MediaToken').implement({
  description: 'A short-lived token for URLs. It opens resolve links of one project, and nothing else.',
  fields: (t) => ({
    token: t.exposeString('token', {
      description: 'Text of the token. Append it to a resolve link as `&token=<text>`.',
    }),
    expiresAt: t.expose('expiresAt', { type: 'DateTime', description: 'When the token expires.' }),
  }),
})

const CreateMediaTokenInput = builder.inputType('CreateMediaTokenInput', {
  description: 'Settings of a new media token.',
  fields: (t) => ({
    projectId: t.id({ required: true, description: 'Global id of the project whose objects the token opens.' }),
    ttlSeconds: t.int({
      description: `Lifetime in seconds, from 1 to ${mediaTokenLifetime.most}. The server adds up to a quarter, so that repeated requests return the same token. Default: ${mediaTokenLifetime.normal}.`,
    }),
  }),
})

builder.mutationFields((t) => ({
  createMediaToken: t.field({
    type: MediaTokenRef,
    description:
      'Creates a short-lived token that opens the resolve links of one project without a header. It also becomes invalid when the API token that created it is revoked.',
    errors: {
      types: [ValidationError, NotFoundError],
      dataField: { name: 'mediaToken', description: 'The new media token.' },
    },
    args: {
      input: t.arg({
        type: CreateMediaTokenInput,
        required: true,
        description: 'The project and the lifetime of the token.',
      }),
    },
    resolve: (_root, { input: { projectId, ttlSeconds } }, { mediaTokens, viewer }) =>
      mediaTokens.issue(viewer, {
        project: idOf('Project', projectId),
        ttlSeconds: ttlSeconds ?? mediaTokenLifetime.normal,
      }),
  }),
  rotateMediaKey: t.field({
    type: ProjectRef,
    description: 'Makes all media tokens of a project invalid at once.',
    errors: { types: [NotFoundError], dataField: { name: 'project', description: 'The project after the change.' } },
    args: { projectId: t.arg.id({ required: true, description: 'Global id of the project.' }) },
    resolve: async (_root, { projectId }, { mediaTokens, loaders }) => {
      const project = idOf('Project', projectId)
      await mediaTokens.rotate(project)
      return (await loaders.project.load(project))!
    },
  }),
}))
