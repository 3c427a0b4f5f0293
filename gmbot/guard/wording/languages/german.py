"""German."""

from gmbot.guard.wording.catalogue import Answer, Catalogue

GERMAN = Catalogue(
    name="Deutsch",
    last=" und ",
    more_one="1 weitere Person",
    more="{count} weitere",
    somebody="Jemand",
    channel="der Kanal",
    group="Eine Gruppe",
    notice=(
        "{people}: Um hier zu schreiben, bitte erst beitreten: {channels}. "
        "Danach auf <b>{button}</b> tippen, und es kann sofort losgehen."
    ),
    welcome=(
        "Willkommen, {people}! Um hier zu schreiben, bitte erst beitreten: {channels}. "
        "Danach auf <b>{button}</b> tippen, und es kann sofort losgehen."
    ),
    as_chats=(
        "An {chats}: Bitte hier unter eigenem Namen schreiben. "
        "Wer im Namen eines Kanals oder einer Gruppe schreibt, kann nicht geprüft werden."
    ),
    join="Beitreten: {channel}",
    join_unnamed="Kanal beitreten",
    verify="Ich bin beigetreten",
    still_missing="Es fehlt noch: {channels}. Bitte erst beitreten.",
    answers={
        Answer.RELEASED: "Danke, du kannst jetzt schreiben.",
        Answer.NOT_HELD: "Dieser Bot hat dich nicht stummgeschaltet. Es gibt nichts zu tun.",
        Answer.FREE: "Du kannst hier frei schreiben.",
        Answer.HELD_BY_OTHERS: (
            "Ein Admin dieser Gruppe hat dich eingeschränkt. Bitte frag dort nach."
        ),
        Answer.CANNOT_RELEASE: (
            "Du bist beigetreten, aber ich darf dich hier nicht freischalten. "
            "Bitte frag einen Admin dieser Gruppe."
        ),
        Answer.CANNOT_CHECK: (
            "Das lässt sich gerade nicht prüfen. Bitte tippe in einer Minute noch einmal."
        ),
        Answer.TOO_SOON: "Einen Moment bitte: Tippe in ein paar Sekunden noch einmal.",
        Answer.STALE: "Diese Schaltfläche wird nicht mehr verwendet.",
        Answer.ADMINS_ONLY: (
            "Das können nur Admins dieser Gruppe ändern, die Nutzer sperren dürfen."
        ),
    },
    held=(
        "Du kannst noch nicht überall schreiben. Tritt bei, wo etwas fehlt, "
        "und tippe dann auf <b>{button}</b>:"
    ),
    held_in="<b>{group}</b>: Bitte beitreten: {channels}.",
    held_otherwise=(
        "<b>{group}</b>: Tippe auf die Schaltfläche, um erneut geprüft zu werden, "
        "oder frag einen Admin der Gruppe."
    ),
    not_held=(
        "Ich hindere dich in keiner Gruppe am Schreiben: Es gibt nichts zu tun. "
        "Damit in deiner eigenen Gruppe nur Mitglieder deines Kanals schreiben können, "
        "mach mich in beiden zum Admin und schreib /protect und den @Namen des Kanals "
        "in die Gruppe."
    ),
)
