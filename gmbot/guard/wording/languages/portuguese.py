"""Portuguese, in words that are understood in Brazil and in Portugal."""

from gmbot.guard.wording.catalogue import Answer, Catalogue

PORTUGUESE = Catalogue(
    name="Português",
    last=" e ",
    more_one="mais 1",
    more="mais {count}",
    somebody="Alguém",
    channel="o canal",
    group="Um grupo",
    notice=(
        "{people}: para escrever aqui, é preciso entrar em {channels}. "
        "Depois, basta tocar em <b>{button}</b> para poder escrever."
    ),
    welcome=(
        "Olá, {people}! Para escrever aqui, é preciso entrar em {channels}. "
        "Depois, basta tocar em <b>{button}</b> para poder escrever."
    ),
    as_chats=(
        "Para {chats}: aqui escreve-se em nome próprio. "
        "Não é possível verificar quem escreve em nome de um canal ou de um grupo."
    ),
    join="Entrar em {channel}",
    join_unnamed="Entrar no canal",
    verify="Já entrei",
    still_missing="Ainda falta entrar em {channels}.",
    answers={
        Answer.RELEASED: "Obrigado, agora você pode escrever.",
        Answer.NOT_HELD: "Este bot não silenciou você. Não há nada a fazer.",
        Answer.FREE: "Você pode escrever aqui livremente.",
        Answer.HELD_BY_OTHERS: (
            "Um administrador deste grupo restringiu você. Fale com os administradores."
        ),
        Answer.CANNOT_RELEASE: (
            "Você já entrou, mas não tenho permissão para liberar você aqui. "
            "Fale com os administradores."
        ),
        Answer.CANNOT_CHECK: "Não é possível verificar agora. Toque de novo daqui a um minuto.",
        Answer.TOO_SOON: "Um momento: toque de novo daqui a alguns segundos.",
        Answer.STALE: "Este botão já não é usado.",
        Answer.ADMINS_ONLY: (
            "Só administradores deste grupo que podem banir membros podem mudar isto."
        ),
    },
    held=(
        "Você ainda não pode escrever em todos os grupos. Entre no que falta "
        "e depois toque em <b>{button}</b>:"
    ),
    held_in="<b>{group}</b>: entre em {channels}.",
    held_otherwise=(
        "<b>{group}</b>: toque no botão para verificar de novo, "
        "ou fale com um administrador do grupo."
    ),
    not_held=(
        "Não impeço você de escrever em nenhum grupo: não há nada a fazer. "
        "Para que só membros do seu canal escrevam no seu grupo, torne-me administrador "
        "dos dois e escreva /protect e o @nome do canal no grupo."
    ),
)
