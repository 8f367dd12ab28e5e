/**
 * Similarity transforms, boxes and shapes: what `dan.geometry` is in Python.
 *
 * Points are flat arrays `x0, y0, x1, y1, …`, pixels, integer = pixel centre. Boxes are
 * `[x0, y0, x1, y1]`. A transform `{a, b, tx, ty}` takes (x, y) to
 * (a·x - b·y + tx, b·x + a·y + ty) and is named by its frames: `cropFromImage`.
 */

/** Scale and turn about a centre, which lands on `moveTo` (default: stays). */
export function about([cx, cy], { scale = 1, angleDeg = 0, moveTo = [cx, cy] } = {}) {
  const angle = (angleDeg * Math.PI) / 180;
  const a = scale * Math.cos(angle);
  const b = scale * Math.sin(angle);
  return { a, b, tx: moveTo[0] - (a * cx - b * cy), ty: moveTo[1] - (b * cx + a * cy) };
}

/** aFromC of aFromB and bFromC. */
export function compose(one, two) {
  return {
    a: one.a * two.a - one.b * two.b,
    b: one.b * two.a + one.a * two.b,
    tx: one.a * two.tx - one.b * two.ty + one.tx,
    ty: one.b * two.tx + one.a * two.ty + one.ty,
  };
}

export function inverse({ a, b, tx, ty }) {
  const square = a * a + b * b;
  const [c, d] = [a / square, -b / square];
  return { a: c, b: d, tx: -(c * tx - d * ty), ty: -(d * tx + c * ty) };
}

export const scaleOf = ({ a, b }) => Math.hypot(a, b);

/** Points moved by a transform. */
export function apply({ a, b, tx, ty }, points) {
  const moved = new Float64Array(points.length);
  for (let i = 0; i < points.length; i += 2) {
    moved[i] = a * points[i] - b * points[i + 1] + tx;
    moved[i + 1] = b * points[i] + a * points[i + 1] + ty;
  }
  return moved;
}

/** `[xx, xy, yy]` of each point's error, as they are after the points were moved. */
export function applyToCovariance({ a, b }, covariance) {
  const moved = new Float64Array(covariance.length);
  for (let i = 0; i < covariance.length; i += 3) {
    const [xx, xy, yy] = covariance.subarray(i, i + 3);
    moved[i] = a * a * xx - 2 * a * b * xy + b * b * yy;
    moved[i + 1] = a * b * (xx - yy) + (a * a - b * b) * xy;
    moved[i + 2] = b * b * xx + 2 * a * b * xy + a * a * yy;
  }
  return moved;
}

/** bigFromSmall of a resize that keeps pixel centres. */
export const resizing = (scale) => ({ a: scale, b: 0, tx: (scale - 1) / 2, ty: (scale - 1) / 2 });

/** The least-squares similarity that maps one set of points onto another; null of no spread. */
export function estimateSimilarity(source, target) {
  const n = source.length / 2;
  let [sx, sy, tx, ty] = [0, 0, 0, 0];
  for (let i = 0; i < source.length; i += 2) {
    sx += source[i] / n;
    sy += source[i + 1] / n;
    tx += target[i] / n;
    ty += target[i + 1] / n;
  }
  let [along, across, spread] = [0, 0, 0];
  for (let i = 0; i < source.length; i += 2) {
    const [x, y, u, v] = [source[i] - sx, source[i + 1] - sy, target[i] - tx, target[i + 1] - ty];
    along += x * u + y * v;
    across += x * v - y * u;
    spread += x * x + y * y;
  }
  if (!(spread > 1e-12 * Math.max(1, sx * sx, sy * sy)) || !Number.isFinite(along + across)) {
    return null;
  }
  const [a, b] = [along / spread, across / spread];
  return { a, b, tx: tx - (a * sx - b * sy), ty: ty - (b * sx + a * sy) };
}

/** Tight box about points. */
export function boxOf(points) {
  const box = [Infinity, Infinity, -Infinity, -Infinity];
  for (let i = 0; i < points.length; i += 2) {
    box[0] = Math.min(box[0], points[i]);
    box[1] = Math.min(box[1], points[i + 1]);
    box[2] = Math.max(box[2], points[i]);
    box[3] = Math.max(box[3], points[i + 1]);
  }
  return box;
}

/** Whether a box is finite and spans an area. */
export const isBox = (box) => box.every(Number.isFinite) && box[2] > box[0] && box[3] > box[1];

export const centreOf = (box) => [(box[0] + box[2]) / 2, (box[1] + box[3]) / 2];

/** The larger side of a box. */
export const sizeOf = (box) => Math.max(box[2] - box[0], box[3] - box[1]);

/** Intersection over union, 0..1. */
export function overlapOf(one, two) {
  const width = Math.min(one[2], two[2]) - Math.max(one[0], two[0]);
  const height = Math.min(one[3], two[3]) - Math.max(one[1], two[1]);
  const shared = Math.max(width, 0) * Math.max(height, 0);
  const area = (box) => (box[2] - box[0]) * (box[3] - box[1]);
  const union = area(one) + area(two) - shared;
  return union > 0 ? shared / union : 0;
}

/** Places of the best of those boxes that overlap, best first (non-maximum suppression). */
export function onePerFace(boxes, scores, maxOverlap) {
  const kept = [];
  for (const place of ranked(scores)) {
    if (kept.every((other) => overlapOf(boxes[place], boxes[other]) <= maxOverlap)) {
      kept.push(place);
    }
  }
  return kept;
}

/** Places, highest score first; of equal scores the first comes first. */
export function ranked(scores) {
  return Array.from(scores, (_, place) => place).sort((p, q) => scores[q] - scores[p]);
}

/**
 * cropFromImage of a face's box: the mean shape, fitted into the box, goes to its place.
 *
 * @param rollDeg how far the box is turned about its centre.
 */
export function cropFromBox(box, meanShape, rollDeg = 0) {
  const own = boxOf(meanShape);
  const wide = (box[2] - box[0]) / (own[2] - own[0]);
  const scale = (wide + (box[3] - box[1]) / (own[3] - own[1])) / 2;
  const upright = about(centreOf(own), { scale, moveTo: centreOf(box) });
  return inverse(compose(about(centreOf(box), { angleDeg: rollDeg }), upright));
}

/** cropFromImage that brings points of the image nearest to the mean shape. */
export const cropFromPoints = (points, meanShape) => estimateSimilarity(points, meanShape);
