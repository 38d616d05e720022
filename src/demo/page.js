"use strict";

const $ = (id) => document.getElementById(id);
const state = { user: null, token: null, ticket: null, usedTicket: null, socket: null };

function show(box, good, head, body) {
  box.hidden = false;
  box.className = "answer " + (good ? "good" : "bad");
  const strong = document.createElement("b");
  strong.textContent = head;
  box.replaceChildren(strong, " " + body);
}

function mark(done, current) {
  for (const step of ["user", "ticket", "socket", "refusals"]) {
    const box = $("step-" + step);
    if (done.includes(step)) box.classList.add("done"); else box.classList.remove("done");
    box.classList.toggle("current", step === current);
  }
}

function showRoom() {
  const room = $("room").value || "lobby";
  $("chat-room").textContent = room;
  const hole = document.createElement("i");
  hole.textContent = state.ticket || "ticket";
  $("socket-url").replaceChildren(socketUrl("").replace(/\?uuid=$/, "?uuid="), hole);
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
  item.scrollIntoView({ block: "end" });
}

function setStatus(text, kind) {
  $("status").textContent = text;
  $("status").className = "status " + (kind || "");
}

async function pick(user, button) {
  closeSocket();
  for (const other of $("users").children) other.setAttribute("aria-pressed", String(other === button));
  const answer = await fetch("/demo/token/" + encodeURIComponent(user.username) + "/", { method: "POST" });
  const body = await answer.json();
  state.user = user;
  state.token = body.access;
  state.ticket = state.usedTicket = null;
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
  $("open-socket").disabled = $("again").disabled = true;
  $("ticket-answer").hidden = $("socket-answer").hidden = $("refusal-answer").hidden = true;
  mark(["user"], "ticket");
  showRoom();
}

async function askForTicket() {
  const begun = performance.now();
  const answer = await fetch("/api/auth/auth_for_ws_connection/", { headers: { Authorization: "Bearer " + state.token } });
  const text = await answer.text();
  const took = (performance.now() - begun).toFixed(1);
  show($("ticket-answer"), answer.ok, answer.status + " in " + took + " ms", text);
  if (!answer.ok) return;
  state.ticket = JSON.parse(text).uuid;
  $("open-socket").disabled = false;
  mark(["user", "ticket"], "socket");
  showRoom();
}

function closeSocket() {
  if (!state.socket) return;
  state.socket.onclose = null;
  state.socket.close(1000);
  state.socket = null;
  canTalk(false);
  setStatus("not connected");
}

function canTalk(yes) {
  $("message").disabled = $("send").disabled = !yes;
  $("message").placeholder = yes ? "Say something" : "Open the socket first";
}

function openSocket() {
  closeSocket();
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
      $("message").focus();
    } else {
      say(data.message, data.user, data.user === state.user.username);
    }
  };
  socket.onclose = (event) => {
    canTalk(false);
    setStatus("closed", "lost");
    show($("socket-answer"), false, "Closed with " + event.code, event.reason);
    if (state.socket === socket) state.socket = null;
  };
}

function tryTicket(ticket, label) {
  const socket = new WebSocket(socketUrl(ticket));
  socket.onmessage = () => {
    show($("refusal-answer"), true, "Admitted", label);
    socket.close(1000);
  };
  socket.onclose = (event) => {
    if (event.code !== 1000) show($("refusal-answer"), false, label + ": refused with " + event.code, event.reason);
  };
}

async function begin() {
  const users = await (await fetch("/demo/users/")).json();
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
  $("wrong").onclick = () => tryTicket(crypto.randomUUID(), "A ticket never issued");
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
