"use strict";

// Times people read: "3 min ago", renewed as they pass.
const STEPS = [[1000, "s"], [60e3, "min"], [3600e3, "h"], [86400e3, "d"]];
function ago(moment) {
  const passed = Math.max(0, Date.now() - moment);
  if (passed < 2000) return "now";
  const [size, unit] = [...STEPS].reverse().find(([size]) => passed >= size) || STEPS[0];
  return `${Math.floor(passed / size)} ${unit} ago`;
}
function renewTimes() {
  for (const each of document.querySelectorAll("time[data-ago]")) {
    each.textContent = ago(Number(each.dataset.ago));
    each.title = new Date(Number(each.dataset.ago)).toLocaleString();
  }
}

// What is live on a page is fetched anew when the server says that it changed. What a person has the focus in,
// or has begun to fill in, is left alone.
let fetching = false, again = false;
async function renew() {
  if (fetching) { again = true; return; }
  fetching = true;
  try {
    const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
    if (!answer.ok) return;
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    for (const part of document.querySelectorAll("[data-live]")) {
      const other = fresh.getElementById(part.id);
      if (!other || other.innerHTML === part.innerHTML || part.querySelector("form.question :focus")) continue;
      const focused = part.contains(document.activeElement) ? pathOf(document.activeElement, part) : null;
      part.innerHTML = other.innerHTML;
      if (focused) at(focused, part)?.focus();
    }
    const log = document.getElementById("log"), newer = fresh.getElementById("log");
    if (log && newer && !log.dataset.stream && newer.dataset.stream) location.reload();
    renewTimes(); filterJobs(); bind();
  } finally {
    fetching = false;
    if (again) { again = false; setTimeout(renew, 300); }
  }
}
function pathOf(element, root) {
  const path = [];
  for (let at = element; at !== root; at = at.parentElement) path.unshift([...at.parentElement.children].indexOf(at));
  return path;
}
function at(path, root) { return path.reduce((element, index) => element && element.children[index], root); }

const offline = document.querySelector(".offline");
let due = 0;
if (document.body.dataset.topics && window.EventSource) {
  const events = new EventSource(`/events?topics=${encodeURIComponent(document.body.dataset.topics)}`);
  events.addEventListener("changed", () => { clearTimeout(due); due = setTimeout(renew, 150); });
  events.onerror = () => { offline.hidden = false; };
  events.onopen = () => { if (!offline.hidden) { offline.hidden = true; renew(); } };
  addEventListener("pagehide", () => events.close());
}

// Console
const log = document.getElementById("log");
const MOST_LINES = 8000;
function showTimes(root) {
  for (const each of root.querySelectorAll("time[data-t]:not([title])")) {
    const moment = new Date(Number(each.dataset.t));
    each.textContent = moment.toLocaleTimeString([], { hour12: false });
    each.title = moment.toLocaleString();
  }
}
if (log) {
  const times = document.getElementById("times"), follow = document.getElementById("follow");
  times.checked = localStorage.getItem("times") === "yes";
  const setTimes = () => log.classList.toggle("timed", times.checked);
  times.addEventListener("change", () => { localStorage.setItem("times", times.checked ? "yes" : "no"); setTimes(); });
  setTimes(); showTimes(log);
  const toEnd = () => { if (follow.checked) log.scrollTop = log.scrollHeight; };
  toEnd();
  log.addEventListener("wheel", (event) => { if (event.deltaY < 0) follow.checked = false; }, { passive: true });
  if (log.dataset.stream && window.EventSource) {
    let open = false; // does the last line go on?
    const stream = new EventSource(`${log.dataset.stream}?start=${log.dataset.end}`);
    stream.addEventListener("log", (event) => {
      const piece = JSON.parse(event.data);
      const holder = document.createElement("template");
      holder.innerHTML = piece.html;
      if (open && log.lastElementChild && holder.content.firstElementChild) {
        const first = holder.content.firstElementChild;
        first.querySelector("time")?.remove();
        log.lastElementChild.append(...first.childNodes);
        first.remove();
      }
      log.append(holder.content);
      open = piece.open;
      while (log.childElementCount > MOST_LINES) log.firstElementChild.remove();
      showTimes(log); toEnd();
    });
    stream.addEventListener("end", () => { stream.close(); renew(); });
    addEventListener("pagehide", () => stream.close());
  }
}

// Jobs by name
const filter = document.getElementById("filter");
function filterJobs() {
  if (!filter) return;
  const wanted = filter.value.trim().toLowerCase();
  let shown = 0;
  for (const row of document.querySelectorAll("tr[data-name]")) {
    row.hidden = !row.dataset.name.includes(wanted);
    shown += !row.hidden;
  }
  const nothing = document.getElementById("nothing");
  if (nothing) nothing.hidden = shown > 0;
}
filter?.addEventListener("input", filterJobs);
filter?.addEventListener("keydown", (event) => {
  if (event.key === "Enter") document.querySelector("tr[data-name]:not([hidden]) a.name")?.click();
  if (event.key === "Escape") { filter.value = ""; filterJobs(); filter.blur(); }
});
addEventListener("keydown", (event) => {
  if (event.key === "/" && !event.target.closest("input, textarea, select") && filter) { event.preventDefault(); filter.focus(); }
});

// Forms
function bind() {
  for (const form of document.querySelectorAll("form[data-confirm]")) {
    form.onsubmit = () => confirm(form.dataset.confirm);
  }
}
const kind = document.querySelector('select[name="kind"]');
function showOnly() {
  for (const field of document.querySelectorAll("[data-only]")) field.hidden = !field.dataset.only.split(" ").includes(kind.value);
}
if (kind) { kind.addEventListener("change", showOnly); showOnly(); }

document.getElementById("theme").addEventListener("click", () => {
  const dark = document.documentElement.dataset.theme
    ? document.documentElement.dataset.theme === "dark"
    : matchMedia("(prefers-color-scheme: dark)").matches;
  document.documentElement.dataset.theme = dark ? "light" : "dark";
  localStorage.setItem("theme", document.documentElement.dataset.theme);
});

bind(); renewTimes(); setInterval(renewTimes, 1000);
