// A page that has moved: on to where it is now, and to the section that was asked for.
addEventListener("DOMContentLoaded", () => {
  const section = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
  const page = document.querySelector("a").href;
  location.replace(section ? section.href : page.includes("#") ? page : page + location.hash);
});
