// The Buy buttons: place an order through the API and say how it went.
const notice = document.getElementById("notice");
let hiding;

async function buy(product) {
  const response = await fetch("/api/orders", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ product, quantity: 1 }),
  });
  const answer = await response.json().catch(() => ({}));
  if (response.ok) return answer.status === "kept" ? `Order ${answer.id} is kept and sent soon.` : `Order ${answer.id} is on its way.`;
  const reason = answer.error?.message ?? `The shop answered ${response.status}.`;
  return `${reason} Request ${response.headers.get("X-Request-Id") ?? "unknown"}.`;
}

document.querySelector("main").addEventListener("click", async ({ target }) => {
  if (!target.dataset.product) return;
  target.disabled = true;
  notice.textContent = await buy(target.dataset.product).catch(() => "The shop does not answer.");
  target.disabled = false;
  notice.className = "shown";
  clearTimeout(hiding);
  hiding = setTimeout(() => (notice.className = ""), 5000);
});
