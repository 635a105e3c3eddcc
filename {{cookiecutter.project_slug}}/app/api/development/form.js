const form = document.querySelector("form");
const output = document.querySelector("output");

async function send(event) {
  event?.preventDefault();
  const fields = Object.fromEntries([...new FormData(form)].filter(([, value]) => value));
  const token = new URLSearchParams(location.search).get("token") ?? undefined;
  const response = await fetch(form.dataset.url, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ ...fields, token }),
  });
  const problem = response.ok ? { detail: "Done." } : await response.json();
  const errors = (problem.errors ?? []).map(({ loc, msg }) => `${loc.join(".")}: ${msg}`);
  form.hidden = response.ok;
  output.textContent = [problem.detail, ...errors].join("\n");
}

form.addEventListener("submit", send);
if (!form.querySelector("[required]")) send();
