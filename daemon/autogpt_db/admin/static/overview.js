// The overview: each event of the stream is one section's newest figures, drawn into its place.
"use strict";
const place = (id) => document.getElementById(id);
const number = new Intl.NumberFormat("en");
const none = (text) => make("p", { class: "none" }, text);
const tag = (text, kind) => make("span", { class: "tag " + (kind || "") }, text);

function bytes(count) {
  if (count == null) return "–";
  const units = ["B", "kB", "MB", "GB", "TB"];
  let unit = 0;
  while (count >= 1000 && unit < 4) { count /= 1000; unit++; }
  return count.toFixed(unit && count < 100 ? 1 : 0) + " " + units[unit];
}

// Columns are [title, class, of(row)]; what keeps the focus is put back after drawing.
function table(id, caption, columns, rows, empty, more) {
  const target = place(id);
  const held = document.activeElement && target.contains(document.activeElement)
    ? document.activeElement.dataset.key : null;
  const opened = target.querySelector("details")?.open;
  if (!rows.length) { target.replaceChildren(none(empty)); return; }
  const draw = (some) => make("div", { class: "scroll" }, make("table", { "aria-label": caption },
    make("thead", {}, make("tr", {}, ...columns.map(([title, kind]) => make("th", { scope: "col", class: kind.replace("mono", "") }, title)))),
    make("tbody", {}, ...some.map((row) => make("tr", {},
      ...columns.map(([, kind, of]) => make("td", { class: kind }, ...[of(row)].flat())))))));
  const shown = more ? rows.slice(0, more) : rows;
  const rest = more ? rows.slice(more) : [];
  target.replaceChildren(draw(shown), rest.length
    ? make("details", { open: opened }, make("summary", {}, rest.length + " more"), draw(rest)) : "");
  reachable(target);
  if (held) [...target.querySelectorAll("[data-key]")].find((each) => each.dataset.key === held)?.focus();
}

// What must be scrolled sideways is reached by the keyboard, too.
function reachable(target) {
  for (const box of target.querySelectorAll(".scroll")) {
    if (box.scrollWidth > box.clientWidth) {
      box.setAttribute("tabindex", "0");
      box.setAttribute("role", "group");
      box.setAttribute("aria-label", box.firstElementChild.getAttribute("aria-label"));
    }
  }
}

function pairs(id, entries) {
  place(id).replaceChildren(make("dl", {}, ...entries.filter(([, value]) => value != null)
    .flatMap(([name, value]) => [make("dt", {}, name), make("dd", {}, ...[value].flat())])));
}

const kinds = { RUNNING: "good", STARTING: "warn", BACKOFF: "bad", FATAL: "bad", STOPPED: "warn", STOPPING: "warn", EXITED: "warn" };

function showTree(tree) {
  place("words").textContent = plain(tree.unknown || `${tree.words} (pid ${tree.pid})`);
  if (tree.unknown) { place("tree").replaceChildren(none(tree.unknown)); return; }
  table("tree", "Processes", [
    ["process", "s", (row) => make("b", {}, row.name)],
    ["state", "s", (row) => tag(row.state, kinds[row.state])],
    ["pid", "n", (row) => row.pid ?? "–"],
    ["up for", "n", (row) => duration(row.uptime_seconds)],
    ["restarts", "n", (row) => String(row.restarts)],
    ["last exit", "l", (row) => row.last_exit ?? "–"],
    ["memory", "n", (row) => bytes(row.memory)],
    ["connections", "s", (row) => row.pool ? `${row.pool.in_use} of ${row.pool.size} in use, ${row.pool.waiting} waiting` : "–"],
    ["lanes", "s", (row) => Object.entries(row.lanes || {}).map(([name, lane]) =>
      `${name} ${lane.in_use ?? 0}/${lane.size ?? 0}${lane.waiting ? ", " + lane.waiting + " waiting" : ""}`).join("; ") || "–"],
    ["held longest by", "l", (row) => row.pool?.longest_holder ? `${row.pool.longest_holder}, ${duration(row.pool.longest_holder_seconds)}` : "–"],
  ], tree.processes, "None.");
  const schema = tree.schema;
  if (!schema) { place("release").replaceChildren(none("No API process has said yet.")); return; }
  pairs("release", [
    ["looks like", schema.release || "no known release"],
    ["methods served", String(schema.methods)],
    ["not served", schema.not_served ? [String(schema.not_served), make("br"), make("code", {}, schema.lacking.join(", "))] : "none"],
    ["passed on", passedOn],
  ]);
}

let passedOn = "none";
const plots = {};
const colour = (at) => getComputedStyle(document.documentElement).getPropertyValue("--c" + at).trim();

function plot(id, names, data, label) {
  const target = place(id);
  const key = names.join();
  if (plots[id]?.key === key && plots[id].scheme === scheme.matches) { plots[id].chart.setData(data); return; }
  plots[id]?.chart.destroy();
  const ink = getComputedStyle(document.body).color;
  const line = getComputedStyle(document.documentElement).getPropertyValue("--line").trim();
  const axis = { stroke: ink, grid: { stroke: line, width: 1 }, ticks: { stroke: line }, font: "11px system-ui" };
  const chart = new uPlot({
    width: target.clientWidth, height: 220,
    scales: { x: { range: (_, low, high) => [Math.max(high - 3600, Math.min(low, high - 600)), high] }, y: { range: (_, low, high) => [0, high > 0 ? high * 1.1 : 1] } },
    axes: [axis, { ...axis, size: 62, values: (_, ticks) => ticks.map(label) }],
    series: [{ value: "{HH}:{mm}:{ss}" }, ...names.map((name, at) => ({
      label: name, stroke: colour(at), width: at ? 1.5 : 2, dash: at ? undefined : [5, 4], spanGaps: false,
      points: { size: 4 }, value: (_, value) => value == null ? "–" : label(value),
    }))],
  }, data, target);
  plots[id] = { chart, key, scheme: scheme.matches };
}

const scheme = matchMedia("(prefers-color-scheme: dark)");
let lastRates = null;
scheme.addEventListener("change", () => lastRates && showRates(lastRates));
addEventListener("resize", () => Object.entries(plots).forEach(([id, { chart }]) =>
  chart.setSize({ width: place(id).clientWidth, height: 220 })));

function showRates(rates) {
  lastRates = rates;
  if (rates.unknown) return;
  const names = rates.lines.map((line) => line.name);
  const nothing = (values) => values.length ? values : [null];
  const times = rates.times.length ? rates.times : [Math.round(Date.now() / 1000)];
  plot("rate-plot", names, [times, ...rates.lines.map((line) => nothing(line.rate))], (value) => number.format(value) + "/s");
  plot("time-plot", names, [times, ...rates.lines.map((line) => nothing(line.p99))], duration);
  table("methods", "Methods in the last hour", [
    ["method", "l mono", (row) => row.name],
    ["calls", "n", (row) => number.format(row.calls)],
    ["median", "n", (row) => duration(row.p50)],
    ["99 %", "n", (row) => duration(row.p99)],
    ["errors", "n", (row) => row.errors ? tag(number.format(row.errors), "bad") : "–"],
  ], rates.methods, "No calls in the last hour.", 10);
  table("errors", "Errors in the last hour", [
    ["status", "s", (row) => tag(row.status, row.status >= "500" ? "bad" : "warn")],
    ["method", "l mono", (row) => row.method],
    ["answers", "n", (row) => number.format(row.count)],
  ], rates.errors, "No errors in the last hour.", 10);
  table("statements", "Slow statements in the last hour", [
    ["statement of", "l mono", (row) => row.name],
    ["runs", "n", (row) => number.format(row.count)],
    ["over 100 ms", "n", (row) => number.format(row.slow)],
    ["median", "n", (row) => duration(row.p50)],
    ["99 %", "n", (row) => duration(row.p99)],
    ["in all", "n", (row) => duration(row.seconds)],
  ], rates.statements, "None took longer than 100 ms.", 10);
  passedOn = rates.passed_on.length
    ? rates.passed_on.map((row) => `${row.method} (${number.format(row.calls)})`).join(", ") : "none";
}

function button(text, key, path) {
  const made = make("button", { type: "button", "data-key": key }, text);
  made.addEventListener("click", () => act(path, made));
  return made;
}

function jobState(row) {
  if (row.process) {
    const share = row.total ? row.done / row.total : null;
    const left = row.remaining == null ? "" : `, ${duration(row.remaining)} left`;
    return [tag("running", "good"), ` on ${row.process} `,
      share == null ? "" : make("progress", { max: 1, value: share, "aria-label": "Progress of " + row.job }),
      row.done == null ? "" : ` ${number.format(row.done)}${row.total ? " of " + number.format(row.total) : ""}${left}`];
  }
  if (row.paused) return [tag("paused", "warn"), row.waiting ? ` ${row.waiting} waiting` : ""];
  return row.waiting ? [tag("waiting")] : [tag("idle")];
}

function showJobs(found) {
  if (found.unknown) { place("jobs").replaceChildren(none(found.unknown)); return; }
  table("jobs", "Jobs", [
    ["job", "l", (row) => [make("b", {}, row.job), make("br"), make("small", {}, row.summary)]],
    ["when", "s mono", (row) => row.schedule ?? "on demand"],
    ["now", "l", jobState],
    ["last", "l", (row) => row.last_outcome == null ? "–"
      : [tag(row.last_outcome, row.last_outcome === "succeeded" ? "good" : "bad"),
        make("span", { class: "when" }, ` ${row.last_ended_at.slice(0, 16).replace("T", " ")}, took ${duration(row.last_seconds)}`),
        row.last_reason ? [make("br"), row.last_reason] : ""].flat()],
    ["actions", "s", (row) => [button("Run now", row.job + " run", `/jobs/${row.job}/run`),
      row.paused ? button("Resume", row.job + " pause", `/jobs/${row.job}/resume`)
        : button("Pause", row.job + " pause", `/jobs/${row.job}/pause`)]],
  ], found.jobs, "None.");
  for (const made of place("jobs").querySelectorAll("button")) {
    made.setAttribute("aria-label", `${made.textContent}: ${made.dataset.key.split(" ")[0]}`);
  }
  table("failed", "Failed jobs", [
    ["number", "n", (row) => String(row.id)],
    ["job", "s", (row) => row.job],
    ["tries", "n", (row) => String(row.attempts)],
    ["reason", "l", (row) => row.reason ?? "–"],
    ["actions", "s", (row) => button("Queue again", "requeue " + row.id, `/failed/${row.id}/requeue`)],
  ], found.failed, "None has failed.", 10);
}

function showStuck(found) {
  if (found.unknown) { place("stuck").replaceChildren(none(found.unknown)); return; }
  table("stuck", "Stuck executions", [
    ["kind", "s", (row) => tag(row.kind, "warn")],
    ["run", "l mono", (row) => make("a", { href: "/runs/" + encodeURIComponent(row.id) }, row.id)],
    ["status", "s", (row) => row.status],
    ["silent for", "n", (row) => duration(row.seconds)],
    ["the job will", "s", (row) => row.action],
  ], found.stuck, `Nothing is stuck of what was made within ${found.days} days.`, 10);
}

function showDatabase(found) {
  if (found.unknown || found.up === false) {
    place("database").replaceChildren(none(found.unknown || "The database does not answer."));
    place("locks").replaceChildren(none("Not known."));
    return;
  }
  pairs("database", [
    ["server", found.version && ["PostgreSQL " + found.version, found.in_recovery ? " (standby)" : ""]],
    ["size", bytes(found.size)],
    ["connections", found.connections == null ? null : `${found.connections} of ${found.connections_max}`],
    ["oldest transaction", duration(found.oldest_transaction)],
    ["standbys", found.standbys == null ? null : `${found.standbys}${found.lag == null ? "" : ", " + duration(found.lag) + " behind"}`],
  ]);
  if (found.tables.length) {
    place("database").append(make("h3", {}, "Rows"), make("dl", {}, ...found.tables.flatMap(([name, live, dead]) =>
      [make("dt", { class: "mono" }, name), make("dd", {}, number.format(live), dead ? make("small", {}, ` and ${number.format(dead)} dead`) : "")])));
  }
  table("locks", "Waiting for locks", [
    ["pid", "n", (row) => String(row.pid)],
    ["session", "s", (row) => row.application || "–"],
    ["for", "n", (row) => duration(row.seconds)],
    ["lock", "l mono", (row) => `${row.mode} on ${row.target}`],
    ["behind", "l", (row) => (row.behind || []).map((one) => `${one.pid} ${one.application}`).join(", ")],
  ], found.locks, "Nobody waits.");
}

// The log -------------------------------------------------------------------------------------
const levels = { debug: 0, info: 1, warning: 2, error: 3, critical: 4 };
const log = place("log");
const common = new Set(["timestamp", "level", "event", "process"]);
const MOST = 500;

function showLog(records) {
  const least = Number(place("log-level").value);
  const atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 40;
  if (place("log-hold").checked) return;
  for (const record of records) {
    if (levels[record.level] < least) continue;
    const fields = Object.entries(record).filter(([name]) => !common.has(name))
      .map(([name, value]) => `${name}=${typeof value === "string" ? value : JSON.stringify(value)}`).join(" ");
    log.append(make("p", { class: record.level }, make("span", { class: "t" }, String(record.timestamp).slice(11, 23) + " "),
      `${record.process} `, make("b", {}, record.event), make("span", { class: "f" }, " " + fields)));
  }
  while (log.childElementCount > MOST) log.firstElementChild.remove();
  if (atEnd) log.scrollTop = log.scrollHeight;
}

// The stream ----------------------------------------------------------------------------------
const shows = { tree: showTree, rates: showRates, jobs: showJobs, stuck: showStuck, database: showDatabase, log: showLog };
const link = place("link");
let wait = 500;

function connect() {
  const stream = new EventSource("/live");
  stream.onopen = () => { wait = 500; link.className = "link up"; link.textContent = "live"; };
  stream.onerror = async () => {
    stream.close();
    link.className = "link down";
    link.textContent = "not connected";
    try {
      const answer = await fetch("/", { method: "HEAD" });
      if (answer.status === 401) { location.href = "/login"; return; }
    } catch { /* it is down: the next try tells */ }
    setTimeout(connect, wait);
    wait = Math.min(wait * 2, 8000);
  };
  for (const [name, show] of Object.entries(shows)) {
    stream.addEventListener(name, (event) => {
      try { show(JSON.parse(event.data)); } catch (error) { console.warn(name, error); }
    });
  }
}
connect();
