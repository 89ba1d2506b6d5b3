"use strict";

const itemId = decodeURIComponent(location.pathname.replace("/item/", ""));
const number = (value, digits = 3) =>
  value === null || value === undefined ? "—" : Number(value).toLocaleString(undefined, { maximumFractionDigits: digits });
const time = (seconds) => (seconds ? new Date(seconds * 1000).toLocaleString() : "—");

function list(id, entries) {
  byId(id).replaceChildren(...entries.flatMap(([name, value]) => {
    const dt = document.createElement("dt"), dd = document.createElement("dd"), pair = document.createElement("div");
    dt.textContent = name;
    dd.textContent = value;
    pair.append(dt, dd);
    return [pair];
  }));
}

function explain(reasons) {
  const largest = Math.max(...reasons.map((r) => Math.abs(r.contribution)), 1e-9);
  const body = byId("explanation");
  body.replaceChildren();
  for (const reason of reasons) {
    const row = body.insertRow();
    row.insertCell().textContent = reason.words;
    const value = row.insertCell(), adds = row.insertCell();
    value.className = adds.className = "number";
    value.textContent = number(reason.value);
    adds.textContent = (reason.contribution >= 0 ? "+" : "") + reason.contribution.toFixed(3);
    const bar = document.createElement("div"), fill = document.createElement("i");
    bar.className = "bar";
    fill.className = reason.contribution >= 0 ? "plus" : "minus";
    fill.style.width = `${(50 * Math.abs(reason.contribution)) / largest}%`;
    bar.append(fill);
    row.insertCell().append(bar);
  }
}

function show(item) {
  document.title = `${item.title || item.item_id} · streamer`;
  byId("title").textContent = item.title || item.item_id;
  byId("about").textContent = item.description || "";
  list("facts", [
    ["item", item.item_id], ["brand", item.brand || "—"], ["category", item.category.join(" › ") || "—"],
    ["price", item.price === null ? "—" : `${number(item.price, 2)} ${item.currency}`],
    ["stock", item.withdrawn ? "withdrawn" : number(item.stock)],
    ["launched", time(item.launch_time)], ["last event", time(item.last_event_time)],
    ["version", item.version], ["reviews read", item.reviews.encoded], ["sentiment", number(item.reviews.sentiment)],
  ]);
  byId("probability").textContent = percent(item.score.probability);
  byId("stage").textContent = item.score.stage;
  byId("stage").className = `stage ${item.score.stage}`;
  byId("reasons").textContent = item.score.reasons.join("   ");
  list("boards", [
    ["uncertainty of the logit", number(item.score.uncertainty)], ["model", item.score.model],
    ...Object.entries(item.boards).map(([board, rank]) => [`rank on “${board}”`, rank ?? "not listed"]),
  ]);
  explain(item.explanation);
  list("totals", [
    ...Object.entries(item.totals), ...Object.entries(item.amounts).map(([k, v]) => [k, number(v, 2)]),
    ...Object.entries(item.distinct).map(([k, v]) => [`distinct ${k}`, v]),
  ]);
  list("decayed", Object.entries(item.decayed).map(([k, v]) => [k.replace("_", ", "), number(v)]));
}

async function refresh() {
  try {
    const answer = await fetch(`/api/item?id=${encodeURIComponent(itemId)}`);
    const item = await answer.json();
    if (answer.ok) show(item);
    byId("item").hidden &&= !answer.ok;
    byId("state").textContent = answer.ok ? "live" : item.error;
  } catch {
    byId("state").textContent = "reconnecting…";
  }
}

refresh();
setInterval(refresh, 2000);
