/** The results beside the picture: its faces, and how long they took. */
import { colourOf, labelOf } from "./draw.js";
import { facesIn } from "./stage.js";

const byId = (id) => document.getElementById(id);

/** An element with a class and a text. */
function made(tag, className, text = "") {
  return Object.assign(document.createElement(tag), { className, textContent: text });
}

/** One row of the list of faces. */
class FaceRow {
  constructor() {
    this.item = made("li", "face");
    this.dot = made("span", "dot");
    this.name = made("span", "name");
    this.meter = document.createElement("meter");
    this.sure = made("span", "sure");
    this.pose = made("span", "pose");
    this.item.append(this.dot, this.name, this.meter, this.sure, this.pose);
  }

  show(face, place, facts) {
    const isKnown = !Number.isNaN(face.confidence);
    const sure = isKnown ? face.confidence : face.score;
    this.dot.style.background = `rgb(${colourOf(face, place, facts.drawing).join(" ")})`;
    this.name.textContent = labelOf(face, place).split(":")[0];
    this.meter.value = sure;
    this.meter.setAttribute("aria-label", isKnown ? "Confidence" : "Score of the finder");
    this.sure.textContent = `${Math.round(100 * sure)} %`;
    const angle = (name) => `${name} ${Math.round(face.pose[name]) + 0}°`;
    this.pose.textContent = face.pose ? ["yaw", "pitch", "roll"].map(angle).join("  ") : "";
  }
}

export class Panel {
  #rows = [];

  /** Show the faces; a reader of the screen hears of their number, when that changes. */
  showFaces(faces, facts) {
    const said = faces.length ? `${facesIn(faces)}.` : "No face found.";
    if (byId("count").textContent !== said) {
      byId("count").textContent = said;
    }
    while (this.#rows.length < faces.length) {
      this.#rows.push(new FaceRow());
    }
    if (byId("faces").children.length !== faces.length) {
      const items = this.#rows.slice(0, faces.length).map((row) => row.item);
      byId("faces").replaceChildren(...items);
    }
    faces.forEach((face, place) => this.#rows[place].show(face, place, facts));
  }

  showSpeed(speed, isCamera, threads, isServer) {
    const ms = (value) => (value === null ? "–" : `${value.toFixed(value < 10 ? 1 : 0)} ms`);
    for (const name of ["finder", "landmarks", "total"]) {
      byId(`ms-${name}`).textContent = ms(speed.median(name));
    }
    const fps = speed.fps;
    byId("fps").textContent = fps === null ? "–" : `${fps.toFixed(1)} / s`;
    const where = isServer ? "with the way to the server and back" : `on ${threadsIn(threads)}`;
    const how = speed.count > 1 ? `Medians of the last ${speed.count}` : "One picture";
    const more = isCamera
      ? "The finder looks only now and then; in between, faces are followed."
      : "The first runs are slower, as the browser still compiles.";
    byId("speed-note").textContent = `${how}, ${where}. ${isServer ? "" : more}`;
  }
}

function threadsIn(threads) {
  const why = globalThis.crossOriginIsolated ? "" : " (more need an isolated page)";
  return threads === 1 ? `1 thread${why}` : `${threads} threads`;
}
