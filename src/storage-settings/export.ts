import { commonSettings } from './common.ts'
import { choice, flag, text } from './kinds.ts'

/** The settings of an export storage, in the order of its form. */
export const exportSettings = {
  ...commonSettings,
  exportFormat: choice({
    title: 'Format',
    description: 'Content of an object.',
    default: 'ANNOTATION',
    typeName: 'ExportFormat',
    typeDescription: 'Content of an object that an export writes.',
    choices: {
      ANNOTATION: 'One annotation, with its task.',
      TASK: 'One task with all its annotations. Sluice rewrites the object when one of them changes.',
    },
    fixed: 'the format of a storage cannot be changed; create another storage',
  }),
  nameTemplate: text({
    title: 'Name template',
    description:
      'Template for the name of an object below the prefix, at most 500 characters besides its fields: {projectId}, {taskId}, {innerId}, {annotationId} (not in TASK format) and {sourceStem} (name of the object that the task was imported from, without extension). Two objects must never get the same name. After a change, objects with names of the old template stay.',
    placeholder: '{annotationId}.json',
    null: '{annotationId}.json, or {taskId}.json in TASK format',
    emptyIsNull: true,
  }),
  autoExport: flag({
    title: 'Export at once',
    description: 'Whether Sluice exports an annotation as soon as a client saves it, without a sync.',
    default: true,
  }),
  canDeleteObjects: flag({
    title: 'Remove objects',
    description: 'Whether Sluice removes the object of a deleted annotation. If false, Sluice never removes objects.',
    default: false,
  }),
}
