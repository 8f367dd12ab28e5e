/** Head pose from the points, under weak perspective: `dan.points.pose`. */

/** Sum of products. */
const dot = (one, two) => one.reduce((sum, value, i) => sum + value * two[i], 0);

const cross = ([a, b, c], [d, e, f]) => [b * f - c * e, c * d - a * f, a * e - b * d];

/** x of M·x = y, with a regular 3 × 3 matrix M, by its adjugate. */
function solve([a, b, c], right) {
  const columns = [cross(b, c), cross(c, a), cross(a, b)];
  const determinant = dot(a, columns[0]);
  return [0, 1, 2].map((i) => dot(columns.map((column) => column[i]), right) / determinant);
}

/** Eigenvector of a symmetric n × n matrix that belongs to its largest eigenvalue (Jacobi). */
function topEigenvector(matrix) {
  const n = matrix.length;
  const m = matrix.map((row) => [...row]);
  const vectors = m.map((_, i) => m.map((__, j) => Number(i === j)));
  for (let sweep = 0; sweep < 12; sweep += 1) {
    for (let p = 0; p < n - 1; p += 1) {
      for (let q = p + 1; q < n; q += 1) {
        if (Math.abs(m[p][q]) < 1e-300) {
          continue;
        }
        const angle = Math.atan2(2 * m[p][q], m[q][q] - m[p][p]) / 2;
        const [c, s] = [Math.cos(angle), Math.sin(angle)];
        const turn = (row) => {
          [row[p], row[q]] = [c * row[p] - s * row[q], s * row[p] + c * row[q]];
        };
        m.forEach(turn);
        const [above, below] = [m[p], m[q]];
        m[p] = above.map((value, i) => c * value - s * below[i]);
        m[q] = above.map((value, i) => s * value + c * below[i]);
        vectors.forEach(turn);
      }
    }
  }
  const best = m.reduce((top, row, i) => (row[i] > m[top][top] ? i : top), 0);
  return vectors.map((row) => row[best]);
}

/** The rotation R with the largest trace of Rᵀ·M (Horn 1987, by unit quaternions). */
function nearestRotation([[a, b, c], [d, e, f], [g, h, i]]) {
  const [w, x, y, z] = topEigenvector([
    [a + e + i, h - f, c - g, d - b],
    [h - f, a - e - i, b + d, c + g],
    [c - g, b + d, e - a - i, f + h],
    [d - b, c + g, f + h, i - a - e],
  ]);
  return [
    [w * w + x * x - y * y - z * z, 2 * (x * y - w * z), 2 * (x * z + w * y)],
    [2 * (x * y + w * z), w * w - x * x + y * y - z * z, 2 * (y * z - w * x)],
    [2 * (x * z - w * y), 2 * (y * z + w * x), w * w - x * x - y * y + z * z],
  ];
}

const turnedBy = (rotation, points) => points.map((p) => rotation.map((row) => dot(row, p)));

/** Points from their weighted mean, times the roots of the weights; that mean. */
function centred(points, weights) {
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const middle = points[0].map((_, k) => dot(points.map((p) => p[k]), weights) / total);
  const moved = points.map((p, i) => p.map((v, k) => Math.sqrt(weights[i]) * (v - middle[k])));
  return { moved, middle };
}

/** By how much turned heads come nearest to the faces. */
function scaleOf(turned, face) {
  let [along, square] = [0, 0];
  turned.forEach(([x, y], i) => {
    along += x * face[i][0] + y * face[i][1];
    square += x * x + y * y;
  });
  return along / square;
}

/** Rows of the least-squares affine camera's polar factor, and what completes them. */
function firstTurn(head, face) {
  const squares = [0, 1, 2].map((i) =>
    [0, 1, 2].map((j) => head.reduce((sum, p) => sum + p[i] * p[j], 0)),
  );
  const camera = [0, 1].map((k) =>
    solve(squares, [0, 1, 2].map((i) => head.reduce((sum, p, n) => sum + p[i] * face[n][k], 0))),
  );
  const [a, b] = camera;
  // The root of camera·cameraᵀ, 2 × 2, in closed form; its inverse takes the camera to its factor.
  const [p, q, r] = [dot(a, a), dot(a, b), dot(b, b)];
  const root = Math.sqrt(p * r - q * q);
  const sum = Math.sqrt(p + r + 2 * root);
  const [u, v, w] = [(p + root) / sum, q / sum, (r + root) / sum];
  const area = u * w - v * v;
  const rows = [
    a.map((value, i) => (w * value - v * b[i]) / area),
    b.map((value, i) => (u * value - v * a[i]) / area),
  ];
  return [...rows, cross(rows[0], rows[1])];
}

const degrees = (radians) => (radians * 180) / Math.PI;

/**
 * Where a head looks: `{yaw, pitch, roll, axes}`; null where its points have no pose.
 *
 * Positive yaw looks to the picture's right, pitch up, and roll tilts clockwise, degrees. `axes`
 * are four places `[x, y]`: the origin, and the ends towards the eye at the picture's right, the
 * chin, and where the head looks.
 *
 * @param points of the model's scheme, flat.
 * @param facts `pose` of facts.json; null: the scheme has no pose.
 */
export function poseOf(points, facts) {
  if (facts === null) {
    return null;
  }
  const inner = facts.inner.map((weights) =>
    [0, 1].map((k) => weights.reduce((sum, [i, w]) => sum + w * points[2 * i + k], 0)),
  );
  const { moved: face, middle: faceMiddle } = centred(inner, facts.weights);
  const { moved: head, middle: headMiddle } = centred(facts.head, facts.weights);
  let turn = firstTurn(head, face);
  for (let round = 0; round < facts.rounds; round += 1) {
    const turned = turnedBy(turn, head);
    const scale = scaleOf(turned, face);
    const deep = face.map(([x, y], i) => [x / scale, y / scale, turned[i][2]]);
    const sums = [0, 1, 2].map((i) =>
      [0, 1, 2].map((j) => deep.reduce((sum, p, n) => sum + p[i] * head[n][j], 0)),
    );
    turn = nearestRotation(sums);
  }
  const scale = scaleOf(turnedBy(turn, head), face);
  if (!turn.flat().every(Number.isFinite) || !Number.isFinite(scale)) {
    return null;
  }
  const origin = [0, 1].map((k) => faceMiddle[k] - scale * dot(turn[k], headMiddle));
  const length = facts.axesLength;
  const ends = [[0, 0, 0], [length, 0, 0], [0, length, 0], [0, 0, -length]];
  return {
    yaw: degrees(Math.atan2(turn[2][0], turn[2][2])),
    pitch: -degrees(Math.asin(Math.min(Math.max(turn[2][1], -1), 1))),
    roll: degrees(Math.atan2(-turn[0][1], turn[1][1])),
    axes: ends.map((end) => [0, 1].map((k) => origin[k] + scale * dot(turn[k], end))),
  };
}
