// Calls functions of the page's modules: JSON on standard input, [[module, function, arguments]],
// JSON of what they return on standard output. `Class.method` makes one object with the first
// argument, and calls its method with each of the others in turn. {bytes} is a typed array.
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const [folder] = process.argv.slice(2);
const calls = JSON.parse(readFileSync(0, "utf8"), (_, value) =>
  value && value.bytes ? Uint8ClampedArray.from(value.bytes) : value,
);
const plain = (_, value) => (ArrayBuffer.isView(value) ? Array.from(value) : value);
const results = [];
for (const [module, name, args] of calls) {
  const own = await import(pathToFileURL(`${folder}/${module}.js`));
  const [outer, method] = name.split(".");
  if (method === undefined) {
    results.push(own[outer](...args));
  } else {
    const object = new own[outer](args[0]);
    results.push(args.slice(1).map((given) => object[method](...given)));
  }
}
process.stdout.write(JSON.stringify(results, plain));
