/** The page: what its buttons do. */
import { Camera } from "./camera.js";
import { Engine } from "./engine.js";
import { asJson, asPts, csvHeader, csvRow } from "./formats.js";
import { Panel } from "./panel.js";
import { Strip, decode } from "./pictures.js";
import { poseOf } from "./pose.js";
import { alignThere } from "./server.js";
import { Speed } from "./speed.js";
import { Stage } from "./stage.js";

const SMALLEST_PX = 12; // of a face in what the finder sees, about

const byId = (id) => document.getElementById(id);
const settings = byId("settings");
const engine = new Engine();
const camera = new Camera();
const panel = new Panel();
const speed = new Speed();
const stage = new Stage(addFiles);
const strip = new Strip(byId("strip"), choose);

const pictures = []; // {file, name, width, height, faces}
let current = null; // the picture or frame that is shown: {name, width, height, faces, isFrame}
let bitmap = null; // its pixels
let recording = null; // lines of the table
let frames = 0;
let facts, threads;
let last = Promise.resolve(); // pictures are done one after the other

// ------------------------------------------------------------------------------ one picture

/** Everything that a result needs of the settings. */
function options() {
  const { elements } = settings;
  const isOn = (name) => elements[name].checked;
  const names = ["points", "lines", "box", "labels", "axes", "ellipses"];
  return {
    shown: Object.fromEntries([
      ...names.map((name) => [name, isOn(name)]),
      ["mirror", Boolean(current?.isFrame) && isOn("mirror")],
    ]),
    isSmooth: isOn("smooth"),
    isServer: isOn("server"),
    least: Number(elements.least.value),
    size: Number(elements.size.value),
  };
}

/**
 * The faces of a bitmap, found here or there; the bitmap may have gone to the worker and back.
 *
 * @param given `{file}` of a picture, `{timeS}` of a frame.
 */
async function found(pixels, { file = null, timeS = null }) {
  const { isServer, isSmooth, size } = options();
  let answer;
  if (isServer) {
    answer = await alignThere(pixels, file);
  } else if (timeS === null) {
    answer = await engine.ask("align", { bitmap: pixels, size });
  } else {
    answer = await engine.ask("track", { bitmap: pixels, timeS, isSmooth, size });
  }
  const posed = answer.faces.map((face) => ({ ...face, pose: poseOf(face.points, facts.pose) }));
  return { ...answer, faces: posed };
}

/** The faces that are sure enough to be shown. */
function sureFaces(faces) {
  const { least } = options();
  return faces.filter(({ confidence }) => !(confidence < least));
}

function show() {
  if (current === null) {
    return;
  }
  const { shown, isServer } = options();
  const faces = sureFaces(current.faces);
  stage.show(bitmap, faces, shown, facts);
  panel.showFaces(faces, facts);
  panel.showSpeed(speed, camera.isOpen, threads, isServer);
  for (const button of document.querySelectorAll("[data-take]")) {
    button.disabled = !faces.length && button.dataset.take !== "png";
  }
}

/** Run one step after those before; what goes wrong is told in one line. */
function inTurn(step) {
  last = last.then(step).catch((error) => tell(error));
  return last;
}

function tell(error) {
  byId("fault").textContent = error.message;
  byId("fault").hidden = false;
}

function say(text, state = "ready") {
  Object.assign(byId("state"), { textContent: text }).dataset.state = state;
}

/** Show another picture or frame, and let go of the pixels of the one before. */
function replace(next, pixels) {
  const before = bitmap;
  current = next;
  bitmap = pixels;
  show();
  before?.close();
}

// --------------------------------------------------------------------------------- pictures

function addFiles(files) {
  if (!files.length || byId("files").disabled) {
    return;
  }
  byId("fault").hidden = true;
  closeCamera();
  for (const file of files) {
    inTurn(() => addPicture(file));
  }
}

async function addPicture(file) {
  say("Looking…", "busy");
  try {
    const pixels = await decode(file);
    pictures.push({ file, name: file.name, width: pixels.width, height: pixels.height });
    strip.add(file.name, URL.createObjectURL(file));
    await align(pictures.length - 1, pixels);
  } finally {
    say("Ready");
  }
}

async function align(place, pixels) {
  const answer = await found(pixels, pictures[place]);
  speed.add(answer.times);
  pictures[place].faces = answer.faces;
  strip.select(place);
  replace(pictures[place], answer.bitmap);
}

/** Show a picture of the strip again. */
function choose(place) {
  closeCamera();
  inTurn(async () => {
    const pixels = await decode(pictures[place].file);
    strip.select(place);
    replace(pictures[place], pixels);
  });
}

/** Settings that change the search: the picture that is shown is looked at again. */
function lookAgain() {
  const place = pictures.indexOf(current);
  if (place >= 0) {
    inTurn(async () => align(place, await decode(pictures[place].file)));
  }
}

// ----------------------------------------------------------------------------------- camera

async function openCamera(deviceId = null) {
  byId("fault").hidden = true;
  byId("camera").disabled = true; // until it is there
  speed.forget();
  frames = 0;
  await engine.ask("forget");
  try {
    await camera.open(deviceId, takeFrame, closeCamera);
  } catch (error) {
    throw new Error(`The camera cannot be opened: ${error.message}`);
  } finally {
    byId("camera").disabled = false;
  }
  strip.select(-1);
  byId("camera").textContent = "Stop the camera";
  byId("record").hidden = false;
  await listCameras(deviceId);
  say("Camera on", "busy");
}

function closeCamera() {
  if (!camera.isOpen) {
    return;
  }
  camera.close();
  if (recording !== null) {
    toggleRecording();
  }
  byId("camera").textContent = "Use the camera";
  byId("record").hidden = byId("cameras").hidden = true;
  speed.forget();
  say("Ready");
}

async function takeFrame(pixels, timeS) {
  try {
    const { width, height } = pixels;
    const answer = await found(pixels, { timeS });
    if (!camera.isOpen) {
      return;
    }
    speed.add(answer.times, performance.now());
    for (const face of recording === null ? [] : sureFaces(answer.faces)) {
      recording.push(csvRow([frames, Number(timeS.toFixed(6)), face.id], face));
      byId("record").dataset.rows = recording.length - 1;
    }
    const name = `frame-${frames}`;
    frames += 1;
    replace({ name, width, height, faces: answer.faces, isFrame: true }, answer.bitmap);
  } catch (error) {
    closeCamera();
    tell(error);
  }
}

async function listCameras(chosen) {
  const devices = await camera.list();
  const select = byId("cameras").querySelector("select");
  const names = devices.map(({ label }, i) => label || `Camera ${i + 1}`);
  select.replaceChildren(...devices.map(({ deviceId }, i) => new Option(names[i], deviceId)));
  select.value = chosen ?? devices[0]?.deviceId;
  byId("cameras").hidden = devices.length < 2;
}

function toggleRecording() {
  const isOn = recording === null;
  byId("record").textContent = isOn ? "Stop and save the table" : "Record a table";
  byId("record").classList.toggle("recording", isOn);
  byId("record").dataset.rows = 0;
  if (isOn) {
    const { columns, model } = facts;
    recording = [csvHeader(columns.track, columns.face, model.meanShape.length)];
    return;
  }
  const stamp = new Date().toISOString().slice(0, 19).replaceAll(":", "-");
  save(new Blob(recording, { type: "text/csv" }), `dan-${stamp}.csv`);
  recording = null;
}

// ---------------------------------------------------------------------------- taking away

function save(blob, name) {
  const link = Object.assign(document.createElement("a"), { download: name });
  link.href = URL.createObjectURL(blob);
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

function asText(kind) {
  const { columns, model } = facts;
  const faces = sureFaces(current.faces);
  if (kind === "json") {
    return asJson(current, faces, model.scheme);
  }
  if (kind === "pts") {
    return faces.map(asPts).join("");
  }
  const rows = faces.map((face, place) => csvRow([current.name, place + 1], face));
  return csvHeader(["file", "face"], columns.face, model.meanShape.length) + rows.join("");
}

async function take(button) {
  const kind = button.dataset.take;
  const stem = current.name.replace(/\.[^.]*$/, "");
  if (kind === "png") {
    save(await stage.asPng(), `${stem}-landmarks.png`);
    return;
  }
  const text = asText(kind);
  try {
    await navigator.clipboard.writeText(text);
    say(`${button.textContent.replace("Copy ", "")} copied`);
  } catch {
    save(new Blob([text], { type: "text/plain" }), `${stem}.${kind}`); // no clipboard over http
  }
}

// ----------------------------------------------------------------------------------- start

function listen() {
  byId("camera").addEventListener("click", () => {
    if (camera.isOpen) {
      closeCamera();
    } else {
      openCamera().catch(tell);
    }
  });
  byId("cameras").addEventListener("change", (event) => openCamera(event.target.value).catch(tell));
  byId("record").addEventListener("click", toggleRecording);
  byId("sample").addEventListener("click", async () => {
    const blob = await (await fetch("portrait.jpg")).blob();
    addFiles([new File([blob], "portrait.jpg", { type: blob.type })]);
  });
  for (const button of document.querySelectorAll("[data-take]")) {
    button.addEventListener("click", () => take(button).catch(tell));
  }
  settings.addEventListener("submit", (event) => event.preventDefault());
  settings.addEventListener("input", ({ target }) => {
    const { elements } = settings;
    elements.leastShown.value = `${Math.round(100 * elements.least.value)} %`;
    if (target.name === "server") {
      tellWhere();
      speed.forget();
    }
    if (["server", "size"].includes(target.name)) {
      lookAgain();
    }
    show();
  });
}

/** Where pictures go: nowhere, unless the user wants them on the server. */
function tellWhere() {
  const { isServer } = options();
  byId("where").textContent = isServer
    ? `Pictures are sent to ${location.host}, which finds the faces.`
    : "Everything runs in this browser. No picture leaves this computer.";
  settings.elements.size.disabled = isServer;
}

/** What facts.json says of the page: its model, its server, what it can draw. */
function adapt() {
  byId("version").textContent = `dan ${facts.version}, model ${facts.model.name}`;
  byId("server").hidden = !facts.hasServer;
  const sizes = [1, 2, 4].map((times) => times * facts.finder.size);
  const share = (size) => `${((100 * SMALLEST_PX) / size).toFixed(0)} % of the picture`;
  settings.elements.size.replaceChildren(...sizes.map((size) => new Option(share(size), size)));
  const cannot = (name, isMissing, why) => {
    settings.elements[name].disabled = isMissing;
    settings.elements[name].parentElement.title = isMissing ? why : "";
  };
  const tells = facts.model.certainty.includes("covariance");
  cannot("ellipses", !tells, `${facts.model.name} does not say how certain each point is`);
  cannot("axes", facts.pose === null, "these landmarks have no pose");
}

async function start() {
  listen();
  inTurn(async () => {
    try {
      ({ facts, threads } = await engine.start());
    } catch (error) {
      say("Cannot start", "fault");
      for (const id of ["files", "camera", "sample"]) {
        byId(id).disabled = true;
      }
      throw new Error(`The networks cannot be loaded: ${error.message}`);
    }
    adapt();
    document.body.dataset.ready = "true";
    say("Ready");
  });
}

start();
