/**
 * Finds and follows faces, away from the page's own thread, one picture after the other.
 *
 * Takes `{number, kind, …}` and answers `{number, …}`, or `{number, error}`:
 *
 * - `start` with `threads`: loads everything; `{facts, threads}`.
 * - `align` with `bitmap` and `size`, that of the finder: `{faces, times, bitmap}`.
 * - `track` with `bitmap`, `timeS`, `isSmooth` and `size`: likewise, the faces with ids.
 * - `forget`: the next frame is the first of another video.
 */
import { Aligner } from "./aligner.js";
import { Finder } from "./finder.js";
import { LandmarkModel } from "./landmarks.js";
import { Network, bytesOf, prepareRuntime } from "./onnx.js";
import { Tracker } from "./tracker.js";

const WARM_UP_RUNS = 20; // of each network, until the browser has optimised most of its code
const IDLE_MS = 100; // between them, for a picture that comes first

const base = new URL("..", import.meta.url);
const canvas = new OffscreenCanvas(1, 1);
const context = canvas.getContext("2d", { willReadFrequently: true });

let facts, finder, model, aligner;
let tracker = null;
let waiting = 0;

const kinds = { start, align, track, forget };
let last = Promise.resolve();

globalThis.onmessage = ({ data }) => {
  waiting += 1;
  last = last.then(() => answer(data));
};

async function answer({ number, kind, ...given }) {
  try {
    const said = await kinds[kind](given);
    postMessage({ number, ...said }, said.bitmap ? [said.bitmap] : []);
  } catch (error) {
    postMessage({ number, error: error.message ?? String(error) });
  }
  waiting -= 1;
}

async function start({ threads }) {
  const files = ["facts.json", "ort/ort.wasm.gz", "finder.onnx", "model.onnx"];
  const [json, wasm, ...graphs] = await Promise.all(
    files.map((file) => bytesOf(new URL(file, base))),
  );
  facts = JSON.parse(new TextDecoder().decode(json));
  prepareRuntime(wasm, threads);
  finder = new Finder(await Network.start(graphs[0]), facts.finder);
  model = new LandmarkModel(await Network.start(graphs[1]), facts.model);
  aligner = new Aligner(finder, model, facts.aligner);
  warmUp();
  return { facts, threads };
}

/** Run the networks on nothing, while nobody waits, until they have run often enough. */
async function warmUp() {
  const size = facts.finder.coarse;
  const blank = { data: new Uint8ClampedArray(size * size * 4), width: size, height: size };
  const middle = { box: [80, 80, 240, 240], roll: 0, score: 1 };
  while (Math.min(finder.network.runs, model.network.runs) < WARM_UP_RUNS) {
    await new Promise((done) => setTimeout(done, IDLE_MS));
    if (!waiting) {
      last = last.then(() => finder.detect(blank)).then(() => aligner.inBoxes(blank, [middle]));
      await last;
    }
  }
}

/** Transparent parts are laid on white, as in Python. */
function pixelsOf(bitmap) {
  canvas.width = bitmap.width;
  canvas.height = bitmap.height;
  context.fillStyle = "white";
  context.fillRect(0, 0, bitmap.width, bitmap.height);
  context.drawImage(bitmap, 0, 0);
  return context.getImageData(0, 0, bitmap.width, bitmap.height);
}

/** What `find` makes of a bitmap's pixels, and how long that took. */
async function timed(bitmap, find) {
  const started = performance.now();
  finder.network.ms = model.network.ms = 0;
  const faces = await find(pixelsOf(bitmap));
  const times = {
    finder: finder.network.ms || undefined, // it does not look at each frame
    landmarks: model.network.ms,
    total: performance.now() - started,
  };
  return { faces, times, bitmap };
}

function align({ bitmap, size }) {
  finder.size = size;
  return timed(bitmap, (picture) => aligner.align(picture));
}

function track({ bitmap, timeS, isSmooth, size }) {
  finder.size = size;
  const smoothing = isSmooth ? facts.smoothing : null;
  tracker ??= new Tracker(aligner, facts.tracker, smoothing);
  if (tracker.smoothing !== smoothing) {
    tracker.smoothWith(smoothing);
  }
  return timed(bitmap, (picture) => tracker.update(picture, timeS));
}

function forget() {
  tracker = null;
  return {};
}
