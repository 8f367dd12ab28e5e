/** Where the picture is shown, and where pictures are dropped. */
import { paint } from "./draw.js";

const MAX_ENLARGEMENT = 3; // small pictures are shown so much larger at most
const SHARE_OF_WINDOW = 0.66; // of its height, for the picture
const MAX_CANVAS = 4096; // pixels of a side

export class Stage {
  /** @param onFiles takes a list of files that were dropped, pasted or chosen. */
  constructor(onFiles) {
    this.frame = document.getElementById("frame");
    this.canvas = document.getElementById("canvas");
    this.empty = document.getElementById("empty");
    this.onFiles = onFiles;
    this.#takeFiles();
    new ResizeObserver(() => this.#paint()).observe(this.frame);
  }

  /** Show a bitmap and its faces; see `paint`. */
  show(bitmap, faces, shown, facts) {
    this.content = [bitmap, faces, shown, facts];
    this.empty.hidden = true;
    this.canvas.hidden = false;
    this.canvas.setAttribute("aria-label", `Picture, ${facesIn(faces)}`);
    this.#paint();
  }

  #paint() {
    if (!this.content) {
      return;
    }
    const [bitmap, faces, shown, facts] = this.content;
    const room = this.frame.getBoundingClientRect();
    const high = Math.max(240, SHARE_OF_WINDOW * window.innerHeight);
    const fit = Math.min(room.width / bitmap.width, high / bitmap.height, MAX_ENLARGEMENT);
    const most = MAX_CANVAS / Math.max(bitmap.width, bitmap.height);
    const scale = Math.min(fit * window.devicePixelRatio, most);
    paint(this.canvas, bitmap, faces, shown, facts, { scale, unit: scale / fit });
    this.canvas.style.width = `${Math.floor(fit * bitmap.width)}px`;
  }

  /** The picture in its own size, with the marks, as a PNG file. */
  async asPng() {
    const [bitmap, faces, shown, facts] = this.content;
    const canvas = document.createElement("canvas");
    paint(canvas, bitmap, faces, shown, facts);
    return new Promise((done) => canvas.toBlob(done, "image/png"));
  }

  #takeFiles() {
    const drop = document.getElementById("drop");
    const hasFiles = (event) => event.dataTransfer?.types.includes("Files");
    let inside = 0;
    const count = (step) => (event) => {
      if (hasFiles(event)) {
        event.preventDefault();
        inside = Math.max(0, inside + step);
        drop.hidden = inside === 0;
      }
    };
    window.addEventListener("dragenter", count(1));
    window.addEventListener("dragleave", count(-1));
    window.addEventListener("dragover", count(0));
    window.addEventListener("drop", (event) => {
      count(-1)(event);
      inside = 0;
      drop.hidden = true;
      this.onFiles([...(event.dataTransfer?.files ?? [])]);
    });
    window.addEventListener("paste", (event) => this.onFiles([...event.clipboardData.files]));
    const input = document.getElementById("files");
    input.addEventListener("change", () => {
      this.onFiles([...input.files]);
      input.value = ""; // the same file may be chosen again
    });
  }
}

/** `2 faces`, in words. */
export function facesIn(faces) {
  return faces.length === 1 ? "1 face" : `${faces.length || "no"} faces`;
}
