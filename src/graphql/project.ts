import { createProject, deleteProject, updateProject } from '../annotate/projects.ts'
import { ProjectEntity } from '../entities/project.ts'
import { TaskEntity } from '../entities/task.ts'
import { ConflictError, NotFoundError, ValidationError } from '../errors.ts'
import { builder } from './builder.ts'
import { idOf } from './ids.ts'
import { orNull } from './or-null.ts'
import { pageById } from './page.ts'
import { ProjectRef, TaskRef } from './refs.ts'

builder.node(ProjectRef, {
  description: 'Owns tasks, annotations and storages.',
  id: { resolve: (project) => project.id },
  loadWithoutCache: (id, { loaders }) => loaders.project.load(Number(id)),
  fields: (t) => ({
    databaseId: t.expose('id', { type: 'SafeInt', description: 'The number in URLs.' }),
    title: t.exposeString('title', { description: 'Name for people.' }),
    description: t.exposeString('description', {
      nullable: true,
      description: 'What the project is about; null = not said.',
    }),
    dataKey: t.exposeString('dataKey', {
      description: 'Field of the task data that holds the URI of a file (import method FILES).',
    }),
    annotationsPerTask: t.exposeInt('annotationsPerTask', {
      description: 'How many annotations make a task labelled.',
    }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When it was created.' }),
    updatedAt: t.expose('updatedAt', { type: 'DateTime', description: 'When its settings were last changed.' }),
    tasks: t.connection({
      type: TaskRef,
      description: 'Its tasks, newest first.',
      resolve: (project, args, { em }) =>
        pageById(em, TaskEntity, { project: project.id }, args, { by: 'innerId', without: ['data', 'meta'] }),
    }),
  }),
})

builder.queryFields((t) => ({
  project: t.field({
    type: ProjectRef,
    nullable: true,
    description: 'A project; null when there is none with this id.',
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
  description: 'A new project.',
  fields: (t) => ({
    title: t.string({ required: true, description: 'Name for people; not empty.' }),
    description: t.string({ description: 'What the project is about.' }),
    dataKey: t.string({ description: 'Field of the task data that holds the URI of a file. Default: file.' }),
    annotationsPerTask: t.int({ description: 'How many annotations make a task labelled. Default: 1.' }),
  }),
})

const UpdateProjectInput = builder.inputType('UpdateProjectInput', {
  description: 'Changes to a project; what is absent stays.',
  fields: (t) => ({
    id: t.id({ required: true, description: 'Global id of the project.' }),
    title: t.string({ description: 'Name for people; not empty.' }),
    description: t.string({ description: 'What the project is about; null clears it.' }),
    dataKey: t.string({
      description: 'Field of the task data that holds the URI of a file; for tasks made from now on.',
    }),
    annotationsPerTask: t.int({ description: 'How many annotations make a task labelled.' }),
  }),
})

builder.mutationFields((t) => ({
  createProject: t.field({
    type: ProjectRef,
    description: 'Creates a project.',
    errors: { types: [ValidationError], dataField: { name: 'project', description: 'The project as it is now.' } },
    args: { input: t.arg({ type: CreateProjectInput, required: true, description: 'The project.' }) },
    resolve: (_root, { input }, { em }) => createProject(em, input),
  }),
  updateProject: t.field({
    type: ProjectRef,
    description: 'Changes the settings of a project.',
    errors: {
      types: [ValidationError, NotFoundError],
      dataField: { name: 'project', description: 'The project as it is now.' },
    },
    args: { input: t.arg({ type: UpdateProjectInput, required: true, description: 'The changes.' }) },
    resolve: (_root, { input: { id, ...changes } }, { em }) => updateProject(em, idOf('Project', id), changes),
  }),
  deleteProject: t.field({
    // Many tasks go in several transactions.
    extensions: { maxSeconds: 3_600 },
    type: 'ID',
    description: 'Deletes a project with its tasks, annotations and storages. Nothing in a bucket is touched.',
    errors: {
      types: [NotFoundError, ConflictError],
      dataField: { name: 'deletedId', description: 'Global id of what was deleted.' },
    },
    args: { id: t.arg.id({ required: true, description: 'Global id of the project.' }) },
    resolve: async (_root, { id }, { em }) => {
      await deleteProject(em, idOf('Project', id))
      return String(id)
    },
  }),
}))
