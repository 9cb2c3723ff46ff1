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
