/** Extensions of files that name other files by relative names, as their readers resolve them. */
const extensions = [
  // Playlists and subtitles: HLS, DASH, WebVTT with pictures beside it.
  ...['m3u8', 'm3u', 'mpd', 'vtt'],
  // 3D models with buffers, materials and textures beside them.
  ...['gltf', 'obj', 'mtl', 'dae', 'fbx'],
  // Image pyramids (Deep Zoom), and headers whose raw data is another file: MetaImage, NRRD, GDAL.
  ...['dzi', 'mhd', 'nhdr', 'vrt'],
].join('|')

/** Whole names: 3D Tiles, Entwine point tiles, Zarr. */
const names = ['tileset.json', 'ept.json', 'zarr.json', '.zattrs', '.zgroup', '.zmetadata']
  .map((name) => name.replaceAll('.', '\\.'))
  .join('|')

const ofKey = new RegExp(`(?:[^/]\\.(?:${extensions})|(?:^|/)(?:${names}))$`, 'i')
const inUri = new RegExp(`(?:\\.(?:${extensions})|(?:[/=]|%2f)(?:${names}))(?:$|[?#&\\s])`, 'i')

/** Whether the object with this key usually names other objects by relative names. */
export const namesOthers = (key: string): boolean => ofKey.test(key)

/** Whether the key that a URI or URL stands for may be one for which `namesOthers` is true. */
export const mayNameOthers = (uri: string): boolean => inUri.test(uri)
