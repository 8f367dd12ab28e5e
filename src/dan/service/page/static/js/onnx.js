/** ONNX Runtime in this page: the WebAssembly provider, and nothing else. */
import * as ort from "../ort/ort.js";

/** The bytes of a file beside the page, unpacked where they are gzip's. */
export async function bytesOf(url) {
  const response = await fetch(url);
  if (!response.ok) {
    throw new Error(`${url}: expected the file, got status ${response.status}`);
  }
  const bytes = new Uint8Array(await response.arrayBuffer());
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) {
    return bytes; // a server may have unpacked it already
  }
  const plain = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(plain).arrayBuffer());
}

/** Hand over the runtime's code, and say on how many threads it shall run. */
export function prepareRuntime(wasm, threads) {
  ort.env.logLevel = "error";
  ort.env.wasm.numThreads = threads;
  ort.env.wasm.wasmBinary = wasm;
}

/** A network that was started; how often it ran, and how long since `ms` was set to 0. */
export class Network {
  static async start(graph) {
    const network = new Network();
    network.session = await ort.InferenceSession.create(graph, { executionProviders: ["wasm"] });
    network.runs = network.ms = 0;
    return network;
  }

  /**
   * Outputs by name.
   *
   * @param inputs `[type, data, dims]` by name.
   * @param names of the outputs.
   */
  async run(inputs, names) {
    const started = performance.now();
    const tensors = Object.entries(inputs).map(([name, [type, data, dims]]) => [
      name,
      new ort.Tensor(type, data, dims),
    ]);
    const said = await this.session.run(Object.fromEntries(tensors), names);
    this.ms += performance.now() - started;
    this.runs += 1;
    return said;
  }
}
