/** Frames of a camera, one at a time: the next one comes once the last one is done. */

const WANTED = { width: { ideal: 640 }, height: { ideal: 480 } };

export class Camera {
  #video = Object.assign(document.createElement("video"), { muted: true, playsInline: true });
  #stream = null;

  get isOpen() {
    return this.#stream !== null;
  }

  /**
   * Ask for a camera and hand its frames over until it is closed.
   *
   * @param deviceId null: the one that looks at the user.
   * @param onFrame takes a bitmap and its time in seconds; may return a promise.
   * @param onEnd is called where the camera goes away by itself.
   */
  async open(deviceId, onFrame, onEnd) {
    if (!navigator.mediaDevices) {
      throw new Error("browsers open cameras on https pages and on localhost only");
    }
    this.close();
    const which = deviceId ? { deviceId: { exact: deviceId } } : { facingMode: "user" };
    const stream = await navigator.mediaDevices.getUserMedia({ video: { ...WANTED, ...which } });
    this.#stream = this.#video.srcObject = stream;
    stream.getVideoTracks()[0].addEventListener("ended", onEnd);
    await this.#video.play();
    this.#run(stream, onFrame);
  }

  /** The cameras that there are; their names are known once one was opened. */
  async list() {
    const devices = await navigator.mediaDevices.enumerateDevices();
    return devices.filter(({ kind }) => kind === "videoinput");
  }

  close() {
    this.#stream?.getTracks().forEach((track) => track.stop());
    this.#stream = this.#video.srcObject = null;
  }

  async #run(stream, onFrame) {
    const started = performance.now();
    while (this.#stream === stream) {
      await this.#nextFrame();
      if (this.#stream === stream && this.#video.videoWidth) {
        const bitmap = await createImageBitmap(this.#video);
        await onFrame(bitmap, (performance.now() - started) / 1000);
      }
    }
  }

  #nextFrame() {
    return new Promise((done) => {
      if ("requestVideoFrameCallback" in this.#video) {
        this.#video.requestVideoFrameCallback(done);
        setTimeout(done, 500); // a camera that stands still, or was closed meanwhile
      } else {
        requestAnimationFrame(done);
      }
    });
  }
}
