/** Faces of any size and at any angle: `dan.inference.finder` in the browser. */
import { isBox, onePerFace, ranked } from "./geometry.js";
import { partOf, shrunk } from "./pixels.js";

/** A box `[x0, y0, x1, y1]` of the shrunk picture in the original's pixels. */
function enlarged(box, scaleX, scaleY) {
  return box.map((value, i) => (value + 0.5) / (i % 2 ? scaleY : scaleX) - 0.5);
}

export class Finder {
  /**
   * @param network of the finder.
   * @param facts `finder` of facts.json.
   */
  constructor(network, facts) {
    this.network = network;
    this.facts = facts;
    this.size = facts.size;
  }

  /**
   * Faces of a picture, highest score first: `{box, score, roll}` each.
   *
   * @param within box of the part to look at; all of it without.
   */
  async detect(picture, within = null) {
    let [part, x, y] = [picture, 0, 0];
    if (within !== null) {
      const { width, height } = picture;
      const clip = (value, low, high) => Math.min(Math.max(value, low), high);
      x = clip(Math.floor(within[0]), 0, width - 1);
      y = clip(Math.floor(within[1]), 0, height - 1);
      const right = clip(Math.ceil(within[2]) + 1, x + 1, width);
      const bottom = clip(Math.ceil(within[3]) + 1, y + 1, height);
      part = partOf(picture, x, y, right, bottom);
    }
    const { small, scaleX, scaleY } = shrunk(part, this.size);
    const found = this.#withoutDim(await this.#found(small)).map((face) => {
      const box = enlarged(face.box, scaleX, scaleY);
      return { ...face, box: box.map((value, i) => value + (i % 2 ? y : x)) };
    });
    const best = ranked(found.map((face) => face.score)).map((place) => found[place]);
    const worth = best.filter((face) => face.score >= this.facts.worthALook);
    return worth.length ? worth : best.slice(0, 1);
  }

  /** Large faces that are too weak beside a clear one are none. */
  #withoutDim(faces) {
    const { clear, large, leastBesideClear } = this.facts;
    if (!faces.some((face) => face.score >= clear)) {
      return faces;
    }
    return faces.filter(
      ({ score, box }) => score >= leastBesideClear || box[2] - box[0] < large,
    );
  }

  /** One a face; large faces are those of half the picture. */
  async #found(picture) {
    const faces = await this.#looked(picture);
    const longer = Math.max(picture.width, picture.height);
    if (longer <= this.facts.coarse) {
      return faces;
    }
    const { small, scaleX, scaleY } = shrunk(picture, Math.floor(longer / 2));
    const large = (await this.#found(small)).map((face) => ({
      ...face,
      box: enlarged(face.box, scaleX, scaleY),
    }));
    const both = [
      ...large,
      ...faces.filter(({ box }) => box[2] - box[0] < this.facts.largest),
    ];
    const boxes = both.map((face) => face.box);
    const scores = both.map((face) => face.score);
    return onePerFace(boxes, scores, this.facts.maxOverlap).map((place) => both[place]);
  }

  /** What one look at a picture finds. */
  async #looked({ data, width, height }) {
    const { multiple, minScore } = this.facts;
    const [wide, high] = [width, height].map((side) => Math.ceil(side / multiple) * multiple);
    const padded = new Uint8Array(wide * high * 3);
    for (let y = 0; y < height; y += 1) {
      let [from, to] = [y * width * 4, y * wide * 3];
      for (let x = 0; x < width; x += 1, from += 4, to += 3) {
        padded[to] = data[from];
        padded[to + 1] = data[from + 1];
        padded[to + 2] = data[from + 2];
      }
    }
    const picture = ["uint8", padded, [high, wide, 3]];
    const least = ["float32", Float32Array.of(minScore), [1]];
    const { frames } = await this.network.run({ picture, min_score: least }, ["frames"]);
    const faces = [];
    for (let i = 0; i < frames.data.length; i += 6) {
      const [x0, y0, x1, y1, roll, score] = frames.data.subarray(i, i + 6);
      if (isBox([x0, y0, x1, y1]) && Number.isFinite(roll)) {
        faces.push({ box: [x0, y0, x1, y1], roll, score });
      }
    }
    return faces;
  }
}
