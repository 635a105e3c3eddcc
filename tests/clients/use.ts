// Uses the TypeScript client of a service at API_URL.
import { api, session, unwrap } from "./client.ts";

const email = "ann@example.com";
const password = "Correct1Horse";
const problems: unknown[] = [];

unwrap(await api.POST("/api/v1/users/", { body: { email, full_name: "Ann", password } }));
await session.logIn(email, "Wrong1Horse").catch((error) => problems.push(error.problem?.code));
await session.logIn(email, password);
for (const title of ["red apple", "green apple", "pear"]) {
  unwrap(await api.POST("/api/v1/items/", { body: { title } }));
}
const invalid = await api.POST("/api/v1/items/", { body: { title: "" } });
problems.push(invalid.error?.errors?.[0]?.loc.join("."));

process.stdout.write("waiting\n"); // until the access token is rejected
await new Promise((resolve) => process.stdin.once("data", resolve));
const [page, me] = await Promise.all([
  api.GET("/api/v1/items/", { params: { query: { q: "apple", sort: "-title", count: true } } }),
  api.GET("/api/v1/users/me"),
  api.POST("/api/v1/items/", { body: { title: "late" } }),
]);
const titles = unwrap(page).map((item) => item.title);
const count = page.response.headers.get("X-Total-Count");
console.log(JSON.stringify([problems, titles, count, unwrap(me).email]));
unwrap(await api.POST("/api/v1/auth/logout"));
process.exit();
