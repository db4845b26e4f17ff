import { SluiceError } from '../errors.ts'

/** Bounds how many streams are open at a time. */
export interface Streams {
  /** Takes a place; the answer gives it back. @throws SluiceError TOO_MANY_STREAMS */
  open(viewer: string): () => void
  /** How many are open now. */
  readonly count: number
}

/** At most `max` streams in all, and `maxPerViewer` for one viewer. */
export function createStreams({ max, maxPerViewer }: { max: number; maxPerViewer: number }): Streams {
  const ofViewer = new Map<string, number>()
  let count = 0
  return {
    open(viewer) {
      const own = ofViewer.get(viewer) ?? 0
      if (count >= max || own >= maxPerViewer) throw new SluiceError('TOO_MANY_STREAMS')
      count++
      ofViewer.set(viewer, own + 1)
      let isOpen = true
      return () => {
        if (!isOpen) return
        isOpen = false
        count--
        const left = ofViewer.get(viewer)! - 1
        if (left > 0) ofViewer.set(viewer, left)
        else ofViewer.delete(viewer)
      }
    },
    get count() {
      return count
    },
  }
}
