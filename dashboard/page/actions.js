// Orders: a dialog that says what will happen, takes a reason, shows a refusal in
// weir's own words, and only then offers to do it all the same.

import { $, copyLine, h, say, text } from "./dom.js";
import { pathOf, post } from "./feed.js";
import { capital, quote } from "./format.js";

const orders = {
  drain: { title: "Drain", what: "It gets no new mail; what runs there ends by itself. Senders notice nothing.", ends: true },
  undrain: { title: "Undrain", what: "It takes mail again, a growing share at first." },
  disable: { title: "Disable", what: "It is out at once: messages that are not committed move to another connector, the rest is cut and comes back from its senders.", ends: true, danger: true },
  enable: { title: "Enable", what: "It takes mail again, as soon as it is judged well." },
};

export class Orders {
  constructor() {
    this.dialog = $("order");
    $("order-cancel").addEventListener("click", () => this.dialog.close());
    this.dialog.querySelector("form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.go();
    });
    for (const id of ["order-reason", "order-for", "order-force"]) $(id).addEventListener("input", () => this.refresh());
  }

  // ask opens the dialog for an order.
  ask(row, verb) {
    if (this.dialog.open) return;
    this.row = row;
    this.verb = verb;
    const order = orders[verb];
    text($("order-title"), `${order.title} ${row.id}`);
    text($("order-what"), order.what);
    $("order-reason").value = "";
    $("order-for").value = "";
    $("order-force").checked = false;
    $("order-for-label").hidden = !order.ends;
    $("order-go").classList.toggle("danger", Boolean(order.danger));
    this.refuse("", false);
    this.dialog.showModal();
    $("order-reason").focus();
  }

  // refuse shows why an order was not carried out, and whether force would help.
  refuse(words, forcible) {
    const place = $("order-refusal");
    place.hidden = !words;
    text(place, words);
    this.refused = forcible;
    $("order-force-label").hidden = !forcible;
    this.refresh();
  }

  // refresh keeps button and command as the fields are.
  refresh() {
    const forced = this.refused && $("order-force").checked;
    const title = orders[this.verb].title;
    text($("order-go"), forced ? title + " all the same" : title);
    $("order-go").disabled = this.refused && !forced;
    $("order-go").classList.toggle("danger", Boolean(forced || orders[this.verb].danger));
    $("order-line").replaceChildren(h("p", { class: "label" }, "The same in a terminal"), copyLine(this.command(forced)));
  }

  command(forced) {
    const words = ["weir", this.verb, quote(this.row.id)];
    const reason = $("order-reason").value.trim();
    const until = $("order-for").value;
    if (orders[this.verb].ends && until) words.push("--for", until);
    if (reason) words.push("--reason", quote(reason));
    if (forced) words.push("--force");
    if (this.verb === "disable") words.push("--yes");
    return words.join(" ");
  }

  async go() {
    const button = $("order-go");
    const forced = this.refused && $("order-force").checked;
    const body = { reason: $("order-reason").value.trim(), force: forced };
    if (orders[this.verb].ends && $("order-for").value) body.for = $("order-for").value;
    button.disabled = true;
    const answer = await post(pathOf(this.row, this.verb), body);
    button.disabled = false;
    if (!answer.ok && answer.code !== 502) {
      this.refuse(capital(answer.body.error), answer.code === 409 && orders[this.verb].ends && !forced);
      if (this.refused) $("order-force").focus();
      return;
    }
    this.dialog.close();
    say(told(this.row.id, answer.body));
  }
}

// told is what came of an order, in a sentence.
function told(id, answer) {
  const words = [`${id}: ${answer.state}`];
  if (answer.inflight > 0) words.push(`${answer.inflight} in flight`);
  if (answer.safe) words.push("safe to reboot");
  if (answer.warning) words.push(answer.warning);
  if (answer.error) words.push(answer.error);
  return words.join("; ");
}
