/** From a picture to the landmarks of its faces: the rules of `dan.inference.aligner`. */
import {
  about,
  boxOf,
  compose,
  cropFromBox,
  cropFromPoints,
  onePerFace,
} from "./geometry.js";
import { cutCrop } from "./pixels.js";

/** A crop, and where it was cut. */
function cropOf(picture, cropFromImage, size) {
  return { ...cutCrop(picture, cropFromImage, size), cropFromImage };
}

/** A crop scaled and turned about its centre. */
function seenAnew(crop, how) {
  const middle = (crop.width - 1) / 2;
  const move = about([middle, middle], how);
  const cropFromImage = compose(move, crop.cropFromImage);
  return { ...cutCrop(crop, move, crop.width), cropFromImage };
}

export class Aligner {
  /**
   * @param finder finds the faces.
   * @param model finds their landmarks.
   * @param facts `aligner` of facts.json.
   */
  constructor(finder, model, facts) {
    this.finder = finder;
    this.model = model;
    this.facts = facts;
  }

  /** Whether finder and landmarks, two witnesses whose odds multiply, say that it is a face. */
  isLikely(score, confidence) {
    const [against, speaksFor] = [(1 - score) * (1 - confidence), score * confidence];
    return !(speaksFor < this.facts.likely * (speaksFor + against)); // true where one is not known
  }

  /** The faces of a picture, highest score first: what `find` gives, `score`, `searchBox`. */
  async align(picture) {
    const detected = await this.finder.detect(picture);
    const crops = this.#cropsOf(picture, detected);
    const found = await this.model.find(crops);
    const places = this.#doubtful(detected, found);
    await this.#lookElsewhere(picture, detected, crops, found, places);
    const faces = detected.map(({ box, score }, i) => ({ ...found[i], score, searchBox: box }));
    return this.#oncePerFace(faces.filter((face) => this.isLikely(face.score, face.confidence)));
  }

  /** What the model finds in boxes, without a second opinion. */
  async inBoxes(picture, detected) {
    const found = await this.model.find(this.#cropsOf(picture, detected));
    return found.map((face, i) => ({
      ...face,
      score: detected[i].score,
      searchBox: detected[i].box,
    }));
  }

  /** Likewise from the points of each face in the frame before. */
  async fromPoints(picture, shapes) {
    const { meanShape, cropSize } = this.model;
    const crops = shapes.map((points) =>
      cropOf(picture, cropFromPoints(points, meanShape), cropSize),
    );
    const found = await this.model.find(crops);
    return found.map((face, i) => ({ ...face, score: 1, searchBox: boxOf(shapes[i]) }));
  }

  #cropsOf(picture, detected) {
    const { meanShape, cropSize } = this.model;
    return detected.map(({ box, roll }) =>
      cropOf(picture, cropFromBox(box, meanShape, roll), cropSize),
    );
  }

  /** Places of the faces to look for from other starts. */
  #doubtful(detected, found) {
    const { sure, retry } = this.facts;
    const least = found.some(({ confidence }) => confidence >= sure) ? retry : 0;
    return detected
      .map((_, i) => i)
      .filter((i) => found[i].confidence < sure && detected[i].score >= least);
  }

  /** How to see a doubtful face anew; the finder always tells an angle. */
  #otherStarts(picture, { box }, { confidence }) {
    const { small, lost, halfTurn, largerFrame, quarterTurns } = this.facts;
    const size = (box[2] - box[0] + box[3] - box[1]) / 2;
    if (size < small * Math.max(picture.width, picture.height)) {
      return [halfTurn, largerFrame, ...quarterTurns];
    }
    return [confidence < lost ? halfTurn : largerFrame];
  }

  /** At some places, the surest of what was found and of what other starts lead to. */
  async #lookElsewhere(picture, detected, crops, found, places) {
    const starts = places.flatMap((i) =>
      this.#otherStarts(picture, detected[i], found[i]).map((how) => ({
        ...seenAnew(crops[i], how),
        place: i,
      })),
    );
    const others = await this.model.find(starts);
    others.forEach((other, i) => {
      const { place } = starts[i];
      if (other.confidence > found[place].confidence) {
        found[place] = other;
      }
    });
  }

  /** Of findings that overlap, the surest. */
  #oncePerFace(faces) {
    const boxes = faces.map(({ points }) => boxOf(points));
    const sure = faces.map((face) => (isNaN(face.confidence) ? face.score : face.confidence));
    const kept = onePerFace(boxes, sure, this.facts.sameFace);
    return kept.sort((p, q) => p - q).map((place) => faces[place]);
  }
}
