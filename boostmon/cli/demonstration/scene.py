"""Holds what the demonstration's story and its page share."""

from pathlib import Path

from msgspec import Struct

from boostmon.cli.demonstration.board import Board
from boostmon.cli.demonstration.bot_process import BotProcess
from boostmon.cli.demonstration.feed import Feed
from boostmon.cli.demonstration.tempo import Tempo


class Scene(Struct, frozen=True, kw_only=True):
    """What happens in *folder*: timer time, the bot, and the board that tells of them."""

    folder: Path
    board: Board
    tempo: Tempo
    feed: Feed
    bot: BotProcess
