/** The landmark network: crops in, points in pixels of the picture out. */
import { apply, applyToCovariance, inverse } from "./geometry.js";

export class LandmarkModel {
  /**
   * @param network of the model.
   * @param facts `model` of facts.json.
   */
  constructor(network, facts) {
    this.network = network;
    this.facts = facts;
    this.meanShape = Float64Array.from(facts.meanShape.flat());
    this.cropSize = facts.cropSize;
  }

  /**
   * What is found in crops: `{points, confidence, covariance, visibility}` each.
   *
   * `confidence` is NaN, and the last two null, where the model does not tell.
   *
   * @param crops `{data, cropFromImage}` each.
   */
  async find(crops) {
    const found = [];
    for (let first = 0; first < crops.length; first += this.facts.maxBatch) {
      const part = crops.slice(first, first + this.facts.maxBatch);
      found.push(...(await this.#run(part)));
    }
    return found;
  }

  async #run(crops) {
    const size = this.cropSize;
    const bytes = new Uint8Array(crops.length * size * size);
    crops.forEach((crop, place) => bytes.set(crop.data, place * size * size));
    const input = ["uint8", bytes, [crops.length, size, size]];
    const names = ["points", ...this.facts.certainty];
    const said = await this.network.run({ crops: input }, names);
    const of = (name, place) => {
      if (!(name in said)) {
        return null;
      }
      const count = said[name].data.length / crops.length;
      return said[name].data.slice(place * count, (place + 1) * count);
    };
    return crops.map(({ cropFromImage }, place) => {
      const imageFromCrop = inverse(cropFromImage);
      const spread = of("covariance", place);
      return {
        points: apply(imageFromCrop, of("points", place)),
        confidence: of("confidence", place)?.[0] ?? NaN,
        covariance: spread && applyToCovariance(imageFromCrop, upperHalves(spread)),
        visibility: of("visibility", place),
      };
    });
  }
}

/** `xx, xy, yy` of each of N symmetric 2 × 2 matrices. */
const upperHalves = (matrices) => matrices.filter((_, i) => i % 4 !== 2);
