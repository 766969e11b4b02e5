// What the command line's simple verbs do, for those who signed in: restart, reset, faults on and off.

import { ask, h, notice } from "./base.js";

/** The buttons of a service's card. */
export function actions(service) {
  const button = (verb, name, act) =>
    h("button", { class: "small", type: "button", id: `${verb}-${service.name}`, "aria-label": `${name} ${service.title}`, onclick: act }, name);
  return h("p", { class: "actions" },
    service.can_restart ? button("restart", "Restart", () => restart(service)) : null,
    service.can_reset ? button("reset", "Reset", () => reset(service)) : null,
    service.faults.length ? button("faults", "Faults", () => faults(service)) : null);
}

function restart({ name, title }) {
  confirm(`Restart ${title}?`, "Its containers stop and start again; their data stays. Until it is ready, others wait for it.", "Restart", async () => {
    const { containers } = await change("POST", name, "restart");
    notice(`${title} was restarted (${containers} ${containers === 1 ? "container" : "containers"})`);
  });
}

function reset({ name, title }) {
  confirm(`Reset ${title}?`, "It forgets everything that was put into it. What the services want there is made again.", "Reset", async () => {
    await change("POST", name, "reset");
    notice(`${title} was reset: its data is fresh`);
  });
}

function change(method, service, what, body) {
  return ask(`/api/services/${service}/${what}`, {
    method, headers: { "Content-Type": "application/json" }, body: body ? JSON.stringify(body) : null,
  });
}

/** A dialog that ends with its closing; Escape closes it, and the focus returns to what opened it. */
function open(title, ...children) {
  const opener = document.activeElement.id;
  const heading = h("h2", { id: "dialog-title" }, title);
  const dialog = h("dialog", { "aria-labelledby": "dialog-title" }, heading, children);
  dialog.addEventListener("close", () => {
    dialog.remove();
    document.getElementById(opener)?.focus(); // perhaps drawn anew meanwhile
  });
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}

function confirm(title, text, verb, work) {
  const problem = h("p", { class: "bad", role: "alert" });
  const act = h("button", { class: "primary", type: "button", onclick: () => during(act, problem, async () => {
    await work();
    dialog.close();
  }) }, verb);
  const cancel = h("button", { type: "button", autofocus: true, onclick: () => dialog.close() }, "Cancel");
  const dialog = open(title, h("p", {}, text), problem, h("p", { class: "bar" }, act, cancel));
}

/** Works once at a time, and says what went wrong where one looks. */
async function during(button, problem, work) {
  if (button.getAttribute("aria-disabled")) return;
  button.setAttribute("aria-disabled", "true");
  problem.textContent = "";
  try {
    await work();
  } catch (error) {
    problem.textContent = error.status === 401 ? "The session is over: sign in again." : error.message;
  }
  button.removeAttribute("aria-disabled");
}

async function faults({ name, title }) {
  const problem = h("p", { class: "bad", role: "alert" });
  const list = h("ul", { class: "plain", "aria-label": "Faults" }, h("li", { class: "dim" }, "Asking its containers …"));
  const clear = h("button", { type: "button", onclick: () => during(clear, problem, async () => {
    await change("DELETE", name, "faults");
    notice(`${title} is rid of all faults`);
    await show();
  }) }, "All off");
  const close = h("button", { type: "button", autofocus: true, onclick: () => dialog.close() }, "Close");
  const dialog = open(`Faults of ${title}`, h("p", { class: "dim" }, "Breaks it on purpose, in each of its containers, until switched off."),
    list, problem, h("p", { class: "bar" }, close, clear));
  const show = async () => {
    const { faults } = await change("GET", name, "faults");
    const focused = document.activeElement.id;
    list.replaceChildren(...faults.map((item) => fault(item, name, title, problem, show)));
    document.getElementById(focused)?.focus();
  };
  await show().catch((error) => {
    list.replaceChildren();
    problem.textContent = error.message;
  });
}

function fault(item, service, title, problem, show) {
  const amount = h("input", { "aria-label": `Amount of ${item.name}`, type: "number", min: "0", step: "any", required: true, value: item.active || item.amount });
  const on = h("button", { id: `on-${item.name}`, "aria-label": `Switch ${item.name} on` }, item.active ? "Change" : "On");
  const off = h("button", { id: `off-${item.name}`, type: "button", "aria-label": `Switch ${item.name} off`, onclick: () => during(off, problem, async () => {
    await change("DELETE", service, `faults/${item.name}`);
    notice(`${item.name} is off in ${title}`);
    await show();
  }) }, "Off");
  return h("li", { "data-fault": item.name },
    h("p", {}, h("strong", {}, item.name), item.active ? h("span", { class: "tag bad" }, `on: ${item.active} ${item.unit}`) : null, " ",
      h("span", { class: "small" }, item.summary, item.alert ? ` Alert: ${item.alert}.` : "")),
    h("form", { class: "bar", onsubmit: (event) => {
      event.preventDefault();
      during(on, problem, async () => {
        await change("PUT", service, `faults/${item.name}`, { amount: amount.valueAsNumber });
        notice(`${item.name} is on in ${title}: ${amount.value} ${item.unit}`);
        await show();
      });
    } },
      h("label", {}, amount, item.unit), on, off));
}
