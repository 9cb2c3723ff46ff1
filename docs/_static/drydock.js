// What scrolls can be reached by keyboard, and says what it is.
document.querySelectorAll("div.highlight pre, .table-wrapper").forEach((box) => {
  const name = box.closest(".drydock-block")?.querySelector(".drydock-name");
  const mark = () => {
    if (box.scrollWidth <= box.clientWidth) return;
    box.tabIndex = 0;
    box.setAttribute("role", "group");
    box.setAttribute("aria-label", name?.textContent ?? (box.matches("pre") ? "code sample" : "table"));
  };
  mark();
  addEventListener("resize", mark);
});

// Furo has two landmarks of one kind: the site's contents and the page's.
document.querySelector("aside.sidebar-drawer")?.setAttribute("aria-label", "Site");
document.querySelector("aside.toc-drawer")?.setAttribute("aria-label", "Page");
// Its captions in the contents are headings without a level.
document.querySelectorAll("p.caption[role=heading]").forEach((caption) => caption.setAttribute("aria-level", "2"));

// The address names the tab that was chosen, so that it can be handed on.
document.querySelectorAll(".sd-tab-set > input").forEach((tab) => {
  const { id } = tab.nextElementSibling;
  if (id) tab.addEventListener("change", () => history.replaceState(null, "", `#${id}`));
});

// The list of examples shows those of a topic, or with a word.
const filter = document.querySelector("search.drydock-filter");
if (filter) {
  const [word, topic] = filter.querySelectorAll("input, select");
  const status = filter.querySelector("[role=status]");
  const groups = [...document.querySelectorAll(".drydock-topic")];
  const nameOf = (group) => group.querySelector(".drydock-topic-name").textContent;
  groups.forEach((group) => topic.add(new Option(nameOf(group))));
  const apply = () => {
    const wanted = word.value.trim().toLowerCase();
    let shown = 0;
    groups.forEach((group) => {
      const chosen = !topic.value || topic.value === nameOf(group);
      const items = [...group.querySelectorAll(".drydock-examples > li")];
      items.forEach((item) => (item.hidden = !chosen || !item.textContent.toLowerCase().includes(wanted)));
      const left = items.filter((item) => !item.hidden).length;
      group.hidden = !left;
      shown += left;
    });
    status.textContent = wanted || topic.value ? `${shown} shown` : "";
  };
  filter.addEventListener("input", apply);
}

// A section that has moved is named in the list of the page where it was: a link to its old place goes on to the new one.
// Its names there have other hyphens, some without its first number, as Sphinx and GitHub make them.
const lettersOf = (hash) => hash.replace(/^#[\d\W_]*|[\W_]/g, "");
if (location.hash && !document.getElementById(location.hash.slice(1))) {
  const links = [...document.querySelectorAll("article a.internal[href*='.html#']")];
  const moved = links.find((link) => lettersOf(link.hash) === lettersOf(location.hash));
  if (moved) location.replace(moved.href);
}

// Where something did not work, the link of a block goes straight to an issue that says which block it is.
const issue = document.querySelector("#drydock-wrong a");
document.querySelectorAll(".drydock-report").forEach((link) => {
  const block = link.closest(".drydock-block");
  const name = block.querySelector(".drydock-name").textContent;
  const [run] = block.querySelector(".drydock-badge p").childNodes;
  const typed = block.matches(".drydock-transcript") ? block.querySelector("pre").cloneNode(true) : null;
  typed?.querySelectorAll(".go, .gr").forEach((printed) => printed.remove());
  const lines = typed?.textContent.split("\n").filter(Boolean) ?? [];
  const about = [`Block: ${name}`, block.querySelector(".drydock-doubt summary")?.textContent ?? run.textContent, ...lines];
  const filled = new URL(issue.href);
  const [title, body] = [...filled.searchParams.keys()];
  filled.searchParams.set(title, `${filled.searchParams.get(title)}: ${name}`);
  // An address is cut by some hosts at 8 KB.
  const told = filled.searchParams.get(body).replace("\n\n", `\n${about.join("\n").slice(0, 800)}\n\n`);
  filled.searchParams.set(body, told);
  link.href = filled;
  link.setAttribute("aria-label", `${link.textContent} ${name}`);
});

// A term opens under a pointer that rests on it, too.
document.querySelectorAll(".drydock-term").forEach((term) => {
  const told = term.querySelector("[popover]");
  let resting;
  term.addEventListener("pointerenter", (event) => {
    if (event.pointerType === "mouse") resting = setTimeout(() => told.showPopover?.(), 300);
  });
  term.addEventListener("pointerleave", (event) => {
    clearTimeout(resting);
    if (event.pointerType === "mouse") told.hidePopover?.();
  });
  // Chromium leaves open what nobody clicked.
  addEventListener("keydown", (event) => event.key === "Escape" && told.hidePopover?.());
});
