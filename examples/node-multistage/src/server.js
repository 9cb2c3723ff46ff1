// A web server that greets whoever asks, and says as whom it runs.
import { createServer } from "node:http";
import { userInfo } from "node:os";
import { greeting } from "greeting";

// region: serve
const server = createServer((request, response) => {
  response.end(`${greeting(userInfo().username)}\n`);
});
server.listen(8080, "0.0.0.0", () => console.log("listening"));

// As process 1, node would ignore a request to stop.
process.on("SIGTERM", () => {
  console.log("stopping");
  // Requests under way may finish.
  server.close();
});
// endregion: serve
