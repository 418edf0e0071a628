// How each change that the sandbox tells of is taken in.

const MOST_LINES = 100;
const TYPES_FOR = 10_000;

/** Index a server's parts by their ids. */
export function shaped(guild) {
  const members = guild.members.map((one) => [one.user.id, { ...one, user_id: one.user.id }]);
  return {
    ...guild,
    roles: new Map(guild.roles.map((one) => [one.id, one])),
    members: new Map(members),
    channels: new Map(guild.channels.map((one) => [one.id, { ...one, messages: undefined }])),
  };
}

function member(store, data) {
  const user = store.users.get(data.user.id) ?? { key: data.user.username, dms_open: true };
  store.users.set(data.user.id, { ...user, ...data.user });
  store.guilds.get(data.guild_id)?.members.set(data.user.id, { ...data, user_id: data.user.id });
  store.touch("people", "places");
}

function role(store, data) {
  const roles = store.guilds.get(data.guild_id)?.roles;
  if (roles && !roles.has(data.role.id)) {
    for (const one of roles.values()) if (one.id !== data.guild_id) one.position += 1;
  }
  roles?.set(data.role.id, data.role);
  store.touch("people", "roles", "places", "messages");
}

function roleGone(store, data) {
  const guild = store.guilds.get(data.guild_id);
  const gone = guild?.roles.get(data.role_id);
  if (!gone) return;
  guild.roles.delete(data.role_id);
  for (const one of guild.roles.values()) if (one.position > gone.position) one.position -= 1;
  for (const one of guild.members.values()) one.roles = one.roles.filter((id) => id !== data.role_id);
  for (const one of guild.channels.values()) {
    one.permission_overwrites = one.permission_overwrites.filter((it) => it.id !== data.role_id);
  }
  store.touch("people", "roles", "places", "messages");
}

function channel(store, data) {
  store.guilds.get(data.guild_id)?.channels.set(data.id, data);
  store.touch("places", "place");
}

export const CHANGES = {
  PICTURE(store, data) {
    store.begin(data);
  },
  MESSAGE(store, data) {
    store.hear(data);
  },
  MESSAGE_DELETE(store, data) {
    store.messages.get(data.channel_id)?.delete(data.id);
    store.touch("messages", "places");
  },
  GUILD_MEMBER_ADD: member,
  GUILD_MEMBER_UPDATE: member,
  GUILD_MEMBER_REMOVE(store, data) {
    store.guilds.get(data.guild_id)?.members.delete(data.user.id);
    if (data.user.id === store.me) store.act(store.me);
    store.touch("people", "places");
  },
  GUILD_ROLE_CREATE: role,
  GUILD_ROLE_UPDATE: role,
  GUILD_ROLE_DELETE: roleGone,
  CHANNEL_CREATE: channel,
  CHANNEL_UPDATE: channel,
  CHANNEL_DELETE(store, data) {
    store.guilds.get(data.guild_id)?.channels.delete(data.id);
    if (store.place === data.id) store.act(store.me);
    store.touch("places", "place");
  },
  GUILD_UPDATE(store, data) {
    const guild = store.guilds.get(data.id);
    if (guild) [guild.name, guild.mfa_level] = [data.name, data.mfa_level];
    store.touch("places", "roles");
  },
  GUILD_AUDIT_LOG_ENTRY_CREATE(store, data) {
    const log = store.guilds.get(data.guild_id)?.audit_log;
    log?.unshift(data);
    if (log?.length > MOST_LINES) log.pop();
    store.touch("audit");
  },
  BOT(store, data) {
    store.bots.set(data.id, data);
    store.touch("bots", "people");
  },
  TYPING_START(store, data) {
    store.typing = { place: data.channel_id, user: data.user_id, until: Date.now() + TYPES_FOR };
    store.touch("typing");
    setTimeout(() => store.touch("typing"), TYPES_FOR + 50);
  },
  INTERACTION(store, data) {
    store.answered(data);
  },
  REQUEST(store, data) {
    store.requests.push(data);
    if (store.requests.length > MOST_LINES) store.requests.shift();
    if (data.fault) for (const one of store.faults) if (one.id === data.fault) one.used += 1;
    store.touch("requests", ...(data.fault ? ["faults"] : []));
  },
  FAULTS(store, data) {
    store.faults = data;
    store.touch("faults");
  },
};
