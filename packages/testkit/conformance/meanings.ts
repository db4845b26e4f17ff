// What it means for a sync when a server breaks a promise, for people who run the conform command. Sentences about the server come
// first, then what Sluice does about it.

export const noByteOrder =
  'The server does not list keys in the order of their bytes. Sluice notices this, and reads such a bucket in one range. But it ' +
  'continues a listing behind the last key of a page, so with more than 1,000 objects a sync can leave out some, which then count ' +
  'as missing, or see some twice (they are imported once). NEW_ONLY is not reliable there: use FULL, and missingPolicy IGNORE.'

export const losesBehindMarker =
  'The server loses keys behind the marker of a folder at the end of a page. Sluice asks for 1,000 keys a page, so a sync meets ' +
  'this only where such a marker is the last key of a page: what follows is not imported, and counts as missing. Remove the ' +
  'markers (empty objects whose keys end in a slash), or use missingPolicy IGNORE.'

export const losesKeys =
  'The server loses or repeats keys between the pages of a listing. A sync of more than one page leaves out objects, which then ' +
  'count as missing. Use missingPolicy IGNORE, and do not rely on the server for more than 1,000 objects.'

export const changesKeys =
  'The server stores a key as another one. A sync imports the key that the listing names, so the links that Sluice makes work; a ' +
  'link that somebody else wrote with the original key does not. Of two keys that become one, the later object replaces the ' +
  'earlier, so exports whose names differ only in this overwrite each other. Keep such keys out of the bucket and of nameTemplate.'

export const refusesKeys =
  'The server refuses or mistakes some keys that S3 allows. A sync reports such objects as issues and imports the others; an ' +
  'export to such a key fails. Keep such keys out of the bucket and of nameTemplate.'

export const ignoresChecksum =
  'The server does not compare a body with its checksum. What is damaged on its way is stored without an error, so an export can be ' +
  'wrong without being noticed.'
