// The page of a run: draws the stream, knows how old the picture is, and never hides it.

const STATUS_MS = 500;
const PEOPLE_MS = 5000;
const TICK_MS = 100;
const RETRY_MS = 1000;
const ANSWER_MS = 3000;
const STAGES = {
  wait: "Waiting", preprocess: "Preprocess", inference: "Inference", decode: "Decode",
  capture_to_result: "Capture to result",
};

const $ = (id) => document.getElementById(id);
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
const seconds = () => performance.now() / 1000;

let status = null;      // the last figures
let answered = 0;       // when they came, seconds of this page's clock
let behind = 0;         // the server's clock less this page's
let refused = "";       // why the server does not want us
let shown = null;       // {index, time} of the picture on the screen
let streaming = null;   // AbortController of the stream

// -- the stream ------------------------------------------------------------------------------

// Yields the parts of a multipart stream as {headers, body}.
async function* parts(reader) {
  let rest = new Uint8Array(0);
  const more = async () => {
    const { value, done } = await reader.read();
    if (done) return false;
    const joined = new Uint8Array(rest.length + value.length);
    joined.set(rest);
    joined.set(value, rest.length);
    rest = joined;
    return true;
  };
  for (;;) {
    let end;
    while ((end = endOfHeaders(rest)) < 0) if (!(await more())) return;
    const lines = new TextDecoder().decode(rest.subarray(0, end)).split("\r\n");
    const headers = Object.fromEntries(
      lines.filter((line) => line.includes(": ")).map((line) => line.toLowerCase().split(": ")));
    const length = Number(headers["content-length"]);
    while (rest.length < end + 4 + length) if (!(await more())) return;
    yield { headers, body: rest.slice(end + 4, end + 4 + length) };
    rest = rest.slice(end + 4 + length);
  }
}

function endOfHeaders(bytes) {
  for (let i = 0; i + 3 < bytes.length; i++) {
    if (bytes[i] === 13 && bytes[i + 1] === 10 && bytes[i + 2] === 13 && bytes[i + 3] === 10) return i;
  }
  return -1;
}

let waiting = null;
let drawing = false;

// Draws a picture, unless a newer one has come by the time the one before is drawn.
async function draw(part) {
  waiting = part;
  if (drawing) return;
  drawing = true;
  while (waiting) {
    const { headers, body } = waiting;
    waiting = null;
    try {
      const picture = await createImageBitmap(new Blob([body], { type: "image/jpeg" }));
      const canvas = $("picture");
      if (canvas.width !== picture.width || canvas.height !== picture.height) {
        canvas.width = picture.width;
        canvas.height = picture.height;
      }
      canvas.getContext("2d").drawImage(picture, 0, 0);
      picture.close();
      shown = { index: Number(headers["x-frame"]), time: Number(headers["x-time"]) };
      canvas.dataset.frame = headers["x-frame"];
    } catch (error) {
      console.warn("a picture could not be decoded", error);
    }
  }
  drawing = false;
  tick();
}

async function stream() {
  for (;;) {
    while (document.hidden) await sleep(TICK_MS);
    streaming = new AbortController();
    try {
      const overlay = $("overlay").checked ? 1 : 0;
      const response = await fetch(`/stream.mjpg?overlay=${overlay}`, { signal: streaming.signal });
      if (response.ok) {
        for await (const part of parts(response.body.getReader())) {
          const old = "x-old" in part.headers;
          if (!old || !shown) draw(part);  // the page itself says how old the one it has is
        }
      }
    } catch { /* the server is gone or the overlay was switched: again */ }
    if (!streaming.signal.aborted) await sleep(RETRY_MS);
  }
}

const restart = () => streaming?.abort();
$("overlay").addEventListener("change", restart);
document.addEventListener("visibilitychange", () => document.hidden && restart());

// -- the figures -----------------------------------------------------------------------------

async function ask(path, method = "GET", body = undefined) {
  const cut = new AbortController();
  const timer = setTimeout(() => cut.abort(), method === "GET" ? ANSWER_MS : 10 * ANSWER_MS);
  try {
    const response = await fetch(path, {
      method,
      signal: cut.signal,
      headers: body === undefined ? {} : { "Content-Type": "application/json" },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    if (response.status === 401) refused = "This address is out of date: open the new one";
    const text = await response.text();
    if (!response.ok) throw new Error(readError(text) || `${response.status}`);
    return JSON.parse(text);
  } finally {
    clearTimeout(timer);
  }
}

function readError(text) {
  try { return JSON.parse(text).error; } catch { return text; }
}

async function poll() {
  for (;;) {
    const asked = seconds();
    try {
      status = await ask("/status.json");
      answered = seconds();
      behind = status.now - (asked + answered) / 2;
      refused = "";
      showStatus();
    } catch { /* `tick` tells how long there was no answer */ }
    await sleep(STATUS_MS);
  }
}

const number = (value, digits = 0) =>
  value === null || value === undefined ? "–" : value.toFixed(digits);

function showStatus() {
  const { frame, age_ms: age, latency_ms: latency } = status;
  const name = (kind) => status[kind] || "";
  $("run").textContent = frame
    ? [name("model"), [name("device"), name("runtime")].filter(Boolean).join(" / "), frame.source]
      .filter(Boolean).join(" · ") + (status.fallback ? ` (${status.fallback})` : "")
    : "";
  $("fps").textContent = number(status.fps, 1);
  $("p50").textContent = number(age?.p50);
  $("p99").textContent = number(age?.p99);
  $("temperature").textContent = number(status.temperature);
  $("dropped").textContent = number(status.dropped);
  const rows = Object.entries(STAGES).map(([stage, title]) => {
    const values = latency?.[stage] ?? {};
    return row(title, number(values.p50, 1), number(values.p99, 1));
  });
  $("stages").replaceChildren(...rows);
  showFound();
  showEvents();
  showScore();
  $("people-card").hidden = !status.gallery;
}

function element(kind, text = "", attributes = {}) {
  const made = document.createElement(kind);
  made.textContent = text;
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

function row(title, ...values) {
  const made = element("tr");
  made.append(element("th", title, { scope: "row" }), ...values.map((value) => element("td", value)));
  return made;
}

function showFound() {
  const items = Object.entries(status.found ?? {}).slice(0, 12).map(([name, count]) => {
    const item = element("li", `${name} `);
    item.append(element("b", `${count}`));
    return item;
  });
  $("found").replaceChildren(...items);
}

let events = "";

function showEvents() {
  const text = JSON.stringify(status.events);
  if (text === events) return;  // so that a reader's place in the list stays
  events = text;
  $("events").replaceChildren(...status.events.map((event) => {
    const item = element("li", "", { "data-kind": event.event });
    const when = new Date(event.time * 1000);
    item.append(
      element("time", when.toLocaleTimeString([], { hour12: false }), { datetime: when.toISOString() }),
      element("span", event.message));
    return item;
  }));
}

// Shows how old the picture is, many times a second, so that no silence goes unnoticed.
function tick() {
  const captured = shown?.time ?? status?.frame?.time ?? null;
  const age = captured === null ? null : seconds() + behind - captured;
  const silent = seconds() - answered;
  const old = age !== null && age > (status?.stale_after ?? 1);
  const late = status && silent > ANSWER_MS / 1000;
  $("age").textContent = age > 10 ? number(age) : number(age && Math.max(0, age * 1000));
  $("age-unit").textContent = age > 10 ? "s" : "ms";
  let [state, title, notice, text] = ["live", "Live", "", ""];
  if (!status) [state, title] = ["wait", "Connecting"];
  else if (late) [state, title, notice] = ["gone", "Disconnected", `No answer for ${silent.toFixed(0)} s`];
  else if (status.lost.source) {
    const away = (status.lost.source.seconds + silent).toFixed(0);
    [state, title, notice] = ["lost", "Camera lost", `Camera lost, ${away} s`];
    text = status.lost.source.message;
  } else if (old) [state, title, notice] = ["old", "No new picture", `This picture is ${age.toFixed(0)} s old`];
  else if (!status.frame) [state, title, notice] = ["wait", "Waiting", "Waiting for the first picture"];
  else if (status.lost.device) [state, title] = ["old", `Live on ${status.device}`];
  if (refused) [state, title, notice] = ["gone", "Refused", refused];
  document.body.dataset.state = $("state").dataset.state = state;
  setText("state", title);
  setText("notice-title", notice);
  setText("notice-text", text);
  $("notice").hidden = !notice;
  $("view").classList.toggle("old", Boolean(notice));
}

function setText(id, text) {
  if ($(id).textContent !== text) $(id).textContent = text;  // screen readers read every change
}

// -- what may be changed ---------------------------------------------------------------------

let touched = -Infinity;
let sending = null;

function showScore() {
  $("threshold-card").hidden = status.score === null;
  if (status.score === null || sending || seconds() - touched < 1) return;
  $("score").min = status.lowest;
  $("score").value = status.score;
  $("score-value").textContent = number(status.score, 2);
}

$("score").addEventListener("input", () => {
  touched = seconds();
  $("score-value").textContent = number(Number($("score").value), 2);
  sending ??= sendScore();
});

// Sends the slider's place until it has stopped moving, one request at a time.
async function sendScore() {
  let sent = null;
  try {
    while (sent !== $("score").value) {
      sent = $("score").value;
      await ask("/score", "POST", { score: Number(sent) });
    }
  } catch (error) {
    console.warn("the threshold could not be set", error);
    touched = -Infinity;
  } finally {
    sending = null;
  }
}

let people = "";

function showPeople(names) {
  if (JSON.stringify(names) === people) return;
  people = JSON.stringify(names);
  $("people").replaceChildren(...names.map((name) => {
    const item = element("li");
    const rename = element("button", "Rename", { type: "button", "aria-label": `Rename ${name}` });
    const forget = element("button", "Delete", { type: "button", "aria-label": `Delete ${name}` });
    rename.addEventListener("click", () => askName(name));
    forget.addEventListener("click", () => askDelete(name));
    item.append(element("span", name), rename, forget);
    return item;
  }));
}

async function change(method, body, done) {
  say("…");
  try {
    const answer = await ask("/people", method, body);
    showPeople(answer.people);
    say(answer.message || done);
    return true;
  } catch (error) {
    say(error.name === "AbortError" ? "There was no answer." : error.message, true);
    return false;
  }
}

function say(text, bad = false) {
  $("people-message").textContent = text;
  $("people-message").classList.toggle("bad", bad);
}

$("enroll").addEventListener("submit", async (event) => {
  event.preventDefault();
  const button = event.target.querySelector("button");
  const name = $("name").value.trim();
  if (!name) return;
  button.disabled = true;
  if (await change("POST", { name }, `${name} is enrolled.`)) $("name").value = "";
  button.disabled = false;
});

let confirmed = null;

function openDialog(title, button, name, action) {
  $("dialog-title").textContent = title;
  $("dialog-ok").textContent = button;
  $("dialog-label").hidden = $("dialog-name").hidden = name === null;
  $("dialog-name").value = name ?? "";
  $("dialog-name").required = name !== null;
  confirmed = action;
  $("dialog").showModal();
}

const askName = (name) => openDialog(`Rename ${name}`, "Rename", name, () => {
  const to = $("dialog-name").value.trim();
  if (to && to !== name) change("PATCH", { name, new: to }, `${name} is now ${to}.`);
});

const askDelete = (name) => openDialog(`Delete ${name}?`, "Delete", null, () =>
  change("DELETE", { name }, `${name} is deleted.`));

$("dialog-form").addEventListener("submit", () => confirmed?.());
$("dialog-cancel").addEventListener("click", () => $("dialog").close());

async function pollPeople() {
  for (;;) {
    if (status?.gallery) {
      try { showPeople((await ask("/people")).people); } catch { /* the next one may come */ }
    }
    await sleep(status ? PEOPLE_MS : TICK_MS);
  }
}

// The token is in a cookie by now; the address is for others to see.
if (location.search) history.replaceState(null, "", location.pathname);
setInterval(tick, TICK_MS);
stream();
poll();
pollPeople();
