/** A label in a file. */
export interface FileLabel {
  id: number
  name: string
}

/** A row of a file; its `id` identifies it. */
export interface FileRow {
  id: number
  text: string
  annotations: FileLabel[]
}

interface ModelLabel {
  /** The id in the file; null: made by a person. */
  importId: number | null
  name: string
  /** What the file said when it was last compared; null: follows no file. */
  inFile: string | null
}

interface ModelTask {
  key: string
  row: number
  /** Its place in the file; null: its row is not there. */
  place: number | null
  text: string
  labels: ModelLabel[]
  /** Labels of the file that a person deleted. */
  removed: { id: number; inFile: string }[]
  rowExists: boolean
  objectExists: boolean
}

export type MissingPolicy = 'KEEP' | 'FLAG' | 'DELETE_UNANNOTATED'

/** What a sync does to the tasks, in words of the documentation (docs/sync.md). */
export interface SyncEffect {
  /** Number of tasks whose data or labels changed by the file. */
  updated: number
  /** Codes of issues. */
  issues: string[]
}

/** What the tasks of a storage with `changedPolicy: UPDATE` must be after syncs, and after what people did. */
export class LabelModel {
  tasks: ModelTask[] = []
  private readonly missingPolicy: MissingPolicy

  constructor(missingPolicy: MissingPolicy) {
    this.missingPolicy = missingPolicy
  }

  task(key: string, row: number): ModelTask | undefined {
    return this.tasks.find((task) => task.key === key && task.row === row)
  }

  /** A person adds a label. */
  add(task: ModelTask, name: string): void {
    task.labels.push({ importId: null, name, inFile: null })
  }

  /** A person changes a label. */
  change(task: ModelTask, from: string, to: string): void {
    task.labels.find(({ name }) => name === from)!.name = to
  }

  /** A person deletes a label. */
  remove(task: ModelTask, name: string): void {
    const { importId, inFile } = task.labels.find((label) => label.name === name)!
    task.labels = task.labels.filter((label) => label.name !== name)
    if (importId !== null && inFile !== null) task.removed.push({ id: importId, inFile })
  }

  /** A sync of these files. */
  sync(files: Map<string, FileRow[]>): SyncEffect {
    const effect: SyncEffect = { updated: 0, issues: [] }
    for (const [key, rows] of files) this.readFile(key, rows, effect)
    for (const task of this.tasks) if (!files.has(task.key) && this.missingPolicy !== 'KEEP') task.objectExists = false
    if (this.missingPolicy !== 'DELETE_UNANNOTATED') return effect
    const isGone = ({ key, rowExists }: ModelTask) => !files.has(key) || !rowExists
    this.tasks = this.tasks.filter((task) => !isGone(task) || task.labels.length > 0)
    return effect
  }

  private readFile(key: string, rows: FileRow[], effect: SyncEffect): void {
    const matches = this.match(key, rows)
    const matched = new Set(matches)
    for (const task of this.tasks) {
      if (task.key !== key || matched.has(task)) continue
      if (task.rowExists && task.labels.length > 0 && matches.includes(undefined)) effect.issues.push('ROW_CHANGED')
      Object.assign(task, { rowExists: false, place: null })
      if (this.missingPolicy !== 'KEEP') task.objectExists = false
    }
    for (const [place, row] of rows.entries()) {
      const task = matches[place]
      if (task) {
        this.compare(task, row, effect)
        Object.assign(task, { row: row.id, place })
        continue
      }
      const labels = row.annotations.map(({ id, name }) => ({ importId: id, name, inFile: name }))
      const { id, text } = row
      this.tasks.push({ key, row: id, place, text, labels, removed: [], rowExists: true, objectExists: true })
    }
  }

  /** The task of each row: by its id, or else at its place if it has no labels. */
  private match(key: string, rows: FileRow[]): (ModelTask | undefined)[] {
    const byId = rows.map(({ id }) => this.task(key, id))
    const isLeft = (task: ModelTask) => task.key === key && task.labels.length === 0 && !byId.includes(task)
    return byId.map((task, place) => task ?? this.tasks.find((one) => one.place === place && isLeft(one)))
  }

  private compare(task: ModelTask, row: FileRow, effect: SyncEffect): void {
    let isChanged = task.text !== row.text
    const issues = new Set<string>()
    Object.assign(task, { text: row.text, rowExists: true, objectExists: true })
    for (const { id, name } of row.annotations) {
      const own = task.labels.find(({ importId }) => importId === id)
      const removed = task.removed.find((label) => label.id === id)
      if (own) {
        if (own.inFile !== null && own.name === own.inFile && own.name !== name) {
          own.name = name
          isChanged = true
        } else if (own.name !== name && own.inFile !== name) issues.add('ANNOTATION_CONFLICT')
        own.inFile = name
      } else if (removed) {
        if (removed.inFile !== name) issues.add('ANNOTATION_CONFLICT')
        removed.inFile = name
      } else {
        task.labels.push({ importId: id, name, inFile: name })
        isChanged = true
      }
    }
    const isGone = ({ importId, inFile }: ModelLabel) =>
      inFile !== null && !row.annotations.some(({ id }) => id === importId)
    for (const label of task.labels.filter(isGone)) {
      if (label.name !== label.inFile) issues.add('ANNOTATION_CONFLICT')
      else if (this.missingPolicy === 'DELETE_UNANNOTATED') {
        task.labels = task.labels.filter((other) => other !== label)
        isChanged = true
      } else issues.add('ANNOTATION_GONE')
      label.inFile = null
    }
    effect.issues.push(...issues)
    if (isChanged) effect.updated++
  }
}
