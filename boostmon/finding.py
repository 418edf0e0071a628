"""Findings of `boostmon doctor`: a colour, a sentence, and what to do about it."""

from typing import Literal

from msgspec import Struct

Area = Literal["configuration", "database", "log", "discord"]


class Finding(Struct, frozen=True, kw_only=True):
    """One thing that was looked at; red: BoostMon fails there, yellow: somebody should look.

    Whatever is not green has a *remedy*.
    """

    area: Area
    colour: Literal["green", "yellow", "red"]
    found: str
    remedy: str | None = None


def green(area: Area, found: str) -> Finding:
    """Say that something is as it should be."""
    return Finding(area=area, colour="green", found=found)


def yellow(area: Area, found: str, remedy: str) -> Finding:
    """Say that something works, and could be better."""
    return Finding(area=area, colour="yellow", found=found, remedy=remedy)


def red(area: Area, found: str, remedy: str) -> Finding:
    """Say that something fails."""
    return Finding(area=area, colour="red", found=found, remedy=remedy)


def red_for(area: Area, error: Exception, remedy: str) -> Finding:
    """Take the sentence of *error* apart, whose last part is the remedy; else *remedy* is it."""
    sentence = str(error) or type(error).__name__
    found, semicolon, told = sentence.rpartition("; ")
    if semicolon and told.endswith("."):  # as ours do
        remedy = told[:1].upper() + told[1:]
    else:
        found = sentence
    return red(area, f"{found.rstrip('.')}.", remedy)
