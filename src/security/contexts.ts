/** The context that the secret of a webhook is sealed with. A secret copied to another row cannot be unsealed. */
export const webhookContext = (id: number, project: number) => JSON.stringify(['webhook', id, project])

/** The contexts of secrets before they were bound to their rows. Only the upgrade of a database uses them. */
export const formerContexts = {
  storage: (project: number) => `project:${project}`,
  webhook: (project: number) => `webhook of project:${project}`,
}
