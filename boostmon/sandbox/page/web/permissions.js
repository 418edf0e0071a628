// What a member may do, by the algorithm that Discord documents.

export const ADMINISTRATOR = 1n << 3n;
export const VIEW_CHANNEL = 1n << 10n;
export const SEND_MESSAGES = 1n << 11n;
export const USE_COMMANDS = 1n << 31n;
const ALL = (1n << 53n) - 1n;

const NAMES = {
  1: "Kick Members", 2: "Ban Members", 3: "Administrator", 4: "Manage Channels", 5: "Manage Server", 7: "View Audit Log",
  10: "View Channels", 11: "Send Messages", 13: "Manage Messages", 17: "Mention Everyone", 27: "Manage Nicknames",
  28: "Manage Roles", 29: "Manage Webhooks", 31: "Use Application Commands", 40: "Time out Members",
};

/** Name the permissions in `bits`. */
export function namesOf(bits) {
  const found = Object.entries(NAMES).filter(([bit]) => BigInt(bits) & (1n << BigInt(bit)));
  return found.map(([, name]) => name).join(" and ") || "a permission";
}

export function inGuild(guild, member) {
  if (guild.owner_id === member.user_id) return ALL;
  let allowed = BigInt(guild.roles.get(guild.id)?.permissions ?? 0);
  for (const id of member.roles) allowed |= BigInt(guild.roles.get(id)?.permissions ?? 0);
  return allowed & ADMINISTRATOR ? ALL : allowed;
}

export function inChannel(guild, member, channel) {
  let allowed = inGuild(guild, member);
  if (allowed & ADMINISTRATOR) return ALL;
  const listed = new Map(channel.permission_overwrites.map((one) => [one.id, one]));
  const apply = (one) => {
    if (one) allowed = (allowed & ~BigInt(one.deny)) | BigInt(one.allow);
  };
  apply(listed.get(guild.id));
  const roles = member.roles.map((id) => listed.get(id)).filter(Boolean);
  for (const one of roles) allowed &= ~BigInt(one.deny);
  for (const one of roles) allowed |= BigInt(one.allow);
  apply(listed.get(member.user_id));
  return allowed & VIEW_CHANNEL ? allowed : 0n;
}

/** Say what Server Settings → Integrations rules: true, false, or undefined where it rules nothing. */
function ruled(guild, command, member) {
  for (const key of [command.id, command.application_id]) {
    const listed = guild.overrides[key] ?? [];
    const groups = [
      listed.filter((one) => one.id === member.user_id && one.type === 2),
      listed.filter((one) => member.roles.includes(one.id)),
      listed.filter((one) => one.id === guild.id),
    ];
    const first = groups.find((group) => group.length);
    if (first) return first.some((one) => one.permission);
  }
  return undefined;
}

/** Return why `member` may not use `command` in `channel`, or null when they may. */
export function refusal(guild, member, channel, command) {
  if (inGuild(guild, member) & ADMINISTRATOR) return null;
  const allowed = inChannel(guild, member, channel);
  if (!(allowed & USE_COMMANDS)) return "You may not use commands in this channel.";
  const rule = ruled(guild, command, member);
  if (rule === true) return null;
  if (rule === false) return `The server's Integrations settings do not let you use /${command.name}.`;
  const needed = command.default_member_permissions;
  if (needed === null || needed === undefined) return null;
  if (needed !== "0" && (allowed & BigInt(needed)) === BigInt(needed)) return null;
  return needed === "0" ? `/${command.name} is for administrators.` : `/${command.name} needs ${namesOf(needed)}.`;
}
