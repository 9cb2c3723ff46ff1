#!/usr/bin/env node
// Stands for what only the build needs, such as a compiler or a bundler.
// Copies the files of one folder into another, without the lines that are comments.
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const [from, to] = process.argv.slice(2);
mkdirSync(to, { recursive: true });
for (const name of readdirSync(from)) {
  const lines = readFileSync(join(from, name), "utf8").split("\n");
  writeFileSync(join(to, name), lines.filter((line) => !/^\s*\/\//.test(line)).join("\n"));
}
