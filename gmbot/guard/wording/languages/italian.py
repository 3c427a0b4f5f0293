"""Italian."""

from gmbot.guard.wording.catalogue import Answer, Catalogue

ITALIAN = Catalogue(
    name="Italiano",
    last=" e ",
    more_one="1 altra persona",
    more="altre {count} persone",
    somebody="Qualcuno",
    channel="il canale",
    group="Un gruppo",
    notice=(
        "{people}: per scrivere qui bisogna unirsi a {channels}. "
        "Poi basta premere <b>{button}</b> per poter scrivere subito."
    ),
    welcome=(
        "Ciao, {people}! Per scrivere qui bisogna unirsi a {channels}. "
        "Poi basta premere <b>{button}</b> per poter scrivere subito."
    ),
    as_chats=(
        "Per {chats}: qui si scrive a nome proprio. "
        "Chi scrive a nome di un canale o di un gruppo non può essere verificato."
    ),
    join="Unisciti a {channel}",
    join_unnamed="Unisciti al canale",
    verify="Iscrizione fatta",
    still_missing="Non sei ancora in {channels}. Prima bisogna unirsi.",
    answers={
        Answer.RELEASED: "Grazie, ora puoi scrivere.",
        Answer.NOT_HELD: "Questo bot non ti ha silenziato. Non c'è niente da fare.",
        Answer.FREE: "Qui puoi scrivere liberamente.",
        Answer.HELD_BY_OTHERS: (
            "Un amministratore di questo gruppo ha limitato il tuo account. "
            "Chiedi agli amministratori."
        ),
        Answer.CANNOT_RELEASE: (
            "L'iscrizione c'è, ma qui non ho il permesso di farti scrivere di nuovo. "
            "Chiedi agli amministratori."
        ),
        Answer.CANNOT_CHECK: "Ora non è possibile verificare. Premi di nuovo tra un minuto.",
        Answer.TOO_SOON: "Un momento: premi di nuovo tra qualche secondo.",
        Answer.STALE: "Questo pulsante non è più in uso.",
        Answer.ADMINS_ONLY: (
            "Solo gli amministratori di questo gruppo che possono bannare utenti "
            "possono cambiare questo."
        ),
    },
    held=("Non puoi ancora scrivere ovunque. Unisciti a ciò che manca, poi premi <b>{button}</b>:"),
    held_in="<b>{group}</b>: unisciti a {channels}.",
    held_otherwise=(
        "<b>{group}</b>: premi il pulsante per una nuova verifica, "
        "oppure chiedi a un amministratore del gruppo."
    ),
    not_held=(
        "Non ti impedisco di scrivere in nessun gruppo: non c'è niente da fare. "
        "Per far scrivere nel tuo gruppo solo i membri del tuo canale, nominami amministratore "
        "di entrambi e scrivi /protect e il @nome del canale nel gruppo."
    ),
)
