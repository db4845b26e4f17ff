import { mediaTokenSeconds } from '../auth/media-tokens.ts'
import type { Storage } from '../entities/storage.ts'
import { type ErrorCode, NotFoundError, SluiceError, ValidationError } from '../errors.ts'
import { deliver } from '../resolve/deliver.ts'
import { type Verdict, verdicts, weighStorages } from '../resolve/pick.ts'
import { resolveUrl } from '../resolve/rewrite.ts'
import { builder } from './builder.ts'
import type { Context } from './context.ts'
import { ErrorCodeRef } from './error-code.ts'
import { idOf } from './ids.ts'
import { ImportStorageRef, ProjectRef } from './refs.ts'

const mostUris = 1_000

const ResolveModeRef = builder.enumType('ResolveMode', {
  description: 'How the bytes behind a URI are had.',
  values: {
    PRESIGN: { description: 'From the storage itself, under a URL that it accepts without credentials.' },
    PROXY: { description: 'Through this server.' },
  },
})

const VerdictRef = builder.enumType('StorageVerdict', {
  description: 'Why a storage serves a URI, or does not.',
  values: Object.fromEntries(Object.entries(verdicts).map(([name, description]) => [name, { description }])) as Record<
    Verdict,
    { description: string }
  >,
})

const CandidateRef = builder.objectRef<{ storage: Storage; verdict: Verdict }>('ResolveCandidate').implement({
  description: 'An import storage of the project, weighed for a URI.',
  fields: (t) => ({
    storage: t.expose('storage', { type: ImportStorageRef, description: 'The storage.' }),
    verdict: t.expose('verdict', { type: VerdictRef, description: 'Why it serves the URI, or does not.' }),
    reason: t.string({ description: 'The verdict in words.', resolve: ({ verdict }) => verdicts[verdict] }),
  }),
})

type Candidates = { storage: Storage; verdict: Verdict }[]

const ExplanationRef = builder.objectRef<Candidates>('ResolveExplanation').implement({
  description: 'Which storage serves a URI, and why.',
  fields: (t) => ({
    storage: t.field({
      type: ImportStorageRef,
      nullable: true,
      description: 'The storage that serves it; null = none does, so that it is left as it is.',
      resolve: ([first]) => (first?.verdict === 'CHOSEN' ? first.storage : null),
    }),
    candidates: t.field({
      type: [CandidateRef],
      description: 'All import storages of the project, the chosen one first.',
      resolve: (candidates) => candidates,
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
  description: 'A URI, and where its bytes are.',
  fields: (t) => ({
    uri: t.exposeString('uri', { description: 'The URI as it was asked for.' }),
    url: t.string({
      nullable: true,
      description: 'Where a GET without credentials has the bytes, until `expiresAt`; null = nowhere, see `code`.',
      resolve: ({ url }) => url ?? null,
    }),
    mode: t.field({
      type: ResolveModeRef,
      nullable: true,
      description: 'Who answers there; null = there is no URL.',
      resolve: ({ mode }) => mode ?? null,
    }),
    expiresAt: t.field({
      type: 'DateTime',
      nullable: true,
      description: 'When the URL ends; null = never, or there is none.',
      resolve: ({ expiresAt }) => expiresAt ?? null,
    }),
    code: t.field({
      type: ErrorCodeRef,
      nullable: true,
      description: 'Why there is no URL; null when there is one.',
      resolve: ({ fault }) => (fault?.code as ErrorCode | undefined) ?? null,
    }),
    message: t.string({
      nullable: true,
      description: 'The same in words.',
      resolve: ({ fault }) => fault?.message ?? null,
    }),
  }),
})

builder.queryFields((t) => ({
  explainResolve: t.field({
    type: ExplanationRef,
    nullable: true,
    description: 'Tells which storage serves a URI, and why the others do not; null when there is no such project.',
    args: {
      projectId: t.arg.id({ required: true, description: 'Global id of the project.' }),
      uri: t.arg.string({ required: true, description: 'A storage URI such as s3://bucket/key.' }),
      taskId: t.arg.id({
        description: 'Global id of the task that holds the URI: the storage it comes from goes first.',
      }),
    },
    resolve: async (_root, { projectId, uri, taskId }, { loaders }) => {
      const project = await projectOf(projectId, loaders)
      if (project === null) return null
      const link = taskId ? await loaders.linkOfTask.load(idOf('Task', taskId)) : null
      return weighStorages(uri, await loaders.importStoragesOfProject.load(project), link?.storage)
    },
  }),
  resolveUris: t.field({
    type: [ResolvedUriRef],
    description: `The addresses of bytes for scripts and models, in the order asked for; at most ${mostUris} at a time.`,
    args: {
      projectId: t.arg.id({ required: true, description: 'Global id of the project.' }),
      uris: t.arg.stringList({ required: true, description: 'Storage URIs such as s3://bucket/key.' }),
    },
    resolve: async (_root, { projectId, uris }, context) => {
      if (uris.length > mostUris) throw new ValidationError([{ path: 'uris', message: `must be at most ${mostUris}` }])
      const project = await projectOf(projectId, context.loaders)
      if (project === null) throw new NotFoundError('There is no such project.')
      const storages = await context.loaders.importStoragesOfProject.load(project)
      return Promise.all(uris.map((uri) => resolveUri(context, { project, storages, uri })))
    },
  }),
}))

async function projectOf(globalId: string, loaders: Context['loaders']): Promise<number | null> {
  return (await loaders.project.load(idOf('Project', globalId)))?.id ?? null
}

async function resolveUri(
  { loaders, linksUrl, resolve }: Context,
  { project, storages, uri }: { project: number; storages: Storage[]; uri: string },
): Promise<Resolved> {
  try {
    const delivery = await deliver(resolve, { project, storages, mediaKey: null, linkedStorage: undefined }, { uri })
    if (delivery.mode === 'PRESIGN') return { uri, ...delivery }
    const { token, expiresAt } = await loaders.mediaToken.load(project)
    return { uri, mode: 'PROXY', url: resolveUrl({ linksUrl, where: { project }, uri, token }), expiresAt }
  } catch (error) {
    if (error instanceof SluiceError) return { uri, fault: error }
    throw error
  }
}

const MediaTokenRef = builder.objectRef<{ token: string; expiresAt: Date }>('MediaToken').implement({
  description:
    'A key to the objects of one project that may stand in URLs. It reads, and opens nothing but resolve links.',
  fields: (t) => ({
    token: t.exposeString('token', { description: 'Its text: append it to a resolve link as `&token=…`.' }),
    expiresAt: t.expose('expiresAt', { type: 'DateTime', description: 'When it ends.' }),
  }),
})

const CreateMediaTokenInput = builder.inputType('CreateMediaTokenInput', {
  description: 'A new media token.',
  fields: (t) => ({
    projectId: t.id({ required: true, description: 'Global id of the project whose objects it opens.' }),
    ttlSeconds: t.int({
      description: `Seconds that it lives at least; at most ${mediaTokenSeconds.most}. Default: ${mediaTokenSeconds.normal}.`,
    }),
  }),
})

builder.mutationFields((t) => ({
  createMediaToken: t.field({
    type: MediaTokenRef,
    description:
      'Makes a short-lived token that opens the resolve links of one project without any header. It ends with the API token that made it, too.',
    errors: {
      types: [ValidationError, NotFoundError],
      dataField: { name: 'mediaToken', description: 'The token.' },
    },
    args: { input: t.arg({ type: CreateMediaTokenInput, required: true, description: 'What for, and how long.' }) },
    resolve: (_root, { input: { projectId, ttlSeconds } }, { mediaTokens, viewer }) =>
      mediaTokens.issue(viewer, {
        project: idOf('Project', projectId),
        ttlSeconds: ttlSeconds ?? mediaTokenSeconds.normal,
      }),
  }),
  rotateMediaKey: t.field({
    type: ProjectRef,
    description: 'Ends all media tokens of a project at once.',
    errors: { types: [NotFoundError], dataField: { name: 'project', description: 'The project.' } },
    args: { projectId: t.arg.id({ required: true, description: 'Global id of the project.' }) },
    resolve: async (_root, { projectId }, { mediaTokens, loaders }) => {
      const project = idOf('Project', projectId)
      await mediaTokens.rotate(project)
      return (await loaders.project.load(project))!
    },
  }),
}))
