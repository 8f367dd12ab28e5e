/** Pictures that were given: read, kept in order, shown as a strip. */

const MAX_PIXELS = 40e6;

/** The pixels of a file as they are stored, upright by its EXIF entry, as Python reads them. */
export async function decode(file) {
  let bitmap;
  try {
    bitmap = await createImageBitmap(file, {
      imageOrientation: "from-image",
      colorSpaceConversion: "none",
      premultiplyAlpha: "none",
    });
  } catch {
    throw new Error(`${file.name}: expected a picture that this browser can read`);
  }
  if (bitmap.width * bitmap.height > MAX_PIXELS) {
    const size = `${bitmap.width} × ${bitmap.height}`;
    throw new Error(`${file.name}: expected at most ${MAX_PIXELS / 1e6} megapixels, got ${size}`);
  }
  return bitmap;
}

/** The strip of small pictures beneath the large one. */
export class Strip {
  /**
   * @param list an `<ol>`.
   * @param onChoose takes the place of the picture that was chosen.
   */
  constructor(list, onChoose) {
    this.list = list;
    this.onChoose = onChoose;
  }

  /** Add a picture; `url` is that of its file. */
  add(name, url) {
    const place = this.list.children.length;
    const image = Object.assign(document.createElement("img"), { src: url, alt: name });
    const button = Object.assign(document.createElement("button"), { type: "button" });
    button.append(image);
    button.addEventListener("click", () => this.onChoose(place));
    const item = document.createElement("li");
    item.append(button);
    this.list.append(item);
    this.list.hidden = this.list.children.length < 2;
  }

  select(place) {
    for (const [i, item] of [...this.list.children].entries()) {
      item.firstChild.setAttribute("aria-current", i === place ? "true" : "false");
    }
  }
}
