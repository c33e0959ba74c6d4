// Which page is shown, and how the server is.
import { el } from "./util.js";
import { connect, listen, state } from "./store.js";
import { listPage } from "./list.js";
import { comparePage, runPage } from "./run.js";
import { newPage, queuePage } from "./form.js";

const main = document.getElementById("main");
let leave = null, shown = 0;

function route() {
  if (leave) leave();
  leave = null;
  shown += 1;
  const [page, ...rest] = location.hash.slice(1).split("/").map(decodeURIComponent);
  if (page === "run" && rest.length) leave = runPage(main, rest.join("/"));
  else if (page === "compare" && rest.length) leave = comparePage(main, rest);
  else if (page === "newest") leave = newestPage();
  else if (page === "queue") leave = queuePage(main);
  else if (page === "new") {
    const own = ++shown;
    newPage(main, () => own === shown).then((close) => { if (own === shown) leave = close; else close(); });
  }
  else leave = listPage(main);
  mark(page);
}

function mark(page) {
  for (const link of document.querySelectorAll("#nav a")) {
    const own = link.getAttribute("href").slice(1);
    if (own === page || (own === "runs" && ["", "runs"].includes(page))) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
}

// Wait for the run that was started with this page, and show it.
function newestPage() {
  main.replaceChildren(el("div", { class: "empty", role: "status" }, el("span", {}, "The run prepares: it reads its pictures and compiles its programs. It appears here at its first step.")));
  const opened = Date.now() / 1000;
  const look = () => {
    const runs = Object.values(state.runs).filter((run) => ["running", "starting"].includes(run.status) || run.changed > opened);
    runs.sort((one, other) => other.changed - one.changed);
    if (runs.length) location.replace(`#run/${encodeURIComponent(runs[0].name)}`);
  };
  look();
  return listen(look);
}

function frame() {
  const link = document.getElementById("link"), problem = document.getElementById("problem");
  document.getElementById("folder").textContent = state.folder;
  link.textContent = state.connected ? "live" : state.loaded ? "no answer" : "connecting";
  link.className = `link ${state.connected ? "live" : state.loaded ? "lost" : ""}`;
  const text = state.problem || (!state.connected && state.loaded ? "The server does not answer: it was stopped, or the connection is broken. What is shown is what it last said; runs go on without it. To see more, start `subjective watch` again and open its new address." : "");
  if (problem.textContent !== text) problem.textContent = text;
  problem.hidden = !text;
}

// With `subjective studio` there are a form and a queue.
const nav = document.getElementById("nav");
const waiting = el("a", { href: "#queue" }, "Queue");
nav.append(el("a", { href: "#runs" }, "Runs"));
function offer() {
  if (!state.queue) return;
  if (!waiting.isConnected) {
    nav.append(el("a", { href: "#new" }, "New run"), waiting);
    mark(location.hash.slice(1).split("/")[0]);
  }
  const open = state.queue.filter((entry) => ["waiting", "running"].includes(entry.status)).length;
  waiting.textContent = open ? `Queue (${open})` : "Queue";
}
document.getElementById("skip").addEventListener("click", (event) => { event.preventDefault(); main.focus(); });
window.addEventListener("hashchange", route);
listen(frame);
listen(offer);
connect();
route();
