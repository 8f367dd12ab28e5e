/** The same work on the server that the page came from: `POST v1/align`. */
import { facesOf } from "./formats.js";

const QUALITY = 0.92; // of the JPEG that is made of a frame
const TAKEN = ["image/jpeg", "image/png", "image/webp"];
const MAX_BYTES = 10 * 2 ** 20; // of a file that is sent as it is

/**
 * What the server finds in a bitmap: `{faces, times, bitmap}`, as the worker answers.
 *
 * @param file that the bitmap was read from; null: it is a frame.
 */
export async function alignThere(bitmap, file) {
  const started = performance.now();
  const isTaken = file !== null && TAKEN.includes(file.type) && file.size <= MAX_BYTES;
  const body = isTaken ? file : await asJpeg(bitmap);
  const headers = { "Content-Type": body.type };
  const response = await fetch("v1/align", { method: "POST", headers, body });
  if (!response.ok) {
    throw new Error(`the server answered ${response.status}: ${await response.text()}`);
  }
  const faces = facesOf(await response.json());
  return { faces, times: { total: performance.now() - started }, bitmap };
}

function asJpeg(bitmap) {
  const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
  canvas.getContext("2d").drawImage(bitmap, 0, 0);
  return canvas.convertToBlob({ type: "image/jpeg", quality: QUALITY });
}
