/** Faces painted over their picture, with the marks of `dan.drawing.landmarks`. */
import { boxOf, sizeOf } from "./geometry.js";

const rgb = (colour, opacity = 1) => `rgb(${colour.join(" ")} / ${opacity})`;
const clip = (value, low, high) => Math.min(Math.max(value, low), high);

/**
 * Sizes of all marks of a face, pixels of the canvas.
 *
 * @param size of the face, likewise.
 * @param unit pixels of the canvas for one that the eye sees: no line is thinner.
 */
function penFor(size, unit) {
  const line = Math.max(unit, size / 250);
  return {
    line,
    thin: Math.max(0.8 * unit, line / 2),
    lineRim: 0.7 * line,
    lineOpacity: 0.75 * clip(size / (200 * unit), 0.5, 1),
    radius: Math.max(unit * clip(size / (70 * unit), 0.7, 1.8), size / 130),
    rim: Math.max(0.5 * unit, size / 300),
  };
}

/** The colour of a face: that of its id, or of its place in the list. */
export function colourOf(face, place, { idColours }) {
  return idColours[((face.id ?? place + 1) - 1) % idColours.length];
}

/**
 * Half axes and angle of the ellipse about a point.
 *
 * @param spread `[xx, xy, yy]`, square pixels.
 * @param radius of the ellipse, a Mahalanobis distance.
 */
export function ellipseOf([xx, xy, yy], radius) {
  const [middle, half] = [(xx + yy) / 2, Math.hypot((xx - yy) / 2, xy)];
  return {
    radiusX: radius * Math.sqrt(Math.max(middle + half, 0)),
    radiusY: radius * Math.sqrt(Math.max(middle - half, 0)),
    angle: Math.atan2(2 * xy, xx - yy) / 2,
  };
}

/** Paints one face; `to` takes a place of the picture to one of the canvas. */
class Painter {
  constructor(context, face, colour, pen, facts, to) {
    Object.assign(this, { context, face, colour, pen, facts, to });
    this.places = Array.from({ length: face.points.length / 2 }, (_, i) =>
      to(face.points[2 * i], face.points[2 * i + 1]),
    );
  }

  #stroke(path, colour, opacity, width, rim) {
    const { context, facts } = this;
    context.lineCap = context.lineJoin = "round";
    if (rim > 0) {
      context.strokeStyle = rgb(facts.rimColour, 0.6 * opacity);
      context.lineWidth = width + 2 * rim;
      context.stroke(path);
    }
    context.strokeStyle = rgb(colour, opacity);
    context.lineWidth = width;
    context.stroke(path);
  }

  box() {
    const [x0, y0, x1, y1] = boxOf(this.places.flat());
    const path = new Path2D();
    path.rect(x0, y0, x1 - x0, y1 - y0);
    this.#stroke(path, [255, 255, 255], 0.9, this.pen.line, this.pen.lineRim);
  }

  lines(edges) {
    const path = new Path2D();
    for (const [i, j] of edges) {
      path.moveTo(...this.places[i]);
      path.lineTo(...this.places[j]);
    }
    const { line, lineOpacity, lineRim } = this.pen;
    this.#stroke(path, this.colour, lineOpacity, line, lineRim);
  }

  ellipses(scale, isMirrored) {
    const path = new Path2D();
    this.places.forEach(([x, y], i) => {
      const spread = this.face.covariance.slice(3 * i, 3 * i + 3);
      const { radiusX, radiusY, angle } = ellipseOf(spread, this.facts.ellipseRadius);
      const turn = isMirrored ? -angle : angle;
      const each = new Path2D();
      each.ellipse(x, y, radiusX * scale, radiusY * scale, turn, 0, 2 * Math.PI);
      path.addPath(each);
    });
    this.#stroke(path, this.colour, 0.85, this.pen.thin, 0);
  }

  dots() {
    const { context, pen, facts, face } = this;
    const disc = (radius, isWanted) => {
      const path = new Path2D();
      this.places.forEach(([x, y], i) => {
        if (isWanted(i)) {
          path.moveTo(x + radius, y);
          path.arc(x, y, radius, 0, 2 * Math.PI);
        }
      });
      return path;
    };
    const isHidden = (i) => face.visibility !== null && face.visibility[i] < facts.likelySeen;
    const isSeen = (i) => !isHidden(i);
    context.fillStyle = rgb(facts.rimColour, 0.85);
    context.fill(disc(pen.radius + pen.rim, isSeen));
    context.fillStyle = rgb(this.colour);
    context.fill(disc(pen.radius, isSeen));
    this.#stroke(disc(1.6 * pen.radius, isHidden), this.colour, 1, 0.8 * pen.radius, pen.rim);
  }

  axes(axes) {
    const [origin, ...ends] = axes.map(([x, y]) => this.to(x, y));
    ends.forEach((end, i) => {
      const path = new Path2D();
      path.moveTo(...origin);
      path.lineTo(...end);
      const width = Math.max(2, 2.5 * this.pen.line);
      this.#stroke(path, this.facts.axesColours[i], 1, width, this.pen.lineRim);
    });
  }

  /** White text on a dark plate above the box, inside the canvas. */
  label(text, size) {
    const { context } = this;
    const [x0, y0, x1] = boxOf(this.places.flat());
    const letter = clip((x1 - x0) / 8, 0.02 * size, 0.034 * size);
    context.font = `600 ${letter}px system-ui, sans-serif`;
    context.textBaseline = "middle";
    const room = letter / 2;
    const [wide, high] = [context.measureText(text).width + 2 * room, 1.7 * letter];
    const x = clip(x0, 0, context.canvas.width - wide);
    const y = clip(y0 - high - room, 0, context.canvas.height - high);
    context.fillStyle = rgb(this.facts.rimColour, 0.72);
    context.beginPath();
    context.roundRect(x, y, wide, high, high / 4);
    context.fill();
    context.fillStyle = rgb(this.colour);
    context.fillText(text, x + room, y + high / 2);
  }
}

/** What stands above a face: its id or place, and how sure it is. */
export function labelOf(face, place) {
  const sure = Number.isNaN(face.confidence) ? face.score : face.confidence;
  return `${face.id ?? place + 1}: ${Math.round(100 * sure)} %`;
}

/**
 * Paint a picture and its faces; the canvas is given the picture's size times `scale`.
 *
 * @param shown what to paint: `points`, `lines`, `box`, `labels`, `axes`, `ellipses`, `mirror`.
 * @param facts all of facts.json.
 * @param unit see `penFor`.
 */
export function paint(canvas, bitmap, faces, shown, facts, { scale = 1, unit = 1 } = {}) {
  const context = canvas.getContext("2d");
  const [width, height] = [Math.round(bitmap.width * scale), Math.round(bitmap.height * scale)];
  if (canvas.width !== width || canvas.height !== height) {
    Object.assign(canvas, { width, height });
  }
  context.save();
  if (shown.mirror) {
    context.setTransform(-1, 0, 0, 1, width, 0);
  }
  context.drawImage(bitmap, 0, 0, width, height);
  context.restore();
  const to = (x, y) => [
    shown.mirror ? width - (x + 0.5) * scale : (x + 0.5) * scale,
    (y + 0.5) * scale,
  ];
  faces.forEach((face, place) => {
    const colour = colourOf(face, place, facts.drawing);
    const pen = penFor(sizeOf(boxOf(face.points)) * scale, unit);
    const painter = new Painter(context, face, colour, pen, facts.drawing, to);
    if (shown.box) painter.box();
    if (shown.lines) painter.lines(facts.model.edges);
    if (shown.ellipses && face.covariance) painter.ellipses(scale, shown.mirror);
    if (shown.points) painter.dots();
    if (shown.axes && face.pose) painter.axes(face.pose.axes);
    if (shown.labels) painter.label(labelOf(face, place), Math.max(width, height));
  });
}
