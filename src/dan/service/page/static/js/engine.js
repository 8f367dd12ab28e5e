/** The page's side of `worker.js`. */

const MAX_THREADS = 4; // more gain nothing with networks as small as these

export class Engine {
  #worker = new Worker(new URL("worker.js", import.meta.url), { type: "module" });
  #waiting = new Map();
  #number = 0;

  constructor() {
    this.#worker.onmessage = ({ data: { number, error, ...said } }) => {
      const { done, fail } = this.#waiting.get(number);
      this.#waiting.delete(number);
      if (error === undefined) {
        done(said);
      } else {
        fail(new Error(error));
      }
    };
    this.#worker.onerror = (event) => {
      this.#waiting.forEach(({ fail }) => fail(new Error(event.message ?? "the worker failed")));
      this.#waiting.clear();
    };
  }

  /** Ask the worker; a bitmap goes there and comes back. */
  ask(kind, given = {}) {
    this.#number += 1;
    const number = this.#number;
    const answer = new Promise((done, fail) => this.#waiting.set(number, { done, fail }));
    this.#worker.postMessage({ number, kind, ...given }, given.bitmap ? [given.bitmap] : []);
    return answer;
  }

  /** Load everything: `{facts, threads}`. */
  start() {
    const cores = Math.max(1, Math.min(MAX_THREADS, navigator.hardwareConcurrency ?? 1));
    return this.ask("start", { threads: globalThis.crossOriginIsolated ? cores : 1 });
  }
}
