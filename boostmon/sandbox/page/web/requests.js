// What the bot asked of Discord's REST, and the server's audit log.

import { byId, fill, h } from "./dom.js";
import { nameOf } from "./names.js";
import { store } from "./store.js";

const ACTIONS = {
  20: "kicked", 24: "changed", 25: "changed the roles of", 28: "added", 30: "made the role", 31: "changed the role", 32: "deleted the role", 72: "deleted a message of",
};

export function showRequests() {
  store.on("requests", drawRequests);
  store.on("audit people roles", drawAudit);
}

const visible = (id) => !byId(id).closest("[role=tabpanel]").hidden;

export function drawRequests() {
  byId("no-requests").hidden = store.requests.length > 0;
  if (visible("requests")) fill(byId("requests"), store.requests.toReversed(), (one) => one.n, (one) => String(one.status), drawRequest);
}

const short = (path) => path.replace(/\d{15,20}/g, (id) => `…${id.slice(-4)}`).replace(/\/[\w-]{60,}/g, "/…").split("?")[0];

function drawRequest(one) {
  const mood = one.status === undefined || one.status >= 500 || one.status === null ? "bad" : one.status >= 400 ? "warn" : "good";
  const told = [one.fault ? "made to fail" : null, one.code ? `code ${one.code}` : null, one.unknown ? "not offered" : null, one.reason];
  return h(
    "li",
    { title: one.path },
    h("span", { class: `status ${mood}` }, String(one.status ?? "cut")),
    h("span", { class: "method" }, one.method),
    h("span", { class: "path" }, short(one.path)),
    told.some(Boolean) ? h("small", {}, told.filter(Boolean).join(" · ")) : null,
  );
}

export function drawAudit() {
  const lines = store.guild?.audit_log ?? [];
  byId("no-audit").hidden = lines.length > 0;
  if (visible("audit")) fill(byId("audit"), lines, (one) => one.id, () => "", drawLine);
}

function drawLine(one) {
  const target = store.users.has(one.target_id) ? nameOf(one.target_id) : (store.guild?.roles.get(one.target_id)?.name ?? "");
  const changed = (one.changes ?? []).filter((change) => change.key === "$add" || change.key === "$remove");
  const words = changed.map((change) => `${change.key === "$add" ? "+" : "−"} ${change.new_value.map((role) => role.name).join(", ")}`);
  return h(
    "li",
    {},
    h("span", {}, h("b", {}, nameOf(one.user_id)), ` ${ACTIONS[one.action_type] ?? "did something to"} `, h("b", {}, target), words.length ? `: ${words.join("; ")}` : ""),
    one.reason ? h("small", {}, one.reason) : null,
  );
}
