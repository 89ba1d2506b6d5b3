"use strict";

let board = new URLSearchParams(location.search).get("board") || "all";
let source = null;

function cell(row, text, kind) {
  const td = row.insertCell();
  td.textContent = text;
  if (kind) td.className = kind;
  return td;
}

function change(line) {
  if (line.previous_rank === null) return ["new", "up"];
  const moved = line.previous_rank - line.rank;
  if (moved === 0) return ["·", "soft"];
  return moved > 0 ? [`▲ ${moved}`, "up"] : [`▼ ${-moved}`, "down"];
}

function show(told) {
  byId("state").textContent = "live";
  byId("when").textContent = told.time ? new Date(told.time * 1000).toLocaleString() : "";
  byId("notice").hidden = told.lines.length > 0;
  const body = byId("lines");
  body.replaceChildren();
  for (const line of told.lines) {
    const row = body.insertRow();
    const [text, kind] = change(line);
    if (kind !== "soft") row.className = "fresh";
    cell(row, line.rank, "number");
    cell(row, text, kind);
    const link = document.createElement("a");
    link.href = `/item/${encodeURIComponent(line.item_id)}`;
    link.textContent = line.title || line.item_id;
    link.title = line.item_id;
    const item = row.insertCell();
    item.className = "item";
    item.append(link);
    cell(row, percent(line.probability), "number");
    const stage = document.createElement("span");
    stage.className = `stage ${line.stage}`;
    stage.textContent = line.stage;
    row.insertCell().append(stage);
    cell(row, line.reason);
  }
}

function watch(name) {
  board = name;
  byId("title").textContent = name;
  history.replaceState(null, "", `/?board=${encodeURIComponent(name)}`);
  for (const button of byId("boards").children) {
    button.setAttribute("aria-current", String(button.dataset.board === name));
  }
  if (source) source.close();
  source = new EventSource(`/api/board/events?name=${encodeURIComponent(name)}`);
  source.onmessage = (event) => show(JSON.parse(event.data));
  source.onerror = reconnect;
}

// A browser reconnects by itself, but gives up on an answer that is no stream, such as a proxy's.
function reconnect(event) {
  byId("state").textContent = "reconnecting…";
  const given = event.target;
  if (given.readyState !== EventSource.CLOSED) return;
  setTimeout(() => { if (given === source) watchWhileSeen(); }, 3000);
}

async function listBoards() {
  try {
    const boards = await (await fetch("/api/boards")).json();
    byId("boards").replaceChildren(...boards.map(({ board: name, items }) => {
      const button = document.createElement("button");
      button.dataset.board = name;
      button.setAttribute("aria-current", String(name === board));
      const count = document.createElement("span");
      count.textContent = items;
      button.append(name, count);
      button.onclick = () => watch(name);
      return button;
    }));
    if (source?.readyState === EventSource.OPEN) byId("state").textContent = "live";
  } catch {
    byId("state").textContent = "reconnecting…";
  }
}

// A browser keeps six connections to a server: tabs that nobody sees would keep a seventh from loading.
function watchWhileSeen() {
  if (document.hidden) source?.close();
  else watch(board);
}

document.addEventListener("visibilitychange", watchWhileSeen);
watchWhileSeen();
listBoards();
setInterval(listBoards, 5000);
