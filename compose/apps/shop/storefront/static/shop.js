// The basket beside the products: it is the server's, told and changed through the API.
const basket = document.getElementById("basket");
const notice = document.getElementById("notice");
const line = document.getElementById("line").content.firstElementChild;
let hiding;
let last = Promise.resolve();

const price = (cents) => `€${(cents / 100).toFixed(2)}`;

function show({ items, quantity, total_cents }) {
  basket.querySelector("ul").replaceChildren(...items.map((item) => {
    const row = line.cloneNode(true);
    row.querySelector("img").src = `/pictures/${item.product}.svg`;
    row.querySelector("span").textContent = item.name;
    row.querySelector("data").textContent = price(item.total_cents);
    row.querySelector("output").textContent = item.quantity;
    for (const button of row.querySelectorAll("[data-step]")) {
      button.ariaLabel = `${button.dataset.step > 0 ? "More" : "Less"}: ${item.name}`;
      button.onclick = () => ask("PUT", `/${item.product}`, { quantity: item.quantity + Number(button.dataset.step) });
    }
    return row;
  }));
  document.getElementById("count").textContent = quantity || "";
  document.getElementById("empty").hidden = quantity > 0;
  basket.querySelector("footer").hidden = quantity === 0;
  basket.querySelector("footer data").textContent = price(total_cents);
}

function say(text) {
  notice.textContent = text;
  notice.className = "shown";
  clearTimeout(hiding);
  hiding = setTimeout(() => (notice.className = ""), 5000);
}

// One change after the other: each answer brings the cookie that the next request needs.
function ask(method, path = "", body = undefined) {
  last = last.then(() => send(method, path, body));
  return last;
}

// Shows the basket as the answer tells it. What went wrong is said, with the id that finds it in the logs.
async function send(method, path, body) {
  const options = { method, headers: { "Content-Type": "application/json" }, body: body && JSON.stringify(body) };
  try {
    const response = await fetch(`/api/basket${path}`, options);
    const answer = await response.json().catch(() => ({}));
    if (response.ok) {
      show(answer.basket ?? answer);
      return answer;
    }
    const reason = answer.error?.message ?? `The shop answered ${response.status}.`;
    say(`${reason} Request ${response.headers.get("X-Request-Id") ?? "unknown"}.`);
  } catch {
    say("The shop does not answer.");
  }
  return null;
}

document.querySelector("main").addEventListener("click", async ({ target }) => {
  if (!target.dataset.product) return;
  target.disabled = true;
  await ask("POST", "", { product: target.dataset.product, quantity: 1 });
  target.disabled = false;
});

document.getElementById("order").addEventListener("click", async ({ target }) => {
  target.disabled = true;
  const answer = await ask("POST", "/checkout");
  target.disabled = false;
  if (!answer) return;
  const ids = answer.orders.map(({ id }) => id).join(", ");
  const kept = answer.orders.some(({ status }) => status === "kept");
  const many = answer.orders.length > 1;
  say(`Order${many ? "s" : ""} ${ids} ${many ? "are" : "is"} ${kept ? "kept and sent soon" : "on the way"}.`);
});

ask("GET");
