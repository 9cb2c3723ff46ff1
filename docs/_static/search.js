// Sphinx's search wants every word of a query on one page, so that an error message pasted whole, with names and
// numbers of its own, finds nothing. This one weighs: rare words count for more, and words of a heading once again.
// It leaves the rest to Sphinx; drydock/site/outputs/search.py writes the index.
Search._performSearch = (query, terms) => {
  const { docnames, titles, alltitles, terms: words } = Search._index;
  const stemmer = new Stemmer();
  const pagesOf = (word) => (Object.hasOwn(words, word) ? words[word] : []);
  const weigh = (word) => Math.log(1 + docnames.length / Math.max(1, pagesOf(word).length));
  const stems = (text) =>
    new Set(splitQuery(text.toLowerCase()).filter((word) => !stopwords.has(word)).map((word) => stemmer.stemWord(word)));
  // The index holds only the anchors that are not made this way.
  const usualAnchor = (heading) =>
    heading
      .toLowerCase()
      .replace(/[^a-z0-9]+/g, "-")
      .replace(/^[-0-9]+|-+$/g, "");
  const sum = (found) => [...found].reduce((total, word) => total + weigh(word), 0);

  // A page with many words has each of them sooner than a short one.
  const sizes = new Array(docnames.length).fill(0);
  Object.values(words).forEach((found) => found.forEach((page) => (sizes[page] += 1)));
  const usual = sizes.reduce((all, size) => all + size, 0) / sizes.length;

  const scores = new Array(docnames.length).fill(0);
  const known = [...terms].filter((word) => pagesOf(word).length);
  known.forEach((word) => pagesOf(word).forEach((page) => (scores[page] += weigh(word))));
  // A word that no page has may be the beginning of one.
  if (!known.length)
    for (const word of terms)
      for (const [longer, found] of Object.entries(words))
        if (word.length > 2 && longer.startsWith(word)) found.forEach((page) => (scores[page] += 1));

  // How much of the query a heading says, and how much of the heading the query says.
  const asked = new Set(known);
  const total = sum(asked) || 1;
  const best = new Map();
  const likenessTo = (text) => {
    const said = stems(text);
    const shared = sum([...said].filter((word) => asked.has(word)));
    return shared ? (shared * shared) / (total * sum(said)) + shared / sum(said) / 4 : 0;
  };
  for (const [heading, found] of Object.entries(alltitles)) {
    const likeness = likenessTo(heading);
    for (const [page, anchor = usualAnchor(heading)] of likeness ? found : [])
      if (likeness > (best.get(page)?.likeness ?? 0)) best.set(page, { likeness, heading, anchor });
  }

  const slug = query.trim().toLowerCase();
  return docnames
    .map((docname, page) => {
      const { likeness, heading, anchor } = best.get(page) ?? { likeness: 0 };
      const name = docname.split("/").pop();
      const named = name === slug ? 10 : Math.max(likenessTo(name), slug && name.startsWith(slug) ? 1 : 0);
      // What an example shows, or sets right, is told on another page.
      const told = /^(examples|concepts\/myths)\//.test(docname) ? 0.8 : 1;
      const found = scores[page] / (0.7 + (0.3 * sizes[page]) / usual);
      const score = told * (found + 2 * total * likeness) + named * total;
      const section = likeness > 0.4 && heading !== titles[page];
      const title = section ? `${titles[page]} > ${heading}` : titles[page];
      return [docname, title, section && anchor ? `#${anchor}` : "", null, score, docname, SearchResultKind.text];
    })
    .filter(([, , , , score]) => score > 0.3 * total)
    .sort((one, other) => one[4] - other[4]) // Sphinx shows the last one first
    .slice(-20);
};
