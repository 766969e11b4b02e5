// Before the first paint: the theme that was chosen, else the system's.
const chosen = localStorage.getItem("theme");
if (chosen) document.documentElement.style.colorScheme = chosen;

document.addEventListener("DOMContentLoaded", () => {
  document.getElementById("theme").addEventListener("click", () => {
    const root = document.documentElement;
    const now = root.style.colorScheme || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
    root.style.colorScheme = now === "dark" ? "light" : "dark";
    localStorage.setItem("theme", root.style.colorScheme);
    document.dispatchEvent(new Event("theme"));
  });
});
