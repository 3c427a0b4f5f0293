"""French."""

from gmbot.guard.wording.catalogue import Answer, Catalogue

FRENCH = Catalogue(
    name="Français",
    last=" et ",
    more_one="1 autre",
    more="{count} autres",
    somebody="Quelqu'un",
    channel="le canal",
    group="Un groupe",
    notice=(
        "{people}, pour écrire ici, merci de rejoindre {channels}. "
        "Appuyez ensuite sur <b>{button}</b> pour pouvoir écrire aussitôt."
    ),
    welcome=(
        "Bienvenue, {people} ! Pour écrire ici, merci de rejoindre {channels}. "
        "Appuyez ensuite sur <b>{button}</b> pour pouvoir écrire aussitôt."
    ),
    as_chats=(
        "Pour {chats} : merci d'écrire ici en votre propre nom. "
        "Qui écrit au nom d'un canal ou d'un groupe ne peut pas être vérifié."
    ),
    join="Rejoindre {channel}",
    join_unnamed="Rejoindre le canal",
    verify="J'ai rejoint",
    still_missing="Il reste à rejoindre : {channels}.",
    answers={
        Answer.RELEASED: "Merci, vous pouvez écrire maintenant.",
        Answer.NOT_HELD: "Ce bot ne vous a pas rendu muet. Il n'y a rien à faire.",
        Answer.FREE: "Vous pouvez écrire librement ici.",
        Answer.HELD_BY_OTHERS: "Un admin de ce groupe vous a restreint. Adressez-vous aux admins.",
        Answer.CANNOT_RELEASE: (
            "Les canaux sont bien rejoints, mais je n'ai pas le droit de vous rendre la parole. "
            "Adressez-vous aux admins."
        ),
        Answer.CANNOT_CHECK: (
            "Impossible de vérifier pour le moment. Appuyez de nouveau dans une minute."
        ),
        Answer.TOO_SOON: "Un instant : appuyez de nouveau dans quelques secondes.",
        Answer.STALE: "Ce bouton ne sert plus.",
        Answer.ADMINS_ONLY: (
            "Seuls les admins de ce groupe qui peuvent bannir des membres peuvent changer cela."
        ),
    },
    held=(
        "Vous ne pouvez pas encore écrire partout. Rejoignez ce qui manque, "
        "puis appuyez sur <b>{button}</b> :"
    ),
    held_in="<b>{group}</b> : rejoignez {channels}.",
    held_otherwise=(
        "<b>{group}</b> : appuyez sur le bouton pour une nouvelle vérification, "
        "ou demandez à un admin du groupe."
    ),
    not_held=(
        "Je ne vous empêche d'écrire dans aucun groupe : il n'y a rien à faire. "
        "Pour que seuls les membres de votre canal écrivent dans votre groupe, nommez-moi admin "
        "des deux, puis écrivez /protect et le @nom du canal dans le groupe."
    ),
)
