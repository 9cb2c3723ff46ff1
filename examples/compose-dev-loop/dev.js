// Runs the server, and runs it anew after each change in its folder.
// Stands for a tool such as nodemon, or the development server of a framework.
import { spawn } from "node:child_process";
import { watch } from "node:fs";

let server, timer;

function start() {
  server = spawn(process.execPath, ["src/server.js"], { stdio: "inherit" });
}

function restart() {
  console.log("a change in src");
  if (server.exitCode !== null || server.signalCode !== null) start();
  else server.once("exit", start).kill();
}

start();
// The folder, not its files: an editor puts a new file in the place of the old one.
watch("src", () => {
  clearTimeout(timer);
  timer = setTimeout(restart, 100);
});
process.on("SIGTERM", () => process.exit(server.kill() ? 0 : 1));
