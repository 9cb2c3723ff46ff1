// In the head of a page with tabs: what was chosen before is chosen as soon as it is read, so that nothing moves later.
try {
  const choose = () =>
    document.querySelectorAll(".sd-tab-set > label[data-sync-group]").forEach((label) => {
      const { syncGroup, syncId } = label.dataset;
      if (localStorage.getItem(`sphinx-design-tab-id-${syncGroup}`) === syncId) label.control.checked = true;
    });
  const watch = new MutationObserver(choose);
  watch.observe(document, { childList: true, subtree: true });
  addEventListener("DOMContentLoaded", () => watch.disconnect());
} catch {
  // A browser may keep nothing.
}
