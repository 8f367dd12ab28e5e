/** One-Euro smoothing of landmarks (Casiez, Roussel and Vogel, CHI 2012): `dan.video.smoothing`. */

/** Weight of the new value in a first-order low-pass filter. */
function shareOfNew(cutoffHz, stepS) {
  const turns = 2 * Math.PI * cutoffHz * stepS;
  return turns / (1 + turns);
}

export class OneEuroFilter {
  /** @param facts `smoothing` of facts.json: `{minCutoffHz, beta, speedCutoffHz}`. */
  constructor(facts) {
    this.facts = facts;
    this.raw = null;
  }

  /**
   * The smoothed points of the next frame.
   *
   * @param faceSize larger side of their box, pixels.
   * @param timeS of the frame, later than the one before.
   */
  next(points, faceSize, timeS) {
    if (this.raw === null) {
      this.smooth = Float64Array.from(points);
      this.velocity = new Float64Array(points.length); // face sizes a second
    } else {
      const stepS = timeS - this.timeS;
      const { minCutoffHz, beta, speedCutoffHz } = this.facts;
      const ofSpeed = shareOfNew(speedCutoffHz, stepS);
      for (let i = 0; i < points.length; i += 2) {
        for (const j of [i, i + 1]) {
          const velocity = (points[j] - this.raw[j]) / (stepS * faceSize);
          this.velocity[j] += ofSpeed * (velocity - this.velocity[j]);
        }
        const speed = Math.hypot(this.velocity[i], this.velocity[i + 1]);
        const share = shareOfNew(minCutoffHz + beta * speed, stepS);
        for (const j of [i, i + 1]) {
          this.smooth[j] += share * (points[j] - this.smooth[j]);
        }
      }
    }
    this.raw = Float64Array.from(points);
    this.timeS = timeS;
    return Float64Array.from(this.smooth);
  }
}
