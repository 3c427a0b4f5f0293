"""Spanish."""

from gmbot.guard.wording.catalogue import Answer, Catalogue

SPANISH = Catalogue(
    name="Español",
    last=" y ",
    more_one="1 más",
    more="{count} más",
    somebody="Alguien",
    channel="el canal",
    group="Un grupo",
    notice=(
        "{people}: para escribir aquí hay que unirse a {channels}. "
        "Después, basta con pulsar <b>{button}</b> para poder escribir."
    ),
    welcome=(
        "¡Hola, {people}! Para escribir aquí hay que unirse a {channels}. "
        "Después, basta con pulsar <b>{button}</b> para poder escribir."
    ),
    as_chats=(
        "Para {chats}: aquí se escribe en nombre propio. "
        "No se puede comprobar a quien escribe en nombre de un canal o de un grupo."
    ),
    join="Unirse a {channel}",
    join_unnamed="Unirse al canal",
    verify="Ya me he unido",
    still_missing="Todavía no estás en {channels}. Únete primero.",
    answers={
        Answer.RELEASED: "Gracias, ya puedes escribir.",
        Answer.NOT_HELD: "Este bot no te ha silenciado. No hay nada que hacer.",
        Answer.FREE: "Aquí puedes escribir con libertad.",
        Answer.HELD_BY_OTHERS: (
            "La administración de este grupo te ha restringido. Consulta con ella."
        ),
        Answer.CANNOT_RELEASE: (
            "Ya estás dentro, pero no tengo permiso para quitarte el silencio aquí. "
            "Consulta con la administración del grupo."
        ),
        Answer.CANNOT_CHECK: (
            "Ahora mismo no se puede comprobar. Vuelve a pulsar dentro de un minuto."
        ),
        Answer.TOO_SOON: "Un momento: vuelve a pulsar dentro de unos segundos.",
        Answer.STALE: "Este botón ya no se usa.",
        Answer.ADMINS_ONLY: (
            "Solo pueden cambiar esto los administradores del grupo que pueden suspender usuarios."
        ),
    },
    held=(
        "Todavía no puedes escribir en todas partes. Únete a lo que falta "
        "y después pulsa <b>{button}</b>:"
    ),
    held_in="<b>{group}</b>: únete a {channels}.",
    held_otherwise=(
        "<b>{group}</b>: pulsa el botón para que vuelva a comprobarlo, "
        "o consulta con la administración del grupo."
    ),
    not_held=(
        "No te impido escribir en ningún grupo: no hay nada que hacer. "
        "Para que en tu grupo solo escriban los miembros de tu canal, hazme administrador "
        "de los dos y escribe /protect y el @nombre del canal en el grupo."
    ),
)
