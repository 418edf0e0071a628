"""The connection to Discord's gateway: whether it stands, and how often it was made again."""

from disnake.ext import commands

from boostmon.bot.records.metrics import Metrics


class Gateway:
    """Follows the gateway of one client."""

    def __init__(self, bot: commands.InteractionBot, metrics: Metrics) -> None:
        self._bot = bot
        self._reconnects = metrics.reconnects
        self._connected = False
        self._known = False
        bot.add_listener(self._identified, "on_connect")
        bot.add_listener(self._resumed, "on_resumed")
        bot.add_listener(self._lost, "on_disconnect")

    @property
    def ready(self) -> bool:
        """Whether it is connected, and the servers are there."""
        return self._connected and self._bot.is_ready()

    @property
    def latency(self) -> float:
        """How many seconds the last heartbeat took to be answered; NaN or infinite before one."""
        return self._bot.latency

    async def _identified(self) -> None:
        if self._known:
            self._reconnects.labels("identified").inc()
        self._connected = self._known = True

    async def _resumed(self) -> None:
        self._reconnects.labels("resumed").inc()
        self._connected = True

    async def _lost(self) -> None:
        self._connected = False
