"use strict";

const $ = (id) => document.getElementById(id);
const state = { user: null, token: null, ticket: null, usedTicket: null, socket: null };
const NEVER_ISSUED = "00000000-0000-4000-8000-000000000000";

function show(box, good, head, body) {
  box.hidden = false;
  box.className = "answer " + (good ? "good" : "bad");
  const strong = document.createElement("b");
  strong.textContent = head;
  box.replaceChildren(strong, body);
}

function mark(done, current) {
  for (const step of ["user", "ticket", "socket", "refusals"]) {
    const box = $("step-" + step);
    if (done.includes(step)) box.classList.add("done"); else box.classList.remove("done");
    box.classList.toggle("current", step === current);
  }
}

function showRoom() {
  if (!state.socket) $("chat-room").textContent = $("room").value || "lobby";
  const hole = document.createElement("i");
  hole.textContent = state.ticket || state.usedTicket || "ticket";
  $("socket-url").replaceChildren(socketUrl(""), hole);
}

function socketUrl(ticket) {
  const scheme = location.protocol === "https:" ? "wss://" : "ws://";
  return scheme + location.host + "/ws/chat/" + encodeURIComponent($("room").value || "lobby") + "/?uuid=" + ticket;
}

function say(text, who, mine) {
  const item = document.createElement("li");
  if (who) {
    const name = document.createElement("b");
    name.textContent = who;
    item.append(name);
    if (mine) item.className = "mine";
  } else {
    item.className = "note";
  }
  item.append(text);
  $("messages").append(item);
  $("messages").scrollTop = $("messages").scrollHeight;
}

function setStatus(text, kind) {
  $("status").textContent = text;
  $("status").className = "status " + (kind || "");
}

async function pick(user, button) {
  closeSocket();
  state.user = user;
  state.token = state.ticket = state.usedTicket = null;
  $("get-ticket").disabled = $("open-socket").disabled = $("again").disabled = true;
  $("token-box").hidden = $("ticket-answer").hidden = $("socket-answer").hidden = $("refusal-answer").hidden = true;
  mark([], "user");
  showRoom();
  for (const other of $("users").children) other.setAttribute("aria-pressed", String(other === button));
  const answer = await ask("/demo/token/" + encodeURIComponent(user.username) + "/", { method: "POST" });
  if (state.user !== user) return;
  if (!answer.ok) return show($("ticket-answer"), false, answer.head, answer.text);
  const body = JSON.parse(answer.text);
  state.token = body.access;
  const parts = body.access.split(".");
  $("token").replaceChildren(...parts.flatMap((part, index) => {
    const span = document.createElement("span");
    span.className = "p" + index;
    span.textContent = part;
    return index ? [".", span] : [span];
  }));
  const claims = atob(parts[1].replace(/-/g, "+").replace(/_/g, "/"));
  $("claims").textContent = JSON.stringify(JSON.parse(claims), null, 2);
  $("token-box").hidden = false;
  $("get-ticket").disabled = false;
  mark(["user"], "ticket");
}

async function ask(url, options) {
  const begun = performance.now();
  try {
    const answer = await fetch(url, options);
    const text = await answer.text();
    return { ok: answer.ok, head: answer.status + " in " + (performance.now() - begun).toFixed(1) + " ms", text };
  } catch {
    return { ok: false, head: "No answer", text: "Is sluicegate demo still running?" };
  }
}

async function askForTicket() {
  const user = state.user;
  const answer = await ask("/api/auth/auth_for_ws_connection/", { headers: { Authorization: "Bearer " + state.token } });
  if (state.user !== user) return;
  show($("ticket-answer"), answer.ok, answer.head, answer.text);
  if (!answer.ok) return;
  state.ticket = JSON.parse(answer.text).uuid;
  $("open-socket").disabled = false;
  mark(["user", "ticket"], "socket");
  showRoom();
}

function closeSocket() {
  if (!state.socket) return;
  state.socket.onclose = null;
  state.socket.close(1000);
  state.socket = null;
  if (!$("message").disabled) say("You left " + $("chat-room").textContent + ".");
  canTalk(false);
  setStatus("not connected");
}

function canTalk(yes) {
  $("message").disabled = $("send").disabled = !yes;
  $("message").placeholder = yes ? "Say something" : "Open the socket first";
}

function openSocket() {
  closeSocket();
  showRoom();
  const url = socketUrl(state.ticket);
  const begun = performance.now();
  const socket = state.socket = new WebSocket(url);
  state.usedTicket = state.ticket;
  state.ticket = null;
  $("open-socket").disabled = true;
  $("again").disabled = false;
  const room = $("chat-room").textContent;
  socket.onmessage = (event) => {
    const data = JSON.parse(event.data);
    if (data.welcome) {
      show($("socket-answer"), true, "Admitted in " + (performance.now() - begun).toFixed(1) + " ms", "as " + data.welcome);
      setStatus("connected as " + data.welcome, "open");
      say("You joined " + room + ".");
      canTalk(true);
      mark(["user", "ticket", "socket"], "refusals");
      $("message").focus({ preventScroll: true });
    } else {
      say(data.message, data.user, data.user === state.user.username);
    }
  };
  socket.onclose = (event) => {
    canTalk(false);
    setStatus("closed", "lost");
    show($("socket-answer"), false, "Closed with " + event.code, event.reason);
    state.socket = null;
  };
}

function tryTicket(ticket, label) {
  const socket = new WebSocket(socketUrl(ticket));
  socket.onmessage = () => {
    show($("refusal-answer"), true, "Admitted", label);
    socket.close(1000);
  };
  socket.onclose = (event) => {
    if (event.code === 1000) return;
    show($("refusal-answer"), false, label + ": refused with " + event.code, event.reason);
    if ($("step-refusals").classList.contains("current")) mark(["user", "ticket", "socket", "refusals"]);
  };
}

async function begin() {
  const answer = await ask("/demo/users/");
  const users = answer.ok ? JSON.parse(answer.text) : [];
  $("users").replaceChildren(...users.map((user) => {
    const button = document.createElement("button");
    const small = document.createElement("small");
    small.textContent = user.note;
    button.append(user.username, small);
    button.setAttribute("aria-pressed", "false");
    button.onclick = () => pick(user, button);
    return button;
  }));
  $("get-ticket").onclick = askForTicket;
  $("open-socket").onclick = openSocket;
  $("again").onclick = () => tryTicket(state.usedTicket, "The used ticket");
  $("wrong").onclick = () => tryTicket(NEVER_ISSUED, "A ticket never issued");
  $("room").oninput = showRoom;
  $("compose").onsubmit = (event) => {
    event.preventDefault();
    const text = $("message").value.trim();
    if (!text || !state.socket) return;
    state.socket.send(JSON.stringify({ message: text }));
    $("message").value = "";
  };
  showRoom();
}

begin();
