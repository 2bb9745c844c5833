// A thumbhash (evanw.github.io/thumbhash) as a picture to look at until the real one is there. About 25 bytes hold the
// lowest frequencies of a cosine transform in luma and two colours, and sometimes transparency.

const SIDE = 32;

/** A canvas with what base64 `hash` describes, or undefined when it describes nothing. */
export function placeholder(hash) {
  let bytes;
  try { bytes = Uint8Array.from(atob(hash), (letter) => letter.charCodeAt(0)); } catch { return undefined; }
  if (bytes.length < 5) return undefined;
  const { width, height, pixels } = decode(bytes);
  const canvas = document.createElement("canvas");
  Object.assign(canvas, { width, height, className: "placeholder", ariaHidden: "true" });
  canvas.getContext("2d").putImageData(new ImageData(pixels, width, height), 0, 0);
  return canvas;
}

/** Width, height and RGBA of the picture. */
export function decode(hash) {
  const head = hash[0] | (hash[1] << 8) | (hash[2] << 16), more = hash[3] | (hash[4] << 8);
  const alpha = head >> 23, landscape = more >> 15;
  const long = alpha ? 5 : 7, short = more & 7;
  const columns = Math.max(3, landscape ? long : short), rows = Math.max(3, landscape ? short : long);
  let place = alpha ? 6 : 5, high = false;
  const nibble = () => { const value = high ? hash[place++] >> 4 : hash[place] & 15; high = !high; return value; };
  const channel = (nx, ny, scale) => {
    const terms = [];
    for (let y = 0; y < ny; y += 1)
      for (let x = y ? 0 : 1; x * ny < nx * (ny - y); x += 1) terms.push([x, y, (nibble() / 7.5 - 1) * scale]);
    return terms;
  };
  const luma = channel(columns, rows, ((head >> 18) & 31) / 31);
  const yellow = channel(3, 3, (((more >> 3) & 63) / 63) * 1.25), red = channel(3, 3, (((more >> 9) & 63) / 63) * 1.25);
  const clear = alpha ? channel(5, 5, (hash[5] >> 4) / 15) : [];
  const base = { l: (head & 63) / 63, p: ((head >> 6) & 63) / 31.5 - 1, q: ((head >> 12) & 63) / 31.5 - 1, a: alpha ? (hash[5] & 15) / 15 : 1 };
  const ratio = columns / rows, width = Math.round(ratio > 1 ? SIDE : SIDE * ratio), height = Math.round(ratio > 1 ? SIDE / ratio : SIDE);
  const pixels = new Uint8ClampedArray(width * height * 4);
  for (let y = 0, at = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1, at += 4) {
      const sum = (terms, start) => terms.reduce((total, [fx, fy, value]) =>
        total + 2 * value * Math.cos((Math.PI / width) * (x + 0.5) * fx) * Math.cos((Math.PI / height) * (y + 0.5) * fy), start);
      const l = sum(luma, base.l), p = sum(yellow, base.p), q = sum(red, base.q), b = l - (2 / 3) * p, r = (3 * l - b + q) / 2;
      pixels.set([255 * r, 255 * (r - q), 255 * b, 255 * sum(clear, base.a)], at);
    }
  }
  return { width, height, pixels };
}
