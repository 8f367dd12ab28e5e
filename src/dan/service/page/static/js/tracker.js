/** Faces followed from frame to frame: `dan.video.tracker` and `dan.video.roster`. */
import { boxOf, centreOf, overlapOf, sizeOf } from "./geometry.js";
import { Track, isFace, matchBoxes } from "./tracks.js";

/** Who is there and who was lost lately, and under which ids. */
class Roster {
  constructor(facts) {
    this.facts = facts;
    this.present = [];
    this.lost = [];
    this.ids = 0;
  }

  forget(timeS) {
    this.lost = this.lost.filter((track) => timeS - track.timeS <= this.facts.memoryS);
  }

  /** Follow a picture that changes its size; in other proportions it is another picture. */
  rescale(factorX, factorY) {
    if (Math.abs(factorX / factorY - 1) > this.facts.maxStretch) {
      this.present = [];
      this.lost = [];
    }
    [...this.present, ...this.lost].forEach((track) => track.rescale((factorX + factorY) / 2));
  }

  lose(track) {
    this.present = this.present.filter((other) => other !== track);
    this.lost.push(track);
  }

  hasFaceAt(points) {
    const box = boxOf(points);
    return this.present.some((track) => overlapOf(box, track.box) > this.facts.converged);
  }

  /** Follow a face from now on; it has its old id where one was lost. */
  begin(face, timeS, smoothing) {
    const id = this.#idFor(boxOf(face.points), timeS);
    this.present.push(new Track(id, face, timeS, this.facts, smoothing));
  }

  /** Of two tracks on one face that one stays which moved as expected, else the older. */
  partConverged() {
    const { converged, hopped } = this.facts;
    for (const younger of [...this.present].sort((one, two) => two.id - one.id)) {
      const older = this.present.find(
        (track) => track.id < younger.id && overlapOf(younger.box, track.box) > converged,
      );
      if (older !== undefined && this.present.includes(younger)) {
        this.lose(older.surprise > younger.surprise + hopped ? older : younger);
      }
    }
  }

  #idFor(box, timeS) {
    const overlaps = this.lost.map((track) =>
      Math.max(...track.places(timeS).map((place) => overlapOf(box, place))),
    );
    const best = Math.max(...overlaps);
    if (best >= this.facts.samePlace) {
      return this.lost.splice(overlaps.indexOf(best), 1)[0].id;
    }
    this.ids += 1;
    return this.ids;
  }
}

export class Tracker {
  /**
   * @param aligner an `Aligner`.
   * @param facts `tracker` of facts.json.
   * @param smoothing parameters; null: the points as they are found.
   */
  constructor(aligner, facts, smoothing) {
    Object.assign(this, { aligner, facts, smoothing });
    this.roster = new Roster(facts);
    this.frames = 0;
    this.detectedAt = 0;
    this.timeS = -Infinity;
  }

  /** Smooth otherwise from now on. */
  smoothWith(smoothing) {
    this.smoothing = smoothing;
    const { present, lost } = this.roster;
    [...present, ...lost].forEach((track) => track.smoothWith(smoothing));
  }

  /** The faces of the next frame, oldest first: as `Aligner.align` gives them, and `id`. */
  async update(picture, timeS) {
    const { roster } = this;
    this.timeS = timeS;
    if (this.frames && (this.width !== picture.width || this.height !== picture.height)) {
      roster.rescale(picture.width / this.width, picture.height / this.height);
    }
    this.width = picture.width;
    this.height = picture.height;
    roster.forget(timeS);
    await this.#follow(picture);
    await this.#lookNear(picture);
    if (this.#isSearchDue()) {
      await this.#search(picture);
    }
    roster.partConverged();
    this.frames += 1;
    const shown = [...roster.present].sort((one, two) => one.id - two.id);
    return shown.map((track) => ({ ...track.face, points: track.shown, id: track.id }));
  }

  /** Look for each face where it should be now. */
  async #follow(picture) {
    const tracks = [...this.roster.present];
    const starts = tracks.map((track) => track.predicted(this.timeS));
    const found = await this.aligner.fromPoints(picture, starts);
    tracks.forEach((track, i) => {
      const face = found[i];
      if (!this.#isFace(face.points, face.confidence, track.points)) {
        this.roster.lose(track);
        return;
      }
      track.move(face, this.timeS);
      if (face.confidence >= this.facts.sure) {
        track.confirm();
      }
    });
  }

  #isFace(points, confidence, before = null) {
    const { meanShape } = this.aligner.model;
    return isFace(points, confidence, this, meanShape, this.facts, before);
  }

  #isJustLost(track) {
    return this.timeS - track.timeS <= this.facts.searchS;
  }

  #isSearchDue() {
    const { present, lost } = this.roster;
    const isDoubted = present.some((track) => track.misses > 0);
    const isLost = lost.some((track) => this.#isJustLost(track));
    const waited = this.frames - this.detectedAt;
    return !present.length || isLost || isDoubted || waited >= this.facts.detectEvery;
  }

  /** Detect about the places of faces that were just lost, or are in doubt. */
  async #lookNear(picture) {
    const justLost = this.roster.lost.filter((track) => this.#isJustLost(track));
    const doubted = this.roster.present.filter((track) => track.misses > 0);
    for (const track of [...justLost, ...doubted]) {
      const place = track.places(this.timeS).at(-1);
      const half = (this.facts.near / 2) * sizeOf(place);
      const [x, y] = centreOf(place);
      const near = [x - half, y - half, x + half, y + half];
      await this.#take(picture, await this.aligner.finder.detect(picture, near));
    }
  }

  /** Detect in the whole frame, and doubt the faces that are not found. */
  async #search(picture) {
    this.detectedAt = this.frames;
    const missed = await this.#take(picture, await this.aligner.finder.detect(picture));
    for (const track of missed) {
      track.misses += 1;
      if (track.misses >= this.facts.maxMisses) {
        this.roster.lose(track);
      }
    }
  }

  /** Confirm or correct the tracks, and begin new ones; gives the tracks that were missed. */
  async #take(picture, found) {
    const tracks = [...this.roster.present];
    const boxes = tracks.map((track) => track.box);
    const foundBoxes = found.map((face) => face.box);
    const pairs = matchBoxes(boxes, foundBoxes, this.facts.sameFace);
    for (const [i, j, overlap] of pairs) {
      tracks[i].face = { ...tracks[i].face, score: found[j].score };
      if (overlap < this.facts.slidOff) {
        await this.#correct(picture, tracks[i], found[j]);
      }
      tracks[i].confirm();
    }
    const taken = new Set(pairs.map(([, j]) => j));
    const fresh = found.filter((_, j) => !taken.has(j));
    for (const face of await this.#align(picture, fresh)) {
      if (!this.roster.hasFaceAt(face.points)) {
        this.roster.begin(face, this.timeS, this.smoothing);
      }
    }
    const seen = new Set(pairs.map(([i]) => i));
    return tracks.filter((_, i) => !seen.has(i));
  }

  /** Start a track again from its detection, and keep the better of the two. */
  async #correct(picture, track, found) {
    for (const face of await this.#align(picture, [found])) {
      if (!(face.confidence < track.face.confidence)) {
        track.correct(face);
      }
    }
  }

  /** Faces that were detected; a second pass starts from the face upright. */
  async #align(picture, found) {
    const detected = await this.aligner.inBoxes(picture, found);
    const first = detected.filter((face) => this.#isFace(face.points, NaN));
    const shapes = first.map((face) => face.points);
    const second = await this.aligner.fromPoints(picture, shapes);
    return second
      .map((face, i) => ({ ...face, score: first[i].score, searchBox: first[i].searchBox }))
      .filter(
        ({ points, score, confidence }) =>
          this.aligner.isLikely(score, confidence) && this.#isFace(points, confidence),
      );
  }
}
