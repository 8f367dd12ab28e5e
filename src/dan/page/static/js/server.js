/** The same work on the server that the page came from: `POST v1/align`. */
import { facesOf } from "./formats.js";

const QUALITY = 0.92; // of the JPEG that is sent

/** What the server finds in a bitmap: `{faces, times, bitmap}`, as the worker answers. */
export async function alignThere(bitmap) {
  const started = performance.now();
  const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
  canvas.getContext("2d").drawImage(bitmap, 0, 0);
  const body = await canvas.convertToBlob({ type: "image/jpeg", quality: QUALITY });
  const headers = { "Content-Type": "image/jpeg" };
  const response = await fetch("v1/align", { method: "POST", headers, body });
  if (!response.ok) {
    throw new Error(`the server answered ${response.status}: ${await response.text()}`);
  }
  const faces = facesOf(await response.json());
  return { faces, times: { total: performance.now() - started }, bitmap };
}
