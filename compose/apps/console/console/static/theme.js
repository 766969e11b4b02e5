// Before the first paint: the theme that was chosen, else the system's.
const chosen = localStorage.getItem("theme");
if (chosen) document.documentElement.style.colorScheme = chosen;

// Browsers give up files in flight when a network appears, as it does with each container that starts: the page would
// wait for ever. So it is loaded again, a few times at most.
let whole = true;
addEventListener("error", ({ target }) => {
  const times = Number(sessionStorage.getItem("reloaded"));
  if (target === window || !whole || times >= 3) return;
  whole = false;
  sessionStorage.setItem("reloaded", times + 1);
  setTimeout(() => location.reload(), 300);
}, true);
addEventListener("load", () => whole && sessionStorage.removeItem("reloaded"));

document.addEventListener("DOMContentLoaded", () => {
  document.getElementById("theme").addEventListener("click", () => {
    const root = document.documentElement;
    const now = root.style.colorScheme || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
    root.style.colorScheme = now === "dark" ? "light" : "dark";
    localStorage.setItem("theme", root.style.colorScheme);
    document.dispatchEvent(new Event("theme"));
  });
});
