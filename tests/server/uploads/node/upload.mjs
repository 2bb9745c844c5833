// Uploads FILE to URL with a bearer TOKEN by tus-js-client, in chunks, broken off once and resumed.
import { createReadStream, statSync } from 'node:fs'
import * as tus from 'tus-js-client'

const [url, token, file] = process.argv.slice(2)
const headers = { Authorization: `Bearer ${token}` }
const chunkSize = 300000
const size = statSync(file).size
const told = (done) => ({
  endpoint: url,
  headers,
  chunkSize,
  uploadSize: size,
  retryDelays: [0, 100, 500],
  metadata: { filename: '../../evil.jpg', filetype: 'image/jpeg' },
  ...done,
})

const first = await new Promise((resolve, reject) => {
  const upload = new tus.Upload(createReadStream(file), {
    ...told({ uploadDataDuringCreation: true }),
    onError: reject,
    onSuccess: () => reject(new Error('it was to be broken off')),
    onChunkComplete: async (_, accepted) => {
      if (accepted >= chunkSize) {
        await upload.abort()
        resolve(upload.url)
      }
    },
  })
  upload.start()
})
await new Promise((resolve, reject) => {
  const upload = new tus.Upload(createReadStream(file), {
    ...told({ uploadUrl: first }),
    onError: reject,
    onSuccess: resolve,
  })
  upload.start()
})
process.stdout.write(first)
