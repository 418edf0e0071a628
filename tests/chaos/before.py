"""What the release before cannot bear: kinds of trouble in which it keeps no promise itself.

A run beside it leaves these out, as the oracle cannot tell which process broke something. All the
others it has to bear. `--only` has them all the same.
"""

UNBEARABLE = {
    "rejoin": "It believes that a role which it has given before a member left was taken by hand "
    "when somebody gives another role to the member who has come back.",
    "late write": "It looks at nothing that it has given up, and Discord may still do: until this "
    "release takes over a role is taken or given late, and the timer of one that is gone is ended.",
    "stray events": "It hears of members by events alone: what is lost is never made up for.",
    "clock step": "It looks for a notice in doubt from when the database says that it was decided, "
    "so does not find what was posted before a clock that was ahead; and with everybody's time it "
    "ends timers by that clock, wherever that steps.",
}
