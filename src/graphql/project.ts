import { ProjectEntity } from '../entities/project.ts'
import { TaskEntity } from '../entities/task.ts'
import { ConflictError, NotFoundError, ValidationError } from '../errors.ts'
import { createProject, deleteProject, updateProject } from '../labeling/projects.ts'
import { builder } from './builder.ts'
import { idOf } from './ids.ts'
import { orNull } from './or-null.ts'
import { pageById } from './page.ts'
import { ProjectRef, TaskRef } from './refs.ts'
import { readUrlMapping, UrlMappingInput, UrlMappingRef } from './url-mapping.ts'

const resolveHttpsUrls =
  'Whether addresses such as https://bucket.s3.amazonaws.com/key, of buckets that the import storages of the project connect, are resolved like storage URIs.'

builder.node(ProjectRef, {
  description: 'Holds tasks, their annotations, and the storages that feed and export them.',
  id: { resolve: (project) => project.id },
  loadWithoutCache: (id, { loaders }) => loaders.project.load(Number(id)),
  fields: (t) => ({
    databaseId: t.expose('id', { type: 'SafeInt', description: 'Numeric id in the database, and in resolve links.' }),
    title: t.exposeString('title', { description: 'Name of the project, for people.' }),
    description: t.exposeString('description', {
      nullable: true,
      description: 'Description of the project, for people. Null if the project has no description.',
    }),
    dataKey: t.exposeString('dataKey', {
      description: 'Name of the field in the task data to which the import method FILES writes the URI of the object.',
    }),
    annotationsPerTask: t.exposeInt('annotationsPerTask', {
      description: 'Number of annotations at which a task counts as labeled (`isLabeled`).',
    }),
    resolveHttpsUrls: t.exposeBoolean('resolveHttpsUrls', { description: resolveHttpsUrls }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When the project was created.' }),
    updatedAt: t.expose('updatedAt', {
      type: 'DateTime',
      description: 'When the settings of the project last changed.',
    }),
    urlMappings: t.field({
      type: [UrlMappingRef],
      description:
        'Prefixes of URLs in the task data, such as /data/upload/, with the storages that contain the objects of these URLs.',
      resolve: (project, _args, { loaders }) => loaders.urlMappingsOfProject.load(project.id),
    }),
    tasks: t.connection({
      type: TaskRef,
      description: 'Tasks of the project, newest first.',
      resolve: (project, args, { em }) =>
        pageById(em, TaskEntity, { project: project.id }, args, { by: 'innerId', without: ['data', 'meta'] }),
    }),
  }),
})

builder.queryFields((t) => ({
  project: t.field({
    type: ProjectRef,
    nullable: true,
    description: 'One project. Null if no project has this id.',
    args: { id: t.arg.id({ required: true, description: 'Global id of the project.' }) },
    resolve: (_root, { id }, { loaders }) => orNull(() => loaders.project.load(idOf('Project', id))),
  }),
  projects: t.connection({
    type: ProjectRef,
    description: 'All projects, newest first.',
    resolve: (_root, args, { em }) => pageById(em, ProjectEntity, {}, args),
  }),
}))

const CreateProjectInput = builder.inputType('CreateProjectInput', {
  description: 'Settings of a new project.',
  fields: (t) => ({
    title: t.string({ required: true, description: 'Name of the project, for people: 1 to 500 characters.' }),
    description: t.string({ description: 'Description of the project, for people. Default: none.' }),
    dataKey: t.string({
      description:
        'Name of the field in the task data to which the import method FILES writes the URI of the object. Default: file.',
    }),
    annotationsPerTask: t.int({
      description: 'Number of annotations at which a task counts as labeled (`isLabeled`), at least 1. Default: 1.',
    }),
    resolveHttpsUrls: t.boolean({ description: `${resolveHttpsUrls} Default: false.` }),
  }),
})

const UpdateProjectInput = builder.inputType('UpdateProjectInput', {
  description: 'Changes to a project. Absent fields keep their value.',
  fields: (t) => ({
    id: t.id({ required: true, description: 'Global id of the project.' }),
    title: t.string({ description: 'Name of the project, for people: 1 to 500 characters. It cannot be null.' }),
    description: t.string({ description: 'Description of the project, for people. Null clears the description.' }),
    dataKey: t.string({
      description:
        'Name of the field in the task data to which the import method FILES writes the URI of the object. Existing tasks do not change. Null keeps the value.',
    }),
    annotationsPerTask: t.int({
      description:
        'Number of annotations at which a task counts as labeled (`isLabeled`), at least 1. Null keeps the value.',
    }),
    resolveHttpsUrls: t.boolean({ description: `${resolveHttpsUrls} Null keeps the value.` }),
    urlMappings: t.field({
      type: [UrlMappingInput],
      description:
        'All URL mappings of the project, at most 100. They replace the existing ones; an empty list removes them. Null keeps them.',
    }),
  }),
})

builder.mutationFields((t) => ({
  createProject: t.field({
    type: ProjectRef,
    description: 'Creates a project.',
    errors: { types: [ValidationError], dataField: { name: 'project', description: 'The new project.' } },
    args: { input: t.arg({ type: CreateProjectInput, required: true, description: 'The project to create.' }) },
    resolve: (_root, { input }, { em }) => createProject(em, input),
  }),
  updateProject: t.field({
    type: ProjectRef,
    description: 'Changes the settings of a project.',
    errors: {
      types: [ValidationError, NotFoundError],
      dataField: { name: 'project', description: 'The project after the change.' },
    },
    args: { input: t.arg({ type: UpdateProjectInput, required: true, description: 'The project and its changes.' }) },
    resolve: (_root, { input: { id, urlMappings, ...changes } }, { em }) =>
      updateProject(em, idOf('Project', id), { ...changes, urlMappings: urlMappings?.map(readUrlMapping) }),
  }),
  deleteProject: t.field({
    // Many tasks are deleted in several transactions.
    extensions: { maxSeconds: 3_600 },
    type: 'ID',
    description:
      'Deletes a project with its tasks, annotations and storages. Objects in buckets stay. Fails with ConflictError while a run of the project is queued or in progress, and with its code PENDING_EXPORTS while exports are pending, unless `force` is set.',
    errors: {
      types: [NotFoundError, ConflictError],
      dataField: { name: 'deletedId', description: 'Global id of the deleted project.' },
    },
    args: {
      id: t.arg.id({ required: true, description: 'Global id of the project.' }),
      force: t.arg.boolean({
        description: 'Delete the project even if exports are pending, and lose them. Default: false.',
      }),
    },
    resolve: async (_root, { id, force }, { em }) => {
      await deleteProject(em, idOf('Project', id), { force: force ?? false })
      return String(id)
    },
  }),
}))
