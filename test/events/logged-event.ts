import type { LoggedEvent } from '../../src/events/log.ts'

/** An event about run 1 of storage 1 in project 1, with other fields in `more`. */
export const loggedEvent = (id: number, more: Partial<LoggedEvent> = {}): LoggedEvent => ({
  id,
  kind: 'STATUS',
  project: 1,
  storage: 1,
  subject: { type: 'RUN', id: 1 },
  payload: {},
  createdAt: new Date(0),
  ...more,
})
