// The way to weir: the stream that comes, what is posted, and the truth about
// whether the connection is there.

const silentAfter = 5000; // ms; a frame comes each second
const longestPause = 5000;
const refusals = {
  403: "refused: weir does not know this name, or this token may not look (admin.hosts, admin.tokens)",
  503: "too many pages are open already; trying again",
};

// Feed keeps one stream open while the page is seen, and opens it again when it
// breaks. A browser allows only six connections to one server, which hidden tabs
// would use up.
export class Feed {
  constructor(handlers) {
    this.handlers = handlers; // full, tick, me, live, lost(since), login, refused(why)
    this.last = 0; // when the last frame came, on this clock
    this.pause = 500;
    document.addEventListener("visibilitychange", () => (document.hidden ? this.close() : this.open()));
    addEventListener("online", () => this.open());
    setInterval(() => this.watch(), 1000);
    this.open();
  }

  open() {
    if (this.source || this.blocked) return;
    clearTimeout(this.retry);
    this.source = new EventSource("v1/page/stream");
    this.opened = Date.now();
    for (const kind of ["full", "tick", "me"]) this.source.addEventListener(kind, (e) => this.take(kind, e));
    this.source.onerror = () => this.broken();
  }

  close() {
    this.source?.close();
    this.source = null;
  }

  take(kind, event) {
    const frame = JSON.parse(event.data);
    this.last = Date.now();
    this.pause = 500;
    if (kind === "full") this.handlers.live();
    this.handlers[kind](frame);
  }

  // broken opens the stream again after a pause that grows. A browser does not say
  // why it was refused, so that is asked.
  broken() {
    this.close();
    if (this.last) this.handlers.lost(this.last);
    clearTimeout(this.retry);
    this.retry = setTimeout(() => this.open(), this.pause * (0.75 + Math.random() / 2));
    this.pause = Math.min(this.pause * 1.6, longestPause);
    fetch("v1/page/stream", { method: "HEAD", cache: "no-store" })
      .then(({ status }) => {
        if (status === 401) this.block();
        else if (refusals[status]) this.handlers.refused(refusals[status]);
      })
      .catch(() => {});
  }

  // block waits for a login.
  block() {
    clearTimeout(this.retry);
    this.close();
    this.blocked = true;
    this.handlers.login();
  }

  unblock() {
    this.blocked = false;
    this.open();
  }

  // watch finds a connection that hangs without breaking.
  watch() {
    if (document.hidden || this.blocked || !this.source) return;
    if (Date.now() - Math.max(this.last, this.opened) > silentAfter) this.broken();
  }
}

// post has something done. The answer is {ok, code, body}; what never arrived is
// told as code 0.
export async function post(path, body) {
  try {
    const answer = await fetch(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body ?? {}) });
    return { ok: answer.ok, code: answer.status, body: await answer.json() };
  } catch (error) {
    return { ok: false, code: 0, body: { error: "weir did not answer: " + error.message } };
  }
}

// get is post for reading.
export async function get(path) {
  try {
    const answer = await fetch(path, { cache: "no-store" });
    return { ok: answer.ok, code: answer.status, body: await answer.json() };
  } catch (error) {
    return { ok: false, code: 0, body: { error: "weir did not answer: " + error.message } };
  }
}

// pathOf is where orders about a connector go.
export function pathOf(row, verb) {
  return `v1/backends/${encodeURIComponent(row.pool)}/${encodeURIComponent(row.name)}/${verb}`;
}
