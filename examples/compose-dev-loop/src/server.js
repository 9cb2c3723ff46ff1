// A web server that says its words, whatever it is asked.
import { createServer } from "node:http";
import { words } from "./words.js";

const server = createServer((request, response) => response.end(`${words()}\n`));
// With its arguments: whoever starts it with others than meant, sees them here.
server.listen(8000, "0.0.0.0", () => console.log("listening", process.argv.slice(2)));

// As process 1, node would ignore a request to stop.
process.on("SIGTERM", () => process.exit());
