// A bot of discord.js: does what it is told by commands, and says on stdout what it hears.
const process = require("node:process");

const discord = require("discord.js");

const [api, token] = process.argv.slice(2);
const say = (event, what = {}) => console.log(JSON.stringify({ event, ...what }));
const { GatewayIntentBits: Intent, ApplicationCommandOptionType: Kind, MessageFlags } = discord;

const client = new discord.Client({
  intents: [Intent.Guilds, Intent.GuildMembers, Intent.GuildMessages],
  rest: { api: api.replace("/v10", "") },
});

const commands = [
  {
    name: "give",
    description: "Give a role",
    defaultMemberPermissions: discord.PermissionFlagsBits.ManageRoles,
    contexts: [discord.InteractionContextType.Guild],
    options: [
      { type: Kind.User, name: "user", description: "U", required: true },
      { type: Kind.Role, name: "role", description: "R", required: true },
      { type: Kind.String, name: "text", description: "T", autocomplete: true },
    ],
  },
  { name: "ask", description: "Ask for a name" },
  { name: "Greet", type: discord.ApplicationCommandType.User },
  { name: "Quote", type: discord.ApplicationCommandType.Message },
];

async function give(interaction) {
  await interaction.deferReply();
  const member = interaction.options.getMember("user");
  await member.roles.add(interaction.options.getRole("role"), "für /give");
  const embed = new discord.EmbedBuilder().setTitle("Given").setColor(0x2ecc71);
  await interaction.editReply({ embeds: [embed] });
  for (let time = 0; time < 2; time += 1) {
    await interaction.channel.send({ content: "Once", nonce: "give-1", enforceNonce: true });
  }
  const files = [{ attachment: Buffer.from("a note"), name: "note.txt" }];
  await interaction.followUp({ content: "Done", flags: MessageFlags.Ephemeral, files });
}

function ask(interaction) {
  const name = new discord.TextInputBuilder().setCustomId("name").setLabel("Name").setStyle(1);
  const row = new discord.ActionRowBuilder().addComponents(name);
  const modal = new discord.ModalBuilder().setCustomId("name").setTitle("Your name");
  return interaction.showModal(modal.addComponents(row));
}

async function answer(interaction) {
  if (interaction.isAutocomplete()) {
    const typed = interaction.options.getFocused();
    await interaction.respond([{ name: `${typed}!`, value: typed }]);
  } else if (interaction.isModalSubmit()) {
    const name = interaction.fields.getTextInputValue("name");
    await interaction.reply({ content: `Hello, ${name}`, flags: MessageFlags.Ephemeral });
  } else if (interaction.commandName === "give") await give(interaction);
  else if (interaction.commandName === "ask") await ask(interaction);
  else if (interaction.commandName === "Greet") {
    await interaction.reply(`Hello, ${interaction.targetUser.username}`);
  } else await interaction.reply(`> ${interaction.targetMessage.content}`);
}

client.on("clientReady", async () => {
  await client.application.commands.set(commands);
  say("registered");
  say("ready", { guilds: client.guilds.cache.map((guild) => guild.name) });
  for (const guild of client.guilds.cache.values()) {
    say("members", { count: (await guild.members.fetch()).size });
  }
});
client.on("interactionCreate", (interaction) =>
  answer(interaction).catch((error) => say("error", { error: String(error.stack) })),
);
client.on("guildMemberAdd", (member) => say("join", { user: member.id }));
client.on("guildMemberRemove", (member) => say("leave", { user: member.id }));
client.on("guildMemberUpdate", (_, member) =>
  say("update", { user: member.id, roles: [...member.roles.cache.keys()] }),
);
client.on("roleCreate", (role) => say("role", { name: role.name }));
client.on("shardResume", () => say("resumed"));
client.on("error", (error) => say("error", { error: String(error.stack) }));
process.on("unhandledRejection", (error) => say("error", { error: String(error?.stack) }));
process.on("SIGTERM", () => client.destroy().then(() => process.exit(0)));
client.login(token);
