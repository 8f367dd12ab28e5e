/** Single faces followed, and whether points are a face: `dan.video.tracks` and `plausibility`. */
import {
  apply,
  applyToCovariance,
  boxOf,
  centreOf,
  estimateSimilarity,
  isBox,
  overlapOf,
  resizing,
  scaleOf,
  sizeOf,
} from "./geometry.js";
import { OneEuroFilter } from "./smoothing.js";

const shifted = (values, [dx, dy]) =>
  Float64Array.from(values, (value, i) => value + (i % 2 ? dy : dx));

export class Track {
  /**
   * @param id under which it is shown.
   * @param face as the network found it.
   * @param facts `tracker` of facts.json.
   * @param smoothing parameters; null: nothing is smoothed.
   */
  constructor(id, face, timeS, facts, smoothing) {
    Object.assign(this, { id, face, timeS, facts, smoothing });
    this.velocity = [0, 0]; // of the centre, pixels a second
    this.surprise = 0; // how far from its expected place it was found lately, share of its size
    this.misses = 0; // detections in a row that did not confirm it
    this.confirm();
    this.#showAnew();
  }

  get points() {
    return this.face.points;
  }

  get box() {
    return boxOf(this.points);
  }

  /** Where to look for it at a later time. */
  predicted(timeS) {
    return shifted(this.points, this.velocity.map((speed) => speed * (timeS - this.timeS)));
  }

  /** Boxes where it may be at a later time, once it was lost: where it was, or further on. */
  places(timeS) {
    const { box, timeS: since, velocity } = this.confirmed;
    const shift = velocity.map((speed) => speed * (timeS - since));
    return [this.box, box, Array.from(shifted(box, shift))];
  }

  /** Take over what was found in the next frame. */
  move(face, timeS) {
    const stepS = timeS - this.timeS;
    const share = stepS / (stepS + this.facts.motionS);
    const [before, now] = [centreOf(this.box), centreOf(boxOf(face.points))];
    const unexpected = now.map((to, i) => to - before[i] - this.velocity[i] * stepS);
    const distance = Math.hypot(...unexpected) / sizeOf(this.box);
    this.surprise += share * (distance - this.surprise);
    this.velocity = this.velocity.map((speed, i) => speed + (share * unexpected[i]) / stepS);
    this.face = { ...face, score: this.face.score };
    this.timeS = timeS;
    this.#show();
  }

  /** Note that it is a face, here and now. */
  confirm() {
    this.misses = 0;
    this.confirmed = { box: this.box, timeS: this.timeS, velocity: this.velocity };
  }

  /** Take over a better place in the same frame; it says nothing about the motion. */
  correct(face) {
    this.face = face;
    this.velocity = [0, 0];
    this.#showAnew();
    this.confirm();
  }

  /** Follow a picture that changes its size. */
  rescale(factor) {
    const velocity = this.velocity.map((speed) => speed * factor);
    const move = resizing(factor);
    const { points, covariance, searchBox } = this.face;
    this.correct({
      ...this.face,
      points: apply(move, points),
      covariance: covariance && applyToCovariance(move, covariance),
      searchBox: Array.from(apply(move, searchBox)),
    });
    this.velocity = this.confirmed.velocity = velocity;
  }

  /** Smooth otherwise from now on. */
  smoothWith(smoothing) {
    this.smoothing = smoothing;
    this.#showAnew();
  }

  #showAnew() {
    this.smoother = this.smoothing && new OneEuroFilter(this.smoothing);
    this.#show();
  }

  #show() {
    const { points, smoother } = this;
    this.shown = smoother ? smoother.next(points, sizeOf(this.box), this.timeS) : points;
  }
}

/** Pairs `[box, other, overlap]` of one box each, the largest overlap first. */
export function matchBoxes(boxes, others, minOverlap) {
  const pairs = boxes
    .flatMap((box, i) => others.map((other, j) => [i, j, overlapOf(box, other)]))
    .sort((one, two) => two[2] - one[2]);
  const kept = [];
  for (const pair of pairs) {
    const isFree = kept.every(([i, j]) => pair[0] !== i && pair[1] !== j);
    if (pair[2] >= minOverlap && isFree) {
      kept.push(pair);
    }
  }
  return kept;
}

/**
 * Whether points that the network found are a face.
 *
 * @param facts `tracker` of facts.json.
 * @param before the same face in the frame before; null: it is new.
 */
export function isFace(points, confidence, { width, height }, meanShape, facts, before = null) {
  if (confidence < facts.lostBelow || !isBox(boxOf(points))) {
    return false;
  }
  const shapeFromFrame = estimateSimilarity(points, meanShape);
  if (shapeFromFrame === null) {
    return false;
  }
  const n = points.length / 2;
  const fitted = apply(shapeFromFrame, points);
  let [inside, off] = [0, 0];
  for (let i = 0; i < points.length; i += 2) {
    const [x, y] = [points[i], points[i + 1]];
    inside += x >= -0.5 && y >= -0.5 && x <= width - 0.5 && y <= height - 0.5;
    off += (fitted[i] - meanShape[i]) ** 2 + (fitted[i + 1] - meanShape[i + 1]) ** 2;
  }
  const misfit = Math.sqrt(off / n) / sizeOf(boxOf(meanShape));
  if (inside / n < facts.minInside || misfit > facts.maxMisfit) {
    return false;
  }
  const growth = before ? scaleOf(estimateSimilarity(before, points)) : 1;
  return growth >= 1 / facts.maxGrowth && growth <= facts.maxGrowth;
}
