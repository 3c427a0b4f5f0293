"""English."""

from gmbot.guard.wording.catalogue import Answer, Catalogue

ENGLISH = Catalogue(
    name="English",
    last=" and ",
    more_one="1 more",
    more="{count} more",
    somebody="Somebody",
    channel="the channel",
    group="A group",
    notice=(
        "{people}, to write here please join {channels}. "
        "Then press <b>{button}</b>, and you can write at once."
    ),
    welcome=(
        "Welcome, {people}! To write here, please join {channels}. "
        "Then press <b>{button}</b>, and you can write at once."
    ),
    as_chats=(
        "To {chats}: please write here as yourselves. "
        "Who writes in the name of a channel or a group cannot be checked."
    ),
    join="Join {channel}",
    join_unnamed="Join channel",
    verify="I have joined",
    still_missing="You are not yet in {channels}. Join first.",
    answers={
        Answer.RELEASED: "Thank you, you can write now.",
        Answer.NOT_HELD: "You are not muted by this bot. There is nothing to do for you.",
        Answer.FREE: "You are free here.",
        Answer.HELD_BY_OTHERS: "An admin of this group has restricted you. Please ask them.",
        Answer.CANNOT_RELEASE: (
            "You are in, but I may not lift your mute here. Please ask an admin of this group."
        ),
        Answer.CANNOT_CHECK: "This can't be checked right now. Please press again in a minute.",
        Answer.TOO_SOON: "One moment, please: press again in a few seconds.",
        Answer.STALE: "This button is no longer in use.",
        Answer.ADMINS_ONLY: "Only admins of this group who may ban users can change this.",
    },
    held="You cannot write everywhere yet. Join what is missing, then press <b>{button}</b>:",
    held_in="<b>{group}</b>: please join {channels}.",
    held_otherwise=(
        "<b>{group}</b>: press the button to be checked again, or ask an admin of the group."
    ),
    not_held=(
        "You are not muted anywhere. There is nothing to do for you. "
        "To let only members of your channel write in your own group, make me an admin of both, "
        "and write /protect and the channel's @name in the group."
    ),
)
