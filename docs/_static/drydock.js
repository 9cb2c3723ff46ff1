// A code sample that scrolls can be reached by keyboard, and says what it is.
document.querySelectorAll("div.highlight pre").forEach((pre) => {
  const name = pre.closest(".drydock-block")?.querySelector(".drydock-name");
  const mark = () => {
    if (pre.scrollWidth <= pre.clientWidth) return;
    pre.tabIndex = 0;
    pre.setAttribute("role", "group");
    pre.setAttribute("aria-label", name?.textContent ?? "code sample");
  };
  mark();
  addEventListener("resize", mark);
});

// Furo has two landmarks of one kind: the site's contents and the page's.
document.querySelector("aside.sidebar-drawer")?.setAttribute("aria-label", "Site");
document.querySelector("aside.toc-drawer")?.setAttribute("aria-label", "Page");
// Its captions in the contents are headings without a level.
document.querySelectorAll("p.caption[role=heading]").forEach((caption) => caption.setAttribute("aria-level", "2"));
