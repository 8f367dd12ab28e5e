/** Faces as text, in the forms that `dan align` and `dan track` write. */
import { boxOf } from "./geometry.js";

const round = (value, decimals) => Number(value.toFixed(decimals));
const known = (value) => (Number.isNaN(value) ? null : round(value, 4));
const grouped = (values, size, decimals) =>
  Array.from({ length: values.length / size }, (_, i) =>
    Array.from(values.slice(i * size, (i + 1) * size), (value) => round(value, decimals)),
  );

/** A face as plain values; what the model does not tell is left out. */
function faceRecord(face) {
  const record = {
    box_xyxy: boxOf(face.points).map((value) => round(value, 3)),
    search_box_xyxy: face.searchBox.map((value) => round(value, 3)),
    score: known(face.score),
    confidence: known(face.confidence),
    points_xy: grouped(face.points, 2, 3),
  };
  if (face.covariance) {
    record.covariance = grouped(face.covariance, 3, 4);
  }
  if (face.visibility) {
    record.visibility = Array.from(face.visibility, (value) => round(value, 4));
  }
  return face.id === undefined ? record : { ...record, id: face.id };
}

/** The line of `dan align --json`; `picture` is `{name, width, height}`. */
export function asJson(picture, faces, scheme) {
  return `${JSON.stringify({
    file: picture.name,
    name: picture.name.replace(/\.[^.]*$/, ""),
    size_wh: [picture.width, picture.height],
    scheme,
    faces: faces.map(faceRecord),
  })}\n`;
}

/** Faces from such a record, as the page's own engine gives them. */
export function facesOf({ faces }) {
  return faces.map((face) => ({
    points: Float64Array.from(face.points_xy.flat()),
    confidence: face.confidence ?? NaN,
    covariance: face.covariance ? Float64Array.from(face.covariance.flat()) : null,
    visibility: face.visibility ?? null,
    score: face.score,
    searchBox: face.search_box_xyxy ?? face.box_xyxy,
  }));
}

function csvLine(values) {
  const cells = values.map((value) => {
    const text = String(value ?? "");
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  });
  return `${cells.join(",")}\n`;
}

/** The first line of a table, its columns after the keys. */
export function csvHeader(keys, columns, landmarks) {
  const places = Array.from({ length: landmarks }, (_, i) => [`x${i}`, `y${i}`]);
  return csvLine([...keys, ...columns, ...places.flat()]);
}

/** The line of a face; `keys` say which one it is. */
export function csvRow(keys, face) {
  const { score, confidence, box_xyxy: box, points_xy: points } = faceRecord(face);
  return csvLine([...keys, score, confidence, ...box, ...points.flat()]);
}

/** 300-W's form, which counts pixels from 1. */
export function asPts(face) {
  const rows = grouped(face.points, 2, 6).map(
    ([x, y]) => `${(x + 1).toFixed(3)} ${(y + 1).toFixed(3)}`,
  );
  return `version: 1\nn_points: ${rows.length}\n{\n${rows.join("\n")}\n}\n`;
}
