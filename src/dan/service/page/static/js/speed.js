/** How long the last results took: medians, so that one slow run does not tell a tale. */

const LAST = 30;

export class Speed {
  #times = [];
  #frames = [];

  /**
   * @param times milliseconds by name.
   * @param at when a frame of the camera was done, ms; null: it is a picture.
   */
  add(times, at = null) {
    this.#times = [...this.#times, times].slice(-LAST);
    this.#frames = at === null ? [] : [...this.#frames, at].slice(-LAST - 1);
  }

  forget() {
    this.#times = [];
    this.#frames = [];
  }

  get count() {
    return this.#times.length;
  }

  /** Median milliseconds of the last results; null where there are none. */
  median(name) {
    return middleOf(this.#times.map((times) => times[name]).filter((ms) => ms !== undefined));
  }

  /** Frames a second; null where there are none. */
  get fps() {
    const steps = this.#frames.slice(1).map((at, i) => at - this.#frames[i]);
    const step = middleOf(steps);
    return step === null ? null : 1000 / step;
  }
}

function middleOf(values) {
  if (!values.length) {
    return null;
  }
  const sorted = [...values].sort((one, two) => one - two);
  const half = sorted.length >> 1;
  return sorted.length % 2 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
}
