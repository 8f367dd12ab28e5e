/**
 * Pictures made small and crops cut, as `dan.inference.shrinking` and `dan.geometry.warp` do it.
 *
 * A picture is `{data, width, height}`: RGBA bytes, row by row, as `ImageData` is.
 */
import { compose, inverse, resizing, scaleOf } from "./geometry.js";

/** Half to even, as Python rounds. */
const rounded = (value) => {
  const down = Math.floor(value);
  const rest = value - down;
  return rest > 0.5 || (rest === 0.5 && down % 2) ? down + 1 : down;
};

/** Half the size, means of four; an odd last row or column is left out. */
function halved({ data, width, height }) {
  const half = { width: width >> 1, height: height >> 1 };
  const out = (half.data = new Uint8ClampedArray(half.width * half.height * 4));
  const line = width * 4;
  for (let y = 0, to = 0; y < half.height; y += 1) {
    let from = 2 * y * line;
    for (let x = 0; x < half.width; x += 1, from += 8, to += 4) {
      for (let i = from, c = to; c < to + 3; i += 1, c += 1) {
        out[c] = (data[i] + data[i + 4] + data[i + line] + data[i + line + 4] + 2) >> 2;
      }
    }
  }
  return half;
}

const ONE = 2048; // weights are whole numbers, as OpenCV's are

/** Places and weights of the two pixels that each of `n` pixels lies between, of `length`. */
function between(n, length) {
  const scale = length / n;
  const first = new Int32Array(n);
  const share = new Int32Array(n);
  for (let i = 0; i < n; i += 1) {
    const place = Math.min(Math.max((i + 0.5) * scale - 0.5, 0), length - 1);
    first[i] = Math.min(Math.floor(place), Math.max(length - 2, 0));
    share[i] = length > 1 ? rounded(ONE * (place - first[i])) : 0;
  }
  return { first, share };
}

function resized({ data, width, height }, smallWidth, smallHeight) {
  const out = new Uint8ClampedArray(smallWidth * smallHeight * 4);
  const columns = between(smallWidth, width);
  const rows = between(smallHeight, height);
  const [right, below] = [width > 1 ? 4 : 0, height > 1 ? width * 4 : 0];
  for (let y = 0, to = 0; y < smallHeight; y += 1) {
    const v = rows.share[y];
    for (let x = 0; x < smallWidth; x += 1, to += 4) {
      const u = columns.share[x];
      let i = (rows.first[y] * width + columns.first[x]) * 4;
      for (let c = to; c < to + 3; i += 1, c += 1) {
        const j = i + below;
        const top = (ONE - u) * data[i] + u * data[i + right];
        const bottom = (ONE - u) * data[j] + u * data[j + right];
        const sum = (((ONE - v) * (top >> 4)) >> 16) + ((v * (bottom >> 4)) >> 16);
        out[c] = (sum + 2) >> 2; // in OpenCV's steps
      }
    }
  }
  return { data: out, width: smallWidth, height: smallHeight };
}

/** The picture with its longer side at most `size`, and how much smaller on each axis. */
export function shrunk(picture, size) {
  const { width, height } = picture;
  const scale = size / Math.max(width, height);
  if (scale >= 1) {
    return { small: picture, scaleX: 1, scaleY: 1 };
  }
  const smallWidth = Math.max(1, rounded(width * scale));
  const smallHeight = Math.max(1, rounded(height * scale));
  const possible = Math.floor(Math.log2(Math.min(height, width)));
  const halvings = Math.min(Math.floor(Math.log2(1 / scale)), possible);
  let part = picture;
  for (let i = 0; i < halvings; i += 1) {
    part = halved(part);
  }
  const times = 2 ** halvings;
  const seenWidth = part.width * times;
  const seenHeight = part.height * times;
  const small = resized(part, smallWidth, smallHeight);
  return { small, scaleX: smallWidth / seenWidth, scaleY: smallHeight / seenHeight };
}

/** The rectangle of a picture between two corners, the second one excluded. */
export function partOf({ data, width }, x0, y0, x1, y1) {
  const out = new Uint8ClampedArray((x1 - x0) * (y1 - y0) * 4);
  for (let y = y0; y < y1; y += 1) {
    const from = (y * width + x0) * 4;
    out.set(data.subarray(from, from + (x1 - x0) * 4), (y - y0) * (x1 - x0) * 4);
  }
  return { data: out, width: x1 - x0, height: y1 - y0 };
}

/** Grey levels (ITU-R 601 luma) of a rectangle: `{data, width, height}`, one byte a pixel. */
function greyPart({ data, width }, x0, y0, x1, y1) {
  const grey = { data: new Uint8Array((x1 - x0) * (y1 - y0)), width: x1 - x0, height: y1 - y0 };
  for (let y = y0, to = 0; y < y1; y += 1) {
    let from = (y * width + x0) * 4;
    for (let x = x0; x < x1; x += 1, from += 4, to += 1) {
      const luma = 4899 * data[from] + 9617 * data[from + 1] + 1868 * data[from + 2];
      grey.data[to] = (luma + 8192) >> 14;
    }
  }
  return grey;
}

/** Means of `times` × `times` cells, edges repeated to fill the last ones. */
function cellMeans({ data, width, height }, times) {
  const small = { width: Math.ceil(width / times), height: Math.ceil(height / times) };
  const sums = new Uint32Array(small.width * small.height);
  for (let y = 0; y < small.height * times; y += 1) {
    const line = Math.min(y, height - 1) * width;
    const to = Math.floor(y / times) * small.width;
    for (let x = 0; x < small.width * times; x += 1) {
      sums[to + Math.floor(x / times)] += data[line + Math.min(x, width - 1)];
    }
  }
  small.data = Uint8Array.from(sums, (sum) => rounded(sum / (times * times)));
  return small;
}

/** First and last place of an axis that a crop can see, as in `dan.geometry.warp`. */
function clipped(start, spans, reduction, length) {
  const margin = reduction + 2;
  let first = Math.floor(start + Math.min(0, spans[0]) + Math.min(0, spans[1])) - margin;
  let last = Math.ceil(start + Math.max(0, spans[0]) + Math.max(0, spans[1])) + margin + 1;
  first = Math.min(Math.max(first, 0), length - 1);
  last += (((first - last) % reduction) + reduction) % reduction;
  return [first, Math.min(Math.max(last, first + 1), length)];
}

/**
 * The square grey crop of a picture, as the network takes it; edges are repeated.
 *
 * Only what the crop can see is touched; where it is less than half as large, that is first shrunk
 * by area means.
 *
 * @param picture RGBA, or `{data, width, height, isGrey: true}` with one byte a pixel.
 * @returns `{data, width, height, isGrey}`, size × size bytes.
 */
export function cutCrop(picture, cropFromImage, size) {
  const reduction = Math.max(1, Math.floor(1 / Math.max(scaleOf(cropFromImage), 1e-9)));
  const back = inverse(cropFromImage);
  const spansX = [back.a * size, -back.b * size];
  const spansY = [back.b * size, back.a * size];
  const [x0, x1] = clipped(back.tx, spansX, reduction, picture.width);
  const [y0, y1] = clipped(back.ty, spansY, reduction, picture.height);
  let part = picture;
  let partFromImage = { a: 1, b: 0, tx: 0, ty: 0 };
  if (!picture.isGrey) {
    part = greyPart(picture, x0, y0, x1, y1);
    partFromImage = { a: 1, b: 0, tx: -x0, ty: -y0 };
    const times = Math.min(reduction, part.width, part.height);
    if (times > 1) {
      part = cellMeans(part, times);
      partFromImage = compose(resizing(1 / times), partFromImage);
    }
  }
  const partFromCrop = compose(partFromImage, back);
  return { data: warped(part, partFromCrop, size), width: size, height: size, isGrey: true };
}

/** Bilinear, edges repeated. */
function warped({ data, width, height }, { a, b, tx, ty }, size) {
  const out = new Uint8ClampedArray(size * size);
  const [right, bottom] = [width - 1, height - 1];
  for (let y = 0, to = 0; y < size; y += 1) {
    for (let x = 0; x < size; x += 1, to += 1) {
      const u = Math.min(Math.max(a * x - b * y + tx, 0), right);
      const v = Math.min(Math.max(b * x + a * y + ty, 0), bottom);
      const [i, j] = [Math.floor(u), Math.floor(v)];
      const above = j * width + i;
      const below = j < bottom ? above + width : above;
      const next = i < right ? 1 : 0;
      const top = data[above] + (u - i) * (data[above + next] - data[above]);
      const low = data[below] + (u - i) * (data[below + next] - data[below]);
      out[to] = top + (v - j) * (low - top);
    }
  }
  return new Uint8Array(out.buffer);
}
