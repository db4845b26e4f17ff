import { ConflictError, type FieldError, NotFoundError, type SluiceError, ValidationError } from '../errors.ts'
import { ConnectionCheckError } from '../storages/check.ts'
import { DuplicateStorageError, OverlappingStorageError } from '../storages/save.ts'
import { builder } from './builder.ts'
import { CheckStepRef } from './check-step.ts'
import { ErrorCodeRef } from './error-code.ts'
import { StorageRef } from './refs.ts'

const ErrorRef = builder.interfaceRef<SluiceError>('Error').implement({
  description: 'An expected error, as data.',
  fields: (t) => ({
    message: t.exposeString('message', { description: 'What happened, in words for a person.' }),
    code: t.expose('code', { type: ErrorCodeRef, description: 'What happened, for a program.' }),
  }),
})

const FieldErrorRef = builder.objectRef<FieldError>('FieldError').implement({
  description: 'A fault in one input field.',
  fields: (t) => ({
    path: t.exposeString('path', { description: 'The way to the field, such as `input.location.s3.bucket`.' }),
    message: t.exposeString('message', { description: 'What is wrong with its value.' }),
    code: t.field({
      type: ErrorCodeRef,
      description: 'The same for a program; VALIDATION unless there is a more precise one.',
      resolve: ({ code }) => code ?? 'VALIDATION',
    }),
  }),
})

builder.objectType(ValidationError, {
  name: 'ValidationError',
  description: 'Some of the input is not valid. Nothing was changed.',
  interfaces: [ErrorRef],
  fields: (t) => ({
    fieldErrors: t.expose('fieldErrors', { type: [FieldErrorRef], description: 'All faults that were found.' }),
  }),
})

builder.objectType(NotFoundError, {
  name: 'NotFoundError',
  description: 'What was named does not exist, or the viewer may not know of it.',
  interfaces: [ErrorRef],
})

builder.objectType(ConflictError, {
  name: 'ConflictError',
  description: 'Not possible in the present state.',
  interfaces: [ErrorRef],
})

builder.objectType(ConnectionCheckError, {
  name: 'ConnectionCheckError',
  description: 'The connection does not work; nothing was saved.',
  interfaces: [ErrorRef],
  fields: (t) => ({
    steps: t.expose('steps', { type: [CheckStepRef], description: 'All steps of the check, in order.' }),
  }),
})

builder.objectType(DuplicateStorageError, {
  name: 'DuplicateStorageError',
  description: 'The same place is connected to the project already; nothing was saved.',
  interfaces: [ErrorRef],
  fields: (t) => ({
    existing: t.field({
      type: StorageRef,
      nullable: true,
      description: 'The storage that is there.',
      resolve: (error, _args, { loaders }) => loaders.storage.load(error.storageId),
    }),
  }),
})

builder.objectType(OverlappingStorageError, {
  name: 'OverlappingStorageError',
  description: 'An import and an export of the project would share a place; nothing was saved.',
  interfaces: [ErrorRef],
  fields: (t) => ({
    existing: t.field({
      type: StorageRef,
      nullable: true,
      description: 'The storage that is there.',
      resolve: (error, _args, { loaders }) => loaders.storage.load(error.storageId),
    }),
  }),
})
