"""Routes about channels."""

from typing import Any

from boostmon.sandbox.rest.routes import Call, route
from boostmon.sandbox.rules.language import shape, snowflake
from boostmon.sandbox.world import permissions, render
from boostmon.sandbox.world.errors import refuse


@route("POST", "/users/@me/channels", rule=shape({"recipient_id": snowflake}))
async def create_dm(call: Call) -> Any:
    """Open the DM channel with a user; opening it again gives the same one."""
    user = call.world.users.get(call.body["recipient_id"])
    if user is None:
        raise refuse(10013)
    if user.id == call.bot.id:
        raise refuse(50033)
    is_new = (call.bot.id, user.id) not in call.world.dm_ids
    if is_new and not call.discord.limiter.admits("openings", call.bot.id):
        raise refuse(40003)
    return render.channel(call.world, call.world.dm(call.bot.id, user.id))


@route("GET", "/channels/{channel_id}")
async def get_channel(call: Call) -> Any:
    """Show a channel that the bot can see."""
    channel, guild = call.channel()
    if guild is not None:
        allowed = permissions.in_channel(guild, call.me_in(guild), channel)
        if not allowed & permissions.VIEW_CHANNEL:
            raise refuse(50001)
    return render.channel(call.world, channel)
