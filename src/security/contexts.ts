/** What the secret of a webhook is sealed with: its row. Copied to another webhook, it cannot be unsealed. */
export const webhookContext = (id: number, project: number) => JSON.stringify(['webhook', id, project])

/** What secrets were sealed with before they were bound to their rows. Only the upgrade of a database reads them. */
export const formerContexts = {
  storage: (project: number) => `project:${project}`,
  webhook: (project: number) => `webhook of project:${project}`,
}
